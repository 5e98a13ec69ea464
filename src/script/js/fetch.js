'use strict';
// fetch, Request and Response, over one exchange at a time in C.

const { Body, Headers, Incoming, extract, headerLines, share, token, use } = internal.fetch;

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_REDIRECTS = 20;
const redirectStatus = [301, 302, 303, 307, 308];
const nullBodyStatus = [101, 103, 204, 205, 304];

// What the connection itself says; a script's word would contradict it.
const ownHeaders = ['connection', 'expect', 'keep-alive', 'proxy-connection', 'te', 'trailer',
	'transfer-encoding', 'upgrade'];
// What is one server's and no other's.
const secretHeaders = ['authorization', 'cookie', 'host', 'proxy-authorization'];

const failure = (code, message) =>
	new TypeError(`fetch: ${message}`, { cause: Object.assign(new Error(message), { code }) });

const urlOf = (url, base) => {
	const text = typeof url === 'object' && typeof url?.href === 'string' ? url.href : url;
	return native.fetchUrl(internal.string('fetch url', text), base);
};

const methodOf = (value) => {
	if (!token.test(internal.string('Request method', value)) || value.length > 40)
		throw new TypeError(`Request method: a token, not ${internal.shown(value)}`);
	const upper = value.toUpperCase();
	if (['CONNECT', 'TRACE', 'TRACK'].includes(upper))
		throw new TypeError(`Request method: ${upper} cannot be used`);
	const common = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH'];
	return common.includes(upper) ? upper : value;
};

const oneOf = (name, value, known) => {
	if (!known.includes(internal.string(name, value)))
		throw new TypeError(`${name}: one of ${known.join(', ')}, not ${internal.shown(value)}`);
	return value;
};

const signalOf = (value) => {
	if (value === undefined || value === null)
		return undefined;
	if (typeof value !== 'object' || typeof value.aborted !== 'boolean' ||
		typeof value.addEventListener !== 'function')
		internal.wrongType('Request signal', 'an AbortSignal', value);
	return value;
};

const optionsOf = (init, before) => {
	const { timeout = before.timeout ?? 0, maxBytes = before.maxBytes ?? MAX_BYTES,
		insecure = before.insecure ?? false, caFile = before.caFile } = init;
	internal.integer('Request timeout', timeout, 0, 1e9);
	internal.integer('Request maxBytes', maxBytes, 0, Number.MAX_SAFE_INTEGER);
	internal.boolean('Request insecure', insecure);
	if (caFile !== undefined)
		internal.string('Request caFile', caFile);
	return { timeout, maxBytes, insecure, caFile };
};

const initOf = (name, init = {}) =>
	typeof init === 'object' && init !== null ? init : internal.wrongType(name, 'an object', init);

class Request extends Body {
	#url;
	#origin;
	#method;
	#headers;
	#redirect;
	#signal;
	#options;

