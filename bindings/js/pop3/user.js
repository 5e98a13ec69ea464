'use strict';
// Who may log in, as callbacks tell it, and the address somebody logs in with.

class PopUser {
	/** `secret` is what APOP, CRAM-MD5 and SCRAM prove to know; null: those are not for him. */
	constructor(user, pass, secret = null, udata = null) {
		this.user = user;
		this.pass = pass;
		this.secret = secret;
		this.udata = udata;
	}

	get pass_plain() {
		return this.pass;
	}

	get passPlain() {
		return this.pass;
	}
}

/** A login name as an address; without a domain `hostname` is null. */
class EmailAddress {
	constructor(username, hostname = null, name = null) {
		this.username = username;
		this.hostname = hostname;
		this.name = name;
	}

	static fromAddress(text) {
		const at = text.lastIndexOf('@');
		return at < 0 ? new EmailAddress(text) :
			new EmailAddress(text.slice(0, at), text.slice(at + 1));
	}

	get address() {
		return this.hostname === null ? this.username : `${this.username}@${this.hostname}`;
	}

	toString() {
		return this.address;
	}
}

/** What get_user gave: a user, or null for nobody. */
function checkUser(user, name) {
	if (user == null)
		return null;
	if (typeof user !== 'object' || typeof user.user !== 'string')
		throw new TypeError(`${name}: a PopUser, or null for nobody, is wanted`);
	if (user.user === '' || /[\0-\x1f\x7f]/.test(user.user))
		throw new RangeError(`${name}: user.user: a name without control characters is wanted`);
	if (user.secret != null && typeof user.secret !== 'string')
		throw new TypeError(`${name}: user.secret: a string or null is wanted`);
	return user;
}

module.exports = { PopUser, EmailAddress, checkUser };
