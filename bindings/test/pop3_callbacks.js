'use strict';
// What callbacks may do wrong, each with a witness: a session beside it that nothing happens to.
const { test, assert, lettermill, sleep } = require('./harness');
const { ONE, start, greeted, logIn } = require('./lib/pop3');
const { PopUser, PopMessage } = lettermill;

const NONSENSE = {
	get_user: [42, 'luke', {}, { user: 7 }, { user: 'a\r\nb' }, new PopUser('luke', 'x', 7)],
	compare_password: [undefined, null, 1, 'yes', {}],
	is_in_use: [undefined, null, 0, 'no', {}],
	receive_messages: [undefined, null, 7, {}, [null], [{ uid: 'a', size: -1 }], [{ uid: 'a' }],
		[{ size: 1 }], [{ uid: 'a', size: 1 }, { uid: 'a', size: 1 }]],
};
const BREAK = {
	throws: () => {
		throw new Error('thrown on purpose');
	},
	rejects: () => Promise.reject(new Error('rejected on purpose')),
	rejects_with_nothing: () => Promise.reject(),
	rejects_with_a_trap: () => Promise.reject(Object.defineProperty(new Error('a trap'), 'code', {
		get: () => {
			throw new Error('sprung');
		},
	})),
	hangs: () => new Promise(() => {}),
	is_no_promise: () => ({ then: () => {
		throw new Error('then() throws');
	} }),
};

// The command whose callback it is, behind the ones before it.
const STEPS = {
	get_user: { commands: [], asks: 'USER luke' },
	compare_password: { commands: ['USER luke'], asks: 'PASS hello' },
	is_in_use: { commands: ['USER luke'], asks: 'PASS hello' },
	receive_messages: { commands: ['USER luke'], asks: 'PASS hello' },
	contents: { commands: ['USER luke', 'PASS hello'], asks: 'RETR 1' },
	delete_messages: { commands: ['USER luke', 'PASS hello', 'DELE 1'], asks: 'QUIT' },
};

/** The callback breaks for everyone but mary. */
function broken(name, fn) {
	let armed = true;
	const once = (good) => function maybe(...args) {
		if (!armed)
			return good(...args);
		armed = false;
		return fn(...args);
	};
	if (name === 'contents') {
		const message = new PopMessage('m', ONE.length, ONE);
		const good = () => ONE;
		message.contents = once(good);
		return { receive_messages: () => [message] };
	}
	const { callbacks } = require('./lib/pop3');
	return { [name]: once(callbacks()[name]) };
}

async function breaks(t, name, fn, like) {
	const { port, errors } = await start(t, broken(name, fn), { callbackTimeout: 300 });
	const { commands, asks } = STEPS[name];
	const c = await greeted(t, port);
	for (const command of commands)
		assert.match(await c.ask(command), /^\+OK/);
	c.write(`${asks}\r\n`);
	const witness = await greeted(t, port);
	assert.match(await c.line(), /^-ERR \[SYS\/TEMP\] /, name);
	assert.equal(errors.length, 1, name);
	assert.equal(errors[0].name, name);
	assert.match(`${errors[0].error.message}`, like);
	assert.equal(errors[0].connection.popSocket.port > 0, true);
	// The witness had its greeting; now all works for it, and a new one.
	assert.match(await witness.ask('USER luke'), /^\+OK/);
	assert.match(await witness.ask('PASS hello'), /^\+OK/);
	assert.match(await witness.ask('RETR 1'), /^\+OK/);
	await witness.lines();
	assert.match(await witness.ask('QUIT'), /^\+OK/);
	assert.equal(errors.length, 1);
}

const LIKE = {
	throws: /thrown on purpose/, rejects: /rejected on purpose/, hangs: /within 300 ms/,
	rejects_with_nothing: /failed with undefined/, rejects_with_a_trap: /a trap/,
	is_no_promise: /then\(\) throws/,
};

for (const name of Object.keys(STEPS))
	for (const [how, fn] of Object.entries(BREAK))
		test(`${name}_${how}`, (t) => breaks(t, name, fn, LIKE[how]));

for (const [name, values] of Object.entries(NONSENSE))
	test(`${name}_nonsense`, async (t) => {
		for (const value of values)
			await breaks(t, name, () => value, /wanted|same uid/);
	});

test('contents_nonsense', async (t) => {
	for (const value of [null, 5, true, {}, [1], Promise.resolve(7)])
		await breaks(t, 'contents', () => value, /wanted|pieces/);
});

