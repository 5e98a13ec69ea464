'use strict';
// What is known of a session and its connection.
const { EventEmitter } = require('../host');

const PopSessionState = Object.freeze({
	Authorization: 'AUTHORIZATION', Transaction: 'TRANSACTION',
});

class PopSession {
	constructor(state) {
		this.state = state;
	}
}

class PopServerSession extends PopSession {
	user = null;
	messages = null;
	invalid_command_count = 0;
	/** The user's own data as `session.udata.user`. */
	udata;
	#known;
	#deleted = new Set(); // numbers, from 1

	/** `known`: { language(): the present one, banner() }. */
	constructor(known) {
		super(PopSessionState.Authorization);
		this.#known = known;
		const session = this;
		this.udata = {
			get user() {
				return session.user?.udata;
			},
		};
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
		this.#deleted.add(number);
	}

	unmark() {
		this.#deleted.clear();
	}

	forget() {
		this.user = this.messages = null;
		this.state = PopSessionState.Authorization;
	}
}

class PopServerConnection extends EventEmitter {
	/** The application's. */
	udata = undefined;

	constructor(server, popSocket, session) {
		super();
		this.server = server;
		this.popSocket = popSocket;
		this.session = session;
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
