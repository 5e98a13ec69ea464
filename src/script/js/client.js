'use strict';
// What the clients of all protocols share: properties, calls with and without waiting, errors.
// Fills internal.clients for client_pop3.js and client_mailer.js.

if (internal.clients)
	return;

const states = new WeakMap();

// What belongs to a client object; `member` is for the message.
const stateOf = (object, member) => {
	const state = states.get(object);
	if (!state)
		throw new TypeError(`${member}: not called on a client`);
	return state;
};

const failure = (message, code) => Object.assign(new Error(message), { code });

const alive = (object, member) => {
	const state = stateOf(object, member);
	if (!state.handle)
		throw failure(`${member}: the client was freed`, 'CLOSED');
	return state;
};

const connected = (object, member) => {
	const state = alive(object, member);
	const open = native.clientState(state.handle);
	if (open === true)
		return state;
	if (!state.isOpen)
		throw failure(`${member}: not connected; call connect() first`, 'CLOSED');
	throw failure(`${member}: the connection has ended (${open}); call connect() again`,
		'CLOSED');
};

// ---- Properties ----

const enumCheck = (values) => (name, value) => internal.enumValue(name, value, values);
const integerCheck = (min, max) => (name, value) => internal.integer(name, value, min, max);
const word = (pattern, wanted) => (name, value) => {
	if (!pattern.test(internal.string(name, value)))
		throw new RangeError(`${name}: ${wanted}, not ${internal.shown(value)}`);
	return value;
};
// Secrets are never shown, of whatever type they are.
const secret = (name, value) => {
	if (typeof value !== 'string')
		throw new TypeError(`${name}: a string, not a value of type ${typeof value}`);
	return internal.line(name, value);
};
const optional = (check) => (name, value) =>
	value === undefined || value === null ? undefined : check(name, value);

const encryptMode = internal.enumeration({ none: 0, sslTls: 1, startTls: 2 });
const protocol = internal.enumeration({ tls1_0: 2, tls1_1: 3, tls1_2: 4, tls1_3: 5 });

const LARGEST = 2147483647;
const MB = 1024 * 1024;

// name: [what it is at first, check]
const common = {
	host: ['', word(/^[^\s\x00-\x1F\x7F]{0,255}$/,
		'a name, an address or the path of a socket')],
	username: ['', internal.line],
	password: ['', secret],
	encryptMode: [encryptMode.none, enumCheck(encryptMode)],
	timeout: [30000, integerCheck(1, LARGEST)],
	verifyServerCertificate: [false, internal.boolean],
	useLegacyServerConnect: [false, internal.boolean],
	allowUnsafeLegacyRenegotiation: [false, internal.boolean],
	implicitTls: [undefined, optional(internal.boolean)],
	caFile: ['', internal.line],
	certFile: ['', internal.line],
	keyFile: ['', internal.line],
	minProtocol: [protocol.tls1_2, enumCheck(protocol)],
	maxProtocol: [protocol.tls1_3, enumCheck(protocol)],
	mechanism: ['', word(/^[A-Za-z0-9_-]{0,20}$/,
		'the name of a mechanism, as "SCRAM-SHA-256"')],
	token: ['', secret],
	authorizationId: ['', internal.line],
};

const property = (kind, name, [, check]) => {
	const member = `${kind.label}.${name}`;
	Object.defineProperty(kind.Class.prototype, name, {
		enumerable: true,
		configurable: true,
		get() {
			return stateOf(this, member).values[name];
		},
		set(value) {
			const checked = check(member, value);
			alive(this, member).values[name] = checked;
		},
	});
};

// A property that cannot be set, and says so.
const reading = (kind, name, get) => {
	const member = `${kind.label}.${name}`;
	Object.defineProperty(kind.Class.prototype, name, {
		enumerable: true,
		configurable: true,
		get() {
			return get(stateOf(this, member));
		},
		set() {
			throw new TypeError(`${member}: cannot be set`);
		},
	});
};

