'use strict';
// The same server by the names of each generation of lpop3, and what was recorded of them, with
// the differences of docs/popserver.md.
const { test, assert, lettermill, until } = require('./harness');
const { play } = require('./lib/pop3');
const { PopServer, PopServerConfig, PopMessage, PopUser, English, Dutch, ApopDigest, PopBanner,
	PopServerSession, PopServerConnection, PopSocket, EmailAddress } = lettermill;

const BODIES = {
	a1: 'From: a@example.com\r\nTo: luke@example.com\r\nSubject: one\r\n\r\n' +
		'line1\r\nline2\r\nline3\r\nline4\r\n',
	b2: 'Subject: dots\r\n folded continuation\r\n\r\n.\r\n..\r\n.leading dot\r\n  indented  \r\n' +
		'trailing   \r\n',
	3: 'Subject: no blank line',
	d4: 'Subject: lf only\n\nbody lf\n.\nend\n',
	e5: 'Subject: utf8 ü€\r\n\r\ngrüße €\r\n',
};
const SIZES = { a1: 87, b2: 87, 3: 22, d4: 32, e5: 5 };

class Message extends PopMessage {
	async contents() {
		return BODIES[this.uid];
	}
}

const USERS = {
	luke: new PopUser('luke', 'hello', 'sesame', { id: 1 }),
	busy: new PopUser('busy', 'hello', 'sesame'),
	nosecret: new PopUser('nosecret', 'hello'),
};

/** Callbacks of 1.1.5 that write down how they were called. */
function named(log) {
	return {
		async getUser(email, connection) {
			assert.ok(email instanceof EmailAddress);
			assert.ok(connection instanceof PopServerConnection);
			log.push(`getUser ${JSON.stringify(email)}`);
			return USERS[email.username] ?? null;
		},
		async comparePassword(raw, hash) {
			log.push(`comparePassword ${raw} ${hash}`);
			return raw === hash;
		},
		async hasExistingSession({ session }) {
			assert.ok(session instanceof PopServerSession);
			log.push(`hasExistingSession ${session.user.user}`);
			return session.user.user === 'busy';
		},
		async getMessages({ session }) {
			log.push(`getMessages ${session.state}`);
			return ['a1', 'b2', 3, 'd4', 'e5'].map((uid) => new Message(uid, SIZES[uid]));
		},
		async deleteMessages(connection, messages) {
			log.push(`deleteMessages [${messages.map(({ uid }) => uid)}]`);
		},
	};
}

async function start(t, config, ...more) {
	const server = new PopServer(config, '127.0.0.1', 0, null, 500, 60000, {}, { authDelay: 0,
		...more[0] });
	const events = [];
	for (const name of ['server_listening', 'server_error', 'server_close', 'client_connected',
		'client_disconnected', 'callback_error'])
		server.on(name, (secure, what) => {
			if (what instanceof PopSocket)
				assert.equal(what.socket.remoteAddress, '127.0.0.1');
			events.push(`${name} ${secure}`);
		});
	await server.run();
	t.defer(() => server.close({ timeout: 0 }));
	return { server, events, connect: () => t.connect(server.address().port) };
}

/* 1.1.5: what was recorded of it, in its order */

const GREETING = 'S: +OK Luke-POP3 at your service, IPv4 127.0.0.1:* <*@*>';
const NORMAL = `
	${GREETING}
	C: USER luke@example.com
	S: +OK user 'luke' accepted, proceed with PASS
	C: PASS hello
	S: +OK pass accepted, welcome 'luke'.
	C: STAT
	S: +OK 5 233
	C: LIST
	S: +OK 5 (233 octets)
	S: 1 87
	S: 2 87
	S: 3 22
	S: 4 32
	S: 5 5
	S: .
	C: LIST 2
	S: +OK 2 87
	C: UIDL
	S: +OK mailbox listing follows.
	S: 1 a1
	S: 2 b2
	S: 3 3
	S: 4 d4
	S: 5 e5
	S: .
	C: UIDL 3
	S: +OK 3 3
	C: RETR 1
	S: +OK 87 octets
	S: From: a@example.com
	S: To: luke@example.com
	S: Subject: one
	S: 
	S: line1
	S: line2
	S: line3
	S: line4
	S: .
	C: RETR 2
	S: +OK 87 octets
	S: Subject: dots
	S:  folded continuation
	S: 
	S: ..
	S: ...
	S: ..leading dot
	S:   indented  
	S: trailing   
	S: .
	C: TOP 1 0
	S: +OK top follows.
	S: From: a@example.com
	S: To: luke@example.com
	S: Subject: one
	S: 
	S: .
	C: TOP 1 1
	S: +OK top follows.
	S: From: a@example.com
	S: To: luke@example.com
	S: Subject: one
	S: 
	S: line1
	S: .
	C: TOP 1 99
	S: +OK top follows.
	S: From: a@example.com
	S: To: luke@example.com
	S: Subject: one
	S: 
	S: line1
	S: line2
	S: line3
	S: line4
	S: .
	C: NOOP
	S: +OK
	C: DELE 1
	S: +OK message 1 deleted.
	C: LIST
	S: +OK 4 (146 octets)
	S: 2 87
	S: 3 22
	S: 4 32
	S: 5 5
	S: .
	C: STAT
	S: +OK 4 146
	C: RETR 1
	S: -ERR message 1 has been deleted.
	C: DELE 1
	S: -ERR message 1 already deleted.
	C: RSET
	S: +OK maildrop has 5 messages (233 octets).
	C: STAT
	S: +OK 5 233
	C: DELE 2
	S: +OK message 2 deleted.
	C: QUIT
	S: +OK Luke-POP3 signing off.
	X`;

