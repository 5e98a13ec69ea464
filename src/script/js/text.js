'use strict';
// TextEncoder, TextDecoder with the charsets the system knows, atob and btoa.

// Names as the Encoding Standard has them: what iconv calls it, then all labels.
const CHARSETS = `
utf-8 UTF-8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8 x-unicode20utf8
utf-16be UTF-16BE unicodefffe
utf-16le UTF-16LE csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16
ibm866 CP866 866 cp866 csibm866
iso-8859-2 ISO-8859-2 csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2
iso-8859-3 ISO-8859-3 csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3
iso-8859-4 ISO-8859-4 csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4
iso-8859-5 ISO-8859-5 csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5
+ iso_8859-5:1988
iso-8859-6 ISO-8859-6 arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114
+ iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987
iso-8859-7 ISO-8859-7 csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597
+ iso_8859-7 iso_8859-7:1987 sun_eu_greek
iso-8859-8 ISO-8859-8 csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8
+ iso88598 iso_8859-8 iso_8859-8:1988 visual
iso-8859-8-i ISO-8859-8 csiso88598i logical
iso-8859-10 ISO-8859-10 csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6
iso-8859-13 ISO-8859-13 iso8859-13 iso885913
iso-8859-14 ISO-8859-14 iso8859-14 iso885914
iso-8859-15 ISO-8859-15 csisolatin9 iso8859-15 iso885915 iso_8859-15 l9
iso-8859-16 ISO-8859-16
koi8-r KOI8-R cskoi8r koi koi8 koi8_r
koi8-u KOI8-U koi8-ru
macintosh MACINTOSH csmacintosh mac x-mac-roman
windows-874 CP874 dos-874 iso-8859-11 iso8859-11 iso885911 tis-620
windows-1250 CP1250 cp1250 x-cp1250
windows-1251 CP1251 cp1251 x-cp1251
windows-1252 CP1252 ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100
+ iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii x-cp1252
windows-1253 CP1253 cp1253 x-cp1253
windows-1254 CP1254 cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9
+ iso_8859-9:1989 l5 latin5 x-cp1254
windows-1255 CP1255 cp1255 x-cp1255
windows-1256 CP1256 cp1256 x-cp1256
windows-1257 CP1257 cp1257 x-cp1257
windows-1258 CP1258 cp1258 x-cp1258
x-mac-cyrillic MAC-UK x-mac-ukrainian
gbk GB18030 chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk
gb18030 GB18030
big5 BIG5-HKSCS big5-hkscs cn-big5 csbig5 x-x-big5
euc-jp EUC-JP cseucpkdfmtjapanese x-euc-jp
iso-2022-jp ISO-2022-JP csiso2022jp
shift_jis CP932 csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis
euc-kr CP949 cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601
+ ksc_5601 windows-949
`.replaceAll('\n+', '').trim().split('\n').map((line) => line.split(' '));

const find = (label) => {
	const wanted = label.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '').toLowerCase();
	return CHARSETS.find(([name, , ...labels]) => name === wanted || labels.includes(wanted));
};

class TextDecoder {
	#name;
	#charset;
	#fatal;
	#ignoreBOM;
	#handle;
	#isBegun = false;
	#isOpen = false;

	constructor(label = 'utf-8', options = {}) {
		const found = find(String(label));
		const { fatal = false, ignoreBOM = false } = options ?? {};
		[this.#name, this.#charset] = found ?? [];
		this.#fatal = Boolean(fatal);
		this.#ignoreBOM = Boolean(ignoreBOM);
		this.#handle = found && native.decoder(this.#charset, this.#fatal);
		if (this.#handle === undefined)
			throw new RangeError(`TextDecoder: label: ${internal.shown(String(label))} is no ` +
				'charset that is known here');
	}

	get encoding() {
		return this.#name;
	}

	get fatal() {
		return this.#fatal;
	}

	get ignoreBOM() {
		return this.#ignoreBOM;
	}

	decode(input = new Uint8Array(), options = {}) {
		const bytes = internal.bytes('TextDecoder.decode: input', input);
		const isLast = !options?.stream;
		const decoded = native.decode(this.#handle, bytes, isLast);
		const isFirst = !this.#isBegun;
		if (decoded === undefined) {
			this.#isBegun = false;
			throw new TypeError(`TextDecoder.decode: input: no valid ${this.#name}`);
		}
		this.#isBegun = !isLast && (this.#isBegun || decoded !== '');
		const isMarked = isFirst && !this.#ignoreBOM && this.#name.startsWith('utf-') &&
			decoded.charCodeAt(0) === 0xFEFF;
		return isMarked ? decoded.slice(1) : decoded;
	}
}

class TextEncoder {
	get encoding() {
		return 'utf-8';
	}

	encode(input = '') {
		return native.encode(String(input).toWellFormed());
	}

	encodeInto(source, destination) {
		if (!(destination instanceof Uint8Array))
			internal.wrongType('TextEncoder.encodeInto: destination', 'a Uint8Array', destination);
		const text = String(source);
		const room = destination.length;
		// An octet at least for each unit: what is behind has no room anyway.
		let part = text.slice(0, room);
		if (text.length > room && /[\uD800-\uDBFF]$/.test(part) &&
			/^[\uDC00-\uDFFF]/.test(text.slice(room)))
			part = part.slice(0, -1);
		let bytes = native.encode(part.toWellFormed());
		let read = part.length;
		if (bytes.length > room) {
			let end = room;
			while ((bytes[end] & 0xC0) === 0x80)
				end--;
			bytes = bytes.subarray(0, end);
			read = bytes.reduce((sum, octet) =>
				sum + ((octet & 0xC0) === 0x80 ? 0 : octet >= 0xF0 ? 2 : 1), 0);
		}
		destination.set(bytes);
		return { read, written: bytes.length };
	}
}

const invalid = (name, why) => {
	throw new DOMException(`${name}: ${why}`, 'InvalidCharacterError');
};

internal.publish('atob', (data) => {
	let text = String(data).replace(/[\t\n\f\r ]+/g, '');
	if (text.length % 4 === 0)
		text = text.replace(/={1,2}$/, '');
	if (text.length % 4 === 1 || !/^[A-Za-z0-9+/]*$/.test(text))
		invalid('atob', 'this is no base64');
	return native.binary(Uint8Array.fromBase64(text));
});

internal.publish('btoa', (data) => {
	const text = String(data);
	const bytes = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++) {
		const unit = text.charCodeAt(i);
		if (unit > 0xFF)
			invalid('btoa', 'characters beyond U+00FF do not fit into an octet');
		bytes[i] = unit;
	}
	return bytes.toBase64();
});

for (const made of [TextDecoder, TextEncoder]) {
	Object.defineProperty(made.prototype, Symbol.toStringTag,
		{ value: made.name, configurable: true });
	internal.publish(made.name, made);
}

internal.binary = native.binary;
