'use strict';
// require: modules of files, found and cached as CommonJS does; one cache a runtime.

const PARAMETERS = 'exports, require, module, __filename, __dirname';
const ENDINGS = ['', '.js', '.json', '.cjs'];
const INDEXES = ['index.js', 'index.json', 'index.cjs'];
const AsyncFunction = (async () => {}).constructor;
const cache = Object.create(null);

// Names that are no files: functions that give the module's exports.
const builtins = new Map();
internal.builtin = (name, load) => builtins.set(name, load);

// What Node.js provides and we do, too (node/), with or without "node:" before it.
const provided = new Set(['assert', 'assert/strict', 'buffer', 'crypto', 'events', 'fs',
	'fs/promises', 'os', 'path', 'path/posix', 'process', 'stream', 'stream/promises',
	'string_decoder', 'timers', 'timers/promises', 'util']);

// Modules within the executable: "lettermill:node/events.js".
const LIBRARY = 'lettermill:';
const ours = /^lettermill:(node\/|host\.js$)/;
const library = new Map();

const embedded = (id) => {
	const name = id.startsWith('node:') ? id.slice('node:'.length) : id;
	if (provided.has(name))
		return `${LIBRARY}node/${name.replace('/', '_')}.js`;
	const [, inner, part] = /^lettermill(?:\/js\/([\w/]+)|\/(\w+))?$/.exec(id) ?? [];
	if (id !== 'lettermill' && inner === undefined && part === undefined)
		return undefined;
	const path = LIBRARY + (inner ?? (part === undefined ? 'index' : `${part}/index`));
	return [`${path}.js`, `${path}/index.js`].find((file) => native.isEmbedded(file));
};

const folderOf = (path) => path.slice(0, Math.max(path.lastIndexOf('/'), 1));
const join = (folder, name) => folder === '/' ? `/${name}` : `${folder}/${name}`;

// Without "." and "..", as they are written.
const tidy = (path) => {
	const parts = [];
	for (const part of path.split('/')) {
		if (part === '..')
			parts.pop();
		else if (part !== '' && part !== '.')
			parts.push(part);
	}
	return `/${parts.join('/')}`;
};

const parseJson = (path) => {
	try {
		return JSON.parse(native.read(path));
	} catch (thrown) {
		if (thrown instanceof SyntaxError)
			thrown.message = `${path}: ${thrown.message}`;
		throw thrown;
	}
};

const asFile = (path, tried, endings = ENDINGS) => {
	for (const ending of endings) {
		if (native.kind(path + ending) === 'file')
			return path + ending;
		tried.push(path + ending);
	}
	return undefined;
};

const asFolder = (path, tried) => {
	const about = join(path, 'package.json');
	const main = native.kind(about) === 'file' ? parseJson(about)?.main : undefined;
	if (typeof main === 'string' && main !== '') {
		const wanted = tidy(join(path, main));
		const found = asFile(wanted, tried) ?? (native.kind(wanted) === 'folder' ?
			asFile(wanted, tried, INDEXES.map((name) => `/${name}`)) : undefined);
		if (found !== undefined)
			return found;
	}
	return asFile(path, tried, INDEXES.map((name) => `/${name}`));
};

const asAny = (path, isFolder, tried) => {
	const file = isFolder ? undefined : asFile(path, tried);
	return file ?? (native.kind(path) === 'folder' ? asFolder(path, tried) : undefined);
};

// node_modules of the folder and of all above it.
const places = (folder) => {
	const list = [];
	for (let at = folder; ; at = folderOf(at)) {
		if (!at.endsWith('/node_modules'))
			list.push(join(at, 'node_modules'));
		if (at === '/')
			return list;
	}
};

const notFound = (id, from, tried) => {
	const error = new Error(`require: cannot find ${internal.shown(id)} from ${from}; tried ` +
		tried.join(', '));
	error.code = 'MODULE_NOT_FOUND';
	throw error;
};