test('normal', async (t) => {
	const log = [];
	const { server, events, connect } = await start(t, new PopServerConfig(English, named(log)));
	await play(await connect(), NORMAL);
	assert.deepEqual(log, ['getUser {"username":"luke","hostname":"example.com","name":null}',
		'comparePassword hello hello', 'hasExistingSession luke', 'getMessages TRANSACTION',
		'deleteMessages [b2]']);
	await until(() => events.length === 3);
	assert.deepEqual(events, ['server_listening false', 'client_connected false',
		'client_disconnected false']);
	await server.close();
	assert.deepEqual(events.slice(3), ['server_close false']);
});

test('dutch', async (t) => {
	const { connect } = await start(t, new PopServerConfig(undefined, named([])));
	await play(await connect(), `
		${GREETING}
		C: LANG
		S: +OK language listing follows.
		S: en English
		S: nl Dutch
		S: .
		C: LANG nl
		S: +OK taal wordt veranderd naar 'nl'.
		C: LANG fr
		S: -ERR ongeldige taal 'fr'.
		C: USER luke@example.com
		S: +OK gebruiker 'luke' geaccepteerd, volg met PASS
		C: USER luke@example.com
		S: -ERR USER is al uitgevoerd, volg met PASS
		C: PASS wrong
		S: -ERR [AUTH] wachtwoord geweigerd
		C: USER luke@example.com
		S: +OK gebruiker 'luke' geaccepteerd, volg met PASS
		C: PASS hello
		S: +OK wachtwoord geaccepteerd, welkom 'luke'.
		C: LIST 2
		S: +OK 2 87
		C: RETR 9
		S: -ERR bericht bestaat niet, enkel 5 berichten in de maildrop.
		C: TOP 1 0
		S: +OK top volgt.
		S: From: a@example.com
		S: To: luke@example.com
		S: Subject: one
		S: 
		S: .
		C: DELE 5
		S: +OK bericht 5 is verwijderd.
		C: DELE 5
		S: -ERR bericht 5 is al verwijderd.
		C: RETR 5
		S: -ERR bericht 5 is verwijderd.
		C: RSET
		S: +OK maildrop heeft 5 berichten (233 bytes).
		C: NOOP
		S: +OK
		C: FOO
		S: -ERR Ongeldige opdracht.
		C: QUIT
		S: +OK Luke-POP3 meld zich af.
		X`);
});

const digest = (greeting, secret) =>
	ApopDigest.generate(PopBanner.decode(/<.*>$/.exec(greeting)[0]), secret);

test('apop', async (t) => {
	const log = [];
	const { connect } = await start(t, new PopServerConfig(English, named(log)));
	const c = await connect();
	const right = digest(await c.line(), 'sesame');
	await play(c, `
		C: APOP luke@example.com 00000000000000000000000000000000
		S: -ERR [AUTH] permission denied.
		C: APOP who@example.com 0
		S: -ERR [AUTH] permission denied.
		C: APOP nosecret@example.com 0
		S: -ERR [AUTH] permission denied.
		C: APOP luke@example.com
		S: -ERR APOP requires multiple parameters, not more not less.
		C: APOP luke
		S: -ERR APOP requires multiple parameters, not more not less.
		C: APOP luke@example.com ${right}
		S: +OK maildrop has 5 messages (233 octets)
		C: APOP luke@example.com x
		S: -ERR APOP command may only be executed in the AUTHORIZATION state.
		C: QUIT
		S: +OK Luke-POP3 signing off.
		X`);
	assert.deepEqual(log.map((line) => line.split(' ')[0]), ['getUser', 'getUser', 'getUser',
		'getUser', 'hasExistingSession', 'getMessages', 'deleteMessages']);
});

