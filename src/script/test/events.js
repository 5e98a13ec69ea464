// EventEmitter and what stands around it (node_test.c).

const EventEmitter = require('events');
const { once, on } = EventEmitter;

check('one module', [require('node:events') === EventEmitter, EventEmitter.EventEmitter ===
	EventEmitter, require.resolve('node:events')], [true, true, 'node:events']);

const log = [];
const note = (word) => (...args) => log.push([word, ...args].join(' '));
const take = () => log.splice(0);

{
	const e = new EventEmitter();
	check('nobody', e.emit('x', 1), false);
	check('chains', e.on('x', note('a')).addListener('x', note('b')) === e, true);
	e.prependListener('x', note('first'));
	check('heard', e.emit('x', 1, 'two'), true);
	check('order', take(), ['first 1 two', 'a 1 two', 'b 1 two']);
	check('counts', [e.listenerCount('x'), e.listenerCount('y'), e.eventNames()], [3, 0, ['x']]);
	e.removeAllListeners('x');
	check('none', [e.emit('x'), e.eventNames(), take()], [false, [], []]);
}
{
	const e = new EventEmitter();
	e.once('x', note('once'));
	const listener = note('twice');
	e.once('x', listener);
	check('listeners are the own', [e.listeners('x')[1] === listener, e.rawListeners('x')[1] ===
		listener, e.rawListeners('x')[1].listener === listener], [true, false, true]);
	e.off('x', listener);
	e.emit('x', 1);
	e.emit('x', 2);
	check('once', take(), ['once 1']);
	e.prependOnceListener('x', note('o'));
	e.emit('x');
	check('all gone', [take(), e.listenerCount('x')], [['o'], 0]);
	// Once, also where it emits itself again.
	let depth = 0;
	e.once('again', () => {
		depth++;
		e.emit('again');
	});
	e.emit('again');
	check('once in itself', depth, 1);
}
{
	const e = new EventEmitter();
	const second = note('second');
	e.on('x', () => {
		log.push('first');
		e.off('x', second);
		e.on('x', note('late'));
	});
	e.on('x', second);
	e.emit('x');
	check('removed while emitting is still told, added is not', take(), ['first', 'second']);
	e.removeAllListeners();
	e.on('y', note('same')).on('y', second).on('y', second);
	e.off('y', second);
	e.emit('y');
	check('one of two', take(), ['same', 'second']);
	e.on('z', function () {
		log.push(this === e);
		e.removeAllListeners('z');
	}).on('z', note('rest'));
	e.emit('z');
	check('this, and all removed', [take(), e.emit('z')], [[true, 'rest'], false]);
}
{
	const e = new EventEmitter();
	const listener = () => 1;
	e.on('newListener', (name, fn) => log.push(`+${String(name)} ${fn === listener} ` +
		e.listenerCount(name)));
	e.on('removeListener', (name, fn) => log.push(`-${String(name)} ${fn === listener} ` +
		e.listenerCount(name)));
	take();
	e.on('a', listener);
	e.once(Symbol.for('b'), listener);
	e.emit(Symbol.for('b'));
	e.off('a', listener);
	e.off('a', listener);
	check('told', take(), ['+a true 0', '+Symbol(b) true 0', '-Symbol(b) true 0', '-a true 0']);
	e.on('c', listener).on('c', listener).on('d', listener);
	take();
	e.removeAllListeners('c');
	check('each', take(), ['-c true 1', '-c true 0']);
	e.removeAllListeners();
	check('all', [e.eventNames(), take()], [[], ['-newListener false 0', '-d true 0']]);
}
{
	const e = new EventEmitter();
	throws(() => e.emit('error', new RangeError('mine')), 'RangeError', 'mine');
	throws(() => e.emit('error', 'text'), 'ERR_UNHANDLED_ERROR', "'text'");
	throws(() => e.emit('error'), 'ERR_UNHANDLED_ERROR');
	e.on(EventEmitter.errorMonitor, note('monitor'));
	throws(() => e.emit('error', new Error('still')), 'Error', 'still');
	e.on('error', note('heard'));
	check('heard', [e.emit('error', 1), take()], [true, ['monitor Error: still', 'monitor 1',
		'heard 1']]);
	e.on('x', () => {
		throw new Error('listener');
	}).on('x', note('not reached'));
	throws(() => e.emit('x'), 'Error', 'listener');
	check('what throws ends it', take(), []);
}
{
	const e = new EventEmitter();
	for (const value of [undefined, null, 'x', {}])
		for (const name of ['on', 'once', 'off', 'addListener', 'prependListener'])
			throws(() => e[name]('x', value), 'ERR_INVALID_ARG_TYPE', 'listener');
	throws(() => e.setMaxListeners(-1), 'ERR_OUT_OF_RANGE');
	throws(() => e.setMaxListeners('3'), 'ERR_INVALID_ARG_TYPE');
	check('maxima', [e.getMaxListeners(), e.setMaxListeners(0).getMaxListeners(),
		EventEmitter.defaultMaxListeners], [10, 0, 10]);
}
{
	// Constructors of the old kind, classes, and objects whose constructor never ran.
	function Old() {
		EventEmitter.call(this);
	}
	Object.setPrototypeOf(Old.prototype, EventEmitter.prototype);
	class New extends EventEmitter {}
	const mixed = Object.assign({}, EventEmitter.prototype);
	const bare = Object.create(EventEmitter.prototype);
	for (const e of [new Old(), new New(), mixed, bare]) {
		e.on('x', note('heard'));
		e.emit('x');
		check('own listeners', [take(), Object.keys(e).includes('x')], [['heard'], false]);
	}
	check('instances', new Old() instanceof EventEmitter, true);
	for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString'])
		check(name, [new New().emit(name), new New().on(name, note(name)).emit(name)],
			[false, true]);
	take();
}
{
	const e = new EventEmitter();
	setImmediate(() => e.emit('x', 1, 2));
	check('awaited', await once(e, 'x'), [1, 2]);
	check('and nothing left', e.eventNames(), []);
	setImmediate(() => e.emit('error', new Error('bad')));
	check('rejects', await once(e, 'x').catch((error) => error.message), 'bad');
	setImmediate(() => e.emit('error', 'waited for'));
	check('error itself', await once(e, 'error'), ['waited for']);
	check('nothing left', e.eventNames(), []);
	const control = new AbortController();
	const waiting = once(e, 'x', { signal: control.signal });
	control.abort();
	check('aborted', await waiting.catch((error) => [error.name, error.code]),
		['AbortError', 'ABORT_ERR']);
	check('before', await once(e, 'x', control).catch((error) => error.name), 'AbortError');
	check('no listeners', e.eventNames(), []);
	const target = new EventTarget();
	setImmediate(() => target.dispatchEvent(new Event('x')));
	check('targets', (await once(target, 'x'))[0].type, 'x');
	check('else', await once({}, 'x').catch((error) => error.code), 'ERR_INVALID_ARG_TYPE');
}
{
	const e = new EventEmitter();
	const found = [];
	setImmediate(() => [1, 2, 3].forEach((n) => e.emit('x', n)));
	for await (const [n] of on(e, 'x')) {
		found.push(n);
		if (n === 3)
			break;
	}
	check('iterated', [found, e.eventNames()], [[1, 2, 3], []]);
	setImmediate(() => {
		e.emit('x', 'kept');
		e.emit('error', new Error('end'));
	});
	try {
		for await (const [word] of on(e, 'x'))
			found.push(word);
	} catch (error) {
		found.push(error.message);
	}
	check('ends with the error', [found.slice(3), e.eventNames()], [['kept', 'end'], []]);
}

return checks > 40;
