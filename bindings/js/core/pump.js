'use strict';
// The queue of entries, taken on the script's thread and handed to those they are for. An owner of
// entries stands in one of three maps by its number and has take(entry).
//
// Long queues are worked off in batches, so that the program's other I/O gets its turn in between.
const host = require('../host');

const BATCH = 500;
const servers = new Map(), clients = new Map(), pipes = new Map();

const later = typeof setImmediate === 'function' ? setImmediate : (fn) => setTimeout(fn, 0);

function ownerOf(entry) {
	if (entry.server !== undefined)
		return servers.get(entry.server);
	if (entry.client !== undefined)
		return clients.get(entry.client);
	return pipes.get(entry.pipe);
}

function deliver(entry) {
	try {
		ownerOf(entry)?.take(entry);
	} catch (error) {
		host.report(error);
	}
}

function pump() {
	const { take } = host.native;
	for (let left = BATCH; left; left--) {
		const entry = take();
		if (entry === undefined)
			return;
		deliver(entry);
	}
	later(pump);
}

host.onWake(pump);

// The program is to end: sessions have that long to do so, too.
const DRAIN = 10000;
host.onTerminate?.(() => servers.forEach((server) => server.drain?.(DRAIN)));

module.exports = { servers, clients, pipes };
