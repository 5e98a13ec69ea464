// Structured values for infinity.stream and infinity.memory: what JSON can say, and undefined, NaN,
// Infinity, -0, BigInt, Date, Map, Set, ArrayBuffer and typed arrays. Anything else (functions,
// symbols, what has a native side, what holds itself) is a TypeError: nothing is lost in silence.
//
// In the JSON text an object with the one key "$" is what JSON has no word for:
//	{"$":["undefined"]}, {"$":["number","NaN"]}, {"$":["bigint","12"]}, {"$":["date",ms]},
//	{"$":["map",[[key,value],…]]}, {"$":["set",[…]]}, {"$":["bytes","Uint8Array",at,octets]}
// where `at` counts octets from the start of those that go with the text; and {"$":["object",{…}]} is
// an ordinary object that happens to look so.

if (!internal.pack) {
	const MAX_DEPTH = 1000;
	const arrays = new Map([Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array,
		Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array,
	].map((kind) => [kind.name, kind]));
	const tag = (...what) => ({ $: what });

	class Packer {
		blobs = [];
		#octets = 0;
		#inside = new Set();
		#name;

		constructor(name) {
			this.#name = name;
		}

		#refuse(what) {
			throw new TypeError(`${this.#name}: ${what} cannot be kept`);
		}

		#bytes(value) {
			const octets = internal.bytes(this.#name, value);
			const at = this.#octets;
			this.blobs.push(octets);
			this.#octets += octets.byteLength;
			const kind = value instanceof ArrayBuffer ? 'ArrayBuffer' : value.constructor?.name;
			return tag('bytes', kind === 'ArrayBuffer' || arrays.has(kind) ? kind : 'Uint8Array',
				at, octets.byteLength);
		}

		#number(value) {
			return Number.isFinite(value) && !Object.is(value, -0)
				? value
				: tag('number', Object.is(value, -0) ? '-0' : String(value));
		}

		#object(value) {
			const copy = Object.create(null);
			for (const key of Object.keys(value))
				copy[key] = this.tree(value[key]);
			const keys = Object.keys(copy);
			return keys.length === 1 && keys[0] === '$' ? tag('object', copy) : copy;
		}

		#compound(value) {
			if (Array.isArray(value))
				return Array.from(value, (item) => this.tree(item));
			if (value instanceof Map)
				return tag('map', Array.from(value, ([key, item]) =>
					[this.tree(key), this.tree(item)]));
			if (value instanceof Set)
				return tag('set', Array.from(value, (item) => this.tree(item)));
			if (typeof value.toJSON === 'function')
				return this.tree(value.toJSON());
			return this.#object(value);
		}

		#nested(value) {
			if (value instanceof Date)
				return tag('date', Number.isNaN(value.getTime()) ? null : value.getTime());
			if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
				return this.#bytes(value);
			if (internal.handle(value) !== undefined || value instanceof Promise ||
				value instanceof WeakMap || value instanceof WeakSet)
				this.#refuse('an object that is more than its properties');
			if (this.#inside.has(value))
				this.#refuse('what holds itself');
			if (this.#inside.size >= MAX_DEPTH)
				this.#refuse(`what is nested deeper than ${MAX_DEPTH}`);
			this.#inside.add(value);
			const tree = this.#compound(value);
			this.#inside.delete(value);
			return tree;
		}

		tree(value) {
			switch (typeof value) {
			case 'string':
			case 'boolean':
				return value;
			case 'number':
				return this.#number(value);
			case 'undefined':
				return tag('undefined');
			case 'bigint':
				return tag('bigint', String(value));
			case 'object':
				return value === null ? null : this.#nested(value);
			default:
				return this.#refuse(`a ${typeof value}`);
			}
		}
	}

	const corrupt = (name) => {
		throw Object.assign(new Error(`${name}: what is kept there is no value`),
			{ code: 'CORRUPT' });
	};

	const bytesOf = (name, [kind, at, length], blobs) => {
		const all = blobs?.length ?? 0;
		const View = kind === 'ArrayBuffer' ? Uint8Array : arrays.get(kind);
		if (!View || !Number.isInteger(at) || !Number.isInteger(length) || at < 0 || length < 0 ||
			at + length > all || length % View.BYTES_PER_ELEMENT)
			corrupt(name);
		const copy = length ? blobs.slice(at, at + length).buffer : new ArrayBuffer(0);
		return kind === 'ArrayBuffer' ? copy : new View(copy);
	};

	const special = (name, [kind, ...rest], blobs) => {
		const list = () => Array.isArray(rest[0]) ? rest[0] : corrupt(name);
		const each = (item) => restore(name, item, blobs);
		switch (kind) {
		case 'undefined':
			return undefined;
		case 'number':
			return Number(rest[0]);
		case 'bigint':
			return /^-?\d+$/.test(rest[0]) ? BigInt(rest[0]) : corrupt(name);
		case 'date':
			return new Date(rest[0] ?? NaN);
		case 'map':
			return new Map(list().map((pair) =>
				Array.isArray(pair) ? pair.map(each) : corrupt(name)));
		case 'set':
			return new Set(list().map(each));
		case 'bytes':
			return bytesOf(name, rest, blobs);
		case 'object':
			return rest[0]?.$ === undefined ? corrupt(name) : members(name, rest[0], blobs);
		default:
			return corrupt(name);
		}
	};

	const members = (name, object, blobs) => {
		for (const key of Object.keys(object)) {
			const value = restore(name, object[key], blobs);
			if (value !== object[key])
				Object.defineProperty(object, key,
					{ value, enumerable: true, configurable: true, writable: true });
		}
		return object;
	};

	const restore = (name, tree, blobs) => {
		if (typeof tree !== 'object' || tree === null)
			return tree;
		if (Array.isArray(tree.$) && Object.keys(tree).length === 1)
			return special(name, tree.$, blobs);
		return members(name, tree, blobs);
	};

	// [JSON text, what goes with it] of a value.
	internal.pack = (name, value) => {
		const packer = new Packer(name);
		const text = JSON.stringify(packer.tree(value));
		return [text, packer.blobs];
	};

	// A value of what the native functions give for it.
	internal.unpack = (name, [text, blobs]) => {
		let tree;
		try {
			tree = JSON.parse(text);
		} catch {
			corrupt(name);
		}
		return text.includes('"$"') ? restore(name, tree, blobs) : tree;
	};
}
