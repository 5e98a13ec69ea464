'use strict';
// The arguments of PopServer as options of a Lettermill server.
//
// (config, hostname, plain port, secure port, backlog, timeout, tls options), of which any may be
// left out from the end, and an object of options as the last argument.
const host = require('../host');
const { hint } = require('../core/nearest');
const { tlsOptions, checkTlsNames } = require('../core/tls');
const { checkLanguage, isTag, textsOf } = require('./language');
const { English, Dutch } = require('./languages');

/** As the IMPLEMENTATION of the original. */
const IMPLEMENTATION = 'Luke POP3/POP3S Server, maintainer: luke.rieff@gmail.com';
const MECHANISMS = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256',
	'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS'];
const PORTS = { plain: 110, secure: 995 };
const NO_DEADLINE_ABOVE = 3600000;

function wanted(name, what) {
	return new TypeError(`PopServer: ${name}: ${what} is wanted`);
}

const ms = (value, name) => {
	if (typeof value !== 'number' || !(value >= 0))
		throw wanted(name, 'a number of milliseconds');
	return `${Math.round(value)}ms`;
};
const number = (value, name) => {
	if (!Number.isSafeInteger(value) || value < 0)
		throw wanted(name, 'a whole number');
	return String(value);
};
const flag = (value, name) => {
	if (typeof value !== 'boolean')
		throw wanted(name, 'true or false');
	return value ? 'yes' : 'no';
};
const text = (value, name) => {
	if (typeof value !== 'string')
		throw wanted(name, 'a string');
	return value;
};
const list = (value, name) => {
	if (!Array.isArray(value) || !value.every((word) => typeof word === 'string'))
		throw wanted(name, 'an array of strings');
	return value.length ? value.join(',') : null;
};
const days = (value, name) => value === 'never' || value === Infinity ? 'never' :
	number(value, name);
const mechanisms = (value, name) => {
	const words = list(value, name);
	for (const word of value)
		if (!MECHANISMS.includes(word))
			throw new RangeError(`PopServer: ${name}: ${word} cannot be decided by callbacks` +
				hint(word, MECHANISMS));
	return words ?? 'none';
};

/** Option → its name in the server, and how its value is said there. */
const OPTIONS = {
	timeout: ['idle-timeout', ms],
	commandTimeout: ['command-timeout', ms],
	apop: ['apop', flag],
	auth: ['auth', mechanisms],
	implementation: ['implementation', text],
	hostname: ['hostname', text],
	maxConnections: ['max-connections', number],
	maxConnectionsPerAddress: ['max-connections-per-address', number],
	allowPlaintextLogin: ['allow-plaintext-login', flag],
	requireTls: ['require-tls', flag],
	maxErrors: ['max-errors', number],
	maxAuthFailures: ['max-auth-failures', number],
	authDelay: ['auth-delay', ms],
	loginDelay: ['login-delay', ms],
	expire: ['expire', days],
	hide: ['hide', list],
	proxyFrom: ['proxy-from', list],
	minRate: ['min-rate', number],
	workers: ['workers', number],
};
const OTHERS = ['plain', 'secure', 'tls', 'callbackTimeout', 'drainTimeout', 'language', 'languages'];
const NAMES = [...Object.keys(OPTIONS), ...OTHERS];

const DEFAULTS = {
	apop: true,
	auth: ['PLAIN', 'LOGIN'],
	implementation: IMPLEMENTATION,
	allowPlaintextLogin: true,
	maxErrors: 11,
	maxAuthFailures: 10,
};

/* ---- arguments ---- */

const isObject = (x) => typeof x === 'object' && x !== null;
const TLS_AT = 5; // behind config

/** The arguments behind config, by name. */
function namesOf(args) {
	const rest = [...args];
	const last = rest.length - 1;
	const isOptions = isObject(rest[last]) && last !== TLS_AT;
	const options = isOptions ? rest.pop() : {};
	const [hostname, plain, secure, backlog, timeout, tls] = rest;
	return { hostname, plain, secure, backlog, timeout, tls, options };
}

/** An options object that names one listener switches the other one off. */
function portOf(which, positional, options) {
	const other = which === 'plain' ? 'secure' : 'plain';
	const named = options[which];
	if (named === undefined && options[other] !== undefined && positional === undefined)
		return null;
	const port = (isObject(named) ? named.port : named) ?? (named === null ? null : positional);
	return port === undefined ? PORTS[which] : port;
}

function checkPort(port, name) {
	if (port === null || port === false)
		return null;
	if (!Number.isInteger(port) || port < 0 || port > 65535)
		throw new RangeError(`PopServer: ${name}: a port from 0 to 65535 is wanted, or null or ` +
			'false for none');
	return port;
}

