'use strict';
// fs: reading and writing whole files, folders, and streams of files, over infinity.file. Names are
// relative to process.cwd(); what the asynchronous functions do, they do at once. Without modes,
// descriptors, links and watching.

const { Buffer, encodingOf } = require('./buffer');
const { callable, make, wrongType } = require('./errors');
const path = require('./path');
const { Readable, Writable } = require('./stream');

internal.need('infinity.fileSystem');
internal.need('infinity.stream');
const { directory, file, fileMode, stream: InfinityStream } = infinity;

const CHUNK = 65536;

// ---- Errors as Node has them ----

const codes = {
	__proto__: null,
	NOT_FOUND: ['ENOENT', -2, 'no such file or directory'],
	EXISTS: ['EEXIST', -17, 'file already exists'],
	DENIED: ['EACCES', -13, 'permission denied'],
	FULL: ['ENOSPC', -28, 'no space left on device'],
	UNSUPPORTED: ['EISDIR', -21, 'illegal operation on a directory'],
};

const failed = (thrown, call, name) => {
	const known = codes[thrown.code];
	if (!known)
		return thrown;
	const [code, errno, words] = known;
	const error = make(Error, code, `${code}: ${words}, ${call} '${name}'`);
	return Object.assign(error, { errno, syscall: call, path: name, cause: thrown });
};

const attempt = (call, name, fn) => {
	try {
		return fn(nameOf(call, name));
	} catch (thrown) {
		throw failed(thrown, call, name);
	}
};

const nameOf = (call, name) => {
	const text = name instanceof URL ? decodeURIComponent(name.pathname) :
		Buffer.isBuffer(name) ? name.toString() : name;
	if (typeof text !== 'string')
		throw wrongType(`fs: ${call}: path`, 'a string, Buffer or URL', name);
	return path.resolve(text);
};

const encodingIn = (options) => {
	const encoding = typeof options === 'string' ? options : options?.encoding;
	return encoding === undefined || encoding === null || encoding === 'buffer' ? undefined :
		encodingOf('fs: encoding', encoding);
};

const said = (octets, options) => {
	const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
	const encoding = encodingIn(options);
	return encoding === undefined ? buffer : buffer.toString(encoding);
};

const octetsOf = (data, options) => {
	if (typeof data === 'string')
		return Buffer.from(data, encodingIn(options));
	if (ArrayBuffer.isView(data))
		return internal.bytes('fs: data', data);
	throw wrongType('fs: data', 'a string, Buffer or Uint8Array', data);
};

// ---- Files and folders, at once ----

class Stats {
	#isDirectory;

	constructor(name) {
		this.#isDirectory = directory.exists(name);
		this.mtime = this.#isDirectory ? new Date(0) : file.age(name);
		this.mtimeMs = this.mtime.getTime();
		this.size = this.#isDirectory ? 0 : file.size(name);
	}

	isDirectory() {
		return this.#isDirectory;
	}

	isFile() {
		return !this.#isDirectory;
	}
}

const notThere = () => make(Error, 'NOT_FOUND', '');

const sync = {
	readFile: (name, options) => attempt('open', name, (full) => said(file.read(full), options)),

	writeFile(name, data, options) {
		const flag = options?.flag ?? 'w';
		attempt('open', name, (full) => {
			if (flag === 'wx' && sync.exists(full))
				throw make(Error, 'EXISTS', '');
			file.write(full, octetsOf(data, options), flag.startsWith('a'));
		});
	},

	appendFile(name, data, options) {
		attempt('open', name, (full) => file.write(full, octetsOf(data, options), true));
	},

	exists(name) {
		try {
			const full = nameOf('exists', name);
			return file.exists(full) || directory.exists(full);
		} catch {
			return false;
		}
	},

	access(name) {
		attempt('access', name, (full) => {
			if (!sync.exists(full))
				throw notThere();
		});
	},

	stat: (name, options) => options?.throwIfNoEntry === false && !sync.exists(name) ? undefined :
		attempt('stat', name, (full) => new Stats(full)),

	unlink: (name) => attempt('unlink', name, (full) => {
		if (!file.remove(full))
			throw notThere();
	}),

	rename: (from, to) => attempt('rename', from, (full) => {
		const move = directory.exists(full) ? directory.move : file.move;
		move(full, nameOf('rename', to), true);
	}),

	copyFile: (from, to) => attempt('copyfile', from, (full) =>
		file.copy(full, nameOf('copyfile', to), true)),

	mkdir: (name, options) => attempt('mkdir', name, (full) => {
		if (options?.recursive !== true && !directory.exists(path.dirname(full)))
			throw notThere();
		if (!directory.create(full) && options?.recursive !== true)
			throw make(Error, 'EXISTS', '');
	}),

	readdir: (name) => attempt('scandir', name, (full) => directory.list(full)),

	rm: (name, { recursive = false, force = false } = {}) => attempt('rm', name, (full) => {
		const isGone = directory.exists(full) && recursive ? directory.remove(full, true) :
			file.remove(full);
		if (!isGone && !force)
			throw notThere();
	}),

	rmdir: (name) => attempt('rmdir', name, (full) => {
		if (!directory.remove(full, false))
			throw notThere();
	}),

	mkdtemp: (prefix) => attempt('mkdtemp', prefix, () => {
		for (;;) {
			const name = prefix + Math.random().toString(36).slice(2, 8).padEnd(6, '0');
			if (directory.create(nameOf('mkdtemp', name)))
				return name;
		}
	}),
};

// ---- Streams ----

const createReadStream = (name, options = {}) => {
	const { start = 0, end = Infinity, encoding, highWaterMark = CHUNK } =
		typeof options === 'string' ? { encoding: options } : options;
	let source, left;
	const made = new Readable({ encoding, highWaterMark,
		read(size) {
			source ??= attempt('open', name, (full) => new InfinityStream(full));
			left ??= end - (source.position = start) + 1;
			const octets = left > 0 ? source.readBytes(Math.min(size, left)) : [];
			left -= octets.length;
			this.push(octets.length > 0 ? octets : null);
		},
		destroy(error, done) {
			source?.free();
			done(error);
		} });
	made.path = name;
	return made;
};

const createWriteStream = (name, options = {}) => {
	const { flags = 'w', encoding } = typeof options === 'string' ? { encoding: options } : options;
	let target;
	const open = () => attempt('open', name, (full) => {
		const isKept = flags.startsWith('a') && file.exists(full);
		const opened = new InfinityStream(full, isKept ? fileMode.readWrite : fileMode.create);
		opened.position = opened.size;
		return opened;
	});
	const made = new Writable({ defaultEncoding: encoding,
		write(octets, unused, done) {
			try {
				target ??= open();
				target.writeBytes(octets);
				made.bytesWritten += octets.length;
				done();
			} catch (thrown) {
				done(thrown);
			}
		},
		final(done) {
			target ??= open();
			done();
		},
		destroy(error, done) {
			target?.free();
			done(error);
		} });
	return Object.assign(made, { path: name, bytesWritten: 0 });
};

// ---- The three kinds of each ----

const promises = {}, all = { promises, createReadStream, createWriteStream, Stats };

for (const [name, fn] of Object.entries(sync)) {
	all[`${name}Sync`] = fn;
	promises[name] = async (...args) => fn(...args);
	all[name] = (...args) => {
		const done = callable(`fs.${name}: callback`, args.pop());
		promises[name](...args).then((value) => setImmediate(() =>
			name === 'exists' ? done(value) : done(null, value)),
		(error) => setImmediate(() => done(error)));
	};
}
delete promises.exists;
all.constants = promises.constants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 };

module.exports = all;
