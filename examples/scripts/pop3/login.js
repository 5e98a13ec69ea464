// Who may fetch mail, and what there is for them.

const session = infinity.pop3.session;
const users = JSON.parse(infinity.file.readString('users.json'));

session.authenticated = Object.hasOwn(users, session.username) &&
	users[session.username] === session.password;

const folder = `mail/${session.username}`;
if (session.authenticated && infinity.directory.exists(folder)) {
	for (const name of infinity.directory.list(folder, '*.eml')) {
		session.items.push({
			id: session.items.length + 1,
			uid: name.slice(0, -'.eml'.length),
			size: infinity.file.size(`${folder}/${name}`),
			deleted: false,
		});
	}
}
