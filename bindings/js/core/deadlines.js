'use strict';
// Deadlines that are all equally long, kept by one timer that keeps no program alive.
//
// watch(late) → token; late() is called unless drop(token) comes first.
const host = require('../host');

class Deadlines {
	#length;
	#tokens = new Set(); // in the order they are due
	#armed = false;

	constructor(ms) {
		this.#length = ms;
	}

	get length() {
		return this.#length;
	}

	watch(late) {
		const token = { late, due: performance.now() + this.#length };
		this.#tokens.add(token);
		if (!this.#armed)
			this.#arm(this.#length);
		return token;
	}

	drop(token) {
		this.#tokens.delete(token);
	}

	#arm(ms) {
		this.#armed = true;
		host.unref(setTimeout(() => this.#look(), Math.max(1, Math.ceil(ms))));
	}

	#look() {
		const now = performance.now();
		for (const token of this.#tokens) {
			if (token.due > now) {
				this.#arm(token.due - now);
				return;
			}
			this.#tokens.delete(token);
			token.late();
		}
		this.#armed = false;
	}
}

module.exports = { Deadlines };
