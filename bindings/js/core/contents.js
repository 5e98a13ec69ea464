'use strict';
// A message's octets from whatever an application keeps them in.
//
// feed(event, contents, deadlines, finish): answers RETR or TOP with a string (octets by
// docs/octets.md), a Uint8Array or ArrayBuffer (read in place), or the pieces of a Readable or an
// async or sync iterable of strings and Uint8Arrays, written as fast as the client reads. finish()
// is called once: without anything when all was handed over, with an error when it was not. One
// that comes before the first piece leaves the event to be answered; a later one cuts the session,
// so that nobody takes a broken message for a whole one. A stream that was read before is an error,
// too, not an empty message. Its `code` is CLOSED where it was the
// client who went. A wait for a piece longer than the deadline is an error, too.
const host = require('../host');
const { pipes } = require('./pump');
const { events } = host.native.constants();

const SLICE = 256 * 1024;

function kindOf(x) {
	if (x === null)
		return 'null';
	return Array.isArray(x) ? 'an array' : typeof x;
}

/** Bytes whose buffer was given to somebody else look like none. */
function attached(bytes) {
	if (bytes.length === 0)
		try {
			bytes.buffer.slice(0, 0);
		} catch {
			throw new TypeError('contents: the octets are gone: their buffer was transferred');
		}
	return bytes;
}

/** The octets of a string or of bytes; undefined where it is neither. */
function octetsOf(x) {
	if (typeof x === 'string')
		return host.octets(x);
	if (x instanceof Uint8Array)
		return attached(x);
	if (x instanceof ArrayBuffer)
		return new Uint8Array(x);
	return undefined;
}

function iteratorOf(x) {
	if (typeof x !== 'object' || x === null)
		return undefined;
	return x[Symbol.asyncIterator]?.() ?? x[Symbol.iterator]?.();
}

const poured = new WeakSet(); // generators

/** What can be read once, and was, would be an empty message. */
function checkUnread(contents) {
	if (contents.readableEnded === true || contents.destroyed === true)
		throw new Error('contents: the stream was read to its end or destroyed before');
	if (!/^(Async)?Generator$/.test(contents[Symbol.toStringTag]))
		return;
	if (poured.has(contents))
		throw new Error('contents: the generator was read before; give a new one each time');
	poured.add(contents);
}

function failure(code, message) {
	return Object.assign(new Error(message), { code });
}

class Pour {
	#event;
	#source;
	#iterator;
	#deadlines;
	#finish;
	#token;
	#pipe;
	#rest; // octets of the present piece that still are to go
	#over = false;

	constructor(event, source, iterator, deadlines, finish) {
		this.#event = event;
		this.#source = source;
		this.#iterator = iterator;
		this.#deadlines = deadlines;
		this.#finish = finish;
		// An error that comes when nobody waits for a piece would end the program.
		source.on?.('error', () => {});
		this.#pull();
	}

	/** Entries of the pipe. */
	take(entry) {
		if (entry.type === events.GONE)
			this.#gone();
		else
			this.#guard(() => this.#write());
	}

	#gone() {
		pipes.delete(this.#pipe);
		this.#pipe = undefined;
		this.#end(failure('CLOSED', 'the client went before it had the whole message'));
	}

	#guard(fn) {
		try {
			fn();
		} catch (error) {
			this.#end(error);
		}
	}

	#pull() {
		this.#token = this.#deadlines.watch(() => this.#end(failure('TIMEOUT',
			`no piece of the message within ${this.#deadlines.length} ms`)));
		this.#guard(() => Promise.resolve(this.#iterator.next()).then(
			(step) => this.#guard(() => this.#got(step)), (error) => this.#end(error)));
	}

	#got(step) {
		this.#deadlines.drop(this.#token);
		if (this.#over)
			return;
		const bytes = step.done ? undefined : octetsOf(step.value);
		if (!step.done && bytes === undefined)
			throw new TypeError('contents: pieces are strings or Uint8Arrays, not ' +
				kindOf(step.value));
		this.#open();
		if (this.#over)
			return;
		if (step.done) {
			host.native.pipeWrite(this.#pipe, new Uint8Array(0), true);
			pipes.delete(this.#pipe);
			this.#over = true;
			this.#finish();
		} else {
			this.#rest = bytes;
			this.#write();
		}
	}

	#open() {
		this.#pipe ??= this.#event.pipe();
		if (this.#pipe === undefined)
			this.#gone();
		else
			pipes.set(this.#pipe, this);
	}

	#write() {
		while (this.#rest.length) {
			const piece = this.#rest.subarray(0, SLICE);
			this.#rest = this.#rest.subarray(piece.length);
			if (!host.native.pipeWrite(this.#pipe, piece, false))
				return; // WANT goes on
		}
		this.#pull();
	}

	#end(error) {
		if (this.#over)
			return;
		this.#over = true;
		this.#deadlines.drop(this.#token);
		if (this.#pipe !== undefined) {
			pipes.delete(this.#pipe);
			host.native.pipeFail(this.#pipe);
		}
		this.#release();
		this.#finish(error ?? failure('SCRIPT', 'the source failed'));
	}

	#release() {
		try {
			this.#source.destroy?.();
			this.#iterator.return?.()?.then?.(undefined, () => {});
		} catch {
			// What a source does when nobody wants it any more changes nothing.
		}
	}
}

function feed(event, contents, deadlines, finish) {
	const bytes = octetsOf(contents);
	if (bytes !== undefined) {
		event.bytes(bytes);
		finish();
		return;
	}
	if (typeof contents === 'object' && contents !== null)
		checkUnread(contents);
	const iterator = iteratorOf(contents);
	if (typeof iterator?.next !== 'function')
		throw new TypeError('contents: a string, a Uint8Array, a stream or an iterable of those ' +
			`is wanted, not ${kindOf(contents)}`);
	new Pour(event, contents, iterator, deadlines, finish);
}

module.exports = { feed, kindOf };
