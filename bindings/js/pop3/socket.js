'use strict';
// The client's end of a session, as far as an application may see and touch it: octets are the
// library's.
const { EventEmitter } = require('../host');

function notHere(name) {
	throw Object.assign(new Error(`PopSocket: ${name}: the library reads and writes; an ` +
		'application can close()'), { code: 'UNSUPPORTED' });
}

/** What a net.Socket would say of itself. */
class PeerSocket {
	#session;

	constructor(session) {
		this.#session = session;
	}

	get remoteAddress() {
		return this.#session.info.peerAddress;
	}

	get remotePort() {
		return this.#session.info.peerPort;
	}

	get remoteFamily() {
		return this.remoteAddress?.includes(':') ? 'IPv6' : 'IPv4';
	}

	get localAddress() {
		return this.#session.info.localAddress;
	}

	get localPort() {
		return this.#session.info.localPort;
	}

	get encrypted() {
		return Boolean(this.#session.info.tls);
	}

	get servername() {
		return this.#session.info.serverName || false;
	}

	getProtocol() {
		return this.#session.info.tlsVersion || null;
	}

	get destroyed() {
		return this.#session.ended;
	}

	destroy() {
		this.#session.close();
		return this;
	}

	end() {
		return this.destroy();
	}
}

class PopSocket extends EventEmitter {
	#socket;
	#session;

	constructor(session) {
		super();
		this.#session = session;
	}

	/** Under TLS now: on the secure port, or by STLS. */
	get secure() {
		return Boolean(this.#session.info.tls);
	}

	get socket() {
		return this.#socket ??= new PeerSocket(this.#session);
	}

	get address() {
		return this.#session.info.peerAddress;
	}

	get port() {
		return this.#session.info.peerPort;
	}

	get family() {
		return this.socket.remoteFamily;
	}

	/** "IPv4 192.0.2.1:4711" */
	get peer() {
		const { address } = this;
		return `${this.family} ${address.includes(':') ? `[${address}]` : address}:${this.port}`;
	}

	/** Cut the connection; what was marked for deletion stays. */
	close() {
		this.#session.close();
	}

	static connect() {
		notHere('connect (Pop3Client is the client)');
	}

	pause() {
		notHere('pause');
	}

	resume() {
		notHere('resume');
	}

	set_timeout() {
		notHere('set_timeout (PopServer has the option timeout)');
	}

	write() {
		notHere('write');
	}
}

/** Commands were cut out of octets by this one; sessions do that themselves. */
class PopServerStream {
	constructor() {
		notHere('PopServerStream');
	}
}

module.exports = { PopSocket, PopServerStream };
