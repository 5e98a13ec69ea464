'use strict';
// One session: what the application is asked at each event, and in which order.
//
// USER → get_user. PASS → compare_password → is_in_use → receive_messages. APOP and the other
// proofs of a secret → get_user → (the session does the arithmetic) → is_in_use →
// receive_messages. RETR, TOP → contents. QUIT, also before login → delete_messages.
const { PopSocket } = require('./socket');
const { PopServerSession, PopServerConnection, PopSessionState } = require('./session');
const { checkMessages, contentsOf } = require('./message');
const { wordsOf } = require('./language');
const { PopBanner } = require('./banner');
const { decideCertificate } = require('../core/tls');
const host = require('../host');

/** For names that nobody has: the same each time, as a real one would be. */
const salt = host.md5(host.octets(`${Math.random()}${Date.now()}${host.hostname()}`));
const secretOfNobody = (name) => host.hmacMd5(host.octets(salt), host.octets(name));

class Dialogue {
	#server; // of core
	#session; // of core
	#settings;
	#named; // what USER said, while session.user is who get_user gave for it
	#proving = false; // APOP was given a secret to try
	#connected = false;
	connection;

	/** `settings`: { server: the PopServer, callbacks, languages: Map, language: tag, sni, tell,
	 * complain }. */
	constructor(server, session, settings) {
		this.#server = server;
		this.#session = session;
		this.#settings = settings;
		this.connection = new PopServerConnection(settings.server, () => new PopSocket(session),
			new PopServerSession(this));
	}

	get #secure() {
		return this.#session.info.listener === 'pop3s';
	}

	language() {
		const { languages, language } = this.#settings;
		return (languages.get(this.#session.info.language) ?? languages.get(language)).language;
	}

	banner() {
		const { stamp } = this.#session.info;
		return stamp ? PopBanner.decode(stamp) : new PopBanner('', this.#settings.hostname);
	}

	take(event) {
		this[event.name]?.(event);
	}

	/** An event could not be decided: a login under way came to nothing. */
	failed(event) {
		if (event !== undefined && ['USER', 'AUTH', 'MAILDROP'].includes(event.name))
			this.#forget();
	}

	gone() {
		if (!this.#connected)
			return;
		this.connection.tellClosed((error) =>
			this.#settings.complain(error, this.connection, 'close'));
		this.#tell('client_disconnected');
	}

	#tell(name) {
		if (this.#settings.server.listenerCount(name) > 0)
			this.#settings.tell(this.connection, name, this.#secure, this.connection.popSocket);
	}

	#forget() {
		this.#named = undefined;
		this.#proving = false;
		this.connection.session.forget();
	}

	#words(key, say = {}) {
		return wordsOf(this.language(), key, say, this.connection);
	}

	/* ---- events, by their names ---- */

	CERTIFICATE(event) {
		decideCertificate(this.#server, event, this.#settings.sni);
	}

	CONNECT() {
		this.#connected = true;
		this.#tell('client_connected');
	}

	COMMAND() {
		this.connection.session.invalid_command_count++;
	}

	USER(event) {
		const name = event.entry.argument;
		this.#find(event, name, (user) => {
			this.#named = user === null ? undefined : name;
			if (user === null)
				event.no('NOT_FOUND');
			else
				event.yes(user.user === name ? undefined : this.#words('success.user.accepted'));
		});
	}

	#find(event, name, then) {
		this.#settings.callbacks.user(this.#server, event, name, this.connection, (user) => {
			this.connection.session.user = user;
			then(user);
		});
	}

	AUTH(event) {
		const { mechanism, authcid, authzid } = event.entry;
		if (authzid && authzid !== authcid)
			event.no('AUTH');
		else if (mechanism === 'USER' && this.#named === authcid)
			this.#judge(event, this.connection.session.user);
		else
			this.#find(event, authcid, (user) => this.#judge(event, user));
	}

	#judge(event, user) {
		const { kind, mechanism, authcid, password } = event.entry;
		if (kind === 'SECRET') {
			this.#proving = mechanism === 'APOP';
			event.secret(user?.secret ?? secretOfNobody(authcid));
		} else if (kind === 'PASSWORD' && user !== null) {
			this.#settings.callbacks.compare(this.#server, event, password, user, (same) => {
				if (same)
					event.user(user.user);
				else
					event.no('AUTH');
			});
		} else {
			event.no('AUTH');
		}
	}

	AUTH_DONE(event) {
		const wrongDigest = this.#proving && !event.entry.ok;
		if (!event.entry.ok)
			this.#forget();
		if (wrongDigest)
			event.no('AUTH', { text: this.#words('failure.permission_denied') });
		else
			event.yes();
	}

	MAILDROP(event) {
		const { callbacks } = this.#settings;
		callbacks.inUse(this.#server, event, this.connection, (busy) => {
			if (busy) {
				event.no('IN_USE');
				this.#forget();
				return;
			}
			this.connection.session.state = PopSessionState.Transaction;
			callbacks.messages(this.#server, event, this.connection, (messages, name) => {
				const { octets, uidls } = checkMessages(messages, name);
				this.connection.session.messages = [...messages];
				event.maildrop(octets, uidls);
			});
		});
	}

	RETR(event) {
		const message = this.connection.session.messages[event.entry.number - 1];
		this.#server.run(event, 'contents', () => contentsOf(message),
			(contents) => this.#server.contents(event, 'contents', contents));
	}

	TOP(event) {
		this.RETR(event);
	}

	DELE(event) {
		this.connection.session.mark(event.entry.number);
	}

	RSET() {
		this.connection.session.unmark();
	}

	QUIT(event) {
		const { messages } = this.connection.session;
		const doomed = (event.entry.deleted ?? []).map((number) => messages[number - 1]);
		this.#settings.callbacks.remove(this.#server, event, this.connection, doomed,
			() => event.yes());
	}

	SAY(event) {
		const { entry } = event;
		this.#server.run(event, entry.key, () => this.#words(entry.key, entry),
			(words) => event.say(words));
	}
}

module.exports = { Dialogue };
