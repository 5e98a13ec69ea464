// What the script tests of this folder begin with. Each is run by files_test.c.

const shown = (value) => {
	if (typeof value === 'string')
		return JSON.stringify(value);
	if (ArrayBuffer.isView(value))
		return `${value.constructor.name} ${Array.from(value).join(' ')}`;
	if (value instanceof ArrayBuffer)
		return `ArrayBuffer ${Array.from(new Uint8Array(value)).join(' ')}`;
	if (value instanceof Date)
		return `Date ${value.getTime()}`;
	if (value instanceof Map)
		return `Map ${shown([...value])}`;
	if (value instanceof Set)
		return `Set ${shown([...value])}`;
	if (Array.isArray(value))
		return `[${value.map(shown).join(',')}]`;
	if (typeof value === 'bigint')
		return `${value}n`;
	if (typeof value === 'object' && value !== null)
		return `{${Object.keys(value).map((key) => `${key}:${shown(value[key])}`).join(',')}}`;
	return Object.is(value, -0) ? '-0' : String(value);
};

const short = (text) => text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text;

let checks = 0;

const check = (what, got, want) => {
	checks++;
	if (shown(got) !== shown(want))
		throw new Error(`${what}: got ${short(shown(got))}, want ${short(shown(want))}`);
};

// `want`: the name of the error's class or its code, and what its message must hold.
const throws = (fn, want, text = '') => {
	checks++;
	let value;
	try {
		value = fn();
	} catch (thrown) {
		if ((thrown.name === want || thrown.code === want) && thrown.message.includes(text))
			return;
		throw new Error(`${fn}: threw ${thrown} (${thrown.code}), want ${want} ${text}`);
	}
	throw new Error(`${fn}: gave ${short(shown(value))}, want ${want} ${text}`);
};

// Every wrong type there is but those that are right.
const odd = {
	undefined: undefined, null: null, boolean: true, number: 1, string: 'x', object: {}, array: [],
	function: () => 1, symbol: Symbol('x'), bigint: 1n, date: new Date(0),
};
const oddBut = (...right) => Object.keys(odd).filter((key) => !right.includes(key))
	.map((key) => odd[key]);
const wrongTypes = (fn, right, text) => {
	for (const value of oddBut(...right))
		throws(() => fn(value), 'TypeError', text);
};
