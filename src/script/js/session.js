'use strict';
// Sessions as handler scripts see them, and the one call for each event that C makes.
// The body of a function of (infinity, native, internal, protocol); gives the table of those calls.
//
// A state is what C holds of a session, the session what scripts hold. What a call returns: a
// verdict; an array [verdict, code, class, subject, detail, text, POP3 code, payload, uids] when
// there is more to say; or at once the payload of a plain yes (a message's octets, a list's uids).
// PENDING says that native.done or native.failed brings it later.

const NO = 0;
const YES = 1;
const PROCEED = 2;
const PENDING = 3;
const CLOSE = 16;

const FACT = internal.enumeration(native.facts);
const MAX_ITEMS = 1000000;
const NOTIFY = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'];
const isPop3 = protocol === 'pop3';
const isLmtp = protocol === 'lmtp';
const prefix = `infinity.${protocol}.session`;
const nothing = Object.freeze([]);
const { isGiven, replyOf, replyFrom } = internal.replies;

// Sizes, lengths of uids and ids of a list on its way to C.
let numbers = new Float64Array(1 + 3 * 256);
// Whose hook runs just now; for scripts that have no session of their own.
let current;

class State {
	constructor(box, id, ip, port) {
		this.box = box;
		this.id = id;
		this.ip = ip;
		this.port = port;
		this.open = false;
		this.stage = 0;
		this.hasEnded = false;
		this.authenticated = undefined;
		this.accept = undefined;
		this.received = undefined;
		this.secret = undefined;
		this.answer = null;
		this.answers = null;
		this.proceeds = false;
		this.closes = false;
		this.item = undefined;
		this.items = isPop3 ? [] : undefined;
		this.isListed = false;
		this.listed = nothing;
		this.cache = null;
		this.session = isPop3 ? new Pop3Session(this) : new SmtpSession(this);
		this.infinity = Object.create(infinity, { [protocol]: {
			value: Object.create(infinity[protocol] ?? null, {
				session: { value: this.session, enumerable: true },
			}),
			enumerable: true,
		} });
	}
}

const fact = (state, which) => native.fact(state.box, which);

// ---- the public classes ----

const recipientIndex = (state, name, value) => {
	const { recipients } = envelopeOf(state) ?? { recipients: nothing };
	const index = typeof value === 'string'
		? recipients.findIndex(({ address }) => address === value)
		: internal.integer(name, value, 0, recipients.length - 1);
	if (index < 0)
		throw new RangeError(`${name}: ${internal.shown(value)} is none of the recipients`);
	return index;
};

const outside = (name) => {
	throw new Error(`${prefix}.${name}: the event is over`);
};

let stateOf;
class Session {
	#state;

	constructor(state) {
		if (!(state instanceof State))
			throw new TypeError(`${prefix}: sessions are made by servers`);
		this.#state = state;
	}

	static {
		stateOf = (session) => session.#state;
	}

	get authenticated() {
		return this.#state.authenticated;
	}

	set authenticated(value) {
		this.#state.authenticated = value;
	}

	get accept() {
		return this.#state.accept;
	}

	set accept(value) {
		this.#state.accept = value;
	}

	get secret() {
		return this.#state.secret;
	}

	set secret(value) {
		this.#state.secret = value;
	}

	reply(first, enhanced, text) {
		const state = this.#state;
		if (!state.open)
			outside('reply');
		const answer = replyFrom(`${prefix}.reply`, first, enhanced, text);
		state.proceeds = false;
		if (answer.close)
			state.closes = true;
		if (typeof first === 'object' && isGiven(first.recipient)) {
			if (!isLmtp)
				throw new TypeError(`${prefix}.reply.recipient: only LMTP answers each recipient`);
			state.answers ??= new Map();
			state.answers.set(
				recipientIndex(state, `${prefix}.reply.recipient`, first.recipient), answer);
		} else {
			state.answer = answer;
		}
	}

