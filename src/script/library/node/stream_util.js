'use strict';
// finished and pipeline, with functions to call or as promises (stream_promises.js).

const { aborted, callable, make, wrongType } = require('./errors');
const { LIFE, later } = require('./stream_life');
const { Readable, STATE } = require('./stream_readable');
const { WRITABLE } = require('./stream_writable');

const premature = () => make(Error, 'ERR_STREAM_PREMATURE_CLOSE', 'Premature close');

// The sides of a stream that are waited for; streams of other makers tell by their properties.
class Sides {
	constructor(stream, options) {
		this.stream = stream;
		const reads = STATE in stream || (!(LIFE in stream) && stream.readable === true);
		const writes = WRITABLE in stream || (!(LIFE in stream) && stream.writable === true);
		this.waitsRead = reads && options.readable !== false;
		this.waitsWrite = writes && options.writable !== false;
		this.isRead = stream.readableEnded === true;
		this.isWritten = stream.writableFinished === true;
		this.closes = stream[LIFE]?.isAuto === true && stream[LIFE].tellsClose &&
			this.waitsRead === reads && this.waitsWrite === writes;
	}

	get isDone() {
		return (!this.waitsRead || this.isRead) && (!this.waitsWrite || this.isWritten);
	}

	// Behind the last of its events.
	get isOver() {
		return this.isDone && (!this.closes || this.stream[LIFE].isCloseTold);
	}
}

const watch = (stream, options, done) => {
	const sides = new Sides(stream, options);
	const look = () => sides.isOver && done();
	const listeners = {
		end() {
			sides.isRead = true;
			look();
		},
		finish() {
			sides.isWritten = true;
			look();
		},
		close: () => sides.isDone ? done() : done(stream.errored ?? premature()),
	};
	if (options.error !== false)
		listeners.error = done;
	for (const [name, listener] of Object.entries(listeners))
		stream.on(name, listener);
	if (stream.closed || sides.isOver)
		later(listeners.close);
	else if (stream.errored)
		later(() => done(stream.errored));
	return () => {
		for (const [name, listener] of Object.entries(listeners))
			stream.off(name, listener);
	};
};

const finished = (stream, options, done) => {
	if (typeof options === 'function')
		[options, done] = [{}, options];
	if (typeof stream?.on !== 'function')
		throw wrongType('stream.finished: stream', 'a stream', stream);
	callable('stream.finished: callback', done);
	const { signal } = options ?? {};
	let isTold = false;
	const tell = (error) => {
		if (isTold)
			return;
		isTold = true;
		signal?.removeEventListener('abort', stop);
		done.call(stream, error ?? undefined);
	};
	const stop = () => tell(aborted(signal.reason));
	const unwatch = watch(stream, options ?? {}, tell);
	if (signal?.aborted)
		later(stop);
	else
		signal?.addEventListener('abort', stop, { once: true });
	return () => {
		isTold = true;
		signal?.removeEventListener('abort', stop);
		unwatch();
	};
};

// ---- pipeline ----

const isStream = (value) =>
	typeof value?.on === 'function' && typeof (value.pipe ?? value.write) === 'function';
const isIterable = (value) => value !== null && value !== undefined &&
	typeof (value[Symbol.asyncIterator] ?? value[Symbol.iterator]) === 'function';

// Functions stand for what they make of what comes before them: a stream or iterable in between, a
// promise at the end. Gives streams, and that promise.
const stagesOf = (stages, signal) => {
	const made = [];
	let result;
	stages.forEach((stage, i) => {
		let value = stage;
		if (typeof stage === 'function')
			value = i === 0 ? stage({ signal }) : stage(made.at(-1).stream, { signal });
		const isTaken = typeof stage === 'function' && i > 0;
		if (isStream(value))
			made.push({ stream: value, isTaken });
		else if (isIterable(value) && (i === 0 || isTaken))
			made.push({ stream: Readable.from(value), isTaken });
		else if (isTaken && i === stages.length - 1 && typeof value?.then === 'function')
			result = value;
		else
			throw wrongType(`stream.pipeline: streams[${i}]`, 'a stream, an iterable at the ' +
				'beginning, or a function that gives one', value);
	});
	return { made, result };
};

class Pipeline {
	#left = 0;
	#error;
	#value;
	#streams;
	#done;

	constructor({ made, result }, { end = true, signal }, done) {
		this.#streams = made.map(({ stream }) => stream);
		this.#done = done;
		const last = made.length - 1;
		made.forEach(({ stream, isTaken }, i) => {
			const isSource = i < last || result !== undefined;
			if (i > 0 && !isTaken)
				this.#check(stream);
			this.#follow(stream, { readable: isSource, writable: i > 0 && !isTaken && (i < last || end) });
			if (i > 0 && !isTaken)
				made[i - 1].stream.pipe(stream, { end: end || i < last });
		});
		if (result !== undefined) {
			this.#left++;
			result.then((value) => {
				this.#value = value;
				this.#over();
			}, (error) => this.#over(error));
		}
		if (signal)
			this.#obey(signal);
	}

	#check(stream) {
		if (stream.writable !== false)
			return;
		this.#left++;
		later(() => this.#over(make(Error, 'ERR_STREAM_DESTROYED',
			'stream.pipeline: nothing can be written to it any more')));
	}

	#follow(stream, options) {
		this.#left++;
		finished(stream, options, (error) => this.#over(error));
	}

	#obey(signal) {
		const stop = () => this.#fail(aborted(signal.reason));
		if (signal.aborted)
			later(stop);
		else
			signal.addEventListener('abort', stop, { once: true });
	}

	#fail(error) {
		this.#error ??= error;
		for (const stream of this.#streams) {
			// What fails behind the first error is nobody's business any more.
			stream.on('error', () => {});
			stream.destroy?.(error);
		}
	}

	#over(error) {
		this.#left--;
		if (error && (this.#error === undefined ||
			this.#error.code === 'ERR_STREAM_PREMATURE_CLOSE'))
			this.#error = error;
		if (error)
			this.#fail(error);
		if (this.#left === 0)
			this.#done(this.#error, this.#value);
	}
}

const run = (stages, options, done) => {
	const all = stages.length === 1 && Array.isArray(stages[0]) ? stages[0] : stages;
	if (all.length < 2)
		throw make(TypeError, 'ERR_MISSING_ARGS', 'stream.pipeline: two streams at least');
	const control = new AbortController();
	const pipeline = new Pipeline(stagesOf(all, control.signal), options, (error, value) => {
		if (error)
			control.abort(error);
		done(error, value);
	});
	return pipeline && all.at(-1);
};

const pipeline = (...stages) => {
	const done = callable('stream.pipeline: callback', stages.pop());
	return run(stages, {}, done);
};

const isOptions = (value) =>
	typeof value === 'object' && value !== null && !isStream(value) && !isIterable(value);

const promises = {
	finished: (stream, options = {}) => new Promise((resolve, reject) => {
		const stop = finished(stream, options, (error) => {
			if (options.cleanup)
				stop();
			if (error)
				reject(error);
			else
				resolve();
		});
	}),
	pipeline: (...stages) => new Promise((resolve, reject) => {
		const options = isOptions(stages.at(-1)) ? stages.pop() : {};
		run(stages, options, (error, value) => error ? reject(error) : resolve(value));
	}),
};

module.exports = { finished, pipeline, promises };
