'use strict';
// SmtpServer: the callbacks of npm's smtp-server in front of Lettermill's SMTP and LMTP sessions.
const host = require('../host');
const { Server } = require('../core/server');
const { Connection } = require('./connection');
const { startError } = require('../core/start_error');
const { Listener, readListen, endpointOf } = require('./listener');
const { loggerOf } = require('./logger');
const { readOptions, secureSettings } = require('./options');

const METHODS = ['onConnect', 'onAuth', 'onMailFrom', 'onRcptTo', 'onData', 'onClose'];
const PARAMS = { onConnect: 2, onAuth: 3, onMailFrom: 3, onRcptTo: 3, onData: 3 };
const DECIDES = ['CONNECT', 'MAIL', 'RCPT', 'MESSAGE'];
const HEARS = ['HELO', 'TLS', 'ABORT'];
const LISTENERS = ['smtp', 'smtps', 'submission', 'lmtp', 'pop3', 'pop3s'];
const NAMES_WITHIN = 1500;

/** Names of an address, or none where the name server is silent or there is no asking. */
function namesWithin(address, ms) {
	return new Promise((resolve) => {
		const timer = setTimeout(resolve, ms);
		host.unref(timer);
		host.reverse(address).then(resolve, () => resolve()).finally(() => clearTimeout(timer));
	});
}

class SmtpServer extends host.EventEmitter {
	connections = new Set();
	#core;
	#known;
	#listener;
	#owner;
	#closing;

