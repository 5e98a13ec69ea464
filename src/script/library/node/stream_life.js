'use strict';
// What readable and writable streams share: their end. A stream is destroyed once; behind its
// _destroy come "error", if there was one, and "close", never within the call that caused them.

const EventEmitter = require('./events');
const { callable } = require('./errors');

const LIFE = Symbol('life');

const later = (fn) => queueMicrotask(fn);

class Life {
	isDestroyed = false;
	isClosed = false;
	isCloseTold = false;
	isErrorTold = false;
	errored = null;
	isAuto;
	tellsClose;

	constructor({ autoDestroy = true, emitClose = true }) {
		this.isAuto = autoDestroy;
		this.tellsClose = emitClose;
	}
}

const begin = (stream, options) => {
	Object.defineProperty(stream, LIFE, { value: new Life(options) });
	if (options.signal)
		require('./stream_signal').follow(options.signal, stream);
	if (typeof options.destroy === 'function')
		stream._destroy = options.destroy;
};

const tell = (stream, error) => {
	const life = stream[LIFE];
	if (error && !life.isErrorTold) {
		life.isErrorTold = true;
		stream.emit('error', error);
	}
};

const close = (stream, error) => {
	const life = stream[LIFE];
	try {
		tell(stream, error);
	} finally {
		life.isCloseTold = true;
		if (life.tellsClose)
			stream.emit('close');
	}
};

function destroy(error, done) {
	const life = this[LIFE];
	if (life.isDestroyed) {
		done?.();
		return this;
	}
	life.isDestroyed = true;
	life.errored = error ?? null;
	let isOver = false;
	const over = (failed) => {
		if (isOver)
			return;
		isOver = true;
		life.errored ??= failed ?? null;
		life.isClosed = true;
		later(() => {
			done?.(failed);
			close(this, failed);
		});
	};
	try {
		this._destroy(error ?? null, over);
	} catch (thrown) {
		over(thrown);
	}
	return this;
}

// An error that the stream itself met.
const fail = (stream, error) => {
	const life = stream[LIFE];
	if (life.isDestroyed)
		return;
	if (life.isAuto) {
		stream.destroy(error);
		return;
	}
	life.errored ??= error;
	later(() => tell(stream, error));
};

function Stream() {
	EventEmitter.call(this);
}
Object.setPrototypeOf(Stream.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Stream, EventEmitter);

Stream.prototype.destroy = destroy;
Stream.prototype._destroy = function _destroy(error, done) {
	done(error);
};
Stream.prototype[Symbol.asyncDispose] = async function asyncDispose() {
	if (!this[LIFE].isDestroyed)
		this.destroy();
};

const getters = (target, all) => {
	for (const [name, get] of Object.entries(all))
		Object.defineProperty(target, name, { get, configurable: true });
};

getters(Stream.prototype, {
	closed() {
		return this[LIFE]?.isClosed ?? false;
	},
	destroyed() {
		return this[LIFE]?.isDestroyed ?? false;
	},
	errored() {
		return this[LIFE]?.errored ?? null;
	},
});

// A high-water mark: of octets, or of objects.
const markOf = (options, own, isObject) => {
	const mark = options.highWaterMark ?? options[own];
	if (mark === undefined || mark === null)
		return isObject ? 16 : defaults.octets;
	if (!Number.isInteger(mark) || mark < 0)
		throw require('./errors').wrongValue(`stream: ${own}`, 'a whole number from 0 on', mark);
	return mark;
};

const defaults = { octets: 65536 };

const take = (stream, options, names) => {
	for (const name of names)
		if (options[name] !== undefined)
			stream[`_${name}`] = callable(`stream: ${name}`, options[name]);
};

module.exports = { LIFE, Stream, begin, fail, getters, later, markOf, take };
