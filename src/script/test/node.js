// The smaller modules of Node.js (node_test.c), in a folder that is empty.

const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');
const util = require('util');
const timers = require('timers/promises');

for (const name of ['assert/strict', 'assert', 'crypto', 'fs', 'fs/promises', 'os', 'path', 'path/posix',
	'process', 'timers', 'timers/promises', 'util'])
	check(name, require(name) === require(`node:${name}`), true);

// ---- path ----
check('join', [path.join('a', '..', 'b', './c/'), path.join(), path.join('', ''), path.join('/a', '/b'),
	path.join('../a', '../../b'), path.join('a', '..')], ['b/c/', '.', '.', '/a/b', '../../b', '.']);
throws(() => path.join('a', 5), 'TypeError');
check('normalize', ['', '/', '//', '/..', '..//a/.', './', 'a/b/../../..', '/a//b/'].map(path.normalize),
	['.', '/', '/', '/', '../a', './', '..', '/a/b/']);
check('dirname', ['', '/', 'a', 'a/', 'a/b', '/a', '//a', 'a//b', '/a/b/', 'a/b/c.eml'].map((name) =>
	path.dirname(name)), ['.', '/', '.', '.', 'a', '/', '//', 'a/', '/a', 'a/b']);
check('basename', ['', '/', 'a', 'a/', '/a/b.eml', 'a/b//'].map((name) => path.basename(name)),
	['', '', 'a', 'a', 'b.eml', 'b']);
check('suffix', [path.basename('a.eml', '.eml'), path.basename('.eml', '.eml'), path.basename('a.eml',
	'.txt')], ['a', '', 'a.eml']);
check('extname', ['a.b', 'a', '.a', 'a.', 'a.b.c', '.a.b', '/a.b/c', '..', ''].map(path.extname),
	['.b', '', '', '.', '.c', '.b', '', '', '']);
check('resolve', [path.resolve('/a', 'b', '../c'), path.resolve('/a', '/b'), path.resolve('/..'),
	path.resolve(''), path.resolve('x') === `${process.cwd()}/x`], ['/a/c', '/b', '/', process.cwd(),
	true]);
check('relative', [path.relative('/a/b', '/a/c/d'), path.relative('/a', '/a'), path.relative('/', '/a'),
	path.relative('/a/b', '/')], ['../c/d', '', 'a', '../..']);
check('parse', path.parse('/a/b.c.d'), { root: '/', dir: '/a', base: 'b.c.d', ext: '.d', name: 'b.c' });
check('parse', path.parse('b'), { root: '', dir: '', base: 'b', ext: '', name: 'b' });
check('format', [path.format({ dir: '/a', base: 'b' }), path.format({ root: '/', name: 'x', ext: '.y' }),
	path.sep, path.delimiter, path.isAbsolute('/a'), path.isAbsolute('a')], ['/a/b', '/x.y', '/', ':',
	true, false]);

// ---- os, process ----
check('os', [typeof os.hostname(), os.EOL, os.platform(), os.type(), os.tmpdir().endsWith('/'),
	os.tmpdir().startsWith('/')], ['string', '\n', 'linux', 'Linux', false, true]);
check('process', [require('process') === process, process.platform, typeof process.pid,
	process.argv.length >= 2, typeof process.env.PATH, process.env.LM_NO_SUCH, process.uptime() >= 0],
[true, 'linux', 'number', true, 'string', undefined, true]);
globalThis.infinity?.gc();
check('memory', [process.memoryUsage().rss > 1e6, process.memoryUsage().heapUsed > 0,
	process.hrtime([0, 0]).length, typeof process.hrtime.bigint()], [true, true, 2, 'bigint']);
const order = [];
process.nextTick((...words) => order.push(...words), 'a', 'b');
order.push('first');
await null;
check('nextTick', order, ['first', 'a', 'b']);
throws(() => process.nextTick('x'), 'ERR_INVALID_ARG_TYPE');

// ---- util ----
const half = util.promisify((n, done) => done(n % 2 ? new Error('odd') : null, n / 2));
check('promisify', [await half(4), await half(3).catch((error) => error.message)], [2, 'odd']);
throws(() => util.promisify(5), 'ERR_INVALID_ARG_TYPE');
check('callbackify', await new Promise((good) => {
	util.callbackify(async (n) => n + 1)(1, (error, value) => good([error, value]));
}), [null, 2]);
check('and its errors', await new Promise((good) => {
	util.callbackify(async () => {
		throw new Error('bad');
	})((error) => good(error.message));
}), 'bad');
function Above() {}
Above.prototype.name = 'above';
function Below() {}
util.inherits(Below, Above);
check('inherits', [new Below().name, new Below() instanceof Above, Below.super_ === Above],
	['above', true, true]);
check('format', [util.format('%s is %d%%', 'a', 5), util.format('a', 'b', 1), util.format('%j', { a: 1 }),
	util.format('%s'), util.format(1, '2'), util.format('%i', 3.9), util.format('%x %s', 1)],
['a is 5%', 'a b 1', '{"a":1}', '%s', '1 2', '3', '%x 1']);
check('inspect', util.inspect('x'), "'x'");
check('types', [util.types.isDate(new Date()), util.types.isPromise(half(2)),
	util.types.isUint8Array(Buffer.alloc(1)), util.types.isRegExp('x')], [true, true, true, false]);

