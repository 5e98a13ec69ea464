'use strict';
// crypto: digests, MACs, random octets, over infinity.crypto. Octets are kept until digest().

const { Buffer, encodingOf } = require('./buffer');
const { callable, integer, make, wrongType } = require('./errors');

internal.need('infinity.crypto');
const { crypto } = infinity;

const MAX = 2 ** 24;
const NAMES = ['sha256', 'sha384', 'sha512', 'sha224', 'sha1', 'md5'];

const octetsOf = (name, value, encoding) => {
	if (typeof value === 'string')
		return Buffer.from(value, encoding);
	if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
		return internal.bytes(name, value);
	throw wrongType(name, 'a string, Buffer or Uint8Array', value);
};

const said = (octets, encoding) => {
	const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
	return encoding === undefined || encoding === 'buffer' ? buffer :
		buffer.toString(encodingOf('crypto: encoding', encoding));
};

const finished = () =>
	make(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'crypto: digest() was called already');

class Digest {
	#parts = [];
	#make;

	constructor(make) {
		this.#make = make;
	}

	update(data, encoding) {
		if (!this.#parts)
			throw finished();
		this.#parts.push(Buffer.from(octetsOf(`${this.constructor.name}.update: data`, data,
			encoding)));
		return this;
	}

	digest(encoding) {
		if (!this.#parts)
			throw finished();
		const octets = this.#make(Buffer.concat(this.#parts));
		this.#parts = undefined;
		return said(octets, encoding);
	}

	copy() {
		if (!this.#parts)
			throw finished();
		const other = new this.constructor(this.#make);
		other.#parts = [...this.#parts];
		return other;
	}
}

class Hash extends Digest {}
class Hmac extends Digest {}

// A wrong name is told at once, not with the digest.
const checked = (make_) => {
	make_(Buffer.alloc(0));
	return make_;
};

const createHash = (algorithm) =>
	new Hash(checked((data) => crypto.hash(algorithm, data, 'bytes')));

const createHmac = (algorithm, key) => {
	const octets = Buffer.from(octetsOf('crypto.createHmac: key', key));
	return new Hmac(checked((data) => crypto.hmac(algorithm, octets, data, 'bytes')));
};

const randomBytes = (size, callback) => {
	const octets = said(crypto.randomBytes(integer('crypto.randomBytes: size', size, 0, MAX)));
	if (callback === undefined)
		return octets;
	callable('crypto.randomBytes: callback', callback);
	setImmediate(() => callback(null, octets));
	return undefined;
};

const randomFillSync = (buffer, offset = 0, size = undefined) => {
	const octets = internal.bytes('crypto.randomFillSync: buffer', buffer);
	const end = size === undefined ? octets.length : offset + size;
	integer('crypto.randomFillSync: end', end, offset, octets.length);
	octets.set(crypto.randomBytes(end - offset), offset);
	return buffer;
};

const randomInt = (min, max, callback) => {
	if (typeof max === 'function')
		[min, max, callback] = [0, min, max];
	const drawn = crypto.randomInt(min, max);
	if (callback === undefined)
		return drawn;
	setImmediate(() => callback(null, drawn));
	return undefined;
};

const timingSafeEqual = (a, b) => {
	const [one, other] = [internal.bytes('crypto.timingSafeEqual: a', a),
		internal.bytes('crypto.timingSafeEqual: b', b)];
	if (one.length !== other.length)
		throw make(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH',
			'crypto.timingSafeEqual: a, b: as long as each other');
	return crypto.timingSafeEqual(one, other);
};

module.exports = {
	createHash, createHmac, getHashes: () => [...NAMES], Hash, Hmac, randomBytes, randomFillSync,
	randomInt, randomUUID: () => crypto.randomUUID(), timingSafeEqual,
};
