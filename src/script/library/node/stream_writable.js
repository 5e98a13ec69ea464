'use strict';
// Writable: write() hands parts to _write one after another, counts those that wait against the
// high-water mark, and end() finishes behind the last.

const { Buffer, encodingOf } = require('./buffer');
const { callable, make, wrongType } = require('./errors');
const { LIFE, Stream, begin, fail, getters, later, markOf, take } = require('./stream_life');

const STATE = Symbol('writable');

class State {
	queue = []; // { part, encoding, done, size }
	size = 0;
	mark;
	isObject;
	decodes;
	encoding;
	corks = 0;
	isWriting = false;
	isWithin = false; // _write runs
	needsDrain = false;
	isEnding = false;
	isFinal = false; // _final was called
	isFinished = false;
	atEnd = []; // functions of end()

	constructor(options) {
		this.isObject = Boolean(options.objectMode || options.writableObjectMode);
		this.mark = markOf(options, 'writableHighWaterMark', this.isObject);
		this.decodes = options.decodeStrings !== false;
		this.encoding = encodingOf('Writable: defaultEncoding', options.defaultEncoding);
	}
}

function Writable(options = {}) {
	if (!(this instanceof Writable))
		return new Writable(options);
	Stream.call(this);
	beginWritable(this, options ?? {});
	begin(this, options ?? {});
}
Object.setPrototypeOf(Writable.prototype, Stream.prototype);
Object.setPrototypeOf(Writable, Stream);

// A Duplex is one, too, whatever its prototypes say.
Object.defineProperty(Writable, Symbol.hasInstance, {
	value(object) {
		return Function.prototype[Symbol.hasInstance].call(this, object) ||
			(this === Writable && Boolean(object?.[STATE]));
	},
});

const beginWritable = (stream, options) => {
	Object.defineProperty(stream, STATE, { value: new State(options) });
	take(stream, options, ['write', 'writev', 'final']);
};

// ---- Writing ----

const endedError = () =>
	make(Error, 'ERR_STREAM_WRITE_AFTER_END', 'Writable.write: it has ended');
const destroyedError = (name) =>
	make(Error, 'ERR_STREAM_DESTROYED', `Writable.${name}: it was destroyed`);

const partOf = (state, chunk, encoding) => {
	if (chunk === null)
		throw make(TypeError, 'ERR_STREAM_NULL_VALUES', 'Writable.write: chunk: not null');
	if (state.isObject)
		return { part: chunk, encoding, size: 1 };
	if (typeof chunk === 'string') {
		const part = state.decodes ? Buffer.from(chunk, encoding) : chunk;
		return { part, encoding: state.decodes ? 'buffer' : encoding, size: part.length };
	}
	if (!(chunk instanceof Uint8Array))
		throw wrongType('Writable.write: chunk', 'a string, Buffer or Uint8Array', chunk);
	const part = Buffer.isBuffer(chunk) ? chunk :
		Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
	return { part, encoding: 'buffer', size: part.length };
};

const write = (stream, chunk, encoding, done) => {
	const state = stream[STATE];
	const entry = partOf(state, chunk, encoding === 'buffer' || !encoding ? state.encoding :
		encodingOf('Writable.write: encoding', encoding));
	const error = state.isEnding ? endedError() :
		stream.destroyed ? destroyedError('write') : undefined;
	if (error) {
		later(() => done?.(error));
		fail(stream, error);
		return false;
	}
	state.size += entry.size;
	const hasRoom = state.size < state.mark;
	state.needsDrain ||= !hasRoom;
	state.queue.push({ ...entry, done });
	work(stream, state);
	return hasRoom && !stream.errored && !stream.destroyed;
};

Writable.prototype.write = function (chunk, encoding, done) {
	return typeof encoding === 'function' ? write(this, chunk, undefined, encoding) :
		write(this, chunk, encoding, done);
};

const canWork = (stream, state) => !state.isWriting && state.corks === 0 &&
	state.queue.length > 0 && !stream.destroyed && !stream.errored;

const work = (stream, state) => {
	while (!state.isWithin && canWork(stream, state))
		startOne(stream, state);
};

const startOne = (stream, state) => {
	state.isWriting = true;
	const all = state.queue.length > 1 && stream._writev ? state.queue.splice(0) :
		[state.queue.shift()];
	let isOver = false;
	const over = (error) => {
		if (isOver) {
			fail(stream, make(Error, 'ERR_MULTIPLE_CALLBACK', 'Writable: callback was called twice'));
			return;
		}
		isOver = true;
		written(stream, state, all, error);
	};
	state.isWithin = true;
	try {
		if (all.length > 1)
			stream._writev(all.map(({ part, encoding }) => ({ chunk: part, encoding })), over);
		else
			stream._write(all[0].part, all[0].encoding, over);
	} finally {
		state.isWithin = false;
	}
};

// The next part goes at once; who wrote hears of it outside of write().
const written = (stream, state, all, error) => {
	state.isWriting = false;
	for (const { size } of all)
		state.size -= size;
	if (error)
		stream[LIFE].errored ??= error;
	const tell = () => error ? tellFailed(stream, all, error) : tellWritten(stream, state, all);
	if (state.isWithin) {
		later(tell);
		return;
	}
	work(stream, state);
	tell();
};