function endpointOf(address, port) {
	if (port === null)
		return 'off';
	const at = address === 'localhost' ? '127.0.0.1' : address;
	return `${at.includes(':') ? `[${at}]` : at}:${port}`;
}

function listenersOf({ hostname, plain, secure, options }) {
	const given = { plain, secure };
	const listeners = {};
	for (const which of ['plain', 'secure']) {
		const address = options[which]?.host ?? hostname ?? '0.0.0.0';
		const port = checkPort(portOf(which, given[which], options), which);
		const endpoint = endpointOf(text(address, `${which}.host`), port);
		listeners[which] = { host: address, port, endpoint };
	}
	return listeners;
}

/* ---- languages ---- */

function entriesOf(languages) {
	if (Array.isArray(languages))
		return languages.map((language) => [language?.tag, language]);
	if (!isObject(languages))
		throw wanted('languages', 'an object of languages by their tags');
	return Object.entries(languages);
}

function addLanguage(map, tag, given, where = `PopServer: languages.${tag}`) {
	const language = given?.language ?? given;
	if (!isTag(tag))
		throw new RangeError(`${where}: ${tag}: a tag as RFC 5646 has them is wanted`);
	checkLanguage(language, where);
	const name = given.name ?? language.name ?? tag;
	map.set(tag.toLowerCase(), { name: text(name, `${where}.name`), language });
}

/** Tag → { name, language }, and the tag to begin with. */
function languagesOf(options, callbacks) {
	const map = new Map([['en', { name: 'English', language: English }],
		['nl', { name: 'Dutch', language: Dutch }]]);
	for (const [tag, language] of entriesOf(options.languages ?? {}))
		addLanguage(map, tag, language);
	if (options.language !== undefined)
		return { map, tag: knownTag(map, text(options.language, 'language'), 'language') };
	const name = `config.${callbacks.languageName}`;
	const first = callbacks.language;
	const tag = typeof first === 'string' ? knownTag(map, first, name) : tagOf(map, first, name);
	return { map, tag };
}

function knownTag(map, given, name) {
	const tag = given.toLowerCase();
	if (!map.has(tag))
		throw new RangeError(`PopServer: ${name}: there is no ${tag}` + hint(tag, map.keys()));
	return tag;
}

function tagOf(map, language, where) {
	for (const [tag, known] of map)
		if (known.language === language)
			return tag;
	const tag = language?.tag ?? 'x-default';
	addLanguage(map, tag, { name: language?.name ?? 'Default', language }, `PopServer: ${where}`);
	return tag.toLowerCase();
}

/* ---- all together ---- */

function checkNames(options) {
	for (const name of Object.keys(options))
		if (!NAMES.includes(name))
			throw new TypeError(`PopServer: ${name}: there is no such option${hint(name, NAMES)}`);
}

function settingsOf({ timeout, options }) {
	const asked = { ...DEFAULTS, timeout, ...options };
	const settings = [];
	for (const [name, [known, say]] of Object.entries(OPTIONS))
		if (asked[name] != null)
			settings.push([known, say(asked[name], name)]);
	return settings;
}

function tlsOf({ tls, options }, listeners) {
	const asked = options.tls ?? tls ?? {};
	if (asked === false) {
		if (listeners.secure.port !== null)
			throw new RangeError('PopServer: tls: false leaves no secure port; say secure: null');
		return { settings: [['tls', 'no']] };
	}
	const { settings, sni } = tlsOptions(asked);
	checkTlsNames(asked);
	return { settings, sni };
}

const OFF = ['smtp', 'smtps', 'submission', 'lmtp'].map((name) => [name, 'off']);

function patienceOf(options, name, otherwise) {
	const value = options[name] ?? otherwise;
	ms(value, name);
	return Math.max(1, value);
}

/** Everything a PopServer needs to know, or an error that names the argument. */
function readArguments(args, callbacks) {
	const named = namesOf(args);
	checkNames(named.options);
	const listeners = listenersOf(named);
	const tls = tlsOf(named, listeners);
	const languages = languagesOf(named.options, callbacks);
	const callbackTimeout = patienceOf(named.options, 'callbackTimeout', 30000);
	return {
		...named, listeners, languages, sni: tls.sni, callbackTimeout,
		drainTimeout: patienceOf(named.options, 'drainTimeout', 30000),
		name: named.options.hostname ?? host.hostname(),
		settings: [['store', 'none'], ...OFF, ['pop3', listeners.plain.endpoint],
			['pop3s', listeners.secure.endpoint], ['language', languages.tag],
			['handler-timeout', ms(Math.min(2 * callbackTimeout + 5000, NO_DEADLINE_ABOVE))],
			...tls.settings, ...settingsOf(named)],
		texts: [...languages.map].map(([tag, { name, language }]) =>
			[tag, name, textsOf(language)]),
	};
}

module.exports = { readArguments };
