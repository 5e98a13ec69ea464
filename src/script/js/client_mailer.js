'use strict';
// What infinity.smtp.client and infinity.lmtp.client share: messages are handed over.
// Fills internal.makeMailer.

if (internal.makeMailer)
	return;

const { clients } = internal;
const { method, native: net } = clients;

const authMode = internal.enumeration({ none: 0, default: 1, sasl: 2 });

// ---- What a script may say about an envelope ----

const XTEXT_MAX = 100;

// RFC 3461 4: what is not printable ASCII, and + and =, in hexadecimal.
const xtext = (member, value) => {
	const coded = internal.line(member, value).replace(/[^!-*,-<>-~]/g, (c) => {
		const code = c.charCodeAt(0);
		if (code < 0x20 || code > 0x7E)
			throw new RangeError(`${member}: printable ASCII`);
		return `+${code.toString(16).toUpperCase().padStart(2, '0')}`;
	});
	if (coded.length > XTEXT_MAX)
		throw new RangeError(`${member}: at most ${XTEXT_MAX} characters`);
	return coded;
};

const notifyBits = { never: 1, success: 2, failure: 4, delay: 8 };

const notifyOf = (member, value) => {
	const words = typeof value === 'string' ? [value] : value;
	if (!Array.isArray(words))
		internal.wrongType(member, 'an array of never, success, failure, delay', value);
	let bits = 0;
	for (const word of words) {
		if (!Object.hasOwn(notifyBits, word))
			throw new RangeError(`${member}: one of never, success, failure, delay, `
				+ `not ${internal.shown(word)}`);
		bits |= notifyBits[word];
	}
	if (bits & 1 && bits !== 1)
		throw new RangeError(`${member}: never goes with nothing else`);
	return bits;
};

const returnedParts = { full: 'F', headers: 'H' };

const retOf = (member, value) => {
	if (!Object.hasOwn(returnedParts, internal.string(member, value)))
		throw new RangeError(`${member}: full or headers, not ${internal.shown(value)}`);
	return returnedParts[value];
};

const listOf = (member, value) => {
	const list = Array.isArray(value) ? value : [value];
	return list.map((one, i) =>
		internal.line(Array.isArray(value) ? `${member}[${i}]` : member, one)).join('\n');
};

const optionChecks = {
	from: internal.line,
	to: listOf,
	notify: notifyOf,
	ret: retOf,
	envelopeId: xtext,
	requireTls: internal.boolean,
	keepBcc: internal.boolean,
};

const optionsOf = (member, options) => {
	if (options === undefined)
		return {};
	if (typeof options !== 'object' || options === null || Array.isArray(options))
		internal.wrongType(`${member}: options`, 'an object', options);
	const checked = {};
	for (const [name, value] of Object.entries(options)) {
		if (!Object.hasOwn(optionChecks, name))
			throw new RangeError(`${member}: options: ${internal.shown(name)} is `
				+ `none of ${Object.keys(optionChecks).join(', ')}`);
		if (value !== undefined)
			checked[name] = optionChecks[name](`${member}: options.${name}`, value);
	}
	checked.envid = checked.envelopeId;
	return checked;
};

// ---- Arguments ----

const nameOf = (member, value) => {
	if (/\0/.test(internal.string(`${member}: fileName`, value)) || !value)
		throw new RangeError(`${member}: fileName: a name, not empty and without NUL`);
	return value;
};

const streamOf = (member, value) => {
	internal.need('infinity.stream');
	if (!(value instanceof infinity.stream))
		internal.wrongType(`${member}: stream`, 'an infinity.stream', value);
	return internal.handle(value);
};

const textOf = (member, value) => internal.string(`${member}: text`, value);

const bytesOf = (member, value) => internal.bytes(`${member}: bytes`, value);