const tellFailed = (stream, all, error) => {
	for (const { done } of all)
		done?.(error);
	fail(stream, error);
	dropRest(stream, error);
};

const tellWritten = (stream, state, all) => {
	if (state.needsDrain && state.size === 0 && !state.isEnding && !stream.destroyed) {
		state.needsDrain = false;
		stream.emit('drain');
	}
	for (const { done } of all)
		done?.(null);
	finishSoon(stream, state);
};

// What waits and will not be written any more.
const dropRest = (stream, error) => {
	const state = stream[STATE];
	const rest = state.queue.splice(0);
	const atEnd = state.isFinished ? [] : state.atEnd.splice(0);
	if (rest.length === 0 && atEnd.length === 0)
		return;
	const why = error ?? stream.errored ?? destroyedError('write');
	later(() => {
		for (const { done, size } of rest) {
			state.size -= size;
			done?.(why);
		}
		for (const done of atEnd)
			done(error ?? stream.errored ?? destroyedError('end'));
	});
};

Writable.prototype._write = function _write(chunk, encoding, done) {
	if (!this._writev)
		throw make(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'Writable._write: is not implemented');
	this._writev([{ chunk, encoding }], done);
};

Writable.prototype.destroy = function destroy(error, done) {
	const isFirst = !this.destroyed;
	Stream.prototype.destroy.call(this, error, done);
	if (isFirst && this[STATE])
		dropRest(this, error);
	return this;
};

Writable.prototype.cork = function cork() {
	this[STATE].corks++;
};

Writable.prototype.uncork = function uncork() {
	const state = this[STATE];
	if (state.corks > 0)
		state.corks--;
	work(this, state);
};

Writable.prototype.setDefaultEncoding = function setDefaultEncoding(encoding) {
	this[STATE].encoding = encodingOf('Writable.setDefaultEncoding: encoding', encoding);
	return this;
};

// ---- The end ----

const isReady = (stream, state) => state.isEnding && !state.isWriting && !state.isFinal &&
	state.queue.length === 0 && !stream.destroyed && !stream.errored;

const finishSoon = (stream, state) => {
	if (!isReady(stream, state))
		return;
	state.isFinal = true;
	later(() => final(stream, state));
};

const final = (stream, state) => {
	if (stream.destroyed || stream.errored)
		return;
	let isOver = false;
	const over = (error) => {
		if (isOver)
			return;
		isOver = true;
		later(() => error ? fail(stream, error) : finish(stream, state));
	};
	if (typeof stream._final !== 'function') {
		finish(stream, state);
		return;
	}
	try {
		const given = stream._final(over);
		if (typeof given?.then === 'function')
			given.then(() => over(), over);
	} catch (thrown) {
		over(thrown);
	}
};

const finish = (stream, state) => {
	if (stream.destroyed || stream.errored)
		return;
	stream.emit('prefinish');
	state.isFinished = true;
	for (const done of state.atEnd.splice(0))
		done();
	stream.emit('finish');
	if (stream[LIFE].isAuto && (stream.readableEnded ?? true))
		stream.destroy();
};

const endError = (stream, state) => {
	if (state.isFinished)
		return make(Error, 'ERR_STREAM_ALREADY_FINISHED', 'Writable.end: it has finished');
	return stream.destroyed ? destroyedError('end') : stream.errored;
};

Writable.prototype.end = function end(chunk, encoding, done) {
	const state = this[STATE];
	if (typeof chunk === 'function')
		[chunk, done] = [undefined, chunk];
	else if (typeof encoding === 'function')
		[encoding, done] = [undefined, encoding];
	if (chunk !== undefined && chunk !== null)
		write(this, chunk, encoding);
	state.corks = 0;
	const error = endError(this, state);
	if (done !== undefined)
		callable('Writable.end: callback', done);
	if (error)
		later(() => done?.(error));
	else if (done)
		state.atEnd.push(done);
	state.isEnding = true;
	work(this, state);
	finishSoon(this, state);
	return this;
};

getters(Writable.prototype, {
	writable() {
		const state = this[STATE];
		return Boolean(state) && !state.isEnding && !this.destroyed && !this.errored;
	},
	writableLength() {
		return this[STATE].size;
	},
	writableHighWaterMark() {
		return this[STATE].mark;
	},
	writableEnded() {
		return this[STATE].isEnding;
	},
	writableFinished() {
		return this[STATE].isFinished;
	},
	writableCorked() {
		return this[STATE].corks;
	},
	writableNeedDrain() {
		return this[STATE].needsDrain && !this[STATE].isEnding && !this.destroyed;
	},
	writableObjectMode() {
		return this[STATE].isObject;
	},
	writableAborted() {
		return (this.destroyed || Boolean(this.errored)) && !this[STATE].isFinished;
	},
});

module.exports = { Writable, WRITABLE: STATE, beginWritable };
