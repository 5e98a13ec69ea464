'use strict';
// Arguments, ports, beginnings and ends of PopServer.
const { test, assert, lettermill, until, file, sleep, host } = require('./harness');
const { callbacks, start, greeted, logIn } = require('./lib/pop3');
const { PopServer, PopSocket, createSecureContext } = lettermill;

const make = (...args) => new PopServer(callbacks(), ...args);

test('arguments', () => {
	const bare = make();
	assert.deepEqual([bare.hostname, bare.plain_port, bare.secure_port, bare.timeout],
		['0.0.0.0', 110, 995, 600000]);
	const full = make('127.0.0.1', 1, 2, 3, 4000, { minVersion: 'TLSv1.3' });
	assert.deepEqual([full.hostname, full.plain_port, full.secure_port, full.backlog, full.timeout,
		full.tls_options], ['127.0.0.1', 1, 2, 3, 4000, { minVersion: 'TLSv1.3' }]);
	assert.deepEqual([make(undefined, 0, null).plain_port, make(undefined, 0, null).secure_port],
		[0, null]);
	assert.equal(make(undefined, false).plain_port, null);
	assert.equal(make({ plain: 7 }).secure_port, null);
	assert.equal(make({ secure: { port: 7 } }).plain_port, null);
	assert.equal(make({ timeout: 5 }).secure_port, 995);
	assert.equal(make('127.0.0.1', 5, { timeout: 7 }).timeout, 7);
	const config = callbacks();
	assert.equal(new PopServer(config).config, config);
});

test('arguments_that_are_wrong', () => {
	for (const [args, like] of [
		[['127.0.0.1', 70000], /plain: a port/], [['127.0.0.1', '110'], /plain: a port/],
		[[5], /host/], [[{ plain: { port: -1 } }], /plain: a port/],
		[[{ timout: 5 }], /timout.*did you mean timeout/], [[{ timeout: 'x' }], /timeout/],
		[[{ maxErrors: 1.5 }], /maxErrors/], [[{ apop: 'yes' }], /apop/],
		[[{ auth: ['EXTERNAL'] }], /EXTERNAL/], [[{ auth: ['PLAN'] }], /did you mean PLAIN/],
		[[{ tls: { cret: 'x' } }], /tls\.cret.*did you mean cert/],
		[[{ tls: false, secure: 0 }], /secure port/], [[{ implementation: 5 }], /implementation/],
		[[{ callbackTimeout: -1 }], /callbackTimeout/], [[{ hide: 'TOP' }], /hide/],
	])
		assert.throws(() => make(...args), like, JSON.stringify(args));
});

test('both_listeners', async (t) => {
	const heard = [];
	const server = make('127.0.0.1', 0, 0);
	for (const name of ['server_listening', 'server_close'])
		server.on(name, (secure, error) => heard.push([name, secure, error]));
	const running = server.run();
	assert.ok(running instanceof Promise);
	assert.ok(server.listening);
	assert.equal(await running, server);
	assert.deepEqual(heard, [['server_listening', false, undefined],
		['server_listening', true, undefined]]);
	const plain = server.address(), secure = server.address(true);
	assert.deepEqual([plain.address, plain.family], ['127.0.0.1', 'IPv4']);
	assert.notEqual(plain.port, secure.port);
	const c = await t.connect(plain.port);
	assert.match(await c.line(), /^\+OK Luke-POP3 at/);
	await until(() => server.stats().sessionsOpen === 1);
	await server.close({ timeout: 0 });
	assert.deepEqual(heard.slice(2).map(([name, which]) => [name, which]),
		[['server_close', false], ['server_close', true]]);
	assert.equal(server.address(), null);
	assert.equal(server.listening, false);
	assert.equal(server.stats(), undefined);
});

test('a_port_that_is_taken', async (t) => {
	const { server } = await start(t);
	const second = make('127.0.0.1', server.address().port, null);
	await assert.rejects(second.run(), { code: 'EADDRINUSE' });
	const told = [];
	second.on('server_error', (secure, error) => told.push([secure, error.code]));
	second.run();
	await until(() => told.length === 1);
	assert.deepEqual(told, [[false, 'EADDRINUSE']]);
	const secure = make('127.0.0.1', null, server.address().port);
	secure.on('server_error', (which, error) => told.push([which, error.code]));
	await assert.rejects(secure.run(), { code: 'EADDRINUSE' });
	const both = make('127.0.0.1', 0, server.address().port);
	both.on('server_error', (which, error) => told.push([which, error.code]));
	await assert.rejects(both.run(), { code: 'EADDRINUSE' });
	assert.deepEqual(told.slice(1), [[true, 'EADDRINUSE'], [true, 'EADDRINUSE']]);
	assert.equal(second.listening, false);
});

test('run_and_close_again', async (t) => {
	const server = make({ plain: { host: '127.0.0.1', port: 0 } });
	assert.equal(await server.close(), server);
	for (let i = 0; i < 3; i++) {
		await server.run();
		await assert.rejects(server.run(), { code: 'MISUSE' });
		await logIn(t, server.address().port);
		const ended = await Promise.all([server.close({ timeout: 0 }), server.close(),
			new Promise((good) => server.close(good))]);
		assert.equal(ended[0], server);
	}
});

