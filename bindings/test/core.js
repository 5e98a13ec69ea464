'use strict';
// What the servers stand on: events and their answers, deadlines, TLS options.
const { test, assert, inside, sleep, until, file } = require('./harness');
const { Server } = inside('core/server');
const { Deadlines } = inside('core/deadlines');
const { nearest, hint } = inside('core/nearest');
const { tlsOptions, checkTlsNames, createSecureContext } = inside('core/tls');

const SETTINGS = { store: 'none', smtp: 'off', smtps: 'off', submission: 'off', lmtp: 'off',
	pop3: '127.0.0.1:0', pop3s: 'off', tls: 'no' };

/** A server of POP3 whose events `on` decides by their names. */
function start(t, on, more = {}) {
	const told = [], gone = [];
	const server = new Server({
		decides: ['AUTH', 'MAILDROP', 'RETR', 'QUIT', 'NOOP'],
		hears: ['CONNECT', 'DELE'],
		deadline: 200,
		event: (session, event) => on[event.name]?.(event, session, server),
		gone: (session) => gone.push(session),
		failed: (error, session, name, event) => told.push({ error, session, name, event }),
		...more,
	});
	for (const [name, text] of Object.entries(SETTINGS))
		server.set(name, text);
	server.start();
	t.defer(() => server.drain(0));
	return { server, told, gone, port: Number(server.endpoint('pop3').split(':').at(-1)) };
}

const LOGIN = {
	AUTH: (event) => event.user(event.entry.authcid),
	MAILDROP: (event) => event.maildrop([5, 5], ['a', 'b']),
};

async function logIn(t, port) {
	const c = await t.connect(port);
	await c.line();
	await c.ask('USER luke');
	assert.match(await c.ask('PASS x'), /^\+OK/);
	return c;
}

test('answers', async (t) => {
	const answered = [];
	const { port } = start(t, { ...LOGIN,
		NOOP: (event) => {
			answered.push(event.answered);
			event.no('DENIED', { text: 'first' });
			answered.push(event.answered);
			event.yes('second');
		} });
	const c = await logIn(t, port);
	assert.equal(await c.ask('NOOP'), '-ERR first');
	assert.equal(await c.ask('NOOP'), '-ERR first');
	assert.deepEqual(answered, [false, true, false, true]);
});

test('codes_and_flags', async (t) => {
	const say = [(e) => e.no('DENIED', { code: 'IN_USE', text: 'x' }), (e) => e.proceed(),
		(e) => e.no('DENIED', { text: 'bye', close: true })];
	const { port } = start(t, { ...LOGIN, NOOP: (event) => say.shift()(event) });
	const c = await logIn(t, port);
	assert.equal(await c.ask('NOOP'), '-ERR [IN-USE] x');
	assert.match(await c.ask('NOOP'), /^\+OK/);
	assert.equal(await c.ask('NOOP'), '-ERR bye');
	assert.equal(await c.line(), undefined);
});

test('an_answer_that_cannot_be_given', async (t) => {
	const { port, told } = start(t, { ...LOGIN, MAILDROP: (event) => event.maildrop([1], ['a b']) });
	const c = await t.connect(port);
	await c.line();
	await c.ask('USER luke');
	assert.match(await c.ask('PASS x'), /^-ERR \[SYS\/TEMP\]/);
	assert.equal(told.length, 1);
	assert.equal(told[0].name, 'MAILDROP');
	assert.match(told[0].error.message, /uidl/);
});

test('run', async (t) => {
	const fns = [() => 'now', async () => 'later', () => {
		throw new Error('thrown');
	}, async () => {
		throw new Error('rejected');
	}, () => new Promise(() => {}), () => 7];
	const { port, told } = start(t, { ...LOGIN,
		NOOP: (event, session, server) => server.run(event, 'fn', fns.shift(), (value) => {
			if (typeof value !== 'string')
				throw new TypeError('nonsense');
			event.yes(value);
		}) });
	const c = await logIn(t, port);
	assert.equal(await c.ask('NOOP'), '+OK now');
	assert.equal(await c.ask('NOOP'), '+OK later');
	for (const why of ['thrown', 'rejected', 'fn did not settle within 200 ms', 'nonsense']) {
		assert.match(await c.ask('NOOP'), /^-ERR \[SYS\/TEMP\]/, why);
		assert.equal(told.pop().error.message, why);
	}
	assert.equal(told.length, 0);
});

