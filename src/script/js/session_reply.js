'use strict';
// Replies as scripts give them, checked: what reaches the wire is neither broken nor a contradiction.
// The body of a function of (infinity, native, internal, protocol).

const MAX_TEXT = 2000;
const POP3_CODES = ['', 'AUTH', 'IN-USE', 'LOGIN-DELAY', 'SYS/TEMP', 'SYS/PERM', 'UTF8'];

const enhancedOf = (name, value, code) => {
	const found = /^([245])\.(\d{1,3})\.(\d{1,3})$/.exec(internal.string(name, value));
	if (!found || Number(found[2]) > 255 || Number(found[3]) > 255)
		throw new RangeError(`${name}: a code such as "5.7.1", not ${internal.shown(value)}`);
	if (code && Number(found[1]) !== Math.floor(code / 100))
		throw new RangeError(`${name}: ${value} does not fit ${code}, both must begin alike`);
	return found.slice(1).map(Number);
};

const codeOf = (name, value) => {
	const code = internal.integer(name, value, 200, 599);
	if (code >= 300 && code < 400)
		throw new RangeError(`${name}: codes from 300 to 399 are the server's own, not ${code}`);
	return code;
};

const textOf = (name, value) => {
	if (internal.line(name, value).length > MAX_TEXT)
		throw new RangeError(`${name}: at most ${MAX_TEXT} characters`);
	return value;
};

const pop3CodeOf = (name, value) => {
	const known = POP3_CODES.indexOf(internal.string(name, value));
	if (known < 1)
		throw new RangeError(`${name}: one of ${POP3_CODES.slice(1).join(', ')}, ` +
			`not ${internal.shown(value)}`);
	return known;
};

const isGiven = (value) => value !== undefined && value !== null;

// { ok, code, enhanced, text, pop3Code, close } as it goes to C.
const replyOf = (name, given) => {
	const code = isGiven(given.code) ? codeOf(`${name}.code`, given.code) : 0;
	const enhanced = isGiven(given.enhanced)
		? enhancedOf(`${name}.enhanced`, given.enhanced, code) : [0, 0, 0];
	const implied = code || enhanced[0] * 100;
	const ok = isGiven(given.ok) ? internal.boolean(`${name}.ok`, given.ok) : implied < 400;
	if (!isGiven(given.ok) && !implied)
		throw new TypeError(`${name}: ok (true or false) or a code is needed`);
	if (implied && ok !== implied < 400)
		throw new RangeError(`${name}.ok: ${ok} does not fit ${code || given.enhanced}`);
	return {
		ok,
		code,
		enhanced,
		text: isGiven(given.text) ? textOf(`${name}.text`, given.text) : '',
		pop3: isGiven(given.pop3Code) ? pop3CodeOf(`${name}.pop3Code`, given.pop3Code) : 0,
		close: isGiven(given.close) && internal.boolean(`${name}.close`, given.close),
	};
};

const replyFrom = (name, first, enhanced, text) => {
	if (typeof first === 'object' && first !== null)
		return replyOf(name, first);
	if (typeof first !== 'number')
		internal.wrongType(name, 'a code or an object { ok, code, enhanced, text, pop3Code, close }',
			first);
	if (text === undefined && typeof enhanced === 'string' && !/^\d\.\d+\.\d+$/.test(enhanced))
		return replyOf(name, { code: first, text: enhanced });
	return replyOf(name, { code: first, enhanced, text });
};

internal.replies = { isGiven, replyOf, replyFrom };
