'use strict';
// Messages as callbacks give them.
const host = require('../host');
const { kindOf } = require('../core/contents');

const PopMessageFlag = Object.freeze({ Delete: 1 });

/** A set of bits. */
class Flags {
	constructor(mask = 0) {
		this.mask = mask;
	}

	set(bits) {
		this.mask |= bits;
	}

	clear(bits) {
		this.mask &= ~bits;
	}

	are_set(bits) {
		return (this.mask & bits) === bits;
	}

	are_clear(bits) {
		return (this.mask & bits) === 0;
	}
}

function isFlags(x) {
	return typeof x?.are_set === 'function' || typeof x === 'number';
}

class PopMessage {
	_contents = null;

	/** (uid, size, contents or null, flags), or (uid, size, flags). */
	constructor(uid, size, contents = null, flags = undefined) {
		this.uid = uid;
		this.size = size;
		if (isFlags(contents))
			flags = contents;
		else
			this._contents = contents;
		this.flags = typeof flags === 'number' ? new Flags(flags) : flags ?? new Flags();
	}

	get uid_string() {
		return String(this.uid);
	}

	get uidString() {
		return this.uid_string;
	}

	/** To override: give the contents, or put them into this._contents; may be a promise. */
	load_contents() {
		throw new Error('PopMessage: load_contents() or contents() is not implemented');
	}

	/** To override, instead of load_contents(). What that one gives is not kept. */
	contents() {
		return this._contents ?? orKept(this, this.load_contents());
	}
}

/** What a function of a message gave, or what it left in _contents. */
function orKept(message, result) {
	if (typeof result?.then === 'function')
		return result.then((value) => orKept(message, value));
	return result === undefined ? message._contents : result;
}

const VALID_UID = /^[\x21-\x7e]{1,70}$/;

/** A name for UIDL (RFC 1939 7); one that cannot stand there is said as its digest. */
function uidlOf(uid) {
	const text = String(uid);
	return VALID_UID.test(text) ? text : host.md5(host.octets(text));
}

/** Two messages that UIDL would say the same of (RFC 1939 7). */
function checkUnique(messages, uidls, name) {
	if (new Set(uidls).size === uidls.length)
		return;
	const second = uidls.findIndex((uidl, i) => uidls.indexOf(uidl) < i);
	const first = uidls.indexOf(uidls[second]);
	throw new RangeError(`${name}: messages ${first + 1} and ${second + 1} have the same uid ` +
		`"${messages[first].uid}"`);
}

/** What receive_messages gave, as { octets, uidls } for the session. */
function checkMessages(messages, name) {
	if (!Array.isArray(messages))
		throw new TypeError(`${name}: an array of PopMessage is wanted, not ${kindOf(messages)}`);
	const octets = [], uidls = [];
	for (let i = 0; i < messages.length; i++) {
		const message = messages[i];
		if (typeof message !== 'object' || message === null)
			throw new TypeError(`${name}: [${i}]: a PopMessage is wanted, not ${kindOf(message)}`);
		const { uid, size } = message;
		if (!Number.isSafeInteger(size) || size < 0)
			throw new TypeError(`${name}: [${i}].size: a number of octets is wanted`);
		if (uid == null)
			throw new TypeError(`${name}: [${i}].uid: a string or a number is wanted`);
		octets.push(size);
		uidls.push(uidlOf(uid));
	}
	checkUnique(messages, uidls, name);
	return { octets, uidls };
}

/** The contents of a PopMessage, or of anything that is like one. */
function contentsOf(message) {
	if (typeof message.contents === 'function')
		return orKept(message, message.contents());
	if (message.contents != null)
		return message.contents;
	if (typeof message.load_contents !== 'function')
		throw new TypeError('message: contents() or load_contents() is wanted');
	return orKept(message, message.load_contents());
}

module.exports = { PopMessage, PopMessageFlag, Flags, checkMessages, contentsOf };
