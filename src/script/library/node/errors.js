'use strict';
// Errors with a code, as Node's documentation names them; what the other files here throw.

const make = (Class, code, message) => {
	const error = new Class(message);
	error.code = code;
	return error;
};

exports.make = make;

exports.wrongType = (name, wanted, value) =>
	make(TypeError, 'ERR_INVALID_ARG_TYPE', `${name}: ${wanted}, not ${internal.shown(value)}`);

exports.outOfRange = (name, wanted, value) =>
	make(RangeError, 'ERR_OUT_OF_RANGE', `${name}: ${wanted}, not ${internal.shown(value)}`);

exports.wrongValue = (name, wanted, value) =>
	make(RangeError, 'ERR_INVALID_ARG_VALUE', `${name}: ${wanted}, not ${internal.shown(value)}`);

exports.callable = (name, value) => {
	if (typeof value !== 'function')
		throw exports.wrongType(name, 'a function', value);
	return value;
};

exports.string = (name, value) => {
	if (typeof value !== 'string')
		throw exports.wrongType(name, 'a string', value);
	return value;
};

exports.integer = (name, value, min, max) => {
	const wanted = `a whole number from ${min} to ${max}`;
	if (typeof value !== 'number')
		throw exports.wrongType(name, wanted, value);
	if (!Number.isInteger(value) || value < min || value > max)
		throw exports.outOfRange(name, wanted, value);
	return value;
};

exports.aborted = (reason) => {
	const error = make(Error, 'ABORT_ERR', 'The operation was aborted');
	error.name = 'AbortError';
	error.cause = reason;
	return error;
};
