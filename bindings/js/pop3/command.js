'use strict';
// Commands as text and as objects.
const { hint } = require('../core/nearest');

const PopCommandType = Object.freeze({
	User: 'USER', Pass: 'PASS', Quit: 'QUIT', Stat: 'STAT', List: 'LIST', Retr: 'RETR',
	Dele: 'DELE', Noop: 'NOOP', Rset: 'RSET', Top: 'TOP', Uidl: 'UIDL', Capa: 'CAPA', Lang: 'LANG',
	Apop: 'APOP', Auth: 'AUTH', Stls: 'STLS', Utf8: 'UTF8',
});
const TYPES = Object.values(PopCommandType);

class PopError extends Error {
	name = 'PopError';
}

class PopInvalidCommandError extends PopError {
	name = 'PopInvalidCommandError';
}

class PopCommand {
	constructor(type, args = null) {
		this.type = type;
		this.args = args;
	}

	/** All behind the verb; null: nothing. */
	get argument() {
		return this.args === null ? null : this.args.trim();
	}

	/** The same cut at single spaces. */
	get arguments() {
		return this.args === null ? null : this.args.trim().split(' ');
	}

	static decode(line) {
		const text = line.trim();
		const at = text.indexOf(' ');
		const verb = (at < 0 ? text : text.slice(0, at)).toUpperCase();
		if (!TYPES.includes(verb))
			throw new PopInvalidCommandError(`${verb} is no command of POP3${hint(verb, TYPES)}`);
		return new PopCommand(verb, at < 0 ? null : text.slice(at + 1).trim());
	}

	encode(newline = true) {
		const argument = this.argument;
		return this.type + (argument ? ` ${argument}` : '') + (newline ? '\r\n' : '');
	}
}

module.exports = { PopCommand, PopCommandType, PopError, PopInvalidCommandError };
