'use strict';
// The options of SmtpServer: what they say on the wire, and what is no option.
const { test, assert, lettermill, inside, file, host } = require('./harness');
const { start, greeted, hello, expect, listen } = require('./lib/smtp');
const { SmtpServer, SmtpClient, createSecureContext } = lettermill;

async function offerOf(t, options) {
	const { port } = await start(t, options);
	const c = await greeted(t, port);
	c.write('EHLO x\r\n');
	return { c, port, offer: (await c.reply()).map((line) => line.slice(4).split(' ')[0]) };
}

test('the greeting', async (t) => {
	const { port } = await start(t, { name: 'mail.example.org', banner: 'at your service' });
	const c = await t.connect(port);
	assert.equal(await c.line(), '220 mail.example.org ESMTP at your service');
});

test('what is hidden works, what is disabled does not', async (t) => {
	const hidden = await offerOf(t, { hidePIPELINING: true, hide8BITMIME: true, hideSMTPUTF8: true,
		hideSTARTTLS: true, hideSize: true, size: 10 });
	for (const word of ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'STARTTLS', 'SIZE'])
		assert.ok(!hidden.offer.includes(word), `${hidden.offer}`);
	await expect(hidden.c, 'MAIL FROM:<a@x> BODY=8BITMIME SMTPUTF8', /^250 /, 'RSET', /^250 /,
		'MAIL FROM:<a@x> SIZE=11', /^552 /, 'STARTTLS', /^220 /);
	const disabled = await offerOf(t, { disabledCommands: ['vrfy', 'HELP', 'CHUNKING', 'WIZ', ''] });
	assert.ok(!disabled.offer.includes('HELP') && !disabled.offer.includes('CHUNKING'));
	await expect(disabled.c, 'VRFY a', /^500 /, 'HELP', /^500 /, 'BDAT 0 LAST', /^500 /);
});

test('wrong options', () => {
	const wrong = {
		authMethods: [['PLAN'], 'PLAIN LOGIN', [7]], disabledCommands: [['MAIL'], ['QUIT'], 7],
		size: ['big', -1, 1.5], maxClients: ['many'], socketTimeout: ['long', -1],
		closeTimeout: ['long'], callbackTimeout: ['long', -5], name: [7], banner: [7],
		useProxy: [7, [7]], useXClient: [7], SNICallback: [7], sniOptions: [7, { a: {} }],
		key: ['x'], cert: ['x'], minVersion: ['1.2'], pfx: ['x'],
		maxAllowedUnauthenticatedCommands: ['x'],
	};
	for (const [name, values] of Object.entries(wrong))
		for (const value of values) {
			const error = assert.throws(() => new SmtpServer({ [name]: value }), undefined,
				`${name}: ${value}`);
			assert.ok(error instanceof TypeError || error instanceof RangeError, `${name}: ${error}`);
			assert.match(error.message, new RegExp(name === 'pfx' ? 'pfx' : `${name}|tls\\.`));
		}
	for (const options of [7, 'x', null])
		assert.throws(() => new SmtpServer(options), TypeError);
	assert.throws(() => new SmtpServer({ lmtp: true, secure: true }), RangeError);
	assert.match(assert.throws(() => new SmtpServer({ authMethods: 'PLAN' })).message, /PLAIN/);
	// As npm's smtp-server does.
	new SmtpServer({ nobodyKnows: 7 });
});

test('what the library refuses is an error event', async (t) => {
	for (const options of [{ name: 'no name' }, { banner: 'a\r\n221 b' }, { useProxy: ['no net'] }]) {
		const server = new SmtpServer(options);
		const error = await new Promise((good) => {
			server.once('error', good);
			server.listen(0, () => good('listening'));
			t.defer(() => server.close());
		});
		assert.ok(error instanceof Error, JSON.stringify(options));
		assert.equal(server.server.listening, false);
	}
});

/* ---- TLS ---- */

const pair = (name) => ({ cert: file(`${name}.pem`), key: file(`${name}.key`) });

async function subjectOf(port, options) {
	const client = await SmtpClient.connect({ host: 'localhost', port, noLogin: true, ...options });
	const { info } = client;
	await client.quit();
	return info;
}

async function servesWith(t, options) {
	let seen;
	const all = await start(t, {
		...options,
		onMailFrom(address, session, done) {
			seen = { secure: session.secure, ...session.tlsOptions };
			done();
		},
	});
	return { ...all, seen: () => seen };
}

const from = 'a@x', to = 'b@x', raw = 'Subject: x\n\nx\n';

test('TLS: STARTTLS and from the first octet', async (t) => {
	for (const secure of [false, true]) {
		const { port, got, seen } = await servesWith(t, { secure, ...pair('server') });
		const client = await SmtpClient.connect({ host: 'localhost', port,
			tls: { mode: secure ? 'implicit' : 'starttls', ca: file('ca.pem') } });
		await client.send({ from, to, raw });
		await client.quit();
		assert.equal(got.length, 1);
		const { name, standardName, version } = seen();
		assert.equal(seen().secure, true);
		assert.match(name, /_/);
		assert.equal(standardName, name);
		assert.match(version, /^TLSv1\.[23]$/);
		assert.equal(got[0].session.transmissionType, 'ESMTPS');
	}
});

