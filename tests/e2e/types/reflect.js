// Prints what the running program has, as JSON: { members: { "infinity.gc": "function", … },
// shapes: { "ClientReply": ["ok", …], … } }, in the words of members.js.

for (const name of ['infinity.pop3', 'infinity.smtp', 'infinity.lmtp', 'infinity.mail'])
	infinity.loadModule(name);

const members = {};
const shapes = {};
const ownOfFunctions = ['length', 'name', 'prototype', 'arguments', 'caller'];
// Objects of scripts, not of the surface.
const closed = new Set(['require.cache', 'require.main', 'module.exports', 'module.children',
	'module.paths', 'module.parent', 'module.require', 'exports', 'process.env', 'process.argv']);
const roots = [Object.prototype, Error.prototype, Function.prototype, Uint8Array.prototype, null];

const isClass = (value) => typeof value === 'function' &&
	/^class\b/.test(Function.prototype.toString.call(value));

// Classes whose objects are made here tell which properties can be set.
const samples = new Map();

// Whether a property says no when it is given the value it has.
const refuses = (object, key) => {
	const words = /cannot be set|read-only|can only be read|readonly|only a getter|no setter/i;
	try {
		if (!Reflect.set(object, key, object[key]))
			return true;
	} catch (error) {
		return words.test(error.message);
	}
	return false;
};

const nameOf = (key) => (typeof key === 'symbol' ? `[${key.description}]` : key);

const kindOf = (value) => {
	if (isClass(value))
		return 'class';
	if (typeof value === 'function')
		return 'function';
	return 'property';
};

const eachKey = (object, take) => {
	for (const key of Reflect.ownKeys(object)) {
		if (key === Symbol.toStringTag || key === 'constructor')
			continue;
		if (typeof object === 'function' && ownOfFunctions.includes(key))
			continue;
		take(key, Object.getOwnPropertyDescriptor(object, key));
	}
};

const prototypes = (path, first, sample) => {
	for (let proto = first; !roots.includes(proto); proto = Object.getPrototypeOf(proto)) {
		// The servers' last prototype only refuses what is not there.
		eachKey(proto, (key, { get, set, value }) => {
			const name = `${path}#${nameOf(key)}`;
			if (typeof value === 'function')
				members[name] ??= 'function';
			else if (get && (!set || (sample && refuses(sample, key))))
				members[name] ??= 'readonly';
			else
				members[name] ??= 'property';
		});
	}
};

// Numbers and texts of enumerations with what they are; other values as properties.
const visit = (path, object) => {
	eachKey(object, (key, how) => {
		const name = path === '' ? nameOf(key) : `${path}.${nameOf(key)}`;
		const value = object[key];
		// Out of handlers there is none.
		if (value === undefined && /^infinity\.\w+\.session$/.test(name))
			return;
		const isFixed = how.writable === false || (how.get && (!how.set || refuses(object, key)));
		const isOpen = typeof value === 'object' && value !== null && !closed.has(name);
		// A large number is a moment.
		const isConstant = typeof value === 'string' ||
			(typeof value === 'number' && value < 1e6);
		if (isFixed && !how.get && isConstant)
			members[name] = JSON.stringify(value);
		else if (typeof value === 'function')
			members[name] = kindOf(value);
		else if (isOpen)
			members[name] = 'object';
		else
			members[name] = isFixed ? 'readonly' : 'property';
		if (isOpen || (typeof value === 'function' && !closed.has(name)))
			descend(name, value);
	});
};

const descend = (path, value) => {
	visit(path, value);
	if (isClass(value))
		prototypes(path, value.prototype, samples.get(path));
};

const shape = (name, object) => {
	shapes[name] = [...new Set([...shapes[name] ?? [], ...Object.keys(object)])].sort();
};

const scripts = { require, module, exports, __filename, __dirname };

const main = async () => {
	const make = {
		'infinity.mail': () => new infinity.mail(),
		'infinity.stream': () => infinity.stream.from('x'),
		'TextEncoder': () => new TextEncoder(),
		'TextDecoder': () => new TextDecoder(),
		'URL': () => new URL('http://x.example/'),
		'URLSearchParams': () => new URLSearchParams('a=b'),
		'Headers': () => new Headers(),
		'Request': () => new Request('http://x.example/'),
		'Response': () => new Response(''),
		'Event': () => new Event('x'),
		'CustomEvent': () => new CustomEvent('x'),
		'DOMException': () => new DOMException('x'),
		'EventTarget': () => new EventTarget(),
		'AbortController': () => new AbortController(),
		'AbortSignal': () => new AbortController().signal,
		'Buffer': () => Buffer.alloc(1),
	};
	for (const [path, sample] of Object.entries(make))
		samples.set(path, sample());
	for (const kind of ['pop3', 'smtp', 'lmtp']) {
		samples.set(`infinity.${kind}.client`, new infinity[kind].client());
		samples.set(`infinity.${kind}.server`, new infinity[kind].server());
	}

	for (const kind of ['pop3', 'smtp', 'lmtp'])
		await sessions(kind);

	members.infinity = 'object';
	descend('infinity', infinity);
	for (const [name, value] of Object.entries(scripts)) {
		const isOpen = typeof value === 'object' && !closed.has(name);
		members[name] = isOpen ? 'object' : kindOf(value);
		if (isOpen || typeof value === 'function')
			descend(name, value);
	}
	const globals = Object.getOwnPropertyNames(globalThis).filter((name) => name !== 'infinity');
	for (const name of globals) {
		const value = globalThis[name];
		members[name] = typeof value === 'object' && value !== null ? 'object' : kindOf(value);
		if (infinity.getArgs().includes(name))
			descend(name, value);
	}
	console.writeLn(JSON.stringify({ members, shapes }));
};