test('messages_of_the_same_uid', async (t) => {
	const list = ['a', 'x', 'b', 'x', 'a'].map((uid) => new PopMessage(uid, 1, 'x'));
	for (const name of ['receive_messages', 'getMessages']) {
		const { port, errors } = await start(t, { receive_messages: undefined, [name]: () => list });
		const c = await greeted(t, port);
		await c.ask('USER luke');
		assert.match(await c.ask('PASS hello'), /^-ERR \[SYS\/TEMP\]/);
		assert.deepEqual(errors.map(({ error }) => error.message),
			[`${name}: messages 2 and 4 have the same uid "x"`]);
	}
});

test('close_listeners_that_throw', async (t) => {
	const { port, server, errors } = await start(t, { is_in_use: (connection) => {
		for (const [name, emitter] of [['socket', connection.popSocket], ['connection', connection]])
			emitter.on('close', () => {
				throw new Error(`${name} listener`);
			});
		return false;
	} });
	const gone = new Promise((good) => server.on('client_disconnected', good));
	const c = await logIn(t, port);
	await c.reset();
	await gone;
	assert.deepEqual(errors.map(({ error, name }) => [name, error.message]),
		[['close', 'socket listener'], ['close', 'connection listener']]);
	assert.ok(errors[0].connection.popSocket);
});

test('nothing_is_deleted_where_it_failed', async (t) => {
	let calls = 0;
	const { port, errors } = await start(t, { delete_messages: () => {
		if (++calls === 1)
			throw new Error('no');
	} });
	const c = await logIn(t, port);
	await c.ask('DELE 1');
	assert.match(await c.ask('QUIT'), /^-ERR \[SYS\/TEMP\] some deleted messages not removed/);
	assert.equal(await c.line(), undefined);
	assert.equal(errors.length, 1);
});

test('a_lost_connection_deletes_nothing', async (t) => {
	const { port, asked, server } = await start(t);
	const gone = new Promise((good) => server.on('client_disconnected', good));
	const c = await logIn(t, port);
	assert.match(await c.ask('DELE 1'), /^\+OK/);
	await c.reset();
	await gone;
	assert.deepEqual(asked.filter((line) => line.startsWith('delete')), []);
});

test('an_error_that_nobody_hears_of', async (t) => {
	const { port, server, errors } = await start(t, { get_user: () => {
		throw new Error('a bug of an application, told on purpose');
	} });
	server.removeAllListeners('callback_error');
	const c = await greeted(t, port);
	assert.match(await c.ask('USER luke'), /^-ERR \[SYS\/TEMP\]/);
	assert.match(await c.ask('NOOP'), /^\+OK/);
	assert.equal(errors.length, 0);
});

test('listeners_that_throw', async (t) => {
	const { port, server, errors } = await start(t);
	server.on('client_connected', () => {
		throw new Error('a listener');
	});
	const c = await logIn(t, port);
	assert.match(await c.ask('STAT'), /^\+OK 2 /);
	assert.deepEqual(errors.map(({ name }) => name), ['client_connected']);
});

test('late_answers', async (t) => {
	const wait = [];
	const { port, errors } = await start(t,
		{ get_user: (name) => new Promise((good) => wait.push(() => good(new PopUser(name, 'x')))) },
		{ callbackTimeout: 100 });
	const c = await greeted(t, port);
	assert.match(await c.ask('USER luke'), /^-ERR \[SYS\/TEMP\]/);
	wait[0]();
	await sleep(20);
	assert.match(await c.ask('PASS x'), /^-ERR command USER must be executed before PASS/);
	assert.equal(errors.length, 1);
});

test('missing_callbacks', () => {
	const { callbacks } = require('./lib/pop3');
	for (const name of ['get_user', 'compare_password', 'receive_messages', 'delete_messages']) {
		const config = callbacks();
		delete config[name];
		assert.throws(() => new lettermill.PopServer(config), { name: 'TypeError',
			message: new RegExp(name) });
		assert.throws(() => new lettermill.PopServer({ ...config, [name]: 5 }), TypeError);
	}
	assert.throws(() => new lettermill.PopServer(), TypeError);
	assert.throws(() => new lettermill.PopServer(null), TypeError);
	assert.throws(() => new lettermill.PopServer({ ...callbacks(), get_user: undefined,
		get_usr: () => null }), /did you mean get_usr/);
});
