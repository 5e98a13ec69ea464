'use strict';
// timers/promises.

const { aborted } = require('./errors');

const wait = (arm, disarm, value, { signal, ref = true } = {}) => new Promise((resolve, reject) => {
	if (signal?.aborted)
		throw aborted(signal.reason);
	const stop = () => {
		disarm(timer);
		reject(aborted(signal.reason));
	};
	const timer = arm(() => {
		signal?.removeEventListener('abort', stop);
		resolve(value);
	});
	if (!ref)
		timer.unref();
	signal?.addEventListener('abort', stop, { once: true });
});

exports.setTimeout = (ms, value, options) =>
	wait((fn) => setTimeout(fn, ms), clearTimeout, value, options);
exports.setImmediate = (value, options) =>
	wait((fn) => setImmediate(fn), clearImmediate, value, options);
exports.setInterval = async function* (ms, value, options) {
	for (;;)
		yield await exports.setTimeout(ms, value, options);
};
exports.scheduler = {
	wait: (ms, options) => exports.setTimeout(ms, undefined, options),
	yield: () => exports.setImmediate(),
};
