'use strict';
// Numbers in a Buffer: readUInt16BE, writeDoubleLE and their kin, over DataView.

const { integer, outOfRange, wrongType } = require('./errors');

const kinds = [
	['UInt8', 'Uint8', 1, 0, 0xFF], ['Int8', 'Int8', 1, -0x80, 0x7F],
	['UInt16', 'Uint16', 2, 0, 0xFFFF], ['Int16', 'Int16', 2, -0x8000, 0x7FFF],
	['UInt32', 'Uint32', 4, 0, 0xFFFFFFFF], ['Int32', 'Int32', 4, -0x80000000, 0x7FFFFFFF],
	['BigUInt64', 'BigUint64', 8, 0n, 2n ** 64n - 1n],
	['BigInt64', 'BigInt64', 8, -(2n ** 63n), 2n ** 63n - 1n],
	['Float', 'Float32', 4, -Infinity, Infinity], ['Double', 'Float64', 8, -Infinity, Infinity],
];

const methods = {};
const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);

const placeOf = (name, buffer, offset, octets) => {
	if (buffer.length < octets)
		throw outOfRange(`Buffer.${name}: offset`, `a buffer of ${octets} octets at least`,
			offset);
	return integer(`Buffer.${name}: offset`, offset, 0, buffer.length - octets);
};

const inRange = (name, value, min, max) => {
	const wanted = typeof min === 'bigint' ? 'a BigInt' : 'a number';
	const number = typeof min === 'number' && typeof value !== 'bigint' ? Number(value) : value;
	if (typeof number !== typeof min)
		throw wrongType(`Buffer.${name}: value`, wanted, value);
	if (number < min || number > max)
		throw outOfRange(`Buffer.${name}: value`, `from ${min} to ${max}`, value);
	return number;
};

const define = ([name, type, octets, min, max], ending) => {
	const isLittle = ending === 'LE';
	const [read, write] = [`read${name}${ending}`, `write${name}${ending}`];
	const [get, set] = [`get${type}`, `set${type}`];
	methods[read] = function (offset = 0) {
		return view(this)[get](placeOf(read, this, offset, octets), isLittle);
	};
	methods[write] = function (value, offset = 0) {
		const number = inRange(write, value, min, max);
		view(this)[set](placeOf(write, this, offset, octets), number, isLittle);
		return offset + octets;
	};
};

for (const kind of kinds)
	for (const ending of kind[2] === 1 ? [''] : ['LE', 'BE'])
		define(kind, ending);

// Of one to six octets.
const order = (count, isLittle) =>
	Array.from({ length: count }, (_, i) => isLittle ? count - 1 - i : i);

const defineLong = (isSigned, ending) => {
	const name = isSigned ? 'Int' : 'UInt';
	const [read, write] = [`read${name}${ending}`, `write${name}${ending}`];
	methods[read] = function (offset, count) {
		integer(`Buffer.${read}: byteLength`, count, 1, 6);
		placeOf(read, this, offset, count);
		const value = order(count, ending === 'LE')
			.reduce((sum, i) => sum * 256 + this[offset + i], 0);
		return isSigned && value >= 2 ** (8 * count - 1) ? value - 2 ** (8 * count) : value;
	};
	methods[write] = function (value, offset, count) {
		integer(`Buffer.${write}: byteLength`, count, 1, 6);
		const bits = 8 * count;
		let left = inRange(write, value, isSigned ? -(2 ** (bits - 1)) : 0,
			2 ** (isSigned ? bits - 1 : bits) - 1);
		placeOf(write, this, offset, count);
		left = Math.trunc(left) || 0;
		for (const i of order(count, ending === 'LE').reverse()) {
			this[offset + i] = left % 256;
			left = Math.floor(left / 256);
		}
		return offset + count;
	};
};

for (const isSigned of [false, true])
	for (const ending of ['LE', 'BE'])
		defineLong(isSigned, ending);

const swap = (octets) => function () {
	if (this.length % octets !== 0)
		throw outOfRange(`Buffer.swap${8 * octets}`, `a length that ${octets} divides`, this.length);
	for (let at = 0; at < this.length; at += octets)
		Uint8Array.prototype.reverse.call(this.subarray(at, at + octets));
	return this;
};
for (const octets of [2, 4, 8])
	methods[`swap${8 * octets}`] = swap(octets);

module.exports = methods;
