'use strict';
// process: what ordinary programs for mail ask of it. No signals, and no streams; exit() drains what
// runs, as the program's end does.

const EventEmitter = require('./events');
const { callable, integer } = require('./errors');

internal.need('infinity.node');
const { system } = internal;

const origin = internal.now();

const pairs = system.environment().map((line) => {
	const end = line.indexOf('=', 1);
	return [line.slice(0, end), line.slice(end + 1)];
});

const hrtime = (before) => {
	const ms = internal.now();
	const [seconds, rest] = [Math.floor(ms / 1000), Math.round(ms % 1000 * 1e6) % 1e9];
	if (before === undefined)
		return [seconds, rest];
	return rest < before[1] ? [seconds - before[0] - 1, rest - before[1] + 1e9] :
		[seconds - before[0], rest - before[1]];
};
hrtime.bigint = () => BigInt(Math.round(internal.now() * 1e6));

const process = {
	env: Object.fromEntries(pairs),
	exitCode: undefined,
	platform: 'linux',
	title: 'lettermill',
	pid: system.process(),
	version: `v${infinity.version}`,
	versions: { lettermill: infinity.version },

	get argv() {
		return [`${infinity.current.run}lettermill`, internal.mainFile() ?? '',
			...infinity.getArgs()];
	},

	cwd: () => system.folder(),

	exit(code = process.exitCode ?? 0) {
		infinity.terminate(integer('process.exit: code', Number(code), 0, 255));
	},

	nextTick(callback, ...args) {
		callable('process.nextTick: callback', callback);
		queueMicrotask(() => callback(...args));
	},

	memoryUsage() {
		const [rss, heap] = system.memory();
		return { rss, heapTotal: heap, heapUsed: heap, external: 0, arrayBuffers: 0 };
	},

	emitWarning(warning) {
		console.warn(warning instanceof Error ? warning : `Warning: ${warning}`);
	},

	uptime: () => (internal.now() - origin) / 1000,
	hrtime,
};

module.exports = Object.setPrototypeOf(process, EventEmitter.prototype);
