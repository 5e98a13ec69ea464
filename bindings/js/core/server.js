'use strict';
// A server and its sessions as objects, and the running of people's callbacks: what PopServer and
// SmtpServer share. The contract (kept by bindings/test/core.js):
//
// new Server({ decides: ['AUTH', …], hears: ['HELO', …], event(session, event), gone(session),
//   deadline: ms, failed(error, session, name, event) })
//   .set(name, text or null)  .language(tag, name, [[key, text or null] …]): kept, and given to
//     each start, so that a server that has ended may be started again
//   .start(): throws  .endpoint(name)  .reload(): what was set since holds for new sessions
//   .drain(ms) → promise of the end  .stats()  .sessions: Map of number → Session  .running
// event(session, event) gets all but DISCONNECT, which is gone(session): the last of a session.
// Both may throw: it is told by failed(), and what waits for an answer has a temporary failure.
//
// Session: .number .server .info (one object, kept up to date) .changes (how often it was since)
//   .data (the owner's) .ended
//   .close(): cut it  .taken(octets): of BODY entries
//
// Event: .name ('AUTH') .session .entry (bindings/README.md: .entry.argument …) .answered, and the
//   answers, of which the first counts and late ones do nothing:
//   .yes(text, code) .no(result name, { text, code, enhanced, close, silent, discard })
//     (code: a number, or the name of a POP3 code: 'IN_USE')
//   .proceed() .user(name) .secret(text) .proven() .maildrop([octets …], [uidl …]) .bytes(Uint8Array)
//   .pipe() → number  .say(text) .certificate(cert, key) .recipients([[result …] …])
//
// server.run(event, name, fn, then): calls fn() of the application; it may give a promise;
//   then(value) runs when it is good. Where fn throws, rejects, or does not settle within
//   `deadline`, or then() throws, the event is answered with a temporary failure, once, and
//   failed(error, session, name, event) told; what cannot be answered (notices) is told alike.
// server.wait(event, name, then) → a wait that is to end within `deadline`, once, for who has no
//   promise: .good(value) runs then(value), .bad(error) fails as in run().
// server.contents(event, name, contents, finish): contents.js, with failures as in run().
const host = require('../host');
const { servers } = require('./pump');
const { Deadlines } = require('./deadlines');
const { feed } = require('./contents');
const { peek } = require('./peek');
const { native } = host;
const { events, errors, codes, flags } = native.constants();

const names = [];
for (const [name, number] of Object.entries(events))
	names[number] = name;

class Session {
	constructor(server, number, info) {
		this.server = server;
		this.number = number;
		this.info = info;
		this.data = undefined;
		this.ended = false;
		this.changes = 0;
	}

	change(info) {
		Object.assign(this.info, info);
		this.changes++;
	}

	close() {
		native.disconnect(this.number);
	}

	taken(octets) {
		native.taken(this.number, octets);
	}
}

class Event {
	constructor(session, entry) {
		this.session = session;
		this.entry = entry;
		this.name = names[entry.type];
		this.answered = !entry.event;
	}

	/** Answer by a native function, once. One that throws may be made good by another answer. */
	#once(fn, ...args) {
		if (this.answered || this.session.ended)
			return undefined;
		this.answered = true;
		try {
			return fn(this.session.number, this.entry.event, ...args);
		} catch (error) {
			this.answered = false;
			throw error;
		}
	}

	/** As answer() of bindings/README.md. */
	answer(result, text, code, enhanced, bits) {
		const number = typeof code === 'string' ? codes[code] : code;
		this.#once(native.answer, result, text, number, enhanced, bits);
	}

	yes(text, code) {
		this.answer(0, text, code);
	}

	no(result, { text, code, enhanced, close = false, silent = false, discard = false } = {}) {
		this.answer(errors[result], text, code, enhanced,
			(close || silent ? flags.CLOSE : 0) + (silent ? flags.SILENT : 0) +
			(discard ? flags.DISCARD : 0));
	}

	say(text) {
		this.answer(0, text);
	}

	proceed() {
		this.#once(native.proceed);
	}

	user(name) {
		this.#once(native.answerUser, name);
	}

	/** A yes to CRAM-MD5, whose response the application compared by itself. */
	proven() {
		this.answer(0, undefined, undefined, undefined, flags.PROVEN);
	}

	secret(text) {
		this.#once(native.answerSecret, text);
	}

	maildrop(octets, uidls) {
		this.#once(native.answerMaildrop, octets, uidls.join(' '));
	}

	bytes(bytes) {
		this.#once(native.answerBytes, bytes);
	}

	pipe() {
		return this.#once(native.answerPipe) || undefined;
	}

	certificate(certificate, key) {
		this.#once(native.answerCertificate, certificate, key);
	}

	recipients(results) {
		this.#once(native.answerRecipients, results);
	}
}

/** A callback that has not answered yet. */
class Wait {
	#server;
	#event;
	#name;
	#then;
	#deadlines;
	#token;

