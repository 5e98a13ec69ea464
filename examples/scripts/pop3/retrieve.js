// A whole message.

const { item, username } = infinity.pop3.session;

item.msg = infinity.file.readString(`mail/${username}/${item.uid}.eml`);
