'use strict';
// Duplex, Transform, PassThrough: streams of two sides.

const { callable, make } = require('./errors');
const { Stream, begin, take } = require('./stream_life');
const { Readable, STATE, beginReadable } = require('./stream_readable');
const { Writable, beginWritable } = require('./stream_writable');

function Duplex(options = {}) {
	if (!(this instanceof Duplex))
		return new Duplex(options);
	options ??= {};
	Stream.call(this);
	beginReadable(this, options);
	beginWritable(this, options);
	this.allowHalfOpen = options.allowHalfOpen !== false;
	begin(this, options);
}
Object.setPrototypeOf(Duplex.prototype, Readable.prototype);
Object.setPrototypeOf(Duplex, Readable);

for (const name of Reflect.ownKeys(Writable.prototype))
	if (name !== 'constructor')
		Object.defineProperty(Duplex.prototype, name,
			Object.getOwnPropertyDescriptor(Writable.prototype, name));

// ---- Transform: what is written comes out, changed. ----

const PENDING = Symbol('pending');

function Transform(options = {}) {
	if (!(this instanceof Transform))
		return new Transform(options);
	options ??= {};
	Duplex.call(this, options);
	Object.defineProperty(this, PENDING, { value: null, writable: true });
	take(this, options, ['transform', 'flush']);
}
Object.setPrototypeOf(Transform.prototype, Duplex.prototype);
Object.setPrototypeOf(Transform, Duplex);

Transform.prototype._transform = function _transform() {
	throw make(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'Transform._transform: is not implemented');
};

const isRoom = (stream) => {
	const { queue, mark } = stream[STATE];
	return stream[STATE].isEnded || queue.size < mark;
};

// Who has written waits until there is room for more.
Transform.prototype._write = function _write(chunk, encoding, done) {
	const before = this.readableLength;
	this._transform(chunk, encoding, (error, value) => {
		if (error) {
			done(error);
			return;
		}
		if (value !== undefined && value !== null)
			this.push(value);
		if (isRoom(this) || this.readableLength === before)
			done();
		else
			this[PENDING] = done;
	});
};

Transform.prototype._read = function _read() {
	const done = this[PENDING];
	this[PENDING] = null;
	done?.();
};

Transform.prototype._final = function _final(done) {
	if (this.destroyed || typeof this._flush !== 'function') {
		this.push(null);
		done();
		return;
	}
	callable('Transform._flush', this._flush).call(this, (error, value) => {
		if (error) {
			done(error);
			return;
		}
		if (value !== undefined && value !== null)
			this.push(value);
		this.push(null);
		done();
	});
};

// ---- PassThrough ----

function PassThrough(options = {}) {
	if (!(this instanceof PassThrough))
		return new PassThrough(options);
	Transform.call(this, options);
}
Object.setPrototypeOf(PassThrough.prototype, Transform.prototype);
Object.setPrototypeOf(PassThrough, Transform);

PassThrough.prototype._transform = function _transform(chunk, encoding, done) {
	done(null, chunk);
};

module.exports = { Duplex, Transform, PassThrough };
