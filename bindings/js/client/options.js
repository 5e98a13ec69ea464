'use strict';
// Options of clients: an object, or a URL, checked and made what the native clientNew takes.
const { pemsOf } = require('../core/tls');
const { hint } = require('../core/nearest');

const MODES = ['off', 'opportunistic', 'starttls', 'implicit'];
const VERSIONS = { TLSv1: 2, 'TLSv1.1': 3, 'TLSv1.2': 4, 'TLSv1.3': 5 };
const SCHEMES = {
	'pop3:': ['pop3'], 'pop:': ['pop3'], 'pop3s:': ['pop3', 'implicit'],
	'smtp:': ['smtp'], 'smtps:': ['smtp', 'implicit'],
	'submission:': ['submission'], 'submissions:': ['submission', 'implicit'],
	'lmtp:': ['lmtp'],
};

const TEXTS = ['host', 'user', 'password', 'authzid', 'mechanism', 'helo'];
const TRUTHS = ['insecure', 'noLogin', 'noPlain', 'noPipelining', 'noChunking', 'force8bit',
	'legacyConnect'];
const COUNTS = { port: 65535, timeout: 2147483647, maxMessage: Number.MAX_SAFE_INTEGER,
	maxItems: Number.MAX_SAFE_INTEGER };
const TLS = ['mode', 'ca', 'cert', 'key', 'minVersion', 'maxVersion',
	'rejectUnauthorized'];
const KNOWN = [...TEXTS, ...TRUTHS, ...Object.keys(COUNTS), 'protocol', 'token', 'tls', 'signal',
	'trace'];

function refuseUnknown(options, known, prefix) {
	for (const name of Object.keys(options))
		if (!known.includes(name))
			throw new RangeError(`${prefix}${name}: there is no such option${hint(name, known)}`);
}

function part(name, text) {
	try {
		return decodeURIComponent(text);
	} catch {
		throw new RangeError(`url: its ${name} is not percent-encoded well`);
	}
}

