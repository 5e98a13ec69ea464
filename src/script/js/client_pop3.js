'use strict';
// infinity.pop3.client: maildrops looked into, fetched and tidied up.

const { clients } = internal;
const { method, failure, native: net, LARGEST } = clients;

const authMode = internal.enumeration({ userPass: 0, apop: 1, sasl: 2 });

const kind = {
	label: 'infinity.pop3.client',
	protocol: 4,
	port: 110,
	tlsPort: 995,
	authMode,
	properties: {
		authMode: [authMode.userPass, clients.enumCheck(authMode)],
		maxMessage: [1024 * clients.MB, clients.integerCheck(1, Number.MAX_SAFE_INTEGER)],
	},
	// Octets as LIST said, which help with servers that do not stuff dots; marked messages.
	state: () => ({ sizes: new Map(), marked: 0 }),
	onConnected(state) {
		state.sizes.clear();
		state.marked = 0;
	},
	// Marked messages are gone only when the server has said so.
	quitMatters: (state, record) => state.marked > 0 || record.side === 'server',
	loginAtOnce(values, member) {
		const hasOther = values.token || values.certFile || values.mechanism;
		if (!values.username && !(values.authMode === authMode.sasl && hasOther))
			throw failure(`${member}: no user; set username and password first`,
				'CONFIG');
		if (values.authMode === authMode.userPass)
			return clients.loginOf(values, 'USER');
		if (values.authMode === authMode.apop)
			return clients.loginOf(values, 'APOP');
		return clients.loginOf(values, values.mechanism || undefined);
	},
};

class Client {
	constructor() {
		clients.init(this, kind);
	}

	// Each message with size and id: for (const message of client.messages()), or for await.
	messages() {
		return new Messages(this);
	}
}
Object.defineProperty(Client, 'name', { value: 'client' });
kind.Class = Client;
clients.complete(kind);

// ---- Arguments ----

const messageNumber = (member, value) =>
	internal.integer(`${member}: msgNum`, value, 1, LARGEST);

const maybeNumber = (member, value) =>
	value === undefined ? undefined : messageNumber(member, value);

const fileName = (member, value) => {
	if (value === undefined)
		return undefined;
	if (/\0/.test(internal.string(`${member}: fileName`, value)) || !value)
		throw new RangeError(`${member}: fileName: a name, not empty and without NUL`);
	return value;
};

// (msgNum, maxLines?, fileName?) or (msgNum, fileName).
const topArguments = (member, number, second, third) => {
	const isName = typeof second === 'string' && third === undefined;
	const lines = isName || second === undefined
		? 0 : internal.integer(`${member}: maxLines`, second, 0, LARGEST);
	return [messageNumber(member, number), lines, fileName(member, isName ? second : third)];
};

// ---- Requests ----

const plain = (word) => (state, isAsync, member, number) =>
	net.clientPlain(state.handle, isAsync, word, undefined, number ?? 0);

const listOf = (state, bytes) => {
	const pairs = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
	const list = [];
	for (let i = 0; i < pairs.length; i += 2) {
		state.sizes.set(pairs[i], pairs[i + 1]);
		list.push({ msgNum: pairs[i], size: pairs[i + 1] });
	}
	return list;
};

const uidlOf = (text) => clients.lines(text).map((line) => {
	const blank = line.indexOf(' ');
	return { msgNum: Number(line.slice(0, blank)), id: line.slice(blank + 1) };
});

// The end of a message may be in doubt where the server does not stuff dots; its size tells.
const fetch = (state, isAsync, number, lines, into, name) =>
	net.clientFetch(state.handle, isAsync, number, lines,
		lines === undefined ? state.sizes.get(number) ?? 0 : 0, into, name);

method(kind, 'count', {
	ask: plain('STAT'),
	give: (state, record) => record.count,
});

method(kind, 'size', {
	check: (member, number) => [maybeNumber(member, number)],
	ask: (state, isAsync, member, number) =>
		plain(number === undefined ? 'STAT' : 'LIST')(state, isAsync, member, number),
	give: (state, record, number) =>
		number === undefined ? record.octets : listOf(state, record.value)[0]?.size,
});

method(kind, 'list', {
	check: (member, number) => [maybeNumber(member, number)],
	ask: plain('LIST'),
	give: (state, record) => listOf(state, record.value),
});

method(kind, 'uidl', {
	check: (member, number) => [maybeNumber(member, number)],
	ask: plain('UIDL'),
	give: (state, record) => uidlOf(record.value),
});

method(kind, 'retrieve', {
	check: (member, number, name) => [messageNumber(member, number), fileName(member, name)],
	ask: (state, isAsync, member, number, name) =>
		fetch(state, isAsync, number, undefined, 'string', name),
	give: (state, record) => record.value,
});

method(kind, 'retrieveBytes', {
	check: (member, number, name) => [messageNumber(member, number), fileName(member, name)],
	ask: (state, isAsync, member, number, name) =>
		fetch(state, isAsync, number, undefined, 'bytes', name),
	give: (state, record) => record.value,
});

method(kind, 'retrieveStream', {
	check: (member, number, name) => {
		internal.need('infinity.stream');
		return [messageNumber(member, number), fileName(member, name)];
	},
	ask: (state, isAsync, member, number, name) =>
		fetch(state, isAsync, number, undefined, 'stream', name),
	give: (state, record) => internal.streamOver(record.value),
});

method(kind, 'top', {
	check: topArguments,
	ask: (state, isAsync, member, number, lines, name) =>
		fetch(state, isAsync, number, lines, 'string', name),
	give: (state, record) => record.value,
});

method(kind, 'delete', {
	check: (member, number) => [messageNumber(member, number)],
	ask: plain('DELE'),
	note(state, record) {
		if (record.ok)
			state.marked++;
	},
	give: () => true,
	refused: () => true,
});

method(kind, 'reset', {
	ask: plain('RSET'),
	note(state, record) {
		if (record.ok)
			state.marked = 0;
	},
});

// ---- One message after another ----

class Message {
	#client;

	constructor(client, { msgNum, size }, id) {
		this.#client = client;
		this.msgNum = msgNum;
		this.size = size;
		this.id = id;
	}

	static {
		for (const name of ['retrieve', 'retrieveBytes', 'retrieveStream', 'top', 'delete'])
			for (const called of [name, `${name}Async`])
				clients.hidden(this.prototype, called, function (...args) {
					return this.#client[called](this.msgNum, ...args);
				});
	}
}

// UIDL is optional: where a server has none, `id` is undefined.
const lacksUidl = (error) => {
	if (!error.reply && error.code !== 'UNSUPPORTED')
		throw error;
	return [];
};

const combine = (client, list, ids) => {
	const known = new Map(ids.map(({ msgNum, id }) => [msgNum, id]));
	return list.map((item) => new Message(client, item, known.get(item.msgNum)));
};

class Messages {
	#client;

	constructor(client) {
		clients.stateOf(client, `${kind.label}.messages`);
		this.#client = client;
	}

	*[Symbol.iterator]() {
		const list = this.#client.list();
		let ids = [];
		try {
			ids = this.#client.uidl();
		} catch (error) {
			ids = lacksUidl(error);
		}
		yield* combine(this.#client, list, ids);
	}

	async *[Symbol.asyncIterator]() {
		const list = await this.#client.listAsync();
		const ids = await this.#client.uidlAsync().catch(lacksUidl);
		yield* combine(this.#client, list, ids);
	}
}

infinity.pop3 ??= {};
infinity.pop3.client = Client;
