'use strict';
// Languages of applications: 28 functions or strings.
const { test, assert, lettermill, inside } = require('./harness');
const { start, greeted, logIn, callbacks, play } = require('./lib/pop3');
const { English, Dutch, PopServer, PopServerConnection, PopMessage, PopCommandType, LanguageName,
	getLanguage, get_language } = lettermill;
const { md5, octets } = inside('host');

/** An object of all keys, each leaf made by make(key). */
function build(make, from = English, prefix = '') {
	const built = {};
	for (const [name, value] of Object.entries(from))
		if (typeof value === 'object')
			built[name] = build(make, value, `${prefix}${name}.`);
		else if (prefix !== '')
			built[name] = make(`${prefix}${name}`);
	return built;
}

const leaves = (object, prefix = '') => Object.entries(object).flatMap(([name, value]) =>
	typeof value === 'object' ? leaves(value, `${prefix}${name}.`) : `${prefix}${name}`);

test('the_28_keys', () => {
	for (const language of [English, Dutch]) {
		const { tag, name, ...keys } = language;
		assert.equal(leaves(keys).length, 28, `${tag} ${name}`);
	}
	assert.equal(getLanguage(LanguageName.Dutch), Dutch);
	assert.equal(get_language('en'), English);
	assert.equal(getLanguage('xx'), null);
	assert.equal(PopCommandType.Retr, 'RETR');
});

const CONNECTION = {
	session: { user: { user: 'luke' }, available_message_count: 3, available_messages_size_sum: 99 },
	popSocket: { secure: true, peer: 'IPv4 192.0.2.1:4711' },
};

test('own_functions_of_the_built_in', () => {
	const c = CONNECTION;
	assert.equal(English.success.greeting(c), 'Luke-POP3S at your service, IPv4 192.0.2.1:4711');
	assert.equal(English.failure.invalid_state('STAT', 'TRANSACTION', c),
		'STAT command may only be executed in the TRANSACTION state.');
	assert.equal(English.failure.invalid_params('RETR', 1, c),
		'RETR requires one parameter, not more not less.');
	assert.equal(English.failure.invalid_params('TOP', 2, c),
		'TOP requires multiple parameters, not more not less.');
	assert.equal(English.failure.execute_command_first('PASS', 'USER', c),
		'command USER must be executed before PASS.');
	assert.equal(English.success.retr(new PopMessage('a', 206), c), '206 octets');
	assert.equal(English.success.dele.deleted(4, c), 'message 4 deleted.');
	assert.equal(English.success.list(c), '3 (99 octets)');
	assert.equal(English.success.pass.accepted(c), "pass accepted, welcome 'luke'.");
	assert.equal(Dutch.failure.language.invalid('fr', c), "ongeldige taal 'fr'.");
});

test('strings', async (t) => {
	const french = build((key) => `fr ${key}`);
	french.success.greeting = 'Bonjour, {peer}';
	french.success.dele.deleted = 'message {n} effacé.';
	const { port } = await start(t, { default_language: French(french) });
	await play(await t.connect(port), `
		S: +OK Bonjour, IPv4 127.0.0.1:* <*>
		C: LANG
		S: +OK fr success.language.list
		S: en English
		S: nl Dutch
		S: fr FranÃ§ais
		S: .
		C: USER luke
		S: +OK fr success.user.accepted
		C: PASS hello
		S: +OK fr success.pass.accepted
		C: LIST 7
		S: -ERR fr failure.no_such_message
		C: RETR
		S: -ERR fr failure.invalid_params
		C: LIST 1 2
		S: -ERR fr failure.invalid_params
		C: DELE 1
		S: +OK message 1 effacÃ©.
		C: LANG en
		S: +OK changing language to 'en'.
		C: DELE 2
		S: +OK message 2 deleted.
		C: LANG fr
		S: +OK fr success.language.changing
		C: QUIT
		S: +OK fr success.quit
		X`);
});

const French = (keys) => ({ tag: 'fr', name: 'Français', ...keys });

