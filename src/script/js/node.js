'use strict';
// Globals of Node.js, made at the first look at one of them: Buffer and process.

internal.system = native;
internal.publish('Buffer', internal.requireWithin('node/buffer.js').Buffer);
internal.publish('process', internal.requireWithin('node/process.js'));