	proceed() {
		const state = this.#state;
		if (!state.open)
			outside('proceed');
		state.proceeds = true;
		state.answer = state.answers = null;
	}

	disconnect() {
		const state = this.#state;
		if (state.open)
			state.closes = true;
		else
			native.close(state.box);
	}

	// What logs and JSON show: everything but the secrets, and no message.
	toJSON() {
		const shown = {};
		for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(
			Object.getPrototypeOf(this)))) {
			if (get && !['password', 'secret', 'auth', 'msg', 'msgBytes', 'stream'].includes(name))
				shown[name] = this[name];
		}
		return Object.assign(shown, this);
	}
}

class Pop3Session extends Session {
	get items() {
		return stateOf(this).items;
	}

	set items(value) {
		if (!Array.isArray(value))
			internal.wrongType(`${prefix}.items`, 'an array of { id, uid, size }', value);
		const state = stateOf(this);
		state.items = value;
		state.isListed = true;
	}

	get msg() {
		return stateOf(this).item?.msg;
	}

	set msg(value) {
		const { item } = stateOf(this);
		if (!item)
			throw new Error(`${prefix}.msg: there is no item in this event`);
		item.msg = value;
	}
}

class SmtpSession extends Session {
	get received() {
		return stateOf(this).received;
	}

	set received(value) {
		stateOf(this).received = value;
	}

	get receive() {
		return stateOf(this).received;
	}

	set receive(value) {
		stateOf(this).received = value;
	}
}

// Made at the first look, kept for the event.
const cached = (state, name, make) => {
	state.cache ??= {};
	if (!(name in state.cache))
		state.cache[name] = make();
	return state.cache[name];
};

const tlsOf = (state) => {
	const found = native.tls(state.box);
	if (!found)
		return null;
	const [version, cipher, bits, serverName, peerSubject, peerName] = found;
	return Object.freeze({ version, cipher, bits, serverName, peerSubject, peerName });
};

const authOf = (state) => {
	const kind = fact(state, FACT.authKind);
	return kind && Object.freeze({
		mechanism: fact(state, FACT.authMechanism),
		kind,
		username: fact(state, FACT.authName),
		authorizeAs: fact(state, FACT.authActsAs),
		token: fact(state, FACT.authToken),
		ok: fact(state, FACT.authOk),
	});
};

const recipientOf = ([address, orcpt, notify]) => Object.freeze({
	address,
	orcpt,
	notify: Object.freeze(NOTIFY.filter((word, bit) => notify & 1 << bit)),
});

const envelopeOf = (state) => cached(state, 'envelope', () => {
	const found = native.envelope(state.box);
	if (!found)
		return undefined;
	const [sender, size, flags, ret, envid, auth, recipients] = found;
	return Object.freeze({
		sender,
		recipients: Object.freeze(recipients.map(recipientOf)),
		size,
		eightBit: (flags & 1) !== 0,
		binary: (flags & 2) !== 0,
		smtputf8: (flags & 4) !== 0,
		requireTls: (flags & 8) !== 0,
		dsn: Object.freeze({ ret, envid }),
		auth,
	});
});

const readOnly = (kind, members) => {
	for (const [name, get] of Object.entries(members))
		Object.defineProperty(kind.prototype, name, {
			get() {
				return get(stateOf(this));
			},
			set() {
				throw new TypeError(`${prefix}.${name}: read-only, the server sets it`);
			},
			enumerable: true,
			configurable: true,
		});
};

for (const kind of [Session, Pop3Session, SmtpSession])
	for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(kind.prototype)))
		if (member.get)
			Object.defineProperty(kind.prototype, name, { ...member, enumerable: true });

