// infinity.stream and infinity.fileMode.

const { stream: Stream, fileMode, encoding, file } = infinity;

check('fileMode', { ...fileMode }, {
	create: 65280, read: 0, write: 1, readWrite: 2, exclusive: 4, shareExclusive: 16,
	shareDenyWrite: 32, shareDenyNone: 64,
});
throws(() => { 'use strict'; fileMode.read = 7; }, 'TypeError');
check('name', Stream.name, 'stream');
check('tag', Object.prototype.toString.call(new Stream()), '[object infinity.stream]');

// Every octet, alone and in a row, comes back as it was.
{
	const all = Uint8Array.from({ length: 256 }, (_, i) => i);
	const s = Stream.from(all);
	check('size', s.size, 256);
	check('position', s.position, 0);
	const text = s.readString();
	check('at the end', s.position, 256);
	check('toString', s.toString(), text);
	const t = new Stream();
	t.writeString(text);
	check('identity', t.toBytes(), all);
	for (let i = 0; i < 256; i++)
		check(`octet ${i}`, Stream.from(Stream.from(Uint8Array.of(i)).readString()).toBytes(),
			Uint8Array.of(i));
	for (const sequence of [[0xC3, 0xA9], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
		[0xC0, 0x80], [0xE2, 0x82], [0xF0, 0x9F, 0x98, 0x80], [0, 13, 10, 0]])
		check(`sequence ${sequence}`,
			Stream.from(Stream.from(Uint8Array.from(sequence)).toString()).toBytes(),
			Uint8Array.from(sequence));
}

// 5 MB, by every way in and out.
{
	const large = new Uint8Array(5 << 20);
	for (let i = 0; i < large.length; i++)
		large[i] = i * 31 + (i >> 8);
	const same = (what, bytes) => check(what,
		infinity.crypto.hash('sha256', bytes), infinity.crypto.hash('sha256', large));
	const s = new Stream();
	for (let at = 0; at < large.length; at += 100003)
		s.writeBytes(large.subarray(at, at + 100003));
	same('written in pieces', s.toBytes());
	const t = new Stream();
	t.writeString(s.toString());
	same('as one string', t.toBytes());
	const u = new Stream();
	check('copied', u.copyFrom(t), large.length);
	same('copied', u.toBytes());
	u.saveToFile('large');
	same('saved', file.read('large'));
	const f = new Stream('large');
	same('opened', f.readBytes());
	f.free();
	let count = 0;
	u.position = 0;
	for await (const bytes of u) {
		check('a piece', bytes instanceof Uint8Array && bytes.length <= 65536, true);
		count += bytes.length;
	}
	check('in pieces', count, large.length);
	u.size = 3;
	check('cut', u.toBytes(), large.slice(0, 3));
	const w = new Stream();
	w.write(large);
	w.position = 0;
	same('a value', w.read());
	file.remove('large');
}

// Position and size.
{
	const s = new Stream();
	s.position = 3;
	s.writeString('x');
	check('gap', s.toBytes(), Uint8Array.of(0, 0, 0, 120));
	s.position = 1;
	s.writeString('ab');
	check('over it', s.toString(), '\0abx');
	check('position', s.position, 3);
	s.writeString('end', undefined, true);
	check('appended', s.toString(), '\0abxend');
	check('position', s.position, 7);
	s.size = 2;
	check('position comes along', s.position, 2);
	s.size = 4;
	check('grown', s.toBytes(), Uint8Array.of(0, 97, 0, 0));
	s.position = 100;
	check('beyond the end', [s.readBytes(), s.readString(), s.readLine()],
		[new Uint8Array(), '', null]);
	wrongTypes((value) => { s.position = value; }, ['number'], 'infinity.stream.position');
	wrongTypes((value) => { s.size = value; }, ['number'], 'infinity.stream.size');
	for (const value of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
		throws(() => { s.position = value; }, 'RangeError', 'infinity.stream.position');
		throws(() => { s.size = value; }, 'RangeError', 'infinity.stream.size');
	}
	s.position = Number.MAX_SAFE_INTEGER;
	check('far', s.position, Number.MAX_SAFE_INTEGER);
	throws(() => { 'use strict'; s.fileName = 'x'; }, 'TypeError');
	check('fileName', s.fileName, '');
}