test('closing_lets_callbacks_end', async (t) => {
	let go;
	const waits = new Promise((good) => {
		go = good;
	});
	const asked = [];
	const { server, port } = await start(t, { delete_messages: async (connection, messages) => {
		await waits;
		asked.push(messages.length);
	} });
	const idle = await logIn(t, port), busy = await logIn(t, port, 'mary');
	await busy.ask('DELE 1');
	busy.write('QUIT\r\n');
	await sleep(50);
	let closed = false;
	const ended = server.close().then(() => {
		closed = true;
	});
	assert.match(await idle.line(), /^-ERR \[SYS\/TEMP\]/);
	assert.equal(closed, false);
	go();
	assert.match(await busy.line(), /^\+OK/);
	await ended;
	assert.deepEqual(asked, [1]);
});

test('closing_does_not_wait_for_ever', async (t) => {
	const { server, port, errors } = await start(t, { delete_messages: () => new Promise(() => {}) });
	const c = await logIn(t, port);
	c.write('QUIT\r\n');
	await sleep(50);
	await server.close({ timeout: 100 });
	assert.deepEqual(errors, []);
});

test('idle_timeout', async (t) => {
	const { port } = await start(t, {}, { timeout: 200 });
	const c = await logIn(t, port);
	const rest = await c.all();
	assert.ok(rest === '' || rest.startsWith('-ERR'), rest);
});

test('sockets', async (t) => {
	const { server, port } = await start(t);
	const sockets = [];
	server.on('client_connected', (secure, socket) => sockets.push([secure, socket]));
	const c = await greeted(t, port);
	await until(() => sockets.length === 1);
	const [[secure, socket]] = sockets;
	assert.equal(secure, false);
	assert.ok(socket instanceof PopSocket);
	assert.deepEqual([socket.secure, socket.address, socket.family, socket.socket.remoteAddress,
		socket.socket.localPort, socket.socket.encrypted, socket.socket.destroyed],
	[false, '127.0.0.1', 'IPv4', '127.0.0.1', port, false, false]);
	assert.equal(socket.port, socket.socket.remotePort);
	for (const name of ['pause', 'resume', 'set_timeout', 'write'])
		assert.throws(() => socket[name]('x'), { code: 'UNSUPPORTED' });
	assert.throws(() => PopSocket.connect('x', 1), { code: 'UNSUPPORTED' });
	let closed = false;
	socket.on('close', () => {
		closed = true;
	});
	socket.close();
	assert.equal(await c.line(), undefined);
	await until(() => closed);
	assert.equal(socket.socket.destroyed, true);
	assert.equal(socket.address, '127.0.0.1');
});

test('options', async (t) => {
	const { port } = await start(t, {}, { implementation: 'Something else', auth: ['CRAM-MD5'],
		hostname: 'mail.example.org', apop: false, expire: 7, hide: ['UTF8'], maxErrors: 3 });
	const c = await t.connect(port);
	assert.ok(!(await c.line()).includes('<'));
	await c.ask('CAPA');
	const lines = await c.lines();
	for (const line of ['IMPLEMENTATION Something else', 'SASL CRAM-MD5', 'EXPIRE 7'])
		assert.ok(lines.includes(line), `${lines}`);
	assert.ok(!lines.includes('UTF8'));
});

test('no_stls_without_tls', async (t) => {
	const { port } = await start(t, {}, { tls: false });
	const c = await greeted(t, port);
	await c.ask('CAPA');
	assert.ok(!(await c.lines()).includes('STLS'));
});

test('certificates', async (t) => {
	const tls = { cert: file('server.pem'), key: file('server.key'), minVersion: 'TLSv1.2',
		SNICallback: (name, done) => done(null, createSecureContext({ cert: file('server.pem'),
			key: file('server.key') })) };
	const server = make('127.0.0.1', 0, 0, 500, 60000, tls);
	await server.run();
	t.defer(() => server.close({ timeout: 0 }));
	const c = await greeted(t, server.address().port);
	await c.ask('CAPA');
	assert.ok((await c.lines()).includes('STLS'));
	const wrong = make('127.0.0.1', 0, null, 500, 60000, { cert: file('server.pem'),
		key: file('ca.key') });
	await assert.rejects(wrong.run(), { code: /CONFIG|TLS/ });
});

test('a certificate that does not fit its key', async (t) => {
	if (host !== 'node')
		return;
	const pair = { cert: file('server.pem'), key: file('ca.key') };
	assert.throws(() => createSecureContext(pair), /does not belong/);
	const server = make('127.0.0.1', 0, null, 500, 60000, { SNICallback: async () => pair });
	const told = [];
	server.on('callback_error', (error, session, name) => told.push(`${name}: ${error.message}`));
	await server.run();
	t.defer(() => server.close({ timeout: 0 }));
	await assert.rejects(lettermill.Pop3Client.connect({ host: 'localhost',
		port: server.address().port, tls: { mode: 'starttls', rejectUnauthorized: false } }));
	assert.deepEqual(told, ['SNICallback: tls.key: does not belong to the certificate']);
});
