// What the handlers share: who has an account, and mail as one file a message, one folder a user.

const config = JSON.parse(infinity.file.readString('config.json'));

const isUser = (name) => Object.hasOwn(config.users, name);

const folderOf = (user) => `${config.store}/${user}`;

// What RETR sends of a file: a last line without an end gets one.
const octetsOf = (path) => {
	const file = new infinity.stream(path);
	const { size } = file;
	file.position = Math.max(0, size - 2);
	const isWhole = size === 0 || file.readString() === '\r\n';
	file.free();
	return isWhole ? size : size + 2;
};

// The messages of a user in the order they came, which their names tell.
const list = (user) => {
	const folder = folderOf(user);
	if (!infinity.directory.exists(folder))
		return [];
	return infinity.directory.list(folder, '*.eml').map((name, index) => ({
		id: index + 1,
		uid: name.slice(0, -4),
		size: octetsOf(`${folder}/${name}`),
		deleted: false,
	}));
};

// The user an address leads to, or a reply that refuses it.
const resolve = (address) => {
	const [, local, domain] = /^(.*?)(?:@([^@]*))?$/s.exec(address);
	if (config.catchAll)
		return { user: config.catchAll };
	if (domain !== undefined && config.domains.length && !config.domains.includes(domain))
		return { refusal: [550, '5.7.1', 'relaying is not available'] };
	return isUser(local) ? { user: local }
		: { refusal: [550, '5.1.1', 'no such mailbox here'] };
};

// The two headers of final delivery (RFC 5321 4.4).
const trace = ({ helo, ip, tls, user, esmtp, protocol, envelope }, host) => {
	const name = protocol === 'lmtp' ? 'LMTP' : esmtp ? 'ESMTP' : 'SMTP';
	const how = envelope.smtputf8 ? `UTF8${name.replace('E', '')}` : name;
	return `Return-Path: <${envelope.sender}>\r\n` +
		`Received: from ${helo} ([${ip}])\r\n\tby ${host} with ${how}` +
		`${esmtp && tls ? 'S' : ''}${esmtp && user ? 'A' : ''};\r\n\t${new Date().toUTCString()}\r\n`;
};

module.exports = { config, isUser, folderOf, list, resolve, trace };
