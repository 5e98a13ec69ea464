// Readable, Writable, Duplex, Transform, pipeline, finished (node_test.c).

const Stream = require('stream');
const { Readable, Writable, Duplex, Transform, PassThrough, pipeline, finished } = Stream;
const promises = require('stream/promises');
const EventEmitter = require('events');
const { once } = EventEmitter;

const turn = () => new Promise((good) => setImmediate(good));
const closed = (stream) => new Promise((good) => {
	stream.once('close', good);
});
const b = (text) => Buffer.from(text);
const log = [];
const take = () => log.splice(0);
const hear = (emitter, ...names) => {
	for (const name of names)
		emitter.on(name, (value) => log.push(value === undefined ? name :
			`${name} ${value?.message ?? value}`));
	return emitter;
};
const source = (...parts) => new Readable({ read() {
	this.push(parts.length > 0 ? parts.shift() : null);
} });
const sink = (options) => {
	const parts = [];
	const made = new Writable({ write(part, encoding, done) {
		parts.push(String(part));
		done();
	}, ...options });
	made.parts = parts;
	return made;
};

check('one module', [require('node:stream') === Stream, Stream.Stream === Stream, Stream.promises ===
	promises, promises === require('node:stream/promises')], [true, true, true, true]);
check('kinds', [new Readable() instanceof Stream, new Readable() instanceof EventEmitter,
	new PassThrough() instanceof Duplex, new PassThrough() instanceof Readable,
	new PassThrough() instanceof Writable, new Readable() instanceof Writable,
	new Writable() instanceof Readable], [true, true, true, true, true, false, false]);