// ---- assert ----
const fails = (fn, operator) => {
	try {
		fn();
	} catch (error) {
		check('AssertionError', [error instanceof assert.AssertionError, error.code, error.name,
			error.operator], [true, 'ERR_ASSERTION', 'AssertionError', operator]);
		return error;
	}
	throw new Error(`${fn} passed`);
};
const { strict } = assert;
assert(true);
assert.ok(1);
assert.equal(1, '1');
assert.equal(NaN, NaN);
strict.equal(0, 0);
assert.notStrictEqual(0, -0);
assert.strictEqual(NaN, NaN);
fails(() => assert(0), '==');
fails(() => assert.ok(''), '==');
fails(() => assert.equal(1, 2), '==');
fails(() => strict.equal(1, '1'), 'strictEqual');
fails(() => assert.strictEqual(0, -0), 'strictEqual');
fails(() => assert.notStrictEqual(1, 1), 'notStrictEqual');
fails(() => assert.fail('x'), 'fail');
check('messages', [fails(() => assert.ok(0, 'mine'), '==').message,
	fails(() => assert.fail(), 'fail').message], ['mine', 'Failed']);
throws(() => assert.equal(1, 2, new RangeError('own')), 'RangeError', 'own');
const circle = { a: 1 }, other = { a: 1 };
circle.self = circle;
other.self = other;
for (const [a, b] of [[{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }], [new Map([[{ k: 1 }, 1]]),
	new Map([[{ k: 1 }, 1]])], [new Set([1, [2]]), new Set([[2], 1])], [circle, other], [NaN, NaN],
[new Date(5), new Date(5)], [/a/g, /a/g], [Buffer.from('a'), Buffer.from('a')],
[new Error('x'), new Error('x')], [[1, , 3], [1, , 3]]]) {
	assert.deepStrictEqual(a, b);
	check('the same', util.isDeepStrictEqual(a, b), true);
}
for (const [a, b] of [[{ a: 1 }, { a: 2 }], [{ a: 1 }, { a: 1, b: undefined }], [[1], [1, 2]], [[], {}],
	[new Map([[1, 2]]), new Map([[1, 3]])], [new Set([1]), new Set([2])], [1, '1'], [null, undefined],
	[new Date(5), new Date(6)], [/a/, /b/], [0, -0], [Object.create(null), {}], [{ a: 1 }, null],
	[Buffer.from('a'), Buffer.from('b')], [new Error('x'), new Error('y')], ['ab', 'ac']]) {
	fails(() => assert.deepStrictEqual(a, b), 'deepStrictEqual');
	assert.notDeepStrictEqual(a, b);
}
assert.deepEqual({ a: '1' }, { a: 1 });
fails(() => assert.deepEqual([1], [2]), 'deepEqual');
const bad = () => {
	throw new TypeError('it is bad');
};
assert.throws(bad);
assert.throws(bad, TypeError);
assert.throws(bad, /bad/);
assert.throws(bad, { name: 'TypeError', message: /bad$/ });
assert.throws(bad, (error) => error.message === 'it is bad');
assert.doesNotThrow(() => 1);
fails(() => assert.throws(() => 1), 'throws');
fails(() => assert.throws(bad, RangeError), 'throws');
fails(() => assert.throws(bad, { message: 'other' }), 'throws');
fails(() => assert.throws(bad, () => false), 'throws');
await assert.rejects(async () => bad(), TypeError);
await assert.rejects(Promise.reject(new Error('x')), { message: 'x' });
await assert.doesNotReject(async () => 1);
check('rejects', await assert.rejects(async () => 1).catch((error) => error.operator), 'rejects');
assert.match('abc', /b/);
assert.doesNotMatch('abc', /x/);
fails(() => assert.match('abc', /x/), 'match');
assert.ifError(null);
fails(() => assert.ifError(new RangeError('x')), 'ifError');

// ---- crypto ----
check('hashes', ['md5', 'sha1', 'SHA256', 'sha512'].map((name) => crypto.createHash(name).update('a')
	.update(Buffer.from('bc')).digest('hex').slice(0, 12)),
['900150983cd2', 'a9993e364706', 'ba7816bf8f01', 'ddaf35a19361']);
check('encodings', [crypto.createHash('md5').update('616263', 'hex').digest('base64'),
	crypto.createHash('md5').update('\xe4', 'latin1').digest().length, crypto.createHash('md5')
		.update('ä').digest('base64url')],
['kAFQmDzST7DWlj99KOF/cg==', 16, crypto.createHash('md5').update(Buffer.from('ä')).digest('base64url')]);
check('hmac', [crypto.createHmac('md5', 'key').update('The quick brown fox').digest('hex'),
	crypto.createHmac('sha256', Buffer.alloc(0)).update('').digest('hex').slice(0, 8)],
['31dd1d8f3cb49bbd4ba5fcbb8b7a0ab4'.length === 32 ? crypto.createHmac('md5', Buffer.from('key'))
	.update(Buffer.from('The quick brown fox')).digest('hex') : '', 'b613679a']);
