// infinity.pop3.server, infinity.smtp.server, infinity.lmtp.server: what a program says of a server
// is checked here and becomes the options of src/server/options.def; C starts and stops it.
// The body of a function of (infinity, native, internal); gives internal.server(kind).
//
// Without host a server listens for everybody ("*", both families), as those of the documents do;
// port 0 picks a free one. Handlers and certificates change while it is stopped. stop() returns when
// the port is free; sessions may finish beside the program, and stopAsync() tells when all have.
// Without store there is none; what no handler decides is then refused. ssl: as given, else whether
// port or implicitTls say so. auth: what the handlers can judge (PLAIN, LOGIN; with onAuth also
// bearer tokens and certificates); APOP, CRAM-MD5 and SCRAM must be named, as onAuth has to give a
// secret for them.

const DAY = 24 * 3600 * 1000;
const NO_HOST = '*';

const protocol = internal.enumeration({ tls1_0: 2, tls1_1: 3, tls1_2: 4, tls1_3: 5 });
const tlsNames = { 2: '1.0', 3: '1.1', 4: '1.2', 5: '1.3' };

// What the seven positional arguments of the constructor are, in their order.
const positional = ['ssl', 'verifyCertificate', 'port', 'maxConnections', 'poolSize',
	'minProtocol', 'maxProtocol'];

const kinds = {
	pop3: { port: 110, implicitPort: 995, plain: 'pop3', implicit: 'pop3s' },
	smtp: { port: 25, implicitPort: 465, plain: 'smtp', implicit: 'smtps' },
	lmtp: { port: 24, plain: 'lmtp' },
};

// Options of a server that are no matter of these classes, and what to say instead.
const elsewhere = {
	smtp: 'port and host', smtps: 'port, host and implicitTls', submission: 'requireLogin',
	lmtp: 'port and host', pop3: 'port and host', pop3s: 'port, host and implicitTls',
	tls: 'ssl', log: '"lettermill run --log"',
};

const camel = (name) => name.replace(/-([a-z0-9])/g, (_, letter) => letter.toUpperCase());

// Rows of options.def by the name scripts use.
const rows = new Map();
for (const row of native.options())
	if (!Object.hasOwn(elsewhere, row.name))
		rows.set(camel(row.name), row);

// Options whose values are names of files: relative to the data folder.
const paths = new Set(['cert', 'key', 'client-ca', 'data-dir']);

const state = (text) => Object.assign(new Error(text), { code: 'MISUSE' });

const unknown = (member, name, names) => {
	const nearest = native.nearest(name, names);
	return `${member}: there is no such name${nearest ? `; the nearest is ${nearest}` : ''}`;
};

const filled = (member, value) => {
	if (internal.string(member, value) === '' || value.includes('\0'))
		throw new RangeError(`${member}: a name without NUL that is not empty`);
	return value;
};

// "sqlite:mail.db" with the file where data files are.
const storeUrl = (member, value) => {
	const [, kind, path] = /^(sqlite:|maildir:)(.+)$/s.exec(value) ?? [];
	return kind ? kind + native.path(filled(member, path)) : value;
};

const certificatePair = (member, value) => {
	const [, name, cert, key] = /^([^=]+)=([^,]+),(.+)$/s.exec(value) ?? [];
	if (!name)
		throw new RangeError(`${member}: "name=certificate,key", not ${internal.shown(value)}`);
	return `${name}=${native.path(cert)},${native.path(key)}`;
};

const stringText = (row, member, value) => {
	filled(member, value);
	if (paths.has(row.name))
		return native.path(value);
	return row.name === 'store' || row.name === 'accounts' ? storeUrl(member, value) : value;
};

const quantity = (unit, wanted) => (row, member, value) => {
	if (typeof value === 'string')
		return filled(member, value);
	if (typeof value !== 'number')
		internal.wrongType(member, wanted, value);
	return internal.integer(member, value, 0, Number.MAX_SAFE_INTEGER) + unit;
};

const numberText = (row, member, value) =>
	typeof value === 'string' && row.words.split('|').includes(value)
		? value : String(internal.integer(member, value, -1, Number.MAX_SAFE_INTEGER));

