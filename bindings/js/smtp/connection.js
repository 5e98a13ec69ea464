'use strict';
// One session's dialogue with the application: which callback when, and what follows from it.
const { parsed } = require('./address');
const { decideAuth } = require('./auth');
const { Question, ask, refuse, refusalOf, lineOf } = require('./callbacks');
const { MessageStream } = require('./message');
const { SmtpSession, refresh, readClient } = require('./session');
const { decideCertificate } = require('../core/tls');

const isNothing = (value) => value === undefined || value === null || value === true;

/** Methods by the names of events. */
const TAKES = Object.fromEntries(['CERTIFICATE', 'CONNECT', 'TLS', 'HELO', 'AUTH', 'AUTH_DONE', 'MAIL',
	'RCPT', 'BODY', 'MESSAGE', 'ABORT'].map((name) => [name, `take${name}`]));

function failure(code, message) {
	return Object.assign(new Error(message), { code });
}

class Connection {
	#core;
	#peer; // the core's session
	#with;
	#message; // { stream, question } while one comes in
	#user; // who logs in, until the proof is complete
	#name = false; // of the client's address
	#told = false; // was 'connect' emitted
	#seen = 0; // changes of the peer that the session has

	/** `owner`: { server, readsNames, isProxied, certificateOf, log, tell, callback(name) }. */
	constructor(core, peer, owner) {
		this.#core = core;
		this.#peer = peer;
		this.#with = owner;
		this.session = new SmtpSession(peer.number);
		this.id = this.session.id;
	}

	get remoteAddress() {
		return this.session.remoteAddress;
	}

	get remotePort() {
		return this.session.remotePort;
	}

	get localAddress() {
		return this.session.localAddress;
	}

	get localPort() {
		return this.session.localPort;
	}

	get clientHostname() {
		return this.session.clientHostname;
	}

	get hostNameAppearsAs() {
		return this.session.hostNameAppearsAs;
	}

	get secure() {
		return this.session.secure;
	}

	get name() {
		return this.#with.name;
	}

	/** Cut it. */
	close() {
		this.#peer.close();
	}

	take(event) {
		this[TAKES[event.name]](event);
	}

	/** Of the server: the session is over. */
	gone() {
		this.#cut('the client went before its message was complete');
		this.#log('close', 'Connection closed to %s', this.clientHostname || this.remoteAddress);
		this.#tellClosed();
	}

