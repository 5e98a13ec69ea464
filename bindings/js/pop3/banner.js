'use strict';
// The stamp of a greeting, and what APOP makes of it (RFC 1939 7).
const host = require('../host');

class PopBanner {
	constructor(rand = Date.now().toString(), hostname = host.hostname()) {
		this.rand = rand;
		this.hostname = hostname;
	}

	static decode(text) {
		const parts = /^<\s*([^<>@]*[^<>@\s])\s*@\s*([^<>@]*[^<>@\s])\s*>$/.exec(text);
		if (parts === null)
			throw new Error('PopBanner: <something@hostname> is wanted');
		return new PopBanner(parts[1], parts[2]);
	}

	encode() {
		return `<${this.rand}@${this.hostname}>`;
	}
}

class ApopDigest {
	/** Lower-case hex. */
	static generate(banner, secret) {
		return host.md5(host.octets(banner.encode() + secret));
	}
}

module.exports = { PopBanner, ApopDigest };
