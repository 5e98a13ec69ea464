'use strict';
// Servers made by hand, for what no good server says: listen(relay) → { port, accept(), close() };
// accept() gives a promise of a Connection (connect.js).
const { Connection, NodeSocket, RelaySocket } = require('./connect');

class NodeListener {
	#server;
	#come = [];
	#waiting = [];
	#all = [];

	async open() {
		const { createServer } = require('net');
		this.#server = createServer((socket) => {
			const own = new NodeSocket();
			own.attach(socket);
			this.#all.push(own);
			if (this.#waiting.length)
				this.#waiting.shift()(own);
			else
				this.#come.push(own);
		});
		await new Promise((good) => this.#server.listen(0, '127.0.0.1', good));
		this.port = this.#server.address().port;
	}

	async accept() {
		return new Connection(this.#come.shift() ??
			await new Promise((good) => this.#waiting.push(good)));
	}

	close() {
		this.#server.close();
		for (const socket of this.#all)
			socket.close();
	}
}

class RelayListener {
	#relay;
	#number;

	async open(relay) {
		const reply = await fetch(`${relay}/listen/127.0.0.1/0`, { method: 'POST' });
		const [number, port] = (await reply.text()).split(' ');
		this.#relay = relay;
		this.#number = number;
		this.port = Number(port);
	}

	async accept() {
		const reply = await fetch(`${this.#relay}/${this.#number}/accept`, { method: 'POST' });
		const socket = new RelaySocket();
		socket.attach(`${this.#relay}/${await reply.text()}`);
		return new Connection(socket);
	}

	async close() {
		await fetch(`${this.#relay}/${this.#number}/close`, { method: 'POST' });
	}
}

async function listen(relay) {
	const listener = typeof infinity === 'undefined' ? new NodeListener() : new RelayListener();
	await listener.open(relay);
	return listener;
}

module.exports = { listen };