// Strings.
{
	const s = new Stream();
	s.writeString('äö€', encoding.ansi);
	check('ansi', s.toBytes(), Uint8Array.of(0xE4, 0xF6, 0x80));
	check('back', s.readString(encoding.ansi, true), 'äö€');
	s.size = 0;
	s.writeString('ä😀', encoding.unicode);
	check('unicode', s.toBytes(), Uint8Array.of(0xE4, 0, 0x3D, 0xD8, 0, 0xDE));
	check('from the beginning', s.readString(encoding.unicode, true), 'ä😀');
	check('count', s.readString(encoding.unicode, true, 2), 'ä');
	check('the rest', s.readString(encoding.unicode), '😀');
	s.size = 0;
	s.writeString('łódź', 'iso-8859-2');
	check('by name', [s.size, s.readString('ISO-8859-2', true)], [4, 'łódź']);
	s.size = 0;
	s.writeString('é');
	check('half a character', Stream.from(s.readString(0, true, 1)).toBytes(), Uint8Array.of(0xC3));
	check('the other half', s.readBytes(), Uint8Array.of(0xA9));
	wrongTypes((value) => s.writeString(value), ['string'], 'infinity.stream.writeString: value');
	wrongTypes((value) => s.writeString('', value), ['undefined', 'number', 'string'],
		'infinity.stream.writeString: encoding');
	wrongTypes((value) => s.writeString('', 0, value), ['undefined', 'boolean'],
		'infinity.stream.writeString: append');
	wrongTypes((value) => s.readString(value), ['undefined', 'number', 'string'],
		'infinity.stream.readString: encoding');
	wrongTypes((value) => s.readString(0, value), ['undefined', 'boolean'],
		'infinity.stream.readString: fromBeginning');
	wrongTypes((value) => s.readString(0, true, value), ['undefined', 'number'],
		'infinity.stream.readString: count');
	throws(() => s.readString(7), 'RangeError', 'unicode (4)');
	throws(() => s.readString('x-no-such'), 'RangeError', 'x-no-such');
	throws(() => s.readString('utf-16//TRANSLIT'), 'RangeError');
	throws(() => s.readString(0, false, -1), 'RangeError');
}

// Lines.
{
	const s = Stream.from('one\r\ntwo\n\n\rthree\r\n\xff');
	check('lines', [...s.lines()], ['one', 'two', '', '\rthree', '\xff']);
	check('no more', s.readLine(), null);
	s.position = 0;
	check('one by one', [s.readLine(), s.position], ['one', 5]);
	const long = 'x'.repeat(100000);
	check('long', Stream.from(`${long}\n`).readLine(), long);
}

