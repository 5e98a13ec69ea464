'use strict';
// Lines of CAPA.

const PopCapabilityType = Object.freeze({
	Implementation: 'IMPLEMENTATION', LoginDelay: 'LOGIN-DELAY', RespCodes: 'RESP-CODES',
	AuthRespCode: 'AUTH-RESP-CODE', Pipelining: 'PIPELINING', Sasl: 'SASL', User: 'USER', Top: 'TOP',
	Expire: 'EXPIRE', Uidl: 'UIDL', Stls: 'STLS', Utf8: 'UTF8', Lang: 'LANG',
});

class PopCapability {
	constructor(type, args = null) {
		this.type = type;
		this.args = args;
	}

	static decode(line) {
		const [type, ...args] = line.trim().split(' ');
		return new PopCapability(type.toUpperCase(), args.length ? args : null);
	}

	encode() {
		const args = Array.isArray(this.args) ? this.args.join(' ') : this.args?.trim();
		return args ? `${this.type} ${args}` : this.type;
	}
}

module.exports = { PopCapability, PopCapabilityType };
