const { config, folderOf } = require('../mail.js');
const { item, user } = infinity.pop3.session;
const path = `${folderOf(user)}/${item.uid}.eml`;

if (config.form === 'string')
	item.msg = infinity.file.readString(path);
else if (config.form === 'bytes')
	item.msg = infinity.file.read(path);
else
	item.msg = new infinity.stream(path);