const common = {
	id: (state) => (state.hasEnded ? undefined : state.id),
	ip: (state) => state.ip,
	port: (state) => state.port,
	protocol: () => protocol,
	username: (state) => fact(state, FACT.username),
	password: (state) => fact(state, FACT.password),
	user: (state) => fact(state, FACT.user),
	mechanism: (state) => fact(state, FACT.mechanism),
	argument: (state) => fact(state, FACT.argument),
	verb: (state) => fact(state, FACT.verb),
	auth: (state) => cached(state, 'auth', () => authOf(state)),
	tls: (state) => cached(state, 'tls', () => tlsOf(state)),
	server: (state) => cached(state, 'server', () => Object.freeze({
		address: fact(state, FACT.serverAddress),
		port: fact(state, FACT.serverPort),
	})),
};

readOnly(Pop3Session, {
	...common,
	item: (state) => state.item,
	lines: (state) => state.item?.lines,
	language: (state) => fact(state, FACT.language),
	utf8: (state) => fact(state, FACT.utf8),
});

readOnly(SmtpSession, {
	...common,
	address: (state) => fact(state, FACT.address),
	helo: (state) => fact(state, FACT.helo),
	esmtp: (state) => fact(state, FACT.esmtp),
	envelope: envelopeOf,
	size: (state) => fact(state, FACT.size),
	msg: (state) => cached(state, 'msg', () => native.message(state.box)),
	msgBytes: (state) => cached(state, 'msgBytes', () => native.messageBytes(state.box)),
	stream: (state) => cached(state, 'stream', () => {
		internal.need('infinity.stream');
		const handle = native.messageStream(state.box);
		return handle && internal.streamOver(handle);
	}),
});

// A member exists in both or in one, but it is said once what is inherited and set.
for (const name of ['authenticated', 'accept', 'secret'])
	for (const kind of [Pop3Session, SmtpSession])
		Object.defineProperty(kind.prototype, name,
			Object.getOwnPropertyDescriptor(Session.prototype, name));

// ---- running a hook ----

const isPromise = (value) =>
	typeof value === 'object' && value !== null && typeof value.then === 'function';

const later = (state, promise) => {
	promise.then((value) => native.done(state.box, value),
		(reason) => native.failed(state.box, reason));
	return PENDING;
};

const begin = (state) => {
	state.open = true;
	state.accept = true;
	state.answer = state.answers = null;
	state.proceeds = state.closes = false;
	state.cache = null;
};

const runHook = (state, hook) => {
	const before = current;
	current = state.session;
	try {
		return hook(state);
	} finally {
		current = before;
	}
};

const start = (state, hook, finish) => {
	const result = runHook(state, hook);
	if (isPromise(result))
		return later(state, Promise.resolve(result).then(() => finish(state)));
	return finish(state);
};

// ---- what came of it ----

const packReply = ({ ok, code, enhanced, text, pop3 }) =>
	[ok ? YES : NO, code, enhanced[0], enhanced[1], enhanced[2], text, pop3];

const outcome = (state, verdict, payload, uids) => {
	const { answer } = state;
	state.open = false;
	if (state.closes)
		verdict |= CLOSE;
	if (answer === null && payload === undefined && uids === undefined)
		return verdict;
	const packed = answer === null ? [0, 0, 0, 0, 0, '', 0] : packReply(answer);
	packed[0] = verdict;
	packed.push(payload, uids);
	return packed;
};

// Only true is a yes. What is neither true nor false is told of: it is hardly what was meant.
const isYes = (state, member, value) => {
	if (state.answer !== null && value === undefined)
		return state.answer.ok;
	if (value !== true && value !== false)
		native.warn(state.box, `${prefix}.${member}`, internal.shown(value));
	return value === true && (state.answer === null || state.answer.ok);
};

const judge = (state, member, value) => {
	if (state.proceeds)
		return outcome(state, PROCEED);
	return outcome(state, isYes(state, member, value) ? YES : NO);
};

const finishAllowed = (state) => judge(state, 'accept', state.answer && state.accept === true
	? undefined : state.accept);
const finishAccept = (state) => judge(state, 'accept', state.accept);

// Events that a script may refuse, and is not asked to allow.
const allow = (state, hook) => {
	begin(state);
	return start(state, hook, finishAllowed);
};

