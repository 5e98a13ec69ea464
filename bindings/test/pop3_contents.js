'use strict';
// Where a message's octets may come from.
const { test, assert, lettermill, inside } = require('./harness');
const { start, logIn } = require('./lib/pop3');
const { PopMessage, PopMessageFlag, Flags } = lettermill;
const { Readable, Buffer } = inside('host');

const TEXT = 'Subject: x\r\n\r\n.dot\r\nend\r\n';
const LINES = ['Subject: x', '', '.dot', 'end'];
const bytes = () => new TextEncoder().encode(TEXT);

async function* slowly() {
	for (const unit of TEXT)
		yield unit;
}

const KINDS = {
	string: () => TEXT,
	promise_of_a_string: async () => TEXT,
	uint8array: bytes,
	buffer: () => Buffer.from(TEXT),
	part_of_a_buffer: () => Buffer.from(`xx${TEXT}xx`).subarray(2, -2),
	array_buffer: () => bytes().buffer,
	readable: () => Readable.from([TEXT.slice(0, 5), Buffer.from(TEXT.slice(5))]),
	promise_of_a_readable: async () => Readable.from([TEXT]),
	async_generator: slowly,
	generator: function* generator() {
		yield* TEXT;
	},
	array: () => [TEXT.slice(0, 3), bytes().subarray(3)],
	array_with_nothing: () => ['', TEXT, '', new Uint8Array(0)],
};

const drop = (...messages) => ({ receive_messages: () => messages });

for (const [name, give] of Object.entries(KINDS))
	test(name, async (t) => {
		const message = new PopMessage('m', TEXT.length);
		message.contents = give;
		const { port, errors } = await start(t, drop(message));
		const c = await logIn(t, port);
		for (let i = 0; i < 2; i++) {
			assert.equal(await c.ask('RETR 1'), '+OK 25 octets');
			assert.deepEqual(await c.lines(), LINES);
			assert.match(await c.ask('TOP 1 1'), /^\+OK/);
			assert.deepEqual(await c.lines(), LINES.slice(0, 3));
		}
		assert.deepEqual(errors, []);
	});

/* the ways of lpop3 */

class Loads extends PopMessage {
	loads = 0;

	async load_contents() {
		this.loads++;
		return TEXT;
	}
}

class Keeps extends PopMessage {
	loads = 0;

	load_contents() {
		this.loads++;
		this._contents = TEXT;
	}
}

class Private extends PopMessage {
	#text = TEXT;

	contents() {
		return this.#text;
	}
}

test('subclasses', async (t) => {
	const messages = [new Loads('a', 25, null), new Keeps('b', 25, null), new Private('c', 25),
		new PopMessage('d', 25, TEXT), { uid: 'e', size: 25, contents: TEXT },
		{ uid: 'f', size: 25, load_contents: async () => TEXT }];
	const { port } = await start(t, drop(...messages));
	const c = await logIn(t, port);
	for (let n = 1; n <= messages.length; n++)
		for (let i = 0; i < 2; i++) {
			assert.match(await c.ask(`RETR ${n}`), /^\+OK/, `${n}`);
			assert.deepEqual(await c.lines(), LINES, `${n}`);
		}
	assert.equal(messages[0].loads, 2);
	assert.equal(messages[1].loads, 1);
});

test('not_implemented', async (t) => {
	const { port, errors } = await start(t, drop(new PopMessage('a', 5), { uid: 'b', size: 5 }));
	const c = await logIn(t, port);
	assert.match(await c.ask('RETR 1'), /^-ERR \[SYS\/TEMP\]/);
	assert.match(await c.ask('TOP 2 1'), /^-ERR \[SYS\/TEMP\]/);
	assert.match(errors[0].error.message, /load_contents\(\)/);
	assert.match(errors[1].error.message, /load_contents\(\)/);
});

test('a_stream_that_cannot_be_opened', async (t) => {
	const message = new PopMessage('a', 5);
	message.contents = () => new Readable({ read() {
		this.destroy(new Error('no such file'));
	} });
	const { port, errors } = await start(t, drop(message));
	const c = await logIn(t, port);
	assert.match(await c.ask('RETR 1'), /^-ERR \[SYS\/TEMP\]/);
	assert.match(await c.ask('NOOP'), /^\+OK/);
	assert.match(errors[0].error.message, /no such file/);
});

const collect = async (stream) => {
	for await (const piece of stream)
		assert.ok(piece.length);
};

/** Contents that are no more, by name; the message that held them would be empty. */
const GONE = {
	async read_to_its_end() {
		const stream = Readable.from([TEXT]);
		await collect(stream);
		return stream;
	},
	destroyed: () => Readable.from([TEXT]).destroy(),
	transferred: () => {
		const octets = bytes();
		transfer(octets.buffer);
		return octets;
	},
};

function transfer(buffer) {
	if (typeof buffer.transfer === 'function')
		buffer.transfer();
	else
		structuredClone(buffer, { transfer: [buffer] });
}

for (const name of ['read_to_its_end', 'destroyed', 'transferred'])
	test(`contents_that_are_gone_${name}`, async (t) => {
		const gone = await GONE[name]();
		const { port, errors } = await start(t, drop(new PopMessage('a', 5, gone),
			new PopMessage('b', 25, TEXT), new PopMessage('c', 0, new Uint8Array(0)),
			new PopMessage('d', 0, Readable.from([]))));
		const c = await logIn(t, port);
		assert.match(await c.ask('RETR 1'), /^-ERR \[SYS\/TEMP\]/);
		assert.match(await c.ask('TOP 1 0'), /^-ERR \[SYS\/TEMP\]/);
		for (const { error } of errors)
			assert.match(error.message, /^contents: .*(read to its end or destroyed|transferred)/);
		assert.equal(errors.length, 2);
		for (const [number, lines] of [[2, LINES], [3, []], [4, []]]) {
			assert.match(await c.ask(`RETR ${number}`), /^\+OK/);
			assert.deepEqual(await c.lines(), lines);
		}
	});

