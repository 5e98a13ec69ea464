'use strict';
// Node's TLS option object as options of a Lettermill server.
//
// tlsOptions(options) → { settings: [[name, text] …], sni }: `settings` for Server.set, `sni` the
//   SNICallback or undefined. What Lettermill cannot do as safely as it was asked for is an error;
//   what only tunes (ALPNProtocols, ecdhCurve, sessionTimeout …) is passed over.
// decideCertificate(server, event, sni): runs the SNICallback for a CERTIFICATE event.
// createSecureContext({ cert, key, passphrase }): what an SNICallback gives its callback; where the
//   host can tell, a key that does not belong to its certificate is an error.
const host = require('../host');
const { hint } = require('./nearest');

const VERSIONS = { TLSv1: '1.0', 'TLSv1.1': '1.1', 'TLSv1.2': '1.2', 'TLSv1.3': '1.3' };
const INSTEAD = {
	pfx: 'give its certificate and key as PEM: cert, key',
	crl: 'revocation lists are not looked at',
	secureProtocol: 'say minVersion and maxVersion',
	pskCallback: 'pre-shared keys are not spoken',
};
const KNOWN = ['cert', 'key', 'ca', 'passphrase', 'minVersion', 'maxVersion', 'ciphers',
	'requestCert', 'rejectUnauthorized', 'SNICallback', 'secureContext', ...Object.keys(INSTEAD)];

function pemOf(value, name) {
	const text = value instanceof Uint8Array ? host.text(value) : value;
	if (typeof text !== 'string')
		throw new TypeError(`tls.${name}: PEM text (a string or a Buffer) is wanted`);
	if (!text.includes('-----BEGIN'))
		throw new RangeError(`tls.${name}: PEM text is wanted; of a file give what ` +
			'readFileSync() gives, not its name');
	return text.endsWith('\n') ? text : `${text}\n`;
}

/** One PEM text of a value or of an array of them. */
function pemsOf(value, name) {
	return (Array.isArray(value) ? value : [value]).map((each) => pemOf(each, name)).join('');
}

/** Keys may be { pem, passphrase }, too; all that have a passphrase must have the same one. */
function keysOf(value, passphrase) {
	const pems = [];
	const phrases = new Set(passphrase === undefined ? [] : [passphrase]);
	for (const each of Array.isArray(value) ? value : [value]) {
		const isPair = each?.pem !== undefined;
		pems.push(pemOf(isPair ? each.pem : each, 'key'));
		if (isPair && each.passphrase !== undefined)
			phrases.add(each.passphrase);
	}
	if (phrases.size > 1)
		throw new RangeError('tls.key: keys with different passphrases cannot be used together');
	const [phrase] = phrases;
	if (phrase !== undefined && typeof phrase !== 'string')
		throw new TypeError('tls.passphrase: a string is wanted');
	return { key: pems.join(''), phrase };
}

const LOCKED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

function versionOf(value, name) {
	const version = VERSIONS[value];
	if (version === undefined)
		throw new RangeError(`tls.${name}: one of ${Object.keys(VERSIONS).join(', ')} is wanted` +
			hint(String(value), Object.keys(VERSIONS)));
	return version;
}

function pairSettings(options, settings) {
	const { cert, key, passphrase } = options;
	if ((cert === undefined) !== (key === undefined))
		throw new RangeError(`tls.${cert === undefined ? 'cert' : 'key'}: cert and key are wanted ` +
			'both');
	if (cert === undefined)
		return;
	const keys = keysOf(key, passphrase);
	if (keys.phrase === undefined && LOCKED.test(keys.key))
		throw new RangeError('tls.key: is encrypted; give its passphrase with tls.passphrase');
	settings.push(['cert', pemsOf(cert, 'cert')], ['key', keys.key]);
	if (keys.phrase !== undefined)
		settings.push(['key-passphrase', keys.phrase]);
}

function clientSettings(options, settings) {
	const { ca, requestCert, rejectUnauthorized } = options;
	if (!requestCert)
		return;
	if (ca === undefined)
		throw new RangeError('tls.ca: requestCert needs the authorities that sign for clients');
	settings.push(['client-ca', pemsOf(ca, 'ca')]);
	if (rejectUnauthorized !== false)
		settings.push(['require-client-cert', 'yes']);
}

/** null counts as not given, as in Node. */
function given(options) {
	const { secureContext } = options;
	const all = { ...options, ...(secureContext == null ? {} : pairOf(secureContext)) };
	return Object.fromEntries(Object.entries(all).filter(([, value]) => value != null));
}

function tlsOptions(options = {}) {
	if (typeof options !== 'object' || options === null)
		throw new TypeError('tls: an object is wanted');
	const asked = given(options);
	const settings = [];
	for (const [name, instead] of Object.entries(INSTEAD))
		if (asked[name] !== undefined)
			throw new RangeError(`tls.${name}: not possible here; ${instead}`);
	if (asked.SNICallback !== undefined && typeof asked.SNICallback !== 'function')
		throw new TypeError('tls.SNICallback: a function is wanted');
	pairSettings(asked, settings);
	clientSettings(asked, settings);
	if (asked.minVersion !== undefined)
		settings.push(['tls-min', versionOf(asked.minVersion, 'minVersion')]);
	if (asked.maxVersion !== undefined)
		settings.push(['tls-max', versionOf(asked.maxVersion, 'maxVersion')]);
	if (asked.ciphers !== undefined)
		settings.push(['tls-ciphers', asked.ciphers]);
	return { settings, sni: asked.SNICallback };
}

/** Words that were most likely meant to be options: for objects that hold nothing else. */
function checkTlsNames(options) {
	for (const name of Object.keys(options)) {
		const meant = KNOWN.includes(name) ? '' : hint(name, KNOWN);
		if (meant !== '')
			throw new TypeError(`tls.${name}: there is no such option${meant}`);
	}
}

class SecureContext {
	constructor({ cert, key, passphrase } = {}) {
		const keys = keysOf(key, passphrase ?? undefined);
		if (keys.phrase !== undefined || LOCKED.test(keys.key))
			throw new RangeError('createSecureContext: passphrase: keys for an SNICallback must ' +
				'have none');
		this.cert = pemsOf(cert, 'cert');
		this.key = keys.key;
		host.checkPair?.(this.cert, this.key);
		Object.freeze(this);
	}
}

function createSecureContext(options) {
	return new SecureContext(options);
}

function pairOf(context) {
	if (context instanceof SecureContext)
		return { cert: context.cert, key: context.key };
	if (typeof context === 'object' && context?.cert !== undefined && context?.key !== undefined)
		return pairOf(new SecureContext(context));
	throw new TypeError(context?.context === undefined ?
		'a secure context is wanted: what createSecureContext() of lettermill gives, or ' +
			'{ cert, key }' :
		'a SecureContext of node:tls cannot be read: make it with createSecureContext() of ' +
			'lettermill, or give { cert, key }');
}

/** What an SNICallback calls back with, or gives as a promise. */
function askName(sni, name) {
	return new Promise((resolve, reject) => {
		const result = sni(name, (error, context) => {
			if (error)
				reject(error);
			else
				resolve(context);
		});
		if (typeof result?.then === 'function')
			result.then((context) => context !== undefined && resolve(context), reject);
	});
}

function decideCertificate(server, event, sni) {
	server.run(event, 'SNICallback', () => askName(sni, event.entry.argument), (context) => {
		if (context == null) {
			event.proceed();
			return;
		}
		const { cert, key } = pairOf(context);
		event.certificate(cert, key);
	});
}

module.exports = { tlsOptions, checkTlsNames, decideCertificate, createSecureContext, pemsOf };
