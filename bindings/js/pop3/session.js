'use strict';
// What is known of a session and its connection.
const { EventEmitter } = require('../host');
const { PopBanner } = require('./banner');

const PopSessionState = Object.freeze({
	Authorization: 'AUTHORIZATION', Transaction: 'TRANSACTION',
});

class PopSession {
	constructor(state) {
		this.state = state;
	}
}

const NONE = new Set();

/** The user's own data as `session.udata.user`. */
class SessionData {
	#session;

	constructor(session) {
		this.#session = session;
	}

	get user() {
		return this.#session.user?.udata;
	}
}

/** What a session knows that no server made. */
class ByHand {
	#language;
	#banner = new PopBanner();

	constructor(language) {
		this.#language = language;
	}

	language() {
		return this.#language;
	}

	banner() {
		return this.#banner;
	}
}

class PopServerSession extends PopSession {
	user = null;
	messages = null;
	invalid_command_count = 0;
	#udata;
	#known;
	#deleted = NONE; // numbers, from 1

	/** A language, or { language(): the present one, banner() }. */
	constructor(known) {
		super(PopSessionState.Authorization);
		this.#known = typeof known?.language === 'function' ? known : new ByHand(known);
	}

	get udata() {
		return this.#udata ??= new SessionData(this);
	}

	set udata(value) {
		this.#udata = value;
	}

	get language() {
		return this.#known.language();
	}

	get banner() {
		return this.#known.banner();
	}

	/** Messages that this session has marked; QUIT removes them. */
	get deleted_messages() {
		return this.messages?.filter((_, i) => this.#deleted.has(i + 1)) ?? [];
	}

	get available_message_count() {
		return (this.messages?.length ?? 0) - this.#deleted.size;
	}

	get available_messages_size_sum() {
		let sum = 0;
		for (const [i, { size }] of this.messages?.entries() ?? [])
			sum += this.#deleted.has(i + 1) ? 0 : size;
		return sum;
	}

	get deletedMessages() {
		return this.deleted_messages;
	}

	get availableMessageCount() {
		return this.available_message_count;
	}

	get availableMessagesSizeSum() {
		return this.available_messages_size_sum;
	}

	get invalidCommandCount() {
		return this.invalid_command_count;
	}

	/** Of the server: DELE, RSET, and the end of a login that came to nothing. */
	mark(number) {
		if (this.#deleted === NONE)
			this.#deleted = new Set();
		this.#deleted.add(number);
	}

	unmark() {
		this.#deleted = NONE;
	}

	forget() {
		this.user = this.messages = null;
		this.state = PopSessionState.Authorization;
	}
}

class PopServerConnection extends EventEmitter {
	/** The application's. */
	udata = undefined;
	#popSocket;
	#makeSocket;

	/** `socket`: its PopSocket, or a function that makes it once somebody wants it. */
	constructor(server, socket, session) {
		super();
		this.server = server;
		this.session = session;
		this.#makeSocket = typeof socket === 'function' ? socket : () => socket;
	}

	get popSocket() {
		return this.#popSocket ??= this.#makeSocket();
	}

	set popSocket(socket) {
		this.#popSocket = socket;
	}

	/** Of the server: the client is gone. failed(error): a listener threw. */
	tellClosed(failed) {
		for (const [emitter, ...args] of [[this.#popSocket, false], [this]])
			try {
				emitter?.emit('close', ...args);
			} catch (error) {
				failed(error);
			}
	}

	get pop_socket() {
		return this.popSocket;
	}

	get pop_sock() {
		return this.popSocket;
	}

	close() {
		this.popSocket.close();
	}
}

module.exports = { PopSession, PopSessionState, PopServerSession, PopServerConnection };
