'use strict';
// The console: values as people want to see them, counters, clocks, tables.

const LOG = 0, INFO = 1, WARN = 2, ERROR = 3;
const MAX_DEPTH = 60;
const MAX_TEXT = 1 << 20;
const MAX_BYTES = 100;

const isPlain = (object) => {
	const above = Object.getPrototypeOf(object);
	return above === null || above === Object.prototype;
};

const nameOf = (object) => {
	const name = object.constructor?.name;
	return typeof name === 'string' ? name : '';
};

// One value's text in the making: how much may still come, and what it stands in.
class Writer {
	#left = MAX_TEXT;
	#parts = [];
	#within = [];

	text() {
		return this.#parts.join('');
	}

	add(text) {
		this.#left -= text.length;
		this.#parts.push(text);
		if (this.#left >= 0)
			return;
		this.#parts.push('…');
		throw this;
	}

	value(value) {
		if (typeof value === 'string')
			this.add(JSON.stringify(value));
		else if (typeof value === 'bigint')
			this.add(`${value}n`);
		else if (typeof value === 'function')
			this.add(`[${/^class\b/.test(Function.prototype.toString.call(value)) ?
				'class' : 'function'} ${value.name || '(anonymous)'}]`);
		else if (typeof value === 'object' && value !== null)
			this.#guarded(value);
		else
			this.add(String(value));
	}

	// Getters and proxies may throw.
	#guarded(object) {
		if (this.#within.includes(object)) {
			this.add('"[cycle]"');
			return;
		}
		if (this.#within.length >= MAX_DEPTH) {
			this.add('"[…]"');
			return;
		}
		this.#within.push(object);
		try {
			this.#object(object);
		} catch (thrown) {
			if (thrown === this)
				throw thrown;
			this.add(`"[throws ${internal.shown(String(thrown?.message))}]"`);
		}
		this.#within.pop();
	}

	#object(object) {
		if (object instanceof Error)
			this.add(JSON.stringify(String(object)));
		else if (Array.isArray(object))
			this.#list('[', ']', object, (item) => this.value(item));
		else if (ArrayBuffer.isView(object) || object instanceof ArrayBuffer)
			this.#bytes(object);
		else if (object instanceof Map)
			this.#map(object);
		else if (object instanceof Set)
			this.#list(`Set(${object.size}) [`, ']', object, (item) => this.value(item));
		else if (object instanceof RegExp)
			this.add(String(object));
		else if (object instanceof Promise)
			this.add('[Promise]');
		else if (object instanceof Date)
			this.add(Number.isNaN(object.getTime()) ? '"Invalid Date"' : JSON.stringify(object));
		else if (typeof object.toJSON === 'function')
			this.value(object.toJSON());
		else
			this.#members(object);
	}

	#list(open, close, items, each) {
		let isFirst = true;
		this.add(open);
		for (const item of items) {
			if (!isFirst)
				this.add(',');
			isFirst = false;
			each(item);
		}
		this.add(close);
	}

	#map(map) {
		this.#list(`Map(${map.size}) {`, '}', map, ([key, value]) => {
			this.value(key);
			this.add('=>');
			this.value(value);
		});
	}

	#bytes(bytes) {
		const name = nameOf(bytes);
		const view = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
		if (view instanceof DataView) {
			this.add(`${name}(${view.byteLength})`);
			return;
		}
		this.#list(`${name}(${view.length}) [`, view.length > MAX_BYTES ? ',…]' : ']',
			view.subarray(0, MAX_BYTES), (item) => this.value(item));
	}

	#members(object) {
		const names = Object.keys(object);
		if (names.length === 0 && !isPlain(object) && nameOf(object) !== '') {
			this.add(`${nameOf(object)} {}`);
			return;
		}
		this.#list('{', '}', names, (name) => {
			this.add(`${JSON.stringify(name)}:`);
			let value;
			try {
				value = object[name];
			} catch (thrown) {
				this.add(JSON.stringify(`[throws ${String(thrown?.message)}]`));
				return;
			}
			this.value(value);
		});
	}
}

const describeError = (error, depth = 0) => {
	let text = native.describe(error);
	if (depth > 8)
		return text;
	if (error.cause !== undefined)
		text += `\ncaused by ${shown(error.cause, depth + 1)}`;
	if (error instanceof AggregateError)
		for (const one of error.errors)
			text += `\nwith ${shown(one, depth + 1)}`;
	return text;
};

