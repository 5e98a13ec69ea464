'use strict';
// infinity.mail: the properties that are fields of the header. Fills internal.mailFields.
//
// Of a mail's state this file knows `letter` (what was loaded; undefined in a new mail), `fields`
// (what scripts set or look at, by property) and `extended`.

const NAME = 'infinity.mail';

const priority = internal.enumeration({ lowest: 0, lower: 1, normal: 2, higher: 3, highest: 4 });
const priorityNames = ['Lowest', 'Lower', 'Normal', 'Higher', 'Highest'];

// ---- Addresses ----

// Name, address and both as people see them, for each; no string holds a NUL.
const split = (text) => {
	const pieces = text === '' ? [] : text.split('\0');
	const found = [];
	for (let i = 0; i + 2 < pieces.length; i += 3)
		found.push({ name: pieces[i], address: pieces[i + 1], shown: pieces[i + 2] });
	return found;
};

class Address {
	constructor(name, address) {
		this.name = name;
		this.address = address;
	}

	toString() {
		return addressText(NAME, this);
	}
}

const addressText = (member, value) => {
	if (typeof value === 'string')
		return internal.line(member, value);
	if (typeof value !== 'object' || value === null || Array.isArray(value))
		internal.wrongType(member, 'a string or {name, address}', value);
	const { name = '', address } = value;
	internal.line(`${member}.name`, name);
	internal.line(`${member}.address`, address);
	const quoted = name.replace(/["\\]/g, '\\$&');
	const read = split(native.mailReadAddresses(`${name && `"${quoted}" `}<${address}>`));
	if (read.length !== 1 || read[0].address !== address || address === '')
		throw new RangeError(
			`${member}.address: ${internal.shown(address)} is not an address`);
	return read[0].shown;
};

const checkAddress = (member, value) => {
	const text = addressText(member, value);
	const wrong = native.mailCheckAddresses(text);
	if (wrong)
		throw new RangeError(`${member}: ${wrong}`);
	return text;
};

const parseAddresses = (text) =>
	split(native.mailReadAddresses(internal.string(`${NAME}.parseAddresses: text`, text)))
		.map(({ name, address }) => new Address(name, address));

// ---- Kinds of properties ----
// read: from the field at an index (all: from all of them); check: what a script gives; write: the
// field's text, null where there is to be none.

const text = (...names) => ({
	names,
	none: '',
	read: (letter, at) => native.mailText(letter, at),
	check: internal.line,
	write: (value) => value === '' ? null : value,
});

const address = (...names) => ({
	names,
	none: '',
	addresses: true,
	read: (letter, at) => split(native.mailAddresses(letter, at))
		.map(({ shown }) => shown).join(', '),
	check: checkAddress,
	write: (value) => value === '' ? null : value,
});

const checkList = (member, value, checkOne) => {
	if (!Array.isArray(value))
		internal.wrongType(member, 'an array of strings', value);
	return value.map((one, i) => {
		const checked = checkOne(`${member}[${i}]`, one);
		if (checked === '')
			throw new RangeError(`${member}[${i}]: not empty`);
		return checked;
	});
};

const addresses = (...names) => ({
	names,
	none: [],
	all: true,
	addresses: true,
	read: (letter, at) => split(native.mailAddresses(letter, at)).map(({ shown }) => shown),
	check: (member, value) => checkList(member, value, checkAddress),
	write: (value) => value.length === 0 ? null : value.join(', '),
});

const messageIds = (...names) => ({
	names,
	none: [],
	all: true,
	read: (letter, at) => native.mailText(letter, at).split(/[\s,]+/).filter((one) => one !== ''),
	check: (member, value) => checkList(member, value, (name, one) => {
		if (!/^[!-~]*$/.test(internal.line(name, one)))
			throw new RangeError(`${name}: a message id is printable ASCII without blanks`);
		return one;
	}),
	write: (value) => value.length === 0 ? null : value.join(' '),
});

const DATE_MIN = Date.UTC(1900, 0, 1);
const DATE_MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

const date = {
	names: ['Date'],
	get none() {
		return infinity.nullTimestamp;
	},
	read: (letter, at) => native.mailDate(letter, at) ?? infinity.nullTimestamp,
	check(member, value) {
		const wanted = 'milliseconds since 1970, or a Date';
		const ms = value instanceof Date ? value.getTime() : value;
		if (typeof ms !== 'number')
			internal.wrongType(member, wanted, value);
		if (!(ms >= DATE_MIN && ms <= DATE_MAX))
			throw new RangeError(`${member}: ${wanted}, from 1900 to 9999, not ${ms}`);
		return ms;
	},
	write: (value) => value === infinity.nullTimestamp ? null : native.mailDateText(value),
};

const importance = { high: priority.highest, low: priority.lowest, urgent: priority.highest,
	'non-urgent': priority.lowest };

const xPriority = {
	names: ['X-Priority', 'Importance', 'Priority'],
	none: priority.normal,
	read(letter, at) {
		const said = native.mailText(letter, at).trim().toLowerCase();
		const digit = /^[1-5]/.exec(said);
		if (digit)
			return 5 - Number(digit[0]);
		return Object.hasOwn(importance, said) ? importance[said] : priority.normal;
	},
	check: (member, value) => internal.enumValue(member, value, priority),
	write: (value) => `${5 - value} (${priorityNames[value]})`,
};

// In the order new mails have them.
const properties = {
	returnPath: address('Return-Path'),
	from: address('From'),
	sender: address('Sender'),
	replyTo: address('Reply-To'),
	recipients: addresses('To'),
	cc: addresses('Cc'),
	bcc: addresses('Bcc'),
	envelopeTo: address('X-Envelope-To'),
	organization: text('Organization', 'Organisation'),
	userAgent: text('X-Mailer', 'User-Agent'),
	deliveryNotification: address('Disposition-Notification-To', 'Return-Receipt-To'),
	priority: xPriority,
	references: messageIds('References'),
	subject: text('Subject'),
	date,
};

// ---- Reading and setting ----

const indexesOf = (letter, name) => {
	const found = [];
	for (let at = native.mailFind(letter, name, 0); at >= 0;
		at = native.mailFind(letter, name, at + 1))
		found.push(at);
	return found;
};

// The first of a property's names that is there, and where.
const placeOf = (state, property) => {
	for (const name of state.letter ? property.names : []) {
		const at = indexesOf(state.letter, name);
		if (at.length)
			return { name, at };
	}
	return { name: property.names[0], at: [] };
};

const readLoaded = (state, property) => {
	const { at } = placeOf(state, property);
	if (property.all)
		return at.flatMap((index) => property.read(state.letter, index));
	return at.length ? property.read(state.letter, at[0]) : property.none;
};

const get = (state, name) => {
	if (state.fields.has(name))
		return state.fields.get(name);
	if (name === 'date' && state.made)
		return state.made.date;
	const property = properties[name];
	const value = readLoaded(state, property);
	// What a script may change in place must be seen again.
	if (property.all)
		state.fields.set(name, value);
	return value;
};

const set = (state, name, value) =>
	state.fields.set(name, properties[name].check(`${NAME}.${name}`, value));

const isSame = (a, b) => a === b || Array.isArray(a) && Array.isArray(b) &&
	a.length === b.length && a.every((one, i) => one === b[i]);

// ---- Extended headers ----

const lower = (name) => name.toLowerCase();

// Names that a property writes; those it only reads as well stay free.
const owned = new Map();
for (const [name, property] of Object.entries(properties))
	if (name !== 'references')
		owned.set(lower(property.names[0]), name);

const contentNames = /^(?:mime-version$|content-)/i;
// Fields that extendedHeaders does not show, for other members do.
const shownElsewhere = new Set([...owned.keys(), 'message-id', 'in-reply-to', 'references',
	'received', 'organisation', 'user-agent', 'importance', 'priority', 'return-receipt-to']);
const single = new Set(['message-id', 'in-reply-to', 'references']);

const checkName = (member, name) => {
	if (!/^[!-9;-~]{1,200}$/.test(internal.string(member, name)))
		throw new RangeError(`${member}: a header's name, 1 to 200 printable ASCII characters ` +
			`without colon, not ${internal.shown(name)}`);
	return name;
};

const checkExtended = (member, item) => {
	if (typeof item !== 'object' || item === null)
		internal.wrongType(member, 'an object {name, value}', item);
	const { name, value } = item;
	const key = lower(checkName(`${member}.name`, name));
	internal.line(`${member}.value`, value);
	if (owned.has(key))
		throw new RangeError(`${member}.name: ${name} is ${NAME}.${owned.get(key)}`);
	if (contentNames.test(name))
		throw new RangeError(`${member}.name: ${name} follows from the contents`);
	return { name, value };
};

const checkExtendedList = (list) => {
	const member = `${NAME}.extendedHeaders`;
	if (!Array.isArray(list))
		internal.wrongType(member, 'an array of {name, value}', list);
	return list.map((item, i) => checkExtended(`${member}[${i}]`, item));
};

const readExtended = (state) => {
	if (!state.letter)
		return [];
	const names = native.mailNames(state.letter).split('\n');
	const found = [];
	names.forEach((name, index) => {
		if (name !== '' && !shownElsewhere.has(lower(name)) && !contentNames.test(name))
			found.push({ name, value: native.mailText(state.letter, index), index });
	});
	return found;
};

const getExtended = (state) => {
	state.extended ??= readExtended(state).map(({ name, value }) => ({ name, value }));
	return state.extended;
};

const setExtended = (state, list) => {
	state.extended = checkExtendedList(list);
};

// What is the same stays where it is; of a list as long as it was, what differs is put in place.
const extendedChanges = (state) => {
	if (!state.extended)
		return [];
	const before = readExtended(state);
	const now = checkExtendedList(state.extended);
	const same = (a, b) => b && a.name === b.name && a.value === b.value;
	const changes = [];
	let next = 0;
	for (const field of before) {
		if (same(field, now[next]))
			next++;
		else if (before.length === now.length)
			changes.push({ at: field.index, ...now[next++] });
		else
			changes.push({ drop: field.index });
	}
	for (const { name, value } of now.slice(next)) {
		if (state.letter && single.has(lower(name)))
			for (const drop of indexesOf(state.letter, name))
				changes.push({ drop });
		changes.push({ at: -1, name, value });
	}
	return changes;
};

// ---- What is to be written ----

const fieldChanges = (state, name) => {
	const property = properties[name];
	const member = `${NAME}.${name}`;
	const value = property.check(member, state.fields.get(name));
	if (state.letter && isSame(value, readLoaded(state, property)))
		return [];
	const place = placeOf(state, property);
	const written = property.write(value);
	const [first = -1, ...others] = place.at;
	const changes = others.map((drop) => ({ drop }));
	if (written !== null)
		changes.push({ at: first, name: place.name, value: written,
			addresses: Boolean(property.addresses) });
	else if (first >= 0)
		changes.push({ drop: first });
	return changes;
};

// A new mail has a date and an id; they stay what they were when it was first written.
const made = (state) => {
	if (!state.made) {
		const now = Date.now();
		state.made = { date: now, id: native.mailMessageId(now) };
	}
	return state.made;
};

const extendedHas = (state, name) =>
	(state.extended ?? []).some((item) => lower(String(item?.name)) === name);

const addedToNew = (state) => {
	const added = [];
	if ((state.fields.get('date') ?? infinity.nullTimestamp) === infinity.nullTimestamp)
		added.push({ at: -1, name: 'Date', value: native.mailDateText(made(state).date) });
	if (!extendedHas(state, 'message-id'))
		added.push({ at: -1, name: 'Message-ID', value: made(state).id });
	return added;
};

// { drop: index }, or { at: index or -1, name, value, addresses }.
const changes = (state) => {
	const all = Object.keys(properties).filter((name) => state.fields.has(name))
		.flatMap((name) => fieldChanges(state, name));
	return [...all, ...state.letter ? [] : addedToNew(state), ...extendedChanges(state)];
};

internal.mailFields = { Address, priority, properties: Object.keys(properties), get, set,
	getExtended, setExtended, changes, indexesOf, checkName, parseAddresses };
