'use strict';
// Compares lettermill.d.ts with the package that runs, in both directions: what is exported, the
// members of classes and of what calls give. Prints a line for each difference, at the end how many
// members were compared. Arguments: the declarations, the package's folder.
const path = require('path');
const ts = require('typescript');

const [file, folder] = process.argv.slice(2).map((name) => path.resolve(name));
const lettermill = require(folder);
let compared = 0;

const program = ts.createProgram([file], {
	target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.NodeNext, strict: true,
	moduleResolution: ts.ModuleResolutionKind.NodeNext, types: ['node'],
	typeRoots: [process.env.TYPE_ROOTS],
});
const checker = program.getTypeChecker();
const source = program.getSourceFile(file);
const differ = (text) => console.log(`difference: ${text}`);

const problems = ts.getPreEmitDiagnostics(program);
for (const { messageText } of problems)
	differ(ts.flattenDiagnosticMessageText(messageText, ' '));

const isOurs = (symbol) => symbol.declarations?.some((at) => at.getSourceFile() === source);
const isPublic = (name) => !name.startsWith('__@') && name !== 'prototype';
const namesOf = (type) => type.getProperties().filter(isOurs).map((symbol) => symbol.name)
	.filter(isPublic);

const exported = new Map(checker.getExportsOfModule(checker.getSymbolAtLocation(source))
	.map((symbol) => [symbol.name, symbol.flags & ts.SymbolFlags.Alias ?
		checker.getAliasedSymbol(symbol) : symbol]));
const isValue = (symbol) => symbol.flags & ts.SymbolFlags.Value;
const instanceOf = (name) => namesOf(checker.getDeclaredTypeOfSymbol(exported.get(name) ??
	checker.resolveName(name, source, ts.SymbolFlags.Type, false)));
const staticOf = (name) => namesOf(checker.getTypeOfSymbolAtLocation(exported.get(name), source));

/* ---- what runs ---- */

const FOREIGN = new Set([Object.prototype, Function.prototype, Error.prototype,
	require('events').prototype, require('stream').Readable.prototype, Error, require('events')]);
const PRIVATE = new Set(['constructor', 'length', 'name', 'prototype', '_events', '_eventsCount',
	'_maxListeners', 'domain', 'stack', 'message', 'cause', '_read', '_destroy', '_readableState']);
// Of the servers' own use.
const INTERNAL = {
	SmtpMessageStream: ['answered', 'arrive', 'end', 'cut', 'skip'], SmtpSession: ['forgetEnvelope'],
	PopServerSession: ['mark', 'unmark', 'forget'], PopServerConnection: ['tellClosed'],
};
const OPTIONAL = { PopServerConfig: ['hasExistingSession', 'defaultLanguage'] };

function membersOf(object) {
	const found = new Set();
	for (let at = object; at && !FOREIGN.has(at); at = Object.getPrototypeOf(at))
		for (const name of Object.getOwnPropertyNames(at))
			if (!PRIVATE.has(name))
				found.add(name);
	return found;
}

/** `some`: an object that need not have all that is declared. */
function compare(where, declared, object, some = false) {
	const has = membersOf(object);
	for (const name of declared)
		if (!some && !(name in object) && !OPTIONAL[where]?.includes(name))
			differ(`${where}.${name} is declared, and is not there`);
	for (const name of has)
		if (!declared.includes(name) && !INTERNAL[where]?.includes(name))
			differ(`${where}.${name} is there, and is not declared`);
	compared += has.size;
}

function compareExports() {
	for (const [name, symbol] of exported)
		if (isValue(symbol) && !(name in lettermill))
			differ(`${name} is declared, and is not exported`);
	for (const [name, value] of Object.entries(lettermill)) {
		const symbol = exported.get(name);
		if (symbol === undefined || !isValue(symbol))
			differ(`${name} is exported, and is not declared`);
		else if (/^class/.test(String(value)))
			compareStatic(name, value);
		else if (name.endsWith('Type') || name.endsWith('Code') || name.endsWith('Name'))
			compareValues(name, value);
		compared++;
	}
}

function compareStatic(name, value) {
	const inherited = Object.getPrototypeOf(value);
	const declared = staticOf(name);
	for (const member of declared)
		if (!(member in value))
			differ(`${name}.${member} (static) is declared, and is not there`);
	for (const member of membersOf(value))
		if (!declared.includes(member) && !(member in inherited))
			differ(`${name}.${member} (static) is there, and is not declared`);
}

function compareValues(name, value) {
	const type = checker.getTypeOfSymbolAtLocation(exported.get(name), source);
	for (const member of type.getProperties()) {
		const declared = checker.getTypeOfSymbolAtLocation(member, source).value;
		if (declared !== value[member.name])
			differ(`${name}.${member.name}: declared ${declared}, is ${value[member.name]}`);
	}
	compare(name, namesOf(type), value);
}

