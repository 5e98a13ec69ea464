'use strict';
// Certificates by the name a TLS client asks for: sniOptions, then SNICallback.
const { createSecureContext } = require('../core/tls');
const { toUnicode } = require('./punycode');

const plain = (name) => toUnicode(String(name ?? '').trim()).toLowerCase();

function entriesOf(options) {
	if (typeof options !== 'object' || options === null)
		throw new TypeError('SmtpServer: sniOptions: an object or a Map of TLS options by name ' +
			'is wanted');
	return options instanceof Map ? options.entries() : Object.entries(options);
}

function contextOf(name, tls) {
	try {
		return createSecureContext(tls);
	} catch (error) {
		error.message = `SmtpServer: sniOptions: ${name}: ${error.message}`;
		throw error;
	}
}

/** An SNICallback of both, or undefined where there is neither. */
function names({ sniOptions, SNICallback }) {
	if (SNICallback != null && typeof SNICallback !== 'function')
		throw new TypeError('SmtpServer: SNICallback: a function is wanted');
	if (sniOptions == null)
		return SNICallback == null ? undefined : (name, done) => SNICallback(plain(name), done);
	const contexts = new Map();
	for (const [name, tls] of entriesOf(sniOptions))
		contexts.set(plain(name), contextOf(name, tls));
	return (name, done) => {
		const found = contexts.get(plain(name));
		if (found !== undefined || SNICallback == null)
			return done(null, found);
		return SNICallback(plain(name), done);
	};
}

module.exports = { names };
