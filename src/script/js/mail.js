'use strict';
// infinity.mail: messages of RFC 5322 and MIME, read as mail clients do and written as they should.
//
// A mail that was loaded gives its very octets back until something in it changes; then only that
// differs. What scripts get as arrays and objects they may change in place: what is written is
// found by comparing.

internal.need('infinity.stream');

const NAME = 'infinity.mail';
const CID_MAX = 32 * 1024 * 1024;

const { mailFields: fields, mailBody: body } = internal;
const multipartType = internal.enumeration({ none: 0, alternative: 1, other: 2 });

const freshState = (parse) => ({ parse, letter: undefined, fields: new Map(), extended: undefined,
	made: undefined, loaded: undefined, contents: undefined, attachments: undefined,
	loadedAttachments: [], folder: undefined,
	body: { contentType: undefined, charset: undefined, transfer: undefined,
		boundary: undefined } });

// The letter with all that was set; the very one that was loaded where nothing was.
const render = (state) => {
	const changes = fields.changes(state);
	const mode = body.modeOf(state);
	if (state.letter && changes.length === 0 && mode === 'keep')
		return state.letter;
	const writer = native.mailWriter(state.letter);
	for (const { drop, at, name, value, addresses } of changes) {
		if (drop !== undefined)
			native.mailDrop(writer, drop);
		else
			native.mailField(writer, at, name, value, addresses);
	}
	body.writeBody(state, writer, mode);
	return native.mailFinish(writer);
};

const fieldOf = (state, name) => {
	const at = state.letter ? native.mailFind(state.letter, name, 0) : -1;
	if (at >= 0)
		return native.mailText(state.letter, at);
	const set = (state.extended ?? []).find((one) => one.name.toLowerCase() === name.toLowerCase());
	return set?.value ?? '';
};

// ---- Headers ----

class Headers {
	#state;

	constructor(state) {
		this.#state = state;
	}

	#all(member, name) {
		fields.checkName(`${NAME}.headers.${member}: name`, name);
		const letter = render(this.#state());
		return fields.indexesOf(letter, name).map((at) => native.mailText(letter, at));
	}

	get(name) {
		return this.#all('get', name)[0] ?? null;
	}

	getAll(name) {
		return this.#all('getAll', name);
	}

	has(name) {
		return this.#all('has', name).length > 0;
	}

