'use strict';
// What people throw may be anything, even something that throws when it is looked at.

/** A member of `x`; undefined where there is none or it cannot be read. */
function peek(x, name) {
	try {
		return x?.[name];
	} catch {
		return undefined;
	}
}

module.exports = { peek };