// What one argument of console.log looks like. Never throws.
const shown = (value, depth = 0) => {
	if (typeof value === 'string')
		return value;
	const writer = new Writer();
	try {
		if (value instanceof Error)
			return describeError(value, depth);
		writer.value(value);
	} catch (thrown) {
		if (thrown !== writer)
			return '[cannot be shown]';
	}
	return writer.text();
};

const print = (level, letter, values) => {
	if (native.wants(level))
		native.print(level, letter, values.map((value) => shown(value)).join(' '));
};

const label = (name, value) =>
	value === undefined ? 'default' : internal.string(`console.${name}: name`, value);

const counters = new Map();
const clocks = new Map();

const nanoseconds = (method, name, disableOutput) => {
	const key = label(method, name);
	const begun = clocks.get(key);
	if (begun === undefined) {
		print(WARN, 'W', [`console.${method}: there is no timer ${internal.shown(key)}`]);
		return 0;
	}
	const passed = Math.round((internal.now() - begun) * 1e6);
	if (disableOutput !== true)
		print(LOG, 'L', [`${key}: ${(passed / 1e9).toFixed(8)}s`]);
	return passed;
};

// Cells of a row by their column's name.
const cellsOf = (row) => {
	if (typeof row !== 'object' || row === null || row instanceof Date || row instanceof Error)
		return new Map([['0', row]]);
	return new Map(row instanceof Map ? row : Object.entries(row));
};

const table = (data, wanted) => {
	const rows = data instanceof Map || data instanceof Set ? [...data.entries()] :
		Object.entries(data);
	const cells = rows.map(([index, row]) => [String(index), cellsOf(row)]);
	const columns = wanted ?? [...new Set(cells.flatMap(([, row]) => [...row.keys()]))];
	const lines = [['(index)', ...columns.map(String)]];
	for (const [index, row] of cells) {
		const line = [index, ...columns.map((name) => row.has(name) ? shown(row.get(name)) : '')];
		while (line.length > 1 && !row.has(columns[line.length - 2]))
			line.pop();
		lines.push(line.map((cell) => cell.replaceAll('\n', ' ')));
	}
	const widths = lines[0].map((_, at) =>
		lines.reduce((most, line) => Math.max(most, line[at]?.length ?? 0), 0));
	const texts = lines.map((line) =>
		`| ${line.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`);
	texts.splice(1, 0, `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`);
	return texts.join('\n');
};

const console = {
	log: (...values) => print(LOG, 'L', values),
	debug: (...values) => print(INFO, 'D', values),
	info: (...values) => print(INFO, 'I', values),
	warn: (...values) => print(WARN, 'W', values),
	error: (...values) => print(ERROR, 'E', values),
	dir: (value) => print(LOG, 'L', [value]),
	trace: (...values) => print(ERROR, 'E',
		[describeError(Object.assign(new Error(values.map((value) => shown(value)).join(' ')),
			{ name: 'Trace' }))]),

	write: (output) => native.write(shown(output)),
	writeLn: (output = '') => native.write(`${shown(output)}\n`),
	readLn: () => native.readLine(),

	assert(condition, ...message) {
		if (condition)
			return;
		const text = message.map((value) => shown(value)).join(' ');
		throw new Error(`Assertion failed: ${text === '' ? 'console.assert' : text}`);
	},

	count(name, disableOutput) {
		const key = label('count', name);
		const count = (counters.get(key) ?? 0) + 1;
		counters.set(key, count);
		if (disableOutput !== true)
			print(LOG, 'L', [`${key}: ${count}`]);
		return count;
	},

	countReset(name) {
		counters.delete(label('countReset', name));
	},

	time(name) {
		clocks.set(label('time', name), internal.now());
	},

	timeSince: (name, disableOutput) => nanoseconds('timeSince', name, disableOutput),

	timeEnd(name, disableOutput) {
		const passed = nanoseconds('timeEnd', name, disableOutput);
		clocks.delete(label('timeEnd', name));
		return passed;
	},

	table(data, columns) {
		if (!native.wants(LOG))
			return;
		if (typeof data !== 'object' || data === null)
			print(LOG, 'L', [data]);
		else
			print(LOG, 'L', [`table\n${table(data, columns)}`]);
	},
};

internal.inspect = shown;
internal.publish('console', console);
