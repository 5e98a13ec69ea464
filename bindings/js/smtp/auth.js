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

/** Who proves himself; with EXTERNAL it is the certificate that says so, not the client. */
function nameOf({ kind, authcid, authzid }, info) {
	return kind === 'EXTERNAL' ? info.peerName : authcid || authzid;
}

function authOf(entry, info) {
	const { kind, mechanism, authzid } = entry;
	const auth = { method: mechanism, username: nameOf(entry, info) };
	if (authzid !== '' && authzid.toLowerCase() !== auth.username.toLowerCase())
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

/** RFC 4422 2: to act as another needs a yes that names him. */
const mayAct = (auth, response) => auth.authzid === undefined || response.authzid === auth.authzid;

function accept(event, auth, response) {
	const { mechanism } = event.entry;
	if (auth.method === 'EXTERNAL' || auth.authzid !== undefined) {
		event.user(auth.authzid ?? auth.username);
	} else if (mechanism === 'CRAM-MD5') {
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
	const auth = authOf(event.entry, event.session.info);
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
		if (response.user && mayAct(auth, response)) {
			accept(event, auth, response);
			then(response.user);
		} else {
			const code = refusalOf(response, 535)[0];
			no(code, lineOf(response.message ?? 'Authentication credentials invalid'));
		}
	});
}

module.exports = { decideAuth };
