// infinity.file, infinity.directory, infinity.fileName. Names are relative to the data folder.
// What is not there or not allowed throws an Error with a code: NOT_FOUND, EXISTS, DENIED, FULL,
// UNSUPPORTED (it is of another kind: a directory, a FIFO …), IO.
//
// infinity.file
//	exists(name)		true for anything but a directory; links are followed
//	size(name)		octets
//	age(name)		a Date: when it was changed last
//	read(name)		Uint8Array
//	readString(name, encoding?)	octets by the house's rule; with an encoding its text, without a byte
//				order mark in front
//	write(name, data, append = false)	data: bytes, a string (its octets), an infinity.stream
//	writeString(name, text, encoding?, append = false, bom = false)	bom: a byte order mark in front,
//				where the encoding has one and nothing is there to append to
//	copy(from, to, overwrite = false), move(from, to, overwrite = false)
//	remove(name)		whether it was there
// A file is written at once: into a temporary one beside it, synced, renamed; nobody sees half of it.
// append writes in place; where that fails it is as long as before. A link's target is written.
//
// infinity.directory
//	create(name)		with its parents; false where it is there already
//	exists(name)
//	list(name, mask = '*', filter = 0)	names, sorted. mask: * any characters, ? one; several with ;
//				between. filter (added up): files, directories, system (all else: sockets,
//				devices …) say which of them, none of these: all; a link is what it points to.
//				hidden, readOnly (nobody may write), symLink: only those that are that, too
//	move(from, to)		within the file system; what is at `to` stays: EXISTS
//	remove(name, recursive = false)	whether it was there; links in it are removed, never followed
//
// infinity.fileName: text only, nothing is looked up
//	isValid(name)		one that any system can have, without folder: no control characters,
//				none of / \ : * ? " < > |, no . or space at the end, no device of Windows,
//				1 to 255 octets
//	correct(name, replacement = '_')	a valid one of any text
//	extract(path)		what is behind the last /
//	extractDirectory(path)	what is in front of it
//	extension(path)		'.eml', with its dot; '' for none
//	expand(path)		absolute, without . and ..
//	quote(name)		in double quotes, with a \ before " and \

internal.need('infinity.encoding');
internal.need('infinity.stream');

const FILE = 'infinity.file';
const DIRECTORY = 'infinity.directory';
const FILE_NAME = 'infinity.fileName';

const string = internal.string;
const dataName = internal.dataName;
const boolean = internal.boolean;

const copyOrMove = (owner, member, step) => (from, to, overwrite = false) => {
	dataName(`${owner}.${member}: from`, from);
	dataName(`${owner}.${member}: to`, to);
	step(from, to, boolean(`${owner}.${member}: overwrite`, overwrite));
};

const withBom = new Set(['', 'UTF-16BE', 'UTF-16LE', 'UTF-7']);

infinity.file = Object.freeze({
	exists: (name) => native.fileExists(dataName(`${FILE}.exists: name`, name)),
	size: (name) => native.fileSize(dataName(`${FILE}.size: name`, name)),
	age: (name) => new Date(native.fileAge(dataName(`${FILE}.age: name`, name))),
	read: (name) => native.fileBytes(dataName(`${FILE}.read: name`, name)),

	readString(name, encoding) {
		dataName(`${FILE}.readString: name`, name);
		const charset = internal.charset(`${FILE}.readString: encoding`, encoding);
		const text = charset === ''
			? native.fileText(name)
			: internal.decode(native.fileBytes(name), charset);
		return encoding !== undefined && text.startsWith('\uFEFF') ? text.slice(1) : text;
	},

	write(name, data, append = false) {
		dataName(`${FILE}.write: name`, name);
		boolean(`${FILE}.write: append`, append);
		if (internal.isStream(data))
			data.saveToFile(name, append);
		else if (typeof data === 'string')
			native.fileWrite(name, data, append);
		else
			native.fileWrite(name, internal.bytes(`${FILE}.write: data`, data), append);
	},

	writeString(name, text, encoding, append = false, bom = false) {
		dataName(`${FILE}.writeString: name`, name);
		string(`${FILE}.writeString: text`, text);
		const charset = internal.charset(`${FILE}.writeString: encoding`, encoding);
		boolean(`${FILE}.writeString: append`, append);
		const isFirst = () => !append || !native.fileExists(name) || native.fileSize(name) === 0;
		const marked = boolean(`${FILE}.writeString: bom`, bom) && withBom.has(charset) && isFirst();
		native.fileWrite(name, internal.encode(marked ? `\uFEFF${text}` : text, charset), append);
	},

	copy: copyOrMove(FILE, 'copy', native.fileCopy),
	move: copyOrMove(FILE, 'move', native.fileMove),
	remove: (name) => native.fileRemove(dataName(`${FILE}.remove: name`, name)),
});

const filter = internal.enumeration({
	none: 0, files: 1, directories: 2, hidden: 4, system: 8, readOnly: 16, symLink: 32,
});
const kinds = { f: filter.files, d: filter.directories, s: filter.system };
const KINDS = filter.files | filter.directories | filter.system;

