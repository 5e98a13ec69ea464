'use strict';
// path: names of files, text only, as POSIX has them.

const { string } = require('./errors');

// Without empty parts, "." and, where something stands before it, "..".
const tidy = (path, isRooted) => {
	const parts = [];
	for (const part of path.split('/')) {
		if (part === '..' && parts.length > 0 && parts.at(-1) !== '..')
			parts.pop();
		else if (part === '..' ? !isRooted : part !== '' && part !== '.')
			parts.push(part);
	}
	return parts.join('/');
};

const normalize = (path) => {
	if (string('path.normalize: path', path) === '')
		return '.';
	const isRooted = path.startsWith('/');
	const found = tidy(path, isRooted);
	if (found === '')
		return isRooted ? '/' : path.endsWith('/') ? './' : '.';
	return (isRooted ? '/' : '') + found + (path.endsWith('/') ? '/' : '');
};

const join = (...parts) => {
	const named = parts.filter((part) => string('path.join: path', part) !== '');
	return named.length === 0 ? '.' : normalize(named.join('/'));
};

const resolve = (...parts) => {
	let path = '';
	for (const part of parts.reverse()) {
		if (string('path.resolve: path', part) === '')
			continue;
		path = path === '' ? part : `${part}/${path}`;
		if (part.startsWith('/'))
			return `/${tidy(path, true)}`;
	}
	return `/${tidy(`${require('./process').cwd()}/${path}`, true)}`;
};

const bare = (path) => path.replace(/\/+$/, '');

const dirname = (path) => {
	const own = bare(string('path.dirname: path', path));
	const at = own.lastIndexOf('/');
	if (at < 0)
		return path.startsWith('/') ? '/' : '.';
	return own.slice(0, at) === '/' ? '//' : own.slice(0, at) || '/';
};

const basename = (path, suffix) => {
	const own = bare(string('path.basename: path', path));
	const name = own.slice(own.lastIndexOf('/') + 1);
	if (suffix === path)
		return '';
	return suffix !== undefined && name !== suffix &&
		name.endsWith(string('path.basename: suffix', suffix)) ?
		name.slice(0, name.length - suffix.length) : name;
};

const extname = (path) => {
	const name = basename(string('path.extname: path', path));
	const at = name.lastIndexOf('.');
	return at <= 0 || name === '..' ? '' : name.slice(at);
};

const relative = (from, to) => {
	const a = resolve(string('path.relative: from', from)).split('/').filter(Boolean);
	const b = resolve(string('path.relative: to', to)).split('/').filter(Boolean);
	let same = 0;
	while (same < a.length && same < b.length && a[same] === b[same])
		same++;
	return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
};

const parse = (path) => {
	const base = basename(string('path.parse: path', path));
	const ext = extname(path);
	const root = path.startsWith('/') ? '/' : '';
	const dir = bare(path).includes('/') ? dirname(path) : root;
	return { root, dir, base, ext, name: base.slice(0, base.length - ext.length) };
};

const format = ({ dir, root = '', base, name = '', ext = '' }) => {
	const last = base ?? name + (ext === '' || ext.startsWith('.') ? ext : `.${ext}`);
	if (!dir)
		return root + last;
	return dir === root ? dir + last : `${dir}/${last}`;
};

const isAbsolute = (path) => string('path.isAbsolute: path', path).startsWith('/');

const posix = {
	basename, delimiter: ':', dirname, extname, format, isAbsolute, join, normalize, parse, relative,
	resolve, sep: '/',
};
module.exports = posix;
posix.posix = posix;
