'use strict';
// structuredClone: a copy of a value with all it refers to.

const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

const refuse = (value, why = 'cannot be cloned') => {
	throw new DOMException(`structuredClone: ${internal.shown(value)} ${why}`, 'DataCloneError');
};

// The brand of an object, whatever its prototype says: the getter or method knows its own.
const is = (test) => (object) => {
	try {
		test(object);
		return true;
	} catch {
		return false;
	}
};
const getter = (prototype, name) =>
	Function.prototype.call.bind(Object.getOwnPropertyDescriptor(prototype, name).get);
const mapSize = getter(Map.prototype, 'size');
const setSize = getter(Set.prototype, 'size');
const byteLength = getter(ArrayBuffer.prototype, 'byteLength');
const BRANDS = [
	['Boolean', is(Function.prototype.call.bind(Boolean.prototype.valueOf))],
	['Number', is(Function.prototype.call.bind(Number.prototype.valueOf))],
	['String', is(Function.prototype.call.bind(String.prototype.valueOf))],
	['BigInt', is(Function.prototype.call.bind(BigInt.prototype.valueOf))],
	['Symbol', is(Function.prototype.call.bind(Symbol.prototype.valueOf))],
	['Date', is(Function.prototype.call.bind(Date.prototype.getTime))],
	['Map', is(mapSize)],
	['Set', is(setSize)],
	['ArrayBuffer', is(byteLength)],
	['WeakMap', is((object) => WeakMap.prototype.has.call(object, {}))],
	['WeakSet', is((object) => WeakSet.prototype.has.call(object, {}))],
	['WeakRef', is((object) => WeakRef.prototype.deref.call(object))],
];
if (typeof SharedArrayBuffer === 'function')
	BRANDS.push(['SharedArrayBuffer', is(getter(SharedArrayBuffer.prototype, 'byteLength'))]);

const brandOf = (object) => {
	if (Array.isArray(object))
		return 'Array';
	if (ArrayBuffer.isView(object))
		return 'view';
	if (object instanceof Error)
		return 'Error';
	if (object instanceof RegExp)
		return 'RegExp';
	if (object instanceof Promise)
		return 'Promise';
	// Most are plain: no look at the other brands.
	const above = Object.getPrototypeOf(object);
	if (above === Object.prototype || above === null)
		return 'Object';
	const brand = BRANDS.find(([, test]) => test(object));
	return brand ? brand[0] : 'Object';
};

// What of its buffer a view shows: forgotten when the buffer moves.
const shapeOf = (view) => {
	if (view instanceof DataView)
		return [DataView, view.byteOffset, view.byteLength];
	const name = Reflect.get(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag, view);
	return [globalThis[name], view.byteOffset, view.length];
};

class Cloner {
	#known = new Map();
	#shapes;

	constructor(shapes) {
		this.#shapes = shapes;
	}

	knows(from, to) {
		this.#known.set(from, to);
		return to;
	}

	clone(value) {
		if (typeof value === 'function' || typeof value === 'symbol')
			refuse(value);
		if (typeof value !== 'object' || value === null)
			return value;
		const known = this.#known.get(value);
		return known === undefined ? this.#object(value) : known;
	}

	#object(object) {
		if (internal.handle(object) !== undefined)
			refuse(object);
		const brand = brandOf(object);
		switch (brand) {
		case 'Array':
			return this.#members(object, this.knows(object, new Array(object.length)));
		case 'Object':
			return this.#members(object, this.knows(object, {}));
		case 'Boolean':
		case 'Number':
		case 'String':
		case 'BigInt':
			return this.knows(object, Object(globalThis[brand].prototype.valueOf.call(object)));
		case 'Date':
			return this.knows(object, new Date(Date.prototype.getTime.call(object)));
		case 'RegExp':
			return this.knows(object, new RegExp(object.source, object.flags));
		case 'ArrayBuffer':
			return this.knows(object, this.#buffer(object));
		case 'view':
			return this.knows(object, this.#view(object));
		case 'Map':
			return this.#map(object);
		case 'Set':
			return this.#set(object);
		case 'Error':
			return this.#error(object);
		default:
			return refuse(object);
		}
	}

	#members(from, to) {
		for (const name of Object.keys(from))
			Object.defineProperty(to, name, { value: this.clone(from[name]), writable: true,
				enumerable: true, configurable: true });
		return to;
	}

	#buffer(buffer) {
		if (buffer.detached)
			refuse(buffer, 'is detached');
		if (!buffer.resizable)
			return buffer.slice(0);
		const copy = new ArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength });
		new Uint8Array(copy).set(new Uint8Array(buffer));
		return copy;
	}

	#view(view) {
		const shape = this.#shapes.get(view) ?? shapeOf(view);
		const [Kind, offset, length] = shape;
		this.#shapes.set(view, shape);
		return new Kind(this.clone(view.buffer), offset, length);
	}

	#map(map) {
		const copy = this.knows(map, new Map());
		for (const [key, value] of [...Map.prototype.entries.call(map)])
			copy.set(this.clone(key), this.clone(value));
		return copy;
	}

	#set(set) {
		const copy = this.knows(set, new Set());
		for (const value of [...Set.prototype.values.call(set)])
			copy.add(this.clone(value));
		return copy;
	}

	#error(error) {
		if (error instanceof DOMException)
			return this.knows(error, new DOMException(error.message, error.name));
		const Kind = Object.hasOwn(ERRORS, error.name) ? ERRORS[error.name] : Error;
		const message = Object.getOwnPropertyDescriptor(error, 'message')?.value;
		const copy = this.knows(error, new Kind(message === undefined ? '' : String(message)));
		Object.defineProperty(copy, 'stack', { value: String(error.stack), writable: true,
			configurable: true });
		if (Object.hasOwn(error, 'cause'))
			Object.defineProperty(copy, 'cause', { value: this.clone(error.cause),
				writable: true, configurable: true });
		return copy;
	}
}

const transferable = (transfer) => {
	const list = [...transfer];
	for (const one of list) {
		if (!(one instanceof ArrayBuffer))
			refuse(one, 'cannot be transferred: only an ArrayBuffer can');
		if (one.detached)
			refuse(one, 'is detached');
	}
	if (new Set(list).size < list.length)
		refuse(list, 'has something twice');
	return list;
};

// Nothing moves unless all can be cloned: what is transferred is at first taken for itself.
internal.publish('structuredClone', function structuredClone(value, options) {
	if (arguments.length === 0)
		throw new TypeError('structuredClone: value: something to clone is needed');
	const list = transferable(options?.transfer ?? []);
	const shapes = new Map();
	const first = new Cloner(shapes);
	for (const buffer of list)
		first.knows(buffer, buffer);
	const copy = first.clone(value);
	if (list.length === 0)
		return copy;
	const second = new Cloner(shapes);
	for (const buffer of list)
		second.knows(buffer, buffer.transfer());
	return second.clone(value);
});
