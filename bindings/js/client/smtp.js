'use strict';
// Clients for SMTP, submission and LMTP: send() takes a message from wherever it is.
const host = require('../host');
const { pipes } = require('../core/pump');
const { feed } = require('../core/contents');
const { Client, inner, ask } = require('./client');
const { linesOf } = require('./connection');
const { outcomeError, MailError } = require('./error');
const { refuseUnknown, checkText } = require('./options');
const { native } = host;
const { errors, events } = native.constants();

const NOTIFY = { NEVER: 1, SUCCESS: 2, FAILURE: 4, DELAY: 8 };
const KNOWN = ['from', 'to', 'cc', 'bcc', 'raw', 'message', 'dsn', 'smtputf8', 'requireTls', 'auth',
	'keepBcc', 'addMissing', 'strict', 'binary'];
const TRUTHS = ['smtputf8', 'requireTls', 'keepBcc', 'addMissing', 'strict', 'binary'];
// A source may take its time; who minds has a signal.
const patience = { length: Infinity, watch() {}, drop() {} };

// ---- The envelope ----

function notifyOf(value) {
	const words = Array.isArray(value) ? value : checkText(value, 'dsn.notify').split(/[\s,]+/);
	let sum = 0;
	for (const word of words) {
		const bit = NOTIFY[String(word).toUpperCase()];
		if (bit === undefined)
			throw new RangeError(`dsn.notify: ${Object.keys(NOTIFY).join(', ')} are wanted`);
		sum |= bit;
	}
	if (sum & NOTIFY.NEVER && sum !== NOTIFY.NEVER)
		throw new RangeError('dsn.notify: NEVER stands alone');
	return sum;
}

function recipientOf(value, name, dsn) {
	const isText = typeof value === 'string';
	if (!isText && (typeof value !== 'object' || value === null))
		throw new TypeError(`${name}: addresses are strings, or objects with an address`);
	const recipient = { address: isText ? value : checkText(value.address, `${name}.address`) };
	const notify = isText ? dsn.notify : value.notify ?? dsn.notify;
	const orcpt = isText ? dsn.orcpt : value.orcpt ?? dsn.orcpt;
	if (notify != null)
		recipient.notify = notifyOf(notify);
	if (orcpt != null)
		recipient.orcpt = checkText(orcpt, `${name}.orcpt`);
	return recipient;
}

function recipientsOf(message, dsn) {
	const all = [];
	for (const name of ['to', 'cc', 'bcc'])
		for (const each of [message[name] ?? []].flat())
			all.push(recipientOf(each, name, dsn));
	if (!all.length && message.to != null)
		throw new RangeError('to: there is no recipient');
	return all.length ? all : undefined;
}

function returnOf(value) {
	const word = checkText(value, 'dsn.ret').toUpperCase();
	if (!['FULL', 'HDRS'].includes(word))
		throw new RangeError('dsn.ret: FULL or HDRS is wanted');
	return word[0];
}

function envelopeOf(message) {
	const { from, dsn = {}, auth } = message;
	refuseUnknown(dsn, ['notify', 'ret', 'envid', 'orcpt'], 'dsn.');
	const envelope = { recipients: recipientsOf(message, dsn) };
	if (from != null)
		envelope.sender = typeof from === 'string' ? from : checkText(from.address, 'from.address');
	if (auth != null)
		envelope.auth = checkText(auth, 'auth');
	if (dsn.envid != null)
		envelope.envid = checkText(dsn.envid, 'dsn.envid');
	if (dsn.ret != null)
		envelope.ret = returnOf(dsn.ret);
	for (const name of TRUTHS) {
		if (message[name] == null)
			continue;
		if (typeof message[name] !== 'boolean')
			throw new TypeError(`${name}: true or false is wanted`);
		envelope[name] = message[name];
	}
	return envelope;
}

// ---- The message ----

function kindOf(x) {
	return x === null ? 'null' : typeof x;
}

function contentsOf({ raw, message }) {
	const contents = raw ?? message;
	const isIterable = typeof contents === 'object' && contents !== null &&
		(contents[Symbol.asyncIterator] ?? contents[Symbol.iterator]);
	if (typeof contents !== 'string' && !(contents instanceof ArrayBuffer) && !isIterable)
		throw new TypeError('raw: the message is wanted, a string, a Uint8Array, a stream or an ' +
			`iterable of those, not ${kindOf(contents)}`);
	return contents;
}

/** Hands a message over to the request that sends it. */
class Letter {
	#connection;
	#contents;
	#number;
	#pipe;
	#isRead = false;
	#isDropped = false;
	error; // of its source