const accept = (state, hook) => {
	begin(state);
	state.accept = undefined;
	return start(state, hook, finishAccept);
};

// VRFY, HELP and the like: what is not said is left to the server.
const finishTell = (state) => {
	if (state.answer === null && state.accept === true)
		state.proceeds = true;
	return finishAllowed(state);
};

const tell = (state, hook) => {
	begin(state);
	return start(state, hook, finishTell);
};

const hear = (state, hook) => {
	begin(state);
	return start(state, hook, (ended) => outcome(ended, YES));
};

// ---- logging in, and the list of messages ----

const itemFault = (index, member, wanted, value) => {
	throw new RangeError(`${prefix}.items[${index}]${member}: ${wanted}, ` +
		`not ${internal.shown(value)}`);
};

const checkItem = (index, item) => {
	if (typeof item !== 'object' || item === null)
		itemFault(index, '', 'an object { id, uid, size }', item);
	const { id, uid, size, deleted } = item;
	if (typeof id !== 'number' || !Number.isFinite(id))
		itemFault(index, '.id', 'a number', id);
	if (typeof uid !== 'string' || !/^[\x21-\x7e]{1,70}$/.test(uid))
		itemFault(index, '.uid', '1 to 70 printable characters without a space', uid);
	if (!Number.isSafeInteger(size) || size < 0)
		itemFault(index, '.size', 'a whole number of octets', size);
	if (deleted !== undefined && typeof deleted !== 'boolean')
		itemFault(index, '.deleted', 'true or false', deleted);
};

// C saw that something is wrong with the uids: say what.
const explain = (state) => {
	const seen = new Map();
	state.items.forEach((item, index) => {
		checkItem(index, item);
		if (item.deleted === true)
			return;
		if (seen.has(item.uid))
			throw new RangeError(`${prefix}.items[${index}].uid: ${internal.shown(item.uid)} ` +
				`is that of items[${seen.get(item.uid)}], too`);
		seen.set(item.uid, index);
	});
};

const isPlain = (id, uid, size, deleted) =>
	typeof id === 'number' && typeof uid === 'string' && typeof size === 'number' &&
	(deleted === false || deleted === undefined);

// The list as C wants it: numbers in `numbers`, uids one behind the other. Wire numbers are places
// in `listed`, which keeps the script's own objects.
const packItems = (state) => {
	const { items } = state;
	const count = items.length;
	const listed = [];
	let uids = '';
	let at = 1;
	if (count > MAX_ITEMS)
		throw new RangeError(`${prefix}.items: at most ${MAX_ITEMS}, not ${count}`);
	if (numbers.length < 1 + 3 * count)
		numbers = table.numbers = new Float64Array(1 + 3 * count);
	for (let index = 0; index < count; index++) {
		const item = items[index];
		if (typeof item !== 'object' || item === null)
			checkItem(index, item);
		const { id, uid, size, deleted } = item;
		if (!isPlain(id, uid, size, deleted) || !Number.isSafeInteger(size) || size < 0 ||
			!Number.isFinite(id))
			checkItem(index, item);
		if (deleted === true)
			continue;
		if (deleted === undefined)
			item.deleted = false;
		numbers[at++] = size;
		numbers[at++] = uid.length;
		numbers[at++] = id;
		listed.push(item);
		uids += uid;
	}
	numbers[0] = listed.length;
	state.listed = listed;
	return uids;
};

const packSecret = (name, secret) => {
	const octets = (member, value) => {
		if (value === undefined || value === null)
			return undefined;
		return typeof value === 'string' ? value : internal.bytes(`${name}.${member}`, value);
	};
	if (typeof secret === 'string')
		return [secret];
	if (typeof secret !== 'object' || secret === null)
		internal.wrongType(name, 'a string or { plain, salt, iterations, storedKey, serverKey }',
			secret);
	const iterations = secret.iterations === undefined ? 0
		: internal.integer(`${name}.iterations`, secret.iterations, 4096, 100000000);
	return [octets('plain', secret.plain), octets('salt', secret.salt), iterations,
		octets('storedKey', secret.storedKey), octets('serverKey', secret.serverKey)];
};

