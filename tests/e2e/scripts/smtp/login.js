const { config, isUser } = require('../mail.js');
const { session } = infinity.smtp ?? infinity.lmtp;

session.authenticated = isUser(session.username) &&
	config.users[session.username] === session.password;