test('logins', async (t) => {
	const log = [];
	const { connect } = await start(t, new PopServerConfig(English, named(log)));
	await play(await connect(), `
		${GREETING}
		C: PASS x
		S: -ERR command USER must be executed before PASS.
		C: USER
		S: -ERR USER requires one parameter, not more not less.
		C: USER who@example.com
		S: -ERR user rejected
		C: USER luke@example.com
		S: +OK user 'luke' accepted, proceed with PASS
		C: PASS
		S: -ERR PASS requires one parameter, not more not less.
		C: PASS hello world
		S: -ERR [AUTH] pass rejected
		C: USER luke@example.com
		S: +OK user 'luke' accepted, proceed with PASS
		C: PASS hello
		S: +OK pass accepted, welcome 'luke'.
		C: USER luke@example.com
		S: -ERR USER command may only be executed in the AUTHORIZATION state.
		C: PASS hello
		S: -ERR PASS command may only be executed in the AUTHORIZATION state.
		C: QUIT
		S: +OK Luke-POP3 signing off.
		X`);
	assert.ok(log.includes('comparePassword hello world hello'));
});

test('in_use', async (t) => {
	const log = [];
	const { connect } = await start(t, new PopServerConfig(English, named(log)));
	await play(await connect(), `
		${GREETING}
		C: USER busy@example.com
		S: +OK user 'busy' accepted, proceed with PASS
		C: PASS hello
		S: -ERR [IN-USE] do you have another POP session running?
		C: USER luke@example.com
		S: +OK user 'luke' accepted, proceed with PASS
		C: PASS hello
		S: +OK pass accepted, welcome 'luke'.
		C: QUIT
		S: +OK Luke-POP3 signing off.
		X`);
	assert.equal(log.filter((line) => line.startsWith('getMessages')).length, 1);
});

test('quit_before_login', async (t) => {
	const log = [];
	const { connect } = await start(t, new PopServerConfig(English, named(log)));
	await play(await connect(), `
		${GREETING}
		C: QUIT
		S: +OK Luke-POP3 signing off.
		X`);
	assert.deepEqual(log, ['deleteMessages []']);
});

test('odd_commands', async (t) => {
	const { connect } = await start(t, new PopServerConfig(English, named([])), { maxErrors: 50 });
	const before = ['STAT', 'LIST', 'UIDL', 'RETR 1', 'TOP 1 1', 'DELE 1', 'RSET'].map((line) => `
		C: ${line}
		S: -ERR ${line.split(' ')[0]} command may only be executed in the TRANSACTION state.`);
	await play(await connect(), `
		${GREETING}
		${before.join('\n')}
		C: NOOP
		S: +OK
		C: XYZ
		S: -ERR invalid command.
		C: USER luke@example.com
		S: +OK *
		C: PASS hello
		S: +OK *
		C: RETR
		S: -ERR RETR requires one parameter, not more not less.
		C: RETR 1 2
		S: -ERR RETR requires one parameter, not more not less.
		C: DELE
		S: -ERR DELE requires one parameter, not more not less.
		C: TOP 1
		S: -ERR TOP requires multiple parameters, not more not less.
		C: TOP
		S: -ERR TOP requires multiple parameters, not more not less.
		C: LIST 1 2
		S: -ERR LIST requires one parameter, not more not less.
		C: UIDL 1 2
		S: -ERR UIDL requires one parameter, not more not less.
		C: LIST 0
		S: -ERR no such message, only 5 messages in maildrop.
		C: LIST 6
		S: -ERR no such message, only 5 messages in maildrop.
		C: RETR 6
		S: -ERR no such message, only 5 messages in maildrop.
		C: TOP 9 1
		S: -ERR no such message, only 5 messages in maildrop.
		C: LANG en nl
		S: -ERR LANG requires one parameter, not more not less.
		C: LANG EN
		S: +OK changing language to *
		C: list 2
		S: +OK 2 87
		C: RETR abc
		S: -ERR *
		C: LIST x
		S: -ERR *
		C: UIDL x
		S: -ERR *
		C: DELE x
		S: -ERR *
		C: TOP x 1
		S: -ERR *
		C: TOP 1 x
		S: -ERR *
		C: TOP 1 -1
		S: -ERR *
		C: QUIT
		S: +OK Luke-POP3 signing off.
		X`);
});

test('the_eleventh_bad_command', async (t) => {
	const counts = [];
	const config = named([]);
	const { connect } = await start(t, new PopServerConfig(English, { ...config,
		deleteMessages: (connection) => counts.push(connection.session.invalid_command_count) }));
	const c = await connect();
	await c.line();
	for (let i = 0; i < 10; i++)
		assert.equal(await c.ask('XYZ'), '-ERR invalid command.');
	assert.equal(await c.ask('XYZ'), '-ERR too many errors, closing.');
	assert.equal(await c.line(), undefined);
	const d = await connect();
	await d.line();
	await d.ask('XYZ');
	await d.ask('ABC');
	await d.ask('QUIT');
	assert.deepEqual(counts, [2]);
});