// ---- Readable ----
{
	const r = hear(source('ab', 'cd'), 'data', 'end', 'close');
	check('nothing yet', take(), []);
	await closed(r);
	check('flows', take(), ['data ab', 'data cd', 'end', 'close']);
	check('after', [r.readableEnded, r.destroyed, r.closed, r.readable, r.readableDidRead,
		r.readableAborted], [true, true, true, false, true, false]);
	check('late listeners hear nothing', [hear(r, 'data', 'end') === r, await turn(), take()],
		[true, undefined, []]);
	check('and late pushes', r.push('x'), false);
}
{
	const r = new Readable({ read() {} });
	let isError = false;
	r.on('error', (error) => {
		isError = error.code === 'ERR_STREAM_PUSH_AFTER_EOF';
	});
	check('push', [r.push('x'), r.push(''), r.readableLength, r.push(null), r.readableLength],
		[true, true, 1, false, 1]);
	check('push after the end', r.push('y'), false);
	check('not within the call', isError, false);
	await closed(r);
	check('told', [isError, r.destroyed, r.errored.code], [true, true, 'ERR_STREAM_PUSH_AFTER_EOF']);
}
{
	// What was asked for: as much as there is room for.
	let asked = 0;
	const r = new Readable({ highWaterMark: 10, read(size) {
		asked++;
		check('size', size, 10);
		this.push('abc');
	} });
	check('nobody asks', asked, 0);
	hear(r, 'readable');
	await turn();
	check('as far as the mark', [asked, r.readableLength, take()[0]], [4, 12, 'readable']);
	check('parts', [String(r.read(2)), String(r.read(5)), r.readableLength], ['ab', 'cabca', 8]);
	await turn();
	check('filled again', [r.readableLength >= 10, r.readableLength < 16], [true, true]);
	r.destroy();
	await closed(r);
	check('no more', [r.readable, take().includes('end')], [false, false]);
}
{
	const r = new Readable({ highWaterMark: 5, read() {} });
	check('push says when it is enough', [r.push('abc'), r.push('de'), r.push('f')],
		[true, false, false]);
	check('read nothing', [r.read(0), r.read(7), String(r.read(4)), r.readableLength],
		[null, null, 'abcd', 2]);
	check('marks', [new Readable().readableHighWaterMark >= 16384, new Readable({ objectMode: true })
		.readableHighWaterMark, r.readableHighWaterMark], [true, 16, 8]);
	throws(() => new Readable({ highWaterMark: -1 }), 'ERR_INVALID_ARG_VALUE');
	r.push(null);
	check('the rest', [String(r.read(100)), r.read()], ['ef', null]);
}
{
	const r = new Readable({ read() {} });
	for (const wrong of [5, {}, true])
		check('wrong chunks', await Promise.race([once(new Readable({ read() {
			this.push(wrong);
		} }).resume(), 'close').catch((error) => error.code), turn()]), 'ERR_INVALID_ARG_TYPE');
	r.push(new Uint8Array([97]));
	check('bytes become Buffers', [r.read() instanceof Buffer, r.read()], [true, null]);
	check('no _read', await once(new Readable().resume(), 'x').catch((error) => error.code),
		'ERR_METHOD_NOT_IMPLEMENTED');
	check('a _read that throws', await once(new Readable({ read() {
		throw new RangeError('mine');
	} }).resume(), 'x').catch((error) => error.message), 'mine');
}
{
	// Pausing.
	const r = hear(new Readable({ read() {} }), 'pause', 'resume');
	check('nobody said', [r.readableFlowing, r.isPaused()], [null, false]);
	r.on('data', (part) => {
		log.push(`data ${part}`);
		if (String(part) === 'b')
			r.pause();
	});
	check('flowing', [r.readableFlowing, r.isPaused()], [true, false]);
	r.push('a');
	r.push('b');
	r.push('c');
	r.push('d');
	check('not within push', take(), []);
	await turn();
	check('paused', [take(), r.isPaused(), r.readableLength], [['resume', 'data a', 'data b',
		'pause'], true, 2]);
	await turn();
	check('stays', take(), []);
	r.resume();
	await turn();
	check('goes on', take(), ['resume', 'data c', 'data d']);
	r.push('e');
	check('at once', take(), ['data e']);
	r.pause().pause();
	r.push('f');
	r.push(null);
	await turn();
	check('no end before the data', take(), ['pause']);
	hear(r, 'end').resume();
	await closed(r);
	check('end', take(), ['resume', 'data f', 'end']);
}
{
	// "readable" takes the flow; without it, "data" flows on.
	const r = new Readable({ read() {} });
	const readable = () => log.push(`readable ${r.read()}`);
	r.on('data', (part) => log.push(`data ${part}`));
	r.on('readable', readable);
	check('not flowing', r.readableFlowing, false);
	r.push('a');
	await turn();
	check('both', take(), ['data a', 'readable a']);
	r.off('readable', readable);
	await turn();
	r.push('b');
	await turn();
	check('data alone', take(), ['data b']);
	const other = hear(new Readable({ read() {} }), 'readable', 'end');
	other.push(null);
	await turn();
	check('the end is readable', take(), ['readable', 'end']);
	const quiet = hear(source(), 'end', 'close');
	await turn();
	check('nobody reads', [take(), quiet.readableEnded], [[], false]);
	quiet.resume();
	await closed(quiet);
	check('resume is enough', take(), ['end', 'close']);
}
{
	const r = new Readable({ read() {}, encoding: 'utf8' });
	const euro = b('€');
	r.push(euro.subarray(0, 1));
	r.push(euro.subarray(1));
	r.push(euro.subarray(0, 2));
	r.push(null);
	let text = '';
	for await (const part of r)
		text += part;
	check('whole characters', text, '€\ufffd');
	const late = new Readable({ read() {} });
	late.push('h');
	late.push('é');
	check('setEncoding', [late.setEncoding('hex') === late, late.readableEncoding, late.read(),
		late.readableLength], [true, 'hex', '68c3a9', 0]);
	throws(() => late.setEncoding('none'), 'ERR_UNKNOWN_ENCODING');
}
{
	const r = new Readable({ objectMode: true, read() {} });
	check('objects', [r.push({ a: 1 }), r.push(''), r.push(0), r.readableLength, r.read(), r.read(),
		r.read(), r.read()], [true, true, true, 3, { a: 1 }, '', 0, null]);
	const front = new Readable({ read() {} });
	front.push('cd');
	front.unshift('ab');
	check('unshift', String(front.read()), 'abcd');
}
{
	// destroy: once, later, the error first.
	const r = hear(source('a', 'b'), 'data', 'error', 'close', 'end');
	check('chains', r.destroy(new Error('first')) === r, true);
	r.destroy(new Error('second'));
	check('later', [take(), r.destroyed, r.closed, r.push('x')], [[], true, true, false]);
	await turn();
	check('told', [take(), r.closed, r.errored.message, r.readableAborted], [['error first', 'close'],
		true, 'first', true]);
	const own = hear(new Readable({ read() {}, destroy(error, done) {
		log.push(`_destroy ${error}`);
		setImmediate(done, new Error('of destroy'));
	} }), 'error', 'close').destroy();
	await closed(own);
	await turn();
	check('_destroy', take(), ['_destroy null', 'error of destroy', 'close']);
	const silent = hear(new Readable({ read() {}, emitClose: false }), 'close').destroy();
	await turn();
	check('no close', [take(), silent.closed], [[], true]);
	const kept = hear(new Readable({ autoDestroy: false, read() {
		this.push(null);
	} }), 'end', 'close').resume();
	await turn();
	check('not by itself', [take(), kept.destroyed], [['end'], false]);
	const within = hear(source('a', 'b', 'c'), 'close', 'end');
	within.on('data', (part) => {
		log.push(String(part));
		within.destroy();
	});
	await closed(within);
	await turn();
	check('while flowing', [take().at(-1), within.readableEnded], ['close', false]);
}

