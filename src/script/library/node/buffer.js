'use strict';
// buffer: Buffer, a Uint8Array with Node's ways of reading and writing it.

const { integer, make, outOfRange, wrongType, wrongValue } = require('./errors');
const numbers = require('./buffer_numbers');

const MAX = 2 ** 32;
const names = {
	__proto__: null, 'utf8': 'utf8', 'utf-8': 'utf8', 'hex': 'hex', 'base64': 'base64',
	'base64url': 'base64url', 'latin1': 'latin1', 'binary': 'latin1', 'ascii': 'ascii',
	'utf16le': 'utf16le', 'utf-16le': 'utf16le', 'ucs2': 'utf16le', 'ucs-2': 'utf16le',
};

// ---- Encodings: text to octets and back ----

internal.need('infinity.text');
const encoder = new TextEncoder();
const decoders = { utf8: new TextDecoder('utf-8', { ignoreBOM: true }) };

const units = (text) => {
	const octets = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++)
		octets[i] = text.charCodeAt(i);
	return octets;
};

const pairs = (text) => {
	const octets = new Uint8Array(2 * text.length);
	for (let i = 0; i < text.length; i++) {
		const unit = text.charCodeAt(i);
		octets[2 * i] = unit;
		octets[2 * i + 1] = unit >> 8;
	}
	return octets;
};

// As far as it is hexadecimal; half an octet at the end is none.
const fromHex = (text) => {
	const whole = /^(?:[0-9a-fA-F]{2})*/.exec(text)[0];
	return Uint8Array.fromHex(whole);
};

// Either alphabet, whatever stands between; the first "=" ends it.
const fromBase64 = (text) => {
	const end = text.indexOf('=');
	let clean = (end < 0 ? text : text.slice(0, end)).replaceAll('-', '+').replaceAll('_', '/');
	if (/[^A-Za-z0-9+/]/.test(clean))
		clean = clean.replace(/[^A-Za-z0-9+/]+/g, '');
	return Uint8Array.fromBase64(clean.length % 4 === 1 ? clean.slice(0, -1) : clean);
};

const codecs = {
	__proto__: null,
	utf8: [(text) => encoder.encode(text), (octets) => decoders.utf8.decode(octets)],
	hex: [fromHex, (octets) => octets.toHex()],
	base64: [fromBase64, (octets) => octets.toBase64()],
	base64url: [fromBase64,
		(octets) => octets.toBase64({ alphabet: 'base64url', omitPadding: true })],
	latin1: [units, (octets) => internal.binary(octets)],
	ascii: [units, (octets) => internal.binary(octets.map((octet) => octet & 0x7F))],
	utf16le: [pairs, (octets) => {
		decoders.utf16le ??= new TextDecoder('utf-16le', { ignoreBOM: true });
		return decoders.utf16le.decode(octets.subarray(0, octets.length & ~1));
	}],
};

const known = (encoding) =>
	typeof encoding === 'string' ? names[encoding] ?? names[encoding.toLowerCase()] : undefined;

const encodingOf = (name, encoding) => {
	const found = encoding === undefined || encoding === null ? 'utf8' : known(encoding);
	if (found === undefined)
		throw make(TypeError, 'ERR_UNKNOWN_ENCODING',
			`${name}: utf8, hex, base64, base64url, latin1, ascii or utf16le, not ` +
			internal.shown(encoding));
	return found;
};

const encode = (text, encoding) => codecs[encodingOf('Buffer: encoding', encoding)][0](text);
const plain = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

// ---- Places in a buffer ----

// As slice has them: from the end where negative, inside in any case.
const place = (value, length, otherwise) => {
	if (value === undefined)
		return otherwise;
	const n = Math.trunc(Number(value)) || 0;
	return n < 0 ? Math.max(length + n, 0) : Math.min(n, length);
};

// As toString and copy have them: what is negative is the beginning.
const bound = (value, length, otherwise) => {
	if (value === undefined)
		return otherwise;
	return Math.min(Math.max(Math.trunc(Number(value)) || 0, 0), length);
};

const octetsOf = (name, value, encoding) => {
	if (typeof value === 'string')
		return encode(value, encoding);
	if (value instanceof Uint8Array)
		return value;
	throw wrongType(name, 'a string, Buffer or Uint8Array', value);
};

const compare = (a, b) => {
	const length = Math.min(a.length, b.length);
	for (let i = 0; i < length; i++)
		if (a[i] !== b[i])
			return a[i] < b[i] ? -1 : 1;
	return Math.sign(a.length - b.length);
};

const isAt = (octets, wanted, at) => {
	for (let i = 0; i < wanted.length; i++)
		if (octets[at + i] !== wanted[i])
			return false;
	return true;
};

