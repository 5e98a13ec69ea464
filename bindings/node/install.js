'use strict';
// What `npm install` runs: nothing to do where the addon that came with the package loads, else one
// is compiled from native/ with the system's compiler. Nothing is fetched.
const { execFileSync, spawn, spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const addon = require('./addon');

const root = path.join(__dirname, '..');
const native = path.join(root, 'native');
const build = path.join(root, 'build');

// What pkg-config calls a library: Debian's packages to compile with it, and to run with it.
const LIBRARIES = {
	'libuv': ['libuv1-dev', 'libuv1'],
	'openssl': ['libssl-dev', 'libssl3'],
	'libgsasl': ['libgsasl-dev', 'libgsasl18'],
	'sqlite3': ['libsqlite3-dev', 'libsqlite3-0'],
	'libcrypt': ['libcrypt-dev', 'libcrypt1'],
	'libcurl': ['libcurl4-openssl-dev', 'libcurl4'],
	'gmime-3.0': ['libgmime-3.0-dev', 'libgmime-3.0-0'],
};

const { version, libraries, sources } = JSON.parse(fs.readFileSync(path.join(native,
	'sources.json')));

class Problem extends Error {}

const say = (text) => console.error(`lettermill: ${text}`);

const exists = (file) => fs.existsSync(file);

// Whether the addon loads, by a process of its own: a wrong one may take its process along.
function trouble(file) {
	const script = 'const { load } = require(process.argv[1]); load(process.argv[2]).constants();';
	const done = spawnSync(process.execPath, ['-e', script, path.join(__dirname, 'addon.js'), file],
		{ encoding: 'utf8' });
	if (done.status === 0)
		return undefined;
	const why = /^Error: (.*)$/m.exec(done.stderr ?? '');
	return why ? why[1] : `it ended with ${done.signal ?? done.status}`;
}

const words = (text) => text.split(/\s+/).filter((word) => word !== '');

// CC and CFLAGS may have arguments, as with make.
const compiler = () => words(process.env.CC || 'cc');

const runs = (program, args) => spawnSync(program, args, { stdio: 'ignore' }).status === 0;

function headers() {
	const { npm_config_nodedir: named } = process.env;
	const places = [
		...(named ? [path.join(named, 'include', 'node')] : []),
		path.resolve(process.execPath, '..', '..', 'include', 'node'),
		'/usr/include/node',
		'/usr/include/nodejs/src',
	];
	return places.find((place) => exists(path.join(place, 'node_api.h')));
}

// Names of what is not there: packages of Debian, and words where there is none.
function missing() {
	const [cc, ...flags] = compiler();
	const list = [];
	if (!runs(cc, [...flags, '--version'])) {
		if (process.env.CC)
			throw new Problem(`the compiler that CC names cannot be run: ${process.env.CC}`);
		list.push('gcc', 'libc6-dev');
	}
	if (!headers())
		list.push('libnode-dev');
	if (!runs('pkg-config', ['--version']))
		return [...list, 'pkgconf', ...libraries.map((name) => LIBRARIES[name][0])];
	for (const name of libraries)
		if (!runs('pkg-config', ['--exists', name]))
			list.push(LIBRARIES[name][0]);
	return list;
}

const pkgConfig = (what) => words(execFileSync('pkg-config', [what, ...libraries],
	{ encoding: 'utf8' }));

function compileOne(cc, args, source) {
	return new Promise((good, bad) => {
		const child = spawn(cc, args, { cwd: native, stdio: ['ignore', 'ignore', 'pipe'] });
		let said = '';
		child.stderr.on('data', (data) => {
			said += data;
		});
		child.on('error', bad).on('close', (code) => {
			if (code === 0)
				good();
			else
				bad(new Problem(`${cc} cannot compile ${source}:\n${said}`));
		});
	});
}

// A few at a time.
async function compileAll(list, one) {
	const rest = [...list];
	const work = async () => {
		while (rest.length)
			await one(rest.shift());
	};
	await Promise.all(Array.from({ length: Math.max(os.cpus().length, 1) }, work));
}

async function compile(file) {
	const [cc, ...ccFlags] = compiler();
	const objects = path.join(build, 'objects');
	const objectOf = (source) => path.join(objects, `${source.replaceAll('/', '_')}.o`);
	const flags = [...ccFlags, '-std=gnu17', '-O2', '-fPIC', '-fvisibility=hidden', '-pthread',
		'-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64',
		`-DLM_VERSION="${version}"`, '-Iinclude', ...words(process.env.CFLAGS ?? '')];
	const library = [...flags, '-Isrc', ...pkgConfig('--cflags')];
	// The headers of Node.js stand beside those of its own OpenSSL and libuv, which the library's
	// sources must not see.
	const addonFlags = [...flags, '-isystem', headers()];
	fs.mkdirSync(objects, { recursive: true });
	await compileAll(sources, (source) => compileOne(cc, [
		...(source.startsWith('addon/') ? addonFlags : library), '-c', source, '-o', objectOf(source),
	], source));
	await compileOne(cc, [...ccFlags, '-shared', '-pthread', '-o', file, ...sources.map(objectOf),
		'-Wl,-z,nodelete', '-Wl,--version-script=addon/exports.map',
		'-Wl,--as-needed', ...words(process.env.LDFLAGS ?? ''), ...pkgConfig('--libs')], 'the addon');
	fs.rmSync(objects, { recursive: true });
}

async function make(why) {
	const lacks = missing();
	if (lacks.length)
		throw new Problem(`the addon that came with the package does not load (${why}), and these ` +
			`packages are missing to compile it: ${lacks.join(' ')}\n` +
			`lettermill: on Debian, as root: apt-get install ${lacks.join(' ')}\n` +
			'lettermill: to run the one that came, where it is for this machine: apt-get install ' +
			libraries.map((name) => LIBRARIES[name][1]).join(' '));
	const file = path.join(build, 'lettermill.node');
	say(`compiling the addon, for the one that came with the package does not load: ${why}`);
	await compile(`${file}.new`);
	const still = trouble(`${file}.new`);
	if (still)
		throw new Problem(`the addon was compiled, but does not load: ${still}`);
	fs.renameSync(`${file}.new`, file);
	say(`compiled ${file}`);
}

async function main() {
	fs.rmSync(build, { recursive: true, force: true });
	const [file] = addon.places().filter(exists);
	const why = process.env.LETTERMILL_COMPILE ? 'LETTERMILL_COMPILE is set' :
		file ? trouble(file) : `there is none for ${process.platform}-${process.arch}`;
	if (why)
		await make(why);
}

main().catch((error) => {
	fs.rmSync(build, { recursive: true, force: true });
	say(error instanceof Problem ? error.message : error.stack);
	process.exitCode = 1;
});
