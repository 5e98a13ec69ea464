// infinity.memory, as one script sees it. The others are in files_test.c.

const { memory } = infinity;

// Values go in and out as copies.
{
	const values = [undefined, null, true, 0, -0, 1.5, NaN, 'x', '\0\udcff', 5n, [1, [2]], { a: { b: [] } },
		new Date(1), new Map([[1, 2]]), new Set(['x']), new Uint8Array([0, 255]), { bytes: new Uint8Array(3) }];
	for (const value of values) {
		memory.put('v', value);
		check(`value ${shown(value)}`, memory.get('v'), value);
	}
	const object = { list: [1] };
	memory.put('o', object);
	object.list.push(2);
	memory.get('o').list.push(3);
	check('a copy', memory.get('o'), { list: [1] });
	const bytes = new Uint8Array(5 << 20).map((_, i) => i);
	memory.put('b', bytes);
	check('large', infinity.crypto.hash('md5', memory.get('b')), infinity.crypto.hash('md5', bytes));
	const text = 'é\udcff'.repeat(1 << 20);
	memory.put('b', text);
	check('a large string', memory.get('b') === text, true);
	check('absent', [memory.get('none'), memory.get('none', 7)], [undefined, 7]);
	memory.put('u', undefined);
	check('there', [memory.exists('u'), memory.exists('none')], [true, false]);
	check('removed', [memory.remove('u'), memory.remove('u')], [true, false]);
	for (const name of ['', 'ä', '\udcff', 'x'.repeat(4096), '__proto__', 'a b']) {
		memory.put(name, name);
		check('name', memory.get(name), name);
	}
	memory.clear();
	check('cleared', [memory.getCount(), memory.names()], [0, []]);
	for (const value of [() => 1, Symbol('x'), [() => 1], new infinity.stream()])
		throws(() => memory.put('x', value), 'TypeError', 'infinity.memory.put: value');
}

// Types.
{
	const right = { Boolean: true, Number: 1.5, String: 'x', List: [1, 'x'] };
	const type = { Boolean: 'boolean', Number: 'number', String: 'string', List: 'array' };
	for (const [name, value] of Object.entries(right)) {
		memory[`put${name}`]('t', value);
		check(name, memory[`get${name}`]('t'), value);
		check('default', [memory[`get${name}`]('none'), memory[`get${name}`]('none', 5)], [undefined, 5]);
		wrongTypes((wrong) => memory[`put${name}`]('t', wrong), [type[name]], `infinity.memory.put${name}: value`);
		check('kept', memory[`get${name}`]('t'), value);
		for (const other of Object.keys(right)) {
			if (other !== name)
				throws(() => memory[`get${other}`]('t'), 'TypeError', `infinity.memory.get${other}: "t"`);
		}
		memory[`put${name}`]('t', value, 60000);
		check('expiry', memory.expiry('t') > 50000, true);
		memory.clear();
	}
}

// Adding, counting.
{
	check('add', [memory.add('a', 1), memory.add('a', 2), memory.get('a')], [true, false, 1]);
	check('increment', [memory.increment('a'), memory.increment('a', 2.5), memory.get('a')], [2, 4.5, 4.5]);
	check('decrement', [memory.decrement('a'), memory.decrement('new', 3), memory.getNumber('new')],
		[3.5, -3, -3]);
	memory.put('s', '5');
	for (const value of ['5', true, null, [1], NaN, 5n, undefined]) {
		memory.put('s', value);
		throws(() => memory.increment('s'), 'TypeError', 'infinity.memory.increment: what "s" has');
		check('kept', memory.get('s'), value);
	}
	memory.put('s', 1.7e308);
	throws(() => memory.increment('s', 1.7e308), 'RangeError');
	check('kept', memory.get('s'), 1.7e308);
	wrongTypes((value) => memory.increment('a', value), ['undefined', 'number'], 'infinity.memory.increment: by');
	wrongTypes((value) => memory.decrement('a', value), ['undefined', 'number'], 'infinity.memory.decrement: by');
	for (const value of [NaN, Infinity])
		throws(() => memory.increment('a', value), 'RangeError', 'infinity.memory.increment: by');
	memory.clear();
}

