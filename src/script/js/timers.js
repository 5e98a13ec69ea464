'use strict';
// Timers: a heap ordered by moment and age; C has one alarm, for the first of them.

const MAX_DELAY = 1e12;
const heap = [];
const byId = new Map();
let lastId = 0;
let held = 0;
let alarm = Infinity;

// What scripts see of a timer; the heap has its record.
class Timeout {
	#record;

	constructor(record) {
		this.#record = record;
	}

	static record(timer) {
		return typeof timer === 'object' && timer !== null && #record in timer ?
			timer.#record : undefined;
	}

	ref() {
		setHeld(this.#record, true);
		return this;
	}

	unref() {
		setHeld(this.#record, false);
		return this;
	}

	hasRef() {
		return this.#record.isHeld;
	}

	close() {
		clear(this);
		return this;
	}

	[Symbol.toPrimitive]() {
		return this.#record.id;
	}
}

const hold = (change) => {
	const before = held;
	held += change;
	if ((before === 0) !== (held === 0))
		native.hold(held > 0);
};

const setHeld = (timer, isHeld) => {
	if (timer.isHeld !== isHeld && timer.place >= 0)
		hold(isHeld ? 1 : -1);
	timer.isHeld = isHeld;
};

const isBefore = (a, b) => a.at < b.at || (a.at === b.at && a.id < b.id);

const put = (timer, place) => {
	heap[place] = timer;
	timer.place = place;
};

const rise = (timer, from) => {
	let place = from;
	while (place > 0) {
		const above = (place - 1) >> 1;
		if (!isBefore(timer, heap[above]))
			break;
		put(heap[above], place);
		place = above;
	}
	put(timer, place);
};

const sink = (timer, from) => {
	let place = from;
	for (;;) {
		let below = 2 * place + 1;
		if (below + 1 < heap.length && isBefore(heap[below + 1], heap[below]))
			below++;
		if (below >= heap.length || !isBefore(heap[below], timer))
			break;
		put(heap[below], place);
		place = below;
	}
	put(timer, place);
};

const setAlarm = () => {
	const first = heap.length > 0 ? heap[0].at : Infinity;
	if (first === alarm)
		return;
	alarm = first;
	native.alarm(first);
};

const add = (timer, at) => {
	timer.at = at;
	byId.set(timer.id, timer);
	if (timer.isHeld)
		hold(1);
	rise(timer, heap.length);
};

const remove = (timer) => {
	const place = timer.place;
	if (place < 0)
		return;
	const last = heap.pop();
	timer.place = -1;
	byId.delete(timer.id);
	if (timer.isHeld)
		hold(-1);
	if (last === timer)
		return;
	if (place > 0 && isBefore(last, heap[(place - 1) >> 1]))
		rise(last, place);
	else
		sink(last, place);
};

const arm = (name, callback, delay, args, isInterval) => {
	internal.callable(`${name}: callback`, callback);
	const ms = Math.min(Math.max(Number(delay) || 0, isInterval ? 1 : 0), MAX_DELAY);
	const timer = { id: ++lastId, at: 0, place: -1, isHeld: true, callback, args,
		every: isInterval ? ms : undefined };
	add(timer, internal.now() + ms);
	setAlarm();
	return new Timeout(timer);
};

// C calls it again and again until nothing is due, so that microtasks run behind each. `until`:
// what is armed meanwhile waits for the next turn.
const fire = (until) => {
	const timer = heap[0];
	if (timer === undefined || timer.at > until) {
		alarm = Infinity;
		setAlarm();
		return false;
	}
	remove(timer);
	if (timer.every !== undefined) {
		timer.at += timer.every;
		add(timer, Math.max(timer.at, until + Math.min(timer.every, 1)));
	}
	timer.callback(...timer.args);
	return true;
};

const clear = (timer) => {
	const found = typeof timer === 'number' || typeof timer === 'string' ?
		byId.get(Number(timer)) : Timeout.record(timer);
	if (found !== undefined) {
		remove(found);
		setAlarm();
	}
};

// Those of a turn run in it, those they make in the next.
let immediates = new Set();
let running = [];

class Immediate {
	#callback;
	#args;
	#isHeld = true;

	constructor(callback, args) {
		this.#callback = callback;
		this.#args = args;
	}

	ref() {
		this.#isHeld = true;
		return this;
	}

	unref() {
		this.#isHeld = false;
		return this;
	}

	hasRef() {
		return this.#isHeld;
	}

	static run(immediate) {
		immediate.#callback(...immediate.#args);
	}
}

const runImmediate = (isFirst) => {
	if (isFirst) {
		running = [...immediates];
		running.reverse();
	}
	let next;
	do
		next = running.pop();
	while (next !== undefined && !immediates.has(next));
	if (next === undefined) {
		native.immediates(immediates.size > 0);
		return false;
	}
	immediates.delete(next);
	Immediate.run(next);
	return true;
};

native.begin(fire, runImmediate);

internal.publish('setTimeout', (callback, delay, ...args) =>
	arm('setTimeout', callback, delay, args, false));
internal.publish('setInterval', (callback, delay, ...args) =>
	arm('setInterval', callback, delay, args, true));
internal.publish('clearTimeout', (timer) => clear(timer));
internal.publish('clearInterval', (timer) => clear(timer));
internal.publish('setImmediate', (callback, ...args) => {
	internal.callable('setImmediate: callback', callback);
	const immediate = new Immediate(callback, args);
	immediates.add(immediate);
	native.immediates(true);
	return immediate;
});
internal.publish('clearImmediate', (immediate) => {
	immediates.delete(immediate);
});
