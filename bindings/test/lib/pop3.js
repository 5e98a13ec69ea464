'use strict';
// What tests of PopServer share: a server with a maildrop, and dialogues as text.
const { lettermill, assert } = require('../harness');
const { PopServer, PopMessage, PopUser } = lettermill;

const ONE = 'From: a@example.com\r\nTo: luke@example.com\r\nSubject: one\r\n\r\n' +
	'line1\r\nline2\r\nline3\r\nline4\r\n';

/** Callbacks of 1.0.8: luke and mary, whose password and secret is "hello". `asked` logs them. */
function callbacks(asked = []) {
	return {
		get_user: (name) => {
			asked.push(`get_user ${name}`);
			return ['luke', 'mary'].includes(name) ? new PopUser(name, 'hello', 'hello') : null;
		},
		compare_password: (raw, hash) => {
			asked.push(`compare_password ${raw} ${hash}`);
			return raw === hash;
		},
		is_in_use: (connection) => {
			asked.push(`is_in_use ${connection.session.user.user}`);
			return false;
		},
		receive_messages: () => {
			asked.push('receive_messages');
			return [new PopMessage('a1', ONE.length, ONE), new PopMessage(2, 10, 'two\r\n\r\nx\r\n')];
		},
		delete_messages: (connection, messages) => {
			asked.push(`delete_messages [${messages.map(({ uid }) => uid)}]`);
		},
	};
}

/** A server on a free port; `errors` is what callback_error told. */
async function start(t, config = {}, options = {}) {
	const asked = [], errors = [];
	const server = new PopServer({ ...callbacks(asked), ...config },
		{ plain: { host: '127.0.0.1', port: 0 }, authDelay: 0, ...options });
	server.on('callback_error', (error, connection, name) => {
		errors.push({ error, connection, name });
	});
	await server.run();
	t.defer(() => server.close({ timeout: 0 }));
	return { server, port: server.address().port, asked, errors };
}

/** A connection behind its greeting. */
async function greeted(t, port) {
	const c = await t.connect(port);
	assert.match(await c.line(), /^\+OK /);
	return c;
}

async function logIn(t, port, user = 'luke') {
	const c = await greeted(t, port);
	assert.match(await c.ask(`USER ${user}`), /^\+OK /);
	assert.match(await c.ask('PASS hello'), /^\+OK /);
	return c;
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Lines "C: …" are said, "S: …" must come ("*": anything), "X" is the end of the connection. */
async function play(c, text) {
	for (const line of text.split('\n').map((one) => one.trimStart()).filter((one) => one !== '')) {
		const [, who, rest] = /^([CSX]):? ?(.*)$/.exec(line);
		if (who === 'C')
			c.write(`${rest}\r\n`);
		else if (who === 'X')
			assert.equal(await c.line(), undefined, 'at the end');
		else
			assert.match(`${await c.line()}`, new RegExp(`^${rest.split('*').map(escaped)
				.join('.*')}$`), `at ${line}`);
	}
}

module.exports = { ONE, callbacks, start, greeted, logIn, play };
