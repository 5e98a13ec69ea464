'use strict';
// Raw connections for lines, to see what is really said. Node.js has sockets; for `lettermill run`
// tests/e2e/lib/relay.py holds them, asked by HTTP.

const AHEAD = 16; // pieces read before somebody wants them

// What gives and takes octets as strings of one unit each, and says undefined at the end.
class NodeSocket {
	#socket;
	#pieces = [];
	#over = false;
	#wake = () => {};

	async open(address, port) {
		const { connect } = require('net');
		const socket = connect({ host: address, port });
		this.attach(socket);
		await new Promise((good, bad) => socket.once('connect', good).once('error', bad));
	}

	attach(socket) {
		const tell = () => this.#wake();
		this.#socket = socket;
		this.#socket.on('data', (data) => {
			this.#pieces.push(data.toString('latin1'));
			if (this.#pieces.length > AHEAD)
				this.#socket.pause();
			tell();
		}).on('close', () => {
			this.#over = true;
			tell();
		}).on('error', () => {});
	}

	write(text) {
		this.#socket.write(text, 'latin1');
	}

	async read() {
		while (!this.#pieces.length && !this.#over)
			await new Promise((good) => {
				this.#wake = good;
			});
		if (this.#pieces.length <= AHEAD)
			this.#socket.resume();
		return this.#pieces.shift();
	}

	end() {
		this.#socket.end();
	}

	reset() {
		this.#socket.resetAndDestroy();
	}

	close() {
		this.#socket.destroy();
	}
}

class RelaySocket {
	#url;
	#last = Promise.resolve();

	async open(address, port, relay) {
		if (!relay)
			throw new Error('connections need --relay: start this by bindings/test/run');
		const reply = await fetch(`${relay}/open/${address}/${port}`, { method: 'POST' });
		if (!reply.ok)
			throw new Error(`cannot connect to ${address}:${port}: ${await reply.text()}`);
		this.attach(`${relay}/${await reply.text()}`);
	}

	attach(url) {
		this.#url = url;
	}

	// In the order of the calls.
	#ask(verb, body) {
		this.#last = this.#last.then(() => fetch(`${this.#url}/${verb}`, { method: 'POST', body }));
		return this.#last;
	}

	write(text) {
		this.#ask('write', Uint8Array.from(text, (unit) => unit.charCodeAt(0)));
	}

	async read() {
		await this.#last;
		const reply = await fetch(`${this.#url}/read`, { method: 'POST' });
		const octets = new Uint8Array(await reply.arrayBuffer());
		let text = '';
		for (const octet of octets)
			text += String.fromCharCode(octet);
		return octets.length ? text : undefined;
	}

	end() {
		return this.#ask('end');
	}

	reset() {
		return this.#ask('reset');
	}

	close() {
		return this.#ask('close');
	}
}

class Connection {
	#socket;
	#rest = '';
	#over = false;

	constructor(socket) {
		this.#socket = socket;
	}

	// A string of one unit for each octet, as all here.
	write(text) {
		this.#socket.write(text);
	}

	async #more() {
		const piece = this.#over ? undefined : await this.#socket.read();
		this.#over ||= piece === undefined;
		this.#rest += piece ?? '';
		return !this.#over;
	}

	// Without its CRLF; undefined at the end.
	async line() {
		let at;
		while ((at = this.#rest.indexOf('\r\n')) < 0)
			if (!await this.#more())
				return undefined;
		const line = this.#rest.slice(0, at);
		this.#rest = this.#rest.slice(at + 2);
		return line;
	}

	// Of a multi-line reply of POP3, without the dot that ends them and without stuffing.
	async lines() {
		const list = [];
		for (let line; (line = await this.line()) !== '.';) {
			if (line === undefined)
				throw new Error(`the connection ended within a reply: ${list.slice(-3)}`);
			list.push(line.startsWith('.') ? line.slice(1) : line);
		}
		return list;
	}

	// All lines of a reply of SMTP.
	async reply() {
		const list = [];
		do
			list.push(await this.line());
		while (list.at(-1)?.[3] === '-');
		return list;
	}

	// Say a line, return the next one.
	ask(line) {
		this.write(`${line}\r\n`);
		return this.line();
	}

	// All that comes until the other side ends.
	async all() {
		while (await this.#more())
			;
		const rest = this.#rest;
		this.#rest = '';
		return rest;
	}

	// Say no more, but listen.
	end() {
		return this.#socket.end();
	}

	// TCP reset.
	reset() {
		return this.#socket.reset();
	}

	close() {
		return this.#socket.close();
	}
}

async function connect(address, port, relay) {
	const socket = typeof infinity === 'undefined' ? new NodeSocket() : new RelaySocket();
	await socket.open(address, port, relay);
	return new Connection(socket);
}

module.exports = { connect, Connection, NodeSocket, RelaySocket };
