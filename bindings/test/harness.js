'use strict';
// Tests that run in Node.js and in `lettermill run`: test(name, async (t) => …) registers one; they
// run one after another once the file is read. Arguments: --patience=N (times longer deadlines),
// --relay=URL (tests/e2e/lib/relay.py: connections for `lettermill run`), --folder=PATH (of
// tests/e2e/lib/certs.py: ca.pem, server.pem, server.key …); else names of tests that are wanted.
const inNode = typeof infinity === 'undefined';
const words = inNode ? process.argv.slice(2) : infinity.getArgs();
const option = (name) => words.find((word) => word.startsWith(`--${name}=`))
	?.slice(name.length + 3);
const wanted = words.filter((word) => !word.startsWith('--'));
const patience = Number(option('patience') ?? 1);
// How much more memory may grow than is allowed: sanitizers keep what is freed for a while.
const growth = Number(option('growth') ?? 1);

const host = inNode ? 'node' : 'lettermill';
const lettermill = inNode ? require('../node') : require('lettermill');
// A module of bindings/js that users do not see.
const inside = (path) => inNode ? require(`../js/${path}`) : require(`lettermill/js/${path}`);
const { assert } = require('./assert');
const { connect } = require('./connect');
const { listen } = require('./listen');

const DEADLINE = 20000;
const print = inNode ? console.log : console.writeLn;
const tests = [];

const sleep = (ms) => new Promise((good) => setTimeout(good, ms));

// Until condition() is true (it may give a promise).
async function until(condition, ms = DEADLINE / 2) {
	for (const end = Date.now() + ms * patience; !await condition(); await sleep(5))
		if (Date.now() > end)
			throw new Error(`never came true: ${condition}`);
}

// The contents of "server.pem" and so on.
function file(name) {
	const path = `${option('folder') ?? '.'}/${name}`;
	return inNode ? require('fs').readFileSync(path, 'utf8') : infinity.file.readString(path);
}

class Skip extends Error {}

class Context {
	#deferred = [];

	// At the test's end, last first.
	defer(fn) {
		this.#deferred.push(fn);
	}

	// A connection for lines, cut at the end: see connect.js.
	async connect(port, address = '127.0.0.1') {
		const connection = await connect(address, port, option('relay'));
		this.defer(() => connection.close());
		return connection;
	}

	// A server made by hand: see listen.js.
	async listen() {
		const listener = await listen(option('relay'));
		this.defer(() => listener.close());
		return listener;
	}

	skip(why) {
		throw new Skip(why);
	}

	async end() {
		for (const fn of this.#deferred.reverse())
			await fn();
	}
}

function deadline(ms, what) {
	let timer;
	const over = new Promise((good, bad) => {
		timer = setTimeout(() => bad(new Error(`${what} took more than ${ms} ms`)), ms);
	});
	return { over, clear: () => clearTimeout(timer) };
}

async function within(ms, what, promise) {
	const { over, clear } = deadline(ms * patience, what);
	try {
		return await Promise.race([promise, over]);
	} finally {
		clear();
	}
}

async function runOne({ name, fn, ms }) {
	const t = new Context();
	let why;
	try {
		await within(ms, name, fn(t));
	} catch (error) {
		why = error;
	}
	try {
		await within(ms, `the end of ${name}`, t.end());
	} catch (error) {
		why = why === undefined || why instanceof Skip ? error : why;
	}
	if (why instanceof Skip)
		print(`ok ${name} # SKIP ${why.message}`);
	else if (why !== undefined)
		print(`not ok ${name}\n${shown(why)}`);
	else
		print(`ok ${name}`);
	return why === undefined || why instanceof Skip;
}

function shown(error) {
	const text = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` :
		`thrown: ${String(error)}`;
	return text.split('\n').map((line) => `# ${line}`).join('\n');
}

const fail = () => {
	if (inNode)
		process.exitCode = 1;
	else
		infinity.terminate(1);
};

async function runAll() {
	let bad = 0;
	const chosen = tests.filter(({ name }) => !wanted.length || wanted.includes(name));
	for (const one of chosen)
		bad += await runOne(one) ? 0 : 1;
	print(`# ${chosen.length - bad} passed, ${bad} failed`);
	if (bad)
		fail();
	// What still runs now was left behind by a test.
	const late = setTimeout(() => {
		print('not ok the program\n# it does not end by itself');
		if (inNode)
			process.exit(1);
		infinity.terminate(1);
	}, DEADLINE * patience);
	late.unref();
}

// ms: how long it may take, before `patience`.
function test(name, fn, ms = DEADLINE) {
	if (!tests.length)
		setTimeout(runAll, 0);
	tests.push({ name, fn, ms });
}

module.exports = { test, assert, lettermill, inside, sleep, until, file, host, patience, growth };
