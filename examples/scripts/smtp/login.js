// Who may log in to send mail.

const session = infinity.smtp.session;
const users = JSON.parse(infinity.file.readString('users.json'));

session.authenticated = Object.hasOwn(users, session.username) &&
	users[session.username] === session.password;