const find = (octets, wanted, from) => {
	const last = octets.length - wanted.length;
	if (wanted.length === 0)
		return Math.min(from, octets.length);
	const indexOf = Uint8Array.prototype.indexOf;
	let at = indexOf.call(octets, wanted[0], from);
	while (at >= 0 && at <= last && !isAt(octets, wanted, at))
		at = indexOf.call(octets, wanted[0], at + 1);
	return at <= last ? at : -1;
};

const findLast = (octets, wanted, from) => {
	let at = Math.min(from, octets.length - wanted.length);
	while (at >= 0 && !isAt(octets, wanted, at))
		at--;
	return at;
};

const wantedOf = (name, value, encoding) => {
	if (typeof value === 'number')
		return Uint8Array.of(value);
	return octetsOf(`Buffer.${name}: value`, value, encoding);
};

const search = (name, buffer, [value, from, encoding], isLast) => {
	if (typeof from === 'string')
		[from, encoding] = [undefined, from];
	const wanted = wantedOf(name, value, encoding);
	const { length } = buffer;
	const n = Math.trunc(Number(from));
	const start = from === undefined || Number.isNaN(n) ? (isLast ? length : 0) :
		n < 0 ? length + n : n;
	if (isLast)
		return start < 0 ? -1 : findLast(buffer, wanted, start);
	return find(buffer, wanted, Math.max(start, 0));
};

// ---- Making buffers ----

const size = (name, value) => integer(name, value, 0, MAX);

const over = (octets) => new Buffer(octets.buffer, octets.byteOffset, octets.byteLength);

const copyOf = (octets) => {
	const copy = new Buffer(octets.length);
	copy.set(octets);
	return copy;
};

const fromObject = (value, encoding, length) => {
	if (value instanceof ArrayBuffer)
		return new Buffer(value, encoding, length);
	if (ArrayBuffer.isView(value))
		return copyOf(value);
	if (Array.isArray(value))
		return copyOf(value);
	if (value.type === 'Buffer' && Array.isArray(value.data))
		return copyOf(value.data);
	const primitive = value.valueOf?.();
	if (primitive !== value && primitive !== undefined && primitive !== null)
		return Buffer.from(primitive, encoding, length);
	if (typeof value[Symbol.toPrimitive] === 'function')
		return Buffer.from(value[Symbol.toPrimitive]('string'), encoding);
	return typeof value.length === 'number' ? copyOf(Array.from(value)) : undefined;
};

const fillWith = (buffer, value, start, end, encoding) => {
	const octets = typeof value === 'string' ? encode(value, encoding) : value;
	if (octets.length === 0 && value !== '')
		throw wrongValue('Buffer.fill: value', 'something that has octets', value);
	if (octets.length <= 1)
		return Uint8Array.prototype.fill.call(buffer, octets[0] ?? 0, start, end);
	for (let at = start; at < end; at += octets.length)
		buffer.set(octets.subarray(0, end - at), at);
	return buffer;
};

class Buffer extends Uint8Array {
	// A string here is the old way of Buffer.from.
	constructor(value, byteOffset, length) {
		if (typeof value === 'string')
			return Buffer.from(value, byteOffset);
		super(value, byteOffset, length);
	}

	static poolSize = 8192;

	static from(value, encoding, length) {
		if (typeof value === 'string')
			return over(encode(value, encoding));
		const made = typeof value === 'object' && value !== null ?
			fromObject(value, encoding, length) : undefined;
		if (made === undefined)
			throw wrongType('Buffer.from: value',
				'a string, an array, an ArrayBuffer, a Buffer or Uint8Array', value);
		return made;
	}

	static of(...octets) {
		return copyOf(octets);
	}

	static alloc(length, fill, encoding) {
		const made = new Buffer(size('Buffer.alloc: size', length));
		return fill === undefined || fill === 0 ? made : made.fill(fill, encoding);
	}

	static allocUnsafe(length) {
		return new Buffer(size('Buffer.allocUnsafe: size', length));
	}

	static allocUnsafeSlow(length) {
		return new Buffer(size('Buffer.allocUnsafeSlow: size', length));
	}

	static concat(list, length) {
		if (!Array.isArray(list))
			throw wrongType('Buffer.concat: list', 'an array of Buffers', list);
		list.forEach((part, i) => {
			if (!(part instanceof Uint8Array))
				throw wrongType(`Buffer.concat: list[${i}]`, 'a Buffer or Uint8Array', part);
		});
		const whole = list.reduce((sum, part) => sum + part.length, 0);
		const made = new Buffer(length === undefined ? whole :
			size('Buffer.concat: totalLength', length));
		let at = 0;
		for (const part of list) {
			if (at >= made.length)
				break;
			made.set(part.subarray(0, made.length - at), at);
			at += part.length;
		}
		return made;
	}

	static isBuffer(value) {
		return value instanceof Buffer;
	}

	static isEncoding(encoding) {
		return known(encoding) !== undefined;
	}

	static byteLength(value, encoding) {
		if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
			return value.byteLength;
		if (typeof value !== 'string')
			throw wrongType('Buffer.byteLength: value', 'a string, Buffer or ArrayBuffer', value);
		return encode(value, encoding).length;
	}

