'use strict';
// Whether two values are the same, all the way down: assert.deepEqual, util.isDeepStrictEqual.

const tagOf = (value) => Object.prototype.toString.call(value);
const isObject = (value) => typeof value === 'object' && value !== null;

// NaN is itself; loosely, -0 is 0 and '1' is 1.
const isSame = (a, b, isStrict) =>
	isStrict ? Object.is(a, b) : a == b || (Number.isNaN(a) && Number.isNaN(b)); // eslint-disable-line

const keysOf = (value) => [...Object.keys(value), ...Object.getOwnPropertySymbols(value)
	.filter((key) => Object.prototype.propertyIsEnumerable.call(value, key))];

class Comparison {
	#isStrict;
	#pairs = new Map(); // what is being compared further up: circles are equal to circles

	constructor(isStrict) {
		this.#isStrict = isStrict;
	}

	equal(a, b) {
		if (!isObject(a) || !isObject(b))
			return isSame(a, b, this.#isStrict);
		if (a === b || this.#pairs.get(a) === b)
			return true;
		this.#pairs.set(a, b);
		const found = this.#objects(a, b);
		this.#pairs.delete(a);
		return found;
	}

	#objects(a, b) {
		if (this.#isStrict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b))
			return false;
		return tagOf(a) === tagOf(b) && Array.isArray(a) === Array.isArray(b) &&
			this.#insides(a, b) && this.#members(a, b);
	}

	// What is no property.
	#insides(a, b) {
		if (a instanceof Date)
			return Object.is(a.getTime(), b.getTime());
		if (a instanceof RegExp)
			return String(a) === String(b) && a.lastIndex === b.lastIndex;
		if (a instanceof Error)
			return a.message === b.message && a.name === b.name;
		if (a instanceof Number || a instanceof String || a instanceof Boolean)
			return Object.is(a.valueOf(), b.valueOf());
		if (a instanceof Map)
			return a.size === b.size && this.#maps(a, b);
		if (a instanceof Set)
			return a.size === b.size && this.#sets(a, b);
		if (a instanceof ArrayBuffer)
			return this.equal(new Uint8Array(a), new Uint8Array(b));
		return Array.isArray(a) || ArrayBuffer.isView(a) ? a.length === b.length : true;
	}

	#maps(a, b) {
		const rest = new Map(b);
		return [...a].every(([key, value]) => {
			const other = rest.has(key) ? key :
				[...rest.keys()].find((one) => isObject(one) && this.equal(key, one));
			const isThere = rest.has(other) && this.equal(value, rest.get(other));
			rest.delete(other);
			return isThere;
		});
	}

	#sets(a, b) {
		const rest = new Set(b);
		return [...a].every((value) => rest.delete(value) ||
			rest.delete([...rest].find((one) => isObject(one) && this.equal(value, one))));
	}

	#members(a, b) {
		const keys = keysOf(a);
		return keys.length === keysOf(b).length &&
			keys.every((key) => Object.hasOwn(b, key) && this.equal(a[key], b[key]));
	}
}

exports.isDeepEqual = (a, b, isStrict) => new Comparison(isStrict).equal(a, b);