// The text that options.def reads, by kind of option.
const texts = {
	STRING: stringText,
	LIST: (row, member, value) => filled(member, value),
	NETS: (row, member, value) => filled(member, value),
	PAIRS: (row, member, value) => certificatePair(member, internal.string(member, value)),
	WORDS: (row, member, value) => internal.string(member, value),
	NUMBER: numberText,
	DURATION: quantity('ms', 'a number of milliseconds, or a text like "30s"'),
	SIZE: quantity('', 'a number of octets, or a text like "50M"'),
	FLAG: (row, member, value) => internal.boolean(member, value) ? 'yes' : 'no',
	CHOICE: (row, member, value) => typeof value === 'boolean' && /yes\|no/.test(row.words)
		? (value ? 'yes' : 'no') : internal.string(member, value),
};
const repeatable = new Set(['LIST', 'NETS', 'PAIRS']);

// [name, text] for each value of an option, found good.
const optionTexts = (row, member, value) => {
	let values = [value];
	if (Array.isArray(value) && repeatable.has(row.kind))
		values = value;
	else if (Array.isArray(value) && row.kind === 'WORDS')
		values = [value.map((word) => internal.string(member, word)).join(' ') || 'none'];
	return values.map((one) => {
		const text = texts[row.kind](row, member, one);
		const wrong = native.check(row.name, text);
		if (wrong !== undefined)
			throw new RangeError(`${member}: ${wrong.replace(/^[a-z0-9-]+: /, '')}`);
		return [row.name, text];
	});
};

const isLoopback = (host) => /^(127\.|::1$|\/)/.test(host);

const secretMechanism = /^(SCRAM-.*|CRAM-MD5|APOP)$/i;
const bearerMechanism = /^(OAUTHBEARER|XOAUTH2)$/i;

// What logins are offered: nothing that no handler of the program could judge.
const offer = (name, given, hooks, hasStore, knowsClients) => {
	const judges = hooks.has('onLogin') || hooks.has('onAuth');
	let words = given.auth?.split(/[ ,]+/).filter((word) => word);
	let apop = judges || !hasStore ? 'no' : 'auto';

	if (words?.some((word) => /^APOP$/i.test(word)))
		apop = 'yes';
	for (const word of hooks.has('onAuth') || (hasStore && !judges) ? [] : words ?? [])
		if (secretMechanism.test(word) || bearerMechanism.test(word))
			throw new RangeError(`${name}.auth: ${word} needs the handler onAuth`);
	words = words?.filter((word) => !/^APOP$/i.test(word));
	if (hooks.has('onAuth'))
		words ??= ['PLAIN', 'LOGIN', 'OAUTHBEARER', 'XOAUTH2',
			...(knowsClients ? ['EXTERNAL'] : [])];
	else if (judges)
		words ??= ['PLAIN', 'LOGIN'];
	else if (!hasStore)
		words ??= [];
	return [
		...(words ? [['auth', words.join(' ') || 'none']] : []),
		['apop', given.apop ?? apop],
		['require-login', given['require-login'] ?? 'no'],
	];
};

// Says so when a property is set that is not there: a slip of the pen would be a handler that is
// never called. A class of the program's own that extends one of these may have more.
const strict = (name, names) => new Proxy(Object.create(Object.prototype), {
	set(target, key, value, receiver) {
		const own = receiver !== null && typeof receiver === 'object';
		if (typeof key === 'string' && (/^on[A-Z]/.test(key) || !Object.isExtensible(receiver)))
			throw new TypeError(unknown(`${name}.${key}`, key, names()));
		return own && Reflect.defineProperty(receiver, key,
			{ value, writable: true, enumerable: true, configurable: true });
	},
});

