'use strict';
// string_decoder: octets that come in pieces as text, no character cut in two.

const { Buffer, encodingOf } = require('./buffer');

const charsets = { __proto__: null, utf8: 'utf-8', utf16le: 'utf-16le' };
// Octets that make a whole number of characters.
const units = { __proto__: null, base64: 3, base64url: 3 };

class StringDecoder {
	#decoder;
	#unit;
	#rest = Buffer.alloc(0);

	constructor(encoding = 'utf8') {
		this.encoding = encodingOf('StringDecoder: encoding', encoding);
		this.#unit = units[this.encoding] ?? 1;
		if (this.encoding in charsets)
			this.#decoder = new TextDecoder(charsets[this.encoding], { ignoreBOM: true });
	}

	write(octets) {
		if (typeof octets === 'string')
			return octets;
		if (this.#decoder)
			return this.#decoder.decode(octets, { stream: true });
		const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, octets]) :
			Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
		const end = all.length - all.length % this.#unit;
		this.#rest = Buffer.from(all.subarray(end));
		return all.toString(this.encoding, 0, end);
	}

	end(octets) {
		const text = octets === undefined ? '' : this.write(octets);
		if (this.#decoder)
			return text + this.#decoder.decode();
		const rest = this.#rest.toString(this.encoding);
		this.#rest = Buffer.alloc(0);
		return text + rest;
	}
}

exports.StringDecoder = StringDecoder;