/** "pop3s://user:pass@host:port", also with RFC 2384's "user;AUTH=mechanism". */
function urlOptions(text, protocol) {
	let url;
	try {
		url = new URL(text);
	} catch {
		throw new RangeError('url: it must look like pop3s://user:password@host:port');
	}
	const scheme = SCHEMES[url.protocol];
	if (scheme === undefined)
		throw new RangeError(`url: ${url.protocol}// is none of ` +
			`${Object.keys(SCHEMES).map((name) => `${name}//`).join(', ')}`);
	const [kind, tls] = scheme;
	if ((kind === 'pop3') !== (protocol === 'pop3') || (protocol === 'lmtp') !== (kind === 'lmtp'))
		throw new RangeError(`url: ${url.protocol}// is not for this client`);
	const [user, mechanism] = part('user', url.username).split(/;AUTH=/i);
	const options = { host: part('host', url.hostname).replace(/^\[|\]$/g, ''), protocol: kind };
	if (tls !== undefined)
		options.tls = tls;
	if (url.port !== '')
		options.port = Number(url.port);
	if (user !== '')
		options.user = user;
	if (url.password !== '')
		options.password = part('password', url.password);
	if (mechanism !== undefined && mechanism !== '*')
		options.mechanism = mechanism;
	return options;
}

function textOf(options, name, plan) {
	const value = options[name];
	if (value == null)
		return;
	if (typeof value !== 'string')
		throw new TypeError(`${name}: a string is wanted`);
	if (/[\0-\x1F\x7F]/.test(value))
		throw new RangeError(`${name}: control characters are not allowed`);
	plan[name] = value;
}

function truthOf(options, name, plan) {
	const value = options[name];
	if (value == null)
		return;
	if (typeof value !== 'boolean')
		throw new TypeError(`${name}: true or false is wanted`);
	plan[name] = value;
}

function countOf(options, name, most, plan) {
	const value = options[name];
	if (value == null)
		return;
	if (typeof value !== 'number')
		throw new TypeError(`${name}: a number is wanted`);
	if (!Number.isInteger(value) || value < 0 || value > most || (name === 'timeout' && !value))
		throw new RangeError(`${name}: a whole number from ${name === 'timeout' ? 1 : 0} to ` +
			`${most} is wanted`);
	plan[name] = value;
}

function modeOf(value) {
	if (value === true)
		return 'implicit';
	if (value === false)
		return 'off';
	if (typeof value !== 'string')
		throw new TypeError(`tls: one of ${MODES.join(', ')}, true, false or an object is wanted`);
	if (!MODES.includes(value))
		throw new RangeError(`tls: one of ${MODES.join(', ')} is wanted${hint(value, MODES)}`);
	return value;
}

// What is to be verified is secured by default, as far as there is a name to verify.
function defaultMode({ host, port }) {
	if (typeof host === 'string' && host.startsWith('/'))
		return 'opportunistic';
	return port === 995 || port === 465 ? 'implicit' : 'starttls';
}

function versionOf(tls, name) {
	const number = VERSIONS[tls[name]];
	if (number === undefined)
		throw new RangeError(`tls.${name}: one of ${Object.keys(VERSIONS).join(', ')} is wanted` +
			hint(String(tls[name]), Object.keys(VERSIONS)));
	return number;
}

function pairOf({ cert, key }, plan) {
	if (cert == null) {
		if (key != null)
			throw new RangeError('tls.cert: a key needs its certificate');
		return;
	}
	plan.cert = pemsOf(cert, 'cert');
	if (key != null)
		plan.key = pemsOf(key, 'key');
}

function tlsOf(options, plan) {
	const tls = typeof options.tls === 'object' && options.tls !== null ? options.tls :
		{ mode: options.tls };
	refuseUnknown(tls, TLS, 'tls.');
	plan.tls = tls.mode == null ? defaultMode(options) : modeOf(tls.mode);
	if (tls.ca != null)
		plan.ca = pemsOf(tls.ca, 'ca');
	pairOf(tls, plan);
	if (tls.minVersion != null)
		plan.tlsMin = versionOf(tls, 'minVersion');
	if (tls.maxVersion != null)
		plan.tlsMax = versionOf(tls, 'maxVersion');
	if (tls.rejectUnauthorized === false)
		plan.insecure = true;
}

function protocolOf(options, protocol) {
	const wanted = options.protocol ?? protocol;
	const allowed = protocol === 'smtp' ? ['smtp', 'submission'] : [protocol];
	if (!allowed.includes(wanted))
		throw new RangeError(`protocol: one of ${allowed.join(', ')} is wanted`);
	return wanted;
}

/** { plan: for clientNew, token: string, function or undefined, signal } */
function clientOptions(given, protocol) {
	const options = typeof given === 'string' || given instanceof URL ?
		urlOptions(String(given), protocol) : given;
	if (typeof options !== 'object' || options === null)
		throw new TypeError('options: an object or a URL is wanted');
	refuseUnknown(options, KNOWN, '');
	const plan = { protocol: protocolOf(options, protocol) };
	for (const name of TEXTS)
		textOf(options, name, plan);
	for (const name of TRUTHS)
		truthOf(options, name, plan);
	for (const [name, most] of Object.entries(COUNTS))
		countOf(options, name, most, plan);
	plan.host ??= 'localhost';
	tlsOf(options, plan);
	const { token, trace = false } = options;
	truthOf({ trace }, 'trace', plan);
	if (token != null && typeof token !== 'string' && typeof token !== 'function')
		throw new TypeError('token: a string, or a function that gives one, is wanted');
	if (typeof token === 'string')
		plan.token = token;
	plan.askToken = typeof token === 'function';
	return { plan, token, signal: options.signal };
}

function checkText(value, name) {
	if (typeof value !== 'string')
		throw new TypeError(`${name}: a string is wanted`);
	return value;
}

const CREDENTIALS = ['user', 'password', 'authzid', 'mechanism', 'token'];

function credentialsOf(given) {
	if (typeof given !== 'object' || given === null)
		throw new TypeError('credentials: an object is wanted');
	refuseUnknown(given, CREDENTIALS, '');
	const credentials = {};
	for (const name of CREDENTIALS)
		textOf(given, name, credentials);
	return credentials;
}

module.exports = { clientOptions, credentialsOf, refuseUnknown, checkText };
