'use strict';
// stream: what Node documents of streams that mail needs. Without compose, duplexPair, Web Streams,
// and the array-like methods but toArray.

const { Stream } = require('./stream_life');
const { Readable } = require('./stream_readable');
const { Writable } = require('./stream_writable');
const { Duplex, PassThrough, Transform } = require('./stream_duplex');
const { finished, pipeline, promises } = require('./stream_util');
const { follow } = require('./stream_signal');

module.exports = Object.assign(Stream, {
	Stream, Readable, Writable, Duplex, Transform, PassThrough, finished, pipeline, promises,
	addAbortSignal: follow,
});
