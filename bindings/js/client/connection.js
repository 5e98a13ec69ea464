'use strict';
// The connection behind a client: its beginning and end, and the requests that wait for it.
//
// Requests may be made at once and in any number; they are handed over in order, some ahead of
// their answers. `owner` has trace({ from, line }), ended(error or undefined), traces (a boolean).
const host = require('../host');
const { clients } = require('../core/pump');
const { outcomeError, closedError, misuse, abortError, MailError } = require('./error');
const { checkSignal, watch } = require('./signal');
const { native } = host;
const { events } = native.constants();

// As many are handed over; the rest can still be taken back.
const WINDOW = 16;
// What is left of a message nobody wants passes by; more of it ends the connection.
const PASS_MAX = 1024 * 1024;
const NOTHING = Object.freeze({});

function linesOf(text = '') {
	const lines = text.split('\n');
	if (lines.at(-1) === '')
		lines.pop();
	return lines;
}

/** Where a call came from: what its failure would else not say. */
function siteOf() {
	if (Error.captureStackTrace === undefined)
		return new Error();
	const site = {};
	Error.captureStackTrace(site, siteOf);
	return site;
}

function seenFrom({ stack = '' }, error) {
	const frames = stack.indexOf('\n    at '); // as V8 writes them, behind the message
	if (frames >= 0)
		error.stack = `${error.name} [${error.code}]: ${error.message}${stack.slice(frames)}`;
	else if (stack !== '')
		error.stack = stack;
	return error;
}

class Connection {
	#owner;
	#options;
	#number;
	#state = 'new'; // connecting, open, ending (QUIT is under way), closed
	#waiting = [];
	#sent = new Map();
	#next = 1;
	#beginning; // of connect()
	#ended; // { promise, resolve } of those who wait for the end
	#why; // the error it ended with
	#tokenError;
	info = NOTHING;

	constructor(owner, options) {
		this.#owner = owner;
		this.#options = options;
		checkSignal(options.signal);
	}

	get state() {
		return this.#state;
	}

