// onLogin: who may fetch mail, and what there is for them.

const session = infinity.pop3.session;
const users = JSON.parse(infinity.file.readString('users.json'));
const user = Object.hasOwn(users, session.username) ? users[session.username] : undefined;

// A name that is not there takes as long as a wrong password, so that nobody can try names out.
session.authenticated = infinity.crypto.verifyPassword(session.password, user?.password);

if (session.authenticated) {
	// What a handler sets on the session stays there until its end.
	session.store = infinity.store.open('sqlite:mail.db', { mailbox: session.username });
	session.items = session.store.items();
}
