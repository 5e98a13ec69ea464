'use strict';
// Replies as text and as objects, and the lines behind them.

const PopResponseType = Object.freeze({ Success: '+OK', Failure: '-ERR' });
const PopExtRespCode = Object.freeze({
	Sys: 'SYS', SysTemp: 'SYS/TEMP', SysPerm: 'SYS/PERM', Auth: 'AUTH', InUse: 'IN-USE',
	LoginDelay: 'LOGIN-DELAY', Utf8: 'UTF8',
});

const joined = (words) => (Array.isArray(words) ? words : [words])
	.map((word) => word.trim()).join(' ');

class PopResponse {
	/** `message`: a string, several that are joined by spaces, or null. */
	constructor(type, message = null, ext_resp_code = null) {
		this.type = type;
		this.message = message;
		this.ext_resp_code = ext_resp_code;
	}

	get extRespCode() {
		return this.ext_resp_code;
	}

	/** A reply's first line. A code is one only where its bracket closes (RFC 2449 8). */
	static decode(line) {
		const parts = /^(\+OK|-ERR)(?: +(?:\[([^\]\s]+)\] *)?(.*))?$/is.exec(line.trim());
		if (parts === null)
			throw new Error('PopResponse: a reply begins with +OK or -ERR');
		const [, type, code, text] = parts;
		return new PopResponse(type.toUpperCase(), text ? text.trim() : null,
			code === undefined ? null : code.toUpperCase());
	}

	encode(newline = true) {
		const words = [this.type];
		if (this.ext_resp_code)
			words.push(`[${this.ext_resp_code}]`);
		if (this.message !== null)
			words.push(joined(this.message));
		return words.join(' ') + (newline ? '\r\n' : '');
	}
}

/** Lines of a multi-line reply, to anything that has write(text). */
class PopMultilineResponse {
	/** A line, or words to join by spaces; dots are doubled as RFC 1939 3 says. */
	static encode_line(line) {
		const text = Array.isArray(line) ? joined(line) : line;
		return `${text.startsWith('.') ? '.' : ''}${text}\r\n`;
	}

	static write_line(line, socket) {
		return socket.write(PopMultilineResponse.encode_line(line));
	}

	static write_end(socket) {
		return socket.write('.\r\n');
	}
}

module.exports = { PopResponse, PopResponseType, PopExtRespCode, PopMultilineResponse };
