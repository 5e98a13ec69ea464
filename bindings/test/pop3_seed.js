'use strict';
// The example and the transcript of lpop3's documentation, and what was recorded of its first
// version, with what differs as docs/popserver.md says.
const { test, assert, lettermill } = require('./harness');
const { play } = require('./lib/pop3');
const { PopServer, PopMessage, PopUser, get_language, LanguageName } = lettermill;

const MESSAGE = 'X-Mailer: My Hands\r\nSubject: Test message\r\nFrom: test@test.com\r\n' +
	'Date: Mon, 21 Mar 2022 09:55:42 +0000\r\nTo: luke@test.com\r\nMessage-ID: <asdadada@awa.com>\r\n' +
	'Content-Type: text/plain\r\n\r\nHello world!\r\n\r\n.\r\n.\r\n\r\n';

async function start(t, log, messages) {
	const server = new PopServer({
		get_user: async (user) => {
			log.push(`get_user ${user}`);
			return user === 'luke' ? new PopUser('luke', 'hello') : null;
		},
		compare_password: (raw, hash) => {
			log.push(`compare_password ${raw} ${hash}`);
			return raw === hash;
		},
		is_in_use: async () => {
			log.push('is_in_use');
			return false;
		},
		receive_messages: async () => {
			log.push('receive_messages');
			return messages;
		},
		delete_messages: async (connection, doomed) => {
			log.push(`delete_messages [${doomed.map(({ uid }) => uid)}]`);
		},
		default_language: get_language(LanguageName.Dutch),
	}, '127.0.0.1', 0, null);
	await server.run();
	t.defer(() => server.close({ timeout: 0 }));
	return t.connect(server.address().port);
}

const BODY = `
	S: X-Mailer: My Hands
	S: Subject: Test message
	S: From: test@test.com
	S: Date: Mon, 21 Mar 2022 09:55:42 +0000
	S: To: luke@test.com
	S: Message-ID: <asdadada@awa.com>
	S: Content-Type: text/plain
	S: `;

test('transcript', async (t) => {
	const log = [];
	const messages = Array.from({ length: 9 }, (_, i) => new PopMessage(i, 206, MESSAGE));
	const c = await start(t, log, messages);
	await play(c, `
		S: +OK Luke-POP3 tot uw dienst, IPv4 127.0.0.1:* <*@*>
		C: capa
		S: +OK mogelijkheden volgen.`);
	const capabilities = await c.lines();
	for (const line of ['USER', 'UIDL', 'UTF8', 'EXPIRE NEVER', 'LANG', 'LOGIN-DELAY 0',
		'IMPLEMENTATION Luke POP3/POP3S Server, maintainer: luke.rieff@gmail.com'])
		assert.ok(capabilities.includes(line), `${line} in ${capabilities}`);
	await play(c, `
		C: lang en
		S: +OK changing language to 'en'.
		C: user luke
		S: +OK user 'luke' accepted, proceed with PASS
		C: pass hello
		S: +OK pass accepted, welcome 'luke'.
		C: uidl
		S: +OK mailbox listing follows.
		${messages.map((_, i) => `S: ${i + 1} ${i}`).join('\n')}
		S: .
		C: retr 9
		S: +OK 206 octets
		${BODY}
		S: Hello world!
		S: 
		S: ..
		S: ..
		S: 
		S: .
		C: top 9 0
		S: +OK top follows.
		${BODY}
		S: .
		C: dele 9
		S: +OK message 9 deleted.
		C: quit
		S: +OK Luke-POP3 signing off.
		X`);
	assert.deepEqual(log, ['get_user luke', 'compare_password hello hello', 'is_in_use',
		'receive_messages', 'delete_messages [8]']);
});