test('info_and_sessions', async (t) => {
	const seen = [];
	const { port, server, gone } = start(t, { ...LOGIN,
		CONNECT: (event, session) => seen.push(session.info.peerAddress, session.info.listener,
			session.info.user),
		DELE: (event, session) => seen.push(event.answered, event.entry.number, session.info.user) });
	const c = await logIn(t, port);
	await c.ask('DELE 2');
	await until(() => seen.length === 6);
	assert.equal(server.sessions.size, 1);
	assert.deepEqual(seen, ['127.0.0.1', 'pop3', '', true, 2, 'luke']);
	c.close();
	await until(() => gone.length === 1);
	assert.equal(gone[0].ended, true);
	assert.equal(server.sessions.size, 0);
});

test('close_a_session', async (t) => {
	const { port, server } = start(t, LOGIN);
	const c = await logIn(t, port);
	[...server.sessions.values()][0].close();
	assert.equal(await c.line(), undefined);
});

test('start_again', async (t) => {
	const { server, port } = start(t, LOGIN);
	assert.throws(() => server.start(), { code: 'MISUSE' });
	const c = await logIn(t, port);
	const ended = server.drain(5000);
	assert.match(await c.line(), /^-ERR \[SYS\/TEMP\]/);
	await ended;
	assert.equal(server.running, false);
	assert.equal(server.endpoint('pop3'), undefined);
	server.start();
	await logIn(t, Number(server.endpoint('pop3').split(':').at(-1)));
});

test('options_that_are_wrong', () => {
	const make = (name, text) => new Server({ deadline: 1, failed: () => {} }).set(name, text);
	assert.throws(() => make('pop', 'x').start(), { code: 'CONFIG', message: /pop/ });
	assert.throws(() => make('pop3', 'nowhere:x').start(), { code: 'CONFIG' });
	const server = new Server({ decides: ['NONSENSE'], deadline: 1 });
	assert.throws(() => server.start(), /NONSENSE/);
	assert.equal(server.running, false);
});

/* ---- contents ---- */

function* pieces(count, log) {
	for (let i = 0; i < count; i++) {
		log.push(i);
		yield new Uint8Array(64 * 1024).fill(97);
	}
}

test('a_slow_reader_holds_the_source', async (t) => {
	const made = [];
	const { port, told } = start(t, { ...LOGIN, RETR: (event, session, server) =>
		server.contents(event, 'contents', pieces(400, made)) }, { deadline: 60000 });
	const c = await logIn(t, port);
	c.write('RETR 1\r\n');
	await until(() => made.length > 2);
	let before;
	do {
		before = made.length;
		await sleep(200);
	} while (made.length !== before);
	assert.ok(made.length < 300, `${made.length} pieces for a client that does not read`);
	assert.match(await c.line(), /^\+OK/);
	assert.equal((await c.lines()).join('').length, 400 * 64 * 1024);
	assert.equal(made.length, 400);
	assert.deepEqual(told, []);
}, 60000);

test('a_reader_that_goes', async (t) => {
	let ended = 0;
	async function* endless() {
		try {
			for (;;)
				yield 'x'.repeat(10000);
		} finally {
			ended++;
		}
	}
	const { port, told } = start(t, { ...LOGIN, RETR: (event, session, server) =>
		server.contents(event, 'contents', endless()) });
	const c = await logIn(t, port);
	assert.match(await c.ask('RETR 1'), /^\+OK/);
	await c.reset();
	await until(() => ended === 1);
	assert.deepEqual(told, []);
});

test('a_source_that_breaks_off', async (t) => {
	async function* broken() {
		yield 'begun\r\n';
		throw new Error('torn');
	}
	const { port, told } = start(t, { ...LOGIN, RETR: (event, session, server) =>
		server.contents(event, 'contents', broken()) });
	const c = await logIn(t, port);
	assert.match(await c.ask('RETR 1'), /^\+OK/);
	const rest = await c.all();
	assert.ok(!rest.endsWith('\r\n.\r\n'), rest);
	assert.equal(told[0].error.message, 'torn');
});

