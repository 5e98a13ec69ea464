'use strict';
// An SMTP server with the callbacks people write: `node smtp.js smtp-server|lettermill`. Both take the same.
const which = process.argv[2];
const SMTPServer = which === 'lettermill' ?
	require(process.env.LETTERMILL_PACKAGE).SmtpServer : require('smtp-server').SMTPServer;

const later = (callback) => setImmediate(callback);
let messages = 0;
const server = new SMTPServer({
	authOptional: true,
	disabledCommands: ['AUTH', 'STARTTLS'],
	disableReverseLookup: true,
	logger: false,
	maxClients: 100000,
	onMailFrom: (address, session, callback) => later(callback),
	onRcptTo: (address, session, callback) =>
		later(() => callback(address.address.endsWith('@example.org') ? null : new Error('No such user'))),
	onData(stream, session, callback) {
		const chunks = [];
		stream.on('data', (chunk) => chunks.push(chunk));
		stream.on('end', () => {
			messages += Buffer.concat(chunks).length > 0 && session.envelope.rcptTo.length === 1 ? 1 : 0;
			callback();
		});
	},
});
server.on('error', () => {});
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.server.address().port}`));
process.on('SIGTERM', () => {
	console.log(`messages ${messages}`);
	process.exit(0);
});
