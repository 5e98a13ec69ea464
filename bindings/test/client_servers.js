'use strict';
// Clients and servers of the package with each other, as the programs of users meet them.
const { test, assert, lettermill, inside, file } = require('./harness');
const smtp = require('./lib/smtp');
const pop3 = require('./lib/pop3');
const { Pop3Client, SmtpClient, PopMessage } = lettermill;
const { octets, text: textOf } = inside('host');

// What is hard to carry: dots, empty lines, long lines, every octet.
const all = Array.from({ length: 256 }, (_, i) => i).filter((i) => i && i !== 10 && i !== 13);
const BODIES = ['', '.', '..', '.\n.\n..\n', '\n\n\n', 'x'.repeat(100000), `${'y'.repeat(996)}.\n.`,
	textOf(Uint8Array.from(all)), 'smörgåsbord'];

test('what is sent is fetched, octet for octet', async (t) => {
	const { port, got } = await smtp.start(t);
	const out = await SmtpClient.connect({ host: '127.0.0.1', port, tls: 'off' });
	t.defer(() => out.close());
	for (const [i, body] of BODIES.entries())
		await out.send({ from: 'a@example.com', to: 'luke@example.com',
			raw: `Subject: ${i}\n\n${body}\n` });
	await out.quit();

	const kept = got.map(({ text }) => Uint8Array.from(text, (unit) => unit.charCodeAt(0)));
	const { port: at, errors } = await pop3.start(t, { receive_messages: () =>
		kept.map((bytes, i) => new PopMessage(`m${i}`, bytes.length, bytes)) });
	const inbox = await Pop3Client.connect({ host: '127.0.0.1', port: at, tls: 'off',
		user: 'luke', password: 'hello' });
	t.defer(() => inbox.close());
	const came = [];
	for await (const message of inbox) {
		assert.equal(message.uid, `m${came.length}`);
		came.push(await message.buffer());
	}
	await inbox.quit();
	assert.deepEqual(errors, []);
	assert.equal(came.length, BODIES.length);
	for (const [i, body] of BODIES.entries())
		assert.deepEqual([...came[i]],
			[...octets(`Subject: ${i}\n\n${body}\n`.replace(/\n/g, '\r\n'))], `message ${i}`);
});

test('PopServer says why', async (t) => {
	const { port } = await pop3.start(t, {
		is_in_use: ({ session }) => session.user.user === 'mary',
		receive_messages() {
			throw new Error('no disk');
		},
	});
	const base = { host: '127.0.0.1', port, tls: 'off' };
	const open = (user, password) => Pop3Client.connect({ ...base, user, password });
	await assert.rejects(open('luke', 'wrong'), { code: 'AUTH', side: 'server' });
	await assert.rejects(open('han', 'hello'), { side: 'server' });
	await assert.rejects(open('mary', 'hello'), { code: 'IN_USE', pop3Code: 'IN_USE' });
	await assert.rejects(open('luke', 'hello'), { code: 'AGAIN', pop3Code: 'SYS_TEMP' });
});

test('SmtpServer says why', async (t) => {
	const no = (message, responseCode) => Object.assign(new Error(message), { responseCode });
	const { port } = await smtp.start(t, {
		onRcptTo(address, session, done) {
			done(address.address.startsWith('no') ? no('not here', 551) : undefined);
		},
		onData(stream, session, done) {
			stream.on('end', () => done(no('spam', 554))).resume();
		},
	});
	const out = await SmtpClient.connect({ host: '127.0.0.1', port, tls: 'off' });
	t.defer(() => out.close());
	const raw = 'Subject: x\n\ny\n', from = 'a@example.com';
	await assert.rejects(out.send({ from, to: 'no@example.com', raw }),
		{ replyCode: 551, reply: /not here/, side: 'server' });
	await assert.rejects(out.send({ from, to: 'yes@example.com', raw }),
		{ replyCode: 554, reply: /spam/, side: 'server' });
	await out.quit();
});

test('TLS from end to end', async (t) => {
	const cert = file('server.pem'), key = file('server.key'), ca = file('ca.pem');
	const { port } = await smtp.start(t, { cert, key });
	const out = await SmtpClient.connect({ host: 'localhost', port, tls: { ca } });
	t.defer(() => out.close());
	assert.equal(out.info.tls, true);
	const { accepted } = await out.send({ from: 'a@example.com', to: 'b@example.com', raw: 'A: b\n\n' });
	assert.deepEqual(accepted, ['b@example.com']);
	await out.quit();
});
