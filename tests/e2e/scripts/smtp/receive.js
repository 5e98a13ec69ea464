// Each message is written beside its place and moved there whole, so that nobody reads half of one.
const { config, folderOf, resolve, trace } = require('../mail.js');
const { session } = infinity.smtp ?? infinity.lmtp;

const write = (path, head) => {
	if (config.form === 'string') {
		infinity.file.writeString(path, head + session.msg);
		return;
	}
	const out = new infinity.stream(path, infinity.fileMode.create);
	out.writeString(head);
	if (config.form === 'bytes')
		out.writeBytes(session.msgBytes);
	else
		out.copyFrom(session.stream);
	out.free();
};

const users = new Set(session.envelope.recipients.map(({ address }) => resolve(address).user));
const head = trace(session, config.options.hostname);
for (const user of users) {
	const number = String(infinity.memory.increment('messages')).padStart(8, '0');
	const path = `${folderOf(user)}/${Date.now()}-${number}`;
	infinity.directory.create(folderOf(user));
	write(`${path}.part`, head);
	infinity.file.move(`${path}.part`, `${path}.eml`);
}
session.received = true;
