'use strict';
const { test, assert, lettermill, inside, sleep, until, growth } = require('./harness');
const { mailServer, crlf } = require('./lib/servers');
const { SmtpClient, LmtpClient, MailError } = lettermill;
const { octets, text: textOf, Readable } = inside('host');

const HEAD = 'From: leia@example.org\nTo: luke@example.org\nSubject: help\n\n';
const to = 'luke@example.org', from = 'leia@example.org';

async function open(t, server, options = {}) {
	const client = await SmtpClient.connect({ ...server.options, ...options });
	t.defer(() => client.close());
	return client;
}

const wire = (text) => textOf(crlf(text));

async function* pieces(...all) {
	for (const piece of all) {
		await sleep(1);
		yield piece;
	}
}

// ---- What it does ----

test('messages of every kind', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	const text = `${HEAD}Obi-Wan\n.\n..\nlast`;
	const bytes = crlf(`${text}\n`);
	const kinds = [text, `${text}\n`, wire(`${text}\n`), bytes, new Uint8Array(bytes),
		bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
		[text.slice(0, 30), octets(text.slice(30))], pieces(text.slice(0, 7), text.slice(7)),
		pieces(octets(text)), Readable.from([octets(text)])];
	for (const raw of kinds) {
		const result = await client.send({ from, to, raw });
		assert.deepEqual([result.accepted, result.rejected, result.sender, result.replyCode],
			[[to], [], from, 250]);
		assert.equal(result.size, bytes.length);
		assert.match(result.reply, /\S/);
	}
	await client.quit();
	assert.equal(server.got.length, kinds.length);
	for (const { from: sender, to: recipients, text: came, mail } of server.got) {
		assert.deepEqual([sender, recipients, mail.size, mail.body],
			[from, [to], bytes.length, '']);
		assert.equal(came, wire(`${text}\n`));
	}
	assert.deepEqual(server.failures, []);
});

test('octets arrive as they are', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	const all = Uint8Array.from({ length: 256 }, (_, i) => i)
		.filter((i) => i !== 10 && i !== 13 && i);
	const raw = new Uint8Array([...crlf(HEAD), ...all, 13, 10]);
	await client.send({ from, to, raw });
	await client.send({ from, to, raw: textOf(raw) });
	assert.equal(server.got[0].mail.body, '8BITMIME');
	for (const { text } of server.got)
		assert.deepEqual([...octets(text)], [...raw]);
	await assert.rejects(client.send({ from, to, raw: `${HEAD}a\rb\n` }),
		{ code: 'SYNTAX', side: 'client' });
	await assert.rejects(client.send({ from, to, strict: true, raw: HEAD }), { code: 'SYNTAX' });
	await client.noop();
});

test('contents that are gone', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	const lent = new Uint8Array(crlf(HEAD));
	const raws = [Readable.from([HEAD]).destroy(), pieces(HEAD), lent];
	await client.send({ from, to, raw: raws[1] });
	if (typeof lent.buffer.transfer === 'function')
		lent.buffer.transfer();
	else
		structuredClone(lent.buffer, { transfer: [lent.buffer] });
	for (const raw of raws)
		await assert.rejects(client.send({ from, to, raw }),
			{ code: 'SOURCE', message: /not sent: .*contents: / });
	await client.send({ from, to, raw: HEAD });
	assert.equal(server.got.length, 2);
});

test('the envelope of the header', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	const raw = 'From: "Leia O." <leia@example.org>\n' +
		'To: luke@example.org, Han <han@example.org>\n' +
		'Cc: friends: r2@example.org, c3po@example.org;\nBcc: yoda@example.org\n\ntext\n';
	const { accepted } = await client.send({ raw });
	assert.deepEqual(accepted,
		['luke', 'han', 'r2', 'c3po', 'yoda'].map((n) => `${n}@example.org`));
	assert.equal(server.got[0].from, from);
	assert.ok(!server.got[0].text.includes('yoda'));
	await client.send({ raw, from: '', to, keepBcc: true });
	assert.equal(server.got[1].from, '');
	assert.ok(server.got[1].text.includes('yoda'));
	await client.send({ raw: crlf(raw), from, to });
	assert.ok(!server.got[2].text.includes('yoda'));
	await client.send({ raw: 'Subject: x\n\ny\n', from: 'Leia <leia@example.org>',
		to: ['"L, S" <luke@example.org>', { address: 'han@example.org' }],
		cc: 'a@b.example, c@d.example', bcc: ['luke@example.org'], addMissing: true });
	assert.deepEqual([server.got[3].from, server.got[3].to],
		[from, [to, 'han@example.org', 'a@b.example', 'c@d.example']]);
	assert.match(server.got[3].text, /^Date: /m);
	assert.match(server.got[3].text, /^Message-ID: /m);
	const bare = 'Subject: x\n\ny\n';
	await assert.rejects(client.send({ raw: bare, to }), { code: 'SYNTAX', message: /from/ });
	await assert.rejects(client.send({ raw: bare, from }), { code: 'SYNTAX', message: /to/ });
	await client.quit();
});

