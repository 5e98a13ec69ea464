// onRetrieve: the message, as a stream so that a large one is never in memory. TOP gets it from
// here, too.

const { item, store } = infinity.pop3.session;

item.msg = store.readStream(item);
