'use strict';
const { test, assert, lettermill, sleep, until, growth } = require('./harness');
const { popServer } = require('./lib/servers');
const { Pop3Client, MailError } = lettermill;

const LETTER = 'From: leia@example.org\nSubject: help\n\nObi-Wan\n.\n..\nlast\n';

const small = (n) => Array.from({ length: n }, (_, i) => `Subject: ${i + 1}\n\ntext ${i + 1}\n`);
const bytesOf = (text) => Uint8Array.from(text, (unit) => unit.charCodeAt(0));

async function gather(stream) {
	let length = 0, last;
	for await (const piece of stream) {
		length += piece.length;
		last = piece;
	}
	return { length, last };
}

async function open(t, server, options = {}) {
	const client = await Pop3Client.connect({ ...server.options, ...options });
	t.defer(() => client.close());
	return client;
}

// ---- What it does ----

test('every command once', async (t) => {
	const server = popServer(t, [LETTER, ...small(2)]);
	const client = await open(t, server);
	assert.equal(client.connected, true);
	const { count, size } = await client.stat();
	assert.deepEqual([count, size], [3, server.all.reduce((sum, each) => sum + each.length, 0)]);
	assert.deepEqual((await client.list()).map(({ number }) => number), [1, 2, 3]);
	assert.deepEqual(await client.list(1), { number: 1, size: server.all[0].length });
	assert.deepEqual((await client.uidl()).map(({ uid }) => uid), ['uid-1', 'uid-2', 'uid-3']);
	assert.deepEqual(await client.uidl(2), { number: 2, uid: 'uid-2' });
	assert.deepEqual(await client.retrieve(1), server.all[0]);
	assert.match((await client.top(1, 1)).toString(), /\r\n\r\nObi-Wan\r\n$/);
	assert.match((await client.top(1)).toString(), /Subject: help\r\n\r\n$/);
	await client.noop();
	assert.ok((await client.language()).some(({ tag }) => tag === 'nl'));
	await client.language('nl');
	assert.ok((await client.capabilities()).includes('UIDL'));
	assert.match(client.has('implementation'), /Lettermill/);
	assert.equal(client.has('nonsense'), undefined);
	assert.match(await client.command('STAT'), /^3 /);
	await client.delete(1);
	await client.reset();
	await client.delete(2);
	await client.quit();
	assert.equal(client.connected, false);
	assert.deepEqual(server.deleted, [2]);
	assert.deepEqual(server.failures, []);
});

test('logging in later', async (t) => {
	const server = popServer(t, small(1));
	const { user, password, ...options } = server.options;
	const client = await open(t, { options });
	assert.equal(client.info.user, '');
	await client.utf8();
	await assert.rejects(client.stat(), { side: 'server' });
	await assert.rejects(client.login({ user, password: 'y' }), { code: 'AUTH', request: 'LOGIN' });
	await assert.rejects(client.login({ user: 7 }), TypeError);
	await assert.rejects(client.login({ user, pasword: 'x' }), /password/);
	await client.login({ user, password });
	assert.deepEqual([client.info.user, client.info.mechanism], ['luke', 'PLAIN']);
	assert.equal((await client.stat()).count, 1);
	await client.quit();
});

test('calls at once keep their order', async (t) => {
	const client = await open(t, popServer(t, small(300)));
	const order = [];
	const all = Array.from({ length: 300 }, (_, i) => client.retrieve(i + 1).then((bytes) => {
		order.push(i + 1);
		return bytes.toString();
	}));
	const texts = await Promise.all(all);
	assert.ok(texts.every((text, i) => text.includes(`text ${i + 1}\r\n`)));
	assert.deepEqual(order, Array.from({ length: 300 }, (_, i) => i + 1));
});

test('calls may be made before the connection is there', async (t) => {
	const server = popServer(t, small(1));
	const client = new Pop3Client(server.options);
	t.defer(() => client.close());
	const connected = client.connect();
	const stat = client.stat(), quit = client.quit();
	assert.equal(await connected, client);
	assert.equal((await stat).count, 1);
	await quit;
});

