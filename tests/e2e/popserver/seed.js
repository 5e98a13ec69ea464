'use strict';
// The pieces of lpop3's documentation put together, without their types; what they take for granted
// (a database, bcrypt, a list of who is there) is made up above them.
const inNode = typeof infinity === 'undefined';
const [library] = inNode ? process.argv.slice(2) : infinity.getArgs();
const { PopServer, PopUser, PopMessage, get_language, LanguageName } = require(library);

const CONTENTS = 'X-Mailer: My Hands\r\nSubject: Test message\r\nFrom: test@test.com\r\n' +
	'Date: Mon, 21 Mar 2022 09:55:42 +0000\r\nTo: luke@test.com\r\nMessage-ID: <asdadada@awa.com>\r\n' +
	'Content-Type: text/plain\r\n\r\nHello world!\r\n\r\n.\r\n.\r\n\r\n';
let emails = Array.from({ length: 9 }, (_, i) => ({ _id: i, use_id: 1, size: CONTENTS.length,
	contents: CONTENTS }));
const Email = {
	findAll: async ({ use_id }) => emails.filter((email) => email.use_id === use_id),
	findOne: async ({ _id }) => emails.find((email) => String(email._id) === String(_id)),
	deleteOne: async ({ _id }) => {
		emails = emails.filter((email) => email._id !== _id);
	},
};
const users = [{ _id: 1, user: 'luke', pass: 'hello', secret: 'tanstaaf' }];
const DbUser = { findOne: async ({ user }) => users.find((one) => one.user === user) };
const bcrypt = { compareSync: (raw, hash) => raw === hash };
const connected_users = { 1: null };

class DatabasePopMessage extends PopMessage {
	async load_contents() {
		return (await Email.findOne({ _id: this.uid })).contents;
	}
}

const server = new PopServer({
	get_user: async (user, u) => {
		const db_user = await DbUser.findOne({ user });
		if (!db_user) {
			return null;
		}

		return new PopUser(db_user.user, db_user.pass, db_user.secret, {
			_id: db_user._id
		});
	},
	compare_password: (raw, hash) => {
		return bcrypt.compareSync(raw, hash);
	},
	is_in_use: async (connection) => {
		return connected_users[connection.session.udata.user._id] !== null ? true : false;
	},
	receive_messages: async (connection) => {
		return (await Email.findAll({ use_id: connection.session.udata.user._id })).map((email) => {
			return new DatabasePopMessage(email._id, email.size, null);
		});
	},
	delete_messages: async (connection, messages) => {
		messages.forEach((message) => {
			Email.deleteOne({ _id: message.uid }); // No await needed.
		});
	},
	default_language: get_language(LanguageName.Dutch),
}, '127.0.0.1', 0, 0);

server.on('server_error', (secure, error) => console.log(`failed ${error.message}`));
server.run().then(() => console.log(`ready ${JSON.stringify({ pop3: server.address().port,
	pop3s: server.address(true).port })}`));