// Booleans, numbers, octets.
{
	const s = new Stream();
	s.writeBoolean(true);
	s.writeBoolean(false);
	check('booleans', s.toBytes(), Uint8Array.of(1, 0));
	for (const number of [0, -0, 1.5, -1e300, NaN, Infinity, 2 ** 53])
		s.writeNumber(number);
	check('octets', s.size, 2 + 7 * 8);
	s.position = 0;
	check('back', [s.readBoolean(), s.readBoolean()], [true, false]);
	for (const number of [0, -0, 1.5, -1e300, NaN, Infinity, 2 ** 53])
		check('number', s.readNumber(), number);
	throws(() => s.readNumber(), 'CLOSED', 'infinity.stream.readNumber');
	throws(() => s.readBoolean(), 'CLOSED', 'infinity.stream.readBoolean');
	throws(() => s.read(), 'CLOSED', 'infinity.stream.read');
	s.position = s.size - 3;
	throws(() => s.readNumber(), 'CLOSED');
	check('it stays', s.position, s.size - 3);
	const t = Stream.from(Uint8Array.of(2));
	throws(() => t.readBoolean(), 'CORRUPT');
	check('it stays', t.position, 0);
	wrongTypes((value) => s.writeBoolean(value), ['boolean'], 'infinity.stream.writeBoolean');
	wrongTypes((value) => s.writeNumber(value), ['number'], 'infinity.stream.writeNumber');
	wrongTypes((value) => s.writeBytes(value), [], 'infinity.stream.writeBytes');
	wrongTypes((value) => s.readBytes(value), ['undefined', 'number'], 'infinity.stream.readBytes');
	t.position = 0;
	t.writeBytes(new Uint16Array([0x4142]));
	t.writeBytes(new Uint8Array([1, 2, 3, 4]).buffer);
	t.writeBytes(new DataView(new ArrayBuffer(3), 1, 1));
	check('any bytes', t.toBytes(), Uint8Array.of(0x42, 0x41, 1, 2, 3, 4, 0));
}

// Any value.
{
	const values = [undefined, null, true, false, 0, -0, 1.5, NaN, -Infinity, '', 'ä\0\udc80\ud800', 12n,
		-(5n ** 40n), [], {}, [undefined, , null], { a: undefined, b: [1, { c: NaN }] },
		new Date(5), new Date(NaN), new Map([[{ a: 1 }, new Set([1n])]]), new Set(),
		new Uint8Array([0, 255]), new Float64Array([1.5, NaN]), new Uint8ClampedArray(3),
		new BigInt64Array([-1n]), new ArrayBuffer(3), { bytes: [new Uint8Array(2), new Int16Array(1)] },
		{ $: 1 }, { $: ['undefined'] }, { $: { $: ['x'] } }, { $: undefined }, { $: 1, a: 2 },
		JSON.parse('{"__proto__":{"a":[1]},"b":{"$":["x"]}}'), JSON.parse('{"__proto__":1}')];
	const s = new Stream();
	for (const value of values)
		s.write(value);
	s.position = 0;
	for (const value of values)
		check(`value ${shown(value)}`, s.read(), Array.isArray(value) ? [...value] : value);
	check('at the end', s.position, s.size);
	const proto = (value) => {
		const t = new Stream();
		t.write(value);
		t.position = 0;
		return t.read();
	};
	check('own __proto__', Object.keys(proto(JSON.parse('{"__proto__":{"$":["x"]}}'))), ['__proto__']);
	check('a class', proto(new class { a = 1; get b() { return 2; } }()), { a: 1 });
	check('toJSON', proto({ toJSON: () => [1] }), [1]);
	const circle = { deep: {} };
	circle.deep.circle = circle;
	const twice = {};
	check('twice is no circle', proto([twice, twice]), [{}, {}]);
	let deep = [];
	for (let i = 0; i < 2000; i++)
		deep = [deep];
	for (const value of [() => 1, Symbol('x'), [Symbol('x')], { a: () => 1 }, circle, deep,
		new Stream(), { s: new Stream() }, Promise.resolve(), new WeakMap()])
		throws(() => s.write(value), 'TypeError', 'infinity.stream.write: value');
	throws(() => s.write({ get a() { throw new RangeError('getter'); } }), 'RangeError', 'getter');
	const bytes = (() => { const t = new Stream(); t.write({ a: new Uint8Array(9) }); return t.toBytes(); })();
	for (let length = 1; length < bytes.length; length++)
		throws(() => Stream.from(bytes.subarray(0, length)).read(), 'CORRUPT');
	for (let i = 0; i < bytes.length; i++) {
		const broken = bytes.slice();
		broken[i] ^= 0x81;
		const t = Stream.from(broken);
		try {
			t.read();
		} catch (thrown) {
			check(`octet ${i} broken`, ['CORRUPT', 'CLOSED'].includes(thrown.code), true);
		}
	}
	throws(() => Stream.from('no value at all').read(), 'CORRUPT');
	for (const text of ['{"$":["x"]}', '{"$":["map",[1]]}', '{"$":["set",1]}', '{"$":["bigint","x"]}',
		'{"$":["bytes","Uint8Array",0,1]}', '{"$":["bytes","Function",0,0]}', '{"$":["object",1]}',
		'{"$":["object",{}]}', '[', '']) {
		const t = Stream.from('LMv1');
		t.position = 4;
		t.writeBytes(Uint8Array.of(text.length, 0, 0, 0, 0, 0, 0, 0));
		t.writeString(text);
		t.position = 0;
		throws(() => t.read(), 'CORRUPT', 'infinity.stream.read');
	}
}

