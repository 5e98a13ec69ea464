'use strict';
// A message on its way in, as a Readable that holds the client back while nobody reads.
const { Readable } = require('../host');

const HIGH = 64 * 1024;

class MessageStream extends Readable {
	/** Octets of the message; while it arrives, those that came. */
	byteLength = 0;
	/** The message was larger than `size` allows: it is cut there, and will be refused. */
	sizeExceeded = false;
	#session;
	#owed = 0; // octets that came and were not asked for yet
	#over = false;

	constructor(session) {
		super({ highWaterMark: HIGH });
		this.#session = session;
	}

	_read() {
		const octets = this.#owed;
		this.#owed = 0;
		if (octets)
			this.#session.taken(octets);
	}

	_destroy(error, done) {
		this.#over = true;
		this._read();
		done(error);
	}

	/** Of the server. `owed`: they are to be told as taken. */
	arrive(bytes, owed) {
		this.byteLength += bytes.length;
		const isLost = this.#over || this.destroyed;
		if (owed)
			this.#owed += bytes.length;
		if (isLost || this.push(bytes))
			this._read();
	}

	end(octets, sizeExceeded = false) {
		this.byteLength = octets;
		this.sizeExceeded = sizeExceeded;
		if (!this.#over && !this.destroyed)
			this.push(null);
		this.#over = true;
	}

	/** It will never be whole. Who listens for errors hears why; 'close' comes in any case. */
	cut(error) {
		this.destroy(this.listenerCount('error') > 0 ? error : undefined);
	}

	/** Who has answered and does not begin to read at once never will: let it pass. */
	answered() {
		if (this.readableFlowing == null)
			Promise.resolve().then(() => this.#skip());
	}

	#skip() {
		if (this.readableFlowing == null && !this.destroyed)
			this.resume();
	}
}

module.exports = { MessageStream };
