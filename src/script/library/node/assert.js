'use strict';
// assert: the checks most tests are made of. deepEqual and equal compare loosely, as Node has it.

const { isDeepEqual } = require('./deep');
const { callable, wrongType } = require('./errors');

class AssertionError extends Error {
	constructor({ message, actual, expected, operator }) {
		super(message);
		Object.assign(this, { code: 'ERR_ASSERTION', actual, expected, operator,
			generatedMessage: false });
	}

	get name() {
		return 'AssertionError';
	}
}

const said = (value) => typeof value === 'string' ? `'${value}'` : internal.inspect(value);

const fail = (message, given, details) => {
	if (given instanceof Error)
		throw given;
	const error = new AssertionError({ ...details, message: given ?? message });
	error.generatedMessage = given === undefined;
	throw error;
};

const ok = (value, message) => {
	if (!value)
		fail(`it is ${said(value)}, not true`, message,
			{ actual: value, expected: true, operator: '==' });
};

const comparison = (operator, words, isGood) => (actual, expected, message) => {
	if (!isGood(actual, expected))
		fail(`${said(actual)} ${words} ${said(expected)}`, message, { actual, expected, operator });
};

// ---- What throws ----

const isWanted = (thrown, wanted) => {
	if (wanted instanceof RegExp)
		return wanted.test(String(thrown));
	if (typeof wanted !== 'function')
		return Object.entries(wanted).every(([key, value]) => value instanceof RegExp ?
			value.test(thrown?.[key]) : isDeepEqual(thrown?.[key], value, true)) &&
			(!(wanted instanceof Error) ||
				(thrown?.message === wanted.message && thrown?.name === wanted.name));
	if (wanted.prototype !== undefined && thrown instanceof wanted)
		return true;
	return !(wanted === Error || wanted.prototype instanceof Error) &&
		wanted.call({}, thrown) === true;
};

const judge = (operator, caught, wanted, message) => {
	const expectation = typeof wanted === 'string' ? undefined : wanted;
	const words = typeof wanted === 'string' ? wanted : message;
	if (!caught)
		fail(`${operator}: nothing was thrown`, words, { expected: expectation, operator });
	if (expectation === undefined || isWanted(caught.thrown, expectation))
		return;
	fail(`${operator}: threw ${said(caught.thrown)}, which is not what was expected`, words,
		{ actual: caught.thrown, expected: expectation, operator });
};

const caughtBy = (fn) => {
	try {
		fn();
	} catch (thrown) {
		return { thrown };
	}
	return undefined;
};

const settled = async (name, promise) => {
	const given = typeof promise === 'function' ? promise() : promise;
	if (typeof given?.then !== 'function')
		throw wrongType(`${name}: promiseFn`, 'a promise or a function that gives one', given);
	try {
		await given;
	} catch (thrown) {
		return { thrown };
	}
	return undefined;
};

const unwanted = (operator, caught, message) => {
	if (caught)
		fail(`${operator}: ${said(caught.thrown)}`, message,
			{ actual: caught.thrown, operator });
};

const matching = (operator, isGood) => (text, pattern, message) => {
	if (!(pattern instanceof RegExp))
		throw wrongType(`assert.${operator}: regexp`, 'a RegExp', pattern);
	if (typeof text !== 'string' || pattern.test(text) !== isGood)
		fail(`${said(text)} ${isGood ? 'does not match' : 'matches'} ${pattern}`, message,
			{ actual: text, expected: pattern, operator });
};

const is = (isStrict) => (a, b) => isStrict ? Object.is(a, b) :
	a == b || (Number.isNaN(a) && Number.isNaN(b)); // eslint-disable-line
const deep = (isStrict) => (a, b) => isDeepEqual(a, b, isStrict);
const not = (fn) => (a, b) => !fn(a, b);

const strict = {
	strictEqual: comparison('strictEqual', 'is not', is(true)),
	notStrictEqual: comparison('notStrictEqual', 'is', not(is(true))),
	deepStrictEqual: comparison('deepStrictEqual', 'is not', deep(true)),
	notDeepStrictEqual: comparison('notDeepStrictEqual', 'is', not(deep(true))),
};

const common = {
	...strict,
	AssertionError,
	ok,
	fail: (message) => fail('Failed', message, { operator: 'fail' }),
	ifError(value) {
		if (value !== null && value !== undefined)
			fail(`ifError: ${value instanceof Error ? value.message : said(value)}`, undefined,
				{ actual: value, expected: null, operator: 'ifError' });
	},
	throws: (fn, wanted, message) =>
		judge('throws', caughtBy(callable('assert.throws: fn', fn)), wanted, message),
	doesNotThrow: (fn, message) =>
		unwanted('doesNotThrow', caughtBy(callable('assert.doesNotThrow: fn', fn)), message),
	rejects: async (promise, wanted, message) =>
		judge('rejects', await settled('assert.rejects', promise), wanted, message),
	doesNotReject: async (promise, message) =>
		unwanted('doesNotReject', await settled('assert.doesNotReject', promise), message),
	match: matching('match', true),
	doesNotMatch: matching('doesNotMatch', false),
};

const loose = {
	equal: comparison('==', 'is not', is(false)),
	notEqual: comparison('!=', 'is', not(is(false))),
	deepEqual: comparison('deepEqual', 'is not', deep(false)),
	notDeepEqual: comparison('notDeepEqual', 'is', not(deep(false))),
};

const named = {
	equal: strict.strictEqual, notEqual: strict.notStrictEqual,
	deepEqual: strict.deepStrictEqual, notDeepEqual: strict.notDeepStrictEqual,
};

const assert = Object.assign((value, message) => ok(value, message), common, loose);
assert.strict = Object.assign((value, message) => ok(value, message), common, named);
assert.strict.strict = assert.strict;
module.exports = assert;
