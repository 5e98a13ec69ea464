'use strict';
// Loads the addon: the file that LETTERMILL_ADDON names, else one that was compiled when the
// package was installed, else the one that came with it.
const fs = require('fs');
const os = require('os');
const path = require('path');

const root = path.join(__dirname, '..');
const places = () => [
	path.join(root, 'build', 'lettermill.node'),
	path.join(root, 'prebuilds', `${process.platform}-${process.arch}.node`),
];

// Most builds of Node.js export an OpenSSL and a libuv of their own, which are not those that the
// addon was compiled with: then it and its libraries look among themselves first. Debian's has the
// system's.
const { node_shared_openssl: openssl, node_shared_libuv: uv } = process.config.variables;
const { RTLD_NOW, RTLD_DEEPBIND = 0 } = os.constants.dlopen;
const flags = openssl && uv ? RTLD_NOW : RTLD_NOW | RTLD_DEEPBIND;

function load(file) {
	const module = { exports: {} };
	process.dlopen(module, file, flags);
	return module.exports;
}

function notFound() {
	const error = new Error('lettermill: there is no addon for this machine (tried ' +
		`${places().join(', ')}); npm rebuild lettermill compiles one`);
	error.code = 'MODULE_NOT_FOUND';
	return error;
}

function find() {
	const named = process.env.LETTERMILL_ADDON;
	const file = named ? path.resolve(named) : places().find((place) => fs.existsSync(place));
	if (!file)
		throw notFound();
	return file;
}

module.exports = { find, load, places };