	constructor(connection, contents) {
		this.#connection = connection;
		this.#contents = contents;
	}

	/** The request has its number. */
	given(number) {
		this.#number = number;
		try {
			feed(this, this.#contents, patience, (error) => this.#over(error));
		} catch (error) {
			this.#over(error);
		}
	}

	bytes(bytes) {
		native.clientBytes(this.#connection.number, this.#number, bytes);
	}

	pipe() {
		if (this.#isDropped || this.#connection.number === undefined)
			return undefined;
		this.#pipe = native.clientPipe(this.#connection.number, this.#number);
		return this.#pipe;
	}

	#over(error) {
		this.#isRead = true;
		if (error === undefined || this.#isDropped)
			return;
		this.error = error;
		if (this.#pipe === undefined)
			this.#fail();
	}

	#fail() {
		const pipe = this.#pipe ?? this.pipe();
		if (pipe !== undefined)
			native.pipeFail(pipe);
		return pipe;
	}

	/** Nobody wants it sent any more. False: it may be on its way. */
	dropped() {
		if (this.#isRead)
			return false;
		const pipe = this.#fail();
		this.#isDropped = true;
		// Nothing more is told of a pipe that failed: its writer hears it from here.
		pipes.get(pipe)?.take({ type: events.GONE, pipe });
		this.#contents.destroy?.();
		return true;
	}
}

// ---- What came of it ----

function resultOf(outcome) {
	const accepted = [], rejected = [];
	for (const one of outcome.recipients ?? []) {
		if (one.result === 0)
			accepted.push(one.recipient);
		else
			rejected.push({ recipient: one.recipient, error: outcomeError(one) });
	}
	return { accepted, rejected, sender: outcome.sender, size: outcome.size,
		reply: outcome.text ?? '', replyCode: outcome.smtpCode, enhanced: outcome.enhanced };
}

function sendError(error, letter) {
	if (letter.error === undefined)
		return error;
	return new MailError('SOURCE', `not sent: the message could not be read: ` +
		`${letter.error?.message ?? letter.error}`, { side: 'client', request: 'SEND',
		cause: letter.error });
}

class MailClient extends Client {
	/**
	 * Send one message: { from, to, raw, … }. Resolves when the server took it for one recipient at
	 * least: { accepted, rejected: [{ recipient, error }], sender, size, reply, replyCode,
	 * enhanced }. Rejected where it took it for none; the error has `rejected`, too, and `unknown`
	 * true where the connection was lost so late that the message may have been delivered.
	 */
	async send(message, { signal } = {}) {
		if (typeof message !== 'object' || message === null)
			throw new TypeError('message: an object { from, to, raw } is wanted');
		refuseUnknown(message, KNOWN, 'message.');
		const envelope = envelopeOf(message);
		const connection = this[inner];
		const letter = new Letter(connection, contentsOf(message));
		let outcome;
		try {
			outcome = await connection.request('SEND', envelope, { signal,
				given: (number) => letter.given(number),
				dropped: () => letter.dropped(),
				mayFail(entry) {
					outcome = entry;
					return entry.result === errors.NOT_FOUND &&
						entry.recipients?.some(({ result }) => result === 0);
				} });
		} catch (error) {
			const told = sendError(error, letter);
			if (outcome?.recipients !== undefined)
				Object.assign(told, { rejected: resultOf(outcome).rejected,
					unknown: outcome.unknown === true });
			throw told;
		}
		return resultOf(outcome);
	}

	/** VRFY: { code, enhanced, text }. */
	async verify(address, options) {
		return this.#reply('VRFY', checkText(address, 'address'), options);
	}

	/** EXPN: a string for each member. */
	async expand(list, options) {
		const { text } = await this.#reply('EXPN', checkText(list, 'list'), options);
		return linesOf(text);
	}

	/** A line of one's own; any reply is a success: { code, enhanced, text }. */
	async command(line, options) {
		return this.#reply('COMMAND', checkText(line, 'line'), options);
	}

	async #reply(type, argument, options) {
		const { smtpCode, enhanced, text } = await this[ask](type, { argument }, options);
		return { code: smtpCode, enhanced, text: text ?? '' };
	}
}

class SmtpClient extends MailClient {
	constructor(options) {
		super(options, 'smtp');
	}
}

class LmtpClient extends MailClient {
	constructor(options) {
		super(options, 'lmtp');
	}
}

module.exports = { SmtpClient, LmtpClient };
