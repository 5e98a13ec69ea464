'use strict';
// SmtpServer as its users meet it: sessions, envelopes, messages, listening and closing.
const { test, assert, lettermill, inside, sleep, until, host } = require('./harness');
const { SmtpServer, SMTPServer } = lettermill;
const { readAll, listen, start, greeted, hello, expect, send, ENVELOPE } = require('./lib/smtp');
const { octets } = inside('host');

test('both names are one class', () => {
	assert.equal(SmtpServer, SMTPServer);
});

test('a session and its message', async (t) => {
	let closed;
	const seen = [];
	const { server, port, got } = await start(t, {
		onConnect(session, done) {
			seen.push(['onConnect', session.openingCommand, session.clientHostname]);
			done();
		},
		onMailFrom(address, session, done) {
			const { mailFrom, rcptTo } = session.envelope;
			seen.push(['onMailFrom', address, mailFrom, [...rcptTo]]);
			done();
		},
		onRcptTo(address, session, done) {
			seen.push(['onRcptTo', address, session.envelope.mailFrom]);
			done();
		},
		onClose(session) {
			closed = session;
		},
	});
	const told = [];
	server.on('connect', (data) => told.push(data));
	const c = await greeted(t, port);
	assert.equal(server.connections.size, 1);
	const [connection] = server.connections;
	assert.equal(connection.remoteAddress, '127.0.0.1');
	assert.ok(connection.remotePort > 0);
	c.write('EHLO Client.Example\r\n');
	const offer = await c.reply();
	assert.equal(offer[0], '250-mx');
	assert.ok(offer.includes('250-AUTH PLAIN LOGIN'));
	await expect(c, 'MAIL FROM:<a@example.org> SIZE=7 CUSTOM=a+2Bb FLAG', /^250 2\.1\.0 /,
		'RCPT TO:<b@xn--bcher-kva.example> NOTIFY=NEVER', /^250 2\.1\.5 /,
		'RCPT TO:<B@xn--bcher-kva.example>', /^250 /, 'DATA', /^354 /);
	c.write('one\r\n..two\r\n.\r\n');
	assert.equal(await c.line(), '250 2.0.0 kept 1');
	const from = { address: 'a@example.org', args: { SIZE: '7', CUSTOM: 'a+b', FLAG: true } };
	assert.deepEqual(seen, [
		['onConnect', false, '[127.0.0.1]'],
		['onMailFrom', from, false, []],
		['onRcptTo', { address: 'b@bücher.example', args: { NOTIFY: 'NEVER' } }, from],
		['onRcptTo', { address: 'B@bücher.example', args: false }, from],
	]);
	const { session, stream } = got[0];
	assert.equal(got[0].text, 'one\r\n.two\r\n');
	assert.equal(stream.byteLength, 11);
	assert.equal(stream.sizeExceeded, false);
	assert.deepEqual(got[0].envelope, { mailFrom: from,
		rcptTo: [{ address: 'B@bücher.example', args: false }] });
	assert.match(session.id, /^[a-z2-7]{16}$/);
	const { id, secure, localAddress, localPort, remoteAddress, openingCommand, hostNameAppearsAs,
		transmissionType, tlsOptions, user, transaction } = session;
	assert.deepEqual({ id, secure, localAddress, localPort, remoteAddress, openingCommand,
		hostNameAppearsAs, transmissionType, tlsOptions, user, transaction },
	{ id: connection.id, secure: false, localAddress: '127.0.0.1', localPort: port,
		remoteAddress: '127.0.0.1', openingCommand: 'EHLO', hostNameAppearsAs: 'client.example',
		transmissionType: 'ESMTP', tlsOptions: false, user: undefined, transaction: 2 });
	assert.deepEqual(told, [{ id, localAddress, localPort, remoteAddress,
		remotePort: connection.remotePort, hostNameAppearsAs: false, clientHostname: '[127.0.0.1]' }]);
	await expect(c, 'QUIT', /^221 /);
	await until(() => closed !== undefined);
	assert.equal(closed, session);
	assert.equal(server.connections.size, 0);
});

