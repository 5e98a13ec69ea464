const { resolve } = require('../mail.js');
const { session } = infinity.smtp ?? infinity.lmtp;
const { refusal } = resolve(session.address);

if (refusal)
	session.reply(...refusal);
session.accept = !refusal;
