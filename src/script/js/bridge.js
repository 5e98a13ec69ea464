'use strict';
// What library/host.js is made of: functions of the bridge.

internal.bridge = {
	native: native.functions(),
	onWake: (fn) => native.onWake(internal.callable('host.onWake: fn', fn)),
	onTerminate: (fn) => native.onTerminate(internal.callable('host.onTerminate: fn', fn)),
	octets: native.octets,
	text: (bytes) => native.text(internal.bytes('host.text: bytes', bytes)),
};