test('methods of a subclass, of an object, and promises', async (t) => {
	const order = [];
	class Mine extends SmtpServer {
		async onConnect() {
			await sleep(1);
			order.push('connect');
		}

		onMailFrom() {
			order.push('mail');
		}

		async onData(stream) {
			order.push(await readAll(stream));
			return 'by promise';
		}
	}
	const { server, port } = await start(t, { onData: undefined }, Mine);
	server.onRcptTo = (address, session, done) => {
		order.push('rcpt');
		setTimeout(done, 1);
	};
	assert.equal(await send(await hello(t, port)), '250 2.0.0 by promise');
	assert.deepEqual(order, ['connect', 'mail', 'rcpt', 'hello\r\n']);
});

test('an async function that is given a callback answers by the callback', async (t) => {
	let stored = false;
	const { port } = await start(t, {
		async onData(stream, session, done) {
			await readAll(stream);
			setTimeout(() => {
				stored = true;
				done(null, 'stored');
			}, 20);
		},
	});
	assert.equal(await send(await hello(t, port)), '250 2.0.0 stored');
	assert.equal(stored, true);
});

test('refusals', async (t) => {
	const no = (text, responseCode) => Object.assign(new Error(text), { responseCode });
	const { port, got, errors } = await start(t, {
		onMailFrom(address, session, done) {
			done(address.address.startsWith('deny') ? new Error('Not\r\naccepted\0') : null);
		},
		async onRcptTo(address) {
			if (address.address.startsWith('deny'))
				throw no('Over quota', 452);
		},
		onData(stream, session, done) {
			readAll(stream).then((text) => {
				if (text.startsWith('deny'))
					done(no('Spam', 554));
				else if (text.startsWith('later'))
					done(new Error('Busy'));
				else if (text.startsWith('away'))
					done(no('Go away', 421));
				else
					done();
			});
		},
	});
	const c = await hello(t, port);
	await expect(c, 'MAIL FROM:<deny@x>', /^550 5\.\d\.\d Not accepted$/,
		'MAIL FROM:<a@x>', /^250 /, 'RCPT TO:<deny@x>', /^452 4\.\d\.\d Over quota$/,
		'RCPT TO:<b@x>', /^250 /, 'RSET', /^250 /);
	assert.match(await send(c, 'deny\r\n'), /^554 5\.\d\.\d Spam$/);
	assert.match(await send(c, 'later\r\n'), /^450 4\.\d\.\d Busy$/);
	assert.match(await send(c, 'good\r\n'), /^250 2\.0\.0 /);
	assert.match(await send(c, 'away\r\n'), /^421 4\.\d\.\d Go away$/);
	assert.equal(await c.line(), undefined);
	assert.deepEqual([got, errors], [[], []]);
});

test('a peer that is not welcome', async (t) => {
	const refuse = (responseCode) => (session, done) =>
		done(Object.assign(new Error('No'), { responseCode }));
	for (const [code, line] of [[421, /^421 .*No$/], [undefined, /^554 .*No$/], [550, /^550 .*No$/]]) {
		const { port } = await start(t, { onConnect: refuse(code) });
		const c = await t.connect(port);
		assert.match(await c.line(), line);
		assert.equal(await c.line(), undefined);
	}
});

test('messages too large', async (t) => {
	let stream;
	const { port } = await start(t, {
		size: 100000,
		async onData(given) {
			stream = given;
			await readAll(stream);
			return 'this does not count';
		},
	});
	const c = await greeted(t, port);
	c.write('EHLO x\r\n');
	assert.ok((await c.reply()).includes('250-SIZE 100000'));
	await expect(c, 'MAIL FROM:<a@x> SIZE=100001', /^552 5\.3\.4 /);
	assert.match(await send(c, `${'x'.repeat(70)}\r\n`.repeat(3000)), /^552 5\.3\.4 /);
	await until(() => stream?.sizeExceeded);
	assert.ok(stream.byteLength <= 100000);
	assert.match(await send(c, 'small\r\n'), /^250 /);
	assert.equal(stream.sizeExceeded, false);
});