// Without going back more than to the last *: a mask costs its length times the name's at most.
const matches = (mask, name) => {
	let at = 0, m = 0, star = -1, from = 0;
	while (at < name.length) {
		if (m < mask.length && mask[m] === '*') {
			star = m++;
			from = at;
		} else if (m < mask.length && (mask[m] === '?' || mask[m] === name[at])) {
			m++;
			at++;
		} else if (star >= 0) {
			m = star + 1;
			at = ++from;
		} else {
			return false;
		}
	}
	while (mask[m] === '*')
		m++;
	return m === mask.length;
};

const attributesOf = (name, letters) =>
	kinds[letters[0]] | (name.startsWith('.') ? filter.hidden : 0) |
	(letters.includes('l') ? filter.symLink : 0) | (letters.includes('r') ? filter.readOnly : 0);

const passes = (attributes, wanted) =>
	(!(wanted & KINDS) || (attributes & wanted & KINDS) !== 0) &&
	(attributes & wanted & ~KINDS) === (wanted & ~KINDS);

infinity.directory = Object.freeze({
	filter,

	create: (name) => native.directoryCreate(dataName(`${DIRECTORY}.create: name`, name)),
	exists: (name) => native.directoryExists(dataName(`${DIRECTORY}.exists: name`, name)),

	list(name, mask = '*', wanted = filter.none) {
		dataName(`${DIRECTORY}.list: name`, name);
		const masks = string(`${DIRECTORY}.list: mask`, mask).split(';').map((one) => [...one]);
		internal.integer(`${DIRECTORY}.list: filter`, wanted, 0, 63);
		const parts = native.directoryList(name).split('\0');
		const names = [];
		for (let i = 0; i + 1 < parts.length; i += 2) {
			const characters = [...parts[i]];
			if (passes(attributesOf(parts[i], parts[i + 1]), wanted) &&
				masks.some((one) => matches(one, characters)))
				names.push(parts[i]);
		}
		return names.sort();
	},

	move(from, to) {
		dataName(`${DIRECTORY}.move: from`, from);
		native.directoryMove(from, dataName(`${DIRECTORY}.move: to`, to));
	},

	remove(name, recursive = false) {
		dataName(`${DIRECTORY}.remove: name`, name);
		return native.directoryRemove(name, boolean(`${DIRECTORY}.remove: recursive`, recursive));
	},
});

const MAX_NAME = 255;
const bad = /[\x00-\x1f\x7f/\\:*?"<>|]/g;
const device = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;

const octets = (text) => {
	let count = 0;
	for (const character of text) {
		const code = character.codePointAt(0);
		const isOctet = code >= 0xDC80 && code <= 0xDCFF;
		count += code < 0x80 || isOctet ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	}
	return count;
};

const isValid = (name) =>
	name !== '' && name.search(bad) < 0 && !/[. ]$/.test(name) && !device.test(name) &&
	octets(name) <= MAX_NAME;

const extract = (path) => path.slice(path.lastIndexOf('/') + 1);

const extension = (path) => {
	const name = extract(path);
	const dot = name.lastIndexOf('.');
	return dot > 0 && dot < name.length - 1 ? name.slice(dot) : '';
};

// Whole characters, as many as have room.
const cut = (text, room) => {
	let result = '', used = 0;
	for (const character of text) {
		used += octets(character);
		if (used > room)
			break;
		result += character;
	}
	return result;
};

const correct = (name, replacement = '_') => {
	string(`${FILE_NAME}.correct: name`, name);
	string(`${FILE_NAME}.correct: replacement`, replacement);
	if (replacement.search(bad) >= 0 || /[. ]$/.test(replacement))
		throw new RangeError(`${FILE_NAME}.correct: replacement: what may stand in a name, ` +
			`not ${internal.shown(replacement)}`);
	let result = name.replace(bad, () => replacement);
	if (octets(result) > MAX_NAME) {
		const kept = cut(extension(result), 32);
		result = cut(result.slice(0, result.length - kept.length), MAX_NAME - octets(kept)) + kept;
	}
	result = result.replace(/[. ]+$/, '');
	if (device.test(result))
		result = cut(`_${result}`, MAX_NAME).replace(/[. ]+$/, '');
	return result === '' ? '_' : result;
};

const expand = (path) => {
	const parts = [];
	for (const part of native.fileExpand(dataName(`${FILE_NAME}.expand: path`, path)).split('/')) {
		if (part === '..')
			parts.pop();
		else if (part !== '' && part !== '.')
			parts.push(part);
	}
	return `/${parts.join('/')}`;
};

infinity.fileName = Object.freeze({
	isValid: (name) => isValid(string(`${FILE_NAME}.isValid: name`, name)),
	correct,
	expand,
	extract: (path) => extract(string(`${FILE_NAME}.extract: path`, path)),
	extension: (path) => extension(string(`${FILE_NAME}.extension: path`, path)),

	extractDirectory(path) {
		const slash = string(`${FILE_NAME}.extractDirectory: path`, path).lastIndexOf('/');
		return slash === 0 ? '/' : path.slice(0, Math.max(slash, 0));
	},

	quote: (name) => `"${string(`${FILE_NAME}.quote: name`, name).replace(/["\\]/g, '\\$&')}"`,
});
