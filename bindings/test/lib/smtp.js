'use strict';
// What tests of SmtpServer share: a server that keeps what came, and steps of a dialogue.
const { lettermill, assert } = require('../harness');
const { SmtpServer } = lettermill;

/** The whole of a stream as a string of one unit an octet. */
function readAll(stream) {
	return new Promise((good, bad) => {
		let all = '';
		stream.on('data', (bytes) => {
			for (const octet of bytes)
				all += String.fromCharCode(octet);
		});
		stream.on('end', () => good(all)).on('error', bad);
	});
}

const listen = (server, ...args) => new Promise((good, bad) => {
	server.once('error', bad);
	server.listen(...args, () => {
		server.off('error', bad);
		good(server.server.address().port);
	});
});

/** A server on a free port that asks for no login; `got` are its messages, `errors` is what
 * callback_error told. */
async function start(t, options = {}, Kind = SmtpServer) {
	const got = [], errors = [];
	const server = new Kind({
		authOptional: true, authDelay: 0, closeTimeout: 200, disableReverseLookup: true, name: 'mx',
		maxAllowedUnauthenticatedCommands: false,
		onData(stream, session, done) {
			const { envelope } = session;
			readAll(stream).then((text) => {
				got.push({ text, envelope, session, stream });
				done(null, `kept ${got.length}`);
			}, done);
		},
		...options,
	});
	server.on('callback_error', (error, session, name) => errors.push({ error, session, name }));
	const port = await listen(server, 0, '127.0.0.1');
	t.defer(() => server.close());
	return { server, port, got, errors };
}

/** A connection behind its greeting. */
async function greeted(t, port) {
	const c = await t.connect(port);
	assert.match(await c.line(), /^220 /);
	return c;
}

async function hello(t, port, verb = 'EHLO') {
	const c = await greeted(t, port);
	c.write(`${verb} client\r\n`);
	assert.match((await c.reply()).at(-1), /^250 /);
	return c;
}

/** Say each line and look at its reply: expect(c, 'NOOP', /^250/, …). */
async function expect(c, ...steps) {
	for (let i = 0; i < steps.length; i += 2)
		assert.match(`${await c.ask(steps[i])}`, steps[i + 1], steps[i]);
}

const ENVELOPE = ['MAIL FROM:<a@example.org>', /^250 /, 'RCPT TO:<b@example.org>', /^250 /];

/** A whole message; gives the last reply. */
async function send(c, text = 'hello\r\n') {
	await expect(c, ...ENVELOPE, 'DATA', /^354 /);
	c.write(`${text}.\r\n`);
	return c.line();
}

module.exports = { readAll, listen, start, greeted, hello, expect, send, ENVELOPE };
