'use strict';
// What callbacks of SmtpServer may do wrong, each with a witness: a session beside it that nothing
// happens to, and the same session afterwards.
const { test, assert, until } = require('./harness');
const { start, hello, expect, send, ENVELOPE } = require('./lib/smtp');

const BREAK = {
	throws: [() => {
		throw new Error('thrown on purpose');
	}, /thrown on purpose/],
	rejects: [() => Promise.reject(new Error('rejected on purpose')), /rejected on purpose/],
	rejects_with_nothing: [() => Promise.reject(), /undefined/],
	rejects_with_a_trap: [() => Promise.reject(Object.defineProperty(new Error('a trap'),
		'responseCode', { get: () => {
			throw new Error('sprung');
		} })), /a trap/],
	hangs: [() => new Promise(() => {}), /within 300 ms/],
	hangs_with_a_callback: [(session, a, done) => void done, /within 300 ms/],
	throws_behind_its_answer: [(...args) => {
		args.at(-1)();
		throw new Error('thrown too late');
	}, /thrown too late/],
	gives_nonsense: [() => 42, /wanted/],
};
const AUTH = 'AUTH PLAIN AGEAYg==';
const STEPS = {
	onMailFrom: [[], 'MAIL FROM:<a@x>'],
	onRcptTo: [['MAIL FROM:<a@x>'], 'RCPT TO:<b@x>'],
	onAuth: [[], AUTH],
	onData: [['MAIL FROM:<a@x>', 'RCPT TO:<b@x>', 'DATA'], 'x\r\n.'],
};

/** A method that breaks once, and then is good. */
function once(fn, good) {
	let armed = true;
	return (first, session, done) => {
		if (!armed)
			return good(first, session, done);
		armed = false;
		return fn(first, session, done);
	};
}

const GOOD = {
	onMailFrom: (address, session, done) => done(),
	onRcptTo: (address, session, done) => done(),
	onAuth: (auth, session, done) => done(null, { user: 'a' }),
	onData: (stream, session, done) => stream.on('end', () => done()).resume(),
};

async function breaks(t, name, how) {
	const [fn, like] = BREAK[how];
	const method = once(fn, GOOD[name]);
	// What is returned counts where no callback is declared.
	const given = how === 'gives_nonsense' ? (...args) => method(...args) : method;
	const { port, errors } = await start(t, { [name]: given, callbackTimeout: 300 });
	const [commands, asks] = STEPS[name];
	const c = await hello(t, port), witness = await hello(t, port);
	for (const command of commands)
		assert.match(await c.ask(command), /^[23]/);
	assert.match(await c.ask(asks), /^45[14] 4\.\d\.\d /, `${name} ${how}`);
	assert.equal(errors.length, 1, `${name} ${how}`);
	assert.equal(errors[0].name, name);
	assert.match(errors[0].error.message, like);
	assert.equal(errors[0].session.remoteAddress, '127.0.0.1');
	if (how === 'gives_nonsense')
		return; // for ever
	await expect(c, 'RSET', /^250/);
	assert.match(await send(c), /^250/);
	assert.match(await send(witness), /^250/);
	assert.equal(errors.length, 1);
}

for (const name of Object.keys(STEPS))
	for (const how of Object.keys(BREAK))
		test(`${name} ${how}`, (t) => breaks(t, name, how));

test('onConnect breaks', async (t) => {
	for (const how of ['throws', 'rejects', 'hangs']) {
		const [fn] = BREAK[how];
		let armed = true;
		const { port, errors } = await start(t, {
			callbackTimeout: 200,
			onConnect() {
				const first = armed;
				armed = false;
				return first ? fn() : undefined;
			},
		});
		const c = await t.connect(port);
		assert.match(await c.line(), /^421 /, how);
		assert.equal(await c.line(), undefined);
		assert.equal(errors[0].name, 'onConnect');
		await hello(t, port);
	}
});

test('onData that never reads costs its session a temporary failure', async (t) => {
	const { port, errors } = await start(t, {
		callbackTimeout: 300,
		onData(stream, session, done) {
			if (session.envelope.mailFrom.address === 'a@x')
				return;
			stream.on('end', () => done()).resume();
		},
	});
	const c = await hello(t, port), witness = await hello(t, port);
	await expect(c, 'MAIL FROM:<a@x>', /^250/, 'RCPT TO:<b@x>', /^250/, 'DATA', /^354/);
	c.write(`${'x'.repeat(998)}\r\n`.repeat(1000));
	c.write('.\r\n');
	assert.match(await send(witness), /^250/);
	assert.match(await c.line(), /^451 4\.\d\.\d /);
	await until(() => errors.length === 1);
	assert.equal(errors[0].error.code, 'TIMEOUT');
	assert.match(await send(c), /^250/);
}, 60000);

for (const [how, onClose] of Object.entries({
	throws() {
		throw new Error('closed on purpose');
	},
	rejects: () => Promise.reject(new Error('closed on purpose')),
}))
	test(`onClose ${how}`, async (t) => {
		const { port, errors } = await start(t, { onClose });
		await expect(await hello(t, port), 'QUIT', /^221/);
		await until(() => errors.length === 1);
		assert.match(errors[0].error.message, /closed on purpose/);
		assert.equal(errors[0].name, 'onClose');
		await hello(t, port);
	});

test('a callback that answers twice answered once', async (t) => {
	const { port, got } = await start(t, {
		onMailFrom(address, session, done) {
			done();
			done(new Error('no'));
		},
		onRcptTo(address, session, done) {
			done(new Error('no'));
			done();
		},
	});
	await expect(await hello(t, port), 'MAIL FROM:<a@x>', /^250/, 'RCPT TO:<b@x>', /^550/);
	assert.deepEqual(got, []);
});

test('an answer that comes too late does nothing', async (t) => {
	let late;
	const { port, errors } = await start(t, {
		callbackTimeout: 200,
		onMailFrom(address, session, done) {
			if (late === undefined)
				late = done;
			else
				done();
		},
	});
	const c = await hello(t, port);
	await expect(c, 'MAIL FROM:<a@x>', /^451 /);
	late();
	await expect(c, 'RCPT TO:<b@x>', /^503 /, ...ENVELOPE);
	assert.equal(errors.length, 1);
});

test('a session that has ended takes no answer', async (t) => {
	let done, closed = false;
	const { port, errors } = await start(t, {
		onMailFrom(address, session, given) {
			done = given;
		},
		onClose() {
			closed = true;
		},
	});
	const c = await hello(t, port);
	c.write('MAIL FROM:<a@x>\r\n');
	await until(() => done !== undefined);
	c.reset();
	await until(() => closed);
	done();
	assert.deepEqual(errors, []);
	await hello(t, port);
});

test('resets at every command', async (t) => {
	const { port, errors, server } = await start(t);
	const said = ['EHLO x\r\n', 'MAIL FROM:<a@x>\r\n', 'RCPT TO:<b@x>\r\n', 'DATA\r\n', 'x\r\n.\r\n',
		'QUIT\r\n'];
	for (let count = 0; count <= said.length; count++) {
		const c = await t.connect(port);
		for (const words of said.slice(0, count)) {
			await c.line();
			c.write(words);
		}
		await c.reset();
	}
	await until(() => server.connections.size === 0);
	assert.deepEqual(errors, []);
	assert.match(await send(await hello(t, port)), /^250/);
});
