'use strict';
// Small servers for the tests of clients, made of core/server.js.
const { inside } = require('../harness');
const { Server } = inside('core/server');
const { octets } = inside('host');

const LISTENERS = ['smtp', 'smtps', 'submission', 'lmtp', 'pop3', 'pop3s'];

/** `on`: { AUTH(event, session) … }, whose answer says more than `proceed`; { port(name), server,
 * close(), failures }. */
function serve(t, { listeners, on, settings = [] }) {
	const failures = [];
	const server = new Server({
		decides: Object.keys(on).filter((name) => name !== 'BODY'),
		hears: Object.keys(on).includes('BODY') ? ['BODY'] : [],
		deadline: 20000,
		event(session, event) {
			on[event.name](event, session);
		},
		gone() {},
		failed(error) {
			failures.push(error);
		},
	});
	for (const name of LISTENERS)
		server.set(name, listeners.includes(name) ? '127.0.0.1:0' : 'off');
	for (const [name, value] of [['store', 'none'], ['log-level', 'error'], ['auth', 'PLAIN'],
		['auth-delay', '0'], ['allow-plaintext-login', 'yes'], ...settings])
		server.set(name, value);
	server.start();
	const close = () => server.drain(0);
	t.defer(close);
	return { server, close, failures,
		port: (name = listeners[0]) => Number(/\d+$/.exec(server.endpoint(name))[0]) };
}

const crlf = (text) => octets(text.replace(/\r?\n/g, '\r\n'));

/** A maildrop of messages (strings with LF, or bytes) for user luke, password "x". */
function popServer(t, messages, { on = {}, ...rest } = {}) {
	const all = messages.map((each) => typeof each === 'string' ? crlf(each) : each);
	const deleted = [];
	const made = serve(t, { listeners: ['pop3'], ...rest, on: {
		AUTH(event) {
			const { authcid, password } = event.entry;
			if (authcid === 'luke' && password === 'x')
				event.user('luke');
			else
				event.no('AUTH');
		},
		MAILDROP: (event) => event.maildrop(all.map((each) => each.length),
			all.map((each, i) => `uid-${i + 1}`)),
		RETR: (event) => event.bytes(all[event.entry.number - 1]),
		TOP: (event) => event.bytes(all[event.entry.number - 1]),
		QUIT(event) {
			deleted.push(...event.entry.deleted ?? []);
			event.yes();
		},
		...on } });
	return { ...made, deleted, all,
		options: { host: '127.0.0.1', port: made.port(), tls: 'off', user: 'luke',
			password: 'x' } };
}

/** Takes all messages: { from, to, text, mail, rcpts } of each in `got`. */
function mailServer(t, { on = {}, listeners = ['smtp'], ...rest } = {}) {
	const got = [];
	const begin = (session) => session.data ?? (session.data = { to: [], rcpts: [], pieces: [] });
	const made = serve(t, { listeners, ...rest, on: {
		MAIL(event, session) {
			session.data = undefined;
			Object.assign(begin(session), { from: event.entry.sender, mail: event.entry });
			event.yes();
		},
		RCPT(event, session) {
			begin(session).to.push(event.entry.recipient);
			session.data.rcpts.push(event.entry);
			event.yes();
		},
		DATA: (event) => event.yes(),
		BODY(event, session) {
			begin(session).pieces.push(event.entry.bytes);
			session.taken(event.entry.bytes.length);
		},
		MESSAGE(event, session) {
			const { pieces, ...about } = session.data;
			got.push({ ...about, text: pieces.map((each) => inside('host').text(each)).join('') });
			event.yes();
		},
		...on } });
	return { ...made, got, options: { host: '127.0.0.1', port: made.port(), tls: 'off' } };
}

module.exports = { popServer, mailServer, serve, crlf };
