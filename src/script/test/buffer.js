// Buffer (node_test.c).

const { Buffer } = require('buffer');
const { StringDecoder } = require('string_decoder');

check('one class', [Buffer === globalThis.Buffer, require('node:buffer').Buffer === Buffer],
	[true, true]);
const hex = (buffer) => buffer.toString('hex');
const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

// Encodings, there and back.
for (const encoding of ['hex', 'base64', 'base64url', 'latin1', 'binary', 'HEX', 'Base64'])
	check(encoding, Buffer.from(all.toString(encoding), encoding).equals(all), true);
for (const [text, encoding, want] of [
	['häl€😀', 'utf8', '68c3a46ce282acf09f9880'], ['ab', 'utf16le', '61006200'],
	['😀', 'ucs2', '3dd800de'], ['hä', 'latin1', '68e4'], ['hä', 'ascii', '68e4'],
	['\u20ac', 'latin1', 'ac'], ['\ud800x', 'utf8', 'efbfbd78'], ['', 'utf8', ''],
	['6869', 'hex', '6869'], ['686', 'hex', '68'], ['68zz69', 'hex', '68'], ['zz', 'hex', ''],
	['aGk=', 'base64', '6869'], ['aGk', 'base64', '6869'], ['aG k\n=', 'base64', '6869'],
	['-_-_', 'base64', 'fbffbf'], ['+/+/', 'base64url', 'fbffbf'], ['a', 'base64', ''],
	['aGkh', 'base64', '686921'], ['aGkha', 'base64', '686921'], ['', 'base64', ''],
]) {
	check(`${text} ${encoding}`, hex(Buffer.from(text, encoding)), want);
	check(`length of ${text}`, Buffer.from(text, encoding).length, want.length / 2);
}
check('length', [Buffer.byteLength('€'), Buffer.byteLength('abcd', 'hex'), Buffer.byteLength(all),
	Buffer.byteLength(new ArrayBuffer(3)), Buffer.byteLength('ab', 'utf16le')], [3, 2, 256, 3, 4]);
check('what is no UTF-8', Buffer.from([0x61, 0xff, 0xe2, 0x82]).toString(), 'a\ufffd\ufffd');
check('the mark stays', Buffer.from([0xef, 0xbb, 0xbf, 0x61]).toString(), '\ufeffa');
check('ascii', Buffer.from([0xe1, 0x62]).toString('ascii'), 'ab');
check('parts', [all.toString('latin1', 97, 100), all.toString('latin1', -5, 2).length,
	all.toString('hex', 254), all.toString('hex', 300), all.toString('hex', 5, 4)],
['abc', 2, 'feff', '', '']);
check('url', Buffer.from('fbff', 'hex').toString('base64url'), '-_8');
for (const wrong of ['', 'utf7', 'utf-32'])
	throws(() => Buffer.from('x', wrong || 'none'), 'ERR_UNKNOWN_ENCODING');
throws(() => all.toString('none'), 'ERR_UNKNOWN_ENCODING');
check('known', ['utf8', 'UTF-8', 'latin1', 'x', 5, undefined].map(Buffer.isEncoding),
	[true, true, true, false, false, false]);

// Making.
check('of numbers', hex(Buffer.from([1, 256, -1, 3.9, '5', 'x'])), '0100ff030500');
check('of JSON', Buffer.from(JSON.parse(JSON.stringify(Buffer.from('hi')))).toString(), 'hi');
check('as JSON', JSON.stringify(Buffer.from('hi')), '{"type":"Buffer","data":[104,105]}');
check('of objects', [Buffer.from(new String('x')).toString(), Buffer.from({ valueOf: () => 'v' })
	.toString(), hex(Buffer.from({ length: 2, 0: 7, 1: 8 }))], ['x', 'v', '0708']);
const copied = Buffer.from(all);
copied[0] = 9;
check('a copy', all[0], 0);
const memory = new ArrayBuffer(8);
const shared = Buffer.from(memory, 2, 3);
shared[0] = 7;
check('no copy', [new Uint8Array(memory)[2], shared.length, shared.byteOffset], [7, 3, 2]);
const part = all.subarray(10, 20), sliced = part.slice(-3, -1);
check('parts share', [part instanceof Buffer, sliced[0], sliced.length, sliced.buffer === all.buffer,
	all.slice(5, 3).length, all.subarray(300).length], [true, 17, 2, true, 0, 0]);