const listOf = (state) =>
	(isPop3 && (state.isListed || state.items.length) ? packItems(state) : undefined);

const finishLogin = (state) => {
	if (state.proceeds)
		return outcome(state, PROCEED);
	if (isGiven(state.secret) && state.authenticated === undefined)
		return outcome(state, YES, packSecret(`${prefix}.secret`, state.secret), listOf(state));
	if (!isYes(state, 'authenticated', state.authenticated))
		return outcome(state, NO);
	const uids = listOf(state);
	if (uids === undefined || state.answer !== null || state.closes)
		return outcome(state, YES, undefined, uids);
	state.open = false;
	return uids;
};

const isUndecided = (state) => !state.proceeds && state.answer === null &&
	state.authenticated === undefined && !isGiven(state.secret);

// `stage` tells C which of both runs.
const login = (state, onAuth, onLogin) => {
	begin(state);
	state.authenticated = state.secret = undefined;
	state.isListed = false;
	state.listed = nothing;
	if (isPop3)
		state.items = [];
	const second = () => {
		state.stage = 0;
		return runHook(state, onLogin);
	};
	state.stage = onAuth ? 1 : 0;
	if (!onAuth || !onLogin)
		return start(state, onAuth ?? onLogin, finishLogin);
	const first = runHook(state, onAuth);
	if (!isPromise(first))
		return isUndecided(state) ? start(state, second, finishLogin) : finishLogin(state);
	return later(state, Promise.resolve(first)
		.then(() => (isUndecided(state) ? second() : undefined))
		.then(() => finishLogin(state)));
};

const finishMaildrop = (state) => {
	const value = state.answer && state.accept === true ? undefined : state.accept;
	if (state.proceeds || !isYes(state, 'accept', value))
		return outcome(state, state.proceeds ? PROCEED : NO);
	return outcome(state, YES, undefined, packItems(state));
};

const maildrop = (state, hook) => {
	begin(state);
	state.items = [];
	state.isListed = false;
	state.listed = nothing;
	return start(state, hook, finishMaildrop);
};

// ---- one message of the list ----

const setItem = (state, index, id, size, lines) => {
	const given = state.listed[index] ?? { id, uid: undefined, size, deleted: false };
	try {
		given.msg = undefined;
		given.lines = lines;
		state.item = given;
	} catch {
		// A frozen one: what the script sets must go somewhere.
		state.item = { ...given, msg: undefined, lines };
	}
};

const bodyOf = (state, msg) => {
	if (typeof msg === 'string' || ArrayBuffer.isView(msg) || msg instanceof ArrayBuffer)
		return msg;
	if (typeof msg === 'object' && msg !== null) {
		const handle = internal.handle(msg);
		if (handle !== undefined && native.isStream(handle))
			return handle;
		if (typeof msg.toBytes === 'function')
			return internal.bytes(`${prefix}.item.msg.toBytes()`, msg.toBytes());
	}
	native.warn(state.box, `${prefix}.item.msg`, internal.shown(msg));
	return undefined;
};

const finishRetrieve = (state) => {
	const { item } = state;
	const { msg } = item;
	if (msg !== undefined)
		item.msg = undefined;
	if (state.proceeds)
		return outcome(state, PROCEED);
	if (state.answer !== null && !state.answer.ok)
		return outcome(state, NO);
	const body = bodyOf(state, msg);
	if (body === undefined || state.answer !== null || state.closes)
		return outcome(state, body === undefined ? NO : YES, body);
	state.open = false;
	return body;
};

const retrieve = (state, hook, index, id, size, lines) => {
	begin(state);
	setItem(state, index, id, size, lines);
	return start(state, hook, finishRetrieve);
};

