'use strict';
// Readable: octets or objects that _read pushes, handed on as "data" (flowing), by read() behind
// "readable", by pipe(), or by iteration.

const { Buffer, encodingOf } = require('./buffer');
const { make, wrongType } = require('./errors');
const { LIFE, Stream, begin, fail, getters, later, markOf, take } = require('./stream_life');

const STATE = Symbol('readable');

class Queue {
	#parts = [];
	#first = 0;
	size = 0; // octets, characters or objects
	isObject;

	constructor(isObject) {
		this.isObject = isObject;
	}

	#sizeOf(part) {
		return this.isObject ? 1 : part.length;
	}

	get isEmpty() {
		return this.#first === this.#parts.length;
	}

	get first() {
		return this.#parts[this.#first];
	}

	add(part) {
		this.#parts.push(part);
		this.size += this.#sizeOf(part);
	}

	unshift(part) {
		this.#parts.splice(this.#first, 0, part);
		this.size += this.#sizeOf(part);
	}

	shift() {
		const part = this.#parts[this.#first];
		this.#parts[this.#first++] = undefined;
		if (this.#first > 64 && this.#first * 2 > this.#parts.length) {
			this.#parts.splice(0, this.#first);
			this.#first = 0;
		}
		this.size -= this.#sizeOf(part);
		return part;
	}

	// So many octets or characters of those that are there.
	take(count) {
		if (this.first.length === count)
			return this.shift();
		if (this.first.length > count) {
			const part = this.first;
			this.#parts[this.#first] = part.slice(count);
			this.size -= count;
			return part.slice(0, count);
		}
		const parts = [];
		for (let left = count; left > 0; left = count - lengthOf(parts))
			parts.push(this.first.length <= left ? this.shift() : this.take(left));
		return typeof parts[0] === 'string' ? parts.join('') : Buffer.concat(parts);
	}

	clear() {
		this.#parts = [];
		this.#first = 0;
		this.size = 0;
	}
}

const lengthOf = (parts) => parts.reduce((sum, part) => sum + part.length, 0);

class State {
	queue;
	mark;
	decoder = null;
	encoding = null;
	flowing = null; // null: nobody said; as readableFlowing
	isResuming = false;
	isReading = false; // _read was called, and nothing was pushed yet
	isWithin = false; // _read runs
	isEnded = false; // push(null)
	isEndTold = false;
	isEndNear = false;
	isScheduled = false;
	isReadableTold = false;
	wantsReadable = false;
	wasRead = false;
	pipes = new Set();
	waiting = new Set(); // those of them that want a pause

	constructor(options) {
		const isObject = Boolean(options.objectMode || options.readableObjectMode);
		this.queue = new Queue(isObject);
		this.mark = markOf(options, 'readableHighWaterMark', isObject);
	}
}

function Readable(options = {}) {
	if (!(this instanceof Readable))
		return new Readable(options);
	Stream.call(this);
	beginReadable(this, options ?? {});
	begin(this, options ?? {});
}
Object.setPrototypeOf(Readable.prototype, Stream.prototype);
Object.setPrototypeOf(Readable, Stream);

const beginReadable = (stream, options) => {
	Object.defineProperty(stream, STATE, { value: new State(options) });
	take(stream, options, ['read']);
	if (options.encoding)
		stream.setEncoding(options.encoding);
};

// ---- Pushing ----