test('messages_of_all_kinds', async (t) => {
	const { connect } = await start(t, new PopServerConfig(English, named([])));
	const c = await connect();
	await c.line();
	await c.ask('USER luke@example.com');
	await c.ask('PASS hello');
	const retr = async (n) => {
		await c.ask(`RETR ${n}`);
		return (await c.lines()).join('|');
	};
	assert.equal(await retr(3), 'Subject: no blank line');
	assert.equal(await retr(4), 'Subject: lf only||body lf|.|end');
	assert.equal(await retr(5), 'Subject: utf8 Ã¼â\x82¬||grÃ¼Ã\x9fe â\x82¬');
	await c.ask('TOP 3 5');
	assert.deepEqual(await c.lines(), ['Subject: no blank line']);
});

/* before 1.1 */

test('positional', async (t) => {
	const log = [];
	const config = new PopServerConfig(async (user) => {
		log.push(user);
		return USERS[user] ?? null;
	}, async () => false, async (raw, hash) => raw === hash, async () => [new PopMessage('x', 5,
		'\r\nx\r\n')], async (connection, messages) => {
		log.push(messages.length);
	}, Dutch);
	const { connect } = await start(t, config);
	await play(await connect(), `
		S: +OK Luke-POP3 tot uw dienst, *
		C: USER luke
		S: +OK gebruiker 'luke' geaccepteerd, volg met PASS
		C: PASS hello
		S: +OK wachtwoord geaccepteerd, welkom 'luke'.
		C: DELE 1
		S: +OK bericht 1 is verwijderd.
		C: QUIT
		S: +OK Luke-POP3 meld zich af.
		X`);
	assert.deepEqual(log, ['luke', 1]);
});

test('not_implemented', async (t) => {
	const { server, connect } = await start(t, new PopServerConfig(English, {}));
	const errors = [];
	server.on('callback_error', (error, connection, name) => errors.push(`${name}: ${error.message}`));
	await play(await connect(), `
		${GREETING}
		C: USER luke
		S: -ERR [SYS/TEMP] *
		C: NOOP
		S: +OK`);
	assert.deepEqual(errors, ['getUser: PopServerConfig: getUser is not implemented']);
});

test('a_name_without_a_domain', async (t) => {
	const log = [];
	const { connect } = await start(t, new PopServerConfig(English, named(log)));
	await play(await connect(), `
		${GREETING}
		C: USER luke
		S: +OK user 'luke' accepted, proceed with PASS
		C: PASS hello
		S: +OK pass accepted, welcome 'luke'.`);
	assert.equal(log[0], 'getUser {"username":"luke","hostname":null,"name":null}');
});

test('a_subclass', async (t) => {
	class Config extends PopServerConfig {
		users = USERS;

		getUser({ username }) {
			return this.users[username] ?? null;
		}

		comparePassword(raw, hash) {
			return raw === hash;
		}

		getMessages() {
			return [];
		}

		deleteMessages() {}
	}
	Config.prototype.hasExistingSession = () => false;
	const { connect } = await start(t, new Config());
	await play(await connect(), `
		${GREETING}
		C: USER luke
		S: +OK *
		C: PASS hello
		S: +OK *
		C: STAT
		S: +OK 0 0`);
});

test('what_the_session_knows', async (t) => {
	const seen = [];
	const config = named([]);
	const look = ({ session, popSocket, pop_socket, pop_sock, server, udata }, what) => seen.push([what,
		session.state, session.user?.user, session.udata.user?.id, session.messages?.length,
		session.available_message_count, session.availableMessagesSizeSum,
		session.deletedMessages.length, session.language.tag, popSocket.secure, udata,
		popSocket === pop_socket && popSocket === pop_sock, server instanceof PopServer]);
	const { connect } = await start(t, new PopServerConfig(English, { ...config,
		getUser: (email, connection) => {
			look(connection, 'user');
			connection.udata = 'mine';
			return USERS[email.username];
		},
		getMessages: (connection) => {
			look(connection, 'messages');
			return config.getMessages(connection);
		},
		deleteMessages: (connection) => {
			look(connection, 'delete');
		} }));
	const c = await connect();
	await c.line();
	for (const line of ['USER luke', 'PASS hello', 'LANG nl', 'DELE 1', 'RSET', 'DELE 2', 'DELE 3',
		'QUIT'])
		assert.match(await c.ask(line), /^\+OK/);
	assert.deepEqual(seen, [
		['user', 'AUTHORIZATION', undefined, undefined, undefined, 0, 0, 0, 'en', false, undefined,
			true, true],
		['messages', 'TRANSACTION', 'luke', 1, undefined, 0, 0, 0, 'en', false, 'mine', true, true],
		['delete', 'TRANSACTION', 'luke', 1, 5, 3, 124, 2, 'nl', false, 'mine', true, true]]);
});
