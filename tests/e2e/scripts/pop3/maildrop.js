// For logins that no password came with.
const { list } = require('../mail.js');
const { session } = infinity.pop3;

session.items = list(session.user);