test('functions', async (t) => {
	const calls = [];
	const own = build((key) => (...args) => {
		assert.ok(args.pop() instanceof PopServerConnection, key);
		calls.push([key, ...args.map((arg) => arg instanceof PopMessage ? arg.uid : arg)]);
		return `own ${key}`;
	});
	const { port, errors } = await start(t, { default_language: own });
	const c = await t.connect(port);
	assert.match(await c.line(), /^\+OK own success.greeting <.*>$/);
	const said = [];
	for (const line of ['PASS x', 'USER', 'USER nobody', 'USER luke', 'USER luke', 'PASS hello',
		'RETR 9', 'TOP 1', 'DELE 1', 'DELE 1', 'RETR 1', 'LANG xx', 'USER x', 'NOSUCH'])
		said.push((await c.ask(line)).replace(/^(\+OK|-ERR) own /, ''));
	assert.deepEqual(said, ['failure.execute_command_first', 'failure.invalid_params',
		'failure.user.rejected', 'success.user.accepted', 'failure.user.already_executed',
		'success.pass.accepted', 'failure.no_such_message', 'failure.invalid_params',
		'success.dele.deleted', 'failure.dele.already_deleted', 'failure.message_deleted',
		'failure.language.invalid', 'failure.invalid_state', 'failure.invalid_command']);
	for (const line of ['RETR 2', 'TOP 2 0', 'LIST', 'UIDL', 'LANG', 'CAPA']) {
		assert.match(await c.ask(line), /^\+OK own success/);
		await c.lines();
	}
	assert.equal(await c.ask('RSET'), '+OK own success.rset');
	assert.equal(await c.ask('LANG x-default'), '+OK own success.language.changing');
	assert.equal(await c.ask('QUIT'), '+OK own success.quit');
	assert.deepEqual(errors, []);
	const args = Object.fromEntries(calls.map(([key, ...rest]) => [key, rest]));
	assert.deepEqual(args['failure.execute_command_first'], ['PASS', 'USER']);
	assert.deepEqual(args['failure.invalid_params'], ['TOP', 2]);
	assert.deepEqual(args['success.dele.deleted'], [1]);
	assert.deepEqual(args['failure.language.invalid'], ['xx']);
	assert.deepEqual(args['failure.invalid_state'], ['USER', 'AUTHORIZATION']);
	assert.deepEqual(args['success.retr'], [2]);
	assert.deepEqual(args['success.list'], []);
});

test('apop_and_in_use', async (t) => {
	const own = build((key) => () => `own ${key}`);
	let busy = true;
	const { port } = await start(t, { default_language: own, is_in_use: () => busy });
	const c = await t.connect(port);
	const digest = md5(octets(`${/<.*>/.exec(await c.line())[0]}hello`));
	assert.equal(await c.ask('APOP luke x'), '-ERR [AUTH] own failure.permission_denied');
	assert.equal(await c.ask(`APOP luke ${digest}`), '-ERR [IN-USE] own failure.in_use');
	busy = false;
	assert.equal(await c.ask(`APOP luke ${digest}`), '+OK own success.apop.logged_in');
});

for (const [name, bad, like] of [
	['throws', () => {
		throw new Error('no words');
	}, /no words/],
	['gives_a_number', () => 5, /strings/],
	['gives_a_code', () => '[AUTH] no', /success\.rset: .*response code/],
	['gives_two_lines', () => 'a\r\n+OK b', /one line/],
	['hangs', () => new Promise(() => {}), /within/],
	['rejects', async () => {
		throw new Error('no words');
	}, /no words/],
])
	test(`a_function_that_${name}`, async (t) => {
		const own = build(() => () => 'own');
		own.success.rset = bad;
		const { port, errors } = await start(t, { default_language: own }, { callbackTimeout: 200 });
		const c = await logIn(t, port);
		assert.equal(await c.ask('RSET'), '+OK maildrop has 2 messages (97 octets).');
		assert.equal(await c.ask('NOOP'), '+OK');
		assert.equal(errors.length, 1);
		assert.equal(errors[0].name, 'success.rset');
		assert.match(errors[0].error.message, like);
	});