test('a_generator_is_read_once', async (t) => {
	const { port, errors } = await start(t, drop(new PopMessage('a', 25, slowly())));
	const c = await logIn(t, port);
	assert.match(await c.ask('RETR 1'), /^\+OK/);
	assert.deepEqual(await c.lines(), LINES);
	assert.match(await c.ask('RETR 1'), /^-ERR \[SYS\/TEMP\]/);
	assert.match(errors[0].error.message, /generator was read before/);
});

/* octets */

test('octets', async (t) => {
	const cases = [['ü€\udcff\r\n', ['Ã¼\xe2\x82\xac\xff']], ['', []], ['no end', ['no end']],
		['\r\n.\r\n..\r\n', ['', '.', '..']], ['a\nb\nc', ['a', 'b', 'c']], ['\0\x01\r\n', ['\0\x01']],
		['x'.repeat(200000), ['x'.repeat(200000)]]];
	const { port } = await start(t, drop(...cases.map(([text], i) =>
		new PopMessage(i, text.length, text))));
	const c = await logIn(t, port);
	for (const [i, [, lines]] of cases.entries()) {
		assert.match(await c.ask(`RETR ${i + 1}`), /^\+OK/);
		assert.deepEqual(await c.lines(), lines, `${i}`);
	}
});

test('a_large_buffer', async (t) => {
	const line = `${'0123456789'.repeat(7)}\r\n`;
	const all = Buffer.from(line.repeat(100000));
	const { port } = await start(t, drop(new PopMessage('big', all.length, all)));
	const c = await logIn(t, port);
	assert.equal(await c.ask('RETR 1'), `+OK ${all.length} octets`);
	const lines = await c.lines();
	assert.equal(lines.length, 100000);
	assert.ok(lines.every((one) => one === line.trimEnd()));
}, 60000);

/* names and flags */

test('a_buffer_that_is_taken_away_amid_retr', async (t) => {
	const octets = new Uint8Array(12e6).fill(65);
	const { server, errors } = await start(t, drop(new PopMessage('m', octets.length, octets)));
	const { Pop3Client } = lettermill;
	const client = await Pop3Client.connect({ host: '127.0.0.1', port: server.address().port,
		tls: 'off', user: 'luke', password: 'hello' });
	t.defer(() => client.close());
	let right = 0;
	for await (const piece of await client.retrieveStream(1)) {
		if (!right) {
			octets.buffer.transfer?.(10);
			for (let i = 0; i < 20; i++)
				new Uint8Array(12e6).fill(66);
		}
		right += piece.filter((octet) => octet === 65).length;
	}
	assert.equal(right, 12e6);
	assert.deepEqual(errors, []);
});

test('uids', async (t) => {
	class Id {
		toString() {
			return '507f1f77bcf86cd799439011';
		}
	}
	const odd = ['with blank', 'x'.repeat(71), 'ü', ''];
	const { port, errors } = await start(t, drop(...[7, 'a', new Id(), ...odd].map((uid) =>
		new PopMessage(uid, 1, 'x'))));
	const c = await logIn(t, port);
	assert.match(await c.ask('UIDL'), /^\+OK/);
	const names = (await c.lines()).map((line) => line.split(' ')[1]);
	assert.deepEqual(names.slice(0, 3), ['7', 'a', '507f1f77bcf86cd799439011']);
	for (const name of names.slice(3))
		assert.match(name, /^[0-9a-f]{32}$/);
	assert.equal(new Set(names).size, names.length);
	assert.equal(errors.length, 0);
});

test('flags_of_shared_messages', async (t) => {
	const shared = [new PopMessage('a', 1, 'x'), new PopMessage('b', 1, 'x')];
	const { port } = await start(t, drop(...shared));
	const c = await logIn(t, port), d = await logIn(t, port);
	await c.ask('DELE 1');
	assert.match(await c.ask('STAT'), /^\+OK 1 /);
	assert.match(await d.ask('STAT'), /^\+OK 2 /);
	assert.ok(shared[0].flags.are_clear(PopMessageFlag.Delete));
});

test('messages_as_objects', () => {
	const flags = new Flags();
	flags.set(PopMessageFlag.Delete);
	assert.ok(new PopMessage('a', 1, flags).flags === flags);
	assert.ok(new PopMessage('a', 1, 'x', flags).flags === flags);
	assert.ok(new PopMessage('a', 1, null, PopMessageFlag.Delete).flags.are_set(1));
	assert.equal(new PopMessage(5, 1).uid_string, '5');
	assert.equal(new PopMessage(5, 1, 'x').contents(), 'x');
	flags.clear(PopMessageFlag.Delete);
	assert.ok(flags.are_clear(PopMessageFlag.Delete));
});

/* a list that changes */

test('a_list_is_the_one_of_login', async (t) => {
	const list = [new PopMessage('a', 25, TEXT), new PopMessage('b', 1, 'x')];
	const { port, asked } = await start(t, { receive_messages: () => list });
	const c = await logIn(t, port);
	list.splice(0, 1);
	assert.equal(await c.ask('RETR 1'), '+OK 25 octets');
	assert.deepEqual(await c.lines(), LINES);
	await c.ask('DELE 2');
	await c.ask('QUIT');
	assert.equal(asked.at(-1), 'delete_messages [b]');
});
