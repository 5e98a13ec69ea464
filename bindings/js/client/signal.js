'use strict';
// AbortSignals, and what is enough of one: aborted, reason, addEventListener('abort').
const { abortError } = require('./error');

function checkSignal(signal) {
	if (signal === undefined || signal === null)
		return undefined;
	if (typeof signal.addEventListener !== 'function')
		throw new TypeError('signal: an AbortSignal is wanted');
	return signal;
}

/** Calls fired(error) when it aborts, until the function that is returned was called. */
function watch(signal, fired) {
	if (!signal)
		return () => {};
	const listener = () => fired(abortError(signal));
	signal.addEventListener('abort', listener, { once: true });
	return () => signal.removeEventListener?.('abort', listener);
}

module.exports = { checkSignal, watch };