const isOpen = (state) => Boolean(state.handle) && native.clientState(state.handle) === true;

const usesImplicitTls = (kind, values) => {
	if (values.encryptMode !== encryptMode.sslTls)
		return false;
	return values.implicitTls ??
		(kind.tlsPort !== 0 && (!values.port || values.port === kind.tlsPort));
};

const portOf = (kind, values) =>
	values.port || (usesImplicitTls(kind, values) && kind.tlsPort) || kind.port;

const portProperty = (kind) => {
	const member = `${kind.label}.port`;
	Object.defineProperty(kind.Class.prototype, 'port', {
		enumerable: true,
		configurable: true,
		get() {
			return portOf(kind, stateOf(this, member).values);
		},
		set(value) {
			const port = internal.integer(member, value, 1, 65535);
			alive(this, member).values.port = port;
		},
	});
};

const readings = {
	connected: isOpen,
	capabilities: (state) => [...state.capabilities],
	greeting: (state) => state.greeting,
	tls: (state) => state.tls && { ...state.tls },
	lastReply: (state) => state.lastReply && { ...state.lastReply },
};

// ---- Calls ----

const hidden = (object, name, value) =>
	Object.defineProperty(object, name, { value, writable: true, configurable: true });

// `error` was made where the call stands, so that its stack leads there.
const errorOf = (record, error = new Error('')) => {
	error.message = record.message;
	error.code = record.code;
	for (const name of ['reply', 'command', 'recipients', 'unknown'])
		if (record[name] !== undefined)
			error[name] = record[name];
	return error;
};

// `call.refused` may make a value of what the server said no to.
const take = (state, call, record, args, error) => {
	if (record.reply)
		state.lastReply = record.reply;
	call.note?.(state, record);
	if (record.ok)
		return call.give?.(state, record, ...args);
	if (record.side === 'server' && call.refused?.(record))
		return false;
	throw errorOf(record, error);
};

// A method and its twin with Async behind its name. `call` has
//   check(member, ...args): the arguments, checked; may throw
//   before(state, member): without a connection
//   ask(state, isAsync, ...checked): the record of it, undefined: there is nothing to do
//   give(state, record, ...checked): what it returns
const method = (kind, name, call) => {
	const member = `${kind.label}.${name}`;
	const twin = `${name}Async`;
	const begin = (object, args) => {
		const state = (call.before ? alive : connected)(object, member);
		const checked = call.check?.(member, ...args) ?? [];
		return [state, checked];
	};
	const define = (called, value) =>
		hidden(kind.Class.prototype, called,
			Object.defineProperty(value, 'name', { value: called }));
	define(name, function (...args) {
		const [state, checked] = begin(this, args);
		const record = call.ask(state, false, member, ...checked);
		return record ? take(state, call, record, checked) : call.idle;
	});
	define(twin, async function (...args) {
		const [state, checked] = begin(this, args);
		const place = new Error('');
		const record = await call.ask(state, true, member, ...checked);
		return record ? take(state, call, record, checked, place) : call.idle;
	});
};

// ---- connect, disconnect, free ----

const tlsOf = (kind, values, member) => {
	if (values.encryptMode === encryptMode.none)
		return 'off';
	if (values.encryptMode === encryptMode.startTls) {
		if (values.implicitTls)
			throw failure(`${member}: implicitTls goes with encryptMode sslTls only`,
				'CONFIG');
		return 'startTls';
	}
	return usesImplicitTls(kind, values) ? 'implicit' : 'startTls';
};

const settingsOf = (kind, values, member) => {
	if (!values.host)
		throw failure(`${member}: no host; set the host property first`, 'CONFIG');
	if (values.minProtocol > values.maxProtocol)
		throw failure(`${member}: minProtocol is above maxProtocol`, 'CONFIG');
	if (values.keyFile && !values.certFile)
		throw failure(`${member}: a keyFile without a certFile`, 'CONFIG');
	return {
		...values,
		port: portOf(kind, values),
		tls: tlsOf(kind, values, member),
		verify: values.verifyServerCertificate,
		legacyConnect: values.useLegacyServerConnect,
		legacyRenegotiation: values.allowUnsafeLegacyRenegotiation,
	};
};

