const { folderOf } = require('../mail.js');
const { items, user } = infinity.pop3.session;

for (const item of items)
	if (item.deleted)
		infinity.file.remove(`${folderOf(user)}/${item.uid}.eml`);
