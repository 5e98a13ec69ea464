'use strict';
// Logins at SmtpServer: every mechanism, what onAuth is shown, and who is let in.
const { test, assert, lettermill, inside, file } = require('./harness');
const { start, greeted, hello, expect, ENVELOPE } = require('./lib/smtp');
const { Buffer, octets, hmacMd5 } = inside('host');
const { SmtpClient } = lettermill;

const base64 = (text) => Buffer.from(octets(text)).toString('base64');
const plain = (user, password) => `AUTH PLAIN ${base64(`\0${user}\0${password}`)}`;
const textOf = (line) => Buffer.from(line.slice(4), 'base64').toString();

/** Lets anna in, whose password and token are "secret"; `seen` is what onAuth was shown. */
async function guarded(t, options = {}) {
	const seen = [];
	const all = await start(t, {
		authOptional: false,
		authMethods: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2', 'OAUTHBEARER', 'SCRAM-SHA-256'],
		onAuth(auth, session, done) {
			const { validatePassword, ...rest } = auth;
			seen.push(rest);
			const { username, password, accessToken } = auth;
			if (username !== 'anna')
				done(null, { message: 'Nobody here\r\nby that name' });
			else if (validatePassword ? validatePassword('secret') :
				auth.method.startsWith('SCRAM') || (password ?? accessToken) === 'secret')
				done(null, { user: { username, rank: 7 }, password: 'secret' });
			else
				done(null, {});
		},
		...options,
	});
	return { ...all, seen };
}

test('PLAIN and LOGIN', async (t) => {
	const { port, seen, got } = await guarded(t);
	const c = await hello(t, port);
	await expect(c, 'MAIL FROM:<a@x>', /^530 /, plain('anna', 'wrong'), /^535 5\.7\.8 .*invalid$/,
		plain('bob', 'x'), /^535 5\.7\.8 Nobody here by that name$/,
		'AUTH LOGIN', /^334 /, base64('anna'), /^334 /, base64('secret'), /^235 /,
		plain('anna', 'secret'), /^503 /, ...ENVELOPE, 'DATA', /^354 /);
	c.write('x\r\n.\r\n');
	assert.match(await c.line(), /^250 /);
	assert.deepEqual(seen, [{ method: 'PLAIN', username: 'anna', password: 'wrong' },
		{ method: 'PLAIN', username: 'bob', password: 'x' },
		{ method: 'LOGIN', username: 'anna', password: 'secret' }]);
	const { session } = got[0];
	assert.deepEqual(session.user, { username: 'anna', rank: 7 });
	assert.equal(session.transmissionType, 'ESMTPA');
	assert.match(session.error, /^535 Nobody here by that name$/);
});

test('CRAM-MD5', async (t) => {
	const { port, seen, got } = await guarded(t);
	const c = await hello(t, port);
	for (const [password, reply] of [['wrong', /^535 /], ['secret', /^235 /]]) {
		const challenge = textOf(await c.ask('AUTH CRAM-MD5'));
		const digest = hmacMd5(octets(password), octets(challenge));
		assert.match(await c.ask(base64(`anna ${digest}`)), reply);
		assert.deepEqual(seen.at(-1), { method: 'CRAM-MD5', username: 'anna', challenge,
			challengeResponse: digest });
	}
	await expect(c, 'AUTH CRAM-MD5', /^503 /, ...ENVELOPE);
	assert.deepEqual(got, []);
});

test('XOAUTH2 and OAUTHBEARER', async (t) => {
	const { port, seen } = await guarded(t);
	const say = (token) => base64(`user=anna\x01auth=Bearer ${token}\x01\x01`);
	const c = await hello(t, port);
	assert.match(await c.ask(`AUTH XOAUTH2 ${say('wrong')}`), /^334 /);
	await expect(c, '', /^535 /, `AUTH XOAUTH2 ${say('secret')}`, /^235 /);
	const d = await hello(t, port);
	await expect(d, `AUTH OAUTHBEARER ${base64('n,a=anna,\x01auth=Bearer secret\x01\x01')}`, /^235 /);
	assert.deepEqual(seen, [{ method: 'XOAUTH2', username: 'anna', accessToken: 'wrong' },
		{ method: 'XOAUTH2', username: 'anna', accessToken: 'secret' },
		{ method: 'OAUTHBEARER', username: 'anna', accessToken: 'secret' }]);
});