// Sessions exist while an event is handled.
const sessions = async (kind) => {
	const server = new infinity[kind].server({ host: '127.0.0.1', port: 0, ssl: true });
	const path = `infinity.${kind}.session`;
	const look = (session) => {
		members[path] = 'object';
		const found = {};
		const own = Object.keys(session);
		if (own.length)
			throw new Error(`a new session has members of its own: ${own}`);
		if (infinity[kind].session !== session)
			throw new Error(`${path} is not what handlers are given`);
		const before = { ...members };
		prototypes(path, Object.getPrototypeOf(session), session);
		for (const name of Object.keys(members))
			if (!Object.hasOwn(before, name))
				found[name.replace(`${path}#`, `${path}.`)] = members[name];
		for (const name of Object.keys(found)) {
			delete members[name.replace(`${path}.`, `${path}#`)];
			members[name] = found[name];
		}
		if (session.tls)
			shape('SessionTls', session.tls);
	};
	server.onConnect = (session) => {
		if (!(path in members))
			look(session);
	};
	if (kind === 'pop3') {
		server.onAuth = (session) => {
			shape('SessionAuth', session.auth);
			session.authenticated = true;
			session.items = [{ id: 1, uid: 'one', size: 10, deleted: false }];
		};
		server.onRetrieve = ({ item }) => {
			shape('pop3.item', item);
			item.msg = 'Subject: x\r\n\r\nx\r\n';
		};
		server.onDelete = ({ item }) => {
			item.deleted = true;
		};
	} else {
		server.onRcptTo = (session) => {
			session.accept = true;
		};
		server.onReceive = (session) => {
			shape('Envelope', session.envelope);
			shape('EnvelopeRecipient', session.envelope.recipients[0]);
			shape('SessionTls', session.tls);
			session.received = true;
		};
	}
	server.start();
	shape('ServerStats', server.stats);
	await converse(kind, server.port);
	await server.stopAsync();
};

const methodsOf = (object) => {
	const names = [];
	for (let at = object; !roots.includes(at); at = Object.getPrototypeOf(at))
		eachKey(at, (key) => names.push(nameOf(key)));
	return names;
};

const converse = async (kind, port) => {
	const client = new infinity[kind].client();
	client.host = '127.0.0.1';
	client.port = port;
	client.encryptMode = infinity[kind].client.encryptMode.startTls;
	client.username = 'x';
	client.password = 'y';
	await client.connectAsync();
	shape('ClientTls', client.tls);
	shape('ClientReply', client.lastReply);
	if (kind === 'pop3') {
		shape('listArray', (await client.listAsync())[0]);
		shape('uidlArray', (await client.uidlAsync())[0]);
		for await (const message of client.messages()) {
			shapes['pop3.Message'] = methodsOf(message).sort();
			await message.retrieveAsync();
		}
	} else {
		await client.sendStringAsync('Subject: x\r\n\r\nx\r\n',
			{ from: 'a@x.example', to: ['b@x.example'] });
		shape('SendResult', client.lastResult);
		shape('RecipientResult', client.lastResult.recipients[0]);
	}
	await client.disconnectAsync();
	client.free();
};

shapes['store.Store'] = (() => {
	const store = infinity.store.open('memory:');
	store.add({ message: 'Subject: x\r\n\r\nx\r\n' });
	shape('store.Item', store.query()[0]);
	store.close();
	return methodsOf(store).sort();
})();
{
	const mail = new infinity.mail();
	shapes['mail.headers'] = methodsOf(mail.headers).sort();
	shapes['mail.attachment'] = methodsOf(mail.attach({ name: 'x', content: 'x' })).sort();
	shapes['mail.address'] = methodsOf(infinity.mail.parseAddresses('a@x.example')[0]).sort();
	mail.contents = [];
	mail.loadFromString('Subject: x\r\n\r\nx\r\n');
	shape('mail.content', mail.contents[0]);
	const timer = setTimeout(() => {}, 1);
	shapes.Timeout = methodsOf(timer).sort();
	shapes.Immediate = methodsOf(setImmediate(() => {})).sort();
}
main();
