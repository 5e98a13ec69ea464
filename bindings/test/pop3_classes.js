'use strict';
// The small classes beside the server.
const { test, assert, lettermill } = require('./harness');
const { PopBanner, ApopDigest, PopCommand, PopCommandType, PopResponse, PopResponseType,
	PopExtRespCode, PopMultilineResponse, PopCapability, PopCapabilityType, PopDataBuffer, PopUser,
	PopSession, PopSessionState, EmailAddress, PopServerStream, PopInvalidCommandError,
	PopError } = lettermill;

test('names', () => {
	for (const name of ['PopServer', 'PopServerConfig', 'PopUser', 'PopMessage', 'PopMessageFlag',
		'PopServerConnection', 'PopServerSession', 'PopSession', 'PopSocket', 'PopBanner',
		'ApopDigest', 'PopCommand', 'PopCommandType', 'PopResponse', 'PopMultilineResponse',
		'PopCapability', 'PopDataBuffer', 'PopExtRespCode', 'PopServerStream', 'Language',
		'LanguageName', 'getLanguage', 'get_language', 'English', 'Dutch'])
		assert.ok(lettermill[name] !== undefined, name);
});

test('banner', () => {
	const banner = PopBanner.decode('<1896.697170952@dbc.mtview.ca.us>');
	assert.deepEqual([banner.rand, banner.hostname], ['1896.697170952', 'dbc.mtview.ca.us']);
	assert.equal(banner.encode(), '<1896.697170952@dbc.mtview.ca.us>');
	assert.equal(PopBanner.decode('< a @ b >').encode(), '<a@b>');
	assert.match(new PopBanner().encode(), /^<\d+@[^@]+>$/);
	for (const bad of ['', 'a@b', '<a@b', '<ab>', '<@b>', '<a@>', '<a@b@c>'])
		assert.throws(() => PopBanner.decode(bad), Error, bad);
	// RFC 1939 7
	assert.equal(ApopDigest.generate(banner, 'tanstaaf'), 'c4c9334bac560ecc979e58001b3e22fb');
});

test('command', () => {
	const command = PopCommand.decode('  top 1 20 \r\n');
	assert.deepEqual([command.type, command.argument, command.arguments],
		[PopCommandType.Top, '1 20', ['1', '20']]);
	assert.equal(command.encode(), 'TOP 1 20\r\n');
	assert.equal(command.encode(false), 'TOP 1 20');
	const quit = PopCommand.decode('QuIt');
	assert.deepEqual([quit.type, quit.argument, quit.arguments], ['QUIT', null, null]);
	assert.equal(quit.encode(), 'QUIT\r\n');
	const error = assert.throws(() => PopCommand.decode('RETS 1'), PopInvalidCommandError);
	assert.ok(error instanceof PopError && error instanceof Error);
	assert.match(error.message, /did you mean RE/);
	assert.throws(() => PopCommand.decode(''), PopError);
});

test('response', () => {
	const all = (line) => {
		const { type, message, ext_resp_code } = PopResponse.decode(line);
		return [type, message, ext_resp_code];
	};
	assert.deepEqual(all('+OK'), ['+OK', null, null]);
	assert.deepEqual(all('+OK \r\n'), ['+OK', null, null]);
	assert.deepEqual(all('+ok 2 messages'), ['+OK', '2 messages', null]);
	assert.deepEqual(all('-ERR [IN-USE] busy'), ['-ERR', 'busy', PopExtRespCode.InUse]);
	assert.deepEqual(all('-ERR [SYS/TEMP]'), ['-ERR', null, PopExtRespCode.SysTemp]);
	assert.deepEqual(all('-ERR [x y] busy'), ['-ERR', '[x y] busy', null]);
	for (const bad of ['', 'OK', '+OKAY', '-ERROR x'])
		assert.throws(() => PopResponse.decode(bad), Error, bad);
	const encode = (...args) => new PopResponse(...args).encode();
	assert.equal(encode(PopResponseType.Success, null), '+OK\r\n');
	assert.equal(encode(PopResponseType.Success, ['a ', ' b']), '+OK a b\r\n');
	assert.equal(encode(PopResponseType.Failure, 'no', PopExtRespCode.Auth), '-ERR [AUTH] no\r\n');
	assert.equal(new PopResponse('+OK', 'x').encode(false), '+OK x');
});

test('lines', () => {
	let sent = '';
	const socket = { write: (text) => {
		sent += text;
		return true;
	} };
	for (const line of ['a', '.', '..', '.x', '', ['one ', ' two']])
		assert.equal(PopMultilineResponse.write_line(line, socket), true);
	PopMultilineResponse.write_end(socket);
	assert.equal(sent, 'a\r\n..\r\n...\r\n..x\r\n\r\none two\r\n.\r\n');
});

test('capability', () => {
	assert.equal(new PopCapability(PopCapabilityType.Top).encode(), 'TOP');
	assert.equal(new PopCapability(PopCapabilityType.Expire, ' NEVER ').encode(), 'EXPIRE NEVER');
	assert.equal(new PopCapability('SASL', ['PLAIN', 'LOGIN']).encode(), 'SASL PLAIN LOGIN');
	assert.deepEqual(PopCapability.decode('sasl PLAIN LOGIN').args, ['PLAIN', 'LOGIN']);
});

test('data_buffer', () => {
	const buffer = new PopDataBuffer();
	const bytes = new TextEncoder().encode('USER ü\r\nPASS x\r\nQU');
	for (const byte of bytes)
		buffer.write(Uint8Array.of(byte));
	assert.equal(buffer.segment(), 'USER ü');
	assert.equal(buffer.segment('\r\n', 2), 'PASS x\r\n');
	assert.equal(buffer.segment(), null);
	assert.equal(buffer.length, 2);
	assert.equal(buffer.read(1), 'Q');
	assert.throws(() => buffer.read(2), RangeError);
	buffer.write('IT\r\n');
	assert.equal(buffer.segment(), 'UIT');
});

test('small_things', () => {
	const user = new PopUser('luke', 'x');
	assert.deepEqual([user.secret, user.udata, user.pass_plain], [null, null, 'x']);
	assert.equal(new PopSession(PopSessionState.Transaction).state, 'TRANSACTION');
	assert.deepEqual({ ...EmailAddress.fromAddress('a@b@c.d') }, { username: 'a@b', hostname: 'c.d',
		name: null });
	assert.equal(`${EmailAddress.fromAddress('luke')}`, 'luke');
	assert.equal(EmailAddress.fromAddress('a@b').address, 'a@b');
	assert.throws(() => new PopServerStream(), { code: 'UNSUPPORTED' });
});

test('sessions_made_by_hand', () => {
	const { PopServerSession, PopServerConnection, English } = lettermill;
	const session = new PopServerSession(English);
	assert.equal(session.language, English);
	assert.equal(session.banner, session.banner);
	assert.deepEqual([session.state, session.user, session.messages, session.deleted_messages],
		['AUTHORIZATION', null, null, []]);
	const connection = new PopServerConnection(null, null, session);
	assert.equal(connection.session, session);
});