test('a_function_may_promise', async (t) => {
	const own = build(() => async () => 'später');
	const { port } = await start(t, { default_language: own });
	const c = await logIn(t, port);
	assert.equal(await c.ask('RSET'), '+OK spÃ¤ter');
});

test('languages_that_are_added', async (t) => {
	const words = build((key) => `de ${key}`);
	const { port } = await start(t, {}, { language: 'de',
		languages: { de: { name: 'Deutsch', language: words }, 'x-own': build((key) => `own ${key}`) } });
	const c = await greeted(t, port);
	await c.ask('LANG');
	assert.deepEqual(await c.lines(), ['en English', 'nl Dutch', 'de Deutsch', 'x-own x-own']);
	assert.equal(await c.ask('RSET'), '-ERR de failure.invalid_state');
	assert.equal(await c.ask('LANG x-own'), '+OK own success.language.changing');
});

test('english_may_be_replaced', async (t) => {
	const { port } = await start(t, {}, { languages: [{ tag: 'en', name: 'Mine',
		...build((key) => `mine ${key}`) }], language: 'en' });
	const c = await greeted(t, port);
	await c.ask('LANG');
	assert.deepEqual(await c.lines(), ['en Mine', 'nl Dutch']);
});

test('a_greeting_that_fakes_a_stamp', async (t) => {
	const own = build(() => () => 'own');
	own.success.greeting = () => 'hi <a@b>';
	const { port, errors } = await start(t, { default_language: own });
	assert.match(await (await t.connect(port)).line(), /^\+OK Lettermill-POP3 ready, [^<]*<[^<]*>$/);
	assert.match(errors[0].error.message, /stamp/);
});

test('the_default_by_its_tag', async (t) => {
	const languages = { 'x-own': build((key) => `own ${key}`) };
	for (const [tag, like] of [['nl', /^\+OK /], ['NL', /^\+OK /], ['x-own', /own success\.greeting/]]) {
		const { port } = await start(t, { default_language: tag }, { languages });
		const c = await t.connect(port);
		assert.match(await c.line(), like);
		assert.equal(await c.ask('LANG *').then((line) => line.slice(0, 3)), '+OK');
		assert.match(await c.ask('PASS x'), tag === 'x-own' ? /own failure/ : /opdracht USER moet/);
	}
});

test('languages_that_are_wrong', () => {
	const make = (language) => () => new PopServer({ ...callbacks(), default_language: language });
	const without = build(() => 'x');
	delete without.success.dele.deleted;
	assert.throws(make(without), { name: 'TypeError', message: /success\.dele\.deleted is missing/ });
	const extra = build(() => 'x');
	extra.success.deel = { deleted: 'x' };
	assert.throws(make(extra), /success\.deel\.deleted.*did you mean success\.dele\.deleted/);
	for (const [bad, like] of [[5, /function or a string/], ['a\r\nb', /one line/],
		['{nn}', /\{nn\}.*did you mean n/], ['a { b', /braces/], ['{', /braces/], ['}', /braces/]]) {
		const language = build(() => 'x');
		language.success.capa = bad;
		assert.throws(make(language), like, String(bad));
	}
	for (const [key, bad, like] of [['capa', '[AUTH] x', /success\.capa: .*response code/],
		['greeting', 'hi <a@b>', /success\.greeting: .*stamp/]]) {
		const language = build(() => 'x');
		language.success[key] = bad;
		assert.throws(make(language), like);
		language.success[key] = bad.slice(1).replace('<', '');
		make(language)();
	}
	assert.throws(make(5), { name: 'TypeError', message: /config\.default_language/ });
	assert.throws(make('xx'), { name: 'RangeError',
		message: /^PopServer: config\.default_language: there is no xx/ });
	assert.throws(() => new PopServer({ ...callbacks(), defaultLanguage: 'n' }),
		/config\.defaultLanguage: there is no n/);
	for (const options of [{ languages: { 'not a tag': build(() => 'x') } }, { language: 'xx' },
		{ languages: 5 }, { languages: { fr: { name: 5, language: build(() => 'x') } } }])
		assert.throws(() => new PopServer(callbacks(), options), /PopServer/);
});