test('whoever reads slowly holds the client back, and loses nothing', async (t) => {
	let sum = 0, most = 0, wait = true;
	const { port } = await start(t, {
		onData(stream, session, done) {
			stream.on('readable', async () => {
				while (wait)
					await sleep(5);
				for (let bytes; (bytes = stream.read()) !== null;)
					sum += bytes.length;
				most = Math.max(most, stream.readableLength);
			});
			stream.on('end', () => done(null, `${stream.byteLength}`));
		},
	});
	const c = await hello(t, port);
	await expect(c, ...ENVELOPE, 'DATA', /^354 /);
	const line = `${'0123456789'.repeat(7)}\r\n`;
	const count = 40000;
	for (let i = 0; i < count; i += 1000)
		c.write(line.repeat(1000));
	c.write('.\r\n');
	await sleep(100);
	assert.equal(sum, 0);
	wait = false;
	assert.equal(await c.line(), `250 2.0.0 ${line.length * count}`);
	assert.equal(sum, line.length * count);
	assert.ok(most <= 512 * 1024, `${most} octets waited`);
});

test('an answer before the message is read waits for its end', async (t) => {
	const { port } = await start(t, {
		onData(stream, session, done) {
			done(null, 'early');
		},
	});
	const c = await hello(t, port);
	assert.equal(await send(c, 'x'.repeat(70).concat('\r\n').repeat(20000)), '250 2.0.0 early');
	assert.equal(await send(c), '250 2.0.0 early');
});

test('a stream that is destroyed lets the rest pass by', async (t) => {
	const { port } = await start(t, {
		onData(stream, session, done) {
			stream.destroy();
			stream.on('close', () => done(Object.assign(new Error('Enough'), { responseCode: 550 })));
		},
	});
	const c = await hello(t, port);
	assert.match(await send(c, 'x'.repeat(70).concat('\r\n').repeat(20000)), /^550 .*Enough$/);
	assert.match(await send(c), /^550 .*Enough$/);
});

test('a client that goes amid its message', async (t) => {
	const ends = [];
	let count = 0, closed = 0;
	const { port, errors } = await start(t, {
		onData(stream) {
			const mine = count++;
			if (mine)
				stream.on('error', (error) => ends.push(error.code));
			stream.on('close', () => ends.push('close'));
			stream.resume();
			return new Promise(() => {});
		},
		onClose() {
			closed++;
		},
	});
	for (let i = 0; i < 2; i++) {
		const c = await hello(t, port);
		await expect(c, ...ENVELOPE, 'DATA', /^354 /);
		c.write(`${'x'.repeat(998)}\r\n`.repeat(100));
		c.write('half a line');
		await until(() => count === i + 1);
		c.reset();
		await until(() => closed === i + 1);
	}
	await until(() => ends.length === 3);
	assert.deepEqual(ends, ['close', 'ABORTED', 'close']);
	assert.deepEqual(errors, []);
});

test('pipelining, and commands out of order', async (t) => {
	const { port, got } = await start(t);
	const c = await hello(t, port);
	await expect(c, 'DATA', /^503 /, 'RCPT TO:<b@x>', /^503 /);
	c.write('MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n');
	for (const like of [/^250/, /^250/, /^250/, /^354/])
		assert.match(await c.line(), like);
	c.write('one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<d@x>\r\nDATA\r\n');
	for (const like of [/^250/, /^250/, /^250/, /^354/])
		assert.match(await c.line(), like);
	c.write('two\r\n.\r\nQUIT\r\n');
	for (const like of [/^250/, /^221/])
		assert.match(await c.line(), like);
	assert.deepEqual(got.map(({ text, envelope }) => [text, envelope.mailFrom.address,
		envelope.rcptTo.map(({ address }) => address)]),
	[['one\r\n', 'a@x', ['b@x', 'c@x']], ['two\r\n', '', ['d@x']]]);
});

