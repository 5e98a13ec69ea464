const { config, isUser, list } = require('../mail.js');
const { session } = infinity.pop3;

session.authenticated = isUser(session.username) &&
	config.users[session.username] === session.password;
if (session.authenticated)
	session.items = list(session.username);
