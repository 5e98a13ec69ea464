'use strict';
// Ways to read a Readable, and to make one: pipe, iteration, from.

const { Buffer } = require('./buffer');
const { wrongType } = require('./errors');
const { LIFE, later } = require('./stream_life');
const { STATE } = require('./stream_readable');

// ---- pipe ----

// One destination of one source.
class Pipe {
	#listeners;

	constructor(source, target, ends) {
		this.source = source;
		this.target = target;
		this.#listeners = [
			[source, 'data', (part) => this.#write(part)],
			[source, 'end', () => ends ? target.end() : source.unpipe(target)],
			[target, 'drain', () => this.#drained()],
			[target, 'close', () => source.unpipe(target)],
			[target, 'finish', () => source.unpipe(target)],
			[target, 'unpipe', (from) => from === source && this.stop()],
		];
		const failed = (error) => {
			source.unpipe(target);
			// It is nobody's then: as unhandled as without a pipe.
			if (target.listenerCount('error') === 0)
				target.emit('error', error);
		};
		target.prependListener('error', failed);
		for (const [emitter, name, listener] of this.#listeners)
			emitter.on(name, listener);
		this.#listeners.push([target, 'error', failed]);
	}

	#write(part) {
		if (this.target.write(part) === false)
			this.wait();
	}

	wait() {
		const state = this.source[STATE];
		if (!state.pipes.has(this))
			return;
		state.waiting.add(this);
		this.source.pause();
	}

	#drained() {
		const state = this.source[STATE];
		if (state.waiting.delete(this) && state.waiting.size === 0)
			this.source.resume();
	}

	stop() {
		for (const [emitter, name, listener] of this.#listeners)
			emitter.off(name, listener);
	}
}

exports.pipe = function pipe(target, { end = true } = {}) {
	if (typeof target?.write !== 'function' || typeof target.on !== 'function')
		throw wrongType('Readable.pipe: destination', 'a Writable', target);
	const state = this[STATE];
	const made = new Pipe(this, target, end);
	state.pipes.add(made);
	if (state.isEndTold)
		later(() => end ? target.end() : this.unpipe(target));
	target.emit('pipe', this);
	if (target.writableNeedDrain === true)
		made.wait();
	else if (!state.flowing && state.waiting.size === 0)
		this.resume();
	return target;
};

exports.unpipe = function unpipe(target) {
	const state = this[STATE];
	for (const one of [...state.pipes]) {
		if (target !== undefined && one.target !== target)
			continue;
		state.pipes.delete(one);
		const wasLast = state.waiting.delete(one) && state.waiting.size === 0;
		if (state.pipes.size === 0)
			this.pause();
		else if (wasLast)
			this.resume();
		one.target.emit('unpipe', this, { hasUnpiped: true });
		one.stop();
	}
	return this;
};

// ---- Iteration ----

exports.iterate = async function* iterate(stream, destroyOnReturn) {
	const { finished } = require('./stream_util');
	let wake = () => {};
	let end; // { error } or {}
	const readable = () => wake();
	stream.on('readable', readable);
	const stop = finished(stream, { writable: false }, (error) => {
		end = error ? { error } : {};
		wake();
	});
	let isWhole = false;
	try {
		for (;;) {
			const part = stream.destroyed ? null : stream.read();
			if (part !== null) {
				yield part;
			} else if (end) {
				if (end.error)
					throw end.error;
				isWhole = true;
				return;
			} else {
				await new Promise((good) => {
					wake = good;
				});
			}
		}
	} finally {
		stop();
		stream.off('readable', readable);
		if (!isWhole && (destroyOnReturn || end?.error) && !stream.destroyed)
			stream.destroy();
	}
};

// ---- from ----

const iteratorOf = (iterable) => {
	const make = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
	if (typeof make !== 'function')
		throw wrongType('Readable.from: iterable', 'an iterable', iterable);
	return make.call(iterable);
};

// One chain of steps at a time: it goes on while push() has room.
const draw = async (stream, iterator) => {
	for (;;) {
		const { value, done } = await iterator.next();
		if (stream.destroyed)
			return;
		if (done) {
			stream.push(null);
			return;
		}
		const part = await value;
		if (part === null)
			throw wrongType('Readable.from: iterable', 'parts that are not null', part);
		if (!stream.push(part))
			return;
	}
};

exports.from = (Readable, iterable, options) => {
	if (typeof iterable === 'string' || iterable instanceof Uint8Array)
		return new Readable({ objectMode: true, ...options, read() {
			this.push(typeof iterable === 'string' ? iterable : Buffer.from(iterable));
			this.push(null);
		} });
	const iterator = iteratorOf(iterable);
	let isDrawing = false;
	return new Readable({ objectMode: true, highWaterMark: 1, ...options,
		read() {
			if (isDrawing)
				return;
			isDrawing = true;
			draw(this, iterator).catch((error) => this.destroy(error)).finally(() => {
				isDrawing = false;
				// It was asked again while the last step came to its end.
				if (this[STATE].isReading && !this[LIFE].isDestroyed)
					this._read();
			});
		},
		destroy(error, done) {
			Promise.resolve(iterator.return?.()).then(() => done(error),
				(failed) => done(error ?? failed));
		} });
};

