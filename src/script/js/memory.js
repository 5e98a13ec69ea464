// infinity.memory: named values that all scripts and workers of the process share. A copy goes in and a
// copy comes out; values are those of values.js (what JSON can say, Date, Map, Set, bytes …).
//
//	put(name, value, expiryMs = 0)	0: it stays until it is removed
//	putBoolean, putNumber, putString, putList	the same with a check of the type
//	get(name, default?)		default (undefined) where there is none
//	getBoolean, getNumber, getString, getList	the same; TypeError where it is something else
//	add(name, value, expiryMs = 0)	only where there is none; whether
//	increment, decrement(name, by = 1)	at once, from 0 where there is none; the new number. Its end
//					of life stays
//	exists, remove(name)		whether it was there
//	clear(), getCount(), names(prefix = '')		names are sorted
//	expiry(name)			milliseconds that are left; 0: it stays; undefined: it is not there
//	setExpiry(name, expiryMs)	from now on; whether it is there
//	lock(name, timeoutMs?), unlock(name)
//
// Locks have names of their own, and nothing to do with the values of the same name. They belong to the
// script's VM: while it has one, lock again counts and needs as many unlocks; other VMs wait, in the
// order in which they came. lock gives false when the time is over (0: at once); without one it waits
// until infinity.terminated, or until its event is given up (CANCELED), and throws IN_USE where it
// would be for ever, as the holder waits for a lock of this script. What is not unlocked is at the end
// of the handler's event, or of the script. unlock gives whether it was this script's.
//
// Names: up to 4096 octets, without NUL. All together may take 256 MB: RangeError.

const NAME = 'infinity.memory';
const MAX_NAME = 4096;
const MAX_MS = 2 ** 48;

const checkName = (member, name) => {
	internal.string(`${NAME}.${member}: name`, name);
	// A unit takes up to three octets.
	if (name.includes('\0') || name.length > MAX_NAME / 3 && octetsOf(name) > MAX_NAME)
		throw new RangeError(`${NAME}.${member}: name: up to ${MAX_NAME} octets without NUL`);
	return name;
};

const octetsOf = (text) => {
	let octets = 0;
	for (const character of text) {
		const code = character.codePointAt(0);
		const isOctet = code >= 0xDC80 && code <= 0xDCFF;
		octets += code < 0x80 || isOctet ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	}
	return octets;
};

const checkExpiry = (member, expiryMs) =>
	internal.integer(`${NAME}.${member}: expiryMs`, expiryMs, 0, MAX_MS);

const list = (name, value) =>
	Array.isArray(value) ? value : internal.wrongType(name, 'an array', value);

const number = (name, value) =>
	typeof value === 'number' ? value : internal.wrongType(name, 'a number', value);

const put = (member, name, value, expiryMs, onlyAbsent) => {
	checkName(member, name);
	checkExpiry(member, expiryMs);
	return native.memoryPut(name, ...internal.pack(`${NAME}.${member}: value`, value), expiryMs,
		onlyAbsent);
};

const get = (member, name, whenAbsent) => {
	const kept = native.memoryGet(checkName(member, name));
	return kept === undefined ? whenAbsent : internal.unpack(`${NAME}.${member}`, kept);
};

const memory = {
	put(name, value, expiryMs = 0) {
		put('put', name, value, expiryMs, false);
	},

	get: (name, whenAbsent) => get('get', name, whenAbsent),
	add: (name, value, expiryMs = 0) => put('add', name, value, expiryMs, true),
	exists: (name) => native.memoryExists(checkName('exists', name)),
	remove: (name) => native.memoryRemove(checkName('remove', name)),
	clear: () => native.memoryClear(),
	getCount: () => native.memorySize(),
	expiry: (name) => native.memoryTtl(checkName('expiry', name)),

	setExpiry: (name, expiryMs) =>
		native.memorySetTtl(checkName('setExpiry', name), checkExpiry('setExpiry', expiryMs)),

	names(prefix = '') {
		const all = native.memoryNames(checkName('names', prefix)).split('\0');
		all.pop();
		return all.sort();
	},

	lock(name, timeoutMs) {
		checkName('lock', name);
		if (timeoutMs !== undefined)
			internal.integer(`${NAME}.lock: timeoutMs`, timeoutMs, 0, MAX_MS);
		return native.memoryLock(name, timeoutMs);
	},

	unlock: (name) => native.memoryUnlock(checkName('unlock', name)),
};

const checks = {
	Boolean: internal.boolean, Number: number, String: internal.string, List: list,
};
for (const [type, check] of Object.entries(checks)) {
	memory[`put${type}`] = (name, value, expiryMs = 0) => {
		check(`${NAME}.put${type}: value`, value);
		put(`put${type}`, name, value, expiryMs, false);
	};
	memory[`get${type}`] = (name, whenAbsent) => {
		const value = get(`get${type}`, name, undefined);
		return value === undefined
			? whenAbsent
			: check(`${NAME}.get${type}: ${internal.shown(name)}`, value);
	};
}

const count = (member, name, by, sign) => {
	checkName(member, name);
	if (!Number.isFinite(number(`${NAME}.${member}: by`, by)))
		throw new RangeError(`${NAME}.${member}: by: a number that is finite, not ${by}`);
	const value = native.memoryCount(name, sign * by);
	if (value === undefined)
		throw new TypeError(`${NAME}.${member}: what ${internal.shown(name)} has is no number`);
	return value;
};
memory.increment = (name, by = 1) => count('increment', name, by, 1);
memory.decrement = (name, by = 1) => count('decrement', name, by, -1);

infinity.memory = Object.freeze(memory);