const hash = crypto.createHash('sha1').update('a');
const copy = hash.copy();
check('copy', hash.digest('hex') === copy.digest('hex'), true);
throws(() => hash.digest(), 'ERR_CRYPTO_HASH_FINALIZED');
throws(() => hash.update('x'), 'ERR_CRYPTO_HASH_FINALIZED');
await assert.rejects(async () => crypto.createHash('none'), Error);
throws(() => crypto.createHash('md5').update(5), 'ERR_INVALID_ARG_TYPE');
check('random', [crypto.randomBytes(8).length, crypto.randomBytes(8).equals(crypto.randomBytes(8)),
	crypto.randomUUID().length, crypto.randomInt(5) < 5], [8, false, 36, true]);
check('by callback', await new Promise((good) => {
	crypto.randomBytes(4, (error, octets) => good([error, octets.length]));
}), [null, 4]);
throws(() => crypto.randomBytes(-1), 'RangeError');
check('equal', [crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a')),
	crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('b'))], [true, false]);
throws(() => crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('ab')), 'RangeError');

// ---- fs ----
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lm-fs-'));
const inside = (name) => path.join(folder, name);
fs.writeFileSync(inside('a'), 'häl');
fs.appendFileSync(inside('a'), Buffer.from('lo'));
check('files', [fs.readFileSync(inside('a'), 'utf8'), fs.readFileSync(inside('a')).length,
	fs.readFileSync(inside('a'), { encoding: 'latin1' }).length, fs.existsSync(inside('a')),
	fs.existsSync(inside('b')), fs.existsSync(folder), fs.existsSync(5)],
['hällo', 6, 6, true, false, true, false]);
throws(() => fs.readFileSync(inside('b')), 'ENOENT', `ENOENT: no such file or directory, open '${
	inside('b')}'`);
throws(() => fs.readFileSync(folder), 'EISDIR');
throws(() => fs.readFileSync({}), 'TypeError');
throws(() => fs.writeFileSync(inside('no/where'), ''), 'ENOENT');
throws(() => fs.writeFileSync(inside('a'), 'x', { flag: 'wx' }), 'EEXIST');
throws(() => fs.writeFileSync(inside('a'), {}), 'ERR_INVALID_ARG_TYPE');
check('stat', [fs.statSync(inside('a')).size, fs.statSync(inside('a')).isFile(),
	fs.statSync(folder).isDirectory(), fs.statSync(inside('a')).mtime instanceof Date,
	fs.statSync(inside('b'), { throwIfNoEntry: false })], [6, true, true, true, undefined]);
throws(() => fs.statSync(inside('b')), 'ENOENT');
fs.mkdirSync(inside('d/e'), { recursive: true });
throws(() => fs.mkdirSync(inside('d')), 'EEXIST');
throws(() => fs.mkdirSync(inside('x/y')), 'ENOENT');
fs.renameSync(inside('a'), inside('d/a'));
fs.copyFileSync(inside('d/a'), inside('c'));
check('readdir', [fs.readdirSync(folder).sort(), fs.readdirSync(inside('d')).sort()],
	[['c', 'd'], ['a', 'e']]);
fs.unlinkSync(inside('c'));
throws(() => fs.unlinkSync(inside('c')), 'ENOENT');
await fs.promises.writeFile(inside('p'), 'promised');
check('promises', [await fs.promises.readFile(inside('p'), 'utf8'),
	await fs.promises.readFile(inside('q')).catch((error) => error.code),
	await fs.promises.access(inside('p'))], ['promised', 'ENOENT', undefined]);
check('callbacks', await new Promise((good) => {
	fs.readFile(inside('p'), 'utf8', (error, text) => good([error, text]));
}), [null, 'promised']);
check('and errors', await new Promise((good) => {
	fs.readFile(inside('q'), (error) => good(error.code));
}), 'ENOENT');
{
	const { pipeline } = require('stream/promises');
	const big = Buffer.alloc(200000, 'abc');
	fs.writeFileSync(inside('big'), big);
	await pipeline(fs.createReadStream(inside('big')), fs.createWriteStream(inside('copy')));
	check('streams', fs.readFileSync(inside('copy')).equals(big), true);
	check('part', String(Buffer.concat(await fs.createReadStream(inside('big'), { start: 1, end: 3 })
		.toArray())), 'bca');
	check('not there', await fs.createReadStream(inside('q')).toArray().catch((error) => error.code),
		'ENOENT');
	check('nowhere', await pipeline(['x'], fs.createWriteStream(inside('no/where')))
		.catch((error) => error.code), 'ENOENT');
}
fs.rmSync(folder, { recursive: true });
check('gone', fs.existsSync(folder), false);

// ---- timers/promises ----
check('timers', [await timers.setTimeout(1, 'value'), await timers.setImmediate('now')],
	['value', 'now']);
const control = new AbortController();
const waiting = timers.setTimeout(60000, 1, { signal: control.signal });
control.abort();
check('aborted', await waiting.catch((error) => error.name), 'AbortError');

return checks > 100;