test('what the envelope may say', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	await client.send({ from: 'jürgen@example.org', to, raw: HEAD });
	assert.deepEqual([server.got[0].from, server.got[0].mail.smtputf8],
		['jürgen@example.org', true]);
	if (client.has('DSN') !== undefined) {
		await client.send({ from, raw: HEAD,
			to: [{ address: to, notify: ['success', 'delay'] }, 'x@y.example'],
			dsn: { notify: 'NEVER', ret: 'hdrs', envid: 'abc' } });
		assert.deepEqual([server.got[1].mail.ret, server.got[1].mail.envid], ['HDRS', 'abc']);
	} else {
		await assert.rejects(client.send({ from, to, raw: HEAD, dsn: { notify: 'SUCCESS' } }),
			{ code: 'UNSUPPORTED' });
	}
	await assert.rejects(client.send({ from, to, raw: HEAD, requireTls: true }),
		{ code: 'UNSUPPORTED' });
	await client.quit();
});

test('many at once, in their order', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	const all = await Promise.all(Array.from({ length: 100 }, (_, i) => client.send({ from, to,
		raw: i % 3 ? `Subject: ${i}\n\nx\n` : pieces(`Subject: ${i}\n\n`, 'x\n') })));
	assert.ok(all.every(({ accepted }) => accepted.length === 1));
	assert.deepEqual(server.got.map(({ text }) => Number(/Subject: (\d+)/.exec(text)[1])),
		Array.from({ length: 100 }, (_, i) => i));
	await client.quit();
});

test('other commands', async (t) => {
	const server = mailServer(t, { on: {
		VRFY: (event) => event.yes('Luke <luke@example.org>', 250),
		EXPN: (event) => event.yes('luke@example.org', 250) } });
	const client = await open(t, server);
	const { code, text } = await client.verify('luke');
	assert.equal(code, 250);
	assert.match(text, /Luke/);
	assert.deepEqual((await client.expand('friends')).length, 1);
	await client.noop();
	await client.reset();
	assert.ok((await client.capabilities()).some((line) => line.startsWith('SIZE')));
	assert.equal((await client.command('XYZZY')).code, 500);
	assert.match(client.info.greeting, /\S/);
	await assert.rejects(client.verify(7), TypeError);
	await client.quit();
});

test('LMTP says for each', async (t) => {
	const server = mailServer(t, { listeners: ['lmtp'], on: { MESSAGE: (event) =>
		event.recipients([[0], [-12, 'full up', 452, '4.2.2'], [0]]) } });
	const client = await LmtpClient.connect({ ...server.options, port: server.port('lmtp') });
	t.defer(() => client.close());
	const result = await client.send({ from, raw: HEAD,
		to: ['a@example.org', 'b@example.org', 'c@example.org'] });
	assert.deepEqual(result.accepted, ['a@example.org', 'c@example.org']);
	assert.equal(result.rejected.length, 1);
	const [{ recipient, error }] = result.rejected;
	assert.deepEqual([recipient, error.replyCode, error.enhanced, error.side],
		['b@example.org', 452, '4.2.2', 'server']);
	await client.quit();
});

// ---- Refusals ----

const refusing = (t, wants) => mailServer(t, { on: { RCPT(event, session) {
	const { recipient } = event.entry;
	const no = wants(recipient, session.data.to.length);
	if (no) {
		event.no(no.name, no);
		return;
	}
	session.data.to.push(recipient);
	event.yes();
} } });

