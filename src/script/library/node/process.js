'use strict';
// process: what ordinary programs for mail ask of it. No signals, no streams but stdout's and
// stderr's write; exit() drains what runs, as the program's end does.

const EventEmitter = require('./events');
const { callable, integer } = require('./errors');

internal.need('infinity.node');
const { system } = internal;

const environment = Object.fromEntries(system.environment()
	.map((line) => [line.slice(0, line.indexOf('=', 1)), line.slice(line.indexOf('=', 1) + 1)])
	.filter(([name]) => name !== ''));

const origin = internal.now();
const mainFile = () => internal.mainFile() ?? '';

class Process extends EventEmitter {
	env = environment;
	exitCode = undefined;
	platform = 'linux';
	title = 'lettermill';
	version = 'v18.0.0';
	versions = { lettermill: infinity.version };
	execArgv = [];
	pid = system.process();

	get argv() {
		return [`${infinity.current.run}lettermill`, mainFile(), ...infinity.getArgs()];
	}

	cwd() {
		return system.folder();
	}

	exit(code = this.exitCode ?? 0) {
		infinity.terminate(integer('process.exit: code', Number(code), 0, 255));
	}

	nextTick(callback, ...args) {
		callable('process.nextTick: callback', callback);
		queueMicrotask(() => callback(...args));
	}

	uptime() {
		return (internal.now() - origin) / 1000;
	}

	hrtime() {
		const ms = internal.now();
		return [Math.floor(ms / 1000), Math.round(ms % 1000 * 1e6) % 1e9];
	}

	emitWarning(warning) {
		console.warn(warning instanceof Error ? warning : `Warning: ${warning}`);
	}
}

Process.prototype.hrtime.bigint = () => BigInt(Math.round(internal.now() * 1e6));

module.exports = new Process();