// A mail is written to a stream first, so that large ones stay out of memory.
const mailOf = (member, value) => {
	internal.need('infinity.stream');
	if (!infinity.mail || !(value instanceof infinity.mail))
		internal.wrongType(`${member}: mail`, 'an infinity.mail', value);
	const stream = new infinity.stream();
	value.saveToStream(stream);
	return stream;
};

// ---- Calls ----

const resultOf = (record) => ({
	sender: record.sender,
	size: record.size,
	unknown: record.unknown,
	accepted: record.recipients.filter((one) => one.accepted).length,
	recipients: record.recipients,
});

const noteResult = (state, record) => {
	state.lastResult = record.recipients ? resultOf(record) : null;
};

const sender = (kind, name, take, what) => method(kind, name, {
	check: (member, value, options) => [take(member, value), optionsOf(member, options)],
	ask: (state, isAsync, member, value, options) => {
		state.lastResult = null;
		return net.clientSend(state.handle, isAsync, what, value, options);
	},
	note: noteResult,
});

const mailSender = (kind) => method(kind, 'sendMail', {
	check: (member, mail, options) => [optionsOf(member, options), mailOf(member, mail)],
	ask(state, isAsync, member, options, stream) {
		state.lastResult = null;
		try {
			const handle = internal.handle(stream);
			return net.clientSend(state.handle, isAsync, 'stream', handle, options);
		} finally {
			stream.free();
		}
	},
	note: noteResult,
});

const senders = (kind) => {
	// The documents have both names.
	sender(kind, 'send', nameOf, 'file');
	sender(kind, 'sendFile', nameOf, 'file');
	sender(kind, 'sendStream', streamOf, 'stream');
	sender(kind, 'sendString', textOf, 'octets');
	sender(kind, 'sendBytes', bytesOf, 'octets');
	mailSender(kind);
};

const loginOf = (values, member) => {
	const hasOther = values.token || values.certFile || values.mechanism;
	if (!values.username && !(values.authMode === authMode.sasl && hasOther))
		throw clients.failure(`${member}: no user; set username and password first`,
			'CONFIG');
	if (values.authMode === authMode.default)
		return clients.loginOf(values, 'default');
	return clients.loginOf(values, values.mechanism || undefined);
};

const others = (kind) => {
	method(kind, 'authenticate', {
		idle: true,
		ask: (state, isAsync, member) => state.values.authMode === authMode.none ? undefined
			: net.clientLogin(state.handle, isAsync, loginOf(state.values, member)),
		note(state, record) {
			state.authenticated = record.ok;
		},
		give: () => true,
		refused: (record) => record.code === 'AUTH',
	});
	method(kind, 'verify', {
		check: (member, name) => {
			if (!internal.line(`${member}: username`, name))
				throw new RangeError(`${member}: username: a name or an address`);
			return [name];
		},
		ask: (state, isAsync, member, name) =>
			net.clientPlain(state.handle, isAsync, 'VRFY', name),
		give: (state, record) => record.reply.text,
	});
	method(kind, 'reset', {
		ask: (state, isAsync) => net.clientPlain(state.handle, isAsync, 'RSET'),
	});
};

// One class for each protocol: { label, protocol, port, tlsPort }.
internal.makeMailer = (own) => {
	const kind = {
		...own,
		authMode,
		properties: {
			authMode: [authMode.none, clients.enumCheck(authMode)],
			helo: ['', clients.word(/^[!-~]{0,255}$/, 'the name of this machine')],
			force8bit: [false, internal.boolean],
		},
		readings: {
			authenticated: (state) => state.authenticated && state.isOpen,
			lastResult: (state) => state.lastResult,
		},
		state: () => ({ lastResult: null, authenticated: false }),
		onConnected(state) {
			state.lastResult = null;
			state.authenticated = false;
		},
		// What was accepted is.
		quitMatters: () => false,
	};
	class Client {
		constructor() {
			clients.init(this, kind);
		}
	}
	Object.defineProperty(Client, 'name', { value: 'client' });
	kind.Class = Client;
	clients.complete(kind);
	senders(kind);
	others(kind);
	return Client;
};
