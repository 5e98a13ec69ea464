'use strict';
// A client for POP3 (RFC 1939) with promises, streams and iteration.
const { Client, inner, ask } = require('./client');
const { linesOf } = require('./connection');
const { checkText } = require('./options');
const { wholeBody, bodyStream } = require('./body');
const { messagesOf } = require('./messages');

function checkNumber(value, name, least = 1) {
	if (typeof value !== 'number')
		throw new TypeError(`${name}: a number is wanted`);
	if (!Number.isSafeInteger(value) || value < least)
		throw new RangeError(`${name}: a whole number from ${least} on is wanted`);
	return value;
}

/** "3 120" and "3 whqtswO00WBw418f9t5JxYwZ" */
function itemsOf({ items }, read) {
	return linesOf(items).map((line) => {
		const space = line.indexOf(' ');
		return read(Number(line.slice(0, space)), line.slice(space + 1));
	});
}

class Pop3Client extends Client {
	/** { host, port, tls, user, password … } or a URL: see bindings/js/client/README.md. */
	constructor(options) {
		super(options, 'pop3');
	}

	/** { count, size }: messages and their octets. */
	async stat(options) {
		const { count, octets } = await this[ask]('STAT', {}, options);
		return { count, size: octets };
	}

	/** [{ number, size } …], or that of one message. */
	async list(number, options) {
		return this.#listing('LIST', number, options,
			(n, rest) => ({ number: n, size: Number(rest) }));
	}

	/** [{ number, uid } …], or that of one message. */
	async uidl(number, options) {
		return this.#listing('UIDL', number, options, (n, rest) => ({ number: n, uid: rest }));
	}

	async #listing(type, number, options, read) {
		if (typeof number === 'object' && number !== null)
			return this.#listing(type, undefined, number, read);
		const isOne = number !== undefined && number !== null;
		const asked = isOne ? { number: checkNumber(number, 'number') } : {};
		const items = itemsOf(await this[ask](type, asked, options), read);
		return isOne ? items[0] : items;
	}

	/** A Buffer of the whole message. */
	async retrieve(number, options) {
		return wholeBody(this[inner], 'RETR', { number: checkNumber(number, 'number') }, options);
	}

	/** A Readable of it. Calls made later wait until it was read, or destroyed. */
	retrieveStream(number, options) {
		return bodyStream(this[inner], 'RETR', { number: checkNumber(number, 'number') }, options);
	}

	/** Its header and so many lines of its body. */
	async top(number, lines = 0, options) {
		return wholeBody(this[inner], 'TOP', { number: checkNumber(number, 'number'),
			lines: checkNumber(lines, 'lines', 0) }, options);
	}

	/** It is gone when quit() has resolved. */
	async delete(number, options) {
		await this[ask]('DELE', { number: checkNumber(number, 'number') }, options);
	}

	async utf8(options) {
		await this[ask]('UTF8', {}, options);
	}

	/** The languages there are, [{ tag, description } …]; or take one. */
	async language(tag, options) {
		if (tag !== undefined) {
			await this[ask]('LANG', { argument: checkText(tag, 'tag') }, options);
			return undefined;
		}
		const { items } = await this[ask]('LANG', {}, options);
		return linesOf(items).map((line) => {
			const [, word, description] = /^(\S*) ?(.*)$/.exec(line);
			return { tag: word, description };
		});
	}

	/** A line of one's own, whose reply has one line; gives the reply's text. */
	async command(line, options) {
		const { text } = await this[ask]('COMMAND', { argument: checkText(line, 'line') }, options);
		return text ?? '';
	}

	/** Each message: { number, uid, size, buffer(), text(), stream(), delete() }. */
	async* [Symbol.asyncIterator]() {
		const list = this.list();
		const uids = this.uidl().catch((error) => {
			if (error.side === 'server')
				return []; // UIDL is optional
			throw error;
		});
		const [entries, names] = await Promise.all([list, uids]);
		const uidOf = new Map(names.map(({ number, uid }) => [number, uid]));
		for (const entry of entries)
			entry.uid = uidOf.get(entry.number);
		yield* messagesOf(this, this[inner], entries);
	}
}

module.exports = { Pop3Client };