const finishRemove = (state) => {
	const { item } = state;
	const value = state.answer !== null && item.deleted === false ? undefined : item.deleted;
	const result = judge(state, 'item.deleted', value);
	const verdict = Array.isArray(result) ? result[0] : result;
	item.deleted = (verdict & 3) === YES;
	return result;
};

const remove = (state, hook, index, id, size) => {
	begin(state);
	setItem(state, index, id, size, undefined);
	state.item.deleted = false;
	return start(state, hook, finishRemove);
};

// LIST and UIDL of one message.
const look = (state, hook, index, id, size) => {
	begin(state);
	state.item = undefined;
	if (index >= 0)
		setItem(state, index, id, size, undefined);
	return start(state, hook, finishAllowed);
};

// What the session did with marks: 0 takes all away, another number marks one message.
const mark = (state, bytes) => {
	for (const number of new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)) {
		if (number)
			Reflect.set(state.listed[number - 1] ?? {}, 'deleted', true);
		else
			state.listed.forEach((item) => Reflect.set(item, 'deleted', false));
	}
};

// ---- a message that came ----

const recipientAnswer = (state, index, value) => {
	if (typeof value === 'object' && value !== null)
		return packReply(replyOf(`${prefix}.received[${index}]`, value));
	return [isYes(state, `received[${index}]`, value) ? YES : NO, 0, 0, 0, 0, '', 0];
};

const recipientAnswers = (state) => {
	const { received } = state;
	const { recipients } = envelopeOf(state);
	const each = Array.isArray(received);
	if (each && received.length !== recipients.length)
		throw new RangeError(`${prefix}.received: ${recipients.length} answers are due, one for ` +
			`each recipient, not ${received.length}`);
	return recipients.map((recipient, index) => {
		const own = state.answers?.get(index);
		if (own)
			return packReply(own);
		return recipientAnswer(state, index, each ? received[index] : received);
	});
};

const finishReceive = (state) => {
	if (!state.proceeds && isLmtp && (Array.isArray(state.received) || state.answers)) {
		const answers = recipientAnswers(state);
		return outcome(state, YES, answers);
	}
	return judge(state, 'received', state.received);
};

const receive = (state, hook) => {
	begin(state);
	state.received = undefined;
	return start(state, hook, finishReceive);
};

// ---- the life of a session ----

const end = (state, hook) => {
	state.hasEnded = true;
	return hear(state, hook);
};

// The VM that knew the list is gone; C kept what the documents name.
const restore = (state, bytes, uids) => {
	const given = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
	let at = 0;
	for (let i = 0; i < given.length; i += 4) {
		const [size, length, id, deleted] = given.subarray(i, i + 4);
		state.items.push({ id, uid: uids.slice(at, at + length), size, deleted: deleted !== 0 });
		at += length;
	}
	state.listed = state.items.slice();
	state.isListed = true;
};

// A hook that was given up may still hold its session: it must not touch what comes.
const replace = (old, box) => {
	const state = new State(box, old.id, old.ip, old.port);
	for (const member of ['authenticated', 'items', 'isListed', 'listed', 'hasEnded'])
		state[member] = old[member];
	Object.assign(state.session, old.session);
	old.open = false;
	old.box = null;
	return state;
};

try {
	Object.defineProperty(infinity[protocol] ?? {}, 'session', {
		get: () => current,
		enumerable: true,
		configurable: true,
	});
} catch {
	// A sealed namespace does without.
}

const table = {
	numbers,
	open: (box, id, ip, port) => new State(box, id, ip, port),
	move: (state, ip, port) => {
		state.ip = ip;
		state.port = port;
	},
	bind: (script, require) => (state) => script(state.infinity, require),
	bindFunction: (hook) => (state) => hook(state.session),
	allow, accept, tell, hear, login, maildrop, retrieve, remove, look, mark, receive, end,
	restore, replace, explain,
};
return table;