const resolve = (id, from) => {
	internal.string('require: id', id);
	if (id === '')
		throw new RangeError('require: id: the name of a file or module, not ""');
	const tried = [];
	const folder = folderOf(from);
	const isFolder = /(^|\/)\.{0,2}$/.test(id);
	let found;
	if (/^(\/|\.\.?(\/|$))/.test(id)) {
		found = asAny(tidy(id.startsWith('/') ? id : join(folder, id)), isFolder, tried);
	} else if (builtins.has(id) || embedded(id) !== undefined) {
		return id;
	} else {
		for (const place of places(folder)) {
			if (native.kind(place) === 'folder')
				found ??= asAny(tidy(join(place, id)), isFolder, tried);
			else
				tried.push(place);
		}
	}
	return found === undefined ? notFound(id, from, tried) : native.real(found);
};

class Module {
	constructor(filename, parent) {
		this.id = parent ? filename : '.';
		this.filename = filename;
		this.path = folderOf(filename);
		this.exports = {};
		this.loaded = false;
		this.children = [];
		this.paths = places(this.path);
		Object.defineProperty(this, 'parent', { value: parent, configurable: true });
		Object.defineProperty(this, 'require', { value: requireOf(this), configurable: true });
		parent?.children.push(this);
	}
}

let main;

const compile = (module, parameters) => {
	const { filename } = module;
	if (filename.endsWith('.mjs'))
		throw new SyntaxError(`${filename}: ES modules are not available; use require`);
	const body = native.compile(filename, parameters);
	if (module !== main && body instanceof AsyncFunction)
		throw new SyntaxError(`${filename}: await at the top level is for the main script only`);
	return body;
};

const run = (module) => {
	const { filename } = module;
	if (filename.endsWith('.json')) {
		module.exports = parseJson(filename);
		return;
	}
	const body = compile(module, PARAMETERS);
	body.call(module.exports, module.exports, module.require, module, filename, module.path);
};

const load = (filename, parent) => {
	const known = cache[filename];
	if (known)
		return known.exports;
	const module = new Module(filename, parent);
	cache[filename] = module;
	try {
		run(module);
	} catch (thrown) {
		if (cache[filename] === module)
			delete cache[filename];
		throw thrown;
	}
	module.loaded = true;
	return module.exports;
};

// ---- Modules within the executable: one cache a runtime, which is nobody else's business ----

const resolveWithin = (id, from) => {
	if (!id.startsWith('.'))
		return embedded(id) ?? notFound(id, from, [id]);
	const folder = from.slice(LIBRARY.length).split('/').slice(0, -1).join('/');
	const path = LIBRARY + tidy(`${folder}/${id}`).slice(1);
	const tried = ['', '.js', '/index.js'].map((ending) => path + ending);
	return tried.find((file) => native.isEmbedded(file)) ?? notFound(id, from, tried);
};

const loadWithin = (filename) => {
	const known = library.get(filename);
	if (known)
		return known.exports;
	const module = { id: filename, filename, exports: {} };
	library.set(filename, module);
	try {
		const body = native.compileEmbedded(filename, ours.test(filename) ?
			`${PARAMETERS}, internal` : PARAMETERS);
		body.call(module.exports, module.exports,
			(id) => loadWithin(resolveWithin(id, filename)), module, filename,
			filename.slice(0, filename.lastIndexOf('/')), internal);
	} catch (thrown) {
		library.delete(filename);
		throw thrown;
	}
	return module.exports;
};
internal.requireWithin = (name) => loadWithin(LIBRARY + name);

function requireOf(module) {
	const require = (id) => {
		const found = resolve(id, module.filename);
		if (builtins.has(found))
			return builtins.get(found)();
		const within = embedded(found);
		return within === undefined ? load(found, module) : loadWithin(within);
	};
	require.resolve = (id) => resolve(id, module.filename);
	require.resolve.paths = (id) => /^\.{0,2}\//.test(id) ? [module.path] : [...module.paths];
	require.cache = cache;
	require.main = main;
	return require;
}

internal.runMain = (path) => {
	main = new Module(path);
	main.require.main = main;
	cache[path] = main;
	const body = compile(main, `infinity, require, module, exports, __filename, __dirname`);
	const result = body.call(main.exports, infinity, main.require, main, main.exports, path,
		main.path);
	main.loaded = true;
	return result;
};

internal.mainFile = () => main?.filename;

// For scripts that are no modules: handlers.
internal.requireFor = (path) => new Module(path, main).require;
