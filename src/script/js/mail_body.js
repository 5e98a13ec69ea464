'use strict';
// infinity.mail: contents and attachments, and how a message is put together from them. Fills
// internal.mailBody.
//
// Of a mail's state this file knows `letter`, `parse` (store attachments in files), `folder`,
// `loaded` (the parts of the letter), `contents`, `attachments` (what scripts set or look at) and
// `body` (contentType, charset, transfer, boundary as they were set).

const NAME = 'infinity.mail';
const DEPTH = 90;

const transferEncoding = internal.enumeration(
	{ bit7: 0, bit8: 1, binary: 2, quotedPrintable: 3, base64: 4 });
const transferShown = (transfer) => transfer > transferEncoding.base64
	? transferEncoding.binary : transfer;

const typesByEnding = { txt: 'text/plain', htm: 'text/html', html: 'text/html', css: 'text/css',
	csv: 'text/csv', md: 'text/markdown', ics: 'text/calendar', vcf: 'text/vcard', xml: 'text/xml',
	js: 'text/javascript', json: 'application/json', pdf: 'application/pdf',
	zip: 'application/zip', gz: 'application/gzip', rtf: 'application/rtf',
	doc: 'application/msword', xls: 'application/vnd.ms-excel',
	ppt: 'application/vnd.ms-powerpoint',
	docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
	xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
	pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
	odt: 'application/vnd.oasis.opendocument.text',
	ods: 'application/vnd.oasis.opendocument.spreadsheet', png: 'image/png', gif: 'image/gif',
	jpg: 'image/jpeg', jpeg: 'image/jpeg', bmp: 'image/bmp', svg: 'image/svg+xml',
	webp: 'image/webp', tif: 'image/tiff', tiff: 'image/tiff', ico: 'image/x-icon',
	mp3: 'audio/mpeg', wav: 'audio/x-wav', ogg: 'audio/ogg', mp4: 'video/mp4',
	webm: 'video/webm', eml: 'message/rfc822' };

const typeOfName = (name) => {
	const ending = /\.([^.]*)$/.exec(name)?.[1].toLowerCase() ?? '';
	return Object.hasOwn(typesByEnding, ending) ? typesByEnding[ending]
		: 'application/octet-stream';
};

// ---- Checks ----