	constructor(input, init) {
		const given = initOf('Request init', init);
		const before = input instanceof Request ? input : undefined;
		const method = methodOf(given.method ?? before?.#method ?? 'GET');
		const { source, type } = extract('Request body', given.body);
		if (source && (method === 'GET' || method === 'HEAD'))
			throw new TypeError(`Request body: ${method} has none`);
		const [url, origin] = before ? [before.#url, before.#origin] : urlOf(input);
		const redirect = oneOf('Request redirect', given.redirect ?? before?.#redirect ?? 'follow',
			['follow', 'error', 'manual']);
		const headers = new Headers(given.headers ?? before?.#headers);
		const signal = signalOf('signal' in given ? given.signal : before?.#signal);
		const options = optionsOf(given, before?.#options ?? {});
		super(source ?? (before && given.body === undefined ? use(before) : null));
		if (type && !headers.has('content-type'))
			headers.set('Content-Type', type);
		[this.#url, this.#origin, this.#method, this.#headers] = [url, origin, method, headers];
		[this.#redirect, this.#signal, this.#options] = [redirect, signal, options];
	}

	get url() {
		return this.#url;
	}

	get method() {
		return this.#method;
	}

	get headers() {
		return this.#headers;
	}

	get redirect() {
		return this.#redirect;
	}

	get signal() {
		return this.#signal;
	}

	clone() {
		return new Request(this.#url, { ...this.#options, method: this.#method,
			headers: this.#headers, redirect: this.#redirect, signal: this.#signal,
			body: share(this) });
	}

	get [Symbol.toStringTag]() {
		return 'Request';
	}

	static facts(request) {
		return { url: request.#url, origin: request.#origin, options: request.#options };
	}
}
const { facts } = Request;
delete Request.facts;

class Response extends Body {
	#status;
	#statusText;
	#headers;
	#url = '';
	#redirected = false;
	#type = 'default';

	constructor(body, init) {
		const { status = 200, statusText = '', headers } = initOf('Response init', init);
		const { source, type } = extract('Response body', body);
		internal.integer('Response status', status, 200, 599);
		if (/[\r\n\0]/.test(internal.string('Response statusText', statusText)))
			throw new TypeError('Response statusText: no CR, LF or NUL can stand in it');
		if (source && nullBodyStatus.includes(status))
			throw new TypeError(`Response body: a response ${status} has none`);
		super(source);
		this.#status = status;
		this.#statusText = statusText;
		this.#headers = new Headers(headers);
		if (type && !this.#headers.has('content-type'))
			this.#headers.set('Content-Type', type);
	}

	get ok() {
		return this.#status >= 200 && this.#status <= 299;
	}

	get status() {
		return this.#status;
	}

	get statusText() {
		return this.#statusText;
	}

	get headers() {
		return this.#headers;
	}

	get url() {
		return this.#url;
	}

	get redirected() {
		return this.#redirected;
	}

	get type() {
		return this.#type;
	}

	clone() {
		const copy = make(share(this), {});
		copy.#status = this.#status;
		copy.#statusText = this.#statusText;
		copy.#headers = new Headers(this.#headers);
		[copy.#url, copy.#redirected, copy.#type] = [this.#url, this.#redirected, this.#type];
		return copy;
	}

	get [Symbol.toStringTag]() {
		return 'Response';
	}

	static json(data, init) {
		const text = JSON.stringify(data);
		if (text === undefined)
			throw new TypeError('Response.json data: JSON cannot say it');
		const given = initOf('Response init', init);
		const headers = new Headers(given.headers);
		if (!headers.has('content-type'))
			headers.set('Content-Type', 'application/json');
		return new Response(text, { ...given, headers });
	}

	static error() {
		return make(null, { status: 0, type: 'error' });
	}

	static redirect(url, status = 302) {
		if (!redirectStatus.includes(internal.integer('Response.redirect status', status, 0, 999)))
			throw new RangeError(`Response.redirect status: one of ${redirectStatus.join(', ')}`);
		return make(null, { status, headers: new Headers({ Location: urlOf(url)[0] }) });
	}

	static make(source, { status = 200, statusText = '', headers, url = '', ...rest }) {
		const made = new Response(source);
		made.#status = status;
		made.#statusText = statusText;
		made.#headers = headers ?? new Headers();
		made.#url = url;
		made.#redirected = rest.redirected ?? false;
		made.#type = rest.type ?? 'default';
		return made;
	}
}
const { make } = Response;
delete Response.make;

// "HTTP/1.1 200 OK", headers, an empty line; a line that begins with a space goes on.
const parseHead = (text) => {
	const [first, ...lines] = text.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
	const [, status, statusText = ''] = /^HTTP\/\S+ +(\d{3}) ?(.*)$/.exec(first) ?? [];
	if (status === undefined)
		throw failure('PROTO', 'the server speaks no HTTP');
	const headers = new Headers();
	for (const line of lines) {
		const colon = line.indexOf(':');
		const name = line.slice(0, Math.max(colon, 0)).trimEnd();
		if (token.test(name))
			headers.append(name, line.slice(colon + 1).replaceAll('\0', '').replaceAll('\r', ''));
	}
	return { status: Number(status), statusText, headers };
};

const start = (hop, event) => {
	try {
		return native.fetchStart(hop.url, hop.method, headerLines(hop.headers),
			hop.source?.data, hop.options, event);
	} catch (thrown) {
		throw typeof thrown.code === 'string' ? failure(thrown.code, thrown.message) : thrown;
	}
};

// One exchange: a promise of its head and the body on its way.
const exchange = (hop, signal) => new Promise((resolve, reject) => {
	let incoming;
	const onAbort = () => {
		incoming.abort(signal.reason);
		reject(signal.reason);
	};
	const event = (kind, code, text) => {
		try {
			if (kind === 'head')
				resolve({ ...parseHead(code), incoming });
			else
				incoming.tell(kind !== 'data', kind === 'fail' ? failure(code, text) : undefined);
			if (kind === 'fail')
				reject(failure(code, text));
		} catch (thrown) {
			incoming.abort(thrown);
			reject(thrown);
		}
	};
	const handle = start(hop, event);
	incoming = new Incoming(handle, () => signal?.removeEventListener?.('abort', onAbort));
	signal?.addEventListener('abort', onAbort);
});

// What a redirect makes of the next request.
const follow = (hop, head) => {
	const location = head.headers.get('location').split(', ', 1)[0];
	const [url, origin] = urlOf(location, hop.url);
	const headers = new Headers(hop.headers);
	const getsGet = head.status === 303 ? hop.method !== 'HEAD'
		: head.status <= 302 && hop.method === 'POST';
	if (getsGet)
		for (const name of ['content-type', 'content-encoding', 'content-language',
			'content-location'])
			headers.delete(name);
	if (origin !== hop.origin)
		for (const name of secretHeaders)
			headers.delete(name);
	return {
		...hop, url, origin, headers,
		method: getsGet ? 'GET' : hop.method,
		source: getsGet ? null : hop.source,
		hops: hop.hops + 1,
	};
};

const respond = (head, hop) => {
	const isNull = hop.method === 'HEAD' || nullBodyStatus.includes(head.status);
	return make(isNull ? null : head.incoming, {
		status: head.status,
		statusText: head.statusText,
		headers: head.headers,
		url: hop.url,
		redirected: hop.hops > 0,
		type: 'basic',
	});
};

const checkHeaders = (headers) => {
	for (const name of ownHeaders)
		if (headers.has(name))
			throw new TypeError(`fetch: the header ${name} is the connection's own`);
	const sent = new Headers(headers);
	sent.delete('content-length');
	return sent;
};

const fetch = async (input, init) => {
	const request = new Request(input, init);
	const { signal, redirect } = request;
	const headers = checkHeaders(request.headers);
	const { options, ...first } = facts(request);
	const end = options.timeout ? internal.now() + options.timeout : Infinity;
	let hop = { ...first, method: request.method, headers, source: use(request), hops: 0 };
	for (;;) {
		if (signal?.aborted)
			throw signal.reason;
		const left = Math.ceil(end - internal.now());
		if (left <= 0)
			throw failure('TIMEOUT', 'redirected until the time was over');
		const timeout = left === Infinity ? 0 : left;
		const head = await exchange({ ...hop, options: { ...options, timeout } }, signal);
		const isRedirect = redirectStatus.includes(head.status) && head.headers.has('location');
		if (!isRedirect || redirect === 'manual')
			return respond(head, hop);
		head.incoming.abort(new TypeError('fetch: redirected'));
		if (redirect === 'error')
			throw failure('DENIED', 'the server redirects, which the request does not want');
		if (hop.hops === MAX_REDIRECTS)
			throw failure('LIMIT', `more than ${MAX_REDIRECTS} redirects`);
		hop = follow(hop, head);
	}
};

Object.assign(globalThis, { fetch, Headers, Request, Response });