// ---- Iteration ----
{
	const found = [];
	for await (const part of source('a', 'bc'))
		found.push(String(part));
	check('iterated', found.join(''), 'abc');
	const left = hear(source('a', 'b'), 'close', 'error');
	for await (const part of left) {
		found.push(part);
		break;
	}
	await turn();
	check('break destroys', [left.destroyed, take().at(-1)], [true, 'close']);
	const again = Readable.from([1, 2, 3]);
	for await (const part of again.iterator({ destroyOnReturn: false })) {
		check('first', part, 1);
		break;
	}
	check('unless it shall not', [again.destroyed, await again.toArray()], [false, [2, 3]]);
	const throwing = source('a');
	const why = await (async () => {
		for await (const part of throwing)
			throw new Error(`at ${part}`);
	})().catch((error) => error.message);
	check('throw destroys', [why, throwing.destroyed], ['at a', true]);
	const failing = new Readable({ read() {} });
	setImmediate(() => failing.destroy(new Error('failed')));
	check('errors reject', await failing.toArray().catch((error) => error.message), 'failed');
	const closing = new Readable({ read() {} });
	setImmediate(() => closing.destroy());
	check('and early ends', await closing.toArray().catch((error) => error.code),
		'ERR_STREAM_PREMATURE_CLOSE');
	const iterator = source('a', 'b')[Symbol.asyncIterator]();
	check('by hand', [String((await iterator.next()).value), (await iterator.return('r')).value,
		(await iterator.next()).done], ['a', 'r', true]);
}
{
	check('from', [await Readable.from('text').toArray(), await Readable.from([]).toArray(),
		await Readable.from(new Set([1, 2])).toArray(),
		await Readable.from([Promise.resolve(1)]).toArray()], [['text'], [], [1, 2], [1]]);
	check('bytes', String((await Readable.from(b('x')).toArray())[0]), 'x');
	let steps = 0, isReturned = false;
	const r = Readable.from((function* () {
		try {
			for (;;)
				yield steps++;
		} finally {
			isReturned = true;
		}
	})());
	await once(r, 'readable');
	await turn();
	check('no further than the mark', [steps, r.readableLength], [1, 1]);
	r.destroy();
	await closed(r);
	check('returned', isReturned, true);
	const bad = Readable.from((async function* () {
		yield 'a';
		throw new Error('generator');
	})());
	check('throws', await bad.toArray().catch((error) => error.message), 'generator');
	for (const wrong of [undefined, null, 5, {}])
		throws(() => Readable.from(wrong), 'ERR_INVALID_ARG_TYPE');
	check('null among them', await Readable.from([1, null]).toArray().catch((error) => error.name),
		'TypeError');
}