// Files.
{
	throws(() => new Stream('none'), 'NOT_FOUND', 'none');
	throws(() => new Stream('none', fileMode.write), 'NOT_FOUND', 'none');
	throws(() => new Stream('no/folder/x', fileMode.create), 'NOT_FOUND', 'no/folder/x');
	const s = new Stream('a.txt', fileMode.create);
	check('fileName', s.fileName, 'a.txt');
	s.writeString('hello');
	check('written through', file.readString('a.txt'), 'hello');
	throws(() => new Stream('a.txt', fileMode.create | fileMode.exclusive), 'EXISTS', 'a.txt');
	const reader = new Stream('a.txt');
	throws(() => reader.writeString('x'), 'DENIED', 'a.txt');
	throws(() => { reader.size = 0; }, 'DENIED', 'a.txt');
	const writer = new Stream('a.txt', fileMode.write);
	throws(() => writer.readString(), 'DENIED', 'a.txt');
	writer.position = 1;
	writer.writeString('E');
	check('seen by all', reader.toString(), 'hEllo');
	s.size = 2;
	check('cut', reader.toString(), 'hE');
	const alone = new Stream('a.txt', fileMode.readWrite | fileMode.shareExclusive);
	throws(() => new Stream('a.txt', fileMode.read | fileMode.shareDenyWrite), 'IN_USE', 'a.txt');
	alone.free();
	new Stream('a.txt', fileMode.read | fileMode.shareDenyWrite).free();
	for (const one of [s, reader, writer])
		one.free();
	const gone = new Stream('gone.txt', fileMode.create, true);
	gone.writeString('x');
	check('there', file.exists('gone.txt'), true);
	gone.free();
	check('not there', file.exists('gone.txt'), false);
	infinity.directory.create('folder');
	throws(() => new Stream('folder'), 'UNSUPPORTED', 'folder');
	throws(() => new Stream('folder', fileMode.create), 'UNSUPPORTED', 'folder');
	throws(() => new Stream('/dev/null'), 'UNSUPPORTED', '/dev/null');
	throws(() => new Stream(''), 'RangeError');
	throws(() => new Stream('a\0b'), 'RangeError');
	throws(() => new Stream('x'.repeat(5000)), 'RangeError');
	throws(() => new Stream('x'.repeat(300)), 'IO');
	wrongTypes((value) => new Stream(value), ['string'], 'infinity.stream: fileName');
	wrongTypes((value) => new Stream('x', value), ['undefined', 'number'], 'infinity.stream: fileMode');
	wrongTypes((value) => new Stream('a.txt', 0, value), ['undefined', 'boolean'],
		'infinity.stream: autoDelete');
	for (const mode of [-1, 3, 8, 128, 256, 48, 1.5, NaN, 65536, 65283])
		throws(() => new Stream('a.txt', mode), 'RangeError', 'infinity.stream: fileMode');
	throws(() => Stream(), 'TypeError');
	const odd = 'odd \udcff\udc80.txt';
	new Stream(odd, fileMode.create).free();
	check('names are octets', infinity.directory.list('.', 'odd*'), [odd]);
	check('removed', file.remove(odd), true);
	file.remove('a.txt');
}

