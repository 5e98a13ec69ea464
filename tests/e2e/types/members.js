// members.js FILE: prints what a file of declarations declares, as JSON, in the words of reflect.js:
// members by path and kind, shapes of interfaces; and `known`: the globals of the language itself.
const path = require('path');
const ts = require('typescript');

const file = path.resolve(process.argv[2]);
const program = ts.createProgram([file],
	{ target: ts.ScriptTarget.ES2023, lib: ['lib.es2023.d.ts'], strict: true, types: [] });
const checker = program.getTypeChecker();
const members = {};
const shapes = {};
const known = [];

const isOurs = (symbol) => (symbol.declarations ?? []).some((one) =>
	path.resolve(one.getSourceFile().fileName) === file);

const nameOf = (symbol) => {
	const [, name] = /^__@(\w+?)@\d+$/.exec(symbol.name) ?? [];
	return name ? `[Symbol.${name}]` : symbol.name;
};

const isReadonly = (symbol) => symbol.declarations.every((one) =>
	ts.getCombinedModifierFlags(one) & ts.ModifierFlags.Readonly ||
	(ts.isVariableDeclaration(one) && one.parent.flags & ts.NodeFlags.Const));

const kindOf = (symbol, type) => {
	if (type.isNumberLiteral() || type.isStringLiteral())
		return JSON.stringify(type.value);
	if (type.getCallSignatures().length)
		return 'function';
	return isReadonly(symbol) ? 'readonly' : 'property';
};

const membersOf = (type) => checker.getPropertiesOfType(type).filter(isOurs);

const closed = ['require.main'];

// Objects whose members are declared one by one: enumerations and sessions.
const isOpen = (type) => type.flags & ts.TypeFlags.Object && membersOf(type).length > 0 &&
	/^(__type|AuthModes|MailerAuthModes|EncryptModes|TlsProtocols|Session|Module)$/
		.test(type.symbol.name);

const prototype = (at, symbol) => {
	for (const one of membersOf(checker.getDeclaredTypeOfSymbol(symbol)))
		members[`${at}#${nameOf(one)}`] = memberKind(one);
};

// An optional method is a method.
const memberKind = (symbol) => {
	const type = checker.getTypeOfSymbol(symbol);
	return symbol.flags & ts.SymbolFlags.Method ? 'function' : kindOf(symbol, type)
		.replace(/^["\d].*/, () => (isReadonly(symbol) ? 'readonly' : 'property'));
};

const exportsOf = (at, symbol) => {
	for (const one of checker.getExportsOfModule(symbol))
		if (one.flags & ts.SymbolFlags.Value && one.name !== 'prototype')
			visit(at === '' ? nameOf(one) : `${at}.${nameOf(one)}`, one);
		else if (one.flags & ts.SymbolFlags.Interface)
			shape(`${at}.${one.name}`, one);
};

// By name; whether it may be absent.
const shapeOf = (type) => Object.fromEntries(membersOf(type)
	.map((one) => [nameOf(one), Boolean(one.flags & ts.SymbolFlags.Optional)]));

const shape = (at, symbol) => {
	const type = checker.getDeclaredTypeOfSymbol(symbol);
	shapes[at.replace(/^infinity\./, '')] = shapeOf(type);
};

const variable = (at, symbol) => {
	const type = checker.getTypeOfSymbol(symbol);
	members[at] = kindOf(symbol, type);
	if (!isOpen(type) || closed.includes(at))
		return;
	members[at] = 'object';
	for (const one of membersOf(type)) {
		const own = kindOf(one, checker.getTypeOfSymbol(one));
		members[`${at}.${nameOf(one)}`] = type.symbol.name === 'Session' ? memberKind(one) : own;
	}
};

const visit = (at, symbol) => {
	const { flags } = symbol;
	if (flags & ts.SymbolFlags.Class) {
		members[at] = 'class';
		prototype(at, symbol);
	} else if (flags & ts.SymbolFlags.Function) {
		members[at] = 'function';
	} else if (flags & ts.SymbolFlags.ValueModule) {
		members[at] = 'object';
	} else {
		variable(at, symbol);
		return;
	}
	if (flags & (ts.SymbolFlags.Class | ts.SymbolFlags.ValueModule))
		exportsOf(at, symbol);
	else if (flags & ts.SymbolFlags.Function && symbol.exports)
		exportsOf(at, symbol);
};

const scope = checker.getSymbolsInScope(program.getSourceFile(file), ts.SymbolFlags.Value);
for (const symbol of scope)
	// What require gives is no global.
	if (symbol.name.startsWith('"'))
		continue;
	else if (isOurs(symbol))
		visit(symbol.name, symbol);
	else
		known.push(symbol.name);
// List types are shapes of their own.
const pop3 = checker.resolveName('infinity', undefined, ts.SymbolFlags.Namespace, false)
	.exports.get('pop3');
for (const name of ['listArray', 'uidlArray']) {
	const type = checker.getDeclaredTypeOfSymbol(pop3.exports.get(name));
	shapes[name] = shapeOf(checker.getIndexTypeOfType(type, ts.IndexKind.Number));
}
process.stdout.write(JSON.stringify({ members, shapes, known }));