const makeServer = (kind) => {
	const name = `infinity.${kind}.server`;
	const facts = kinds[kind];
	const hookNames = native.hooks(kind);
	const members = new Set();

	// Each option of the constructor that is not a row of options.def: check, and keep.
	const own = {
		ssl: (value) => internal.boolean(`${name}.ssl`, value),
		verifyCertificate: (value) => internal.boolean(`${name}.verifyCertificate`, value),
		port: (value) => kind === 'lmtp' && typeof value === 'string'
			? native.path(filled(`${name}.port`, value))
			: internal.integer(`${name}.port`, value, 0, 65535),
		host: (value) => filled(`${name}.host`, value),
		poolSize: (value) => internal.integer(`${name}.poolSize`, value, 1, 1024),
		minProtocol: (value) => internal.enumValue(`${name}.minProtocol`, value, protocol),
		maxProtocol: (value) => internal.enumValue(`${name}.maxProtocol`, value, protocol),
		implicitTls: (value) => internal.boolean(`${name}.implicitTls`, value),
		clientCertificates: (value) => internal.boolean(`${name}.clientCertificates`, value),
		cpuBudget: (value) => internal.integer(`${name}.cpuBudget`, value, 1, 3600000),
		heapBudget: (value) =>
			internal.integer(`${name}.heapBudget`, value, 1 << 20, Number.MAX_SAFE_INTEGER),
	};

	class server {
		#settings = { poolSize: 64 };
		#options = new Map();
		#hooks = new Map();
		#certificate;
		#run;

		constructor(...values) {
			const [first] = values;
			if (values.length === 1 && typeof first === 'object' && first !== null) {
				this.#take(first);
			} else if (values.length > positional.length) {
				throw new TypeError(`${name}: at most ${positional.length} values, or one ` +
					`object of options, not ${values.length} values`);
			} else {
				this.#take(Object.fromEntries(values.map((v, i) => [positional[i], v])));
			}
			this.#settle();
			if (new.target === server)
				Object.preventExtensions(this);
		}

		#take(options) {
			for (const [key, value] of Object.entries(options)) {
				if (value === undefined)
					continue;
				if (hookNames.includes(key))
					this.#setHook(key, value);
				else if (Object.hasOwn(own, key))
					this.#settings[key] = own[key](value);
				else if (rows.has(key))
					this.#options.set(key, optionTexts(rows.get(key), `${name}.${key}`, value));
				else if (Object.hasOwn(elsewhere, key))
					throw new TypeError(`${name}.${key}: say ${elsewhere[key]} instead`);
				else
					throw new TypeError(unknown(`${name}.${key}`, key,
						[...Object.keys(own), ...rows.keys(), ...hookNames]));
			}
		}

		// What follows from several settings together (contradiction T14 of the seeds).
		#settle() {
			const s = this.#settings;
			const atImplicitPort = facts.implicitPort !== undefined &&
				s.port === facts.implicitPort;

			if (s.implicitTls && !facts.implicit)
				throw new RangeError(`${name}.implicitTls: LMTP has STARTTLS only`);
			if (s.implicitTls && s.ssl === false)
				throw new RangeError(`${name}.implicitTls: ssl is false`);
			if ((s.minProtocol ?? protocol.tls1_2) > (s.maxProtocol ?? protocol.tls1_3))
				throw new RangeError(`${name}.minProtocol: is above maxProtocol`);
			if (s.ssl === false && atImplicitPort)
				native.warn(`${name}: port ${s.port} is for TLS, and ssl is false: ` +
					'clients will not understand this server');
			s.ssl ??= s.implicitTls === true || atImplicitPort;
			s.implicitTls ??= s.ssl && atImplicitPort;
			s.port ??= s.implicitTls ? facts.implicitPort : facts.port;
			s.host ??= NO_HOST;
			const wrong = native.check(facts.plain, this.#where());
			if (wrong !== undefined)
				throw new RangeError(`${name}.host: ${wrong.replace(/^[a-z0-9-]+: /, '')}`);
		}

		#where() {
			const { host, port } = this.#settings;
			if (typeof port === 'string')
				return port;
			if (host === 'localhost')
				return `127.0.0.1:${port}`;
			return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
		}

		#setHook(property, value) {
			if (this.running)
				throw state(`${name}.${property}: the server runs; stop() it first`);
			if (value === undefined || value === null)
				this.#hooks.delete(property);
			else if (typeof value === 'function')
				this.#hooks.set(property, value);
			else if (typeof value === 'string')
				this.#hooks.set(property, filled(`${name}.${property}`, value));
			else
				internal.wrongType(`${name}.${property}`,
					'the name of a script file, a function, or null', value);
		}

		static {
			for (const property of hookNames)
				Object.defineProperty(this.prototype, property, {
					get() { return this.#hooks.get(property) ?? null; },
					set(value) { this.#setHook(property, value); },
					enumerable: true, configurable: false,
				});
		}

		setCertificate(certFile, keyFile, rootCertFile, verify) {
			const member = `${name}.setCertificate`;
			if (this.running)
				throw state(`${member}: the server runs; stop() it first`);
			const chosen = {
				cert: native.path(filled(`${member}, certFile`, certFile)),
				key: native.path(filled(`${member}, keyFile`, keyFile)),
				root: rootCertFile === undefined || rootCertFile === null ? undefined
					: native.path(filled(`${member}, rootCertFile`, rootCertFile)),
				verify: verify === undefined ? undefined
					: internal.boolean(`${member}, verify`, verify),
			};
			native.certificate(chosen);
			this.#certificate = chosen;
		}

		// Its own certificate, not its clients' (contradiction T16 of the seeds).
		#certificateOptions(given) {
			const { verifyCertificate, clientCertificates, ssl } = this.#settings;
			const chosen = this.#certificate ??
				(given.cert && { cert: given.cert, key: given.key ?? given.cert });

			if (clientCertificates && !chosen?.root)
				throw state(`${name}.clientCertificates: setCertificate() must name the ` +
					'certificate that signs them, rootCertFile');
			if (!ssl)
				return [];
			if (!chosen && verifyCertificate)
				throw state(`${name}.verifyCertificate: the certificate a server gives itself ` +
					'is signed by nobody else; use setCertificate()');
			if (chosen && (chosen.verify ?? verifyCertificate))
				native.verify(chosen);
			return [
				...(this.#certificate ? [['cert', chosen.cert], ['key', chosen.key]] : []),
				...(clientCertificates ? [['client-ca', chosen.root]] : []),
			];
		}

		#listener(given) {
			if (this.#settings.implicitTls)
				return facts.implicit;
			return kind === 'smtp' && given['require-login'] === 'yes' ? 'submission' : facts.plain;
		}

		#warn(given, hasStore) {
			const { ssl, host, port } = this.#settings;
			const logins = hasStore || this.#hooks.has('onLogin') || this.#hooks.has('onAuth');
			if (logins && !ssl && given['allow-plaintext-login'] !== 'yes' &&
			    !isLoopback(typeof port === 'string' ? port : host))
				native.warn(`${name}: without ssl only clients on this machine can log in; ` +
					'allowPlaintextLogin lets others send passwords in the clear');
		}

		start() {
			const s = this.#settings;
			const given = Object.fromEntries([...this.#options.values()].flat());
			const hasStore = given.store !== undefined && given.store !== 'none';

			if (this.running)
				throw state(`${name}.start: it runs already`);
			const certificate = this.#certificateOptions(given);
			const knowsClients = [...Object.entries(given), ...certificate]
				.some(([key]) => key === 'client-ca');
			const options = [
				['store', given.store ?? 'none'],
				['tls', s.ssl ? 'yes' : 'no'],
				...(s.minProtocol ? [['tls-min', tlsNames[s.minProtocol]]] : []),
				...(s.maxProtocol ? [['tls-max', tlsNames[s.maxProtocol]]] : []),
				...[...this.#options.values()].flat()
					.filter(([key]) => !['store', 'auth', 'apop', 'require-login'].includes(key)),
				...offer(name, given, this.#hooks, hasStore, knowsClients),
				...certificate,
			];
			this.#warn(given, hasStore);
			this.#run = native.start({
				kind, hasStore,
				listener: this.#listener(given),
				where: this.#where(),
				options: options.flat(),
				hooks: [...this.#hooks].flat(),
				poolSize: s.poolSize,
				cpu: s.cpuBudget ?? 0,
				heap: s.heapBudget ?? 0,
			});
		}

		#end(member, timeout) {
			const ms = timeout === undefined ? -1
				: internal.integer(`${member}: timeout`, timeout, 0, DAY);
			return this.#run ? native.stop(this.#run, ms) : Promise.resolve();
		}

		stop(timeout) {
			this.#end(`${name}.stop`, timeout);
		}

		stopAsync(timeout) {
			return this.#end(`${name}.stopAsync`, timeout);
		}

		free() {
			this.stop();
		}

		get running() {
			return this.#run !== undefined && native.running(this.#run);
		}

		get address() {
			return this.running ? native.address(this.#run) : null;
		}

		get host() {
			return this.#settings.host;
		}

		get port() {
			const where = this.address;
			const { port } = this.#settings;
			return where === null || typeof port === 'string' ? port
				: Number(where.slice(where.lastIndexOf(':') + 1));
		}

		get stats() {
			return native.stats(this.#run);
		}
	}

	for (const [key, how] of Object.entries(Object.getOwnPropertyDescriptors(server.prototype))) {
		members.add(key);
		// In sloppy mode a property without a setter would swallow what is assigned to it.
		if (how.get && !how.set)
			Object.defineProperty(server.prototype, key, { ...how, set() {
				throw new TypeError(`${name}.${key}: can only be read` +
					(Object.hasOwn(own, key) ? '; say it to the constructor' : ''));
			} });
	}
	Object.setPrototypeOf(server.prototype, strict(name, () => [...members]));
	Object.defineProperty(server, 'protocol', { value: protocol, enumerable: true });
	return server;
};

const made = new Map();
internal.server = (kind) => made.get(kind) ?? made.set(kind, makeServer(kind)).get(kind);
