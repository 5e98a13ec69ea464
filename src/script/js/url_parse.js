'use strict';
// URLs as the URL Standard reads and writes them: parts from text, and text from parts.

const PORTS = { http: 80, https: 443, ws: 80, wss: 443, ftp: 21, file: null };
const isSpecial = (scheme) => Object.hasOwn(PORTS, scheme);

/* ---- Percent encoding ---- */

const FRAGMENT = ' "<>`';
const QUERY = ' "#<>';
const PATH = `${QUERY}?^\`{}`;
const USERINFO = `${PATH}/:;=@[\\]|`;
const FORM = `${USERINFO}$%&'()+,!~`;

const hex = (octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;

// Controls and all beyond ASCII are always encoded.
const encode = (text, set) => {
	let out = '';
	for (const char of text.toWellFormed()) {
		const code = char.codePointAt(0);
		if (code > 0x7E && code !== 0x7F)
			out += encodeURIComponent(char);
		else
			out += code < 0x20 || code === 0x7F || set.includes(char) ? hex(code) : char;
	}
	return out;
};

const decode = (text) => {
	if (!text.includes('%'))
		return text.toWellFormed();
	const octets = new TextEncoder().encode(text);
	const out = [];
	for (let i = 0; i < octets.length; i++) {
		const pair = octets[i] === 0x25 ? String.fromCharCode(...octets.subarray(i + 1, i + 3)) : '';
		if (/^[0-9A-Fa-f]{2}$/.test(pair)) {
			out.push(parseInt(pair, 16));
			i += 2;
		} else {
			out.push(octets[i]);
		}
	}
	return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(out));
};

/* ---- Hosts ---- */

// undefined: wrong. "0x" is 0, as the standard says.
const partOfIPv4 = (part) => {
	if (part === '')
		return undefined;
	if (/^0[xX][0-9A-Fa-f]*$/.test(part))
		return part.length === 2 ? 0 : parseInt(part.slice(2), 16);
	if (/^0[0-7]+$/.test(part))
		return parseInt(part, 8);
	return /^(0|[1-9][0-9]*)$/.test(part) ? Number(part) : undefined;
};

const isNumeric = (part) => /^[0-9]+$/.test(part) || /^0[xX][0-9A-Fa-f]*$/.test(part);

const endsInNumber = (host) => {
	const parts = host.split('.');
	if (parts.length > 1 && parts.at(-1) === '')
		parts.pop();
	return isNumeric(parts.at(-1));
};

const parseIPv4 = (host) => {
	const parts = host.split('.');
	if (parts.length > 1 && parts.at(-1) === '')
		parts.pop();
	const numbers = parts.map(partOfIPv4);
	if (parts.length > 4 || numbers.includes(undefined))
		return undefined;
	const last = numbers.pop();
	if (numbers.some((number) => number > 255) || last >= 256 ** (4 - numbers.length))
		return undefined;
	const value = numbers.reduce((sum, number, i) => sum + number * 256 ** (3 - i), last);
	return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
};

const pieces = (text) => {
	if (text === '')
		return [];
	const list = text.split(':');
	const four = list.at(-1).includes('.') ? list.pop() : undefined;
	if (!list.every((piece) => /^[0-9A-Fa-f]{1,4}$/.test(piece)))
		return undefined;
	const numbers = list.map((piece) => parseInt(piece, 16));
	if (four === undefined)
		return numbers;
	const octets = four.split('.');
	if (octets.length !== 4 || !octets.every((octet) => /^(0|[1-9][0-9]{0,2})$/.test(octet)) ||
		octets.some((octet) => Number(octet) > 255))
		return undefined;
	const [a, b, c, d] = octets.map(Number);
	return [...numbers, a * 256 + b, c * 256 + d];
};

const parseIPv6 = (text) => {
	const halves = text.split('::');
	const [before, behind] = halves.map(pieces);
	if (halves.length > 2 || before === undefined || (halves.length === 2 && behind === undefined))
		return undefined;
	if (halves.length === 2 && halves[0].includes('.'))
		return undefined;
	if (halves.length === 1)
		return before.length === 8 ? before : undefined;
	const missing = 8 - before.length - behind.length;
	return missing < 1 ? undefined : [...before, ...new Array(missing).fill(0), ...behind];
};

