// infinity.encoding.

const { encoding } = infinity;

const numbers = {
	systemDefault: 0, ansi: 1, ascii: 2, bigEndianUnicode: 3, unicode: 4, utf7: 5, utf8: 6,
};
for (const [name, number] of Object.entries(numbers))
	check(name, encoding[name], number);
throws(() => { 'use strict'; encoding.ansi = 7; }, 'TypeError');
check('as text', `${encoding}`, '[object infinity.encoding]');

const bytes = (...octets) => Uint8Array.from(octets);
const all = Uint8Array.from({ length: 256 }, (_, i) => i);

// Every octet of the encodings that are made of octets comes back.
check('ansi', encoding.toBytes(encoding.toString(all, encoding.ansi), encoding.ansi), all);
check('default', encoding.toBytes(encoding.toString(all)), all);
check('utf8', encoding.toBytes(encoding.toString(all, encoding.utf8), encoding.utf8), all);
check('latin1', encoding.toBytes(encoding.toString(all, 'latin1'), 'ISO-8859-1'), all);
check('ansi 0x80 to 0x9f', encoding.toString(all.slice(0x80, 0xA0), encoding.ansi),
	'€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ');

check('unicode', encoding.toBytes('a€😀', encoding.unicode),
	bytes(0x61, 0, 0xAC, 0x20, 0x3D, 0xD8, 0x00, 0xDE));
check('big endian', encoding.toBytes('a€', encoding.bigEndianUnicode), bytes(0, 0x61, 0x20, 0xAC));
check('utf7', encoding.toString(encoding.toBytes('Hi Mom ☺!', encoding.utf7), encoding.utf7),
	'Hi Mom ☺!');
check('utf7 octets', encoding.toString(encoding.toBytes('ä', encoding.utf7)), '+AOQ-');
check('ascii', encoding.toBytes('abc', encoding.ascii), bytes(97, 98, 99));

// What cannot be said.
check('?', encoding.toBytes('aä€😀\udcffz', encoding.ascii), bytes(97, 63, 63, 63, 63, 122));
check('? in ansi', encoding.toBytes('ł€\ud800', encoding.ansi), bytes(63, 0x80, 63));
check('? in unicode', encoding.toBytes('\udcff', encoding.unicode), bytes(63, 0));
check('U+FFFD ascii', encoding.toString(bytes(97, 200, 98), encoding.ascii), 'a\ufffdb');
check('U+FFFD unicode', encoding.toString(bytes(0, 0xD8, 97, 0), encoding.unicode), '\ufffda');
check('cut unicode', encoding.toString(bytes(97, 0, 97), encoding.unicode), 'a\ufffd');
check('cut pair', encoding.toString(bytes(0x3D, 0xD8), encoding.unicode), '\ufffd');
check('cut big5', encoding.toString(bytes(0xA4), 'big5'), '\ufffd');
check('empty', [encoding.toString(bytes(), 4), encoding.toBytes('', 5)], ['', bytes()]);

// Charsets by name.
check('koi8-r', encoding.toString(bytes(0xF0, 0xD2, 0xC9), 'koi8-r'), 'При');
check('iso-2022-jp', encoding.toString(encoding.toBytes('日本', 'iso-2022-jp'), 'iso-2022-jp'), '日本');
check('UTF-8 by name', encoding.toBytes('ä\udcff', 'UTF-8'), bytes(0xC3, 0xA4, 0xFF));
check('Utf8 by name', encoding.toString(bytes(0xFF), 'Utf8'), '\udcff');

// From one to another.
check('convert', encoding.convert(bytes(0xE4, 0x80), encoding.ansi, encoding.utf8),
	bytes(0xC3, 0xA4, 0xE2, 0x82, 0xAC));
check('convert back', encoding.convert(bytes(0xC3, 0xA4), encoding.utf8, encoding.ansi), bytes(0xE4));
check('convert a string', encoding.convert('\udce4x', encoding.ansi, encoding.utf8), 'äx');
check('a string back', encoding.convert('äx', encoding.utf8, encoding.ansi), '\udce4x');
check('a buffer', encoding.convert(bytes(65).buffer, 2, 4), bytes(65, 0));
check('a view', encoding.toString(new Uint8Array(bytes(1, 65, 66, 2).buffer, 1, 2), 2), 'AB');

// Much of it: steps end within characters.
{
	const long = 'aä€😀'.repeat(100000);
	for (const number of [0, 3, 4, 5, 6])
		check(`long ${number}`,
			encoding.toString(encoding.toBytes(long, number), number) === long, true);
	check('long ?', encoding.toString(encoding.toBytes(long, 2), 2) === 'a???'.repeat(100000), true);
	const garbage = new Uint8Array(100000).map((_, i) => i * 7 + (i >> 5));
	for (const charset of [2, 3, 4, 5, 'big5', 'gb18030', 'euc-jp', 'iso-2022-kr', 'utf-32le'])
		check(`garbage ${charset}`, typeof encoding.toString(garbage, charset), 'string');
}

wrongTypes((value) => encoding.toString(value), [], 'infinity.encoding.toString: bytes');
wrongTypes((value) => encoding.toString(bytes(), value), ['undefined', 'number', 'string'],
	'infinity.encoding.toString: encoding');
wrongTypes((value) => encoding.toBytes(value), ['string'], 'infinity.encoding.toBytes: text');
wrongTypes((value) => encoding.toBytes('', value), ['undefined', 'number', 'string'],
	'infinity.encoding.toBytes: encoding');
wrongTypes((value) => encoding.convert(value, 0, 1), ['string'], 'infinity.encoding.convert: value');
wrongTypes((value) => encoding.convert('', value, 0), ['number', 'string'],
	'infinity.encoding.convert: from');
wrongTypes((value) => encoding.convert('', 0, value), ['number', 'string'],
	'infinity.encoding.convert: to');
for (const value of [-1, 7, 1.5, NaN])
	throws(() => encoding.toBytes('', value), 'RangeError', 'ansi (1)');
for (const value of ['', 'x', 'no such', 'utf-16//IGNORE', 'a\0', 'ä', 'x'.repeat(100)])
	throws(() => encoding.toBytes('', value), 'RangeError', 'infinity.encoding.toBytes: encoding');

return String(checks > 100);