check('alloc', [hex(Buffer.alloc(3)), hex(Buffer.alloc(4, 'ab')), hex(Buffer.alloc(3, 1)),
	hex(Buffer.alloc(3, 'aGk=', 'base64')), Buffer.allocUnsafe(5).length, hex(Buffer.alloc(2, ''))],
['000000', '61626162', '010101', '686968', 5, '0000']);
for (const wrong of ['5', null, {}, undefined])
	throws(() => Buffer.alloc(wrong), 'ERR_INVALID_ARG_TYPE');
for (const wrong of [-1, -1e9])
	throws(() => Buffer.alloc(wrong), 'ERR_OUT_OF_RANGE');
for (const wrong of [undefined, null, 5, true, () => 1, {}])
	throws(() => Buffer.from(wrong), 'ERR_INVALID_ARG_TYPE');
check('the old way', [new Buffer('6869', 'hex').toString(), new Buffer(3).length], ['hi', 3]);
check('concat', [Buffer.concat([]).length, Buffer.concat([all, part]).length, hex(Buffer.concat(
	[Buffer.from('ab'), Uint8Array.of(1)], 5)), Buffer.concat([part, part], 15).length],
[0, 266, '6162010000', 15]);
throws(() => Buffer.concat(all), 'ERR_INVALID_ARG_TYPE');
throws(() => Buffer.concat(['x']), 'ERR_INVALID_ARG_TYPE', 'list[0]');
check('is', [Buffer.isBuffer(all), Buffer.isBuffer(new Uint8Array(1)), all instanceof Uint8Array,
	Buffer.isBuffer(all.map((n) => n)), Array.isArray(all)], [true, false, true, true, false]);

// Comparing and finding.
const b = (text) => Buffer.from(text);
check('compare', [b('a').compare(b('b')), b('b').compare(b('a')), b('ab').compare(b('a')),
	b('a').compare(b('a')), Buffer.compare(b(''), b('a')), b('xabx').compare(b('ab'), 0, 2, 1, 3)],
[-1, 1, 1, 0, -1, 0]);
check('sort', [b('c'), b('a'), b('b')].sort(Buffer.compare).join(), 'a,b,c');
check('equals', [b('a').equals(Uint8Array.of(97)), b('a').equals(b('b')), b('a').equals(b(''))],
	[true, false, false]);
throws(() => b('a').equals('a'), 'ERR_INVALID_ARG_TYPE');
const text = b('abcabcab');
check('indexOf', [text.indexOf('ca'), text.indexOf('cab', 3), text.indexOf(99), text.indexOf(b('ab'),
	1), text.indexOf('x'), text.indexOf('ab', -2), text.indexOf('ab', -100), text.indexOf('ab', 100),
text.indexOf('6263', 'hex'), text.indexOf('', 3), text.indexOf(99 + 256), text.indexOf('abcabcabc')],
[2, 5, 2, 3, -1, 6, 0, -1, 1, 3, 2, -1]);
check('lastIndexOf', [text.lastIndexOf('ab'), text.lastIndexOf('ab', 5), text.lastIndexOf('x'),
	text.lastIndexOf('ab', -3), text.lastIndexOf(98), text.lastIndexOf('ca', 1)],
[6, 3, -1, 3, 7, -1]);
check('includes', [text.includes('bc'), text.includes('bd'), text.includes('a', 7), text.includes(97)],
	[true, false, false, true]);

// Writing.
const room = Buffer.alloc(6);
check('write', [room.write('ab'), room.write('€', 4), room.write('€', 3), room.write('6263', 2, 'hex'),
	room.write('xyz', 0, 1), room.write('zz', 6), hex(room)], [2, 0, 3, 2, 1, 0, '7862626382ac']);
throws(() => room.write('x', 7), 'ERR_OUT_OF_RANGE');
throws(() => room.write(5), 'ERR_INVALID_ARG_TYPE');
check('halves', [Buffer.alloc(3).write('ab', 'utf16le'), Buffer.alloc(9).write('hé', 1, 'latin1')],
	[2, 2]);
const target = Buffer.alloc(5);
check('copy', [b('abc').copy(target), b('abc').copy(target, 3), b('abc').copy(target, 0, 1, 2),
	b('abc').copy(target, 9), target.toString()], [3, 2, 1, 0, 'bbcab']);
