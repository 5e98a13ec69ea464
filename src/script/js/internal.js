// What the modules share: checks with uniform messages, handles, enumerations.
// The body of a function of (infinity, native, internal); `internal` is filled here.

const shown = (value) => {
	if (typeof value === 'string')
		return JSON.stringify(value.length > 40 ? value.slice(0, 40) + '…' : value);
	if (typeof value === 'function' || typeof value === 'symbol')
		return `a ${typeof value}`;
	if (Array.isArray(value))
		return 'an array';
	if (typeof value === 'object' && value !== null)
		return 'an object';
	return String(value);
};

const wrongType = (name, wanted, value) => {
	throw new TypeError(`${name}: ${wanted}, not ${shown(value)}`);
};

// Nothing is converted: a string that looks like a number is still a wrong type.
internal.boolean = (name, value) =>
	typeof value === 'boolean' ? value : wrongType(name, 'true or false', value);

internal.string = (name, value) =>
	typeof value === 'string' ? value : wrongType(name, 'a string', value);

// What reaches a protocol line: no line ends, no NUL.
internal.line = (name, value) => {
	if (/[\r\n\0]/.test(internal.string(name, value)))
		throw new RangeError(`${name}: a line cannot hold CR, LF or NUL`);
	return value;
};

internal.integer = (name, value, min, max) => {
	const wanted = `a whole number from ${min} to ${max}`;
	if (typeof value !== 'number')
		wrongType(name, wanted, value);
	if (!Number.isInteger(value) || value < min || value > max)
		throw new RangeError(`${name}: ${wanted}, not ${shown(value)}`);
	return value;
};

internal.callable = (name, value) =>
	typeof value === 'function' ? value : wrongType(name, 'a function', value);

internal.bytes = (name, value) => {
	if (value instanceof ArrayBuffer)
		return new Uint8Array(value);
	if (ArrayBuffer.isView(value))
		return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
	return wrongType(name, 'a Uint8Array or ArrayBuffer', value);
};

// An enumeration: a frozen object of names and numbers.
internal.enumeration = (values) => Object.freeze({ __proto__: null, ...values });

internal.enumValue = (name, value, values) => {
	const known = Object.entries(values).map(([key, number]) => `${key} (${number})`).join(', ');
	if (typeof value !== 'number')
		wrongType(name, `one of ${known}`, value);
	if (!Object.values(values).includes(value))
		throw new RangeError(`${name}: one of ${known}, not ${shown(value)}`);
	return value;
};

// Native handles of public objects: each class registers how it gives its own.
const handles = new WeakMap();
internal.setHandle = (object, handle) => handles.set(object, handle);
internal.handle = (object) =>
	typeof object === 'object' && object !== null ? handles.get(object) : undefined;

internal.wrongType = wrongType;
internal.shown = shown;
