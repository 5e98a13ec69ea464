'use strict';
// DOMException, events, and what aborts operations.

const CODES = {
	IndexSizeError: 1, HierarchyRequestError: 3, InvalidCharacterError: 5,
	NoModificationAllowedError: 7, NotFoundError: 8, NotSupportedError: 9,
	InvalidStateError: 11, SyntaxError: 12, InvalidAccessError: 15, SecurityError: 18,
	NetworkError: 19, AbortError: 20, QuotaExceededError: 22, TimeoutError: 23,
	DataCloneError: 25,
};

class DOMException extends Error {
	#name;

	constructor(message = '', options = 'Error') {
		const isObject = typeof options === 'object' && options !== null;
		super(String(message), isObject && 'cause' in options ? { cause: options.cause } : undefined);
		this.#name = String(isObject ? options.name ?? 'Error' : options);
	}

	get name() {
		return this.#name;
	}

	get code() {
		return CODES[this.#name] ?? 0;
	}
}

const hidden = (object, names) => {
	for (const name of names)
		Object.defineProperty(object, name, { enumerable: true });
};
hidden(DOMException.prototype, ['name', 'code']);

/* ---- Events ---- */

const state = Symbol('state');

class Event {
	static NONE = 0;
	static CAPTURING_PHASE = 1;
	static AT_TARGET = 2;
	static BUBBLING_PHASE = 3;

	constructor(type, options = {}) {
		if (arguments.length === 0)
			throw new TypeError('Event: type: a string is needed');
		const { bubbles, cancelable, composed } = options ?? {};
		Object.defineProperty(this, state, { value: {
			type: String(type), bubbles: Boolean(bubbles), cancelable: Boolean(cancelable),
			composed: Boolean(composed), target: null, isTrusted: false, isDispatched: false,
			isStopped: false, isPrevented: false, isPassive: false, at: internal.now(),
		} });
	}

	get type() {
		return this[state].type;
	}

	get target() {
		return this[state].target;
	}

	get srcElement() {
		return this[state].target;
	}

	get currentTarget() {
		return this[state].isDispatched ? this[state].target : null;
	}

	get eventPhase() {
		return this[state].isDispatched ? Event.AT_TARGET : Event.NONE;
	}

	get bubbles() {
		return this[state].bubbles;
	}

	get cancelable() {
		return this[state].cancelable;
	}

	get composed() {
		return this[state].composed;
	}

	get defaultPrevented() {
		return this[state].isPrevented;
	}

	get isTrusted() {
		return this[state].isTrusted;
	}

	get timeStamp() {
		return this[state].at;
	}

	composedPath() {
		return this[state].isDispatched ? [this[state].target] : [];
	}

	preventDefault() {
		if (this[state].cancelable && !this[state].isPassive)
			this[state].isPrevented = true;
	}

	stopPropagation() {}

	stopImmediatePropagation() {
		this[state].isStopped = true;
	}
}

class CustomEvent extends Event {
	#detail;

	constructor(type, options = {}) {
		super(type, options);
		this.#detail = options?.detail ?? null;
	}

	get detail() {
		return this.#detail;
	}
}

// As an uncaught error elsewhere; the other listeners still hear of the event.
const report = (thrown) => {
	Promise.reject(thrown);
};

const call = (target, listener, event) => {
	try {
		if (typeof listener.callback === 'function')
			listener.callback.call(target, event);
		else
			listener.callback.handleEvent(event);
	} catch (thrown) {
		report(thrown);
	}
};

const deliver = (target, list, event) => {
	for (const listener of [...list]) {
		if (event[state].isStopped)
			break;
		if (listener.isGone)
			continue;
		if (listener.once)
			target.removeEventListener(event.type, listener.callback, listener);
		event[state].isPassive = listener.passive;
		call(target, listener, event);
	}
};

class EventTarget {
	#listeners = new Map();
	#handlers = new Map();

	addEventListener(type, callback, options) {
		if (callback === null || callback === undefined)
			return;
		if (typeof callback !== 'function' && typeof callback !== 'object')
			internal.wrongType('addEventListener: callback', 'a function', callback);
		const { once, capture, passive, signal } =
			typeof options === 'object' && options !== null ? options : { capture: options };
		if (signal?.aborted)
			return;
		const list = this.#listeners.get(String(type)) ?? [];
		if (list.some((one) => one.callback === callback && one.capture === Boolean(capture)))
			return;
		list.push({ callback, once: Boolean(once), capture: Boolean(capture),
			passive: Boolean(passive), isGone: false });
		this.#listeners.set(String(type), list);
		signal?.addEventListener('abort',
			() => this.removeEventListener(type, callback, { capture }), { once: true });
	}

