'use strict';
// Why a server could not start, with the `code` that net.Server would have given it.

const CODES = [['EADDRINUSE', /in use/i], ['EACCES', /permission denied/i],
	['EADDRNOTAVAIL', /cannot assign/i], ['ENOTFOUND', /numbers only/]];

/** `error`, which says more where it is about the place { port, host, path }. */
function startError(error, { port, host, path }) {
	const found = CODES.find(([, words]) => words.test(error.message));
	if (found === undefined)
		return error;
	return Object.assign(error, { code: found[0], syscall: 'listen', address: path ?? host, port });
}

module.exports = { startError };
