'use strict';
// What js/ asks of a host (bindings/README.md names the members), given by Node.js.
const { Buffer } = require('buffer');
const crypto = require('crypto');
const EventEmitter = require('events');
const os = require('os');
const { Readable } = require('stream');

const addon = require('./addon');

const native = addon.load(addon.find());
const { setWake, octets, text, ...natives } = native;

module.exports = {
	native: natives,
	name: 'node',
	onWake: setWake,
	EventEmitter,
	Readable,
	Buffer,
	octets: (value) => typeof value === 'string' ? octets(value) :
		Buffer.from(value.buffer, value.byteOffset, value.byteLength),
	text,
	unref: (timer) => timer.unref(),
	hostname: os.hostname,
	md5: (bytes) => crypto.createHash('md5').update(bytes).digest('hex'),
	hmacMd5: (key, bytes) => crypto.createHmac('md5', key).update(bytes).digest('hex'),
	report: (error) => console.error(error),
};
