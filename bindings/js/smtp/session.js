'use strict';
// What callbacks see of a session: the members that npm's smtp-server has.
const { attributesOf } = require('./address');

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';

/** `count` letters for five bits each. */
function lettersOf(bits, count) {
	let letters = '';
	for (let i = 0; i < count; i++, bits = Math.floor(bits / 32))
		letters += LETTERS[bits % 32];
	return letters;
}

/** Sixteen letters that no other session of this program has; not a secret. */
const idOf = (() => {
	const program = lettersOf(Math.floor(Math.random() * 2 ** 40), 8);
	const salt = Math.floor(Math.random() * 2 ** 32);
	// An odd factor: different numbers stay different.
	return (number) => lettersOf((Math.imul(number ^ salt, 0x9E3779B1) >>> 0) +
		(Math.floor(number / 2 ** 32) % 256) * 2 ** 32, 8) + program;
})();

const plainAddress = (address) => (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');

/** "IPV6:2001:db8::1" of XCLIENT and XFORWARD. */
const proxyAddress = (value) => value.replace(/^IPV6:/i, '');

class SmtpSession {
	secure = false;
	localAddress = '';
	localPort = 0;
	remoteAddress = '';
	remotePort = 0;
	clientHostname = false;
	openingCommand = false;
	hostNameAppearsAs = false;
	xClient = new Map();
	xForward = new Map();
	transmissionType = 'SMTP';
	tlsOptions = false;
	envelope = { mailFrom: false, rcptTo: [] };
	transaction = 1;
	user = undefined;
	/** The last refusal, as the client saw it. */
	error = undefined;

	constructor(number) {
		this.id = idOf(number);
	}

	forgetEnvelope() {
		this.envelope = { mailFrom: false, rcptTo: [] };
	}
}

/** Bring `session` up to date with what the library knows of it; `name` is the client's. */
function refresh(session, info, name) {
	session.secure = Boolean(info.tls);
	session.tlsOptions = info.tls ? { name: info.tlsCipher, standardName: info.tlsCipher,
		version: info.tlsVersion } : false;
	session.localAddress = plainAddress(info.localAddress);
	session.localPort = info.localPort;
	session.remoteAddress = plainAddress(info.peerAddress);
	session.remotePort = info.peerPort;
	session.hostNameAppearsAs = info.helo ? info.helo.toLowerCase() : false;
	session.clientHostname = name;
	readForwarded(session, info.xforward);
	const base = info.protocol === 'lmtp' ? 'LMTP' : 'SMTP';
	session.transmissionType = `${session.openingCommand === 'EHLO' ? 'E' : ''}${base}` +
		`${session.secure ? 'S' : ''}${session.user ? 'A' : ''}`;
}

const FORWARDED = {
	ADDR: (session, value) => {
		session.remoteAddress = proxyAddress(value);
	},
	PORT: (session, value) => {
		session.remotePort = Number(value) || 0;
	},
	NAME: (session, value) => {
		session.clientHostname = value.toLowerCase();
	},
	HELO: (session, value) => {
		session.hostNameAppearsAs = value;
	},
};

function readForwarded(session, words) {
	if (!words && !session.xForward.size)
		return;
	const attributes = attributesOf(words ?? '');
	session.xForward = new Map(attributes);
	for (const [name, value] of attributes)
		if (value !== false)
			FORWARDED[name]?.(session, value);
}

/** The peer says whom it speaks for: returns his { login, name }, where it says so. */
function readClient(session, words, before) {
	for (const [name, value] of attributesOf(words)) {
		if (name === 'ADDR' && !session.xClient.has('ADDR:DEFAULT'))
			session.xClient.set('ADDR:DEFAULT', before.address);
		if (name === 'NAME' && !session.xClient.has('NAME:DEFAULT'))
			session.xClient.set('NAME:DEFAULT', before.name);
		if (name === 'PORT' && !session.xClient.has('PORT:DEFAULT'))
			session.xClient.set('PORT:DEFAULT', before.port);
		session.xClient.set(name, value);
	}
	const { xClient } = session;
	const name = xClient.has('NAME') ? xClient.get('NAME') || `[${session.remoteAddress}]` : before.name;
	return { login: xClient.get('LOGIN') || undefined, name: name.toLowerCase() };
}

module.exports = { SmtpSession, refresh, readClient };