	/** Nothing waits for onClose, but it may fail, now or later. */
	#tellClosed() {
		const failed = (error) => this.#with.fail(error ?? new Error('onClose failed'), this.session,
			'onClose');
		try {
			this.#with.server.onClose(this.session)?.then?.(undefined, failed);
		} catch (error) {
			failed(error);
		}
	}

	/** A callback failed while `event` waited. */
	failed(event) {
		if (event?.name === 'CONNECT')
			return;
		this.session.error = '451 4.3.0';
	}

	#refresh() {
		this.#seen = this.#peer.changes;
		refresh(this.session, this.#peer.info, this.#name);
	}

	#log(tnx, text, ...args) {
		const { session } = this;
		this.#with.log.info({ tnx, cid: this.id, host: session.remoteAddress,
			user: session.user?.username ?? session.user }, text, ...args);
	}

	/** fn(done) of the application's method `name`; then(value). */
	#ask(event, name, fn, then, otherwise, close = false) {
		const { method, takesDone } = this.#with.callback(name);
		ask(this.#core, event, name, takesDone, (done) => fn(method, done), (outcome) => {
			const { error, value, called } = outcome;
			if (error) {
				this.#refused(refuse(event, error, otherwise, close));
				return;
			}
			if (!called && !isNothing(value))
				throw new TypeError(`${name}: nothing is wanted for a yes, and an Error with ` +
					'responseCode for a no');
			then();
		});
	}

	#refused(line) {
		this.session.error = line;
	}

	/* ---- the connection ---- */

	takeCERTIFICATE(event) {
		decideCertificate(this.#core, event, this.#with.certificateOf);
	}

	takeCONNECT(event) {
		const { session } = this;
		const { xclient } = this.#peer.info;
		if (xclient) {
			this.#become(event, xclient);
			return;
		}
		this.#refresh();
		if (this.#with.ignores(session.remoteAddress))
			this.#with = { ...this.#with, log: { info() {} } };
		const go = (names) => {
			this.#name = session.clientHostname = names?.[0] ?? `[${session.remoteAddress}]`;
			this.#welcome(event);
		};
		if (this.#with.namesOf === undefined)
			go();
		else
			this.#core.run(event, 'onConnect', () => this.#with.namesOf(session.remoteAddress), go);
	}

	#welcome(event) {
		this.#ask(event, 'onConnect',
			(method, done) => method.call(this.#with.server, this.session, done), () => {
				this.#log('connection', 'Connection from %s', this.clientHostname);
				if (!this.#with.isProxied)
					this.#tellConnect();
				event.yes();
			}, 554, true);
	}

	#tellConnect() {
		if (this.#told)
			return;
		this.#told = true;
		const { id, localAddress, localPort, remoteAddress, remotePort, hostNameAppearsAs,
			clientHostname } = this.session;
		this.#with.tell('connect', { id, localAddress, localPort, remoteAddress, remotePort,
			hostNameAppearsAs, clientHostname });
	}

	/** XCLIENT: greeted again, as somebody else. */
	#become(event, words) {
		const { session } = this;
		const before = { address: session.remoteAddress, port: session.remotePort,
			name: this.#name };
		this.#refresh();
		session.forgetEnvelope();
		const { login, name } = readClient(session, words, before);
		this.#name = session.clientHostname = name;
		session.user = undefined;
		if (session.xClient.has('ADDR'))
			this.#tellConnect();
		if (login === undefined)
			event.yes();
		else
			this.#logIn(event, login);
	}

	#logIn(event, username) {
		const { method, takesDone } = this.#with.callback('onAuth');
		const auth = { method: 'XCLIENT', username, password: null };
		const asked = (done) => method.call(this.#with.server, auth, this.session, done);
		ask(this.#core, event, 'onAuth', takesDone, asked, ({ error, value }) => {
			const refusal = error ?? (value?.user ? undefined : new Error(value?.message ??
				'Authentication credentials invalid'));
			if (refusal !== undefined) {
				this.#refused(refuse(event, refusal, 550, true));
				return;
			}
			this.session.user = value.user;
			event.yes();
		});
	}

	takeTLS() {
		this.session.user = undefined;
		this.session.openingCommand = false;
		this.#refresh();
	}

	takeHELO({ entry }) {
		this.session.openingCommand = entry.verb;
		this.#refresh();
		this.session.forgetEnvelope();
	}

	/* ---- login ---- */

	takeAUTH(event) {
		const { method, takesDone } = this.#with.callback('onAuth');
		this.#refresh();
		decideAuth(this.#core, event, {
			takesDone,
			fn: (auth, done) => method.call(this.#with.server, auth, this.session, done),
			then: (user) => {
				this.#user = user;
			},
			refused: (line) => this.#refused(line),
		});
	}

	takeAUTH_DONE({ entry }) {
		const user = this.#user;
		this.#user = undefined;
		if (entry.ok && user !== undefined)
			this.session.user = user;
		this.#refresh();
		this.#log(entry.ok ? 'auth' : 'authfail', entry.ok ? '%s authenticated' :
			'%s failed to authenticate', this.#peer.info.user || this.remoteAddress);
	}

	/* ---- a transaction ---- */

	takeMAIL(event) {
		const { session } = this;
		if (this.#seen !== this.#peer.changes)
			this.#refresh();
		session.forgetEnvelope();
		this.#tellConnect();
		const address = parsed(event.entry.sender, event.entry.parameters);
		this.#ask(event, 'onMailFrom',
			(method, done) => method.call(this.#with.server, address, session, done), () => {
				session.envelope.mailFrom = address;
				event.yes();
			}, 550);
	}

	takeRCPT(event) {
		const { session } = this;
		const address = parsed(event.entry.recipient, event.entry.parameters);
		this.#ask(event, 'onRcptTo',
			(method, done) => method.call(this.#with.server, address, session, done), () => {
				this.#addRecipient(address);
				event.yes();
			}, 550);
	}

	/** One that is named again counts once; over LMTP it has an answer of its own. */
	#addRecipient(address) {
		const list = this.session.envelope.rcptTo;
		const name = address.address.toLowerCase();
		const at = this.#with.isLmtp ? -1 : list.findIndex((one) =>
			one.address.toLowerCase() === name);
		if (at < 0)
			list.push(address);
		else
			list[at] = address;
	}

	/** The first entry of a message: it comes with the first 64 KB, or with all of a small one. */
	#begin() {
		const { method, takesDone } = this.#with.callback('onData');
		const stream = new MessageStream(this.#peer);
		const question = new Question(takesDone, () => stream.answered());
		question.ask((done) => method.call(this.#with.server, stream, this.session, done));
		this.#message = { stream, question };
	}

	takeBODY({ entry }) {
		if (entry.recipients !== undefined)
			this.#begin();
		if (this.#message === undefined)
			this.#peer.taken(entry.bytes.length);
		else
			this.#message.stream.arrive(entry.bytes, true);
	}

	takeMESSAGE(event) {
		const { bytes, octets, recipients } = event.entry;
		if (recipients !== undefined)
			this.#begin();
		const { stream, question } = this.#message;
		this.#message = undefined;
		if (bytes !== undefined)
			stream.arrive(bytes, false);
		stream.end(octets);
		question.answer(this.#core, event, 'onData', ({ error, value }) => {
			if (error)
				this.#refused(refuse(event, error, 450));
			else if (Array.isArray(value))
				this.#answerEach(event, value);
			else if (typeof value === 'string')
				event.yes(lineOf(value));
			else if (isNothing(value))
				event.yes();
			else
				throw new TypeError('onData: words for the client are wanted, or nothing');
			this.#log('data', '%s octets', stream.byteLength);
			this.#next();
		});
	}

	/** LMTP: an answer for each recipient. */
	#answerEach(event, values) {
		if (!this.#with.isLmtp)
			throw new TypeError('onData: an array of answers is for LMTP');
		if (values.length !== this.session.envelope.rcptTo.length)
			throw new RangeError(`onData: ${this.session.envelope.rcptTo.length} answers are ` +
				`wanted, one for each recipient, not ${values.length}`);
		event.recipients(values.map((value) => {
			if (!(value instanceof Error) && value?.responseCode === undefined)
				return [0, typeof value === 'string' ? lineOf(value) : undefined];
			const [code, text, enhanced] = refusalOf(value, 450);
			return [this.#with.denied, text, code, enhanced];
		}));
	}

	#next() {
		this.session.transaction++;
		this.session.forgetEnvelope();
	}

	/** The transaction ended without a message, or with one that was refused. */
	takeABORT({ entry }) {
		const why = entry.argument;
		if (this.#message !== undefined && why.startsWith('552')) {
			const { stream } = this.#message;
			this.#message = undefined;
			stream.end(stream.byteLength, true);
			this.#next();
			return;
		}
		if (why !== '')
			this.#refused(why);
		if (why.startsWith('451') && this.#message !== undefined)
			this.#with.fail(failure('TIMEOUT', 'onData: nobody read the message in time'),
				this.session, 'onData');
		this.#cut(why === '' ? 'the client gave its message up' : `the message was refused: ${why}`);
		this.session.forgetEnvelope();
	}

	#cut(why) {
		const message = this.#message;
		this.#message = undefined;
		message?.stream.cut(failure('ABORTED', why));
	}
}

module.exports = { Connection };