test('iteration', async (t) => {
	const server = popServer(t, small(50));
	const client = await open(t, server);
	const seen = [];
	for await (const message of client) {
		seen.push(`${message.number} ${message.uid}`);
		assert.equal(message.size, server.all[message.number - 1].length);
		const text = message.number % 2 ? await message.text() :
			(await message.buffer()).toString();
		assert.match(text, new RegExp(`text ${message.number}\r\n$`));
		if (message.number % 10 === 0)
			await message.delete();
	}
	assert.deepEqual(seen, Array.from({ length: 50 }, (_, i) => `${i + 1} uid-${i + 1}`));
	await client.quit();
	assert.deepEqual(server.deleted, [10, 20, 30, 40, 50]);
});

test('iteration that stops early leaves a good client', async (t) => {
	const client = await open(t, popServer(t, small(50)));
	for await (const message of client) {
		await message.buffer();
		if (message.number === 3)
			break;
	}
	assert.equal((await client.stat()).count, 50);
	await client.quit();
});

test('streams', async (t) => {
	const server = popServer(t, [LETTER, bytesOf('x'.repeat(998).concat('\r\n').repeat(1000))]);
	const client = await open(t, server);
	assert.equal((await gather(client.retrieveStream(2))).length, 1000000);
	for await (const message of client)
		assert.equal((await gather(message.stream())).length, message.size);
	await assert.rejects(gather(client.retrieveStream(3)), { code: 'DENIED', command: 'RETR 3' });
	assert.equal((await client.stat()).count, 2);
});

// The server's pieces are made as they are wanted.
function endless(total, onPiece) {
	const piece = bytesOf('0123456789abcde\r\n'.repeat(3855)); // 65,535 octets
	const count = Math.ceil(total / piece.length);
	return { size: count * piece.length, *[Symbol.iterator]() {
		for (let i = 0; i < count; i++) {
			onPiece?.(i);
			yield piece;
		}
	} };
}

function streamingServer(t, contents) {
	return popServer(t, [], { on: {
		MAILDROP: (event) => event.maildrop([contents.size], ['big']),
		RETR: (event, session) => session.server.contents(event, 'RETR', contents, () => {}),
	} });
}

test('who does not read makes the server wait', async (t) => {
	let made = 0;
	const contents = endless(64e6, (i) => {
		made = i;
	});
	const client = await open(t, streamingServer(t, contents));
	const stream = client.retrieveStream(1);
	let before;
	do {
		before = made;
		await sleep(200);
	} while (made !== before || !made);
	assert.ok(made < 400, `${made} pieces were made for nobody`); // kernel buffers hold some
	assert.equal((await gather(stream)).length, contents.size);
	await client.quit();
});

test('100 MB in flat memory', async (t) => {
	const contents = endless(100e6);
	const client = await open(t, streamingServer(t, contents));
	const memory = () => typeof process === 'undefined' ? 0 : process.memoryUsage().rss;
	await gather(client.retrieveStream(1));
	const before = memory();
	assert.equal((await gather(client.retrieveStream(1))).length, contents.size);
	assert.ok(memory() - before < 64e6 * growth, `${(memory() - before) / 1e6} MB more`);
}, 60000);

test('await using and its kin', async (t) => {
	const server = popServer(t, small(2));
	const client = await open(t, server);
	await client.delete(1);
	await client[Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]();
	assert.deepEqual(server.deleted, [1]);
	await client[Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]();
});

test('URLs', async (t) => {
	const server = popServer(t, small(1));
	const client = new Pop3Client(`pop3://luke:wrong@127.0.0.1:${server.options.port}`);
	t.defer(() => client.close());
	// Secured or not at all.
	await assert.rejects(client.connect(), { code: /TLS|UNSUPPORTED|DENIED|AUTH/ });
	assert.throws(() => new Pop3Client('smtp://localhost'), RangeError);
	assert.throws(() => new Pop3Client('nonsense'), RangeError);
	assert.throws(() => new Pop3Client('http://localhost'), RangeError);
});

test('the dialogue, without secrets', async (t) => {
	const server = popServer(t, small(1));
	const client = new Pop3Client(server.options);
	t.defer(() => client.close());
	const lines = [];
	client.on('trace', ({ from, line }) => lines.push(`${from}: ${line}`));
	await client.connect();
	await client.quit();
	assert.ok(lines.includes('client: AUTH PLAIN ****'), lines.join('\n'));
	assert.ok(lines.includes('client: QUIT'));
	assert.ok(lines.some((line) => /^server: \+OK/.test(line)));
});