// Copies, saving.
{
	const from = Stream.from('0123456789');
	const to = new Stream();
	from.position = 2;
	check('some', [to.copyFrom(from, 3), to.toString(), from.position, to.position], [3, '234', 5, 3]);
	check('none', to.copyFrom(from, 0), 0);
	check('more than there is', [to.copyFrom(from, 100), to.toString()], [5, '23456789']);
	check('all', [to.copyFrom(from), to.toString()], [10, '234567890123456789']);
	to.size = 3;
	check('itself', [to.copyFrom(to), to.toString()], [3, '234234']);
	to.position = 1;
	check('itself, a piece', [to.copyFrom(to, 2), to.toString(), to.position], [2, '234234', 3]);
	wrongTypes((value) => to.copyFrom(value), [], 'infinity.stream.copyFrom: stream');
	wrongTypes((value) => to.copyFrom(from, value), ['undefined', 'number'],
		'infinity.stream.copyFrom: count');
	throws(() => to.copyFrom(from, -1), 'RangeError');
	const freed = new Stream();
	freed.free();
	throws(() => to.copyFrom(freed), 'TypeError', 'was freed');
	from.saveToFile('saved');
	from.saveToFile('saved', true);
	check('saved', file.readString('saved'), '01234567890123456789');
	check('position stays', from.position, 10);
	file.write('saved', from);
	check('a stream written', file.readString('saved'), '0123456789');
	throws(() => from.saveToFile('folder'), 'UNSUPPORTED', 'folder');
	throws(() => from.saveToFile('no/folder'), 'NOT_FOUND', 'no/folder');
	wrongTypes((value) => from.saveToFile(value), ['string'], 'infinity.stream.saveToFile: name');
	wrongTypes((value) => from.saveToFile('saved', value), ['undefined', 'boolean'],
		'infinity.stream.saveToFile: append');
	check('nothing else there', infinity.directory.list('.', '.lettermill*'), []);
	file.remove('saved');
	check('from a stream', Stream.from(from).readString(), '0123456789');
	check('from a buffer', Stream.from(Uint8Array.of(65).buffer).readString(), 'A');
	wrongTypes((value) => Stream.from(value), ['string'], 'infinity.stream.from');
}

// After free.
{
	const s = Stream.from('x');
	s.free();
	check('twice', s.free(), undefined);
	const members = ['fileName', 'position', 'size'];
	const calls = { readBytes: [], writeBytes: [new Uint8Array()], readString: [], writeString: [''],
		readLine: [], readBoolean: [], writeBoolean: [true], readNumber: [], writeNumber: [1],
		read: [], write: [1], copyFrom: [new Stream()], toBytes: [], toString: [], saveToFile: ['x'] };
	for (const member of members)
		throws(() => s[member], 'TypeError', `infinity.stream.${member}: the stream was freed`);
	for (const member of ['position', 'size'])
		throws(() => { s[member] = 0; }, 'TypeError', 'the stream was freed');
	for (const [member, args] of Object.entries(calls))
		throws(() => s[member](...args), 'TypeError',
			`infinity.stream.${member}: the stream was freed`);
	throws(() => [...s.lines()], 'TypeError', 'the stream was freed');
	let caught;
	try {
		for await (const bytes of s)
			throw new Error(`gave ${bytes}`);
	} catch (thrown) {
		caught = thrown.message;
	}
	check('iteration', caught.endsWith('the stream was freed'), true);
	for (const member of Object.keys(calls))
		throws(() => Stream.prototype[member].call({}, ...calls[member]), 'TypeError');
	if (Symbol.dispose) {
		const t = new Stream();
		t[Symbol.dispose]();
		throws(() => t.size, 'TypeError', 'was freed');
	}
	class Own extends Stream {
		twice() {
			return this.size * 2;
		}
	}
	check('subclass', Own.from('abc').twice(), 6);
}

// What nobody frees goes with the collector.
for (let i = 0; i < 3000; i++)
	new Stream().writeBytes(new Uint8Array(100000));

return String(checks > 700);