test('TLS: a certificate of its own where none was given', async (t) => {
	const { port, got } = await servesWith(t, { secure: true, name: 'localhost' });
	const wants = (tls) => SmtpClient.connect({ host: 'localhost', port, tls });
	await assert.rejects(wants({ mode: 'implicit', ca: file('ca.pem') }), { code: 'TLS' });
	const client = await wants({ mode: 'implicit', rejectUnauthorized: false });
	await client.send({ from, to, raw });
	await client.quit();
	assert.equal(got.length, 1);
});

test('TLS: certificates by name', async (t) => {
	const asked = [];
	const good = { mode: 'implicit', ca: file('ca.pem') };
	const { port } = await servesWith(t, {
		secure: true, name: 'other.example',
		sniOptions: new Map([['LocalHost', pair('server')]]),
		SNICallback(name, done) {
			asked.push(name);
			done(null, createSecureContext(pair('server')));
		},
	});
	await subjectOf(port, { tls: good });
	assert.deepEqual(asked, []);
	const { port: second } = await servesWith(t, {
		secure: true, name: 'other.example',
		SNICallback(name, done) {
			asked.push(name);
			done(null, name === 'localhost' ? pair('server') : undefined);
		},
	});
	await subjectOf(second, { tls: good });
	assert.deepEqual(asked, ['localhost']);
});

test('TLS: an SNICallback that fails fails its handshake alone', async (t) => {
	const wrong = { cert: file('server.pem'), key: file('ca.key') };
	const broken = { cert: '-----BEGIN CERTIFICATE-----\nx\n', key: file('server.key') };
	const noticed = host === 'node' ? [(name, done) => done(null, wrong), async () => broken,
		() => createSecureContext(wrong)] : [];
	for (const SNICallback of [() => {
		throw new Error('thrown');
	}, (name, done) => done(new Error('told')), (name, done) => done(null, { context: {} }),
	...noticed]) {
		const { port, errors } = await servesWith(t, { secure: true, SNICallback });
		await assert.rejects(subjectOf(port, { tls: { mode: 'implicit', rejectUnauthorized: false } }));
		assert.equal(errors[0].name, 'SNICallback');
	}
});

test('TLS: another certificate while it runs', async (t) => {
	const { port, server } = await servesWith(t, { secure: true, name: 'localhost' });
	const tls = { mode: 'implicit', ca: file('ca.pem') };
	await assert.rejects(subjectOf(port, { tls }), { code: 'TLS' });
	assert.throws(() => server.updateSecureContext({ cert: 'x' }), /cert/);
	await assert.rejects(subjectOf(port, { tls }), { code: 'TLS' });
	server.updateSecureContext(pair('server'));
	await subjectOf(port, { tls });
	assert.equal(server.options.cert, pair('server').cert);
});

test('TLS: versions', async (t) => {
	const { port } = await servesWith(t, { secure: true, ...pair('server'), minVersion: 'TLSv1.3' });
	const tls = { mode: 'implicit', ca: file('ca.pem') };
	await assert.rejects(subjectOf(port, { tls: { ...tls, maxVersion: 'TLSv1.2' } }), { code: 'TLS' });
	await subjectOf(port, { tls });
});

/* ---- parts ---- */

test('domains as people read them', () => {
	const { toUnicode } = inside('smtp/punycode');
	const pairs = { 'xn--bcher-kva.example': 'bücher.example', 'XN--BCHER-KVA.de': 'bücher.de',
		'xn--hxajbheg2az3al.xn--jxalpdlp': 'παράδειγμα.δοκιμή', 'xn--fsqu00a.xn--0zwm56d': '例子.测试',
		'xn--ls8h.la': '💩.la', 'xn--4gbrim.xn--wgbh1c': 'موقع.مصر' };
	for (const [ascii, unicode] of Object.entries(pairs))
		assert.equal(toUnicode(ascii), unicode);
	const same = ['', 'a.example', 'xn--', 'xn--a', '[127.0.0.1]', 'xn--\u00fc', 'a..b', 'xn--99999999',
		`xn--${'a'.repeat(80)}`, 'xn--0-', '-xn--bcher-kva', 'xn--abc-', 'xn--x-ugn', 'xn--ab@c-5ra'];
	for (const name of same)
		assert.equal(toUnicode(name), name);
});

test('parameters and paths', () => {
	const { parsed, attributesOf } = inside('smtp/address');
	assert.deepEqual(parsed('', ''), { address: '', args: false });
	assert.deepEqual(parsed('a@b', 'SIZE=12345 ret=HDRS FLAG'),
		{ address: 'a@b', args: { SIZE: '12345', RET: 'HDRS', FLAG: true } });
	assert.deepEqual(parsed('a@b', 'CUSTOM=a+2Bb+20c X=+C3+A4 Y=+2b Z=+'),
		{ address: 'a@b', args: { CUSTOM: 'a+b c', X: 'ä', Y: '+2b', Z: '+' } });
	assert.equal(parsed('"a@b"@xn--bcher-kva.de', '').address, '"a@b"@bücher.de');
	assert.equal(parsed('postmaster', '').address, 'postmaster');
	assert.deepEqual(attributesOf('NAME=[Unavailable] helo=a+20b'), [['NAME', false], ['HELO', 'a b']]);
	assert.deepEqual(attributesOf(''), []);
});

test('a server may be closed and listen again, elsewhere', async (t) => {
	const { server, port } = await start(t);
	await expect(await hello(t, port), 'QUIT', /^221/);
	await server.close();
	const again = await listen(server, port, '127.0.0.1');
	assert.equal(again, port);
	await expect(await hello(t, port), 'QUIT', /^221/);
});