// ---- Writable ----
{
	const w = hear(sink(), 'finish', 'close');
	check('write', [w.write('a'), w.write(b('b'), () => log.push('written')), w.write('63', 'hex')],
		[true, true, true]);
	w.end('d', () => log.push('ended'));
	check('now', [w.parts, w.writableEnded, w.writableFinished, w.writable],
		[['a', 'b', 'c'], true, false, false].with(0, w.parts));
	await closed(w);
	check('all', [w.parts, take()], [['a', 'b', 'c', 'd'],
		['written', 'ended', 'finish', 'close']]);
	check('after', [w.writableFinished, w.destroyed, w.writableLength], [true, true, 0]);
}
{
	const waiting = [];
	const w = hear(new Writable({ highWaterMark: 4, write(part, encoding, done) {
		waiting.push([String(part), encoding, done]);
	} }), 'drain');
	check('counted', [w.write('ab'), w.write('cd'), w.writableLength, w.writableNeedDrain,
		w.write('e'), w.writableHighWaterMark], [true, false, 4, true, false, 4]);
	check('one at a time', waiting.map(([part, encoding]) => `${part} ${encoding}`), ['ab buffer']);
	waiting[0][2]();
	check('the next', [waiting.length, w.writableLength, take()], [2, 3, []]);
	waiting[1][2]();
	waiting[2][2]();
	await turn();
	check('drained', [w.writableLength, w.writableNeedDrain, take()], [0, false, ['drain']]);
	w.write('x');
	waiting[3][2]();
	await turn();
	check('no drain that nobody needs', take(), []);
}
{
	const w = hear(sink(), 'error', 'close');
	for (const [wrong, code] of [[null, 'ERR_STREAM_NULL_VALUES'], [5, 'ERR_INVALID_ARG_TYPE'],
		[undefined, 'ERR_INVALID_ARG_TYPE'], [{}, 'ERR_INVALID_ARG_TYPE']])
		throws(() => w.write(wrong), code);
	throws(() => w.write('x', 'none'), 'ERR_UNKNOWN_ENCODING');
	w.end();
	check('after the end', w.write('x', (error) => log.push(error.code)), false);
	await closed(w);
	await turn();
	check('told', take(), ['ERR_STREAM_WRITE_AFTER_END', 'error write after end', 'close'].with(1,
		`error ${w.errored.message}`));
	const gone = hear(sink(), 'error').destroy();
	gone.write('x', (error) => log.push(error.code));
	gone.end((error) => log.push(error.code));
	await turn();
	check('destroyed', take()[0], 'ERR_STREAM_DESTROYED');
	const twice = sink().end('x');
	await once(twice, 'finish');
	twice.end((error) => log.push(error.code));
	await turn();
	check('finished', take(), ['ERR_STREAM_ALREADY_FINISHED']);
}
{
	const w = hear(new Writable({ write(part, encoding, done) {
		setImmediate(done, new Error('full'));
	} }), 'error', 'finish', 'close');
	w.write('a', (error) => log.push(`a ${error.message}`));
	w.write('b', (error) => log.push(`b ${error.message}`));
	w.end((error) => log.push(`end ${error.message}`));
	await closed(w);
	await turn();
	check('failing', take().sort(), ['a full', 'b full', 'close', 'end full', 'error full']);
	check('state', [w.errored.message, w.destroyed, w.writableFinished], ['full', true, false]);
	throws(() => new Writable({ write() {
		throw new RangeError('thrown');
	} }).write('x'), 'RangeError', 'thrown');
	throws(() => new Writable().write('x'), 'ERR_METHOD_NOT_IMPLEMENTED');
}
{
	const w = hear(new Writable({ final(done) {
		log.push('final');
		setImmediate(done);
	}, write(part, encoding, done) {
		setImmediate(done);
	} }), 'finish');
	w.write('x', () => log.push('x'));
	w.end();
	await closed(w);
	check('final', take(), ['x', 'final', 'finish']);
	const bad = hear(sink({ final(done) {
		done(new Error('final failed'));
	} }), 'error', 'finish').end();
	await closed(bad);
	await turn();
	check('final fails', take(), ['error final failed']);
	const many = [];
	const v = new Writable({ writev(all, done) {
		many.push(all.map(({ chunk }) => String(chunk)).join('+'));
		done();
	} });
	v.cork();
	v.write('a');
	v.write('b');
	check('corked', [many, v.writableCorked, v.writableLength], [[], 1, 2]);
	v.uncork();
	v.end('c');
	await once(v, 'finish');
	check('writev', [many.join(), v.writableCorked], ['a+b,c', 0]);
	const text = [];
	const t = new Writable({ decodeStrings: false, write(part, encoding, done) {
		text.push(`${typeof part} ${encoding}`);
		done();
	} });
	t.setDefaultEncoding('latin1').write('x');
	t.write('x', 'utf8');
	check('strings', text, ['string latin1', 'string utf8']);
	const objects = [];
	new Writable({ objectMode: true, write(part, encoding, done) {
		objects.push(part);
		done();
	} }).end({ a: 1 });
	check('objects', objects, [{ a: 1 }]);
}

