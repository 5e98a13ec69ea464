'use strict';
// URL and URLSearchParams over the parts of js/url_parse.js.

const { isSpecial, PORTS, encode, decode, encodeQuery, parse, parseHost, parsePort, rootPath, write,
	writePath, FRAGMENT, USERINFO, FORM } = internal.url;

/* ---- URLSearchParams ---- */

const encodeForm = (text) => encode(text, FORM).replaceAll('%20', '+');
const decodeForm = (text) => decode(text.replaceAll('+', ' '));

const parseForm = (text) => text.split('&').filter((pair) => pair !== '').map((pair) => {
	const at = pair.indexOf('=');
	return at < 0 ? [decodeForm(pair), ''] :
		[decodeForm(pair.slice(0, at)), decodeForm(pair.slice(at + 1))];
});

const toPair = (pair) => {
	const list = typeof pair === 'object' && pair !== null ? [...pair] : [];
	if (list.length !== 2)
		internal.wrongType('URLSearchParams: init', 'pairs of names and values', pair);
	return list.map(wellFormed);
};

const wellFormed = (value) => String(value).toWellFormed();

const need = (method, args, count) => {
	if (args.length < count)
		throw new TypeError(`${method}: ${count} argument${count > 1 ? 's are' : ' is'} needed`);
};

class URLSearchParams {
	#list = [];
	#changed;

	constructor(init = '') {
		if (typeof init === 'object' && init !== null || typeof init === 'function')
			this.#list = typeof init[Symbol.iterator] === 'function' ? [...init].map(toPair) :
				Reflect.ownKeys(init).filter((name) =>
					Object.getOwnPropertyDescriptor(init, name)?.enumerable)
					.map((name) => [wellFormed(name), wellFormed(init[name])]);
		else
			this.#list = parseForm(wellFormed(init).replace(/^\?/, ''));
	}

	// Bound to a URL: `changed` hears of each change.
	static bind(params, changed) {
		params.#changed = changed;
	}

	static fill(params, query) {
		params.#list = parseForm(query);
	}