test('whoever talks before the greeting is refused', async (t) => {
	const { port } = await start(t, {
		onConnect(session, done) {
			setTimeout(done, 500);
		},
	});
	const c = await t.connect(port);
	c.write('EHLO x\r\n');
	assert.match(await c.line(), /^554 5\.5\.1 /);
	assert.equal(await c.line(), undefined);
});

test('LMTP', async (t) => {
	let answers;
	const { port, errors } = await start(t, {
		lmtp: true,
		onData(stream, session, done) {
			stream.on('end', () => done(null, answers)).resume();
		},
	});
	const c = await greeted(t, port);
	assert.match(await c.ask('EHLO x'), /^500 /);
	c.write('LHLO x\r\n');
	await c.reply();
	const envelope = ['MAIL FROM:<a@x>', /^250/, 'RCPT TO:<b@x>', /^250/, 'RCPT TO:<b@x>', /^250/,
		'RCPT TO:<c@x>', /^250/, 'DATA', /^354/];
	const deliver = async (...replies) => {
		await expect(c, ...envelope);
		c.write('x\r\n.\r\n');
		for (const reply of replies)
			assert.match(await c.line(), reply);
	};
	answers = ['one', Object.assign(new Error('full'), { responseCode: 452 }), new Error('later')];
	await deliver(/^250 2\.0\.0 one$/, /^452 4\.\d\.\d full$/, /^450 4\.\d\.\d later$/);
	answers = 'all';
	await deliver(/^250 .*all$/, /^250 .*all$/, /^250 .*all$/);
	answers = ['too', 'few'];
	await deliver(/^451 4\.3\.0 /, /^451 4\.3\.0 /, /^451 4\.3\.0 /);
	assert.equal(errors.length, 1);
	assert.equal(errors[0].name, 'onData');
	assert.match(errors[0].error.message, /3 answers are wanted/);
	await expect(c, 'NOOP', /^250 /);
});

test('an array of answers is for LMTP alone', async (t) => {
	const { port, errors } = await start(t, {
		onData(stream, session, done) {
			stream.on('end', () => done(null, ['one'])).resume();
		},
	});
	assert.match(await send(await hello(t, port)), /^451 4\.3\.0 /);
	assert.match(errors[0].error.message, /for LMTP/);
});