const writeIPv6 = (numbers) => {
	let best = { at: -1, length: 1 };
	for (let i = 0; i < 8; i++) {
		let end = i;
		while (end < 8 && numbers[end] === 0)
			end++;
		if (end - i > best.length)
			best = { at: i, length: end - i };
	}
	const write = (list) => list.map((number) => number.toString(16)).join(':');
	return best.at < 0 ? write(numbers) :
		`${write(numbers.slice(0, best.at))}::${write(numbers.slice(best.at + best.length))}`;
};

const FORBIDDEN = /[\0\t\n\r #/:<>?@[\\\]^|]/;
const FORBIDDEN_DOMAIN = /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7F]/;

const DELTA = 'abcdefghijklmnopqrstuvwxyz0123456789';

const adapt = (delta, points, isFirst) => {
	let k = 0;
	let rest = Math.floor(delta / (isFirst ? 700 : 2));
	rest += Math.floor(rest / points);
	for (; rest > 455; k += 36)
		rest = Math.floor(rest / 35);
	return k + Math.floor(36 * rest / (rest + 38));
};

const threshold = (k, bias) => Math.min(Math.max(k - bias, 1), 26);

// RFC 3492 6.2.
const writeDelta = (delta, bias) => {
	let out = '';
	let rest = delta;
	for (let k = 36; ; k += 36) {
		const t = threshold(k, bias);
		if (rest < t)
			return out + DELTA[rest];
		out += DELTA[t + (rest - t) % (36 - t)];
		rest = Math.floor((rest - t) / (36 - t));
	}
};

// RFC 3492 6.3.
const punycode = (label) => {
	const points = [...label].map((char) => char.codePointAt(0));
	const basic = points.filter((point) => point < 0x80);
	let out = basic.length > 0 ? `${String.fromCodePoint(...basic)}-` : '';
	let at = 128;
	let delta = 0;
	let bias = 72;
	for (let done = basic.length; done < points.length; at++, delta++) {
		const next = Math.min(...points.filter((point) => point >= at));
		delta += (next - at) * (done + 1);
		at = next;
		for (const point of points) {
			if (point < at)
				delta++;
			if (point !== at)
				continue;
			out += writeDelta(delta, bias);
			bias = adapt(delta, done + 1, done === basic.length);
			delta = 0;
			done++;
		}
	}
	return out;
};

// RFC 3492 6.2 backwards; undefined: it is none.
const fromPunycode = (text) => {
	const end = text.lastIndexOf('-');
	const points = [...text.slice(0, Math.max(end, 0))].map((char) => char.codePointAt(0));
	let at = 128;
	let bias = 72;
	let i = 0;
	for (let pos = end + 1; pos < text.length;) {
		const before = i;
		for (let k = 36, weight = 1; ; k += 36) {
			const digit = DELTA.indexOf(text[pos++] ?? '?');
			const t = threshold(k, bias);
			i += digit * weight;
			if (digit < 0 || i > 0x7FFFFFFF)
				return undefined;
			if (digit < t)
				break;
			weight *= 36 - t;
		}
		bias = adapt(i - before, points.length + 1, before === 0);
		at += Math.floor(i / (points.length + 1));
		i %= points.length + 1;
		if (at > 0x10FFFF)
			return undefined;
		points.splice(i++, 0, at);
	}
	return String.fromCodePoint(...points);
};

const IGNORED = /[\u00AD\u034F\u180B-\u180F\u200B\u2060\u2064\uFE00-\uFE0F\uFEFF]/g;
// Joiners stand behind a mark only.
const NO_LETTER = /[\p{Cc}\p{Cn}\p{Co}\p{Cs}\p{Z}]|(?<!\p{M})[\u200C\u200D]/u;

// One label in ASCII; undefined: it is none (UTS 46, without its rules of joining and direction).
const asciiLabel = (label) => {
	if (/^[\0-\x7F]*$/.test(label) && !label.startsWith('xn--'))
		return label;
	const text = label.startsWith('xn--') ? fromPunycode(label.slice(4)) : label;
	if (text === undefined || text === '' || NO_LETTER.test(text) || /^\p{M}/u.test(text) ||
		/^[\0-\x7F]*$/.test(text) || text !== text.normalize('NFC'))
		return undefined;
	return `xn--${punycode(text)}`;
};

