// Secrets for mechanisms that prove one; passwords are left to onLogin.

const { config, isUser } = require('./mail.js');
const { session } = infinity.pop3 ?? infinity.smtp ?? infinity.lmtp;
const { kind, username, authorizeAs } = session.auth;

if (kind === 'secret' && isUser(username))
	session.secret = config.users[username];
else if (kind === 'external')
	session.authenticated = session.tls !== null && isUser(session.tls.peerName) &&
		['', session.tls.peerName].includes(authorizeAs);
else if (kind !== 'password')
	session.authenticated = false;
