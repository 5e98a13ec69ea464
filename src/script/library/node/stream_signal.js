'use strict';
// A stream that an AbortSignal destroys.

const { aborted, wrongType } = require('./errors');

exports.follow = (signal, stream) => {
	if (typeof signal?.addEventListener !== 'function')
		throw wrongType('stream: signal', 'an AbortSignal', signal);
	const stop = () => stream.destroy(aborted(signal.reason));
	if (signal.aborted) {
		queueMicrotask(stop);
		return stream;
	}
	signal.addEventListener('abort', stop, { once: true });
	stream.once('close', () => signal.removeEventListener('abort', stop));
	return stream;
};