test('mechanisms', async (t) => {
	const settings = [['auth', 'PLAIN LOGIN CRAM-MD5'], ['apop', 'yes']];
	const server = popServer(t, small(1), { settings, on: { AUTH(event) {
		if (event.entry.kind === 'SECRET')
			event.secret('x');
		else
			event.user('luke');
	} } });
	for (const mechanism of ['USER', 'plain', 'LOGIN', 'CRAM-MD5', 'APOP']) {
		const client = await Pop3Client.connect({ ...server.options, mechanism });
		assert.deepEqual([client.info.user, client.info.mechanism],
			['luke', mechanism.toUpperCase()]);
		await client.quit();
	}
	await assert.rejects(Pop3Client.connect({ ...server.options, mechanism: 'SECURID' }),
		{ code: 'UNSUPPORTED' });
	// A readable password is not said where that is forbidden.
	await assert.rejects(
		Pop3Client.connect({ ...server.options, mechanism: 'PLAIN', noPlain: true }),
		{ code: /TLS|DENIED|UNSUPPORTED/, side: 'client' });
});

test('a token is asked for', async (t) => {
	const tokens = [];
	const server = popServer(t, small(1), { settings: [['auth', 'OAUTHBEARER']], on: {
		AUTH(event) {
			tokens.push(event.entry.token);
			event.user('luke');
		} } });
	const { password, ...options } = server.options;
	const client = await Pop3Client.connect({ ...options, token: async () => 'secret-token' });
	await client.quit();
	assert.deepEqual(tokens, ['secret-token']);
	const error = await assert.rejects(Pop3Client.connect({ ...options, token() {
		throw new RangeError('no token today');
	} }), MailError);
	assert.equal(error.cause?.message, 'no token today');
});

// ---- What goes wrong ----

test('refusals', async (t) => {
	const server = popServer(t, small(2), { on: { DELE: (event) => event.no('AGAIN',
		{ text: 'try later' }) } });
	const client = await open(t, server);
	const error = await assert.rejects(client.retrieve(7), MailError);
	assert.deepEqual([error.name, error.code, error.side, error.command, error.request],
		['MailError', 'DENIED', 'server', 'RETR 7', 'RETR']);
	assert.match(error.reply, /no such message/);
	assert.match(error.stack, /client_pop3/); // not where the reply came in
	await assert.rejects(client.delete(1), { code: 'AGAIN', pop3Code: 'SYS_TEMP',
		reply: /try later/ });
	await assert.rejects(client.list(9), { code: 'DENIED' });
	await assert.rejects(client.command('XYZZY'), { code: /DENIED|UNSUPPORTED/ });
	assert.equal((await client.stat()).count, 2);
});

test('a wrong password', async (t) => {
	const server = popServer(t, small(1));
	const error = await assert.rejects(
		Pop3Client.connect({ ...server.options, password: 'secret' }),
		{ code: 'AUTH', side: 'server', pop3Code: 'AUTH', request: 'LOGIN' });
	assert.ok(!JSON.stringify([error.message, error.command, error.reply]).includes('secret'));
});

test('nobody listens', async (t) => {
	const listener = await t.listen();
	const { port } = listener;
	await listener.close();
	await assert.rejects(Pop3Client.connect({ host: '127.0.0.1', port, tls: 'off' }),
		{ code: 'CONNECT', side: 'network' });
});

test('wrong options', () => {
	const bad = (options, like) => assert.throws(() => new Pop3Client(options), like);
	bad(undefined, TypeError);
	bad({ host: 7 }, TypeError);
	bad({ host: 'a\r\nb' }, RangeError);
	bad({ port: '110' }, TypeError);
	bad({ port: 70000 }, RangeError);
	bad({ port: -1 }, RangeError);
	bad({ timeout: 0 }, RangeError);
	bad({ tls: 'starttsl' }, /starttls/);
	bad({ tls: 3 }, TypeError);
	bad({ tls: { minVersion: 'TLSv9' } }, RangeError);
	bad({ tls: { ca: 'ca.pem' } }, /PEM/);
	bad({ tls: { key: '-----BEGIN' } }, /cert/);
	bad({ usr: 'luke' }, /user/);
	bad({ signal: 5 }, TypeError);
	bad({ token: 5 }, TypeError);
	bad({ noPipelining: 'yes' }, TypeError);
});