// ---- pipe ----
{
	const r = source('a', 'b', 'c'), w = hear(sink(), 'pipe', 'unpipe', 'finish');
	take();
	check('gives the destination', r.pipe(w) === w, true);
	await closed(w);
	check('piped', [w.parts.join(''), take().map((word) => word.split(' ')[0])],
		['abc', ['pipe', 'finish', 'unpipe']]);
	check('no listeners left', ['data', 'end'].map((name) => r.listenerCount(name)), [0, 0]);
	if (typeof infinity === 'object')
		throws(() => r.pipe({}), 'TypeError');
	const open = sink();
	source('x').pipe(open, { end: false });
	await turn();
	await turn();
	check('not ended', [open.parts, open.writableEnded], [['x'], false]);
}
{
	// Back-pressure: the source rests while the destination is full.
	let pushed = 0;
	const r = new Readable({ highWaterMark: 2, read() {
		this.push(pushed++ < 20 ? 'x' : null);
	} });
	const waiting = [];
	const w = new Writable({ highWaterMark: 3, write(part, encoding, done) {
		waiting.push(done);
	} });
	r.pipe(w);
	await turn();
	check('rests', [w.writableLength, pushed <= 6, r.isPaused()], [3, true, true]);
	const before = pushed;
	await turn();
	check('still', pushed, before);
	for (let i = 0; i < 200 && !w.writableFinished; i++) {
		waiting.shift()?.();
		check('never over the mark', w.writableLength <= 3, true);
		await turn();
	}
	check('to the end', [w.writableFinished, pushed], [true, 21]);
}
{
	// Two destinations: the slower one sets the pace.
	const r = new Readable({ read() {} });
	const quick = sink(), waiting = [];
	const slow = new Writable({ highWaterMark: 1, write(part, encoding, done) {
		waiting.push(done);
	} });
	r.pipe(quick);
	r.pipe(slow);
	r.push('a');
	await turn();
	r.push('b');
	await turn();
	check('the slow one waits', [quick.parts, r.isPaused()], [['a'], true]);
	r.unpipe(slow);
	await turn();
	check('without it', [quick.parts, r.isPaused()], [['a', 'b'], false]);
	r.unpipe();
	check('none', r.isPaused(), true);
	r.push('c');
	await turn();
	check('kept', [quick.parts.length, r.readableLength], [2, 1]);
}
{
	// Ends and errors while piping.
	const r = source('a', 'b'), w = hear(sink(), 'finish', 'close');
	r.pipe(w);
	r.destroy();
	await turn();
	check('a destroyed source ends nobody', [take(), w.writable], [[], true]);
	const s = new Readable({ read() {} }), bad = new Writable({ write(part, encoding, done) {
		done(new Error('no'));
	} });
	hear(bad, 'error', 'close');
	s.pipe(bad);
	s.push('x');
	await turn();
	check('unpiped', [take(), s.destroyed, s.isPaused(), s.listenerCount('data')], [['error no',
		'close'], false, true, 0]);
	const end = new Readable({ read() {} }), closed = sink();
	end.pipe(closed);
	closed.destroy();
	await turn();
	check('closed destination', [end.listenerCount('data'), end.destroyed], [0, false]);
}

