'use strict';
// Deadlines that are all equally long, kept by one timer that keeps no program alive.
//
// watch(late) → token; late() is called unless drop(token) comes first.
const host = require('../host');

class Token {
	constructor(late, due, before) {
		this.late = late;
		this.due = due;
		this.before = before;
		this.after = undefined;
		this.waits = true;
	}
}

class Deadlines {
	#length;
	#first; // of a list in the order they are due
	#last;
	#armed = false;

	constructor(ms) {
		this.#length = ms;
	}

	get length() {
		return this.#length;
	}

	watch(late) {
		const token = new Token(late, performance.now() + this.#length, this.#last);
		if (this.#last === undefined)
			this.#first = token;
		else
			this.#last.after = token;
		this.#last = token;
		if (!this.#armed)
			this.#arm(this.#length);
		return token;
	}

	drop(token) {
		if (!token?.waits)
			return;
		const { before, after } = token;
		token.waits = false;
		token.before = token.after = undefined;
		if (before === undefined)
			this.#first = after;
		else
			before.after = after;
		if (after === undefined)
			this.#last = before;
		else
			after.before = before;
	}

	#arm(ms) {
		this.#armed = true;
		host.unref(setTimeout(() => this.#look(), Math.max(1, Math.ceil(ms))));
	}

	#look() {
		const now = performance.now();
		for (let token = this.#first; token !== undefined; token = this.#first) {
			if (token.due > now) {
				this.#arm(token.due - now);
				return;
			}
			this.drop(token);
			token.late();
		}
		this.#armed = false;
	}
}

module.exports = { Deadlines };