	constructor(server, event, name, then, deadlines) {
		this.#server = server;
		this.#event = event;
		this.#name = name;
		this.#then = then;
		this.#deadlines = deadlines;
		this.#token = deadlines.watch(() => this.bad(failure('TIMEOUT',
			`${name} did not settle within ${deadlines.length} ms`)));
	}

	#ends() {
		const token = this.#token;
		this.#token = undefined;
		this.#deadlines.drop(token);
		return token !== undefined;
	}

	good(value) {
		if (!this.#ends())
			return;
		try {
			this.#then(value);
		} catch (error) {
			this.#server.fail(this.#event, this.#name, error);
		}
	}

	bad(error) {
		if (this.#ends())
			this.#server.fail(this.#event, this.#name, error);
	}
}

function numbersOf(list) {
	return list.map((name) => {
		if (events[name] === undefined)
			throw new RangeError(`events: no event is named ${name}`);
		return events[name];
	});
}

class Server {
	sessions = new Map();
	#owner;
	#deadlines;
	#options = [];
	#languages = [];
	#number;
	#ended; // what drain() promised: { promise, resolve }

	constructor(owner) {
		this.#owner = owner;
		this.#deadlines = new Deadlines(owner.deadline);
	}

	get running() {
		return this.#number !== undefined;
	}

	set(name, text) {
		this.#options.push([name, text]);
		if (this.running)
			native.serverSet(this.#number, name, text);
		return this;
	}

	language(tag, name, texts) {
		this.#languages.push([tag, name, texts]);
		return this;
	}

	start() {
		if (this.running)
			throw failure('MISUSE', 'the server runs already');
		const { decides = [], hears = [] } = this.#owner;
		const number = native.serverNew();
		try {
			for (const [name, text] of this.#options)
				native.serverSet(number, name, text);
			for (const [tag, name, texts] of this.#languages)
				native.serverLanguage(number, tag, name, texts);
			servers.set(number, this);
			native.serverStart(number, numbersOf(decides), numbersOf(hears));
		} catch (error) {
			servers.delete(number);
			native.serverFree(number);
			throw error;
		}
		this.#number = number;
	}

	endpoint(name) {
		return this.running ? native.serverEndpoint(this.#number, name) : undefined;
	}

	reload() {
		native.serverReload(this.#number);
	}

	stats() {
		return this.running ? native.serverStats(this.#number) : undefined;
	}

	drain(ms) {
		if (!this.running)
			return Promise.resolve();
		if (this.#ended === undefined) {
			this.#ended = {};
			this.#ended.promise = new Promise((resolve) => {
				this.#ended.resolve = resolve;
			});
		}
		native.serverDrain(this.#number, ms);
		return this.#ended.promise;
	}

	/** Entries, from the pump. */
	take(entry) {
		if (entry.type === events.STOPPED) {
			this.#stopped();
			return;
		}
		let session = this.sessions.get(entry.session);
		if (session === undefined)
			session = this.#begin(entry);
		else if (entry.info !== undefined)
			session.change(entry.info);
		if (entry.type === events.DISCONNECT) {
			this.#gone(session);
			return;
		}
		const event = new Event(session, entry);
		try {
			this.#owner.event(session, event);
		} catch (error) {
			this.fail(event, event.name, error);
		}
	}

	#begin({ session: number, info = {} }) {
		const session = new Session(this, number, info);
		this.sessions.set(number, session);
		return session;
	}

	#gone(session) {
		session.ended = true;
		this.sessions.delete(session.number);
		try {
			this.#owner.gone(session);
		} catch (error) {
			this.#owner.failed(error, session, 'DISCONNECT');
		}
	}

	#stopped() {
		const ended = this.#ended;
		for (const session of this.sessions.values())
			this.#gone(session);
		servers.delete(this.#number);
		native.serverFree(this.#number);
		this.#number = this.#ended = undefined;
		ended?.resolve();
	}

	run(event, name, fn, then) {
		let value;
		try {
			value = fn();
			if (typeof value?.then === 'function') {
				const wait = this.wait(event, name, then);
				value.then((result) => wait.good(result), (error) => wait.bad(error));
				return;
			}
			then(value);
		} catch (error) {
			this.fail(event, name, error);
		}
	}

	wait(event, name, then) {
		return new Wait(this, event, name, then, this.#deadlines);
	}

	contents(event, name, contents, finish = () => {}) {
		feed(event, contents, this.#deadlines, (error) => {
			if (error !== undefined && peek(error, 'code') !== 'CLOSED')
				this.fail(event, name, error);
			finish(error);
		});
	}

	/** Something of the application failed: answer for it, and tell. */
	fail(event, name, error) {
		if (!event.answered)
			event.no(peek(error, 'code') === 'TIMEOUT' ? 'TIMEOUT' : 'SCRIPT');
		this.#owner.failed(error ?? new Error(`${name} failed with ${error}`), event.session, name,
			event);
	}
}

function failure(code, message) {
	return Object.assign(new Error(message), { code });
}

module.exports = { Server, Session, Event };
