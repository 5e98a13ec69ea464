// The header of a message and as many lines of its body as were asked for.

const { item, username } = infinity.pop3.session;
const message = infinity.file.readString(`mail/${username}/${item.uid}.eml`);
const end = message.indexOf('\r\n\r\n');

if (end < 0) {
	item.msg = message;
} else {
	const lines = message.slice(end + 4).match(/[^\n]*\n|[^\n]+/g) ?? [];
	item.msg = message.slice(0, end + 4) + lines.slice(0, item.lines).join('');
}