test('a proxy in front: PROXY, XCLIENT, XFORWARD', async (t) => {
	const seen = [];
	const { port, server } = await start(t, {
		useProxy: ['127.0.0.1'], useXClient: true, useXForward: true,
		onConnect(session, done) {
			seen.push(session.remoteAddress);
			done();
		},
		onMailFrom(address, session, done) {
			seen.push([session.remoteAddress, session.remotePort, session.clientHostname,
				session.xClient, session.xForward, session.user]);
			done();
		},
		onAuth(auth, session, done) {
			if (auth.username === 'eve')
				done(null, { message: 'Not eve' });
			else
				done(null, { user: auth });
		},
	});
	const told = [];
	server.on('connect', ({ remoteAddress }) => told.push(remoteAddress));
	const c = await t.connect(port);
	c.write('PROXY TCP4 198.51.100.22 203.0.113.7 35646 80\r\n');
	assert.match(await c.line(), /^220 /);
	assert.deepEqual(told, []);
	c.write('EHLO x\r\n');
	const offer = (await c.reply()).join();
	assert.match(offer, /XCLIENT NAME ADDR/);
	assert.match(offer, /XFORWARD NAME ADDR/);
	await expect(c, 'XCLIENT NAME=Spike.example ADDR=192.0.2.7 PORT=[UNAVAILABLE] LOGIN=bob', /^220 /,
		'HELO x', /^250/, 'XFORWARD NAME=a.example ADDR=IPV6:2001:db8::1 SOURCE=REMOTE', /^250/,
		'MAIL FROM:<a@x>', /^250/, 'RSET', /^250/, 'MAIL FROM:<a@x>', /^250/);
	const client = new Map([['NAME:DEFAULT', '[198.51.100.22]'], ['NAME', 'Spike.example'],
		['ADDR:DEFAULT', '198.51.100.22'], ['ADDR', '192.0.2.7'], ['PORT:DEFAULT', 35646],
		['PORT', false], ['LOGIN', 'bob']]);
	const user = { method: 'XCLIENT', username: 'bob', password: null };
	assert.deepEqual(seen, ['198.51.100.22',
		['2001:db8::1', 35646, 'a.example', client,
			new Map([['NAME', 'a.example'], ['ADDR', 'IPV6:2001:db8::1'], ['SOURCE', 'REMOTE']]), user],
		['192.0.2.7', 35646, 'spike.example', client, new Map(), user]]);
	assert.deepEqual(told, ['192.0.2.7']);
	seen.length = 0;
	await expect(c, 'RSET', /^250/, 'XFORWARD NAME=a.example ADDR=192.0.2.8', /^250/,
		'XCLIENT ADDR=192.0.2.9', /^220 /, 'HELO x', /^250/, 'MAIL FROM:<a@x>', /^250/);
	assert.deepEqual(seen[0].slice(0, 3), ['192.0.2.9', 35646, 'spike.example']);
	assert.equal(seen[0][4].size, 0);
	const d = await t.connect(port);
	d.write('PROXY TCP4 198.51.100.22 203.0.113.7 35646 80\r\n');
	assert.match(await d.line(), /^220 /);
	await expect(d, 'XCLIENT ADDR=nonsense', /^501/, 'XCLIENT LOGIN=eve', /^550 .*Not eve/);
	assert.equal(await d.line(), undefined);
});

test('nobody is believed who was not named', async (t) => {
	const { port } = await start(t, { useProxy: ['192.0.2.1'], useXClient: ['192.0.2.1'] });
	const c = await greeted(t, port);
	await expect(c, 'XCLIENT ADDR=192.0.2.7', /^550/, 'XFORWARD NAME=a', /^550/,
		'PROXY TCP4 1.2.3.4 5.6.7.8 1 2', /^500/);
});

test('names of addresses', async (t) => {
	let name;
	const { port } = await start(t, {
		disableReverseLookup: false,
		onConnect(session, done) {
			name = session.clientHostname;
			done();
		},
	});
	await greeted(t, port);
	if (host === 'lettermill')
		assert.equal(name, '[127.0.0.1]');
	else
		assert.match(name, /^(\[127\.0\.0\.1\]|[\w.-]+)$/);
});

/* ---- listening ---- */

test('listening in all its forms', async (t) => {
	const server = new SmtpServer({ closeTimeout: 100 });
	t.defer(() => server.close());
	const told = [];
	server.on('listening', () => told.push('listening')).on('close', () => told.push('close'));
	assert.equal(server.server.address(), null);
	const forms = [[0], [0, '127.0.0.1'], [0, '127.0.0.1', 511], [{ port: 0, host: 'localhost' }], [],
		[undefined, '::'], ['0', '127.0.0.1']];
	for (const form of forms) {
		const port = await listen(server, ...form);
		assert.ok(port > 0);
		assert.equal(server.server.listening, true);
		assert.throws(() => server.listen(0), { code: 'ERR_SERVER_ALREADY_LISTEN' });
		await (await greeted(t, port)).ask('QUIT');
		await server.close();
		assert.equal(server.server.listening, false);
	}
	assert.equal(told.filter((word) => word === 'listening').length, forms.length);
	assert.equal(told.filter((word) => word === 'close').length, forms.length);
});