const checkType = (member, value) => {
	if (!/^$|^[\w!#$&^.+-]+\/[\w!#$&^.+-]+ *(?:;.*)?$/.test(internal.line(member, value)))
		throw new RangeError(`${member}: a media type such as text/plain, ` +
			`not ${internal.shown(value)}`);
	return value;
};

const isMultipart = (type) => /^multipart\//i.test(type);
const typeAlone = (type) => type.split(';', 1)[0].trim().toLowerCase();

const checkCharset = (member, value) => {
	if (!/^[\w.:+()-]{0,60}$/.test(internal.line(member, value)))
		throw new RangeError(`${member}: a charset's name such as utf-8, ` +
			`not ${internal.shown(value)}`);
	return value;
};

const checkBoundary = (member, value) => {
	if (!/^(?:[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-])?$/.test(internal.line(member, value)))
		throw new RangeError(`${member}: up to 70 letters, digits, blanks or '()+_,-./:=?, ` +
			`no blank at the end, not ${internal.shown(value)}`);
	return value;
};

const checkTransfer = (member, value) => value === undefined ? undefined
	: internal.enumValue(member, value, transferEncoding);

const checkObject = (member, value, wanted) => {
	if (typeof value !== 'object' || value === null || Array.isArray(value))
		internal.wrongType(member, wanted, value);
	return value;
};

const checkArray = (member, value) => {
	if (!Array.isArray(value))
		internal.wrongType(member, 'an array', value);
	return value;
};

const checkContent = (member, item, depth = 0) => {
	checkObject(member, item, 'an object {contentType, charset, text, items}');
	if (depth > DEPTH)
		throw new RangeError(`${member}: items go at most ${DEPTH} levels deep`);
	const { contentType = '', contentTransferEncoding, charset = '', text = '', items = [] } = item;
	checkType(`${member}.contentType`, contentType);
	checkTransfer(`${member}.contentTransferEncoding`, contentTransferEncoding);
	checkCharset(`${member}.charset`, charset);
	internal.string(`${member}.text`, text);
	checkArray(`${member}.items`, items).forEach((one, i) =>
		checkContent(`${member}.items[${i}]`, one, depth + 1));
};

const checkContents = (member, list) => {
	checkArray(member, list).forEach((item, i) => checkContent(`${member}[${i}]`, item));
	return list;
};

// ---- Where the octets of an attachment are ----

// Of items: { letter, part, before } or { stream, before }; `before`: a copy of the members.
const origins = new WeakMap();

const members = ['name', 'size', 'contentType', 'contentTransferEncoding', 'contentId',
	'contentDisposition', 'storedFilePath'];

class Attachment {
	constructor(values) {
		for (const member of members)
			this[member] = values[member];
	}

	toBytes() {
		return native.mailContentBytes(...whereOf(`${NAME}.attachments.toBytes`, this));
	}

	toStream() {
		internal.need('infinity.stream');
		return internal.streamOver(
			native.mailContentStream(...whereOf(`${NAME}.attachments.toStream`, this)));
	}

	saveToFile(fileName) {
		const member = `${NAME}.attachments.saveToFile`;
		native.mailContentSave(...whereOf(member, this), fileOf(`${member}: fileName`, fileName));
	}
}

const fileOf = (member, value) => {
	if (internal.string(member, value) === '' || value.includes('\0'))
		throw new RangeError(`${member}: a file's name, not empty and without NUL`);
	return value;
};

const isStream = (value) => {
	internal.need('infinity.stream');
	return internal.isStream(value);
};

const checkStream = (member, value) => {
	if (!isStream(value))
		internal.wrongType(member, 'an infinity.stream', value);
	try {
		void value.position;
	} catch {
		throw new TypeError(`${member}: the stream was freed`);
	}
	return value;
};

// A stream's octets as they are now.
const heldStream = (member, value) => {
	const copy = new infinity.stream();
	copy.copyFrom(checkStream(member, value));
	return internal.handle(copy);
};

const held = (member, content) => {
	if (typeof content === 'string')
		return native.mailHold(content);
	if (content instanceof ArrayBuffer || ArrayBuffer.isView(content))
		return native.mailHold(internal.bytes(member, content));
	if (typeof content === 'object' && content !== null && isStream(content))
		return heldStream(member, content);
	return internal.wrongType(member, 'a string, a Uint8Array or an infinity.stream', content);
};

// Arguments for natives: (what, part).
const whereOf = (member, item) => {
	const origin = origins.get(item);
	const { storedFilePath = '' } = item;
	internal.string(`${member}.storedFilePath`, storedFilePath);
	if (origin && origin.before.storedFilePath === storedFilePath)
		return origin.letter ? [origin.letter, origin.part] : [origin.stream, undefined];
	if (storedFilePath !== '')
		return [fileOf(`${member}.storedFilePath`, storedFilePath), undefined];
	if (item.content === undefined)
		throw new RangeError(`${member}: storedFilePath or content is needed`);
	const stream = held(`${member}.content`, item.content);
	if (item instanceof Attachment)
		origins.set(item, { stream, before: { ...item } });
	return [stream, undefined];
};

const checkAttachment = (member, item) => {
	checkObject(member, item, 'an object {name, contentType, storedFilePath or content}');
	const { name = '', contentType = '', contentTransferEncoding, contentId = '',
		contentDisposition = '' } = item;
	internal.line(`${member}.name`, name);
	if (isMultipart(checkType(`${member}.contentType`, contentType)))
		throw new RangeError(`${member}.contentType: an attachment is one part, no multipart`);
	checkTransfer(`${member}.contentTransferEncoding`, contentTransferEncoding);
	const id = internal.line(`${member}.contentId`, contentId).replace(/^<(.*)>$/, '$1');
	if (!/^[!-;=?-~]{0,900}$/.test(id))
		throw new RangeError(`${member}.contentId: printable ASCII without blanks and brackets`);
	if (!/^[\w-]*$/.test(internal.line(`${member}.contentDisposition`, contentDisposition)))
		throw new RangeError(`${member}.contentDisposition: attachment or inline, ` +
			`not ${internal.shown(contentDisposition)}`);
	return { name, contentType: contentType || typeOfName(name), id, contentDisposition,
		contentTransferEncoding: contentTransferEncoding ?? -1 };
};

// An Attachment for what a script gives; one that is there already stays itself.
const attachmentOf = (member, item) => {
	const checked = checkAttachment(member, item);
	if (item instanceof Attachment)
		return item;
	const made = new Attachment({
		name: checked.name,
		contentType: checked.contentType,
		contentTransferEncoding: item.contentTransferEncoding ?? transferEncoding.base64,
		contentId: checked.id,
		contentDisposition: checked.contentDisposition || 'attachment',
		storedFilePath: item.storedFilePath ?? '',
		size: 0,
	});
	if (made.storedFilePath === '') {
		const stream = held(`${member}.content`, item.content === undefined
			? whereOf(member, item) : item.content);
		origins.set(made, { stream, before: { ...made } });
	}
	// A file may come into being later; until then its size is what the script says.
	try {
		made.size = native.mailContentSize(...whereOf(member, made));
	} catch (thrown) {
		if (thrown.code !== 'NOT_FOUND')
			throw thrown;
		made.size = typeof item.size === 'number' ? item.size : 0;
	}
	return made;
};

const checkAttachments = (list) =>
	checkArray(`${NAME}.attachments`, list)
		.map((item, i) => attachmentOf(`${NAME}.attachments[${i}]`, item));

// ---- What was loaded ----

const infoOf = (letter, part) => {
	const [type, charset, boundary, id, disposition, rawName, parameters, name, transfer,
		multipart, parent] = native.mailPart(letter, part);
	return { type, charset, boundary, id, disposition, rawName, parameters, name, transfer,
		multipart, parent };
};

// A text that the reader is to see, and nothing to keep.
const isContent = (part, info, parentType) => {
	if (!info.type.startsWith('text/') && !isMultipart(info.type))
		return false;
	if (info.disposition === 'attachment')
		return false;
	return info.name === '' || part === 0 || parentType === 'multipart/alternative';
};

const contentOf = (letter, part, info, items) => {
	const item = {
		contentType: info.type,
		contentTransferEncoding: transferShown(info.transfer),
		charset: info.charset,
		text: '',
		items,
	};
	origins.set(item, { letter, part, parameters: info.parameters, before: { ...item } });
	return item;
};

// Texts as a tree, all else as a list, in the order they have in the message.
const readParts = (letter) => {
	const count = native.mailPartCount(letter);
	const infos = Array.from({ length: count }, (_, part) => infoOf(letter, part));
	const nodes = new Array(count);
	const attached = [];
	const children = infos.map(() => []);
	infos.forEach((info, part) => {
		if (info.parent >= 0)
			children[info.parent].push(part);
	});
	for (let part = count - 1; part >= 0; part--) {
		const info = infos[part];
		const items = children[part].map((child) => nodes[child]).filter(Boolean);
		if (info.multipart ? part === 0 || items.length > 0
			: isContent(part, info, infos[info.parent]?.type))
			nodes[part] = contentOf(letter, part, info, items);
		else if (!info.multipart)
			attached.unshift(part);
	}
	const [root] = infos;
	return { root, infos, attached, texts: nodes.filter((node) => node?.items.length === 0),
		contents: root.multipart ? nodes[0].items : nodes[0] ? [nodes[0]] : [] };
};

const loadedOf = (state) => {
	if (state.letter && !state.loaded)
		state.loaded = readParts(state.letter);
	return state.loaded;
};

const getContents = (state) => {
	if (!state.contents) {
		const loaded = loadedOf(state);
		for (const item of loaded?.texts ?? []) {
			const { letter, part, before } = origins.get(item);
			item.text = before.text = native.mailPartText(letter, part);
		}
		state.contents = [...loaded?.contents ?? []];
	}
	return state.contents;
};

const endings = { 'message/rfc822': '.eml', 'text/plain': '.txt', 'text/html': '.html',
	'text/calendar': '.ics', 'image/png': '.png', 'image/jpeg': '.jpg', 'image/gif': '.gif',
	'application/pdf': '.pdf' };

const store = (state, part, info, number) => {
	if (!state.parse)
		return ['', native.mailContentSize(state.letter, part)];
	state.folder ??= native.mailFolder();
	return native.mailContentStore(state.letter, part, state.folder,
		info.name || `attachment-${number}${endings[info.type] ?? ''}`);
};

const loadAttachment = (state, part, number) => {
	const info = loadedOf(state).infos[part];
	const [storedFilePath, size] = store(state, part, info, number);
	const item = new Attachment({
		name: info.name,
		size,
		contentType: info.type,
		contentTransferEncoding: transferShown(info.transfer),
		contentId: info.id,
		contentDisposition: info.disposition,
		storedFilePath,
	});
	origins.set(item, { letter: state.letter, part, before: { ...item } });
	return item;
};

const getAttachments = (state) => {
	if (!state.attachments) {
		const parts = loadedOf(state)?.attached ?? [];
		state.loadedAttachments = parts.map((part, i) => loadAttachment(state, part, i + 1));
		state.attachments = [...state.loadedAttachments];
	}
	return state.attachments;
};

// ---- What changed ----

const isAsLoaded = (state, item) => {
	const origin = origins.get(item);
	if (!origin || origin.letter !== state.letter || origin.letter === undefined)
		return false;
	return Object.keys(origin.before).every((member) => member === 'items'
		? item.items.length === origin.before.items.length &&
			item.items.every((one, i) => one === origin.before.items[i] &&
				isAsLoaded(state, one))
		: item[member] === origin.before[member]);
};

const isListAsLoaded = (state, list, loaded, atLeast = false) =>
	(atLeast ? list.length >= loaded.length : list.length === loaded.length) &&
	loaded.every((item, i) => list[i] === item && isAsLoaded(state, item));

const settingsChanged = (state) => {
	const { contentType, charset, transfer, boundary } = state.body;
	const root = loadedOf(state)?.root;
	return contentType !== undefined && typeAlone(contentType) !== root?.type ||
		charset !== undefined && charset !== charsetOf(state, true) ||
		transfer !== undefined && transfer !== transferShown(root?.transfer) ||
		boundary !== undefined && boundary !== root?.boundary;
};

// keep: the letter's own; append: that and more attachments; rebuild.
const modeOf = (state) => {
	if (!state.letter)
		return 'rebuild';
	const nothing = Object.values(state.body).every((value) => value === undefined);
	if (!state.contents && !state.attachments && nothing)
		return 'keep';
	if (!nothing && settingsChanged(state))
		return 'rebuild';
	if (state.contents && !isListAsLoaded(state, state.contents, loadedOf(state).contents))
		return 'rebuild';
	if (!state.attachments || isListAsLoaded(state, state.attachments, state.loadedAttachments))
		return 'keep';
	return isListAsLoaded(state, state.attachments, state.loadedAttachments, true)
		? 'append' : 'rebuild';
};

// ---- A plan of the message ----
// { multi: type, children } | { part } | { text: item } | { file: item, member }

// What was set for the whole mail goes for texts that would else stay as they are.
const isRewritten = ({ body: { charset, transfer, contentType } }) => charset !== undefined ||
	transfer !== undefined || contentType !== undefined && !isMultipart(contentType);

const textNode = (state, item, member, depth = 0) => {
	if (isAsLoaded(state, item) && item.items.length === 0 && !isRewritten(state))
		return { part: origins.get(item).part };
	const { items = [], contentType = '' } = item;
	if (items.length === 0 && !isMultipart(contentType))
		return { text: item };
	const children = items.map((one, i) =>
		textNode(state, one, `${member}.items[${i}]`, depth + 1));
	if ((item.text ?? '') !== '')
		throw new RangeError(`${member}: text, or items; not both`);
	return { multi: isMultipart(contentType) ? typeAlone(contentType) : 'multipart/mixed',
		children };
};

const fileNode = (state, item, member) => isAsLoaded(state, item)
	? { part: origins.get(item).part } : { file: item, member };

const isInline = (item) => (item.contentId ?? '') !== '' && item.contentDisposition !== 'attachment';

const wrap = (multi, children) => ({ multi, children });

const findRelated = (nodes) => {
	for (const node of nodes) {
		const found = node.multi === 'multipart/related' ? node
			: node.children && findRelated(node.children);
		if (found)
			return found;
	}
	return undefined;
};

const areAlternatives = (list) => list.length > 1 &&
	list.every((item) => /^text\/|^multipart\/(?:related|alternative)/i.test(item.contentType ?? ''))
	&& new Set(list.map((item) => typeAlone(item.contentType))).size === list.length;

// One node for all texts, inline files beside the text that shows them.
const bodyNode = (contents, nodes, inline) => {
	let body = nodes[0];
	if (nodes.length > 1)
		body = wrap(areAlternatives(contents) ? 'multipart/alternative' : 'multipart/mixed', nodes);
	if (inline.length === 0)
		return body;
	return wrap('multipart/related', body ? [body, ...inline] : inline);
};

// A root that was said, or was loaded, stays; but what is no alternative goes beside alternatives.
const underRoot = (type, nodes, inline, rest) => {
	if (type !== 'multipart/alternative')
		return wrap(type, [...nodes, ...inline, ...rest]);
	const body = wrap(type, nodes);
	const related = inline.length ? wrap('multipart/related', [body, ...inline]) : body;
	return rest.length ? wrap('multipart/mixed', [related, ...rest]) : related;
};

const plan = (state) => {
	const contents = checkContents(`${NAME}.contents`, getContents(state));
	const attachments = checkAttachments(getAttachments(state));
	const nodes = contents.map((item, i) => textNode(state, item, `${NAME}.contents[${i}]`));
	const files = attachments.map((item, i) =>
		[item, fileNode(state, item, `${NAME}.attachments[${i}]`)]);
	let inline = files.filter(([item]) => isInline(item)).map(([, node]) => node);
	const rest = files.filter(([item]) => !isInline(item)).map(([, node]) => node);
	const root = state.body.contentType || loadedOf(state)?.root.type || '';
	const related = findRelated(nodes);
	if (related) {
		related.children.push(...inline);
		inline = [];
	}
	if (isMultipart(root))
		return underRoot(typeAlone(root), nodes, inline, rest);
	if (nodes.length === 0 && files.length === 1 && root !== '' &&
		typeAlone(root) === typeAlone(attachments[0].contentType))
		return files[0][1];
	const body = bodyNode(contents, nodes, inline);
	if (rest.length)
		return wrap('multipart/mixed', body ? [body, ...rest] : rest);
	return body ?? { text: {} };
};

// ---- Writing it ----

const writeText = (state, writer, item) => {
	const origin = origins.get(item);
	const asLoaded = isAsLoaded(state, item);
	const type = (!asLoaded && item.contentType) || state.body.contentType ||
		(item.contentType ?? '');
	const same = origin && typeAlone(type) === origin.before.contentType;
	native.mailTextPart(writer,
		(isMultipart(type) ? '' : type) + (same ? origin.parameters ?? '' : ''),
		state.body.charset || item.charset || '',
		state.body.transfer ?? item.contentTransferEncoding ?? -1, item.text ?? '');
};

const writeFile = (writer, item, member) => {
	const { name, contentType, id, contentDisposition, contentTransferEncoding } =
		checkAttachment(member, item);
	native.mailFilePart(writer, name, contentType, id, contentDisposition,
		contentTransferEncoding, ...whereOf(member, item));
};

// No text holds "=_" in quoted-printable, none "_" in base64; and what a mail is written with stays.
const boundaryOf = (state, number) => {
	if (number === 0 && state.body.boundary)
		return state.body.boundary;
	internal.need('infinity.crypto');
	state.seed ??= Array.from(infinity.crypto.randomBytes(14),
		(octet) => octet.toString(16).padStart(2, '0')).join('');
	return `=_${state.seed}_${number.toString(36)}`;
};

const write = (state, writer, node, counter) => {
	if (node.multi) {
		native.mailOpen(writer, node.multi, boundaryOf(state, counter.next++));
		for (const child of node.children)
			write(state, writer, child, counter);
		native.mailClose(writer);
	} else if (node.part !== undefined) {
		native.mailRawPart(writer, node.part);
	} else if (node.file) {
		writeFile(writer, node.file, node.member);
	} else {
		writeText(state, writer, node.text);
	}
};

const writeBody = (state, writer, mode) => {
	if (mode === 'keep') {
		native.mailKeep(writer);
	} else if (mode === 'append') {
		const all = checkAttachments(getAttachments(state));
		native.mailAppend(writer);
		all.slice(state.loadedAttachments.length).forEach((item, i) => writeFile(writer, item,
			`${NAME}.attachments[${state.loadedAttachments.length + i}]`));
	} else {
		write(state, writer, plan(state), { next: 0 });
	}
};

// ---- What the whole is ----

const firstText = (items) => {
	for (const item of items) {
		const { items: inner = [] } = item;
		const found = inner.length ? firstText(inner) : item;
		if (found)
			return found;
	}
	return undefined;
};

const charsetOf = (state, loadedOnly = false) => {
	const loaded = loadedOf(state);
	if (loaded?.root.charset)
		return loaded.root.charset;
	const item = firstText(loadedOnly || !state.contents ? loaded?.contents ?? []
		: state.contents);
	return item?.charset || (loaded ? '' : 'utf-8');
};

internal.mailBody = { Attachment, transferEncoding, checkType, checkCharset, checkBoundary,
	checkTransfer, checkContents, checkAttachments, attachmentOf, fileOf, held, checkStream, loadedOf,
	getContents, getAttachments, boundaryOf, modeOf, plan, writeBody, charsetOf, isMultipart, typeAlone,
	transferShown, typeOfName, whereOf };
