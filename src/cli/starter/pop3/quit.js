// onQuit: now what was marked goes. An error here keeps everything, and the client is told.

const { items, store } = infinity.pop3.session;

for (const item of items)
	if (item.deleted)
		store.mark(item, 'archive');