test('listening that cannot be', async (t) => {
	const { port } = await start(t);
	const server = new SmtpServer();
	const failed = (...args) => new Promise((good) => {
		server.once('error', good);
		server.listen(...args, () => good('listening'));
	});
	const error = await failed(port, '127.0.0.1');
	assert.equal(error.code, 'EADDRINUSE');
	assert.equal(error.port, port);
	assert.equal((await failed(0, 'no.such.host')).code, 'ENOTFOUND');
	for (const bad of [-1, 65536, 1.5, 'x'.repeat(0), NaN])
		assert.throws(() => server.listen(bad), { code: 'ERR_SOCKET_BAD_PORT' });
	assert.throws(() => server.listen({ port: 0, host: 7 }), TypeError);
	const why = await new Promise((good) => server.close(good));
	assert.equal(why.code, 'ERR_SERVER_NOT_RUNNING');
});

test('closing lets a message end', async (t) => {
	const { server, port, got } = await start(t, { closeTimeout: 5000 });
	const c = await hello(t, port), idle = await hello(t, port);
	await expect(c, ...ENVELOPE, 'DATA', /^354 /);
	let over = false;
	server.close(() => {
		over = true;
	});
	assert.match(await idle.line(), /^421 /);
	assert.equal(over, false);
	c.write('late\r\n.\r\n');
	assert.match(await c.line(), /^250 .*kept 1$/);
	assert.match(await c.line(), /^421 /);
	await until(() => over);
	assert.equal(got[0].text, 'late\r\n');
});

test('closing is not put off for ever', async (t) => {
	const { server, port } = await start(t, { closeTimeout: 100 });
	const c = await hello(t, port);
	await expect(c, ...ENVELOPE, 'DATA', /^354 /);
	await server.close();
	assert.match(await c.line(), /^421 /);
});

test('as many clients as it may have', async (t) => {
	const { port } = await start(t, { maxClients: 2 });
	const one = await hello(t, port);
	await hello(t, port);
	const c = await t.connect(port);
	assert.match(await c.line(), /^421 /);
	await expect(one, 'QUIT', /^221/);
	await until(async () => {
		const again = await t.connect(port);
		return /^220 /.test(await again.line());
	});
});

test('silence ends a session', async (t) => {
	const { port } = await start(t, { socketTimeout: 200 });
	const c = await hello(t, port);
	assert.match(await c.line(), /^421 /);
	assert.equal(await c.line(), undefined);
});

test('octets stay what they are', async (t) => {
	const { port, got } = await start(t);
	let text = '';
	for (let i = 1; i < 256; i++)
		text += i === 10 || i === 13 ? '' : String.fromCharCode(i);
	assert.match(await send(await hello(t, port), `${text}\r\n`), /^250/);
	assert.equal(got[0].text, `${text}\r\n`);
	assert.equal(octets(text).length > 255, true);
});

test('two hundred sessions, each with its own', async (t) => {
	const { port, got, errors } = await start(t, {
		onMailFrom(address, session, done) {
			setTimeout(done, (address.address.length * 7) % 30);
		},
		async onRcptTo(address, session) {
			await sleep((address.address.length * 5) % 20);
			if (!address.address.startsWith(session.envelope.mailFrom.address.split('@')[0]))
				throw new Error('mixed up');
		},
	});
	const one = async (i) => {
		const c = await hello(t, port);
		const name = `u${i}${'x'.repeat(i % 13)}`;
		c.write(`MAIL FROM:<${name}@a>\r\nRCPT TO:<${name}@b>\r\nDATA\r\n`);
		for (const like of [/^250 2\.1\.0/, /^250 2\.1\.5/, /^354/])
			assert.match(await c.line(), like);
		c.write(`${name}\r\n.\r\nQUIT\r\n`);
		assert.match(await c.line(), /^250/);
		assert.match(await c.line(), /^221/);
	};
	await Promise.all(Array.from({ length: 200 }, (_, i) => one(i)));
	assert.equal(got.length, 200);
	for (const { text, envelope } of got)
		assert.equal(`${text.trim()}@a`, envelope.mailFrom.address);
	assert.deepEqual(errors, []);
}, 60000);
