'use strict';
// What bindings/js asks of a host (bindings/README.md names the members), in `lettermill run`.

internal.need('infinity.bridge');
internal.need('infinity.crypto');
internal.need('infinity.node');

const { Buffer } = require('./node/buffer');
const EventEmitter = require('./node/events');
const { Readable } = require('./node/stream');

const { native, octets, onTerminate, onWake, text } = internal.bridge;

const over = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const take = () => {
	const entry = native.take();
	if (entry?.bytes !== undefined)
		entry.bytes = over(entry.bytes);
	return entry;
};

// What is read in place while script goes on must not shrink.
const steady = (bytes) => bytes?.buffer?.resizable ? Uint8Array.from(bytes) : bytes;

module.exports = {
	native: {
		...native,
		take,
		answerBytes: (session, event, bytes) => native.answerBytes(session, event, steady(bytes)),
		clientBytes: (client, event, bytes) => native.clientBytes(client, event, steady(bytes)),
	},
	name: 'lettermill',
	onWake,
	onTerminate,
	EventEmitter,
	Readable,
	Buffer,
	octets: (value) => typeof value === 'string' ? over(octets(value)) : over(value),
	text,
	unref: (timer) => timer.unref(),
	hostname: () => internal.system.about().hostName,
	md5: (bytes) => infinity.crypto.hash('md5', bytes),
	hmacMd5: (key, bytes) => infinity.crypto.hmac('md5', key, bytes),
	report: (error) => console.error(error),
};