// Undefined: any mechanism.
const loginOf = (values, mechanism) => ({
	user: values.username,
	password: values.password,
	authzid: values.authorizationId,
	token: values.token,
	certificate: Boolean(values.certFile),
	mechanism,
});

const lines = (text) => text.split('\n').slice(0, -1);

const noteConnected = (kind) => (state, record) => {
	if (!record.ok)
		return;
	kind.onConnected(state);
	state.isOpen = true;
	state.greeting = record.greeting;
	state.capabilities = lines(record.capabilities);
	state.tls = record.tls;
};

const connectCall = (kind) => ({
	before: true,
	ask(state, isAsync, member) {
		if (state.isConnecting || isOpen(state))
			throw failure(`${member}: connected already; call disconnect() first`,
				'MISUSE');
		const settings = settingsOf(kind, state.values, member);
		const login = kind.loginAtOnce?.(state.values, member);
		state.isOpen = false;
		state.lastReply = null;
		const record = native.clientConnect(state.handle, isAsync, settings, login);
		if (!isAsync)
			return record;
		state.isConnecting = true;
		return record.finally(() => {
			state.isConnecting = false;
		});
	},
	note: noteConnected(kind),
});

// Who asked for nothing that QUIT decides has got all he wanted when the connection is gone.
const disconnectCall = (kind) => ({
	before: true,
	ask(state, isAsync, member) {
		const open = native.clientState(state.handle);
		if (open === true)
			return native.clientPlain(state.handle, isAsync, 'QUIT');
		const isLost = state.isOpen && kind.quitMatters(state, { side: 'network' });
		native.clientClose(state.handle, 'disconnect() was called');
		state.isOpen = false;
		if (isLost)
			throw failure(`${member}: the connection ended before QUIT, `
				+ `so nothing was deleted (${open})`, 'CLOSED');
		return undefined;
	},
	note(state, record) {
		state.isOpen = false;
		if (!kind.quitMatters(state, record))
			record.ok = true;
	},
});

const free = (kind) => function free() {
	const state = stateOf(this, `${kind.label}.free`);
	if (!state.handle)
		return;
	native.clientClose(state.handle, 'the client was freed');
	state.handle = undefined;
	state.isOpen = false;
	state.values.password = state.values.token = '';
};

// ---- The class ----

// `kind`: label, protocol (enum lm_protocol), port, tlsPort, properties, Class, quitMatters,
// loginAtOnce, state (what more belongs to an object).
const init = (object, kind) => {
	const values = { port: 0 };
	for (const [name, [first]] of Object.entries({ ...common, ...kind.properties }))
		values[name] = first;
	states.set(object, {
		handle: native.clientNew(kind.protocol),
		values,
		isOpen: false,
		isConnecting: false,
		greeting: '',
		capabilities: [],
		tls: null,
		lastReply: null,
		...kind.state(),
	});
};

const complete = (kind) => {
	for (const [name, row] of Object.entries({ ...common, ...kind.properties }))
		property(kind, name, row);
	portProperty(kind);
	for (const [name, get] of Object.entries({ ...readings, ...kind.readings }))
		reading(kind, name, get);
	method(kind, 'connect', connectCall(kind));
	method(kind, 'disconnect', disconnectCall(kind));
	method(kind, 'noop', {
		ask: (state, isAsync) => native.clientPlain(state.handle, isAsync, 'NOOP'),
	});
	hidden(kind.Class.prototype, 'free', free(kind));
	const enumerations = { encryptMode, protocol, authMode: kind.authMode };
	for (const [name, value] of Object.entries(enumerations))
		Object.defineProperty(kind.Class, name, { value, enumerable: true });
};

internal.clients = {
	init, complete, method, stateOf, failure, loginOf, lines, hidden, word, enumCheck,
	integerCheck, native, LARGEST, MB,
};
