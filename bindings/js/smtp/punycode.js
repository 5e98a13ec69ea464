'use strict';
// Domain names of RFC 5891 as people read them: labels "xn--…" decoded (RFC 3492).

const BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700, BIAS = 72, FIRST = 128;
const LABEL_MAX = 63;

function digitOf(code) {
	if (code >= 0x30 && code <= 0x39)
		return code - 0x30 + 26;
	const letter = code | 0x20;
	return letter >= 0x61 && letter <= 0x7A ? letter - 0x61 : BASE;
}

function adapt(delta, count, isFirst) {
	let rest = isFirst ? Math.floor(delta / DAMP) : delta >> 1;
	let k = 0;
	for (rest += Math.floor(rest / count); rest > ((BASE - TMIN) * TMAX) >> 1; k += BASE)
		rest = Math.floor(rest / (BASE - TMIN));
	return k + Math.floor((BASE - TMIN + 1) * rest / (rest + SKEW));
}

/** A number at `at` of `text`: { value, at } behind it, or undefined. */
function readNumber(text, at, bias) {
	let value = 0, weight = 1;
	for (let k = BASE, i = at; i < text.length; k += BASE) {
		const digit = digitOf(text.charCodeAt(i++));
		if (digit >= BASE)
			return undefined;
		value += digit * weight;
		const t = Math.min(Math.max(k - bias, TMIN), TMAX);
		if (digit < t)
			return { value, at: i };
		weight *= BASE - t;
	}
	return undefined;
}

/** What stands behind "xn--" in a label, decoded; undefined where it is none. */
function decode(text) {
	const cut = text.lastIndexOf('-');
	const points = [...text.slice(0, Math.max(cut, 0))].map((c) => c.codePointAt(0));
	let point = FIRST, bias = BIAS, index = 0;
	for (let at = cut < 0 ? 0 : cut + 1; at < text.length;) {
		const found = readNumber(text, at, bias);
		if (found === undefined)
			return undefined;
		const count = points.length + 1;
		const first = index;
		index += found.value;
		bias = adapt(index - first, count, first === 0);
		point += Math.floor(index / count);
		if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
			return undefined;
		index %= count;
		points.splice(index++, 0, point);
		at = found.at;
	}
	return String.fromCodePoint(...points);
}

/** Nothing that is plain ASCII after all, or hides in the address around it. */
const isReadable = (label) => /[^\x00-\x7F]/.test(label) &&
	!/[\x00-,./:-@[-`{-\xA0\p{C}\p{Z}]/u.test(label);

function labelOf(label) {
	if (!/^xn--[a-z0-9-]+$/i.test(label) || label.length > LABEL_MAX)
		return label;
	const decoded = decode(label.slice(4).toLowerCase());
	return decoded !== undefined && isReadable(decoded) ? decoded : label;
}

/** A label that cannot be decoded stays as it is. */
function toUnicode(domain) {
	return /xn--/i.test(domain) ? domain.split('.').map(labelOf).join('.') : domain;
}

module.exports = { toUnicode };
