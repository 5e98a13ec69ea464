'use strict';
// How callbacks are asked, and what they say.
//
// A callback (…, done) calls done(error, value) once; an error is a refusal and goes out with its
// responseCode. What it returns does not count, unless it is a promise of something. One that is
// declared without `done` answers by what it returns, or by a promise. An Error with a responseCode
// that is thrown, or that a promise is rejected with, is a refusal, too; any other is a failure.

const { peek } = require('../core/peek');

const TEXT_MAX = 450;

const codeOf = (error) => {
	const code = peek(error, 'responseCode');
	return Number.isInteger(code) && code >= 400 && code <= 599 ? code : undefined;
};

/** Without line ends, which no reply may have. */
function lineOf(value) {
	return String(value ?? '').replace(/[\x00-\x1F\x7F]+/g, ' ').trim().slice(0, TEXT_MAX);
}

const isPromise = (value) => typeof value?.then === 'function';

class Question {
	#takesDone;
	#settled;
	#outcome; // { error, value, called } or { failure }
	#wait;

	/** `settled` is called once, as soon as the answer is known. */
	constructor(takesDone, settled) {
		this.#takesDone = takesDone;
		this.#settled = settled;
	}

	/** fn(done) */
	ask(fn) {
		let given;
		try {
			given = fn((error, value) => this.#settle({ error, value, called: true }));
		} catch (error) {
			this.#thrown(error);
		}
		if (isPromise(given))
			given.then((value) => this.#promised(value), (error) => this.#rejected(error));
		else if (!this.#takesDone && this.#outcome === undefined)
			this.#settle({ value: given });
		return this;
	}

	/** then({ error, value, called }), now or when it is known; the core tells of failures. */
	answer(core, event, name, then) {
		if (this.#outcome === undefined)
			this.#wait = core.wait(event, name, then);
		else
			core.run(event, name, () => good(this.#outcome), then);
	}

	#settle(outcome) {
		if (this.#outcome !== undefined)
			return;
		this.#outcome = outcome;
		this.#settled?.();
		if (outcome.failure === undefined)
			this.#wait?.good(outcome);
		else
			this.#wait?.bad(outcome.failure);
	}

	/** It counts even behind done(), as long as nobody was told. */
	#thrown(error) {
		if (this.#outcome !== undefined)
			this.#outcome = { failure: error };
		else
			this.#rejected(error);
	}

	#promised(value) {
		if (value !== undefined || !this.#takesDone)
			this.#settle({ value });
	}

	#rejected(error) {
		if (codeOf(error) === undefined)
			this.#settle({ failure: error ?? new Error(`rejected with ${error}`) });
		else
			this.#settle({ error });
	}
}

function good(outcome) {
	if (outcome.failure !== undefined)
		throw outcome.failure;
	return outcome;
}

/** fn(done), then(what it says: { error, value, called }). */
function ask(core, event, name, takesDone, fn, then) {
	new Question(takesDone).ask(fn).answer(core, event, name, then);
}

/** What a refusal says: [code, text, enhanced code]. */
function refusalOf(error, otherwise) {
	return [codeOf(error) ?? otherwise, lineOf(error?.message ?? error),
		typeof error?.enhancedCode === 'string' ? error.enhancedCode : undefined];
}

/** Answer an event with a no. */
function refuse(event, error, otherwise, close = false) {
	const [code, text, enhanced] = refusalOf(error, otherwise);
	event.no(code < 500 ? 'AGAIN' : 'DENIED', { code, text, enhanced, close });
	return `${code} ${text}`;
}

module.exports = { Question, ask, refuse, refusalOf, lineOf };
