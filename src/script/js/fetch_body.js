'use strict';
// What fetch's classes are made of: Headers, and bodies in every form.

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const headerName = (name) => {
	if (!token.test(internal.string('Headers name', name)))
		throw new TypeError(`Headers name: a token, not ${internal.shown(name)}`);
	return name;
};

// Values may be secrets: they are never shown.
const headerValue = (value) => {
	const text = String(value).replace(/^[\t\r\n ]+|[\t\r\n ]+$/g, '');
	if (/[\r\n\0]/.test(text))
		throw new TypeError('Headers value: no CR, LF or NUL can stand in it');
	return text;
};

class Headers {
	// By name in lower case: the name as it was written first, and the values in order.
	#fields = new Map();

	constructor(init) {
		if (init === undefined)
			return;
		if (typeof init !== 'object' || init === null)
			internal.wrongType('Headers', 'an object, an array of pairs, or Headers', init);
		if (init instanceof Headers) {
			for (const [key, field] of init.#fields)
				this.#fields.set(key, { name: field.name, values: [...field.values] });
			return;
		}
		const isIterable = typeof init[Symbol.iterator] === 'function';
		for (const pair of isIterable ? init : Object.entries(init)) {
			if (typeof pair !== 'object' || pair === null || pair.length !== 2)
				internal.wrongType('Headers', 'pairs of name and value', pair);
			this.append(pair[0], pair[1]);
		}
	}

	append(name, value) {
		const key = headerName(name).toLowerCase();
		const text = headerValue(value);
		const field = this.#fields.get(key);
		if (field)
			field.values.push(text);
		else
			this.#fields.set(key, { name, values: [text] });
	}

	set(name, value) {
		this.#fields.set(headerName(name).toLowerCase(), { name, values: [headerValue(value)] });
	}

	delete(name) {
		this.#fields.delete(headerName(name).toLowerCase());
	}

	get(name) {
		return this.#fields.get(headerName(name).toLowerCase())?.values.join(', ') ?? null;
	}

	has(name) {
		return this.#fields.has(headerName(name).toLowerCase());
	}

	getSetCookie() {
		return [...this.#fields.get('set-cookie')?.values ?? []];
	}

	*entries() {
		for (const key of [...this.#fields.keys()].sort()) {
			const values = this.#fields.get(key)?.values ?? [];
			if (key === 'set-cookie')
				yield* values.map((value) => [key, value]);
			else if (values.length)
				yield [key, values.join(', ')];
		}
	}

	*keys() {
		for (const [key] of this.entries())
			yield key;
	}

	*values() {
		for (const [, value] of this.entries())
			yield value;
	}

	forEach(callback, self) {
		internal.callable('Headers.forEach callback', callback);
		for (const [key, value] of this.entries())
			callback.call(self, value, key, this);
	}

	[Symbol.iterator]() {
		return this.entries();
	}

	get [Symbol.toStringTag]() {
		return 'Headers';
	}

	// As they were written, for the line.
	static lines(headers) {
		return [...headers.#fields.values()].flatMap(
			({ name, values }) => values.flatMap((value) => [name, value]));
	}
}
const headerLines = Headers.lines;
delete Headers.lines;

// A source is where a body's octets are: whole(form) and chunks(), any number of times.

// In memory, or a stream of the script's: `data` is what C takes.
class Ready {
	constructor(data) {
		this.data = data;
	}

	async whole(form) {
		return native.fetchOctets(this.data, form);
	}

	async *chunks() {
		const bytes = native.fetchOctets(this.data, 'bytes');
		if (bytes.length)
			yield bytes;
	}

	share() {
		return this;
	}

	leave() {}
}

// On its way from a server: octets are kept as they come, so that each reader has its own pace.
class Incoming {
	#handle;
	#ended = false;
	#error;
	#wake = Promise.withResolvers();
	#readers = 1;
	#forget = () => {};

	constructor(handle, forget) {
		this.#handle = handle;
		this.#forget = forget;
	}

	// Something came, or it ended; `error` is what readers get.
	tell(ended, error) {
		if (this.#ended)
			return;
		this.#ended = ended;
		this.#error = error;
		if (ended)
			this.#forget();
		const { resolve } = this.#wake;
		this.#wake = Promise.withResolvers();
		resolve();
	}

	abort(error) {
		if (this.#ended)
			return;
		native.fetchAbort(this.#handle);
		this.tell(true, error);
	}

	async whole(form) {
		while (!this.#ended)
			await this.#wake.promise;
		if (this.#error !== undefined)
			throw this.#error;
		return native.fetchBody(this.#handle, form);
	}

	async *chunks() {
		for (let at = 0; ;) {
			const bytes = native.fetchRead(this.#handle, at);
			at += bytes.length;
			if (bytes.length)
				yield bytes;
			else if (this.#error !== undefined)
				throw this.#error;
			else if (this.#ended)
				return;
			else
				await this.#wake.promise;
		}
	}

	share() {
		this.#readers++;
		return this;
	}

	// A reader wants no more; when it was the last one, nothing more needs to come.
	leave() {
		if (--this.#readers === 0)
			this.abort(new TypeError('fetch: the body was left'));
	}
}

// A body as script gives it, with the type it has by itself.
const extract = (name, value) => {
	if (value === undefined || value === null)
		return { source: null, type: undefined };
	if (value instanceof Ready || value instanceof Incoming)
		return { source: value, type: undefined };
	if (typeof value === 'string')
		return { source: new Ready(value), type: 'text/plain;charset=UTF-8' };
	if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
		return { source: new Ready(internal.bytes(name, value).slice()), type: undefined };
	if (value instanceof URLSearchParams) {
		const type = 'application/x-www-form-urlencoded;charset=UTF-8';
		return { source: new Ready(value.toString()), type };
	}
	const handle = value instanceof infinity.stream && internal.handle(value);
	if (!handle)
		internal.wrongType(name,
			'a string, a Uint8Array, URLSearchParams or an infinity.stream', value);
	return { source: new Ready(handle), type: undefined };
};

// What Request and Response share.
class Body {
	#source;
	#used = false;
	#readable = null;

	constructor(source) {
		this.#source = source;
	}

	get bodyUsed() {
		return this.#used;
	}

	// The octets as they come: for await (const bytes of response.body) …
	get body() {
		if (this.#source && !this.#readable)
			this.#readable = Object.freeze({
				[Symbol.asyncIterator]: () => this.#chunks(),
				stream: () => this.stream(),
				cancel: async () => this.#use()?.leave(),
			});
		return this.#readable;
	}

	#use() {
		if (this.#used)
			throw new TypeError(`${this.constructor.name}: its body was used already`);
		this.#used = this.#source !== null;
		return this.#source;
	}

	async *#chunks() {
		const source = this.#use();
		try {
			yield* source.chunks();
		} finally {
			source.leave();
		}
	}

	async #whole(form) {
		return (this.#use() ?? new Ready('')).whole(form);
	}

	text() {
		return this.#whole('text');
	}

	bytes() {
		return this.#whole('bytes');
	}

	async json() {
		return JSON.parse((await this.#whole('text')).replace(/^\ufeff/, ''));
	}

	async arrayBuffer() {
		return (await this.#whole('bytes')).buffer;
	}

	async stream() {
		internal.need('infinity.stream');
		return internal.streamOver(await this.#whole('stream'));
	}

	// The source without using it up, for a copy.
	static share(body) {
		if (body.#used)
			throw new TypeError(`${body.constructor.name}: its body was used already`);
		return body.#source?.share() ?? null;
	}

	static use(body) {
		return body.#use();
	}
}
const { share, use } = Body;
delete Body.share;
delete Body.use;

internal.fetch = { Body, Headers, Incoming, Ready, extract, headerLines, share, token, use };
