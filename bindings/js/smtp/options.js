'use strict';
// The options of SmtpServer, which are those of npm's smtp-server and some more, as options of a
// Lettermill server. Names that nobody knows are passed over, as there.
const host = require('../host');
const { hint } = require('../core/nearest');
const { tlsOptions } = require('../core/tls');
const { names: nameCallback } = require('./names');

const MECHANISMS = ['PLAIN', 'LOGIN', 'XOAUTH2', 'OAUTHBEARER', 'CRAM-MD5', 'SCRAM-SHA-1',
	'SCRAM-SHA-256', 'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS', 'EXTERNAL'];
const EXTENSIONS = ['PIPELINING', 'SIZE', '8BITMIME', 'SMTPUTF8', 'CHUNKING', 'BINARYMIME', 'DSN',
	'ENHANCEDSTATUSCODES', 'LIMITS', 'STARTTLS', 'REQUIRETLS', 'AUTH', 'XCLIENT', 'XFORWARD', 'HELP'];
const CAN_BE_DISABLED = [...EXTENSIONS, 'BDAT', 'EXPN', 'HELO', 'VRFY'];
const NEEDED = ['EHLO', 'LHLO', 'MAIL', 'RCPT', 'DATA', 'RSET', 'NOOP', 'QUIT'];
const ANYBODY = ['0.0.0.0/0', '::/0'];
const HOUR = 3600000;

function wanted(name, what) {
	return new TypeError(`SmtpServer: ${name}: ${what} is wanted`);
}

const text = (value, name) => {
	if (typeof value !== 'string')
		throw wanted(name, 'a string');
	return value;
};
const count = (value, name) => {
	if (!Number.isSafeInteger(Number(value)) || !(Number(value) >= 0))
		throw wanted(name, 'a whole number');
	return String(Number(value));
};
const ms = (value, name) => {
	if (typeof value !== 'number' || !(value >= 0))
		throw wanted(name, 'a number of milliseconds');
	return `${Math.round(value)}ms`;
};

/** Option → its name in the server, and how its value is said there. */
const PLAIN = {
	banner: ['banner', text],
	size: ['max-message-size', count],
	maxClients: ['max-connections', count],
	socketTimeout: ['idle-timeout', ms],
	maxRecipients: ['max-recipients', count],
	maxErrors: ['max-errors', count],
	maxAuthFailures: ['max-auth-failures', count],
	authDelay: ['auth-delay', ms],
	workers: ['workers', count],
};
const DEFAULTS = { socketTimeout: 60000 };

/** One word or an array of them, in upper case, without empty ones. */
function wordsOf(value, name) {
	const list = [value ?? []].flat();
	if (!list.every((word) => typeof word === 'string'))
		throw wanted(name, 'a string or an array of strings');
	return [...new Set(list.map((word) => word.trim().toUpperCase()))].filter((word) => word !== '');
}

function disabledOf(options) {
	const words = wordsOf(options.disabledCommands, 'disabledCommands');
	for (const word of words)
		if (NEEDED.includes(word))
			throw new RangeError(`SmtpServer: disabledCommands: no server can do without ${word}`);
	return words.filter((word) => CAN_BE_DISABLED.includes(word));
}

function mechanismsOf(options) {
	const words = wordsOf(options.authMethods, 'authMethods');
	for (const word of words)
		if (!MECHANISMS.includes(word))
			throw new RangeError(`SmtpServer: authMethods: there is no ${word}` +
				hint(word, MECHANISMS));
	return words.length ? words : ['LOGIN', 'PLAIN'];
}

/** EHLO keywords that work and are not announced. */
function unannouncedOf(options) {
	const words = ['STARTTLS', 'PIPELINING', '8BITMIME', 'SMTPUTF8']
		.filter((word) => options[`hide${word}`]);
	return options.hideSize ? [...words, 'SIZE'] : words;
}

function authSettings(options, disabled) {
	const off = disabled.includes('AUTH');
	const most = options.maxAllowedUnauthenticatedCommands;
	const early = most === false || most === Infinity ? 0 : most || 10;
	const open = options.allowInsecureAuth || options.hideSTARTTLS || disabled.includes('STARTTLS');
	return [
		['auth', off ? 'none' : mechanismsOf(options).join(' ')],
		['require-login', off || options.authOptional ? 'no' : 'yes'],
		['allow-plaintext-login', open ? 'yes' : 'no'],
		['max-unauthenticated-commands', count(early, 'maxAllowedUnauthenticatedCommands')],
	];
}

/** true, an address, or an array of them, in which '*' is everybody. */
function trustSettings(options, name, setting) {
	const given = options[name];
	if (!given)
		return [];
	const list = given === true ? ['*'] : [given].flat();
	if (!list.every((each) => typeof each === 'string'))
		throw wanted(name, 'true, an address or an array of addresses');
	const nets = list.flatMap((each) => each === '*' ? ANYBODY : [each]);
	return [[setting, null], ...nets.map((net) => [setting, net])];
}

function plainSettings(options) {
	const asked = { ...DEFAULTS, ...options };
	return Object.entries(PLAIN).filter(([name]) => asked[name] != null && asked[name] !== false)
		.map(([name, [setting, say]]) => [setting, say(asked[name], name)]);
}

function tlsSettings(options, disabled) {
	if (!options.secure && disabled.includes('STARTTLS'))
		return [['tls', 'no']];
	return tlsOptions({ ...options, SNICallback: undefined, secureContext: undefined }).settings;
}

function patience(options, name, otherwise) {
	const value = options[name] || otherwise;
	ms(value, name);
	return Math.max(1, value);
}

/** Which of the server's listeners does it. */
function listenerOf(options) {
	if (options.lmtp && options.secure)
		throw new RangeError('SmtpServer: lmtp and secure: LMTP has STARTTLS only');
	if (options.lmtp)
		return 'lmtp';
	return options.secure ? 'smtps' : 'smtp';
}

function nameOf(options) {
	return options.name == null || options.name === '' ? host.hostname() : text(options.name, 'name');
}

/** Everything that may change by updateSecureContext. */
function secureSettings(options) {
	return tlsSettings(options, disabledOf(options));
}

/** What is known from the start on: settings for the core, the listener's name, patience. */
function readOptions(options) {
	const disabled = disabledOf(options);
	const callbackTimeout = patience(options, 'callbackTimeout', 30000);
	return {
		listener: listenerOf(options),
		name: nameOf(options),
		hasAuth: !disabled.includes('AUTH'),
		callbackTimeout,
		closeTimeout: patience(options, 'closeTimeout', 30000),
		certificateOf: nameCallback(options),
		settings: [
			['store', 'none'], ['hostname', nameOf(options)], ['unknown-parameters', 'accept'],
			['max-message-size', '0'],
			['hide', disabled.join(',') || null],
			['unannounced', unannouncedOf(options).join(',') || null],
			['handler-timeout', ms(Math.min(2 * callbackTimeout + 5000, HOUR))],
			...plainSettings(options),
			...authSettings(options, disabled),
			...trustSettings(options, 'useProxy', 'proxy-from'),
			...trustSettings(options, 'useXClient', 'xclient-from'),
			...trustSettings(options, 'useXForward', 'xforward-from'),
		],
	};
}

module.exports = { readOptions, secureSettings };
