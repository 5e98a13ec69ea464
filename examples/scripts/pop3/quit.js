// Now what was marked goes.

const { items, username } = infinity.pop3.session;

for (const item of items)
	if (item.deleted)
		infinity.file.remove(`mail/${username}/${item.uid}.eml`);
