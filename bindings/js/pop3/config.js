'use strict';
// An application's callbacks, by either of their two sets of names.
const { hint } = require('../core/nearest');
const { EmailAddress, checkUser } = require('./user');
const { English } = require('./languages');

const notImplemented = (name) => function missing() {
	throw new Error(`PopServerConfig: ${name} is not implemented`);
};

/** (get_user, is_in_use, compare_password, receive_messages, delete_messages, default_language),
 * or (defaultLanguage, { getUser, hasExistingSession, comparePassword, getMessages,
 * deleteMessages }). */
class PopServerConfig {
	constructor(first = English, second = {}, ...rest) {
		if (typeof first === 'function')
			this.#positional(first, second, ...rest);
		else
			this.#named(first, second);
	}

	#positional(get_user, is_in_use, compare_password, receive_messages, delete_messages,
		default_language = English) {
		Object.assign(this, { get_user, is_in_use, compare_password, receive_messages,
			delete_messages, default_language });
	}

	#named(defaultLanguage, callbacks) {
		this.defaultLanguage = defaultLanguage;
		for (const name of NAMED) {
			if (callbacks[name] != null)
				this[name] = callbacks[name];
		}
	}
}

const NAMED = ['getUser', 'hasExistingSession', 'comparePassword', 'getMessages', 'deleteMessages'];
for (const name of NAMED)
	if (name !== 'hasExistingSession')
		PopServerConfig.prototype[name] = notImplemented(name);

const PAIRS = {
	user: ['get_user', 'getUser'],
	compare: ['compare_password', 'comparePassword'],
	inUse: ['is_in_use', 'hasExistingSession'],
	messages: ['receive_messages', 'getMessages'],
	remove: ['delete_messages', 'deleteMessages'],
};
const OPTIONAL = ['inUse'];

const named = (config) => Object.keys(config).filter((name) => config[name] != null);

function nameOf(config, what) {
	const pair = PAIRS[what];
	const found = pair.find((name) => typeof config[name] === 'function');
	if (found !== undefined || OPTIONAL.includes(what))
		return found;
	const wrong = pair.find((name) => config[name] != null);
	throw new TypeError(`PopServer: config.${wrong ?? pair.join(' or ')}: a function is wanted` +
		(wrong === undefined ? hint(pair[0], named(config)) : ''));
}

function wanted(value, type, name) {
	if (typeof value !== type)
		throw new TypeError(`${name}: a ${type} is wanted, not ${value === null ? 'null' :
			typeof value}`);
	return value;
}

/** The callbacks as dialogue.js calls them: run(server, event, …, then), each with its checks. */
class Callbacks {
	#config;
	#names = {};

	constructor(config) {
		if (typeof config !== 'object' || config === null)
			throw new TypeError('PopServer: config: an object of callbacks is wanted');
		this.#config = config;
		for (const what of Object.keys(PAIRS))
			this.#names[what] = nameOf(config, what);
	}

	get language() {
		return this.#config.default_language ?? this.#config.defaultLanguage ?? English;
	}

	/** What the application calls it. */
	get languageName() {
		return this.#config.default_language == null ? 'defaultLanguage' : 'default_language';
	}

	/** then(PopUser or null) */
	user(server, event, login, connection, then) {
		const name = this.#names.user;
		const asked = name === 'getUser' ? EmailAddress.fromAddress(login) : login;
		server.run(event, name, () => this.#config[name](asked, connection),
			(user) => then(checkUser(user, name)));
	}

	/** then(whether it is his) */
	compare(server, event, password, user, then) {
		const name = this.#names.compare;
		server.run(event, name, () => this.#config[name](password, user.pass),
			(same) => then(wanted(same, 'boolean', name)));
	}

	/** then(whether somebody is there) */
	inUse(server, event, connection, then) {
		const name = this.#names.inUse;
		if (name === undefined)
			then(false);
		else
			server.run(event, name, () => this.#config[name](connection),
				(busy) => then(wanted(busy, 'boolean', name)));
	}

	/** then(what it gave, name) */
	messages(server, event, connection, then) {
		const name = this.#names.messages;
		server.run(event, name, () => this.#config[name](connection),
			(messages) => then(messages, name));
	}

	/** then() */
	remove(server, event, connection, messages, then) {
		const name = this.#names.remove;
		server.run(event, name, () => this.#config[name](connection, messages), then);
	}
}

module.exports = { PopServerConfig, Callbacks };