const partOf = (stream, state, chunk, encoding) => {
	if (state.queue.isObject)
		return chunk;
	if (typeof chunk === 'string')
		return state.decoder && encodingOf('Readable.push: encoding', encoding) === state.encoding ?
			chunk : decoded(state, Buffer.from(chunk, encoding));
	if (chunk instanceof Uint8Array)
		return decoded(state, Buffer.isBuffer(chunk) ? chunk :
			Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
	fail(stream, wrongType('Readable.push: chunk', 'a string, Buffer or Uint8Array', chunk));
	return undefined;
};

const decoded = (state, octets) => state.decoder ? state.decoder.write(octets) : octets;

const endOf = (stream, state) => {
	if (state.isEnded)
		return;
	state.isEnded = true;
	state.isReading = false;
	const rest = state.decoder?.end();
	if (rest)
		state.queue.add(rest);
	schedule(stream, state);
};

const isWanted = (stream, state) => state.flowing && !state.isResuming && !state.isWithin &&
	state.queue.isEmpty && stream.listenerCount('data') > 0;

const wantsMore = (state) =>
	!state.isEnded && (state.queue.size < state.mark || state.queue.size === 0);

const add = (stream, state, part) => {
	if (isWanted(stream, state)) {
		state.wasRead = true;
		stream.emit('data', part);
		return;
	}
	state.queue.add(part);
	state.isReadableTold = false;
};

Readable.prototype.push = function push(chunk, encoding) {
	const state = this[STATE];
	if (chunk === null) {
		endOf(this, state);
		return false;
	}
	if (this.destroyed || this.errored)
		return false;
	if (state.isEnded) {
		fail(this, make(Error, 'ERR_STREAM_PUSH_AFTER_EOF', 'Readable.push: it has ended'));
		return false;
	}
	const part = partOf(this, state, chunk, encoding);
	if (part === undefined && !state.queue.isObject)
		return false;
	state.isReading = false;
	if (state.queue.isObject || part.length > 0)
		add(this, state, part);
	schedule(this, state);
	return wantsMore(state);
};

Readable.prototype.unshift = function unshift(chunk, encoding) {
	const state = this[STATE];
	if (chunk === null || this.destroyed || this.errored)
		return this.push(chunk);
	if (state.isEndTold) {
		fail(this, make(Error, 'ERR_STREAM_UNSHIFT_AFTER_END_EVENT',
			'Readable.unshift: its end was told'));
		return false;
	}
	const part = partOf(this, state, chunk, encoding);
	if (part !== undefined && (state.queue.isObject || part.length > 0)) {
		state.queue.unshift(part);
		state.isReadableTold = false;
		schedule(this, state);
	}
	return wantsMore(state);
};

// ---- The turn in which all that is due happens ----

const schedule = (stream, state) => {
	if (state.isScheduled)
		return;
	state.isScheduled = true;
	later(() => {
		state.isScheduled = false;
		turn(stream, state);
	});
};

const turn = (stream, state) => {
	if (stream.destroyed || stream.errored)
		return;
	if (state.flowing)
		flow(stream, state);
	else
		fill(stream, state);
	if (!state.wantsReadable || stream.destroyed || state.isReadableTold)
		return;
	if (!state.queue.isEmpty || (state.isEnded && !state.isEndTold)) {
		state.isReadableTold = true;
		stream.emit('readable');
		if (state.queue.isEmpty && state.isEnded)
			finish(stream, state);
		if (state.flowing)
			schedule(stream, state);
	}
};

const flow = (stream, state) => {
	while (state.flowing && !stream.destroyed && stream.read() !== null)
		;
};

const ask = (stream, state) => {
	state.isReading = true;
	state.isWithin = true;
	try {
		const given = stream._read(state.mark);
		if (typeof given?.then === 'function')
			given.then(undefined, (error) => fail(stream, error));
	} catch (thrown) {
		fail(stream, thrown);
	}
	state.isWithin = false;
};

const mayAsk = (stream, state) =>
	!state.isReading && !state.isEnded && !stream.destroyed && !stream.errored;

// As long as _read pushes at once, and room is left.
const fill = (stream, state) => {
	for (;;) {
		const before = state.queue.size;
		const isEnough = before >= state.mark && !(before === 0 && state.wantsReadable);
		if (isEnough || !mayAsk(stream, state))
			return;
		ask(stream, state);
		if (state.queue.size === before)
			return;
	}
};

const finish = (stream, state) => {
	if (state.isEndNear || stream.errored)
		return;
	state.isEndNear = true;
	later(() => {
		if (!state.queue.isEmpty || stream.destroyed || stream.errored) {
			state.isEndNear = false;
			return;
		}
		state.isEndTold = true;
		stream.emit('end');
		afterEnd(stream);
	});
};

const afterEnd = (stream) => {
	if (stream.writable && stream.allowHalfOpen === false)
		stream.end();
	else if (stream[LIFE].isAuto && (stream.writableFinished ?? true))
		stream.destroy();
};

// ---- Reading ----

const countFor = (state, wanted) => {
	const { queue } = state;
	if (wanted === 0 || queue.isEmpty)
		return 0;
	if (queue.isObject)
		return 1;
	if (wanted === undefined)
		return state.flowing ? queue.first.length : queue.size;
	if (wanted <= queue.size)
		return wanted;
	return state.isEnded ? queue.size : 0;
};

const raise = (state, wanted) => {
	if (wanted > state.mark && !state.queue.isObject)
		state.mark = 2 ** Math.ceil(Math.log2(wanted));
};

Readable.prototype._read = function _read() {
	throw make(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'Readable._read: is not implemented');
};

Readable.prototype.read = function read(size) {
	const state = this[STATE];
	const wanted = size === undefined || Number.isNaN(Number(size)) ? undefined :
		Math.trunc(Number(size));
	if (wanted !== undefined)
		raise(state, wanted);
	if (wanted !== 0)
		state.isReadableTold = false;
	const count = countFor(state, wanted);
	if (mayAsk(this, state) && (state.queue.isEmpty || count === 0 ||
		state.queue.size - count < state.mark))
		ask(this, state);
	const part = give(this, state, state.isReading ? count : countFor(state, wanted));
	if (state.queue.isEmpty && state.isEnded)
		finish(this, state);
	return part;
};

const give = (stream, state, count) => {
	if (count === 0 || stream.errored)
		return null;
	const part = state.queue.isObject ? state.queue.shift() : state.queue.take(count);
	state.wasRead = true;
	schedule(stream, state);
	stream.emit('data', part);
	return part;
};

Readable.prototype.setEncoding = function setEncoding(encoding) {
	const { StringDecoder } = require('./string_decoder');
	const state = this[STATE];
	state.decoder = new StringDecoder(encoding);
	state.encoding = state.decoder.encoding;
	let text = '';
	while (!state.queue.isEmpty)
		text += state.decoder.write(state.queue.shift());
	if (text !== '')
		state.queue.add(text);
	return this;
};

// ---- Flowing and not ----

Readable.prototype.isPaused = function isPaused() {
	return this[STATE].flowing === false && !this[STATE].wantsReadable;
};

Readable.prototype.pause = function pause() {
	const state = this[STATE];
	if (state.flowing !== false) {
		state.flowing = false;
		this.emit('pause');
	}
	return this;
};

Readable.prototype.resume = function resume() {
	const state = this[STATE];
	if (state.flowing)
		return this;
	state.flowing = !state.wantsReadable;
	if (state.isResuming)
		return this;
	state.isResuming = true;
	later(() => {
		state.isResuming = false;
		if (this.destroyed)
			return;
		this.emit('resume');
		turn(this, state);
	});
	return this;
};

Readable.prototype.on = function on(name, listener) {
	const state = this[STATE];
	Stream.prototype.on.call(this, name, listener);
	if (name === 'data') {
		if (state.flowing !== false)
			this.resume();
	} else if (name === 'readable' && !state.wantsReadable && !state.isEndTold) {
		state.wantsReadable = true;
		state.flowing = false;
		state.isReadableTold = false;
		schedule(this, state);
	}
	return this;
};
Readable.prototype.addListener = Readable.prototype.on;

// Who no longer listens for "readable" may have "data" flow again.
const lookAgain = (stream) => later(() => {
	const state = stream[STATE];
	state.wantsReadable = stream.listenerCount('readable') > 0;
	if (state.wantsReadable || state.flowing !== false)
		return;
	if (stream.listenerCount('data') > 0)
		stream.resume();
	else
		state.flowing = null;
});

Readable.prototype.off = function off(name, listener) {
	Stream.prototype.off.call(this, name, listener);
	if (name === 'readable')
		lookAgain(this);
	return this;
};
Readable.prototype.removeListener = Readable.prototype.off;

Readable.prototype.removeAllListeners = function removeAllListeners(...names) {
	Stream.prototype.removeAllListeners.apply(this, names);
	if (names.length === 0 || names[0] === 'readable')
		lookAgain(this);
	return this;
};

getters(Readable.prototype, {
	readable() {
		const state = this[STATE];
		return Boolean(state) && !this.destroyed && !this.errored && !state.isEndTold;
	},
	readableLength() {
		return this[STATE].queue.size;
	},
	readableHighWaterMark() {
		return this[STATE].mark;
	},
	readableFlowing() {
		return this[STATE].flowing;
	},
	readableEnded() {
		return this[STATE].isEndTold;
	},
	readableObjectMode() {
		return this[STATE].queue.isObject;
	},
	readableEncoding() {
		return this[STATE].encoding;
	},
	readableAborted() {
		return (this.destroyed || Boolean(this.errored)) && !this[STATE].isEndTold;
	},
	readableDidRead() {
		return this[STATE].wasRead;
	},
});

module.exports = { Readable, STATE, beginReadable, schedule };

const { from, iterate, pipe, unpipe } = require('./stream_reading');

Readable.prototype.pipe = pipe;
Readable.prototype.unpipe = unpipe;
Readable.prototype.iterator = function iterator({ destroyOnReturn = true } = {}) {
	return iterate(this, destroyOnReturn);
};
Readable.prototype[Symbol.asyncIterator] = function asyncIterator() {
	return iterate(this, true);
};
Readable.prototype.toArray = async function toArray() {
	const found = [];
	for await (const part of this)
		found.push(part);
	return found;
};
Readable.from = (iterable, options) => from(Readable, iterable, options);
