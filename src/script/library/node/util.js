'use strict';
// util: promises of callbacks and back, inheritance of the old kind, texts of values.

const { callable, wrongType } = require('./errors');
const { isDeepEqual } = require('./deep');

internal.need('infinity.text');

const custom = Symbol.for('nodejs.util.promisify.custom');

const promisify = (original) => {
	callable('util.promisify: original', original);
	if (typeof original[custom] === 'function')
		return original[custom];
	const made = function (...args) {
		return new Promise((resolve, reject) => {
			original.call(this, ...args, (error, value) => error ? reject(error) : resolve(value));
		});
	};
	Object.setPrototypeOf(made, Object.getPrototypeOf(original));
	return Object.defineProperties(made, Object.getOwnPropertyDescriptors(original));
};
promisify.custom = custom;

const callbackify = (original) => {
	callable('util.callbackify: original', original);
	return function (...args) {
		const done = callable('util.callbackify: callback', args.pop());
		original.apply(this, args).then((value) => queueMicrotask(() => done(null, value)),
			(error) => queueMicrotask(() => done(error ?? Object.assign(
				new Error('Promise was rejected with a falsy value'),
				{ code: 'ERR_FALSY_VALUE_REJECTION', reason: error }))));
	};
};

const inherits = (constructor, above) => {
	callable('util.inherits: constructor', constructor);
	callable('util.inherits: superConstructor', above);
	if (above.prototype === undefined)
		throw wrongType('util.inherits: superConstructor', 'a constructor', above);
	Object.defineProperty(constructor, 'super_',
		{ value: above, writable: true, configurable: true });
	Object.setPrototypeOf(constructor.prototype, above.prototype);
};

const inspect = (value) => typeof value === 'string' ?
	`'${value.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'` : internal.inspect(value);
inspect.custom = Symbol.for('nodejs.util.inspect.custom');

const shown = (value) => typeof value === 'string' ? value : inspect(value);

const json = (value) => {
	try {
		return JSON.stringify(value);
	} catch {
		return '[Circular]';
	}
};

const places = {
	s: (value) => typeof value === 'string' ? value :
		typeof value === 'object' && value !== null ? inspect(value) : String(value),
	d: (value) => String(typeof value === 'object' ? NaN : Number(value)),
	i: (value) => String(typeof value === 'object' ? NaN : parseInt(value, 10)),
	f: (value) => String(parseFloat(value)),
	j: json,
	o: inspect,
	O: inspect,
	c: () => '',
};

const format = (first, ...rest) => {
	if (typeof first !== 'string')
		return [first, ...rest].map(shown).join(' ');
	const text = first.replace(/%([sdifjoOc%])/g, (found, letter) => {
		if (letter === '%')
			return rest.length > 0 || first !== found ? '%' : found;
		return rest.length > 0 ? places[letter](rest.shift()) : found;
	});
	return [text, ...rest.map(shown)].join(' ');
};

const deprecate = (fn, message) => {
	let isTold = false;
	return function (...args) {
		if (!isTold)
			console.warn(`DeprecationWarning: ${message}`);
		isTold = true;
		return new.target ? Reflect.construct(fn, args, new.target) : fn.apply(this, args);
	};
};

const types = {
	isAnyArrayBuffer: (value) => value instanceof ArrayBuffer,
	isArrayBuffer: (value) => value instanceof ArrayBuffer,
	isAsyncFunction: (value) => value instanceof (async () => {}).constructor,
	isDate: (value) => value instanceof Date,
	isMap: (value) => value instanceof Map,
	isNativeError: (value) => value instanceof Error,
	isPromise: (value) => value instanceof Promise,
	isRegExp: (value) => value instanceof RegExp,
	isSet: (value) => value instanceof Set,
	isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
	isUint8Array: (value) => value instanceof Uint8Array,
};

module.exports = {
	callbackify, debuglog: () => () => {}, deprecate, format, inherits, inspect,
	isDeepStrictEqual: (a, b) => isDeepEqual(a, b, true), promisify, TextDecoder, TextEncoder,
	types,
};