	static compare(a, b) {
		return compare(octetsOf('Buffer.compare: buf1', a), octetsOf('Buffer.compare: buf2', b));
	}

	get parent() {
		return this.buffer;
	}

	get offset() {
		return this.byteOffset;
	}

	toString(encoding, start, end) {
		const from = bound(start, this.length, 0);
		const to = bound(end, this.length, this.length);
		const decode = codecs[encodingOf('Buffer.toString: encoding', encoding)][1];
		return from >= to ? '' : decode(plain(this).subarray(from, to));
	}

	toLocaleString(encoding, start, end) {
		return this.toString(encoding, start, end);
	}

	toJSON() {
		return { type: 'Buffer', data: Array.from(this) };
	}

	equals(other) {
		if (!(other instanceof Uint8Array))
			throw wrongType('Buffer.equals: other', 'a Buffer or Uint8Array', other);
		return this === other || compare(this, other) === 0;
	}

	compare(target, targetStart, targetEnd, sourceStart, sourceEnd) {
		const other = octetsOf('Buffer.compare: target', target);
		return compare(this.subarray(bound(sourceStart, this.length, 0),
			bound(sourceEnd, this.length, this.length)),
		other.subarray(bound(targetStart, other.length, 0),
			bound(targetEnd, other.length, other.length)));
	}

	slice(start, end) {
		return this.subarray(start, end);
	}

	subarray(start, end) {
		const from = place(start, this.length, 0);
		const to = place(end, this.length, this.length);
		return new Buffer(this.buffer, this.byteOffset + from, Math.max(to - from, 0));
	}

	indexOf(...args) {
		return search('indexOf', this, args, false);
	}

	lastIndexOf(...args) {
		return search('lastIndexOf', this, args, true);
	}

	includes(...args) {
		return search('includes', this, args, false) >= 0;
	}

	write(text, offset, length, encoding) {
		if (typeof text !== 'string')
			throw wrongType('Buffer.write: string', 'a string', text);
		if (typeof offset === 'string')
			[offset, length, encoding] = [undefined, undefined, offset];
		else if (typeof length === 'string')
			[length, encoding] = [undefined, length];
		const at = integer('Buffer.write: offset', offset ?? 0, 0, this.length);
		const left = this.length - at;
		const room = length === undefined ? left :
			Math.min(integer('Buffer.write: length', length, 0, this.length), left);
		const found = encodingOf('Buffer.write: encoding', encoding);
		if (found === 'utf8')
			return encoder.encodeInto(text, this.subarray(at, at + room)).written;
		const octets = codecs[found][0](text);
		const whole = found === 'utf16le' ? room & ~1 : room;
		const part = octets.subarray(0, whole);
		this.set(part, at);
		return part.length;
	}

	copy(target, targetStart, sourceStart, sourceEnd) {
		if (!(target instanceof Uint8Array))
			throw wrongType('Buffer.copy: target', 'a Buffer or Uint8Array', target);
		const to = Math.max(Math.trunc(Number(targetStart ?? 0)) || 0, 0);
		const from = Math.trunc(Number(sourceStart ?? 0)) || 0;
		if (from < 0 || from > this.length)
			throw outOfRange('Buffer.copy: sourceStart', `from 0 to ${this.length}`, sourceStart);
		const end = bound(sourceEnd, this.length, this.length);
		const count = Math.max(Math.min(end - from, target.length - to), 0);
		if (count > 0)
			target.set(plain(this).subarray(from, from + count), to);
		return count;
	}

	fill(value, start, end, encoding) {
		if (typeof start === 'string')
			[start, encoding] = [undefined, start];
		else if (typeof end === 'string')
			[end, encoding] = [undefined, end];
		const from = integer('Buffer.fill: offset', start ?? 0, 0, MAX);
		const to = integer('Buffer.fill: end', end ?? this.length, 0, this.length);
		if (from >= to)
			return this;
		if (typeof value === 'string' || value instanceof Uint8Array)
			return fillWith(this, value, from, to, encoding);
		return super.fill(Number(value) & 0xFF, from, to);
	}
}

for (const [name, method] of Object.entries(numbers)) {
	Object.defineProperty(Buffer.prototype, name,
		{ value: method, writable: true, configurable: true });
	Object.defineProperty(Buffer.prototype, name.replace('UInt', 'Uint').replace('BigUInt', 'BigUint'),
		{ value: method, writable: true, configurable: true });
}

exports.Buffer = Buffer;
exports.encodingOf = encodingOf;
exports.SlowBuffer = Buffer;
exports.kMaxLength = MAX;
exports.kStringMaxLength = 2 ** 30;
exports.constants = { MAX_LENGTH: MAX, MAX_STRING_LENGTH: 2 ** 30 };
exports.INSPECT_MAX_BYTES = 50;
exports.atob = (data) => atob(data);
exports.btoa = (data) => btoa(data);