test('some are refused', async (t) => {
	const server = refusing(t, (who) => who.startsWith('no') &&
		{ name: 'NOT_FOUND', text: 'who is that?', code: 550, enhanced: '5.1.1' });
	const client = await open(t, server);
	const result = await client.send({ from, to: ['no1@example.org', to, 'no2@example.org'],
		raw: HEAD });
	assert.deepEqual(result.accepted, [to]);
	assert.deepEqual(result.rejected.map(({ recipient }) => recipient),
		['no1@example.org', 'no2@example.org']);
	const { error } = result.rejected[0];
	assert.ok(error instanceof MailError);
	assert.deepEqual([error.side, error.replyCode, error.enhanced, error.reply, error.recipient],
		['server', 550, '5.1.1', 'who is that?', 'no1@example.org']);
	const total = await assert.rejects(client.send({ from, to: 'no3@example.org', raw: HEAD }),
		{ side: 'server', replyCode: 550, enhanced: '5.1.1', unknown: false });
	assert.equal(total.rejected.length, 1);
	await client.send({ from, to, raw: HEAD });
	await client.quit();
	assert.equal(server.got.length, 2);
});

test('too many recipients for one transaction', async (t) => {
	const server = refusing(t, (who, count) => count >= 3 &&
		{ name: 'LIMIT', text: 'too many', code: 452, enhanced: '4.5.3' });
	const client = await open(t, server);
	const all = Array.from({ length: 8 }, (_, i) => `u${i}@example.org`);
	const result = await client.send({ from, to: all, raw: HEAD });
	assert.deepEqual(result.accepted, all);
	assert.deepEqual(server.got.map((one) => one.to.length), [3, 3, 2]);
	await client.quit();
});

test('the message is refused', async (t) => {
	const server = mailServer(t, { on: { MESSAGE: (event) => event.no('DENIED',
		{ text: 'spam', code: 554, enhanced: '5.7.1' }) } });
	const client = await open(t, server);
	await assert.rejects(client.send({ from, to, raw: HEAD }),
		{ code: 'DENIED', side: 'server', replyCode: 554, enhanced: '5.7.1', reply: 'spam' });
	await client.noop();
	await client.quit();
});

test('what the server cannot take is not begun', async (t) => {
	const server = mailServer(t, { settings: [['max-message-size', '10K']] });
	const client = await open(t, server);
	await assert.rejects(client.send({ from, to, raw: `${HEAD}${'x'.repeat(20000)}\n` }),
		{ code: 'LIMIT' });
	await client.send({ from, to, raw: HEAD });
	await client.quit();
});

test('wrong messages', async (t) => {
	const client = await open(t, mailServer(t));
	const bad = (message, like) => assert.rejects(client.send(message), like);
	await bad(undefined, TypeError);
	await bad({}, TypeError);
	await bad({ from, to }, TypeError);
	await bad({ from, to, raw: 7 }, TypeError);
	await bad({ from, to, raw: {} }, TypeError);
	await bad({ from, to, raw: HEAD, subjet: 'x' }, RangeError);
	await bad({ from: 7, to, raw: HEAD }, TypeError);
	await bad({ from, to: 7, raw: HEAD }, TypeError);
	await bad({ from, to: [], raw: HEAD }, RangeError);
	await bad({ from, to: [{}], raw: HEAD }, TypeError);
	await bad({ from, to, raw: HEAD, smtputf8: 'yes' }, TypeError);
	await bad({ from, to, raw: HEAD, dsn: { notify: 'SOMETIMES' } }, RangeError);
	await bad({ from, to, raw: HEAD, dsn: { notify: 'NEVER,DELAY' } }, RangeError);
	await bad({ from, to, raw: HEAD, dsn: { ret: 'half' } }, RangeError);
	await bad({ from: 'a@b\r\nRCPT TO:<x@y>', to, raw: HEAD }, { code: 'SYNTAX', side: 'client' });
	await bad({ from, to: 'a b@c', raw: HEAD }, { code: 'SYNTAX', side: 'client' });
	await bad({ from, to: '', raw: HEAD }, { code: 'SYNTAX' });
	await bad({ from, to, raw: [7] }, { code: 'SOURCE', side: 'client' });
	await client.send({ from, to, raw: HEAD });
	await client.quit();
});

// ---- Sources that fail, and aborts ----

test('a source that fails costs its message only', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	for (const good of [0, 1]) {
		const raw = (async function* fails() {
			if (good)
				yield HEAD;
			throw new Error('disk on fire');
		})();
		const error = await assert.rejects(client.send({ from, to, raw }),
			{ code: 'SOURCE', side: 'client', message: /disk on fire/ });
		assert.equal(error.cause.message, 'disk on fire');
	}
	await client.send({ from, to, raw: HEAD });
	await client.quit();
	assert.equal(server.got.length, 1);
});

