'use strict';
// The server's end that listens, as far as it resembles a net.Server.
const { EventEmitter } = require('../host');

const isObject = (x) => typeof x === 'object' && x !== null;

function failure(Kind, code, message, more) {
	return Object.assign(new Kind(message), { code }, more);
}

function portOf(value) {
	const port = value == null ? 0 : Number(value);
	if (value === '' || !Number.isInteger(port) || port < 0 || port > 65535)
		throw failure(RangeError, 'ERR_SOCKET_BAD_PORT',
			`SmtpServer: listen: port: a whole number from 0 to 65535 is wanted, not ${value}`);
	return port;
}

const isPath = (value) => typeof value === 'string' && !/^\d*$/.test(value);

function placeOf(first, second) {
	if (isObject(first))
		return first.path === undefined ? { port: portOf(first.port), host: first.host } :
			{ path: first.path };
	return isPath(first) ? { path: first } :
		{ port: portOf(first), host: typeof second === 'string' ? second : undefined };
}

/** (port, host, backlog, done), (path, done), ({ port, host, path }, done), (done) and what is
 * between: { port, host, path, done }. A backlog counts for nothing: the library has its own. */
function readListen(args) {
	const rest = [...args];
	const done = typeof rest.at(-1) === 'function' ? rest.pop() : undefined;
	const place = placeOf(rest[0], rest[1]);
	if (place.host != null && typeof place.host !== 'string')
		throw new TypeError('SmtpServer: listen: host: a string is wanted');
	return { ...place, done };
}

const ANY = [undefined, null, '', '::'];

/** As an option of a Lettermill server has it. */
function endpointOf({ port, host, path }) {
	if (path !== undefined)
		return path.startsWith('/') ? path : `unix:${path}`;
	if (ANY.includes(host))
		return `*:${port}`;
	const address = host === 'localhost' ? '127.0.0.1' : host;
	return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** "127.0.0.1:25" of the library as net.Server has it. */
function addressOf(endpoint) {
	const at = endpoint.lastIndexOf(':');
	if (endpoint.startsWith('/') || at < 0)
		return endpoint;
	const host = endpoint.slice(0, at).replace(/^\[|\]$/g, '');
	const address = host === '*' ? '::' : host;
	return { address, family: address.includes(':') ? 'IPv6' : 'IPv4',
		port: Number(endpoint.slice(at + 1)) };
}

class Listener extends EventEmitter {
	#owner;

	/** `owner`: { listen(args), close(done), endpoint(), connections() }. */
	constructor(owner) {
		super();
		this.#owner = owner;
	}

	get listening() {
		return this.#owner.endpoint() !== undefined;
	}

	/** { address, family, port }, a path, or null where it does not listen. */
	address() {
		const endpoint = this.#owner.endpoint();
		return endpoint === undefined ? null : addressOf(endpoint);
	}

	getConnections(done) {
		const count = this.#owner.connections();
		Promise.resolve().then(() => done(null, count));
		return this;
	}

	listen(...args) {
		return this.#owner.listen(args);
	}

	close(done) {
		this.#owner.close(done);
		return this;
	}

	ref() {
		return this;
	}
}

module.exports = { Listener, readListen, endpointOf };