throws(() => b('a').copy(target, 0, 5), 'ERR_OUT_OF_RANGE');
throws(() => b('a').copy([]), 'ERR_INVALID_ARG_TYPE');
const moved = b('abcdef');
moved.copy(moved, 2, 0, 4);
check('over itself', moved.toString(), 'ababcd');
check('fill', [b('aaaaa').fill('xy').toString(), b('aaaaa').fill('x', 1, 3).toString(),
	hex(Buffer.alloc(3).fill(257)), hex(Buffer.alloc(3).fill('4142', 'hex')),
	hex(Buffer.alloc(3).fill(b('q'))), b('aa').fill('').toString('hex')],
['xyxyx', 'axxaa', '010101', '414241', '717171', '0000']);
throws(() => b('aa').fill('x', 0, 3), 'ERR_OUT_OF_RANGE');
throws(() => b('aa').fill('zz', 'hex'), 'ERR_INVALID_ARG_VALUE');

// Numbers.
const n = Buffer.alloc(8);
for (const [name, value, want] of [
	['UInt8', 255, 'ff'], ['Int8', -2, 'fe'], ['UInt16LE', 0x1234, '3412'], ['UInt16BE', 0x1234,
		'1234'], ['Int16LE', -2, 'feff'], ['Int16BE', -2, 'fffe'], ['UInt32LE', 0xdeadbeef, 'efbeadde'],
	['UInt32BE', 0xdeadbeef, 'deadbeef'], ['Int32LE', -3, 'fdffffff'], ['Int32BE', -3, 'fffffffd'],
	['DoubleBE', 1.5, '3ff8000000000000'], ['FloatLE', 1.5, '0000c03f'],
	['BigUInt64BE', 2n ** 63n, '8000000000000000'], ['BigInt64LE', -1n, 'ffffffffffffffff'],
]) {
	check(`write${name}`, [n[`write${name}`](value, 0), hex(n.subarray(0, want.length / 2))],
		[want.length / 2, want]);
	check(`read${name}`, [n[`read${name}`](0), n[`read${name}`]()], [value, value]);
	throws(() => n[`read${name}`](8), 'ERR_OUT_OF_RANGE');
	throws(() => n[`read${name}`](-1), 'ERR_OUT_OF_RANGE');
	throws(() => n[`read${name}`](0.5), 'ERR_OUT_OF_RANGE');
	throws(() => n[`read${name}`]('0'), 'ERR_INVALID_ARG_TYPE');
}
throws(() => n.writeUInt8(256), 'ERR_OUT_OF_RANGE');
throws(() => n.writeInt16LE(32768), 'ERR_OUT_OF_RANGE');
check('other names', [Buffer.prototype.readUint16LE === Buffer.prototype.readUInt16LE,
	typeof n.writeBigUint64LE], [true, 'function']);
check('six octets', [n.writeUIntBE(0x123456789abc, 0, 6), hex(n.subarray(0, 6)), n.readUIntBE(0, 6) ===
	0x123456789abc, n.writeIntLE(-2, 0, 3), hex(n.subarray(0, 3)), n.readIntLE(0, 3)],
[6, '123456789abc', true, 3, 'feffff', -2]);
throws(() => n.readUIntBE(0, 7), 'ERR_OUT_OF_RANGE');
throws(() => n.readUIntBE(3, 6), 'ERR_OUT_OF_RANGE');
check('swap', [hex(b('abcd').swap16()), hex(b('abcd').swap32())], ['62616463', '64636261']);
throws(() => b('abc').swap16(), 'RangeError');

// Texts that come in pieces.
for (const [encoding, whole] of [['utf8', 'a€ä😀\ufeffz'], ['utf16le', 'a😀b'], ['base64', 'aGVsbG8='],
	['hex', '6869'], ['latin1', 'h\xe4']]) {
	const octets = Buffer.from(whole, encoding);
	const decoder = new StringDecoder(encoding);
	let found = '';
	for (const octet of octets)
		found += decoder.write(Buffer.of(octet));
	check(`pieces of ${encoding}`, found + decoder.end(), whole);
}
const cut = new StringDecoder();
check('cut', [cut.write(Buffer.from([0xe2, 0x82])), cut.end(), cut.write(b('x')), cut.encoding],
	['', '\ufffd', 'x', 'utf8']);
throws(() => new StringDecoder('x'), 'ERR_UNKNOWN_ENCODING');

return checks > 200;
