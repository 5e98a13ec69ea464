'use strict';
// Text that comes in pieces and goes out in lines.

class PopDataBuffer {
	#text = '';
	#decoder = new TextDecoder();

	get length() {
		return this.#text.length;
	}

	/** Octets (UTF-8, which may be cut anywhere) or a string. */
	write(chunk) {
		this.#text += typeof chunk === 'string' ? chunk :
			this.#decoder.decode(chunk, { stream: true });
	}

	read(size) {
		if (size > this.#text.length)
			throw new RangeError(`PopDataBuffer: ${size} of ${this.#text.length} are wanted`);
		return this.#take(size, size);
	}

	/** What stands before the first `separator`, with `add` units of that; null: there is none. */
	segment(separator = '\r\n', add = 0) {
		const at = this.#text.indexOf(separator);
		return at < 0 ? null : this.#take(at + add, at + separator.length);
	}

	#take(shown, removed) {
		const text = this.#text.slice(0, shown);
		this.#text = this.#text.slice(removed);
		return text;
	}
}

module.exports = { PopDataBuffer };
