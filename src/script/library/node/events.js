'use strict';
// events: EventEmitter as Node documents it, without captureRejections. A constructor of the old
// kind, so that EventEmitter.call(this) and util.inherits work; listeners are kept in lists that
// never change: who emits goes through the list as it was.

const { aborted, callable, make, outOfRange, wrongType } = require('./errors');

const LISTENERS = Symbol('listeners');
const MAX = Symbol('maxListeners');
const none = Object.freeze([]);
let defaultMax = 10;

const hide = (object, key, value) =>
	Object.defineProperty(object, key, { value, writable: true, configurable: true });

function EventEmitter() {
	if (!Object.hasOwn(this, LISTENERS))
		hide(this, LISTENERS, new Map());
}

// Objects whose constructor was never called get theirs late, and never their prototype's.
const mapOf = (emitter) => {
	if (!Object.hasOwn(emitter, LISTENERS))
		hide(emitter, LISTENERS, new Map());
	return emitter[LISTENERS];
};

const listOf = (emitter, name) => mapOf(emitter).get(name) ?? none;

const maximum = (name, value) => {
	if (typeof value !== 'number')
		throw wrongType(name, 'a number', value);
	if (!(value >= 0))
		throw outOfRange(name, 'a number from 0 on', value);
	return value;
};

const warn = (emitter, name, list) => {
	const max = emitter.getMaxListeners();
	if (max > 0 && list.length === max + 1)
		console.warn(`MaxListenersExceededWarning: ${list.length} listeners of ${String(name)}; ` +
			'emitter.setMaxListeners() allows more');
};

// What once() adds is a function of its own that knows the listener.
const ownOf = (call) => call.listener ?? call;

const add = (emitter, name, call, isFirst) => {
	const map = mapOf(emitter);
	if (map.has('newListener'))
		emitter.emit('newListener', name, ownOf(call));
	const list = map.get(name) ?? none;
	const longer = isFirst ? [call, ...list] : [...list, call];
	map.set(name, longer);
	warn(emitter, name, longer);
	return emitter;
};

const drop = (emitter, name, place) => {
	const map = mapOf(emitter);
	const list = map.get(name);
	if (list.length === 1)
		map.delete(name);
	else
		map.set(name, list.toSpliced(place, 1));
	if (map.has('removeListener'))
		emitter.emit('removeListener', name, ownOf(list[place]));
};

const onceOnly = (emitter, name, listener) => {
	let isCalled = false;
	const call = function (...args) {
		if (isCalled)
			return undefined;
		isCalled = true;
		emitter.removeListener(name, call);
		return listener.apply(this, args);
	};
	call.listener = listener;
	return call;
};

const unhandled = (thrown) => {
	if (thrown instanceof Error)
		return thrown;
	const error = make(Error, 'ERR_UNHANDLED_ERROR',
		`Unhandled error. (${typeof thrown === 'string' ? `'${thrown}'` : internal.inspect(thrown)})`);
	error.context = thrown;
	return error;
};

EventEmitter.errorMonitor = Symbol('events.errorMonitor');

EventEmitter.prototype.emit = function emit(name, ...args) {
	const map = mapOf(this);
	if (name === 'error' && map.has(EventEmitter.errorMonitor))
		this.emit(EventEmitter.errorMonitor, ...args);
	const list = map.get(name);
	if (list === undefined) {
		if (name === 'error')
			throw unhandled(args[0]);
		return false;
	}
	for (const call of list)
		call.apply(this, args);
	return true;
};

EventEmitter.prototype.on = function on(name, listener) {
	return add(this, name, callable('EventEmitter.on: listener', listener), false);
};
EventEmitter.prototype.addListener = EventEmitter.prototype.on;

EventEmitter.prototype.prependListener = function prependListener(name, listener) {
	callable('EventEmitter.prependListener: listener', listener);
	return add(this, name, listener, true);
};

EventEmitter.prototype.once = function once(name, listener) {
	callable('EventEmitter.once: listener', listener);
	return this.on(name, onceOnly(this, name, listener));
};

EventEmitter.prototype.prependOnceListener = function prependOnceListener(name, listener) {
	callable('EventEmitter.prependOnceListener: listener', listener);
	return this.prependListener(name, onceOnly(this, name, listener));
};

// The one that was added last goes first.
EventEmitter.prototype.off = function off(name, listener) {
	callable('EventEmitter.off: listener', listener);
	const place = listOf(this, name).findLastIndex((call) =>
		call === listener || call.listener === listener);
	if (place >= 0)
		drop(this, name, place);
	return this;
};
EventEmitter.prototype.removeListener = EventEmitter.prototype.off;

EventEmitter.prototype.removeAllListeners = function removeAllListeners(...names) {
	const map = mapOf(this);
	if (!map.has('removeListener')) {
		if (names.length === 0)
			map.clear();
		else
			map.delete(names[0]);
		return this;
	}
	const all = names.length > 0 ? [names[0]] :
		[...map.keys()].filter((name) => name !== 'removeListener').concat('removeListener');
	for (const name of all)
		for (let left = listOf(this, name).length; left > 0; left--)
			drop(this, name, left - 1);
	return this;
};