	names() {
		const names = native.mailNames(render(this.#state())).split('\n');
		return names.filter((name) => name !== '');
	}
}

// ---- Texts ----

const joinTexts = (texts) => texts.filter((text) => text !== '')
	.reduce((all, text) => all === '' || all.endsWith('\n') ? all + text : `${all}\r\n${text}`, '');

// The texts of a type; of alternatives the one that is best, which comes last.
const textsOf = (items, type, alternatives) => {
	const found = items.map((item) => {
		const inner = item.items ?? [];
		if (inner.length)
			return textsOf(inner, type, /^multipart\/alternative/i.test(item.contentType ?? ''));
		const own = body.typeAlone(item.contentType || 'text/plain');
		const plain = type === 'text/plain' && body.isMultipart(own);
		return own === type || plain ? item.text ?? '' : '';
	});
	return alternatives ? found.findLast((text) => text !== '') ?? '' : joinTexts(found);
};

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'', nbsp: '\u00a0', copy: '©',
	reg: '®', euro: '€', hellip: '…', ndash: '–', mdash: '—', lsquo: '‘', rsquo: '’', ldquo: '“',
	rdquo: '”', bull: '•', auml: 'ä', ouml: 'ö', uuml: 'ü', Auml: 'Ä', Ouml: 'Ö', Uuml: 'Ü',
	szlig: 'ß' };

const entity = (whole, word) => {
	if (word[0] !== '#')
		return Object.hasOwn(entities, word) ? entities[word] : whole;
	const hex = word[1] === 'x' || word[1] === 'X';
	const code = Number.parseInt(word.slice(hex ? 2 : 1), hex ? 16 : 10);
	return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
		? String.fromCodePoint(code) : whole;
};

// Between two marks everything goes; a search for each, so that no text takes long.
const without = (html, begin, end) => {
	const lower = html.toLowerCase();
	const kept = [];
	let at = 0;
	for (;;) {
		const from = lower.indexOf(begin, at);
		const to = from < 0 ? -1 : lower.indexOf(end, from + begin.length);
		if (to < 0)
			return kept.join('') + html.slice(at);
		kept.push(html.slice(at, from));
		at = to + end.length;
	}
};

const textOfHtml = (html) => {
	const seen = [['<!--', '-->'], ['<style', '</style>'], ['<script', '</script>'],
		['<head', '</head>'], ['<title', '</title>']]
		.reduce((rest, [begin, end]) => without(rest, begin, end), html);
	return seen.replace(/[ \t\r\n]+/g, ' ')
		.replace(/<(?:br|\/p|\/div|\/tr|\/li|\/h[1-6]|hr|\/table|\/blockquote)\b[^<>]*>/gi, '\r\n')
		.replace(/<[^<>]*>/g, '')
		.replace(/&(#?\w{1,10});/g, entity)
		.replace(/ *\r\n */g, '\r\n')
		.replace(/(?:\r\n){3,}/g, '\r\n\r\n')
		.trim();
};

const dataUrl = (item) => {
	const data = native.mailContentBase64(...body.whereOf(`${NAME}.attachments`, item), CID_MAX);
	return data === undefined ? undefined
		: `data:${body.typeAlone(item.contentType || 'application/octet-stream')};base64,${data}`;
};

const plainId = (id) => {
	try {
		return decodeURIComponent(id);
	} catch {
		return id;
	}
};

const replaceCids = (state, html) => {
	const byId = new Map();
	for (const item of body.getAttachments(state))
		if ((item?.contentId ?? '') !== '')
			byId.set(item.contentId.replace(/^<(.*)>$/, '$1'), item);
	const urls = new Map();
	return html.replace(/\bcid:([^"'\s<>()]{1,900})/gi, (whole, id) => {
		const item = byId.get(id) ?? byId.get(plainId(id));
		if (item && !urls.has(item))
			urls.set(item, dataUrl(item));
		return urls.get(item) ?? whole;
	});
};

const isAlternative = (state) => {
	const root = state.letter ? body.loadedOf(state).root.type : state.body.contentType ?? '';
	return root === 'multipart/alternative';
};

const htmlOf = (state, replaceCID) => {
	const html = textsOf(body.getContents(state), 'text/html', isAlternative(state));
	return replaceCID ? replaceCids(state, html) : html;
};

const textOf = (state) => {
	const contents = body.getContents(state);
	const text = textsOf(contents, 'text/plain', isAlternative(state));
	return text !== '' ? text : textOfHtml(textsOf(contents, 'text/html', isAlternative(state)));
};

// ---- Received ----

const isIPv4 = (text) => /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) &&
	text.split('.').every((part) => Number(part) <= 255);
const isIPv6 = (text) => text.includes(':') && /^[0-9a-f:.]{2,45}$/i.test(text);

// The address in the clause that says from whom: in brackets as servers write it, or bare.
const senderOf = (received) => {
	const from = received.slice(0, 2000).split(/\sby\s|;/i, 1)[0];
	for (const [, word] of from.matchAll(/[[(\s=]((?:IPv6:)?[0-9a-f.:]{2,60})(?=[\])\s,]|$)/gi)) {
		const ip = word.replace(/^IPv6:/i, '');
		if (isIPv4(ip) || isIPv6(ip))
			return ip;
	}
	return undefined;
};

// ---- The class ----

class Mail {
	#state;
	#headers;

	constructor(parseAttachment = false) {
		this.#state = freshState(
			internal.boolean(`${NAME}: parseAttachment`, parseAttachment));
		this.#headers = new Headers(() => this.#of('headers'));
		internal.setHandle(this, { renderMail: () => render(this.#of('renderMail')) });
	}

	static parseAddresses(text) {
		return fields.parseAddresses(text);
	}

	#of(member) {
		if (!this.#state)
			throw new TypeError(`${NAME}.${member}: the mail was freed`);
		return this.#state;
	}

	#drop() {
		const { letter, folder, loadedAttachments } = this.#state;
		if (folder)
			native.mailFolderRemove(folder);
		// Attachments that a script may still hold read from it.
		if (letter && loadedAttachments.length === 0)
			native.mailLetGo(letter);
	}

	#take(letter) {
		const { parse } = this.#state;
		this.#drop();
		this.#state = freshState(parse);
		this.#state.letter = letter;
	}

	clear() {
		const { parse } = this.#of('clear');
		this.#drop();
		this.#state = freshState(parse);
	}

	free() {
		if (this.#state)
			this.#drop();
		this.#state = null;
	}

	// ---- In and out ----

	loadFromFile(fileName) {
		this.#of('loadFromFile');
		this.#take(native.mailLoadFile(
			body.fileOf(`${NAME}.loadFromFile: fileName`, fileName)));
	}

	loadFromStream(stream) {
		const member = `${NAME}.loadFromStream: stream`;
		this.#of('loadFromStream');
		this.#take(native.mailLoadStream(internal.handle(body.checkStream(member, stream))));
	}

	loadFromString(text) {
		this.#of('loadFromString');
		this.#take(native.mailLoad(internal.string(`${NAME}.loadFromString: text`, text)));
	}

	loadFromBytes(bytes) {
		this.#of('loadFromBytes');
		this.#take(native.mailLoad(internal.bytes(`${NAME}.loadFromBytes: bytes`, bytes)));
	}

	saveToFile(fileName) {
		const state = this.#of('saveToFile');
		const name = body.fileOf(`${NAME}.saveToFile: fileName`, fileName);
		native.mailSave(render(state), name);
	}

	saveToStream(stream) {
		const state = this.#of('saveToStream');
		body.checkStream(`${NAME}.saveToStream: stream`, stream);
		const own = internal.streamOver(native.mailStream(render(state)));
		try {
			stream.copyFrom(own);
		} finally {
			own.free();
		}
	}

	toString() {
		return native.mailString(render(this.#of('toString')));
	}

	toBytes() {
		return native.mailBytes(render(this.#of('toBytes')));
	}

	toStream() {
		return internal.streamOver(native.mailStream(render(this.#of('toStream'))));
	}

	// ---- Texts ----

	getTextContent() {
		return textOf(this.#of('getTextContent'));
	}

	getHtmlContent(replaceCID = false) {
		return htmlOf(this.#of('getHtmlContent'),
			internal.boolean(`${NAME}.getHtmlContent: replaceCID`, replaceCID));
	}

	getBestContent(replaceCID = false) {
		const state = this.#of('getBestContent');
		internal.boolean(`${NAME}.getBestContent: replaceCID`, replaceCID);
		return htmlOf(state, replaceCID) || textOf(state);
	}

	// ---- Parts ----

	get contents() {
		return body.getContents(this.#of('contents'));
	}

	set contents(list) {
		this.#of('contents').contents = [...body.checkContents(`${NAME}.contents`, list)];
	}

	get attachments() {
		return body.getAttachments(this.#of('attachments'));
	}

	set attachments(list) {
		const state = this.#of('attachments');
		const checked = body.checkAttachments(list);
		body.getAttachments(state);
		state.attachments = checked;
	}

	attach(what) {
		const state = this.#of('attach');
		const member = `${NAME}.attach`;
		const made = body.attachmentOf(member, attached(member, what));
		body.getAttachments(state).push(made);
		return made;
	}

	get headers() {
		this.#of('headers');
		return this.#headers;
	}

	// ---- What the whole is ----

	get size() {
		return native.mailSize(render(this.#of('size')));
	}

	get messageId() {
		const state = this.#of('messageId');
		return fieldOf(state, 'Message-ID') || (state.letter ? '' : state.made?.id ?? '');
	}

	get inReplyTo() {
		return fieldOf(this.#of('inReplyTo'), 'In-Reply-To');
	}

	get receivedFrom() {
		const { letter } = this.#of('receivedFrom');
		const all = letter ? fields.indexesOf(letter, 'Received') : [];
		return all.map((at) => senderOf(native.mailText(letter, at))).filter(Boolean);
	}

	get multipartType() {
		this.#of('multipartType');
		const type = this.contentType;
		if (!body.isMultipart(type))
			return multipartType.none;
		return type === 'multipart/alternative' ? multipartType.alternative : multipartType.other;
	}

	get contentType() {
		const state = this.#of('contentType');
		if (body.modeOf(state) === 'keep')
			return body.loadedOf(state).root.type;
		if (body.modeOf(state) === 'append')
			return 'multipart/mixed';
		const { multi, part, text, file } = body.plan(state);
		if (part !== undefined)
			return body.loadedOf(state).infos[part].type;
		return multi ?? body.typeAlone((text ?? file).contentType || state.body.contentType ||
			'text/plain');
	}

	set contentType(value) {
		this.#of('contentType').body.contentType = body.checkType(`${NAME}.contentType`, value);
	}

	get charset() {
		const state = this.#of('charset');
		return state.body.charset ?? body.charsetOf(state);
	}

	set charset(value) {
		this.#of('charset').body.charset = body.checkCharset(`${NAME}.charset`, value);
	}

	get boundary() {
		const state = this.#of('boundary');
		if (body.modeOf(state) !== 'rebuild')
			return body.loadedOf(state).root.boundary;
		return body.isMultipart(this.contentType) ? body.boundaryOf(state, 0) : '';
	}

	set boundary(value) {
		this.#of('boundary').body.boundary = body.checkBoundary(`${NAME}.boundary`, value);
	}

	get contentTransferEncoding() {
		const state = this.#of('contentTransferEncoding');
		return state.body.transfer ??
			body.transferShown(body.loadedOf(state)?.root.transfer ?? 0);
	}

	set contentTransferEncoding(value) {
		this.#of('contentTransferEncoding').body.transfer = internal.enumValue(
			`${NAME}.contentTransferEncoding`, value, body.transferEncoding);
	}

	get extendedHeaders() {
		return fields.getExtended(this.#of('extendedHeaders'));
	}

	set extendedHeaders(list) {
		fields.setExtended(this.#of('extendedHeaders'), list);
	}

	get [Symbol.toStringTag]() {
		return NAME;
	}

	static {
		for (const name of fields.properties)
			Object.defineProperty(this.prototype, name, {
				get() {
					return fields.get(this.#of(name), name);
				},
				set(value) {
					fields.set(this.#of(name), name, value);
				},
				configurable: true,
			});
	}
}

// A file's name, or an object; a file must be there.
const attached = (member, what) => {
	const given = typeof what === 'string' ? { storedFilePath: what } : what;
	if (typeof given !== 'object' || given === null || Array.isArray(given))
		internal.wrongType(member, 'a file\'s name, or an object', what);
	const { file, inline = false, ...item } = given;
	internal.boolean(`${member}: inline`, inline);
	if (file !== undefined)
		item.storedFilePath = body.fileOf(`${member}: file`, file);
	if (item.storedFilePath !== undefined) {
		body.fileOf(`${member}: fileName`, item.storedFilePath);
		native.mailContentSize(item.storedFilePath, undefined);
		item.name ??= native.mailSafeName(item.storedFilePath);
	}
	if (item.storedFilePath === undefined && item.content === undefined)
		throw new TypeError(`${member}: a file's name, or content, is needed`);
	item.contentDisposition ??= inline ? 'inline' : 'attachment';
	return item;
};

if (Symbol.dispose)
	Object.defineProperty(Mail.prototype, Symbol.dispose,
		{ value: Mail.prototype.free, configurable: true, writable: true });
Object.defineProperty(Mail, 'name', { value: 'mail' });
for (const [name, values] of Object.entries({ multipartType, priority: fields.priority,
	transferEncoding: body.transferEncoding }))
	Object.defineProperty(Mail, name, { value: values, enumerable: true });

infinity.mail = Mail;
