'use strict';
// Languages of replies: an object of functions or strings, nested as the keys are
// ("success.dele.deleted"), with a tag (RFC 5646) and a name.
//
// A string goes to the sessions as a template; a function is called each time, with the arguments
// its key has here and the connection behind them.
const { hint } = require('../core/nearest');

/** Key → arguments of its function, before the connection. */
const KEYS = Object.freeze({
	'failure.user.rejected': [],
	'failure.user.already_executed': [],
	'failure.pass.rejected': [],
	'failure.invalid_state': ['verb', 'state'],
	'failure.invalid_params': ['verb', 'params'],
	'failure.execute_command_first': ['verb', 'first'],
	'failure.command_not_implemented': ['verb'],
	'failure.language.invalid': ['text'],
	'failure.invalid_command': [],
	'failure.dele.already_deleted': ['n'],
	'failure.no_such_message': [],
	'failure.permission_denied': [],
	'failure.in_use': [],
	'failure.message_deleted': ['n'],
	'success.greeting': [],
	'success.capa': [],
	'success.user.accepted': [],
	'success.pass.accepted': [],
	'success.quit': [],
	'success.uidl.all': [],
	'success.list': [],
	'success.retr': ['message'],
	'success.rset': [],
	'success.dele.deleted': ['n'],
	'success.language.changing': ['text'],
	'success.language.list': [],
	'success.apop.logged_in': [],
	'success.top.base': [],
});

/** Keys that a language may have beside those; without them English is spoken. */
const MORE = Object.freeze(['success.auth.logged_in', 'success.auth.list', 'success.stls',
	'success.utf8', 'failure.login_delay', 'failure.tls_required', 'failure.tls_active',
	'failure.auth.mechanism', 'failure.auth.syntax', 'failure.auth.canceled',
	'failure.invalid_number', 'failure.line_too_long', 'failure.invalid_octets',
	'failure.quit.not_removed', 'failure.refused', 'failure.temporary', 'failure.permanent',
	'failure.too_many_errors', 'failure.shutdown']);

/** Where one key here is several in the session. */
const SEVERAL = Object.freeze({
	'failure.invalid_params': ['none', 'one', 'many', 'most'].map((n) =>
		`failure.invalid_params.${n}`),
});

const PLACES = ['verb', 'state', 'min', 'max', 'n', 'size', 'uidl', 'count', 'octets', 'user', 'text',
	's', 'peer'];
const ALL = [...Object.keys(KEYS), ...MORE];
const TAG = /^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$/;

const at = (object, key) => key.split('.').reduce((inner, name) => inner?.[name], object);

/** What would be taken for something that only the session says; undefined: nothing. */
function forgery(text, key) {
	if (/^ *\[.*\]/.test(text))
		return 'brackets at its beginning are a response code (RFC 2449 8)';
	if (key === 'success.greeting' && /<[^>]*@/.test(text))
		return '"<…@…>" in a greeting is a stamp for APOP (RFC 1939 7)';
	return undefined;
}

function checkTemplate(text, where, key) {
	if (/[\0\r\n]/.test(text))
		throw new RangeError(`${where}: one line is wanted`);
	const forged = forgery(text, key);
	if (forged !== undefined)
		throw new RangeError(`${where}: ${forged}`);
	for (const [place, name] of text.matchAll(/\{([^{}]*)\}?|\}/g)) {
		if (name === undefined || !place.endsWith('}') || !PLACES.includes(name))
			throw new RangeError(`${where}: ${place}: in braces stands one of ` +
				`${PLACES.join(', ')}${hint(name ?? '', PLACES)}; other braces cannot be said`);
	}
}

function checkValue(value, where, key) {
	if (typeof value === 'string')
		checkTemplate(value, where, key);
	else if (typeof value !== 'function')
		throw new TypeError(`${where}: a function or a string is wanted`);
}

function* leavesOf(object, prefix = '') {
	for (const [name, value] of Object.entries(object)) {
		if (prefix === '' && (name === 'tag' || name === 'name'))
			continue;
		const key = `${prefix}${name}`;
		if (typeof value === 'object' && value !== null)
			yield* leavesOf(value, `${key}.`);
		else
			yield key;
	}
}