	connect({ signal = this.#options.signal } = {}) {
		return new Promise((resolve, reject) => {
			checkSignal(signal);
			if (this.#state !== 'new')
				throw misuse('connect() was called before: make a new client');
			this.#beginning = { resolve, reject, site: siteOf() };
			if (signal?.aborted) {
				this.#state = 'closed';
				reject(abortError(signal));
				return;
			}
			this.#open(signal);
		});
	}

	#open(signal) {
		const { plan } = this.#options;
		plan.trace ||= this.#owner.traces;
		this.#number = native.clientNew(plan);
		this.#state = 'connecting';
		clients.set(this.#number, this);
		this.#beginning.stop = watch(signal, (error) => this.destroy(error));
	}

	/** Resolves when it has ended. */
	ended() {
		if (this.#state === 'new')
			this.#state = 'closed';
		if (this.#number === undefined)
			return Promise.resolve();
		if (this.#ended === undefined) {
			this.#ended = {};
			this.#ended.promise = new Promise((resolve) => {
				this.#ended.resolve = resolve;
			});
		}
		return this.#ended.promise;
	}

	/** End at once; `error` is what all that waits is rejected with. */
	destroy(error) {
		if (this.#number === undefined || this.#why !== undefined)
			return;
		this.#why = error;
		this.#state = 'closed';
		native.clientAbort(this.#number);
		this.#fail(error);
	}

	#fail(error) {
		const all = [...this.#sent.values(), ...this.#waiting];
		this.#sent.clear();
		this.#waiting = [];
		this.#began(error);
		for (const request of all)
			request.over(error);
	}

	#began(error) {
		const beginning = this.#beginning;
		this.#beginning = undefined;
		if (beginning === undefined)
			return;
		beginning.stop?.();
		if (error)
			beginning.reject(error);
		else
			beginning.resolve();
	}

	// ---- Requests ----

	/**
	 * A promise of the OUTCOME. `body`: takes { piece(bytes), over(error or undefined) };
	 * `given(number)` is called when it was handed over; `dropped()` when its signal fired
	 * after that: false says that the dialogue cannot go on, else what is told of it passes by.
	 */
	request(type, options, { signal, ...hooks } = {}) {
		return new Promise((resolve, reject) => {
			checkSignal(signal);
			if (signal?.aborted)
				throw abortError(signal);
			this.#refuseLate(type);
			const request = { type, options, ...hooks, isOver: false, passed: 0, site: siteOf() };
			request.over = (error, outcome) => {
				if (request.isOver)
					return;
				request.isOver = true;
				request.stop();
				request.body?.over(error);
				if (error)
					reject(error);
				else
					resolve(outcome);
			};
			request.stop = watch(signal, (error) => this.drop(request, error));
			this.#waiting.push(request);
			if (type === 'QUIT')
				this.#state = 'ending';
			hooks.made?.(request);
			this.#give();
		});
	}

	#refuseLate(type) {
		if (this.#state === 'new')
			throw misuse(`${type}: not connected yet: call connect()`);
		if (this.#state === 'ending')
			throw new MailError('CLOSED', `${type}: QUIT was said already`, { side: 'client' });
		if (this.#state === 'closed')
			throw new MailError('CLOSED', `${type}: the client has ended` +
				(this.#why ? `: ${this.#why.message}` : ''),
			{ side: 'client', request: type, cause: this.#why });
	}

	#give() {
		while (this.#waiting.length && this.#sent.size < WINDOW && this.#why === undefined) {
			const request = this.#waiting.shift();
			request.number = this.#next++;
			this.#sent.set(request.number, request);
			try {
				native.clientRequest(this.#number, request.number, request.type, request.options);
				request.given?.(request.number);
			} catch (error) {
				this.#sent.delete(request.number);
				request.over(error);
			}
		}
	}

	/** Nobody waits for it any more. */
	drop(request, error) {
		const at = this.#waiting.indexOf(request);
		if (at >= 0)
			this.#waiting.splice(at, 1);
		request.over(error);
		if (request.type === 'QUIT' || (at < 0 && request.dropped?.() === false))
			this.destroy(error);
	}

	/** Octets of BODY entries were used. */
	taken(octets) {
		if (octets && this.#number !== undefined)
			native.taken(this.#number, octets);
	}

	// What clientBytes and clientPipe want.
	get number() {
		return this.#number;
	}

	// ---- Entries ----

	/** From the pump. */
	take(entry) {
		switch (entry.type) {
		case events.OUTCOME:
			this.#outcome(entry);
			break;
		case events.BODY:
			this.#body(entry);
			break;
		case events.AUTH:
			this.#askToken();
			break;
		case events.TRACE:
			this.#owner.trace({ from: entry.verb === 'S' ? 'server' : 'client',
				line: entry.argument });
			break;
		case events.CLOSED:
			this.#closed(entry);
			break;
		}
	}

	#outcome(entry) {
		if (entry.info !== undefined)
			this.info = Object.freeze({ ...entry.info,
				capabilities: linesOf(entry.info.capabilities) });
		if (entry.request === 0) {
			this.#opened(entry);
			return;
		}
		const request = this.#sent.get(entry.request);
		this.#sent.delete(entry.request);
		this.#give();
		if (request === undefined)
			return;
		const failed = entry.result && !request.mayFail?.(entry);
		request.over(failed ? seenFrom(request.site, outcomeError(entry)) : undefined, entry);
	}

	#opened(entry) {
		if (this.#why !== undefined)
			return;
		if (entry.result === 0) {
			if (this.#state === 'connecting')
				this.#state = 'open';
			this.#began();
			return;
		}
		const error = seenFrom(this.#beginning?.site ?? {}, outcomeError(entry));
		if (this.#tokenError !== undefined)
			error.cause = this.#tokenError;
		this.destroy(error);
	}

	#body(entry) {
		const request = this.#sent.get(entry.request);
		if (request?.body !== undefined && !request.isOver) {
			request.body.piece(entry.bytes);
			return;
		}
		const n = entry.bytes.length;
		this.taken(n);
		if (request !== undefined && (request.passed += n) > PASS_MAX)
			this.destroy(new MailError('CLOSED', 'the connection was closed: the rest of a ' +
				'message that nobody wants is long', { side: 'client' }));
	}

	#askToken() {
		const say = (token) => {
			if (this.#why === undefined && this.#number !== undefined)
				native.clientToken(this.#number, typeof token === 'string' ? token : null);
		};
		new Promise((resolve) => resolve(this.#options.token())).then((token) => {
			if (typeof token !== 'string')
				this.#tokenError = new TypeError('token: the function must give a string');
			say(token);
		}, (error) => {
			this.#tokenError = error;
			say(null);
		});
	}

	#closed(entry) {
		const isUnexpected = this.#why === undefined && entry.code !== 0;
		const number = this.#number;
		clients.delete(number);
		native.clientFree(number);
		this.#number = undefined;
		this.#state = 'closed';
		this.#why ??= closedError(entry);
		this.#fail(this.#why);
		this.#ended?.resolve();
		this.#owner.ended(isUnexpected ? this.#why : undefined);
	}
}

module.exports = { Connection, linesOf };