test('wrong arguments', async (t) => {
	const client = await open(t, popServer(t, small(1)));
	await assert.rejects(client.retrieve('1'), TypeError);
	await assert.rejects(client.retrieve(0), RangeError);
	await assert.rejects(client.retrieve(1.5), RangeError);
	await assert.rejects(client.top(1, -1), RangeError);
	await assert.rejects(client.delete(), TypeError);
	await assert.rejects(client.command(7), TypeError);
	await assert.rejects(client.command('NOOP\r\nQUIT'), { code: 'SYNTAX', side: 'client' });
	await assert.rejects(client.noop({ signal: 7 }), TypeError);
	assert.throws(() => client.retrieveStream('x'), TypeError);
	await client.quit();
});

test('calls at the wrong time', async (t) => {
	const server = popServer(t, small(1));
	const client = new Pop3Client(server.options);
	await assert.rejects(client.stat(), { code: 'MISUSE' });
	await client.connect();
	await assert.rejects(client.connect(), { code: 'MISUSE' });
	const quit = client.quit();
	await assert.rejects(client.stat(), { code: 'CLOSED' });
	await quit;
	await assert.rejects(client.stat(), { code: 'CLOSED' });
	await assert.rejects(client.quit(), { code: 'CLOSED' });
	await assert.rejects(gather(client.retrieveStream(1)), { code: 'CLOSED' });
	await client.close();
	const never = new Pop3Client(server.options);
	await never.close();
	await assert.rejects(never.connect(), { code: 'MISUSE' });
});

test('close rejects what waits', async (t) => {
	const listener = await t.listen();
	const client = new Pop3Client({ host: '127.0.0.1', port: listener.port, tls: 'off' });
	const connected = client.connect(), stat = client.stat();
	await listener.accept();
	let closes = 0;
	client.on('close', () => closes++);
	await Promise.all([client.close(), assert.rejects(connected, { code: 'CLOSED' }),
		assert.rejects(stat, { code: 'CLOSED' })]);
	assert.equal(closes, 1);
});

// ---- Hostile servers ----

const begin = async (t, options = {}) => {
	const listener = await t.listen();
	const client = new Pop3Client({ host: '127.0.0.1', port: listener.port, tls: 'off',
		noPipelining: true, ...options });
	t.defer(() => client.close());
	const connected = client.connect();
	connected.catch(() => {});
	return { client, connected, peer: await listener.accept() };
};

async function greet(peer) {
	peer.write('+OK hello\r\n');
	assert.equal(await peer.line(), 'CAPA');
	peer.write('+OK\r\nUIDL\r\nTOP\r\n.\r\n');
}

async function expect(peer, line) {
	assert.equal(await peer.line(), line);
}

test('a server that dies within a message', async (t) => {
	for (const how of ['close', 'reset']) {
		const { client, connected, peer } = await begin(t);
		await greet(peer);
		await connected;
		const errors = [];
		client.on('error', (error) => errors.push(error));
		const stream = client.retrieveStream(1), after = client.stat();
		await expect(peer, 'RETR 1');
		peer.write(`+OK 1000 octets\r\nSubject: x\r\n\r\n${'y'.repeat(500)}\r\n`);
		const reading = gather(stream);
		reading.catch(() => {});
		after.catch(() => {});
		peer[how]();
		await assert.rejects(reading, { side: 'network' });
		await assert.rejects(after, { side: 'network' });
		await until(() => errors.length === 1);
		assert.equal(client.connected, false);
	}
});

test('a whole message is whole', async (t) => {
	const { client, connected, peer } = await begin(t);
	await greet(peer);
	await connected;
	const message = client.retrieve(1);
	message.catch(() => {});
	await expect(peer, 'RETR 1');
	peer.write('+OK\r\nSubject: x\r\n\r\nno end\r\n');
	peer.close();
	await assert.rejects(message, MailError);
});