/* ---- objects to look at ---- */

const l = lettermill;
const callbacks = {
	get_user: (user) => new l.PopUser(user, 'x'), compare_password: () => true,
	receive_messages: () => [new l.PopMessage('a', 3, 'a\r\n')], delete_messages() {},
};
const samples = () => ({
	PopUser: new l.PopUser('a', 'b'), EmailAddress: new l.EmailAddress('a'), Flags: new l.Flags(),
	PopMessage: new l.PopMessage('a', 1), PopSession: new l.PopSession('AUTHORIZATION'),
	PopBanner: new l.PopBanner(), PopCommand: new l.PopCommand('NOOP'),
	PopResponse: new l.PopResponse('+OK'), PopCapability: new l.PopCapability('TOP'),
	PopDataBuffer: new l.PopDataBuffer(), PopServerConfig: new l.PopServerConfig(),
	PopServer: new l.PopServer(callbacks), SmtpServer: new l.SmtpServer({}),
	Pop3Client: new l.Pop3Client({ host: 'localhost' }),
	SmtpClient: new l.SmtpClient({ host: 'localhost' }),
	LmtpClient: new l.LmtpClient({ host: 'localhost', port: 24 }),
	ApopDigest: new l.ApopDigest(), PopMultilineResponse: new l.PopMultilineResponse(),
	PopError: new l.PopError('x'), PopInvalidCommandError: new l.PopInvalidCommandError('x'),
	SecureContext: undefined,
});

async function popSession() {
	let connection;
	const server = new l.PopServer({ ...callbacks, is_in_use: (c) => {
		connection = c;
		return false;
	} }, '127.0.0.1', { plain: 0 });
	await server.run();
	compare('ListenerAddress', instanceOf('ListenerAddress'), server.address());
	const client = await l.Pop3Client.connect({ host: '127.0.0.1', port: server.address().port,
		tls: 'off', user: 'a', password: 'b', mechanism: 'PLAIN' });
	compare('PopServerConnection', instanceOf('PopServerConnection'), connection);
	compare('PopServerSession', instanceOf('PopServerSession'), connection.session);
	compare('PopSocket', instanceOf('PopSocket'), connection.popSocket);
	compare('ClientInfo', instanceOf('ClientInfo'), client.info, true);
	for await (const message of client)
		compare('FetchedMessage', instanceOf('FetchedMessage'), message);
	const error = await client.retrieve(7).catch((e) => e);
	compare('MailError', instanceOf('MailError'), error, true);
	await client.quit();
	await server.close();
}

async function smtpSession() {
	const seen = {};
	const server = new l.SmtpServer({
		authOptional: true,
		onRcptTo(address, session, done) {
			Object.assign(seen, { address, session });
			done();
		},
		onData(stream, session, done) {
			compare('SmtpMessageStream', instanceOf('SmtpMessageStream'), stream, true);
			stream.on('end', () => done()).resume();
		},
	});
	await new Promise((good) => server.listen(0, '127.0.0.1', good));
	const { port } = server.server.address();
	const client = await l.SmtpClient.connect({ host: '127.0.0.1', port, tls: 'off' });
	const result = await client.send({ from: 'a@example.org', to: 'b@example.org', raw: 'a: b\n\nc\n' });
	compare('SendResult', instanceOf('SendResult'), result, true);
	compare('SmtpSession', instanceOf('SmtpSession'), seen.session, true);
	compare('SmtpAddress', instanceOf('SmtpAddress'), seen.address);
	compare('SmtpListener', instanceOf('SmtpListener'), server.server);
	await client.quit();
	await server.close();
}

/** Options that are declared are known: one that is not names itself so. */
function options(name, type, make) {
	for (const option of instanceOf(type)) {
		compared++;
		try {
			make({ [option]: Symbol('no value') });
		} catch (error) {
			if (/no such option|unknown/.test(error.message))
				differ(`${type}.${option} is declared, and ${name} does not know it`);
		}
	}
}

async function main() {
	compareExports();
	for (const [name, sample] of Object.entries(samples()))
		if (sample !== undefined)
			compare(name, instanceOf(name), sample, name.endsWith('Server'));
	options('PopServer', 'PopServerOptions', (one) => new l.PopServer(callbacks, one));
	options('Pop3Client', 'Pop3ClientOptions', (one) => new l.Pop3Client({ host: 'x', ...one }));
	options('SmtpClient', 'SmtpClientOptions', (one) => new l.SmtpClient({ host: 'x', ...one }));
	await popSession();
	await smtpSession();
	console.log(`compared ${compared}`);
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
