'use strict';
// infinity.store: mime stores from script. One store is open once for all scripts of a program.

const NAME = 'infinity.store';
const tag = Object.freeze({
	__proto__: null,
	unread: 'unread',
	archive: 'archive',
	staged: 'staged',
	dup: 'dup',
	pop3failed: 'pop3failed',
	conversionError: 'conversionerror',
});
const numbers = new Map(Object.values(tag).map((name, number) => [name, number]));
const LIMIT_MAX = 2 ** 32;
const REMEMBERS = 1;
const DURABLE = 2;

const failure = (code, message) => Object.assign(new Error(message), { code });

const tagNumber = (name, value) => {
	const number = numbers.get(internal.string(name, value));
	if (number === undefined)
		throw new RangeError(
			`${name}: one of ${[...numbers.keys()].join(', ')}, not ${internal.shown(value)}`);
	return number;
};

const tagSet = (name, value) => {
	if (value === undefined)
		return 0;
	if (value === 'all')
		return 2 ** numbers.size - 1;
	const list = typeof value === 'string' ? [value] : value;
	if (!Array.isArray(list))
		internal.wrongType(name, 'a tag, an array of tags, or "all"', value);
	if (!list.length)
		throw new RangeError(`${name}: at least one tag`);
	return list.reduce((set, one) => set | 1 << tagNumber(name, one), 0);
};

const limitOf = (name, value) => {
	if (value === undefined)
		return 0;
	return value === Infinity ? value : internal.integer(name, value, 1, LIMIT_MAX);
};

const options = (name, value, known) => {
	if (value === undefined)
		return {};
	if (typeof value !== 'object' || value === null || Array.isArray(value))
		internal.wrongType(name, 'an object', value);
	for (const key of Object.keys(value))
		if (!known.includes(key))
			throw new RangeError(
				`${name}: no member ${internal.shown(key)}; there are ${known.join(', ')}`);
	return value;
};

const optionalString = (name, value) => value === undefined ? '' : internal.string(name, value);

// Settings as C takes them; the mailbox and the limit are each object's own.
const settle = (name, url, settings) => {
	internal.string(`${name} url`, url);
	if (settings !== undefined && (typeof settings !== 'object' || settings === null))
		internal.wrongType(`${name} settings`, 'an object', settings);
	const place = { url, list: [], mailbox: undefined, limit: undefined };
	for (const [key, value] of Object.entries(settings ?? {})) {
		const what = `${name} settings.${key}`;
		if (value === undefined)
			continue;
		if (key === 'mailbox')
			place.mailbox = internal.string(what, value) || undefined;
		else if (key === 'limit')
			place.limit = limitOf(what, typeof value === 'string' ? Number(value) : value);
		else if (['string', 'number', 'boolean'].includes(typeof value))
			place.list.push(key, String(value));
		else
			internal.wrongType(what, 'a string, a number, true or false', value);
	}
	return place;
};

const timestampOf = (name, value) => {
	if (value === undefined)
		return 0;
	const ms = value instanceof Date ? value.getTime() : value;
	return internal.integer(name, ms, 0, 8.64e15);
};

// A string, bytes, or the handle of a stream.
const octetsOf = (name, value) => {
	if (typeof value === 'string')
		return value;
	if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
		return internal.bytes(name, value);
	return (value instanceof infinity.stream && internal.handle(value)) ||
		internal.wrongType(name, 'a string, a Uint8Array or an infinity.stream', value);
};

// Items that store.items() gave, by id; those that are there no more are forgotten with the next
// look at their maildrop. They outlive the store object, as each handler script may open its own.
// Ids begin anywhere: a session that comes from a worker which was renewed has none of ours.
const drops = new Map();
const byId = new Map();
let lastId = Math.floor(Math.random() * 2 ** 20) * 2 ** 32;

const remember = (root, mailbox, found) => {
	const drop = JSON.stringify([root, mailbox]);
	const before = drops.get(drop) ?? new Map();
	const now = new Map();
	for (const item of found) {
		const id = before.get(item.name) ?? ++lastId;
		now.set(item.name, id);
		byId.set(id, { root, mailbox, item });
	}
	for (const [name, id] of before)
		if (!now.has(name))
			byId.delete(id);
	drops.set(drop, now);
	return found.map((item) => ({
		id: now.get(item.name),
		uid: item.uid,
		size: item.size,
		deleted: false,
	}));
};

const blank = { name: '', sourceid: '', guid: '', metadata: '', size: 0, timestamp: 0, tag: 0 };

// What C wants to know of an item; only its name must be right.
const plain = (name, item) => ({
	name: internal.string(`${name}.name`, item.name),
	sourceid: typeof item.sourceid === 'string' ? item.sourceid : '',
	guid: typeof item.guid === 'string' ? item.guid : '',
	metadata: typeof item.metadata === 'string' ? item.metadata : '',
	size: typeof item.size === 'number' ? item.size : 0,
	timestamp: typeof item.timestamp === 'number' ? item.timestamp : 0,
	tag: numbers.get(item.tag) ?? 0,
});

class Store {
	#place;
	#handle;
	#beside = new Map();

	constructor(key, place) {
		if (key !== drops)
			throw new TypeError(`${NAME}: use infinity.store.open(url)`);
		this.#place = place;
		this.#handle = native.storeOpen(place.url, place.list, place.mailbox);
	}

	get url() {
		return this.#place.url;
	}

	get mailbox() {
		return this.#place.mailbox;
	}