test('servers that speak something else', async (t) => {
	for (const greeting of ['HTTP/1.1 400 Bad Request\r\n\r\n', '\0\0\0\0\r\n', '-ERR go away\r\n',
		'x'.repeat(100000)]) {
		const { connected, peer } = await begin(t, { timeout: 500 });
		peer.write(greeting);
		const error = await assert.rejects(connected, MailError);
		assert.ok(['server', 'peer', 'network'].includes(error.side), error.side);
	}
});

test('servers that say nothing', async (t) => {
	const { connected } = await begin(t, { timeout: 300 });
	await assert.rejects(connected, { code: 'TIMEOUT', side: 'network' });
	const { client, connected: second, peer } = await begin(t, { timeout: 300 });
	await greet(peer);
	await second;
	await assert.rejects(client.stat(), { code: 'TIMEOUT', side: 'network', command: 'STAT' });
	await assert.rejects(client.stat(), { code: /TIMEOUT|CLOSED/ });
});

test('lines that are no list', async (t) => {
	const { client, connected, peer } = await begin(t);
	await greet(peer);
	await connected;
	const list = client.list();
	list.catch(() => {});
	await expect(peer, 'LIST');
	peer.write('+OK\r\n1 many\r\n.\r\n');
	await assert.rejects(list, { code: 'PROTO', side: 'peer' });
});

test('a message without end is limited', async (t) => {
	const { client, connected, peer } = await begin(t, { maxMessage: 10000 });
	await greet(peer);
	await connected;
	const message = client.retrieve(1);
	message.catch(() => {});
	await expect(peer, 'RETR 1');
	peer.write('+OK\r\n' + `${'z'.repeat(98)}\r\n`.repeat(150) + '.\r\n');
	await assert.rejects(message, { code: 'LIMIT' });
	const noop = client.noop();
	await expect(peer, 'NOOP');
	peer.write('+OK\r\n');
	await noop;
});

// ---- Aborts ----

test('a signal that has fired already', async (t) => {
	const server = popServer(t, small(1));
	const signal = AbortSignal.abort(new Error('why'));
	const error = await assert.rejects(Pop3Client.connect({ ...server.options, signal }),
		{ name: 'AbortError', code: 'CANCELED' });
	assert.equal(error.cause.message, 'why');
	const client = await open(t, server);
	await assert.rejects(client.retrieve(1, { signal }), { name: 'AbortError', code: 'CANCELED' });
	await assert.rejects(gather(client.retrieveStream(1, { signal })), { name: 'AbortError' });
	await client.quit();
});

test('abort while connecting', async (t) => {
	const listener = await t.listen();
	const controller = new AbortController();
	const connected = Pop3Client.connect({ host: '127.0.0.1', port: listener.port, tls: 'off',
		signal: controller.signal });
	connected.catch(() => {});
	const peer = await listener.accept();
	controller.abort();
	await assert.rejects(connected, { name: 'AbortError', code: 'CANCELED' });
	assert.equal(await peer.all(), '');
});

test('abort while waiting', async (t) => {
	const { client, connected, peer } = await begin(t);
	await greet(peer);
	await connected;
	const first = new AbortController(), second = new AbortController();
	const stat = client.stat({ signal: first.signal });
	const noop = client.noop({ signal: second.signal });
	const list = client.list();
	await expect(peer, 'STAT');
	second.abort();
	first.abort();
	await assert.rejects(stat, { name: 'AbortError' });
	await assert.rejects(noop, { name: 'AbortError' });
	// The dialogue goes on behind it.
	peer.write('+OK 1 10\r\n');
	let line = await peer.line();
	if (line === 'NOOP') {
		peer.write('+OK\r\n');
		line = await peer.line();
	}
	assert.equal(line, 'LIST');
	peer.write('+OK\r\n1 10\r\n.\r\n');
	assert.deepEqual(await list, [{ number: 1, size: 10 }]);
});

test('what waits in the line is taken out of it', async (t) => {
	const { client, connected, peer } = await begin(t);
	await greet(peer);
	await connected;
	const controller = new AbortController();
	const many = Array.from({ length: 40 }, () => client.noop());
	const unwanted = client.delete(1, { signal: controller.signal });
	controller.abort();
	await assert.rejects(unwanted, { name: 'AbortError' });
	for (let i = 0; i < many.length; i++) {
		await expect(peer, 'NOOP');
		peer.write('+OK\r\n');
	}
	await Promise.all(many);
	const quit = client.quit();
	await expect(peer, 'QUIT'); // no DELE
	peer.write('+OK\r\n');
	await quit;
});

