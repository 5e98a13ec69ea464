'use strict';
// A POP3 server with callbacks that look things up later: `node pop3.js lettermill|net`. The second is what one
// writes by hand on node:net, without TLS, TOP, languages, limits or pipelining: less than any server does.
const which = process.argv[2];
const later = () => new Promise((resolve) => setImmediate(resolve));
const body = `Subject: bench\r\n\r\n${'x'.repeat(76)}\r\n`;

const callbacks = {
	get_user: async (user) => {
		await later();
		return { user, pass: 'secret', secret: null, udata: null };
	},
	compare_password: (raw, hash) => raw === hash,
	is_in_use: async () => {
		await later();
		return false;
	},
	list: () => Array.from({ length: 20 }, (_, i) => ({ uid: `uid${i}`, size: body.length })),
};

const withLettermill = () => {
	const { PopServer, PopUser, PopMessage } = require(process.env.LETTERMILL_PACKAGE);
	const server = new PopServer({
		get_user: async (name) => {
			const { user, pass, secret } = await callbacks.get_user(name);
			return new PopUser(user, pass, secret);
		},
		compare_password: callbacks.compare_password,
		is_in_use: callbacks.is_in_use,
		receive_messages: async () => {
			await later();
			return callbacks.list().map(({ uid, size }) => new PopMessage(uid, size, body));
		},
		delete_messages: async () => {},
	}, '127.0.0.1', 0, null);
	server.run().then(() => console.log(`ready ${server.address().port}`));
};

const answer = async (session, line) => {
	const [verb, argument] = line.split(' ');
	if (verb === 'USER') {
		session.user = await callbacks.get_user(argument);
		return '+OK';
	}
	if (verb === 'PASS') {
		if (!callbacks.compare_password(argument, session.user.pass) || await callbacks.is_in_use())
			return '-ERR [AUTH] no';
		await later();
		session.messages = callbacks.list();
		return '+OK';
	}
	if (verb === 'STAT')
		return `+OK ${session.messages.length} ${session.messages.reduce((sum, m) => sum + m.size, 0)}`;
	return verb === 'QUIT' ? '+OK bye' : '-ERR';
};

const withNet = () => {
	const server = require('net').createServer((socket) => {
		const session = {};
		let rest = '';
		let queue = Promise.resolve();
		socket.setEncoding('utf8');
		socket.on('error', () => {});
		socket.on('data', (data) => {
			const lines = (rest + data).split('\r\n');
			rest = lines.pop();
			for (const line of lines)
				queue = queue.then(async () => {
					socket.write(`${await answer(session, line)}\r\n`);
					if (line === 'QUIT')
						socket.end();
				});
		});
		socket.write('+OK ready\r\n');
	});
	server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
};

(which === 'lettermill' ? withLettermill : withNet)();
process.on('SIGTERM', () => process.exit(0));
