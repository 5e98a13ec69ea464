'use strict';
// Two hundred sessions at a time with slow callbacks, and clients that tear their connections at
// every command.
const { test, assert, lettermill, sleep, until, patience } = require('./harness');
const { start, greeted, logIn } = require('./lib/pop3');
const { PopUser, PopMessage } = lettermill;

const CROWD = 200;
const slow = async (value) => {
	await sleep(Math.random() * 30);
	return value;
};
const bodyOf = (user, n) => `X-User: ${user}\r\nX-Number: ${n}\r\n\r\n${'body\r\n'.repeat(n * 50)}`;

class Slow extends PopMessage {
	constructor(user, n) {
		super(`${user}-${n}`, bodyOf(user, n).length);
		this.load_contents = () => slow(bodyOf(user, n));
	}
}

function slowConfig(removed) {
	return {
		get_user: (name) => slow(/^user\d+$/.test(name) ? new PopUser(name, `secret of ${name}`) : null),
		compare_password: (raw, hash) => slow(raw === hash),
		is_in_use: () => slow(false),
		receive_messages: ({ session }) => slow([1, 2, 3].map((n) => new Slow(session.user.user, n))),
		delete_messages: async ({ session }, messages) => {
			await slow();
			removed.set(session.user.user, messages.map(({ uid }) => uid));
		},
	};
}

// All commands at once: the replies must come in their order, and be those of this user.
async function oneUser(t, port, user) {
	const c = await t.connect(port);
	c.write([`USER ${user}`, `PASS secret of ${user}`, 'STAT', 'UIDL', 'RETR 3', 'NOOP', 'RETR 1',
		'DELE 2', 'LIST 1', 'QUIT', ''].join('\r\n'));
	const sizes = [1, 2, 3].map((n) => bodyOf(user, n).length);
	assert.match(await c.line(), /^\+OK Luke/);
	assert.equal(await c.line(), `+OK user '${user}' accepted, proceed with PASS`);
	assert.equal(await c.line(), `+OK pass accepted, welcome '${user}'.`);
	assert.equal(await c.line(), `+OK 3 ${sizes[0] + sizes[1] + sizes[2]}`);
	assert.match(await c.line(), /^\+OK/);
	assert.deepEqual(await c.lines(), [1, 2, 3].map((n) => `${n} ${user}-${n}`));
	for (const n of [3, 1]) {
		assert.equal(await c.line(), `+OK ${sizes[n - 1]} octets`);
		assert.equal(`${(await c.lines()).join('\r\n')}\r\n`, bodyOf(user, n));
		if (n === 3)
			assert.equal(await c.line(), '+OK');
	}
	assert.equal(await c.line(), '+OK message 2 deleted.');
	assert.equal(await c.line(), `+OK 1 ${sizes[0]}`);
	assert.equal(await c.line(), '+OK Luke-POP3 signing off.');
	assert.equal(await c.line(), undefined);
}

test('a_crowd', async (t) => {
	const removed = new Map();
	const { server, port, errors } = await start(t, slowConfig(removed));
	const users = Array.from({ length: CROWD }, (_, i) => `user${i}`);
	await Promise.all(users.map((user) => oneUser(t, port, user)));
	for (const user of users)
		assert.deepEqual(removed.get(user), [`${user}-2`], user);
	assert.deepEqual(errors, []);
	await until(() => server.stats().sessionsOpen === 0);
}, 60000);

const STEPS = ['USER luke', 'PASS hello', 'STAT', 'LIST', 'UIDL', 'RETR 1', 'TOP 1 0', 'DELE 1',
	'RSET', 'NOOP', 'CAPA', 'LANG', 'QUIT'];
const MULTI = ['LIST', 'UIDL', 'RETR 1', 'TOP 1 0', 'CAPA', 'LANG'];

test('resets_at_every_command', async (t) => {
	const { server, port, errors, asked } = await start(t, { receive_messages: async () => {
		await sleep(5);
		return [new PopMessage('a', 5, 'x'.repeat(500000))];
	} });
	const witness = await logIn(t, port, 'mary');
	for (let stop = 0; stop < STEPS.length; stop++)
		for (const heard of [false, true]) {
			const c = await greeted(t, port);
			for (const step of STEPS.slice(0, stop)) {
				assert.match(await c.ask(step), /^\+OK/);
				if (MULTI.includes(step))
					await c.lines();
			}
			c.write(`${STEPS[stop]}\r\n`);
			if (heard)
				await c.line();
			await c.reset();
			assert.equal(await witness.ask('NOOP'), '+OK');
		}
	await until(() => server.stats().sessionsOpen === 1);
	const reported = errors.filter(({ error }) => error.code !== 'CLOSED');
	assert.deepEqual(reported.map(({ error }) => `${error}`), []);
	assert.ok(asked.includes('receive_messages') || asked.length > 0);
}, 60000 * patience);

test('half_closed', async (t) => {
	const { port } = await start(t);
	const c = await greeted(t, port);
	c.write('USER luke\r\nPASS hello\r\nSTAT\r\nDELE 1\r\n');
	await c.end();
	const rest = await c.all();
	assert.match(rest, /\+OK pass accepted, welcome 'luke'\.\r\n\+OK 2 97\r\n\+OK message 1 deleted/);
});