/** Throws where a language lacks a key, has one that nobody asks for, or says what cannot be said. */
function checkLanguage(language, where) {
	if (typeof language !== 'object' || language === null)
		throw new TypeError(`${where}: an object of functions or strings is wanted`);
	for (const key of leavesOf(language))
		if (!ALL.includes(key))
			throw new TypeError(`${where}: ${key}: no reply has this key${hint(key, ALL)}`);
	for (const key of Object.keys(KEYS))
		if (at(language, key) === undefined)
			throw new TypeError(`${where}: ${key} is missing`);
	for (const key of ALL) {
		const value = at(language, key);
		if (value !== undefined)
			checkValue(value, `${where}: ${key}`, key);
	}
}

/** What the server is given: [[key, template or null] …]. */
function textsOf(language) {
	const texts = [];
	for (const key of ALL) {
		const value = at(language, key);
		if (value === undefined)
			continue;
		for (const one of SEVERAL[key] ?? [key])
			texts.push([one, typeof value === 'string' ? value : null]);
	}
	return texts;
}

const originKey = new Map(ALL.flatMap((key) => (SEVERAL[key] ?? [key]).map((one) => [one, key])));

/* ---- speaking ---- */

/** What a reply is about, out of a SAY entry. */
const ARGUMENTS = {
	verb: (say) => say.verb,
	state: (say) => say.state,
	params: (say) => say.max,
	first: () => 'USER',
	text: (say) => say.text,
	n: (say) => say.number,
	message: (say, connection) => connection.session.messages?.[say.number - 1],
};

const VALUES = {
	verb: ({ verb }) => verb,
	state: ({ state }) => state,
	min: ({ params }) => params,
	max: ({ params }) => params,
	n: ({ n }) => n,
	text: ({ text }) => text,
	size: ({ message }) => message?.size,
	uidl: ({ message }) => message?.uid,
	count: (_, { session }) => session.available_message_count,
	octets: (_, { session }) => session.available_messages_size_sum,
	user: (_, { session }) => session.user?.user,
	s: (_, { popSocket }) => popSocket.secure ? 'S' : '',
	peer: (_, { popSocket }) => popSocket.peer,
};

function fill(template, values, connection) {
	return template.replace(/\{(\w+)\}/g, (_, name) => VALUES[name](values, connection));
}

function checkWords(words, key) {
	if (typeof words !== 'string')
		throw new TypeError('a language gives strings');
	if (/[\0\r\n]/.test(words))
		throw new RangeError('a language gives one line');
	const forged = forgery(words, key);
	if (forged !== undefined)
		throw new RangeError(`${key}: ${forged}`);
	return words;
}

/** The words of `language` for a reply, or a promise of them; `say` as in SAY entries. */
function wordsOf(language, key, say, connection) {
	const origin = originKey.get(key);
	const value = at(language, origin);
	if (typeof value === 'string') {
		const names = Object.keys(ARGUMENTS);
		return fill(value, Object.fromEntries(names.map((name) =>
			[name, ARGUMENTS[name](say, connection)])), connection);
	}
	const args = (KEYS[origin] ?? []).map((name) => ARGUMENTS[name](say, connection));
	const words = value(...args, connection);
	return typeof words?.then === 'function' ? words.then((said) => checkWords(said, origin)) :
		checkWords(words, origin);
}

/* ---- languages that are written as templates ---- */

function functionOf(texts, key) {
	const names = KEYS[key];
	return (...args) => {
		const values = Object.fromEntries(names.map((name, i) => [name, args[i]]));
		const number = values.params === 1 ? 'one' : 'many';
		return fill(texts[SEVERAL[key] ? `${key}.${number}` : key], values, args[names.length]);
	};
}

function put(object, key, value) {
	const names = key.split('.');
	const last = names.pop();
	let inner = object;
	for (const name of names)
		inner = inner[name] ??= {};
	inner[last] = value;
}

const templates = new WeakMap();

/** A language of the 28 functions out of one template for each key of the session. */
function fromTemplates(tag, name, texts) {
	const language = { tag, name };
	for (const key of Object.keys(KEYS))
		put(language, key, functionOf(texts, key));
	templates.set(language, Object.entries(texts));
	return language;
}

const isTag = (tag) => typeof tag === 'string' && TAG.test(tag);

module.exports = {
	checkLanguage, wordsOf, fromTemplates, isTag,
	textsOf: (language) => templates.get(language) ?? textsOf(language),
};