	#set(list) {
		this.#list = list;
		this.#changed?.(this.toString());
	}

	get size() {
		return this.#list.length;
	}

	append(name, value) {
		need('URLSearchParams.append', arguments, 2);
		this.#set([...this.#list, [wellFormed(name), wellFormed(value)]]);
	}

	delete(name, value) {
		need('URLSearchParams.delete', arguments, 1);
		const wanted = wellFormed(name);
		this.#set(this.#list.filter(([key, held]) => key !== wanted ||
			(value !== undefined && held !== wellFormed(value))));
	}

	get(name) {
		need('URLSearchParams.get', arguments, 1);
		const wanted = wellFormed(name);
		return this.#list.find(([key]) => key === wanted)?.[1] ?? null;
	}

	getAll(name) {
		need('URLSearchParams.getAll', arguments, 1);
		const wanted = wellFormed(name);
		return this.#list.filter(([key]) => key === wanted).map(([, value]) => value);
	}

	has(name, value) {
		need('URLSearchParams.has', arguments, 1);
		const wanted = wellFormed(name);
		return this.#list.some(([key, held]) => key === wanted &&
			(value === undefined || held === wellFormed(value)));
	}

	set(name, value) {
		need('URLSearchParams.set', arguments, 2);
		const wanted = wellFormed(name);
		const at = this.#list.findIndex(([key]) => key === wanted);
		if (at < 0) {
			this.append(name, value);
			return;
		}
		this.#set(this.#list.filter(([key], i) => key !== wanted || i === at)
			.map((pair) => pair[0] === wanted ? [wanted, wellFormed(value)] : pair));
	}

	sort() {
		this.#set([...this.#list].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
	}

	forEach(callback, self) {
		internal.callable('URLSearchParams.forEach: callback', callback);
		for (const [name, value] of this)
			callback.call(self, value, name, this);
	}

	*entries() {
		for (let i = 0; i < this.#list.length; i++)
			yield [...this.#list[i]];
	}

	*keys() {
		for (const [name] of this)
			yield name;
	}

	*values() {
		for (const [, value] of this)
			yield value;
	}

	[Symbol.iterator]() {
		return this.entries();
	}

	toString() {
		return this.#list.map(([name, value]) => `${encodeForm(name)}=${encodeForm(value)}`)
			.join('&');
	}
}
const { bind, fill } = URLSearchParams;
delete URLSearchParams.bind;
delete URLSearchParams.fill;

/* ---- URL ---- */

const hasNoPort = (url) => url.host === null || url.host === '' || url.scheme === 'file';

// What stands before a path begins, as the setters of host and hostname read it.
const hostText = (text, scheme) => {
	const clean = text.replace(/[\t\n\r]/g, '');
	const end = clean.search(isSpecial(scheme) ? /[/\\?#]/ : /[/?#]/);
	return end < 0 ? clean : clean.slice(0, end);
};

const setHost = (url, text, mayHavePort) => {
	if (typeof url.path === 'string')
		return;
	const found = /^((?:\[[^\]]*\]?|[^:[])*)(?::(.*))?$/s.exec(hostText(text, url.scheme));
	const [, host = '', port] = found ?? [];
	const isFile = url.scheme === 'file';
	if (found === null || (port !== undefined && (!mayHavePort || host === '' || isFile)))
		return;
	const hasMore = url.username !== '' || url.password !== '' || url.port !== null;
	if (host === '' && ((isSpecial(url.scheme) && !isFile) || hasMore))
		return;
	const parsed = host === '' ? '' : parseHost(host, url.scheme);
	if (parsed === undefined)
		return;
	url.host = isFile && parsed === 'localhost' ? '' : parsed;
	if (port !== undefined)
		setPort(url, port);
};

const setPort = (url, text) => {
	const digits = /^[0-9]*/.exec(text.replace(/[\t\n\r]/g, ''))[0];
	const port = digits === '' ? undefined : parsePort(digits, url.scheme);
	if (port !== undefined)
		url.port = port;
};

const setScheme = (url, text) => {
	const scheme = /^([A-Za-z][A-Za-z0-9+.-]*)(:|$)/.exec(text.replace(/[\t\n\r]/g, ''))?.[1]
		.toLowerCase();
	if (scheme === undefined || isSpecial(scheme) !== isSpecial(url.scheme))
		return;
	const hasMore = url.username !== '' || url.password !== '' || url.port !== null;
	if ((scheme === 'file' && hasMore) || (url.scheme === 'file' && url.host === ''))
		return;
	url.scheme = scheme;
	if (url.port === PORTS[scheme])
		url.port = null;
};

const parseWith = (text, base) => {
	const above = base === undefined ? undefined : parse(wellFormed(base));
	return base !== undefined && above === undefined ? undefined : parse(wellFormed(text), above);
};

const invalid = (text, base) => {
	const error = new TypeError(`URL: ${internal.shown(String(text))} is no URL` +
		(base === undefined ? '' : ` that ${internal.shown(String(base))} can be the base of`));
	error.code = 'ERR_INVALID_URL';
	error.input = String(text);
	throw error;
};

class URL {
	#url;
	#params;

	constructor(url, base) {
		need('URL', arguments, 1);
		this.#url = parseWith(url, base) ?? invalid(url, base);
	}

	static canParse(url, base) {
		need('URL.canParse', arguments, 1);
		return parseWith(url, base) !== undefined;
	}

	static parse(url, base) {
		return URL.canParse(url, base) ? new URL(url, base) : null;
	}

	get href() {
		return write(this.#url);
	}

	set href(text) {
		this.#url = parse(wellFormed(text)) ?? invalid(text);
		this.#refill();
	}

	get origin() {
		const { scheme, host, port, path } = this.#url;
		if (scheme === 'blob') {
			const inner = parse(writePath({ path }));
			return inner && /^https?$/.test(inner.scheme) ? new URL(write(inner)).origin : 'null';
		}
		if (!isSpecial(scheme) || scheme === 'file')
			return 'null';
		return `${scheme}://${host}${port === null ? '' : `:${port}`}`;
	}

	get protocol() {
		return `${this.#url.scheme}:`;
	}

	set protocol(text) {
		setScheme(this.#url, String(text));
	}

	get username() {
		return this.#url.username;
	}

	set username(text) {
		if (!hasNoPort(this.#url))
			this.#url.username = encode(String(text), USERINFO);
	}

	get password() {
		return this.#url.password;
	}

	set password(text) {
		if (!hasNoPort(this.#url))
			this.#url.password = encode(String(text), USERINFO);
	}

	get host() {
		const { host, port } = this.#url;
		return host === null ? '' : `${host}${port === null ? '' : `:${port}`}`;
	}

	set host(text) {
		setHost(this.#url, String(text), true);
	}

	get hostname() {
		return this.#url.host ?? '';
	}

	set hostname(text) {
		setHost(this.#url, String(text), false);
	}

	get port() {
		return this.#url.port === null ? '' : String(this.#url.port);
	}

	set port(text) {
		if (hasNoPort(this.#url))
			return;
		if (String(text) === '')
			this.#url.port = null;
		else
			setPort(this.#url, String(text));
	}

	get pathname() {
		return writePath(this.#url);
	}

	set pathname(text) {
		if (typeof this.#url.path === 'string')
			return;
		rootPath(this.#url, String(text).replace(/[\t\n\r]/g, ''));
	}

	get search() {
		const { query } = this.#url;
		return query === null || query === '' ? '' : `?${query}`;
	}

	set search(text) {
		const query = String(text).replace(/[\t\n\r]/g, '').replace(/^\?/, '');
		this.#url.query = String(text) === '' ? null : encodeQuery(query, this.#url.scheme);
		this.#refill();
	}

	get searchParams() {
		if (this.#params === undefined) {
			this.#params = new URLSearchParams(this.#url.query === null ? '' : `?${this.#url.query}`);
			bind(this.#params, (query) => {
				this.#url.query = query === '' ? null : query;
			});
		}
		return this.#params;
	}

	get hash() {
		const { fragment } = this.#url;
		return fragment === null || fragment === '' ? '' : `#${fragment}`;
	}

	set hash(text) {
		const fragment = String(text).replace(/[\t\n\r]/g, '').replace(/^#/, '');
		this.#url.fragment = String(text) === '' ? null : encode(fragment, FRAGMENT);
	}

	toString() {
		return this.href;
	}

	toJSON() {
		return this.href;
	}

	#refill() {
		if (this.#params !== undefined)
			fill(this.#params, this.#url.query ?? '');
	}
}

for (const made of [URL, URLSearchParams]) {
	for (const [name, what] of Object.entries(Object.getOwnPropertyDescriptors(made.prototype)))
		if (name !== 'constructor')
			Object.defineProperty(made.prototype, name, { ...what, enumerable: true });
	Object.defineProperty(made.prototype, Symbol.toStringTag,
		{ value: made.name, configurable: true });
	internal.publish(made.name, made);
}
