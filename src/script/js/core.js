'use strict';
// infinity itself: modules, included scripts, waiting, the end; and globals every program has.

// A property whose module is loaded by the first look at it. `place`: of infinity, or of
// globalThis where it says so. The module assigns to it, which makes it an ordinary property.
internal.lazy = (place, module) => {
	const isGlobal = place.startsWith('globalThis.');
	const target = isGlobal ? globalThis : infinity;
	const name = isGlobal ? place.slice('globalThis.'.length) : place;
	const enumerable = !isGlobal;
	const get = () => {
		native.load(module);
		if (Object.getOwnPropertyDescriptor(target, name)?.get === get)
			throw new Error(`${module} is being loaded: ${place} is not there yet`);
		return target[name];
	};
	const set = (value) => Object.defineProperty(target, name,
		{ value, enumerable, configurable: true, writable: true });
	Object.defineProperty(target, name, { get, set, enumerable, configurable: true });
};

// Load another module before the own goes on.
internal.need = (name) => native.load(name);

// Call, await, tell: `settled` gets the handle, whether it went well, and the value or reason.
internal.drive = (handle, settled, fn, args) => {
	let value;
	try {
		value = fn(...args);
		if (typeof value?.then === 'function')
			value = Promise.resolve(value);
	} catch (thrown) {
		settled(handle, false, thrown);
		return;
	}
	if (value instanceof Promise)
		value.then((good) => settled(handle, true, good), (bad) => settled(handle, false, bad));
	else
		settled(handle, true, value);
};

internal.now = native.now;

// Where a setter is missing, sloppy scripts would lose in silence what they assign.
const readOnly = (object, owner, getters) => {
	for (const [name, get] of Object.entries(getters))
		Object.defineProperty(object, name, {
			get,
			set() {
				throw new TypeError(`${owner}.${name}: can only be read`);
			},
			enumerable: true,
			configurable: true,
		});
};

const included = new Set();
const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

Object.assign(infinity, {
	loadModule(moduleName) {
		native.load(internal.string('infinity.loadModule: moduleName', moduleName));
	},

	include(fileName) {
		const path = native.scriptPath(internal.string('infinity.include: fileName', fileName));
		if (included.has(path))
			return;
		included.add(path);
		try {
			native.runFile(path);
		} catch (thrown) {
			included.delete(path);
			throw thrown;
		}
	},

	getArgs: () => native.args(),

	// Names that let, const and class made are no properties of globalThis.
	getGlobal(name) {
		internal.string('infinity.getGlobal: name', name);
		if (name in globalThis)
			return globalThis[name];
		if (!identifier.test(name))
			return undefined;
		try {
			return (0, eval)(name);
		} catch {
			return undefined;
		}
	},

	sleep(milliSeconds) {
		if (typeof milliSeconds !== 'number')
			internal.wrongType('infinity.sleep: milliSeconds', 'a number', milliSeconds);
		if (!(milliSeconds >= 0 && milliSeconds <= 2147483647))
			throw new RangeError('infinity.sleep: milliSeconds: a number from 0 to 2147483647, ' +
				`not ${milliSeconds}`);
		native.sleep(milliSeconds);
	},

	terminate(code = 0) {
		native.terminate(internal.integer('infinity.terminate: code', code, 0, 255));
	},

	gc: () => native.gc(),
	beep: () => native.beep(),
});

readOnly(infinity, 'infinity', {
	nullTimestamp: () => 0,
	terminated: () => native.terminated(),
	threadTerminated: () => native.threadTerminated(),
	version: () => native.version(),
	engine: () => native.engine(),
});

// With a slash behind, so that names can be added as they are.
const folder = (which) => {
	const path = native.folder(which);
	return path === undefined || path.endsWith('/') ? path : `${path}/`;
};
infinity.current = {};
['root', 'temp', 'run', 'data'].forEach((name, which) =>
	readOnly(infinity.current, 'infinity.current', { [name]: () => folder(which) }));
Object.freeze(infinity.current);

const publish = (name, value) => Object.defineProperty(globalThis, name,
	{ value, enumerable: false, configurable: true, writable: true });

publish('infinity', infinity);

const origin = native.now();
publish('performance', Object.freeze({
	timeOrigin: Date.now(),
	now: () => native.now() - origin,
	toJSON() {
		return { timeOrigin: this.timeOrigin };
	},
}));

publish('queueMicrotask', (callback) => {
	internal.callable('queueMicrotask: callback', callback);
	Promise.resolve().then(() => callback());
});

internal.publish = publish;