	constructor(options = {}) {
		super();
		if (typeof options !== 'object' || options === null)
			throw new TypeError('SmtpServer: options: an object is wanted');
		this.options = { ...options };
		for (const name of METHODS)
			if (typeof options[name] === 'function')
				this[name] = options[name];
		this.#known = readOptions(this.options);
		this.logger = loggerOf(this.options);
		this.#listener = new Listener({
			listen: (args) => this.#listen(args),
			close: (done) => this.close(done),
			endpoint: () => this.listening ? this.#core.endpoint(this.#known.listener) : undefined,
			connections: () => this.connections.size,
		});
		this.#owner = this.#makeOwner();
		this.#core = this.#makeCore();
	}

	/* ---- what applications override ---- */

	onConnect(session, done) {
		done();
	}

	onAuth(auth, session, done) {
		if (auth.method === 'XCLIENT')
			done(null, { user: auth.username });
		else
			done(null, { message: 'Authentication not implemented' });
	}

	onMailFrom(address, session, done) {
		done();
	}

	onRcptTo(address, session, done) {
		done();
	}

	onData(stream, session, done) {
		stream.on('end', () => done());
		stream.resume();
	}

	onClose() {}

	/* ---- running ---- */

	/** As net.Server: an object that has address() and listening. */
	get server() {
		return this.#listener;
	}

	get listening() {
		return this.#core.running && this.#closing === undefined;
	}

	listen(...args) {
		return this.#listen(args);
	}

	#listen(args) {
		const place = readListen(args);
		if (this.#core.running)
			throw Object.assign(new Error('SmtpServer: listen: it listens already, or is not ' +
				'closed yet'), { code: 'ERR_SERVER_ALREADY_LISTEN' });
		if (place.done !== undefined)
			this.#listener.once('listening', place.done);
		for (const name of LISTENERS)
			this.#core.set(name, name === this.#known.listener ? endpointOf(place) : 'off');
		let error;
		try {
			this.#core.start();
			this.#closing = undefined;
		} catch (why) {
			error = startError(why, place);
			this.#listener.off('listening', place.done ?? (() => {}));
		}
		// Who hears of it may come behind listen().
		Promise.resolve().then(() => this.#started(error));
		return this.#listener;
	}

	#started(error) {
		if (error !== undefined) {
			this.#tell('error', error);
			return;
		}
		const { address, port } = this.#listener.address() ?? {};
		this.logger.info({ tnx: 'listen', host: address, port }, 'Listening on %s:%s', address, port);
		try {
			this.#listener.emit('listening');
		} catch (wrong) {
			host.report(wrong);
		}
		this.#tell('listening');
	}

	/** Accept no more, let transactions end, then close; after `closeTimeout` close what is left.
	 * `done` and the promise tell when all is over. */
	close(done) {
		if (!this.#core.running) {
			const error = Object.assign(new Error('Server is not running.'),
				{ code: 'ERR_SERVER_NOT_RUNNING' });
			if (typeof done === 'function')
				Promise.resolve().then(() => done(error));
			return Promise.resolve();
		}
		const ended = this.#core.drain(this.#known.closeTimeout);
		this.#closing ??= ended.then(() => this.#closed());
		const closed = this.#closing;
		if (typeof done === 'function')
			closed.then(() => this.#call(done, 'close'));
		return closed;
	}

	#closed() {
		this.#closing = undefined;
		this.logger.info({ tnx: 'closed' }, 'Server closed');
		this.#listener.emit('close');
		this.#tell('close');
	}

	#call(fn, name) {
		try {
			fn();
		} catch (error) {
			this.#complain(error, undefined, name);
		}
	}

	/** Other certificates and TLS settings, for connections that come from now on. */
	updateSecureContext(options = {}) {
		const next = { ...this.options, ...options };
		const known = readOptions(next);
		const settings = secureSettings(next);
		Object.assign(this.options, options);
		this.#known.certificateOf = known.certificateOf;
		this.#secure(settings);
		if (this.#core.running)
			this.#core.reload();
	}

	/** Figures of the server while it runs. */
	stats() {
		return this.#core.stats();
	}

	/* ---- inside ---- */

	#makeCore() {
		const decides = [...DECIDES, 'CERTIFICATE'];
		const hears = [...HEARS];
		if (this.#known.hasAuth) {
			decides.push('AUTH');
			hears.push('AUTH_DONE');
		}
		const core = new Server({
			decides,
			hears,
			deadline: this.#known.callbackTimeout,
			event: (peer, event) => {
				peer.data ??= this.#begin(peer);
				peer.data.take(event);
			},
			gone: (peer) => this.#gone(peer),
			failed: (error, peer, name, event) => {
				peer?.data?.failed(event);
				this.#complain(error, peer?.data?.session, name);
			},
		});
		for (const [name, text] of this.#known.settings)
			core.set(name, text);
		this.#core = core;
		this.#secure(secureSettings(this.options));
		return core;
	}

	/** Settings that were there before and are not any more go back to what they are by default. */
	#secure(settings) {
		for (const name of ['tls', 'cert', 'key', 'key-passphrase', 'client-ca', 'tls-min', 'tls-max',
			'require-client-cert', 'tls-ciphers'])
			if (!settings.some(([given]) => given === name))
				this.#core.set(name, null);
		for (const [name, text] of settings)
			this.#core.set(name, text);
	}

	/** What connections need of their server. */
	#makeOwner() {
		const { options } = this;
		const reads = !options.disableReverseLookup && host.reverse !== undefined;
		return {
			server: this,
			name: this.#known.name,
			isLmtp: Boolean(options.lmtp),
			isProxied: Boolean(options.useXClient || options.useXForward),
			certificateOf: (name, done) => this.#certificateOf(name, done),
			namesOf: reads ? (address) => namesWithin(address, NAMES_WITHIN) : undefined,
			ignores: (address) => Boolean(options.ignoredHosts?.includes(address)),
			denied: host.native.constants().errors.DENIED,
			log: this.logger,
			callback: (name) => this.#callback(name),
			tell: (name, ...args) => this.#tell(name, ...args),
			fail: (error, session, name) => this.#complain(error, session, name),
		};
	}

	#begin(peer) {
		const connection = new Connection(this.#core, peer, this.#owner);
		this.connections.add(connection);
		return connection;
	}

	#certificateOf(name, done) {
		const { certificateOf } = this.#known;
		return certificateOf === undefined ? done(null, undefined) : certificateOf(name, done);
	}

	/** A method of the application, looked up when it is due: it may be put there at any time. */
	#callback(name) {
		const method = this[name];
		return { method, takesDone: method.length >= PARAMS[name] };
	}

	#gone(peer) {
		this.connections.delete(peer.data);
		peer.data?.gone();
	}

	/** A callback failed; so may a listener that hears of it. */
	#complain(error, session, name) {
		try {
			if (!this.emit('callback_error', error, session, name))
				host.report(new Error(`SmtpServer: ${name}: ${error?.message ?? error}`,
					{ cause: error }));
		} catch (worse) {
			host.report(worse);
		}
	}

	#tell(name, ...args) {
		if (name === 'error' && this.listenerCount('error') === 0)
			throw args[0];
		try {
			this.emit(name, ...args);
		} catch (error) {
			this.#complain(error, undefined, name);
		}
	}
}

module.exports = { SmtpServer };