// ---- Two sides ----
{
	const p = new PassThrough();
	p.end('abc');
	check('through', String(await p.toArray()), 'abc');
	const upper = new Transform({ transform(part, encoding, done) {
		this.push(String(part).toUpperCase());
		done(null, '.');
	}, flush(done) {
		done(null, 'end');
	} });
	upper.write('a');
	upper.end('b');
	check('transformed', String((await upper.toArray()).join('')), 'A.B.end');
	const bad = hear(new Transform({ transform(part, encoding, done) {
		done(new Error('no'));
	} }), 'error', 'close');
	bad.write('x');
	await turn();
	check('fails', take(), ['error no', 'close']);
	const late = new Transform({ flush(done) {
		done(new Error('late'));
	}, transform(part, encoding, done) {
		done();
	} });
	late.end('x');
	check('flush fails', await late.resume().toArray().catch((error) => error.message), 'late');
}
{
	// Its writers wait for its readers.
	const p = new PassThrough({ highWaterMark: 4 });
	let count = 0;
	while (p.write('ab'))
		count++;
	await turn();
	check('full', [p.readableLength, p.writableLength, count], [4, 4, 2]);
	p.end();
	let read = 0;
	for await (const part of p)
		read += part.length;
	check('nothing lost', read, 6);
}
{
	const d = new Duplex({ read() {
		this.push('r');
		this.push(null);
	}, write(part, encoding, done) {
		log.push(`w ${part}`);
		done();
	} });
	hear(d, 'end', 'finish', 'close').resume();
	await turn();
	check('half open', [take(), d.destroyed, d.writable], [['end'], false, true]);
	d.end('x');
	await closed(d);
	check('both', take(), ['w x', 'finish', 'close']);
	const shut = hear(new Duplex({ allowHalfOpen: false, read() {
		this.push(null);
	}, write(part, encoding, done) {
		done();
	} }), 'finish', 'end', 'close').resume();
	await closed(shut);
	check('not half open', take().sort(), ['close', 'end', 'finish']);
	function Old(options) {
		Transform.call(this, options);
	}
	Object.setPrototypeOf(Old.prototype, Transform.prototype);
	Old.prototype._transform = function (part, encoding, done) {
		done(null, `<${part}>`);
	};
	const old = new Old();
	old.end('x');
	check('the old kind', String(await old.toArray()), '<x>');
}

// ---- finished, pipeline ----
{
	const told = (stream, options) => new Promise((good) => finished(stream, options ?? {}, good));
	check('good', [await told(source('a').resume()), await told(sink().end())],
		[undefined, undefined]);
	check('bad', (await told(source('a').destroy(new Error('x')))).message, 'x');
	check('early', (await told(source('a').destroy())).code, 'ERR_STREAM_PREMATURE_CLOSE');
	const over = source().resume();
	await closed(over);
	check('long ago', await told(over), undefined);
	const half = new PassThrough();
	half.end();
	check('one side', await told(half, { readable: false }), undefined);
	const stop = finished(sink(), () => log.push('never'));
	stop();
	const control = new AbortController();
	const waiting = promises.finished(new Readable({ read() {} }), { signal: control.signal });
	control.abort();
	check('aborted', [await waiting.catch((error) => error.name), take()], ['AbortError', []]);
	throws(() => finished({}, () => 1), 'TypeError');
	throws(() => finished(sink()), 'TypeError');
}
{
	const w = sink();
	const upper = async function* (parts) {
		for await (const part of parts)
			yield String(part).toUpperCase();
	};
	check('pipeline', [await promises.pipeline(source('a', 'b'), new PassThrough(), w), w.parts],
		[undefined, ['a', 'b']]);
	const other = sink();
	await promises.pipeline(['x', 'y'], upper, other);
	check('with a function', other.parts, ['X', 'Y']);
	check('with a result', await promises.pipeline(['x', 'y'], async (parts) => {
		let text = '';
		for await (const part of parts)
			text += part;
		return text;
	}), 'xy');
	const last = await new Promise((good) => {
		check('returns the last', pipeline(source('q'), w, good) === w, true);
	});
	if (typeof infinity === 'object')
		check('a finished one', last.code, 'ERR_STREAM_DESTROYED');
	const bad = source('a'), through = new PassThrough(), end = sink();
	const failed = promises.pipeline(bad, through, end);
	bad.destroy(new Error('source'));
	check('fails', [await failed.catch((error) => error.message), through.destroyed, end.destroyed],
		['source', true, true]);
	const from = new Readable({ read() {
		this.push('x');
	} });
	check('the destination', [await promises.pipeline(from, sink({ write(part, encoding, done) {
		done(new Error('sink'));
	} })).catch((error) => error.message), from.destroyed], ['sink', true]);
	const control = new AbortController();
	const stuck = new Readable({ read() {} });
	const waiting = promises.pipeline(stuck, sink(), { signal: control.signal });
	control.abort();
	check('aborted', [await waiting.catch((error) => error.name), stuck.destroyed],
		['AbortError', true]);
	const kept = sink();
	await promises.pipeline(source('x'), kept, { end: false });
	check('not ended', [kept.writable, kept.parts], [true, ['x']]);
	check('too few', await promises.pipeline(source('x')).catch((error) => error.code),
		'ERR_MISSING_ARGS');
}

return checks > 150;
