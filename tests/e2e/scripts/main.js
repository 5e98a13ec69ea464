// All listeners of `lettermill serve` as scripted servers, from config.json beside this file.

infinity.loadModule('infinity.pop3');
infinity.loadModule('infinity.smtp');
infinity.loadModule('infinity.lmtp');

const config = JSON.parse(infinity.file.readString('config.json'));

const kinds = {
	smtp: [infinity.smtp.server, {}],
	smtps: [infinity.smtp.server, { implicitTls: true, requireLogin: true }],
	submission: [infinity.smtp.server, { requireLogin: true }],
	lmtp: [infinity.lmtp.server, { port: config.lmtp }],
	pop3: [infinity.pop3.server, {}],
	pop3s: [infinity.pop3.server, { implicitTls: true }],
};

const pop3Hooks = {
	onAuth: 'auth.js', onLogin: 'pop3/login.js', onMaildrop: 'pop3/maildrop.js',
	onRetrieve: 'pop3/retrieve.js', onDelete: 'pop3/delete.js', onQuit: 'pop3/quit.js',
};
const smtpHooks = {
	onAuth: 'auth.js', onLogin: 'smtp/login.js', onMailFrom: 'smtp/mailfrom.js',
	onRcptTo: 'smtp/rcptto.js', onReceive: 'smtp/receive.js',
};

const ready = ['ready'];
for (const name of config.listeners) {
	const [kind, own] = kinds[name];
	const server = new kind({ host: '127.0.0.1', port: 0, ...config.options, ...own, apop: true });
	if (config.cert)
		server.setCertificate(config.cert, config.key);
	Object.assign(server, kind === infinity.pop3.server ? pop3Hooks : smtpHooks);
	server.start();
	ready.push(`${name}=${server.address}`);
}
console.writeLn(`${ready.join(' ')} pid=0`);
