'use strict';
// All messages of a maildrop, one after another. Who takes the whole of one is likely to want the
// next, too: a few small ones are fetched ahead.
const host = require('../host');
const { wholeBody, bodyStream } = require('./body');
const { MailError } = require('./error');

const AHEAD_MESSAGES = 8;
const AHEAD_OCTETS = 512 * 1024;

class Message {
	#list;
	#at;

	constructor(list, at) {
		const { number, uid, size } = list.entries[at];
		this.#list = list;
		this.#at = at;
		this.number = number;
		this.uid = uid;
		this.size = size;
	}

	/** Its octets, once: they are fetched anew by a second call. */
	buffer(options) {
		return this.#list.buffer(this.#at, options);
	}

	/** The same as a string, by docs/octets.md. */
	async text(options) {
		return host.text(await this.buffer(options));
	}

	stream(options) {
		return this.#list.stream(this.#at, options);
	}

	delete(options) {
		return this.#list.client.delete(this.number, options);
	}
}

class MessageList {
	#connection;
	#ahead = new Map(); // place → { promise, size, cancel() }
	#aheadOctets = 0;

	constructor(client, connection, entries) {
		this.client = client;
		this.#connection = connection;
		this.entries = entries;
	}

	#options(at) {
		const { number, size } = this.entries[at];
		return { number, expected: size };
	}

	async buffer(at, options) {
		if (options?.signal)
			return wholeBody(this.#connection, 'RETR', this.#options(at), options);
		const fetched = this.#takeAhead(at) ??
			wholeBody(this.#connection, 'RETR', this.#options(at));
		this.#fetchAhead(at + 1);
		return fetched;
	}

	stream(at, options) {
		return bodyStream(this.#connection, 'RETR', this.#options(at), options);
	}

	#takeAhead(at) {
		const fetched = this.#ahead.get(at);
		if (fetched === undefined)
			return undefined;
		this.#ahead.delete(at);
		this.#aheadOctets -= fetched.size;
		return fetched.promise;
	}

	#fetchAhead(from) {
		for (let at = from; at < this.entries.length && at < from + AHEAD_MESSAGES; at++) {
			const { size } = this.entries[at];
			if (this.#ahead.has(at))
				continue;
			if (this.#aheadOctets + size > AHEAD_OCTETS)
				return;
			this.#fetch(at, size);
		}
	}

	#fetch(at, size) {
		const drop = new Dropper();
		const promise = wholeBody(this.#connection, 'RETR', this.#options(at), { signal: drop });
		promise.catch(() => {}); // told to who asks for it
		this.#ahead.set(at, { promise, size, drop });
		this.#aheadOctets += size;
	}

	/** What was fetched for nobody. */
	forget(before = Infinity) {
		for (const [at, { drop, size }] of this.#ahead) {
			if (at >= before)
				continue;
			this.#ahead.delete(at);
			this.#aheadOctets -= size;
			drop.abort();
		}
	}
}

/** As much of an AbortSignal as signal.js wants. */
class Dropper {
	aborted = false;
	reason = new MailError('CANCELED', 'nobody wants it');
	#listener;

	addEventListener(name, listener) {
		this.#listener = listener;
	}

	removeEventListener() {
		this.#listener = undefined;
	}

	abort() {
		this.aborted = true;
		this.#listener?.();
	}
}

async function* messagesOf(client, connection, entries) {
	const list = new MessageList(client, connection, entries);
	try {
		for (let at = 0; at < entries.length; at++) {
			list.forget(at);
			yield new Message(list, at);
		}
	} finally {
		list.forget();
	}
}

module.exports = { messagesOf };