	get caps() {
		const caps = native.storeCaps(this.#open());
		return { remembers: (caps & REMEMBERS) !== 0, durable: (caps & DURABLE) !== 0 };
	}

	#open() {
		if (this.#handle === undefined)
			throw failure('CLOSED', `${NAME}: this store was closed`);
		return this.#handle;
	}

	// The maildrop of a user of the same store.
	#of(user) {
		this.#open();
		if (user === undefined || user === this.#place.mailbox)
			return this;
		let store = this.#beside.get(user);
		if (!store) {
			store = new Store(drops, { ...this.#place, mailbox: user });
			this.#beside.set(user, store);
		}
		return store;
	}

	get #root() {
		return JSON.stringify([this.#place.url, this.#place.list]);
	}

	// The store's handle and the item in C's terms, of a name, an id, or an object with either.
	#find(name, value) {
		const handle = this.#open();
		if (typeof value === 'string')
			return [handle, { ...blank, name: value }];
		if (typeof value === 'number')
			return this.#known(value);
		if (typeof value !== 'object' || value === null)
			internal.wrongType(name, 'an item, its name or its id', value);
		if (value.name === undefined && typeof value.id === 'number')
			return this.#known(value.id, value.uid);
		return [handle, plain(name, value)];
	}

	#known(id, uid) {
		const known = byId.get(id);
		const ours = known?.root === this.#root && (uid ?? known.item.uid) === known.item.uid &&
			(known.mailbox ?? this.#place.mailbox) === (this.#place.mailbox ?? known.mailbox);
		if (ours)
			return [this.#of(known.mailbox).#open(), plain(NAME, known.item)];
		const item = typeof uid === 'string' && this.#list().find((one) => one.uid === uid);
		if (!item)
			throw failure('NOT_FOUND', `${NAME}: no message ${internal.shown(uid ?? id)}`);
		return [this.#open(), plain(NAME, item)];
	}

	#list() {
		return native.storeQuery(this.#open(), 0, Infinity, true);
	}

	query(query) {
		const name = `${NAME} query`;
		const { tags, limit } = options(name, query, ['tags', 'limit']);
		return native.storeQuery(this.#open(), tagSet(`${name} tags`, tags),
			limitOf(`${name} limit`, limit) || this.#place.limit || 0, false);
	}

	items(user) {
		if (user !== undefined && internal.string(`${NAME} items user`, user) === '')
			throw new RangeError(`${NAME} items user: not empty`);
		const store = this.#of(user);
		return remember(store.#root, store.#place.mailbox, store.#list());
	}

	#take(name, item, stage, form) {
		const [handle, found] = this.#find(name, item);
		if (form === 'stream')
			internal.need('infinity.stream');
		const taken = native.storeRead(handle, found, stage, form);
		const message = form === 'stream' ? internal.streamOver(taken) : taken;
		return { message, archive: () => native.storeMark(handle, found, numbers.get('archive')) };
	}

	read(item) {
		return this.#take(`${NAME} read item`, item, false, 'string').message;
	}

	readBytes(item) {
		return this.#take(`${NAME} readBytes item`, item, false, 'bytes').message;
	}

	readStream(item) {
		return this.#take(`${NAME} readStream item`, item, false, 'stream').message;
	}

	// Whatever use throws or rejects with leaves the message staged.
	#consume(name, item, use, form) {
		if (use !== undefined)
			internal.callable(`${NAME} ${name} function`, use);
		const { message, archive } = this.#take(`${NAME} ${name} item`, item, true, form);
		const result = use === undefined ? message : use(message, item);
		if (typeof result?.then !== 'function') {
			archive();
			return result;
		}
		return result.then((value) => {
			archive();
			return value;
		});
	}

	consume(item, use) {
		return this.#consume('consume', item, use, 'string');
	}

	consumeBytes(item, use) {
		return this.#consume('consumeBytes', item, use, 'bytes');
	}

	consumeStream(item, use) {
		return this.#consume('consumeStream', item, use, 'stream');
	}

	mark(item, tagName) {
		const number = tagNumber(`${NAME} mark tag`, tagName);
		const [handle, found] = this.#find(`${NAME} mark item`, item);
		native.storeMark(handle, found, number);
	}

	has(sourceid, guid) {
		return native.storeHas(this.#open(), {
			...blank,
			sourceid: internal.string(`${NAME} has sourceid`, sourceid),
			guid: internal.string(`${NAME} has guid`, guid),
		});
	}

	add(message) {
		const name = `${NAME} add`;
		const known = ['message', 'sourceid', 'guid', 'metadata', 'tag', 'timestamp'];
		const given = options(name, message ?? internal.wrongType(name, 'an object', message), known);
		return native.storeAdd(this.#open(), {
			...blank,
			sourceid: optionalString(`${name} sourceid`, given.sourceid),
			guid: optionalString(`${name} guid`, given.guid),
			metadata: optionalString(`${name} metadata`, given.metadata),
			tag: given.tag === undefined ? 0 : tagNumber(`${name} tag`, given.tag),
			timestamp: timestampOf(`${name} timestamp`, given.timestamp),
		}, octetsOf(`${name} message`, given.message));
	}

	flush() {
		native.storeFlush(this.#open());
	}

	close() {
		for (const store of this.#beside.values())
			store.close();
		this.#beside.clear();
		if (this.#handle !== undefined)
			native.storeClose(this.#handle);
		this.#handle = undefined;
	}

	free() {
		this.close();
	}
}

const open = (url, settings) =>
	new Store(drops, settle(`${NAME} open`, url, settings));

const check = (url, settings) => {
	const { list, mailbox } = settle(`${NAME} check`, url, settings);
	return native.storeCheck(url, list, mailbox).split('\n').slice(0, -1);
};

infinity.store = Object.freeze({ open, check, tag });