test('a_source_that_stops', async (t) => {
	async function* hangs() {
		yield 'begun\r\n';
		await new Promise(() => {});
	}
	const { port, told } = start(t, { ...LOGIN, RETR: (event, session, server) =>
		server.contents(event, 'contents', hangs()) });
	const c = await logIn(t, port);
	assert.match(await c.ask('RETR 1'), /^\+OK/);
	assert.ok(!(await c.all()).endsWith('\r\n.\r\n'));
	assert.equal(told[0].error.code, 'TIMEOUT');
});

/* ---- small things ---- */

test('deadlines', async () => {
	const late = [];
	const d = new Deadlines(50);
	const tokens = [1, 2, 3].map((n) => d.watch(() => late.push(n)));
	d.drop(tokens[1]);
	d.drop(tokens[1]);
	await sleep(10);
	d.watch(() => late.push(4));
	await until(() => late.length === 3);
	assert.deepEqual(late, [1, 3, 4]);
	d.watch(() => late.push(5));
	await until(() => late.length === 4);
});

test('nearest', () => {
	assert.equal(nearest('minversion', ['maxVersion', 'minVersion']), 'minVersion');
	assert.equal(nearest('zzz', ['maxVersion', 'minVersion']), undefined);
	assert.equal(hint('cret', ['cert', 'key']), ' (did you mean cert?)');
	assert.equal(hint('something', []), '');
});

test('tls_options', () => {
	const cert = file('server.pem'), key = file('server.key'), ca = file('ca.pem');
	const of = (options) => Object.fromEntries(tlsOptions(options).settings);
	assert.deepEqual(of({}), {});
	assert.deepEqual(of({ cert: null, key: undefined }), {});
	assert.deepEqual(of({ cert, key }), { cert, key });
	assert.deepEqual(of({ cert: [cert, ca], key: [{ pem: key, passphrase: 'x' }] }),
		{ cert: cert + ca, key, 'key-passphrase': 'x' });
	assert.deepEqual(of({ cert: new TextEncoder().encode(cert), key }), { cert, key });
	assert.deepEqual(of({ ca, requestCert: true }), { 'client-ca': ca, 'require-client-cert': 'yes' });
	assert.deepEqual(of({ ca, requestCert: true, rejectUnauthorized: false }), { 'client-ca': ca });
	assert.deepEqual(of({ ca }), {});
	assert.deepEqual(of({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'HIGH' }),
		{ 'tls-min': '1.3', 'tls-max': '1.3', 'tls-ciphers': 'HIGH' });
	assert.deepEqual(of({ secureContext: createSecureContext({ cert, key }) }), { cert, key });
});

test('tls_options_that_are_wrong', () => {
	const cert = file('server.pem'), key = file('server.key');
	for (const [options, like] of [
		[{ cert }, /tls\.key/], [{ key }, /tls\.cert/], [{ cert: 'server.pem', key }, /not its name/],
		[{ cert: 5, key }, /tls\.cert: PEM/], [{ pfx: 'x' }, /tls\.pfx/], [{ crl: 'x' }, /tls\.crl/],
		[{ minVersion: 'TLSv1.4' }, /TLSv1\.3/], [{ requestCert: true }, /tls\.ca/],
		[{ cert: file('server.pem'), key: '-----BEGIN ENCRYPTED PRIVATE KEY-----' }, /tls\.passphrase/],
		[{ SNICallback: 5 }, /SNICallback/], [5, /an object/], [{ secureProtocol: 'x' }, /minVersion/],
		[{ cert, key: [{ pem: key, passphrase: 'a' }, { pem: key, passphrase: 'b' }] }, /passphrase/],
		[{ secureContext: { context: {} } }, /node:tls/],
	])
		assert.throws(() => tlsOptions(options), like, JSON.stringify(Object.keys(options)));
	assert.throws(() => checkTlsNames({ minversion: 1 }), /minVersion/);
	checkTlsNames({ ALPNProtocols: ['pop3'] });
});