// Ends of life.
{
	memory.put('a', 1, 1);
	infinity.sleep(3);
	check('over', [memory.get('a'), memory.exists('a'), memory.expiry('a'), memory.getCount()],
		[undefined, false, undefined, 0]);
	check('again', memory.add('a', 2, 60000), true);
	check('left', memory.expiry('a') > 50000 && memory.expiry('a') <= 60000, true);
	check('set', [memory.setExpiry('a', 0), memory.expiry('a')], [true, 0]);
	check('set none', memory.setExpiry('none', 5), false);
	memory.setExpiry('a', 1);
	infinity.sleep(3);
	check('over', memory.remove('a'), false);
	for (const member of ['put', 'add', 'putString']) {
		wrongTypes((value) => memory[member]('a', 'x', value), ['undefined', 'number'],
			`infinity.memory.${member}: expiryMs`);
		throws(() => memory[member]('a', 'x', -1), 'RangeError', `infinity.memory.${member}: expiryMs`);
	}
	wrongTypes((value) => memory.setExpiry('a', value), ['number'], 'infinity.memory.setExpiry: expiryMs');
	check('nothing', memory.getCount(), 0);
}

// Names.
{
	for (const name of ['user:b', 'user:a', 'other', 'user:\udcff'])
		memory.put(name, 1);
	check('names', memory.names(), ['other', 'user:a', 'user:b', 'user:\udcff']);
	check('with a prefix', [memory.names('user:'), memory.names('x')], [['user:a', 'user:b', 'user:\udcff'], []]);
	check('count', memory.getCount(), 4);
	memory.clear();
	const members = ['put', 'get', 'add', 'exists', 'remove', 'increment', 'decrement', 'expiry', 'lock', 'unlock'];
	for (const member of members) {
		wrongTypes((value) => memory[member](value), ['string'], `infinity.memory.${member}: name`);
		throws(() => memory[member]('a\0b'), 'RangeError', `infinity.memory.${member}: name`);
		throws(() => memory[member]('x'.repeat(4097)), 'RangeError', `infinity.memory.${member}: name`);
		throws(() => memory[member]('€'.repeat(1366)), 'RangeError', `infinity.memory.${member}: name`);
	}
	wrongTypes((value) => memory.setExpiry(value, 0), ['string'], 'infinity.memory.setExpiry: name');
	wrongTypes((value) => memory.names(value), ['undefined', 'string'], 'infinity.memory.names: name');
	for (const type of ['Boolean', 'Number', 'String', 'List'])
		wrongTypes((value) => memory[`get${type}`](value), ['string'], `infinity.memory.get${type}: name`);
	memory.clear();
}

// Locks of one's own.
{
	check('lock', [memory.lock('a'), memory.lock('a', 0), memory.lock('b', 10)], [true, true, true]);
	check('unlock', [memory.unlock('a'), memory.unlock('a'), memory.unlock('a'), memory.unlock('none')],
		[true, true, false, false]);
	wrongTypes((value) => memory.lock('a', value), ['undefined', 'number'], 'infinity.memory.lock: timeoutMs');
	throws(() => memory.lock('a', -1), 'RangeError', 'infinity.memory.lock: timeoutMs');
	check('no value', memory.exists('b'), false);
	memory.unlock('b');
}

// There is an end.
{
	const piece = new Uint8Array(60 << 20);
	for (let i = 0; i < 4; i++)
		memory.put(`large ${i}`, piece);
	throws(() => memory.put('large 4', piece), 'RangeError', 'infinity.memory');
	throws(() => memory.put('large 0', new Uint8Array(300 << 20)), 'RangeError', 'infinity.memory');
	check('the others stay', memory.names(), [0, 1, 2, 3].map((i) => `large ${i}`));
	memory.put('large 3', 'small');
	memory.put('large 4', piece);
	memory.clear();
}

return String(checks > 300);