test('abort within a message', async (t) => {
	const server = popServer(t, [bytesOf('x'.repeat(98).concat('\r\n').repeat(6000)), ...small(1)]);
	const client = await open(t, server);
	const controller = new AbortController();
	const stream = client.retrieveStream(1, { signal: controller.signal });
	let error;
	try {
		for await (const piece of stream)
			controller.abort(piece.length);
	} catch (thrown) {
		error = thrown;
	}
	assert.deepEqual([error?.name, error?.code], ['AbortError', 'CANCELED']);
	// What is left is short and passes by.
	assert.match((await client.retrieve(2)).toString(), /text 1/);
	const promise = client.retrieve(1, { signal: AbortSignal.timeout(1) });
	await promise.catch((thrown) => assert.equal(thrown.code, 'CANCELED'));
	await client.quit();
});

test('a stream that is destroyed', async (t) => {
	const client = await open(t, streamingServer(t, endless(64e6)));
	for await (const piece of client.retrieveStream(1)) {
		assert.ok(piece.length);
		break;
	}
	// 64 MB do not pass by: the connection ends.
	await until(() => !client.connected);
	await assert.rejects(client.stat(), { code: 'CLOSED' });
});

test('as little of a signal as there can be', async (t) => {
	const { client, connected, peer } = await begin(t);
	await greet(peer);
	await connected;
	let fire;
	const signal = { aborted: false, reason: undefined, addEventListener(name, listener) {
		assert.equal(name, 'abort');
		fire = listener;
	} };
	const stat = client.stat({ signal });
	signal.aborted = true;
	fire();
	await assert.rejects(stat, { name: 'AbortError', code: 'CANCELED' });
});

// ---- TLS ----

const tlsServer = async (t, file) => popServer(t, small(1), { listeners: ['pop3', 'pop3s'],
	settings: [['cert', file('server.pem')], ['key', file('server.key')]] });

test('TLS', async (t) => {
	const { file } = require('./harness');
	const server = await tlsServer(t, file);
	const base = { host: 'localhost', user: 'luke', password: 'x' };
	const ca = file('ca.pem');
	for (const mode of ['starttls', 'implicit']) {
		const port = server.port(mode === 'implicit' ? 'pop3s' : 'pop3');
		const client = await Pop3Client.connect({ ...base, port, tls: { mode, ca } });
		assert.equal(client.info.tls, true);
		assert.match(client.info.tlsVersion, /^TLSv1\.[23]$/);
		await client.quit();
		await assert.rejects(Pop3Client.connect({ ...base, port, tls: mode }),
			{ code: 'TLS', side: 'network' });
		const lax = await Pop3Client.connect({ ...base, port,
			tls: { mode, rejectUnauthorized: false } });
		assert.ok(lax.info.tlsDoubt);
		await lax.quit();
	}
	await assert.rejects(Pop3Client.connect({ ...base, port: server.port('pop3s'),
		tls: { mode: 'implicit', ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } }),
	{ code: 'TLS' });
});

// ---- In the long run ----

test('1,000 clients one after another', async (t) => {
	const server = popServer(t, small(1));
	const memory = () => {
		globalThis.gc?.();
		return typeof process === 'undefined' ? 0 : process.memoryUsage().rss;
	};
	let before;
	for (let i = 0; i < 1000; i++) {
		const client = await Pop3Client.connect(server.options);
		assert.equal((await client.retrieve(1)).length, server.all[0].length);
		if (i % 10)
			await client.quit();
		else
			await client.close();
		if (i === 300)
			before = memory();
	}
	assert.ok(memory() - before < 32e6 * growth, `${(memory() - before) / 1e6} MB more`);
}, 60000);

test('100 clients at once', async (t) => {
	const server = popServer(t, small(5));
	await Promise.all(Array.from({ length: 100 }, async () => {
		const client = await Pop3Client.connect(server.options);
		let n = 0;
		for await (const message of client)
			n += (await message.buffer()).length === message.size;
		assert.equal(n, 5);
		await client.quit();
	}));
});