test('SCRAM proves itself to both sides', async (t) => {
	const { port, seen, got, errors } = await guarded(t);
	const log = (password) => SmtpClient.connect({ host: '127.0.0.1', port, tls: 'off', user: 'anna',
		password, mechanism: 'SCRAM-SHA-256' });
	await assert.rejects(log('wrong'), { code: 'AUTH' });
	const client = await log('secret');
	await client.send({ from: 'a@x', to: 'b@x', raw: 'Subject: x\n\nx\n' });
	await client.quit();
	assert.equal(got[0].session.user.rank, 7);
	assert.deepEqual(seen.map(({ method, username, password }) => [method, username, password]),
		[['SCRAM-SHA-256', 'anna', undefined], ['SCRAM-SHA-256', 'anna', undefined]]);
	assert.deepEqual(errors, []);
});

test('SCRAM without a password in the response is a mistake, and no login', async (t) => {
	const { port, errors } = await guarded(t, {
		onAuth: (auth, session, done) => done(null, { user: 'anna' }),
	});
	await assert.rejects(SmtpClient.connect({ host: '127.0.0.1', port, tls: 'off', user: 'anna',
		password: 'x', mechanism: 'SCRAM-SHA-256' }));
	assert.equal(errors.length, 1);
	assert.match(errors[0].error.message, /SCRAM-SHA-256 needs the user's password/);
});

test('responses that are none', async (t) => {
	for (const response of [undefined, null, 7, 'anna']) {
		const { port, errors } = await guarded(t, {
			onAuth: (auth, session, done) => done(null, response),
		});
		const c = await hello(t, port);
		await expect(c, plain('anna', 'x'), /^454 4\.7\.0 /, 'MAIL FROM:<a@x>', /^530 /);
		assert.equal(errors[0].name, 'onAuth');
	}
});

test('codes of refusals', async (t) => {
	const { port } = await guarded(t, {
		maxAuthFailures: 10,
		onAuth(auth, session, done) {
			const { username } = auth;
			if (username === 'later')
				done(Object.assign(new Error('Ask again'), { responseCode: 454 }));
			else if (username === 'away')
				done(null, { message: 'Go', responseCode: 421 });
			else
				done(new Error('Never'));
		},
	});
	const c = await hello(t, port);
	await expect(c, plain('x', 'y'), /^535 .*Never$/, plain('later', 'y'), /^454 .*Ask again$/,
		'AUTH PLAIN !', /^501 /, 'AUTH NONSENSE', /^504 /, 'AUTH PLAIN', /^334 /, '*', /^501 /,
		plain('away', 'y'), /^421 .*Go$/);
	assert.equal(await c.line(), undefined);
});

test('without onAuth nobody is let in', async (t) => {
	const { port } = await start(t, { authOptional: false });
	await expect(await hello(t, port), plain('a', 'b'), /^535 .*not implemented$/);
});

test('failed logins are few', async (t) => {
	const { port } = await guarded(t, { maxAuthFailures: 2 });
	const c = await hello(t, port);
	assert.match(await c.ask(plain('x', 'y')), /^535 /);
	assert.match(await c.ask(plain('x', 'y')), /^(535|421) /);
	assert.match(`${await c.line()}`, /^(421 .*|undefined)$/);
});

test('whoever does not log in has few commands', async (t) => {
	const { port } = await guarded(t, { maxAllowedUnauthenticatedCommands: undefined });
	const c = await hello(t, port);
	for (let i = 0; i < 8; i++)
		await expect(c, 'NOOP', /^250 /);
	await expect(c, 'NOOP', /^421 /);
	assert.equal(await c.line(), undefined);
	const d = await hello(t, port);
	await expect(d, plain('anna', 'secret'), /^235 /);
	for (let i = 0; i < 20; i++)
		await expect(d, 'NOOP', /^250 /);
});

test('commands without a login are counted with authOptional, not where AUTH is disabled', async (t) => {
	const mail = ['MAIL FROM:<a@x>', /^250 /, 'RCPT TO:<b@x>', /^250 /];
	const { port } = await guarded(t, { maxAllowedUnauthenticatedCommands: undefined,
		authOptional: true, maxErrors: 50 });
	const c = await hello(t, port);
	for (let i = 0; i < 8; i++)
		await expect(c, 'NONSENSE', /^500 /);
	await expect(c, ...mail, 'BDAT 3\r\na', /^250 /, 'BDAT 0', /^250 /, 'BDAT 0 LAST', /^250 /,
		...mail, 'RSET', /^250 /, ...mail, 'RSET', /^250 /, 'NOOP', /^421 /);
	const { port: open } = await guarded(t, { maxAllowedUnauthenticatedCommands: undefined,
		disabledCommands: ['AUTH'] });
	const d = await hello(t, open);
	for (let i = 0; i < 9; i++)
		await expect(d, ...mail, 'RSET', /^250 /);
});

test('no AUTH where it is disabled', async (t) => {
	const { port } = await guarded(t, { disabledCommands: ['AUTH', 'STARTTLS'] });
	const c = await greeted(t, port);
	c.write('EHLO x\r\n');
	const offer = (await c.reply()).join();
	assert.ok(!offer.includes('AUTH') && !offer.includes('STARTTLS'), offer);
	await expect(c, plain('anna', 'secret'), /^500 /, 'STARTTLS', /^500 /, ...ENVELOPE);
});

test('a login that fails is told to the log, one that does not, too', async (t) => {
	const lines = [];
	const say = (level) => (entry, text, ...args) => lines.push([level, entry.tnx, text, ...args]);
	const logger = { info: say('info'), error: say('error') };
	const { port } = await guarded(t, { logger });
	await expect(await hello(t, port), plain('anna', 'wrong'), /^535/, plain('anna', 'secret'), /^235/);
	const told = lines.map(([, tnx]) => tnx);
	for (const tnx of ['listen', 'connection', 'authfail', 'auth'])
		assert.ok(told.includes(tnx), `${tnx} of ${told}`);
	assert.ok(!JSON.stringify(lines).includes('secret'));
});

test('EXTERNAL: whom a certificate names', async (t) => {
	const pair = (name) => ({ cert: file(`${name}.pem`), key: file(`${name}.key`) });
	const seen = [];
	const { port, got } = await start(t, {
		...pair('server'), ca: file('ca.pem'), requestCert: true, rejectUnauthorized: false,
		authOptional: false, authMethods: ['EXTERNAL', 'PLAIN'],
		onAuth(auth, session, done) {
			seen.push(auth);
			done(null, auth.username === 'u1' ? { user: auth.username } : {});
		},
	});
	const log = (name) => SmtpClient.connect({ host: 'localhost', port, mechanism: 'EXTERNAL',
		tls: { mode: 'starttls', ca: file('ca.pem'), ...pair(name) } });
	const client = await log('u1');
	await client.send({ from: 'a@x', to: 'b@x', raw: 'Subject: x\n\nx\n' });
	await client.quit();
	assert.equal(got[0].session.user, 'u1');
	assert.equal(got[0].session.transmissionType, 'ESMTPSA');
	await assert.rejects(log('u2'));
	await assert.rejects(log('stranger'));
	assert.deepEqual(seen, [{ method: 'EXTERNAL', username: 'u1' }, { method: 'EXTERNAL', username: 'u2' }]);
});

test('whoever wants to act as another needs a yes that names him', async (t) => {
	const seen = [];
	const { port } = await start(t, {
		authOptional: false, maxAuthFailures: 10,
		onAuth(auth, session, done) {
			seen.push(auth.authzid);
			done(null, { user: auth.username, authzid: auth.username === 'boss' ? auth.authzid : 'x' });
		},
	});
	const as = (whom, user) => `AUTH PLAIN ${base64(`${whom}\0${user}\0x`)}`;
	const c = await hello(t, port);
	await expect(c, as('boss', 'anna'), /^535 /, as('anna', 'boss'), /^235 /);
	await expect(await hello(t, port), as('Anna', 'anna'), /^235 /);
	assert.deepEqual(seen, ['boss', 'anna', undefined]);
});
