// infinity.stream: octets with a position, in memory or in a file; infinity.fileMode.
//
//	new infinity.stream()		in memory; beyond 1 MB in a temporary file without a name
//	new infinity.stream(fileName, fileMode = read, autoDelete = false)
//					a regular file, by a name relative to the data folder; autoDelete
//					removes it when the stream is freed
//	infinity.stream.from(value)	in memory, of a string, bytes or another stream; position 0
//
// fileMode, added up: create (makes or empties it; read and write), read, write, readWrite (all of what
// exists); exclusive: with create, only a new file, else as shareExclusive. shareExclusive,
// shareDenyWrite: a lock (flock) on the file that is refused to, and refuses, others who ask for one
// (IN_USE); denying only writes, readers share it. Locks are advisory: shareDenyNone, and none of them,
// neither take nor heed one.
//
// What reads and writes does so at `position` and moves it. Writing beyond the end fills up with zeros;
// setting `size` truncates or grows. Strings are octets by the house's rule unless an encoding is given
// (infinity.encoding, or a charset's name): what is no UTF-8 keeps its octet.
//
//	readString(encoding?, fromBeginning = false, count = all)	`count` octets
//	writeString(value, encoding?, append = false)			append: at the end
//	readBytes(count = all), writeBytes(bytes)			octets
//	readLine()		without its end (LF or CRLF); null at the end of the stream
//	readBoolean/writeBoolean	one octet, 0 or 1
//	readNumber/writeNumber		8 octets, IEEE 754 double, the lowest first
//	read/write(value)	any value (see values.js): "LMv1", its length (8 octets, the lowest
//				first), then JSON text, or what values.h says where it holds octets
//	copyFrom(stream, count?)	all of another stream, or `count` octets from its position; gives
//				how many
//	toBytes(), toString()	all of it, wherever the position is
//	saveToFile(name, append = false)	all of it, at once
//	free()			again it does nothing; everything else throws then. What is not freed
//				goes with the collector.
//	for await (const bytes of stream)	what is left, in pieces of up to 64 KB
//	for (const line of stream.lines())	what is left, line by line
//
// At the end read, readBoolean and readNumber throw CLOSED; the others give what there is.

internal.need('infinity.encoding');

const NAME = 'infinity.stream';
const MAX = Number.MAX_SAFE_INTEGER;
const CHUNK = 65536;

const fileMode = internal.enumeration({
	create: 65280, read: 0, write: 1, readWrite: 2, exclusive: 4, shareExclusive: 16,
	shareDenyWrite: 32, shareDenyNone: 64,
});

const checkMode = (value) => {
	const name = `${NAME}: fileMode`;
	const wanted = 'a sum of infinity.fileMode';
	if (typeof value !== 'number')
		internal.wrongType(name, wanted, value);
	const kind = value & 65280;
	const share = value & 112;
	if (!Number.isInteger(value) || value < 0 || value > 65535 || (kind !== 0 && kind !== 65280) ||
		value & 136 || (value & 3) === 3 || share & share - 1)
		throw new RangeError(`${name}: ${wanted}, not ${value}`);
	return value;
};

// A data file's name; the rest of what can be wrong with one the system says.
internal.dataName = (name, value) => {
	const wanted = 'up to 4095 octets, not empty and without NUL';
	if (internal.string(name, value) === '' || value.includes('\0') || value.length > 4095)
		throw new RangeError(`${name}: ${wanted}, not ${internal.shown(value)}`);
	return value;
};

const codeError = (code, message) => Object.assign(new Error(message), { code });

// What makes one over a handle instead of opening a file.
const OVER = Symbol('handle');

class InfinityStream {
	#handle;

	constructor(fileName, mode = fileMode.read, autoDelete = false) {
		if (fileName === OVER)
			this.#handle = mode;
		else if (arguments.length === 0)
			this.#handle = native.streamNew();
		else
			this.#handle = native.streamOpen(internal.dataName(`${NAME}: fileName`, fileName),
				checkMode(mode), internal.boolean(`${NAME}: autoDelete`, autoDelete));
		internal.setHandle(this, this.#handle);
	}