	removeEventListener(type, callback, options) {
		const capture = Boolean(typeof options === 'object' ? options?.capture : options);
		const list = this.#listeners.get(String(type)) ?? [];
		const at = list.findIndex((one) => one.callback === callback && one.capture === capture);
		if (at < 0)
			return;
		list[at].isGone = true;
		list.splice(at, 1);
	}

	dispatchEvent(event) {
		if (!(event instanceof Event))
			internal.wrongType('dispatchEvent: event', 'an Event', event);
		const own = event[state];
		if (own.isDispatched)
			throw new DOMException('dispatchEvent: the event is being dispatched already',
				'InvalidStateError');
		own.target = this;
		own.isDispatched = true;
		deliver(this, this.#listeners.get(own.type) ?? [], event);
		own.isDispatched = false;
		own.isPassive = own.isStopped = false;
		return !own.isPrevented;
	}

	// The function of an on… property; it keeps its place among the listeners.
	static handler(target, type, ...value) {
		const found = target.#handlers.get(type);
		if (value.length === 0)
			return found?.callback ?? null;
		const callback = typeof value[0] === 'function' ? value[0] : null;
		if (found !== undefined) {
			found.callback = callback;
			return callback;
		}
		const handler = { callback };
		target.#handlers.set(type, handler);
		target.addEventListener(type, (event) => handler.callback?.call(target, event));
		return callback;
	}
}
const { handler } = EventTarget;
delete EventTarget.handler;

/* ---- Aborting ---- */

const making = Symbol('making');

class AbortSignal extends EventTarget {
	#isAborted = false;
	#reason;
	#followers = new Set();
	#sources = [];

	constructor(secret) {
		if (secret !== making)
			throw new TypeError('AbortSignal: made by an AbortController only');
		super();
	}

	get aborted() {
		return this.#isAborted;
	}

	get reason() {
		return this.#reason;
	}

	get onabort() {
		return handler(this, 'abort');
	}

	set onabort(callback) {
		handler(this, 'abort', callback);
	}

	throwIfAborted() {
		if (this.#isAborted)
			throw this.#reason;
	}

	static #end(signal, reason) {
		if (signal.#isAborted)
			return;
		const all = [signal, ...signal.#followers].filter((one) => !one.#isAborted);
		for (const one of all) {
			one.#isAborted = true;
			one.#reason = reason;
		}
		for (const one of all) {
			const event = new Event('abort');
			event[state].isTrusted = true;
			one.dispatchEvent(event);
			one.#followers.clear();
			one.#sources = [];
		}
	}

	static [making](signal, reason = new DOMException('This operation was aborted', 'AbortError')) {
		AbortSignal.#end(signal, reason);
	}

	static abort(reason) {
		const signal = new AbortSignal(making);
		abort(signal, reason);
		return signal;
	}

	static timeout(ms) {
		internal.integer('AbortSignal.timeout: milliseconds', ms, 0, Number.MAX_SAFE_INTEGER);
		const signal = new AbortSignal(making);
		setTimeout(() => AbortSignal.#end(signal,
			new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms)
			.unref();
		return signal;
	}

	// Follows the first of them that is aborted.
	static any(signals) {
		const result = new AbortSignal(making);
		const list = [...signals];
		for (const signal of list)
			if (!(signal instanceof AbortSignal))
				internal.wrongType('AbortSignal.any: signals', 'a list of AbortSignals', signal);
		const ended = list.find((signal) => signal.#isAborted);
		if (ended !== undefined) {
			AbortSignal.#end(result, ended.#reason);
			return result;
		}
		const roots = list.flatMap((one) => one.#sources.length > 0 ? one.#sources : [one]);
		for (const root of new Set(roots)) {
			root.#followers.add(result);
			result.#sources.push(root);
		}
		return result;
	}
}
const abort = AbortSignal[making];
delete AbortSignal[making];

class AbortController {
	#signal = new AbortSignal(making);

	get signal() {
		return this.#signal;
	}

	abort(reason) {
		abort(this.#signal, reason);
	}
}

for (const made of [DOMException, Event, CustomEvent, EventTarget, AbortSignal, AbortController]) {
	Object.defineProperty(made.prototype, Symbol.toStringTag,
		{ value: made.name, configurable: true });
	internal.publish(made.name, made);
}