const asciiDomain = (text) => {
	const mapped = text.replace(IGNORED, '').toLowerCase().normalize('NFKC').toLowerCase()
		.normalize('NFC').replace(/[\u3002\uFF0E\uFF61]/g, '.');
	const labels = mapped.split('.').map(asciiLabel);
	return labels.includes(undefined) ? undefined : labels.join('.');
};

const domainOf = (text) => {
	const ascii = asciiDomain(decode(text));
	if (ascii === undefined || ascii === '' || FORBIDDEN_DOMAIN.test(ascii))
		return undefined;
	return endsInNumber(ascii) ? parseIPv4(ascii) : ascii;
};

// undefined: wrong.
const parseHost = (text, scheme) => {
	if (text.startsWith('[')) {
		const numbers = text.endsWith(']') ? parseIPv6(text.slice(1, -1)) : undefined;
		return numbers && `[${writeIPv6(numbers)}]`;
	}
	if (isSpecial(scheme))
		return domainOf(text);
	return FORBIDDEN.test(text) ? undefined : encode(text, '');
};

/* ---- Paths ---- */

const isDot = (segment) => /^(\.|%2e)$/i.test(segment);
const isDotDot = (segment) => /^(\.|%2e){2}$/i.test(segment);
const isDrive = (text) => /^[A-Za-z][:|]$/.test(text);
const startsWithDrive = (text) => /^[A-Za-z][:|]([/\\?#]|$)/.test(text);

const shorten = (url) => {
	const { path } = url;
	if (url.scheme === 'file' && path.length === 1 && /^[A-Za-z]:$/.test(path[0]))
		return;
	path.pop();
};

// Segments behind a path's first slash.
const addPath = (url, text) => {
	const segments = text.split(isSpecial(url.scheme) ? /[/\\]/ : '/');
	segments.forEach((segment, i) => {
		const isLast = i === segments.length - 1;
		if (isDotDot(segment))
			shorten(url);
		if (isDotDot(segment) || isDot(segment)) {
			if (isLast)
				url.path.push('');
			return;
		}
		const isDriveHere = url.scheme === 'file' && url.path.length === 0 && isDrive(segment);
		url.path.push(isDriveHere ? `${segment[0]}:` : encode(segment, PATH));
	});
	return url;
};

const startsPath = (text, scheme) => (isSpecial(scheme) ? /^[/\\]/ : /^\//).test(text);

const rootPath = (url, text) => {
	url.path = [];
	if (text === '' && !isSpecial(url.scheme))
		return url;
	return addPath(url, startsPath(text, url.scheme) ? text.slice(1) : text);
};

/* ---- Parsing ---- */

const fresh = (scheme) => ({ scheme, username: '', password: '', host: null, port: null, path: [],
	query: null, fragment: null });

const parsePort = (text, scheme) => {
	const port = Number(text);
	if (!/^[0-9]*$/.test(text) || port > 65535)
		return undefined;
	return text === '' || port === PORTS[scheme] ? null : port;
};

// "user:password@host:port"; false: wrong.
const setAuthority = (url, text) => {
	const at = text.lastIndexOf('@');
	const place = text.slice(at + 1);
	const [, hostText, portText] = /^((?:\[[^\]]*\]?|[^:[])*)(?::(.*))?$/s.exec(place) ?? [];
	if (at >= 0) {
		const [, username, password = ''] = /^([^:]*)(?::(.*))?$/s.exec(text.slice(0, at));
		url.username = encode(username, USERINFO);
		url.password = encode(password, USERINFO);
	}
	if (hostText === undefined)
		return false;
	if (hostText === '') {
		url.host = '';
		return !isSpecial(url.scheme) && at < 0 && portText === undefined;
	}
	url.host = parseHost(hostText, url.scheme);
	url.port = parsePort(portText ?? '', url.scheme);
	return url.host !== undefined && url.port !== undefined;
};

const parseAuthority = (url, text) => {
	const end = text.search(isSpecial(url.scheme) ? /[/\\]/ : /\//);
	const authority = end < 0 ? text : text.slice(0, end);
	return setAuthority(url, authority) ? rootPath(url, end < 0 ? '' : text.slice(end)) : undefined;
};

const inherit = (url, base) => Object.assign(url, { username: base.username,
	password: base.password, host: base.host, port: base.port, path: [...base.path] });

// Relative to a base that is no file.
const parseRelative = (url, text, base) => {
	const slashes = isSpecial(url.scheme) ? /^[/\\]+/ : /^\/\/?/;
	const lead = slashes.exec(text)?.[0].length ?? 0;
	if (lead >= 2)
		return parseAuthority(url, text.slice(lead));
	inherit(url, base);
	if (lead === 1)
		return rootPath(url, text);
	if (text === '') {
		url.query ??= base.query;
		return url;
	}
	shorten(url);
	return addPath(url, text);
};

const parseFileHost = (url, text) => {
	const end = text.search(/[/\\]/);
	const host = end < 0 ? text : text.slice(0, end);
	url.host = '';
	if (isDrive(host))
		return rootPath(url, text);
	if (host !== '') {
		url.host = parseHost(host, 'file');
		if (url.host === 'localhost')
			url.host = '';
	}
	return url.host === undefined ? undefined : rootPath(url, end < 0 ? '' : text.slice(end));
};

const parseFile = (url, text, base) => {
	const above = base?.scheme === 'file' ? base : undefined;
	url.host = '';
	if (/^[/\\]{2}/.test(text))
		return parseFileHost(url, text.slice(2));
	if (above === undefined)
		return rootPath(url, text);
	url.host = above.host;
	if (/^[/\\]/.test(text)) {
		url.path = [];
		if (!startsWithDrive(text.slice(1)) && /^[A-Za-z]:$/.test(above.path[0] ?? ''))
			url.path.push(above.path[0]);
		return addPath(url, text.slice(1));
	}
	url.path = [...above.path];
	if (text === '') {
		url.query ??= above.query;
		return url;
	}
	if (startsWithDrive(text))
		url.path = [];
	else
		shorten(url);
	return addPath(url, text);
};

const parseScheme = (url, text, base) => {
	if (url.scheme === 'file')
		return parseFile(url, text, base);
	if (!isSpecial(url.scheme)) {
		if (text.startsWith('//'))
			return parseAuthority(url, text.slice(2));
		if (text.startsWith('/'))
			return rootPath(url, text);
		url.path = encode(text, '');
		return url;
	}
	if (base?.scheme === url.scheme && !text.startsWith('//'))
		return parseRelative(url, text, base);
	return parseAuthority(url, text.replace(/^[/\\]+/, ''));
};

const split = (text, mark) => {
	const at = text.indexOf(mark);
	return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
};

const encodeQuery = (text, scheme) => encode(text, isSpecial(scheme) ? `${QUERY}'` : QUERY);

// The parts of a URL; undefined: it is none.
const parse = (input, base) => {
	const text = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
	const [before, fragment] = split(text, '#');
	const [front, query] = split(before, '?');
	const [, named, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(front) ?? [];
	if (named === undefined && (base === undefined ||
		(typeof base.path === 'string' && (before !== '' || fragment === null))))
		return undefined;
	const url = fresh(named === undefined ? base.scheme : named.toLowerCase());
	url.query = query === null ? null : encodeQuery(query, url.scheme);
	url.fragment = fragment === null ? null : encode(fragment, FRAGMENT);
	if (named !== undefined)
		return parseScheme(url, rest, base);
	if (typeof base.path === 'string')
		return Object.assign(url, { path: base.path, query: base.query });
	return url.scheme === 'file' ? parseFile(url, front, base) : parseRelative(url, front, base);
};

const writePath = (url) =>
	typeof url.path === 'string' ? url.path : url.path.map((segment) => `/${segment}`).join('');

const write = (url) => {
	const password = url.password === '' ? '' : `:${url.password}`;
	const user = url.username === '' && password === '' ? '' : `${url.username}${password}@`;
	const port = url.port === null ? '' : `:${url.port}`;
	let place = url.host === null ? '' : `//${user}${url.host}${port}`;
	if (url.host === null && Array.isArray(url.path) && url.path.length > 1 && url.path[0] === '')
		place = '/.';
	const query = url.query === null ? '' : `?${url.query}`;
	const fragment = url.fragment === null ? '' : `#${url.fragment}`;
	return `${url.scheme}:${place}${writePath(url)}${query}${fragment}`;
};

internal.url = { isSpecial, PORTS, encode, decode, encodeQuery, parse, parseHost, parsePort, rootPath,
	write, writePath, FRAGMENT, USERINFO, FORM };
