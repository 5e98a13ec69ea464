'use strict';
// infinity.crypto: digests, random values, password hashes.

const NAME = 'infinity.crypto';
const encodings = ['hex', 'base64', 'base64url', 'bytes'];
const methods = {
	__proto__: null,
	'yescrypt': '$y$',
	'gost-yescrypt': '$gy$',
	'scrypt': '$7$',
	'bcrypt': '$2b$',
	'sha512crypt': '$6$',
	'sha256crypt': '$5$',
};
const BCRYPT_MAX = 72;

const octets = (name, value) => {
	if (typeof value === 'string')
		return value;
	if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
		return internal.bytes(name, value);
	return internal.wrongType(name, 'a string, a Uint8Array or an ArrayBuffer', value);
};

const oneOf = (name, value, known) => {
	if (!known.includes(internal.string(name, value)))
		throw new RangeError(
			`${name}: one of ${known.join(', ')}, not ${internal.shown(value)}`);
	return value;
};

const digest = (name, algorithm, data, key, encoding = 'hex') => {
	internal.string(`${name} algorithm`, algorithm);
	const input = octets(`${name} data`, data);
	oneOf(`${name} encoding`, encoding, encodings);
	const result = /^[\w./-]{1,40}$/.test(algorithm)
		? native.cryptoDigest(algorithm, input, key, encoding)
		: undefined;
	if (result === undefined)
		throw new RangeError(`${name} algorithm: sha256, sha384, sha512, sha1, md5 or ` +
			`another that OpenSSL has, not ${internal.shown(algorithm)}`);
	return result;
};

const hash = (algorithm, data, encoding) =>
	digest(`${NAME}.hash`, algorithm, data, undefined, encoding);

const hmac = (algorithm, key, data, encoding) =>
	digest(`${NAME}.hmac`, algorithm, data, octets(`${NAME}.hmac key`, key), encoding);

const randomBytes = (count) =>
	native.cryptoRandom(internal.integer(`${NAME}.randomBytes count`, count, 0, 2 ** 24));

const randomUUID = () => {
	const bytes = native.cryptoRandom(16);
	bytes[6] = bytes[6] & 0x0f | 0x40;
	bytes[8] = bytes[8] & 0x3f | 0x80;
	const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
	return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
};

// 48 random bits; what lies beyond the last whole multiple of the range is thrown again.
const randomInt = (min, max) => {
	if (max === undefined)
		[min, max] = [0, min];
	const far = Number.MAX_SAFE_INTEGER;
	internal.integer(`${NAME}.randomInt min`, min, -far, far);
	internal.integer(`${NAME}.randomInt max`, max, -far, far);
	const range = max - min;
	if (range < 1 || range > 2 ** 48)
		throw new RangeError(`${NAME}.randomInt: max is above min, by 2 ** 48 at most`);
	const end = 2 ** 48 - 2 ** 48 % range;
	for (;;) {
		const drawn = native.cryptoRandom(6).reduce((sum, byte) => sum * 256 + byte, 0);
		if (drawn < end)
			return min + drawn % range;
	}
};

const timingSafeEqual = (a, b) =>
	native.cryptoEqual(octets(`${NAME}.timingSafeEqual a`, a),
		octets(`${NAME}.timingSafeEqual b`, b));

// What bcrypt would cut off in silence must not be taken for a password's strength.
const hashArguments = (password, settings = {}) => {
	const name = `${NAME}.hashPassword`;
	const given = octets(`${name} password`, password);
	if (typeof settings !== 'object' || settings === null)
		internal.wrongType(`${name} settings`, 'an object with method and cost', settings);
	for (const key of Object.keys(settings))
		oneOf(`${name} settings`, key, ['method', 'cost']);
	const { method = 'yescrypt', cost = 0 } = settings;
	oneOf(`${name} method`, method, Object.keys(methods));
	internal.integer(`${name} cost`, cost, 0, 2 ** 32 - 1);
	if (method === 'bcrypt' && native.cryptoLength(given) > BCRYPT_MAX)
		throw new RangeError(`${name} password: bcrypt looks at ${BCRYPT_MAX} octets only`);
	return [given, methods[method], cost];
};

// No hash (undefined, null) is a user who is not there: false, after the usual time.
const verifyArguments = (password, known) => {
	const name = `${NAME}.verifyPassword`;
	return [octets(`${name} password`, password), internal.string(`${name} hash`, known ?? '')];
};

infinity.crypto = Object.freeze({
	hash,
	hmac,
	randomBytes,
	randomUUID,
	randomInt,
	timingSafeEqual,
	hashPassword: (password, settings) =>
		native.cryptoHashPassword(...hashArguments(password, settings)),
	hashPasswordAsync: async (password, settings) =>
		native.cryptoHashPasswordAsync(...hashArguments(password, settings)),
	verifyPassword: (password, known) =>
		native.cryptoVerifyPassword(...verifyArguments(password, known)),
	verifyPasswordAsync: async (password, known) =>
		native.cryptoVerifyPasswordAsync(...verifyArguments(password, known)),
});