test('abort while the message is read', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	for (const good of [false, true]) {
		const controller = new AbortController();
		let over = false;
		const raw = (async function* waits() {
			try {
				if (good)
					yield HEAD;
				controller.abort();
				await sleep(30);
				yield 'x\n';
			} finally {
				over = true;
			}
		})();
		await assert.rejects(client.send({ from, to, raw }, { signal: controller.signal }),
			{ name: 'AbortError', code: 'CANCELED' });
		await until(() => over);
	}
	await client.send({ from, to, raw: HEAD }); // nothing was begun
	await client.quit();
	assert.equal(server.got.length, 1);
});

test('abort while the server thinks', async (t) => {
	const controller = new AbortController();
	const server = mailServer(t, { on: { MESSAGE(event) {
		controller.abort();
		setTimeout(() => event.yes(), 50);
	} } });
	const client = await open(t, server);
	await assert.rejects(client.send({ from, to, raw: HEAD }, { signal: controller.signal }),
		{ name: 'AbortError' });
	assert.equal(client.connected, false); // the reply is not to be had any more
	await assert.rejects(client.noop(), { code: 'CLOSED' });
});

test('a signal that has fired already', async (t) => {
	const server = mailServer(t);
	const client = await open(t, server);
	await assert.rejects(client.send({ from, to, raw: HEAD }, { signal: AbortSignal.abort() }),
		{ name: 'AbortError' });
	await client.send({ from, to, raw: HEAD });
	assert.equal(server.got.length, 1);
});

test('the connection is lost behind the message', async (t) => {
	const listener = await t.listen();
	const client = new SmtpClient({ host: '127.0.0.1', port: listener.port, tls: 'off' });
	t.defer(() => client.close());
	const connected = client.connect();
	const peer = await listener.accept();
	peer.write('220 hello\r\n');
	await peer.line();
	peer.write('250 hello\r\n');
	await connected;
	const sent = client.send({ from, to, raw: HEAD });
	sent.catch(() => {});
	for (const reply of ['250 ok', '250 ok', '354 go on']) {
		await peer.line();
		peer.write(`${reply}\r\n`);
	}
	while (await peer.line() !== '.')
		;
	peer.close();
	await assert.rejects(sent, { side: 'network', unknown: true });
});

test('a server that takes nothing', async (t) => {
	const listener = await t.listen();
	const client = new SmtpClient({ host: '127.0.0.1', port: listener.port, tls: 'off',
		timeout: 300 });
	t.defer(() => client.close());
	client.connect().catch(() => {});
	const peer = await listener.accept();
	peer.write('220 hello\r\n');
	await peer.line();
	peer.write('250-hello\r\n250 8BITMIME\r\n');
	await assert.rejects(client.send({ from, to, raw: HEAD }),
		{ code: 'TIMEOUT', side: 'network' });
});

// ---- In the long run ----

function big(total) {
	const piece = octets('0123456789abcde\r\n'.repeat(3855));
	const count = Math.ceil(total / piece.length);
	return { size: count * piece.length, async* [Symbol.asyncIterator]() {
		yield crlf(HEAD);
		for (let i = 0; i < count; i++)
			yield piece;
	} };
}

test('100 MB in flat memory', async (t) => {
	let taken = 0;
	const server = mailServer(t, { settings: [['max-message-size', '200M']], on: {
		BODY(event, session) {
			taken += event.entry.bytes.length;
			session.taken(event.entry.bytes.length);
		},
		MESSAGE: (event) => event.yes() } });
	const client = await open(t, server);
	const memory = () => typeof process === 'undefined' ? 0 : process.memoryUsage().rss;
	const letter = big(100e6);
	await client.send({ from, to, raw: letter });
	const before = memory();
	const { size } = await client.send({ from, to, raw: letter });
	assert.equal(size, letter.size + crlf(HEAD).length);
	assert.equal(taken, 2 * size);
	assert.ok(memory() - before < 64e6 * growth, `${(memory() - before) / 1e6} MB more`);
	await client.quit();
}, 60000);

test('1,000 clients one after another', async (t) => {
	const server = mailServer(t);
	const memory = () => typeof process === 'undefined' ? 0 : process.memoryUsage().rss;
	let before;
	for (let i = 0; i < 1000; i++) {
		const client = await SmtpClient.connect(server.options);
		await client.send({ from, to, raw: i % 2 ? HEAD : pieces(HEAD) });
		server.got.length = 0;
		if (i % 10)
			await client.quit();
		else
			await client.close();
		if (i === 300)
			before = memory();
	}
	assert.ok(memory() - before < 32e6 * growth, `${(memory() - before) / 1e6} MB more`);
}, 60000);
