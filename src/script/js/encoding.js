// infinity.encoding: text in other charsets.
//
//	systemDefault 0, utf8 6	octets as they are: what is no UTF-8 keeps its octet, so that octets to
//				string to octets is the identity
//	ansi 1			windows-1252
//	ascii 2			US-ASCII
//	bigEndianUnicode 3	UTF-16BE
//	unicode 4		UTF-16LE
//	utf7 5			UTF-7
//
// Everywhere an encoding is asked for, the name of a charset that iconv knows ("iso-8859-2") is one,
// too. What a charset cannot say becomes '?'; octets that mean nothing in it become U+FFFD.
//
//	toString(bytes, encoding = systemDefault)	string
//	toBytes(text, encoding = systemDefault)		Uint8Array
//	convert(value, from, to)	bytes of one encoding as those of another; a string in which octets
//					came (a message, say) gives such a string

const NAME = 'infinity.encoding';
const values = internal.enumeration({
	systemDefault: 0, ansi: 1, ascii: 2, bigEndianUnicode: 3, unicode: 4, utf7: 5, utf8: 6,
});
const charsets = ['', 'CP1252', 'US-ASCII', 'UTF-16BE', 'UTF-16LE', 'UTF-7', ''];
const known = new Map([['utf-8', ''], ['utf8', '']]);

// iconv's name of what a script gave; '' for octets as they are.
const charsetOf = (name, value) => {
	if (typeof value !== 'string')
		return charsets[internal.enumValue(name, value, values)];
	const key = value.toLowerCase();
	if (!known.has(key)) {
		if (!/^[\w.:()+-]{1,60}$/.test(value) || !native.encodingKnown(value))
			throw new RangeError(
				`${name}: a charset of this system, not ${internal.shown(value)}`);
		if (known.size > 100)
			known.clear();
		known.set(key, /^utf-?8$/.test(key) ? '' : value);
	}
	return known.get(key);
};

// For other modules: octets to a string, and a string to what may be written (a string for '').
internal.charset = (name, value) => charsetOf(name, value === undefined ? 0 : value);
internal.decode = (octets, charset) => native.encodingDecode(octets, charset);
internal.encode = (text, charset) => charset === '' ? text : native.encodingEncode(text, charset);

infinity.encoding = Object.freeze({
	__proto__: null,
	...values,

	toString(...args) {
		if (args.length === 0)
			return `[object ${NAME}]`;
		const [bytes, encoding = 0] = args;
		return native.encodingDecode(internal.bytes(`${NAME}.toString: bytes`, bytes),
			charsetOf(`${NAME}.toString: encoding`, encoding));
	},

	toBytes(text, encoding = 0) {
		return native.encodingEncode(internal.string(`${NAME}.toBytes: text`, text),
			charsetOf(`${NAME}.toBytes: encoding`, encoding));
	},

	convert(value, from, to) {
		const isString = typeof value === 'string';
		const source = charsetOf(`${NAME}.convert: from`, from);
		const target = charsetOf(`${NAME}.convert: to`, to);
		if (!isString && !(value instanceof ArrayBuffer) && !ArrayBuffer.isView(value))
			internal.wrongType(`${NAME}.convert: value`, 'a Uint8Array or a string', value);
		const octets = isString ? value : internal.bytes(`${NAME}.convert: value`, value);
		const text = native.encodingDecode(octets, source);
		const result = native.encodingEncode(text, target);
		return isString ? native.encodingDecode(result, '') : result;
	},
});
