'use strict';
// What Pop3Client and SmtpClient have in common for their users.
const host = require('../host');
const { clientOptions, credentialsOf } = require('./options');
const { Connection, linesOf } = require('./connection');
const { MailError } = require('./error');

/** Where a client keeps its Connection. */
const inner = Symbol('connection');
/** A request with what users may say of all of them; a promise of its OUTCOME. */
const ask = Symbol('ask');
const ASYNC_DISPOSE = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');

/** Events: 'trace' ({ from: 'client' or 'server', line }; to be listened for before connect()),
 * 'close', and 'error' for an end that nobody asked for, where it is listened for. */
class Client extends host.EventEmitter {
	constructor(options, protocol) {
		super();
		const client = this;
		this[inner] = new Connection({
			get traces() {
				return client.listenerCount('trace') > 0;
			},
			trace: (line) => this.emit('trace', line),
			ended: (error) => {
				if (error !== undefined && this.listenerCount('error') > 0)
					this.emit('error', error);
				this.emit('close');
			},
		}, clientOptions(options, protocol));
	}

	/** Connect, secure, log in. */
	static async connect(options) {
		return new this(options).connect();
	}

	async connect(options) {
		await this[inner].connect(options);
		return this;
	}

	[ask](type, options, { signal } = {}) {
		return this[inner].request(type, options, { signal });
	}

	/** { user, password, authzid, mechanism, token }, where connect() was given none. */
	async login(credentials, options) {
		await this[ask]('LOGIN', credentialsOf(credentials), options);
	}

	get connected() {
		return this[inner].state === 'open';
	}

	/** Greeting, capabilities, TLS, addresses, as last told; empty before. */
	get info() {
		return this[inner].info;
	}

	/** What the server says of a capability: '' or its parameters; undefined: it has it not. */
	has(name) {
		const wanted = name.toUpperCase();
		const line = (this.info.capabilities ?? []).find((each) =>
			each.toUpperCase() === wanted || each.toUpperCase().startsWith(`${wanted} `));
		return line?.slice(wanted.length + 1);
	}

	/** The server's capabilities anew, a string each. */
	async capabilities(options) {
		return linesOf((await this[ask]('CAPA', {}, options)).items);
	}

	async noop(options) {
		await this[ask]('NOOP', {}, options);
	}

	async reset(options) {
		await this[ask]('RSET', {}, options);
	}

	/** QUIT, behind all calls made before; then the connection ends. */
	async quit(options) {
		await this[ask]('QUIT', {}, options);
		await this[inner].ended();
	}

	/** End at once, without QUIT; calls that wait are rejected. Resolves when it has ended. */
	close() {
		this[inner].destroy(new MailError('CLOSED', 'the client was closed', { side: 'client' }));
		return this[inner].ended();
	}

	async [ASYNC_DISPOSE]() {
		if (this.connected)
			await this.quit();
		else
			await this.close();
	}
}

module.exports = { Client, inner, ask };
