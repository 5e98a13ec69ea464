'use strict';
// What goes wrong with a client, as errors that say who, at which command, with which reply.
const host = require('../host');
const { errors, codes } = host.native.constants();

const SIDES = [undefined, 'client', 'server', 'peer', 'network'];

function namesOf(numbers) {
	return new Map(Object.entries(numbers).map(([name, number]) => [number, name]));
}

const errorNames = namesOf(errors);
const pop3Names = namesOf(codes);

/**
 * code: 'AUTH', 'TIMEOUT', 'CONNECT', 'NO_HOST', 'TLS', 'DENIED', 'AGAIN', 'CLOSED', 'CANCELED',
 * 'SOURCE' (what send() was to read failed; its error is `cause`), 'PROTO', 'LIMIT', 'UNSUPPORTED' …; side: who is to blame, 'client' (nothing was sent), 'server'
 * (it said no), 'peer' (it broke the protocol), 'network'. Where there is one: command ('RETR 3',
 * secrets masked), reply (the reply's text), replyCode and enhanced (SMTP: 550, '5.1.1'), pop3Code
 * ('SYS_TEMP'), request ('RETR'), rejected (of send()).
 */
class MailError extends Error {
	name = 'MailError';

	constructor(code, message, members) {
		super(message);
		this.code = code;
		Object.assign(this, members);
	}
}

function nameOfError(number) {
	return errorNames.get(number) ?? 'STORE';
}

/** Of an OUTCOME entry, or of what it says of one recipient. */
function outcomeError(outcome) {
	const side = SIDES[outcome.side];
	const members = { side };
	if (outcome.of !== undefined)
		members.request = outcome.of;
	if (outcome.command !== undefined)
		members.command = outcome.command;
	if (side === 'server' || side === 'peer')
		members.reply = outcome.text ?? '';
	if (outcome.smtpCode !== undefined)
		members.replyCode = outcome.smtpCode;
	if (outcome.enhanced !== undefined)
		members.enhanced = outcome.enhanced;
	if (outcome.pop3Code !== undefined)
		members.pop3Code = pop3Names.get(outcome.pop3Code);
	if (outcome.recipient !== undefined)
		members.recipient = outcome.recipient;
	return new MailError(nameOfError(outcome.result), outcome.message ?? '', members);
}

/** Of a CLOSED entry. */
function closedError({ code, message }) {
	return new MailError(nameOfError(code || errors.CLOSED),
		message || 'the connection has ended', { side: 'network' });
}

function misuse(message) {
	return new MailError('MISUSE', message, { side: 'client' });
}

/** What an AbortSignal that fired rejects with. */
function abortError(signal) {
	const { reason } = signal;
	const error = new MailError('CANCELED', reason?.name === 'TimeoutError' ?
		'the operation took longer than its signal allowed' : 'the operation was aborted',
	{ side: 'client' });
	error.name = 'AbortError';
	if (reason !== undefined)
		error.cause = reason;
	return error;
}

module.exports = { MailError, outcomeError, closedError, misuse, abortError };
