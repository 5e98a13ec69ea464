'use strict';
// Logins: what onAuth is shown, and what its response means.
const { hmacMd5, octets } = require('../host');
const { ask, refusalOf, lineOf } = require('./callbacks');

const SCRAM = /^SCRAM-/;

/** CRAM-MD5 (RFC 2195): as npm's smtp-server shows it. */
function challengeOf({ challenge, response }) {
	return {
		challenge,
		challengeResponse: response.toLowerCase(),
		validatePassword: (password) =>
			hmacMd5(octets(String(password)), octets(challenge)) === response.toLowerCase(),
	};
}

function authOf(entry) {
	const { kind, mechanism, authcid, authzid } = entry;
	const auth = { method: mechanism, username: authcid || authzid };
	if (authzid !== '' && authzid !== auth.username)
		auth.authzid = authzid;
	if (kind === 'PASSWORD')
		auth.password = entry.password;
	else if (kind === 'TOKEN')
		auth.accessToken = entry.token;
	else if (mechanism === 'CRAM-MD5')
		Object.assign(auth, challengeOf(entry));
	return auth;
}

function wrong(what) {
	return new TypeError(`onAuth: ${what}`);
}

function checkResponse(response) {
	if (typeof response !== 'object' || response === null)
		throw wrong('an object with `user` is wanted for a login, one with `message` for none');
	return response;
}

function accept(event, response) {
	const { mechanism } = event.entry;
	if (mechanism === 'CRAM-MD5') {
		event.proven();
	} else if (SCRAM.test(mechanism)) {
		if (typeof response.password !== 'string')
			throw wrong(`${mechanism} needs the user's password in the response: { user, password }`);
		event.secret(response.password);
	} else {
		event.yes();
	}
}

/** Answer an AUTH event by onAuth. then(user) where it said yes, which for SCRAM is the first half;
 * refused(line) where it said no. */
function decideAuth(server, event, { takesDone, fn, then, refused }) {
	const auth = authOf(event.entry);
	const no = (code, text, enhanced) => {
		event.no('AUTH', { code, text, enhanced, close: code === 421 });
		refused(`${code} ${text}`);
	};
	ask(server, event, 'onAuth', takesDone, (done) => fn(auth, done), ({ error, value }) => {
		if (error) {
			no(...refusalOf(error, 535));
			return;
		}
		const response = checkResponse(value);
		if (response.user) {
			accept(event, response);
			then(response.user);
		} else {
			const code = refusalOf(response, 535)[0];
			no(code, lineOf(response.message ?? 'Authentication credentials invalid'));
		}
	});
}

module.exports = { decideAuth };