EventEmitter.prototype.listeners = function listeners(name) {
	return listOf(this, name).map(ownOf);
};

EventEmitter.prototype.rawListeners = function rawListeners(name) {
	return [...listOf(this, name)];
};

EventEmitter.prototype.listenerCount = function listenerCount(name, listener) {
	const list = listOf(this, name);
	return listener === undefined ? list.length :
		list.filter((call) => ownOf(call) === listener).length;
};

EventEmitter.prototype.eventNames = function eventNames() {
	return [...mapOf(this).keys()];
};

EventEmitter.prototype.setMaxListeners = function setMaxListeners(count) {
	hide(this, MAX, maximum('EventEmitter.setMaxListeners: n', count));
	return this;
};

EventEmitter.prototype.getMaxListeners = function getMaxListeners() {
	return this[MAX] ?? defaultMax;
};

// ---- Functions of the module ----

const isTarget = (emitter) => typeof emitter?.addEventListener === 'function';

const listen = (emitter, name, listener) => {
	if (isTarget(emitter))
		emitter.addEventListener(name, listener, { once: true });
	else if (typeof emitter?.once === 'function')
		emitter.once(name, listener);
	else
		throw make(TypeError, 'ERR_INVALID_ARG_TYPE',
			'events.once: emitter: an EventEmitter or EventTarget');
};

const unlisten = (emitter, name, listener) => {
	if (isTarget(emitter))
		emitter.removeEventListener(name, listener);
	else
		emitter.removeListener(name, listener);
};

EventEmitter.once = (emitter, name, { signal } = {}) => new Promise((resolve, reject) => {
	if (signal?.aborted)
		throw aborted(signal.reason);
	const end = (settle, value) => {
		unlisten(emitter, name, came);
		if (!isTarget(emitter))
			emitter.removeListener('error', failed);
		signal?.removeEventListener('abort', stop);
		settle(value);
	};
	const came = (...args) => end(resolve, args);
	const failed = (error) => end(reject, error);
	const stop = () => end(reject, aborted(signal.reason));
	listen(emitter, name, came);
	if (name !== 'error' && !isTarget(emitter))
		emitter.once('error', failed);
	signal?.addEventListener('abort', stop, { once: true });
});

// What came and what waits for it: one of the two lists is empty.
class Feed {
	#came = [];
	#waiting = [];
	#end; // { error } or {}
	#stop;

	constructor(stop) {
		this.#stop = stop;
	}

	add(value) {
		const waiting = this.#waiting.shift();
		if (waiting)
			waiting.resolve({ value, done: false });
		else
			this.#came.push(value);
	}

	end(end) {
		if (this.#end)
			return;
		this.#end = end;
		this.#stop();
		const waiting = this.#waiting.shift();
		if (waiting)
			this.#finish(waiting);
		for (const other of this.#waiting.splice(0))
			other.resolve({ value: undefined, done: true });
	}

	#finish({ resolve, reject }) {
		const { error } = this.#end;
		this.#end = {};
		if (error === undefined)
			resolve({ value: undefined, done: true });
		else
			reject(error);
	}

	next() {
		return new Promise((resolve, reject) => {
			if (this.#came.length > 0)
				resolve({ value: this.#came.shift(), done: false });
			else if (this.#end)
				this.#finish({ resolve, reject });
			else
				this.#waiting.push({ resolve, reject });
		});
	}

	return(value) {
		this.#came = [];
		this.end({});
		return Promise.resolve({ value, done: true });
	}

	throw(error) {
		this.end({ error });
		return Promise.resolve({ value: undefined, done: true });
	}

	[Symbol.asyncIterator]() {
		return this;
	}
}

EventEmitter.on = (emitter, name, { signal } = {}) => {
	if (signal?.aborted)
		throw aborted(signal.reason);
	const came = (...args) => feed.add(args);
	const failed = (error) => feed.end({ error });
	const stop = () => feed.end({ error: aborted(signal.reason) });
	const feed = new Feed(() => {
		emitter.off(name, came);
		emitter.off('error', failed);
		signal?.removeEventListener('abort', stop);
	});
	emitter.on(name, came);
	if (name !== 'error')
		emitter.on('error', failed);
	signal?.addEventListener('abort', stop, { once: true });
	return feed;
};

EventEmitter.listenerCount = (emitter, name) => emitter.listenerCount(name);
EventEmitter.getEventListeners = (emitter, name) => emitter.listeners(name);
EventEmitter.setMaxListeners = (count, ...emitters) => {
	maximum('events.setMaxListeners: n', count);
	if (emitters.length === 0)
		defaultMax = count;
	for (const emitter of emitters)
		emitter.setMaxListeners?.(count);
};
Object.defineProperty(EventEmitter, 'defaultMaxListeners', {
	get: () => defaultMax,
	set(count) {
		defaultMax = maximum('events.defaultMaxListeners', count);
	},
	enumerable: true,
});

EventEmitter.EventEmitter = EventEmitter;
module.exports = EventEmitter;
