'use strict';
// Assertions that say what is and what should be.

const show = (value) => {
	if (typeof value === 'string')
		return JSON.stringify(value);
	if (value instanceof Uint8Array)
		return `<${[...value.subarray(0, 64)].map((n) => n.toString(16).padStart(2, '0')).join(' ')}` +
			`${value.length > 64 ? ` … ${value.length} octets` : ''}>`;
	if (value instanceof Error)
		return `${value.name}: ${value.message} (${value.code})`;
	try {
		return JSON.stringify(value, (key, v) => typeof v === 'bigint' ? `${v}n` : v) ?? String(value);
	} catch {
		return String(value);
	}
};

class AssertionError extends Error {
	name = 'AssertionError';
}

const fail = (message, text) => {
	throw new AssertionError(message === undefined ? text : `${message}: ${text}`);
};

const isPlain = (value) => typeof value === 'object' && value !== null;

const sameBytes = (a, b) => a.length === b.length && a.every((n, i) => n === b[i]);

function same(a, b) {
	if (Object.is(a, b))
		return true;
	if (!isPlain(a) || !isPlain(b) || Array.isArray(a) !== Array.isArray(b))
		return false;
	if (a instanceof Uint8Array || b instanceof Uint8Array)
		return a instanceof Uint8Array && b instanceof Uint8Array && sameBytes(a, b);
	if (a instanceof Date || b instanceof Date)
		return a instanceof Date && b instanceof Date && a.getTime() === b.getTime();
	if (a instanceof Map && b instanceof Map)
		return same([...a], [...b]);
	if (a instanceof Set && b instanceof Set)
		return same([...a], [...b]);
	const keys = Object.keys(a);
	return keys.length === Object.keys(b).length &&
		keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

// like: nothing, a class, a regular expression for the message, or an object of members.
function checkError(error, like, message) {
	if (like === undefined)
		return error;
	if (typeof like === 'function') {
		if (!(error instanceof like))
			fail(message, `${show(error)} is no ${like.name}`);
	} else if (like instanceof RegExp) {
		if (!like.test(error?.message))
			fail(message, `${show(error)} does not match ${like}`);
	} else {
		for (const [key, value] of Object.entries(like)) {
			const good = value instanceof RegExp ? value.test(error?.[key]) : same(error?.[key], value);
			if (!good)
				fail(message, `${key} is ${show(error?.[key])}, not ${value instanceof RegExp ?
					value : show(value)}, of ${show(error)}`);
		}
	}
	return error;
}

const assert = {
	ok(value, message) {
		if (!value)
			fail(message, `${show(value)} is not true`);
	},
	equal(is, should, message) {
		if (!Object.is(is, should))
			fail(message, `${show(is)}, not ${show(should)}`);
	},
	notEqual(is, other, message) {
		if (Object.is(is, other))
			fail(message, `${show(is)} on both sides`);
	},
	deepEqual(is, should, message) {
		if (!same(is, should))
			fail(message, `${show(is)}, not ${show(should)}`);
	},
	match(text, pattern, message) {
		if (typeof text !== 'string' || !pattern.test(text))
			fail(message, `${show(text)} does not match ${pattern}`);
	},
	// Both give the error.
	throws(fn, like, message) {
		let thrown;
		try {
			fn();
		} catch (error) {
			thrown = { error };
		}
		return thrown ? checkError(thrown.error, like, message) : fail(message, 'it did not throw');
	},
	async rejects(promise, like, message) {
		let thrown;
		try {
			await (typeof promise === 'function' ? promise() : promise);
		} catch (error) {
			thrown = { error };
		}
		return thrown ? checkError(thrown.error, like, message) : fail(message, 'it did not reject');
	},
	fail(message = 'reached') {
		fail(undefined, message);
	},
};

module.exports = { assert, AssertionError };
