'use strict';
// What MAIL and RCPT named, as applications see it: { address, args }.
const { octets, text } = require('../host');
const { toUnicode } = require('./punycode');

const PLUS = 0x2B;

/** xtext (RFC 3461 4) decoded, and read as UTF-8. */
function plainOf(value) {
	if (!value.includes('+'))
		return value;
	const given = octets(value);
	const plain = [];
	for (let i = 0; i < given.length; i++) {
		const hex = given[i] === PLUS ? text(given.subarray(i + 1, i + 3)) : '';
		const coded = /^[0-9A-F]{2}$/.test(hex);
		plain.push(coded ? Number.parseInt(hex, 16) : given[i]);
		i += coded ? 2 : 0;
	}
	return text(Uint8Array.from(plain));
}

/** "SIZE=5 X-FLAG" as { SIZE: '5', 'X-FLAG': true }; false where there is nothing. */
function argsOf(parameters) {
	if (!parameters)
		return false;
	const args = {};
	for (const word of parameters.split(' ').filter((each) => each !== '')) {
		const at = word.indexOf('=');
		const name = (at < 0 ? word : word.slice(0, at)).toUpperCase();
		args[name] = at < 0 ? true : plainOf(word.slice(at + 1));
	}
	return args;
}

/** The domain as people read it; an address literal as it is. */
function addressOf(path) {
	const at = path.lastIndexOf('@');
	return at < 0 ? path : `${path.slice(0, at)}@${toUnicode(path.slice(at + 1))}`;
}

const parsed = (path, parameters) => ({ address: addressOf(path), args: argsOf(parameters) });

/** "NAME=a ADDR=IPV6:2001:db8::1" of a proxy as [[name, value or false] …], in their order. */
function attributesOf(words) {
	return words.split(' ').filter((each) => each !== '').map((word) => {
		const at = word.indexOf('=');
		const value = plainOf(word.slice(at + 1));
		const unknown = /^\[(UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(value);
		return [word.slice(0, at).toUpperCase(), unknown ? false : value];
	});
}

module.exports = { parsed, attributesOf };