	static #of(value, name) {
		if (typeof value !== 'object' || value === null || !(#handle in value))
			internal.wrongType(name, 'an infinity.stream', value);
		if (value.#handle === null)
			throw new TypeError(`${name}: the stream was freed`);
		return value.#handle;
	}

	#open(member) {
		if (this.#handle === null)
			throw new TypeError(`${NAME}.${member}: the stream was freed`);
		return this.#handle;
	}

	static from(value) {
		const stream = new this();
		if (typeof value === 'object' && value !== null && #handle in value)
			stream.copyFrom(value);
		else if (typeof value === 'string')
			native.streamWrite(stream.#handle, value);
		else
			native.streamWrite(stream.#handle, internal.bytes(`${NAME}.from: value`, value));
		stream.position = 0;
		return stream;
	}

	get fileName() {
		return native.streamName(this.#open('fileName'));
	}

	get position() {
		return native.streamPosition(this.#open('position'));
	}

	set position(value) {
		native.streamSeek(this.#open('position'),
			internal.integer(`${NAME}.position`, value, 0, MAX));
	}

	get size() {
		return native.streamSize(this.#open('size'));
	}

	set size(value) {
		native.streamResize(this.#open('size'), internal.integer(`${NAME}.size`, value, 0, MAX));
	}

	free() {
		if (this.#handle !== null)
			native.streamFree(this.#handle);
		this.#handle = null;
	}

	readBytes(count) {
		const handle = this.#open('readBytes');
		if (count !== undefined)
			internal.integer(`${NAME}.readBytes: count`, count, 0, MAX);
		return native.streamBytes(handle, count);
	}

	writeBytes(bytes) {
		native.streamWrite(this.#open('writeBytes'),
			internal.bytes(`${NAME}.writeBytes: bytes`, bytes));
	}

	readString(encoding, fromBeginning = false, count = undefined) {
		const handle = this.#open('readString');
		const charset = internal.charset(`${NAME}.readString: encoding`, encoding);
		internal.boolean(`${NAME}.readString: fromBeginning`, fromBeginning);
		if (count !== undefined)
			internal.integer(`${NAME}.readString: count`, count, 0, MAX);
		if (fromBeginning)
			native.streamSeek(handle, 0);
		return charset === ''
			? native.streamText(handle, count)
			: internal.decode(native.streamBytes(handle, count), charset);
	}

	writeString(value, encoding, append = false) {
		const handle = this.#open('writeString');
		internal.string(`${NAME}.writeString: value`, value);
		const charset = internal.charset(`${NAME}.writeString: encoding`, encoding);
		native.streamWrite(handle, internal.encode(value, charset),
			internal.boolean(`${NAME}.writeString: append`, append));
	}

	readLine() {
		return native.streamLine(this.#open('readLine'));
	}

	// What must be there as a whole; the position stays where it is not.
	#exactly(member, count) {
		const before = this.position;
		const bytes = native.streamBytes(this.#handle, count);
		if (bytes.length === count)
			return bytes;
		this.position = before;
		throw codeError('CLOSED', `${NAME}.${member}: the stream ends here`);
	}

	readBoolean() {
		this.#open('readBoolean');
		const [octet] = this.#exactly('readBoolean', 1);
		if (octet < 2)
			return octet === 1;
		this.position--;
		throw codeError('CORRUPT', `${NAME}.readBoolean: no boolean stands here`);
	}

	writeBoolean(value) {
		const handle = this.#open('writeBoolean');
		internal.boolean(`${NAME}.writeBoolean: value`, value);
		native.streamWrite(handle, Uint8Array.of(value ? 1 : 0));
	}

	readNumber() {
		this.#open('readNumber');
		return new DataView(this.#exactly('readNumber', 8).buffer).getFloat64(0, true);
	}

	writeNumber(value) {
		const handle = this.#open('writeNumber');
		if (typeof value !== 'number')
			internal.wrongType(`${NAME}.writeNumber: value`, 'a number', value);
		const view = new DataView(new ArrayBuffer(8));
		view.setFloat64(0, value, true);
		native.streamWrite(handle, view.buffer);
	}

	read() {
		return internal.unpack(`${NAME}.read`, native.streamReadValue(this.#open('read')));
	}

	write(value) {
		const handle = this.#open('write');
		native.streamWriteValue(handle, ...internal.pack(`${NAME}.write: value`, value));
	}

	copyFrom(stream, count) {
		const to = this.#open('copyFrom');
		const from = InfinityStream.#of(stream, `${NAME}.copyFrom: stream`);
		if (count !== undefined)
			internal.integer(`${NAME}.copyFrom: count`, count, 0, MAX);
		if (count !== undefined)
			return native.streamCopy(to, from, count);
		const before = native.streamPosition(to);
		native.streamSeek(from, 0);
		if (from !== to)
			return native.streamCopy(to, from);
		// Onto itself: all of it, to where the position was.
		const all = native.streamBytes(from);
		native.streamSeek(to, before);
		native.streamWrite(to, all);
		return all.length;
	}

	#whole(member, read) {
		const handle = this.#open(member);
		const before = native.streamPosition(handle);
		native.streamSeek(handle, 0);
		try {
			return read(handle);
		} finally {
			native.streamSeek(handle, before);
		}
	}

	toBytes() {
		return this.#whole('toBytes', native.streamBytes);
	}

	toString() {
		return this.#whole('toString', native.streamText);
	}

	saveToFile(name, append = false) {
		native.streamSave(this.#open('saveToFile'),
			internal.dataName(`${NAME}.saveToFile: name`, name),
			internal.boolean(`${NAME}.saveToFile: append`, append));
	}

	*lines() {
		for (;;) {
			const line = native.streamLine(this.#open('lines'));
			if (line === null)
				return;
			yield line;
		}
	}

	async *[Symbol.asyncIterator]() {
		for (;;) {
			const bytes = native.streamBytes(this.#open('[Symbol.asyncIterator]'), CHUNK);
			if (bytes.length === 0)
				return;
			yield bytes;
		}
	}

	get [Symbol.toStringTag]() {
		return NAME;
	}
}

if (Symbol.dispose)
	Object.defineProperty(InfinityStream.prototype, Symbol.dispose,
		{ value: InfinityStream.prototype.free, configurable: true, writable: true });
Object.defineProperty(InfinityStream, 'name', { value: 'stream' });

// For other modules: a stream over a handle of theirs, and whether something is a stream.
internal.streamOver = (handle) => new InfinityStream(OVER, handle);
internal.isStream = (value) => value instanceof InfinityStream;

infinity.fileMode = fileMode;
infinity.stream = InfinityStream;
