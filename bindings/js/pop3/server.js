'use strict';
// PopServer: callbacks of an application behind two listeners.
const host = require('../host');
const { Server } = require('../core/server');
const { startError } = require('../core/start_error');
const { readArguments } = require('./options');
const { Callbacks } = require('./config');
const { Dialogue } = require('./dialogue');

const DECIDES = ['USER', 'AUTH', 'AUTH_DONE', 'MAILDROP', 'RETR', 'TOP', 'QUIT'];
const HEARS = ['CONNECT', 'DELE', 'RSET', 'COMMAND'];

/** Does some language leave words open? */
const asksForWords = (texts) => texts.some(([, , pairs]) => pairs.some(([, text]) => text === null));

function addressOf(endpoint) {
	if (endpoint === undefined)
		return null;
	const at = endpoint.lastIndexOf(':');
	const address = endpoint.slice(0, at).replace(/^\[|\]$/g, '');
	return { address, family: address.includes(':') ? 'IPv6' : 'IPv4',
		port: Number(endpoint.slice(at + 1)) };
}

class PopServer extends host.EventEmitter {
	#core;
	#arguments;
	#callbacks;
	#closing;

	/** (config, hostname, plain port, secure port, backlog, timeout, TLS options, options) */
	constructor(config, ...args) {
		super();
		this.#callbacks = new Callbacks(config);
		this.#arguments = readArguments(args, this.#callbacks);
		const { hostname, listeners, backlog, timeout, tls, options } = this.#arguments;
		this.config = config;
		this.hostname = hostname ?? '0.0.0.0';
		this.plain_port = listeners.plain.port;
		this.secure_port = listeners.secure.port;
		this.backlog = backlog;
		this.timeout = options.timeout ?? timeout ?? 600000;
		this.tls_options = options.tls ?? tls ?? {};
		this.#core = this.#makeCore();
	}

	#makeCore() {
		const { settings, texts, sni, callbackTimeout } = this.#arguments;
		const decides = [...DECIDES];
		if (asksForWords(texts))
			decides.push('SAY');
		if (sni !== undefined)
			decides.push('CERTIFICATE');
		const given = this.#makeSettings();
		const core = new Server({
			decides,
			hears: HEARS,
			deadline: callbackTimeout,
			event: (session, event) => {
				session.data ??= new Dialogue(core, session, given);
				session.data.take(event);
			},
			gone: (session) => session.data?.gone(),
			failed: (error, session, name, event) => this.#failed(error, session, name, event),
		});
		for (const [name, text] of settings)
			core.set(name, text);
		for (const language of texts)
			core.language(...language);
		return core;
	}

	/** What sessions need of their server. */
	#makeSettings() {
		const { languages, sni, name } = this.#arguments;
		return {
			server: this, callbacks: this.#callbacks, sni, hostname: name,
			language: languages.tag, languages: languages.map,
			tell: (connection, ...event) => this.#tell(connection, ...event),
			complain: (...failure) => this.#complain(...failure),
		};
	}

	#failed(error, session, name, event) {
		session?.data?.failed(event);
		this.#complain(error, session?.data?.connection, name);
	}

	/** A callback failed; so may a listener that hears of it. */
	#complain(error, connection, name) {
		try {
			if (!this.emit('callback_error', error, connection, name))
				host.report(new Error(`PopServer: ${name}: ${error?.message ?? error}`,
					{ cause: error }));
		} catch (worse) {
			host.report(worse);
		}
	}

	#tell(connection, name, ...args) {
		try {
			this.emit(name, ...args);
		} catch (error) {
			this.#complain(error, connection, name);
		}
	}

	#each(name, ...args) {
		const { plain, secure } = this.#arguments.listeners;
		if (plain.port !== null)
			this.#tell(undefined, name, false, ...args);
		if (secure.port !== null)
			this.#tell(undefined, name, true, ...args);
	}

	/** Listen. The promise is kept when all that was asked for does, with the server. */
	run() {
		const started = this.#start();
		if (this.listenerCount('server_error') > 0)
			started.catch(() => {});
		return started;
	}

	async #start() {
		try {
			this.#core.start();
		} catch (error) {
			await undefined; // Who hears of it may come behind run().
			const isSecure = this.#isSecure(error);
			startError(error, this.#arguments.listeners[isSecure ? 'secure' : 'plain']);
			this.#tell(undefined, 'server_error', isSecure, error);
			throw error;
		}
		this.#closing = undefined;
		await undefined;
		this.#each('server_listening');
		return this;
	}

	/** Whose fault it is, by its words. */
	#isSecure({ message }) {
		const { plain, secure } = this.#arguments.listeners;
		return plain.port === null || message.startsWith('pop3s:') ||
			(secure.port !== null && secure.endpoint !== plain.endpoint &&
				message.includes(` ${secure.endpoint}:`));
	}

	get listening() {
		return this.#core.running && this.#closing === undefined;
	}

	/** Where a listener is: { address, family, port }; null where it is not. */
	address(secure = false) {
		return addressOf(this.#core.endpoint(secure ? 'pop3s' : 'pop3'));
	}

	/** Accept no more, let commands under way end, then close. `done` and the promise tell when all
	 * is over; { timeout } is how long sessions may take. */
	close(done) {
		if (this.#core.running) {
			const ended = this.#core.drain(done?.timeout ?? this.#arguments.drainTimeout);
			this.#closing ??= ended.then(() => this.#each('server_close'));
		}
		const closed = Promise.resolve(this.#closing).then(() => this);
		if (typeof done === 'function')
			closed.then(() => done());
		return closed;
	}

	/** Figures of the server while it runs. */
	stats() {
		return this.#core.stats();
	}
}

module.exports = { PopServer };
