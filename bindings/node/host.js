'use strict';
// What js/ asks of a host (bindings/README.md names the members), given by Node.js.
const { Buffer } = require('buffer');
const crypto = require('crypto');
const dns = require('dns');
const EventEmitter = require('events');
const os = require('os');
const { Readable } = require('stream');
const { markAsUntransferable } = require('worker_threads');

const addon = require('./addon');

const { setWake, octets, text, ...native } = addon.load(addon.find());

// Where an ArrayBuffer has transfer() (Node.js 22), nothing can keep its octets in their place.
const canMove = typeof ArrayBuffer.prototype.transfer === 'function';

// Octets that other threads read in place must stay in their place: they can no longer be given
// away to a worker, and what may go or shrink nevertheless is copied.
function still(bytes) {
	if (!(bytes instanceof Uint8Array))
		return bytes;
	if (canMove || bytes.buffer.resizable || bytes.buffer.growable)
		return new Uint8Array(bytes);
	markAsUntransferable(bytes.buffer);
	return bytes;
}

const { answerBytes, clientBytes, pipeWrite } = native;
native.answerBytes = (session, event, bytes) => answerBytes(session, event, still(bytes));
native.clientBytes = (client, event, bytes) => clientBytes(client, event, still(bytes));
native.pipeWrite = (pipe, bytes, last) => pipeWrite(pipe, still(bytes), last);

// The engine's own way where it can be taken; Node.js 18 cannot tell.
const { isWellFormed } = String.prototype;
const octetsOf = (string) => isWellFormed?.call(string) ? Buffer.from(string) : octets(string);

const CERTS = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^]*?-----END [^\n]*/g;
const KEYS = /-----BEGIN (?:\w+ )?PRIVATE KEY-----[^]*?-----END [^\n]*/g;

function readEach(name, pems, read) {
	if (pems === null)
		throw new RangeError(`tls.${name}: there is none in the PEM text`);
	return pems.map((pem) => {
		try {
			return read(pem);
		} catch (cause) {
			throw Object.assign(new RangeError(`tls.${name}: ${cause.message}`), { cause });
		}
	});
}

function checkPair(cert, key) {
	const certs = readEach('cert', cert.match(CERTS), (pem) => new crypto.X509Certificate(pem));
	const keys = readEach('key', key.match(KEYS), crypto.createPrivateKey);
	if (!keys.every((one) => certs.some((each) => each.checkPrivateKey(one))))
		throw new RangeError('tls.key: does not belong to the certificate');
}

module.exports = {
	native,
	name: 'node',
	onWake: setWake,
	EventEmitter,
	Readable,
	Buffer,
	octets: (value) => typeof value === 'string' ? octetsOf(value) :
		Buffer.from(value.buffer, value.byteOffset, value.byteLength),
	text,
	checkPair,
	unref: (timer) => timer.unref(),
	hostname: os.hostname,
	reverse: (address) => dns.promises.reverse(address),
	md5: (bytes) => crypto.createHash('md5').update(bytes).digest('hex'),
	hmacMd5: (key, bytes) => crypto.createHmac('md5', key).update(bytes).digest('hex'),
	report: (error) => console.error(error),
};
