"""infinity.pop3.client, smtp.client and lmtp.client: the documents' examples, and the whole surface."""
import pathlib
import resource
import smtplib
import ssl
import subprocess
import time

from harness import EXE, PATIENCE, ROOT, Server, environment, main, read_line
from pop3_peer import Hangup, Peer
from script_rig import run_script
from talker import Talker

USERS = ("--store", "memory:", "--user", "anna:tropicalfish", "--user", "berta:x", "--domain", "example.org",
         "--hostname", "localhost")
ALL = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s")
LETTER = b"From: Carl <carl@elsewhere.example>\r\nTo: anna@example.org\r\nSubject: one\r\n\r\nHello.\r\n.dot\r\n"


def serve(folder, *more, listeners=ALL):
    return Server(folder, "--data-dir", folder / "server", *USERS, *more, listeners=listeners)


def deliver(server, *letters, to="anna@example.org"):
    with smtplib.SMTP("127.0.0.1", server.port("smtp")) as client:
        for letter in letters:
            client.sendmail("carl@elsewhere.example", to, letter)


def values(server, **more):
    return {"ports": {name: server.port(name) for name in server.where if name in ALL and ":" in server.where[name]},
            **more}


POP3 = """
infinity.loadModule('infinity.pop3');
const open = (settings = {}) => {
	const client = new infinity.pop3.client();
	Object.assign(client, { host: 'localhost', port: ports.pop3, username: 'anna', password: 'tropicalfish',
		timeout: 20000, ...settings });
	return client;
};
"""
SMTP = """
infinity.loadModule('infinity.smtp');
const open = (settings = {}) => {
	const client = new infinity.smtp.client();
	Object.assign(client, { host: 'localhost', port: ports.smtp, timeout: 20000, ...settings });
	return client;
};
"""


# ---- The documents' examples, as they are written there; hosts, ports and names are variables ----

EXAMPLE_POP3 = """
infinity.loadModule('infinity.pop3');
let myClient = new infinity.pop3.client();

try {
  myClient.host = host;
  myClient.port = port;
  myClient.encryptMode = infinity.pop3.client.encryptMode.sslTls;
  myClient.authMode = infinity.pop3.client.authMode.userPass;
  myClient.username = user;
  myClient.password = 'tropicalfish';

  myClient.connect();
  console.debug(myClient.list());
  console.debug(myClient.retrieve(1));
  myClient.disconnect();
} finally {
  myClient.free();
}
"""

EXAMPLES_POP3 = """
myClient.connect();
let newMessagesCount = myClient.count();
is(newMessagesCount, 2);
let messageList = myClient.list();
console.debug(messageList[0]['size']);
let messageText = myClient.retrieve(1);
myClient.retrieve(msgNum, fileName);
is(infinity.file.readString(fileName, infinity.encoding.utf8), myClient.retrieve(msgNum));
myClient.size();
myClient.top(msgNum);
myClient.top(msgNum, fileName);
is(infinity.file.readString(fileName, infinity.encoding.utf8), myClient.top(msgNum));
let uidlList = myClient.uidl();
is(uidlList.length, 2);
myClient.delete(1);
myClient.disconnect();
myClient.free();
let authMode = infinity.pop3.client.authMode.userPass;
let encryptMode = infinity.pop3.client.encryptMode.sslTls;
is([authMode, encryptMode], [0, 1]);
"""

EXAMPLE_SMTP = """
infinity.loadModule('infinity.smtp');
let myClient = new infinity.smtp.client();
try {
myClient.host = host;
myClient.port = port;
myClient.encryptMode = infinity.smtp.client.encryptMode.sslTls;
myClient.authMode = infinity.smtp.client.authMode.default;
myClient.username = user;
myClient.password = 'tropicalfish';
myClient.connect();
myClient.authenticate();
myClient.send('mail.eml');
myClient.disconnect();
} finally {
myClient.free();
}
"""

EXAMPLES_SMTP = """
myClient.connect();
myClient.authenticate();
myClient.sendFile('mail.eml');
myClient.sendStream(myStream);
myClient.sendMail(myMail);
myClient.verify('username');
myClient.disconnect();
myClient.free();
let authMode = infinity.smtp.client.authMode.default;
let encryptMode = infinity.smtp.client.encryptMode.sslTls;
is([authMode, encryptMode], [1, 1]);
"""

MAIL_EML = """To: recipientName@domain.com
From: youraccount@gmail.com
Subject: The Subject
X-Sender: youraccount@gmail.com
Content-Type: text/plain; charset=US-ASCII;
 format=flowed
Content-Transfer-Encoding: 7bit

Mailbody text
"""


def test_example_of_pop3(folder):
    with serve(folder) as server:
        deliver(server, LETTER)
        out = run_script(folder, EXAMPLE_POP3, {"host": "localhost", "port": server.port("pop3"), "user": "anna"})
        assert '"msgNum":1' in out and "Subject: one" in out, out


def test_examples_of_pop3(folder):
    with serve(folder) as server:
        deliver(server, LETTER, LETTER)
        setup = POP3 + "let myClient = open(); const msgNum = 2, fileName = 'message.eml';\n"
        run_script(folder, setup + EXAMPLES_POP3, values(server))
        run_script(folder, POP3 + "const c = open(); c.connect(); is(c.count(), 1)", values(server))


def test_example_of_smtp(folder):
    with serve(folder, "--domain", "domain.com", "--user", "recipientName@domain.com:x") as server:
        (folder / "mail.eml").write_text(MAIL_EML)
        run_script(folder, EXAMPLE_SMTP, {"host": "localhost", "port": server.port("submission"), "user": "anna"})
        run_script(folder, POP3 + "const c = open({username: 'recipientName@domain.com', password: 'x'});"
                   "c.connect(); if (!c.retrieve(1).includes('Mailbody text')) throw new Error(c.retrieve(1));",
                   values(server))


def test_examples_of_smtp(folder):
    with serve(folder) as server:
        mail = MAIL_EML.replace("recipientName@domain.com", "anna@example.org")
        (folder / "mail.eml").write_text(mail)
        setup = SMTP + """
infinity.loadModule('infinity.mail');
let myClient = open({ port: ports.submission, encryptMode: 1, authMode: 1, username: 'anna',
	password: 'tropicalfish' });
let myStream = new infinity.stream('mail.eml', infinity.fileMode.read);
let myMail = new infinity.mail(); myMail.loadFromFile('mail.eml');
"""
        run_script(folder, setup + EXAMPLES_SMTP, values(server))
        run_script(folder, POP3 + "const c = open(); c.connect(); is(c.count(), 3);"
                   "for (const m of c.messages()) if (!m.retrieve().includes('Mailbody text')) throw m.msgNum;",
                   values(server))


# ---- The surface ----

SURFACE = """
infinity.loadModule('infinity.pop3');
infinity.loadModule('infinity.smtp');
infinity.loadModule('infinity.lmtp');
const classes = [infinity.pop3.client, infinity.smtp.client, infinity.lmtp.client];
const labels = ['infinity.pop3.client', 'infinity.smtp.client', 'infinity.lmtp.client'];
const own = { 'infinity.pop3.client': { maxMessage: 5 }, 'infinity.smtp.client': { helo: 'x', force8bit: true },
	'infinity.lmtp.client': { helo: 'x', force8bit: true } };
const good = { host: 'h', port: 7, username: 'u', password: 'p', encryptMode: 1, authMode: 2, timeout: 5,
	verifyServerCertificate: true, useLegacyServerConnect: true, allowUnsafeLegacyRenegotiation: true,
	implicitTls: true, caFile: 'ca', certFile: 'c', keyFile: 'k', minProtocol: 3, maxProtocol: 4,
	mechanism: 'PLAIN', token: 't', authorizationId: 'a' };
"""


def test_defaults_and_enumerations(folder):
    run_script(folder, SURFACE + """
const firsts = { host: '', username: '', password: '', encryptMode: 0, timeout: 30000,
	verifyServerCertificate: false, useLegacyServerConnect: false, allowUnsafeLegacyRenegotiation: false,
	caFile: '', certFile: '', keyFile: '', minProtocol: 4, maxProtocol: 5, mechanism: '', token: '',
	connected: false, capabilities: [], greeting: '', tls: null, lastReply: null };
classes.forEach((Class, i) => {
	const c = new Class();
	for (const [name, first] of Object.entries(firsts)) is([name, c[name]], [name, first]);
	is(c.implicitTls, undefined);
	is(Class.encryptMode, { none: 0, sslTls: 1, startTls: 2 });
	is(Class.protocol, { tls1_0: 2, tls1_1: 3, tls1_2: 4, tls1_3: 5 });
	is(c.authMode, 0);
	throws(() => Class(), 'TypeError');
});
is(classes[0].authMode, { userPass: 0, apop: 1, sasl: 2 });
is(classes[1].authMode, { none: 0, default: 1, sasl: 2 });
is(classes[2].authMode, classes[1].authMode);
const ports = (Class, settings) => Object.assign(new Class(), settings).port;
is(classes.map((Class) => ports(Class, {})), [110, 25, 24]);
is(classes.map((Class) => ports(Class, { encryptMode: 1 })), [995, 465, 24]);
is(classes.map((Class) => ports(Class, { encryptMode: 2 })), [110, 25, 24]);
is(classes.map((Class) => ports(Class, { encryptMode: 1, implicitTls: false })), [110, 25, 24]);
is(classes.map((Class) => ports(Class, { encryptMode: 1, port: 7 })), [7, 7, 7]);
is(new infinity.pop3.client().maxMessage, 1 << 30);
is(new infinity.smtp.client().lastResult, null);
is(new infinity.smtp.client().authenticated, false);
throws(() => { 'use strict'; infinity.pop3.client.authMode.apop = 5; }, 'TypeError');
class My extends infinity.pop3.client {
	constructor() { super(); this.host = 'mine'; }
	list() { return ['mine', ...super.uidl()]; }
}
const my = new My();
is([my.host, my instanceof infinity.pop3.client, my.port], ['mine', true, 110]);
throws(() => my.list(), 'Error: infinity.pop3.client.uidl: not connected', 'CLOSED');
""")


def test_wrong_values_change_nothing(folder):
    run_script(folder, SURFACE + """
const wrongTypes = [undefined, null, 1.5, 'x', true, {}, [], () => 1, Symbol('s'), 10n, NaN];
const far = { port: [0, -1, 65536, 1.5, Infinity], timeout: [0, -1, 2 ** 31, 0.5], encryptMode: [3, -1],
	authMode: [3, -1, 0.5], minProtocol: [1, 6], maxProtocol: [1, 6], maxMessage: [0, -1, 2 ** 60],
	host: ['a b', 'a\\nb', 'a\\r', 'a\\0', 'x'.repeat(256)], username: ['a\\nb', 'a\\rb', 'a\\0b'],
	password: ['a\\nb', 'a\\0'], token: ['a\\r\\nb'], mechanism: ['A B', 'A\\n', 'ä', 'X'.repeat(21)],
	helo: ['a b', 'ä', 'x\\n'], caFile: ['a\\0b'], certFile: ['a\\0b'], keyFile: ['a\\0b'],
	authorizationId: ['\\n'] };
classes.forEach((Class, i) => {
	const c = Object.assign(new Class(), good, own[labels[i]]);
	const before = { ...good, ...own[labels[i]] };
	for (const name of Object.keys(before)) {
		const clears = name === 'implicitTls' ? [undefined, null] : [];
		for (const value of wrongTypes.filter((v) => typeof v !== typeof before[name] && !clears.includes(v))) {
			const error = throws(() => { c[name] = value; }, `TypeError: ${labels[i]}.${name}: `);
			if (/secret/.test(error.message)) throw error;
		}
		for (const value of far[name] ?? [])
			throws(() => { c[name] = value; }, `RangeError: ${labels[i]}.${name}: `);
		is([name, c[name]], [name, before[name]]);
	}
	for (const name of ['connected', 'capabilities', 'greeting', 'tls', 'lastReply'])
		throws(() => { 'use strict'; c[name] = 1; }, `TypeError: ${labels[i]}.${name}: cannot be set`);
	throws(() => Object.getOwnPropertyDescriptor(Class.prototype, 'host').get.call({}),
		`TypeError: ${labels[i]}.host: not called on a client`);
	throws(() => Class.prototype.connect.call({}), `TypeError: ${labels[i]}.connect: not called on a client`);
});
// A secret of a wrong type is not shown.
const error = throws(() => { new infinity.pop3.client().password = 12345; }, 'TypeError');
if (error.message.includes('12345')) throw error;
""")


METHODS = """
const methods = {
	'infinity.pop3.client': { count: [], size: [], list: [], uidl: [], retrieve: [1], retrieveBytes: [1], retrieveStream: [1],
		top: [1], delete: [1], reset: [], noop: [] },
	'infinity.smtp.client': { authenticate: [], send: ['x'], sendFile: ['x'], sendString: ['x'],
		sendStream: [new infinity.stream()], sendBytes: [new Uint8Array(1)], verify: ['x'], noop: [], reset: [] },
};
methods['infinity.lmtp.client'] = methods['infinity.smtp.client'];
"""


def test_calls_before_connect_and_after_free(folder):
    run_script(folder, SURFACE + METHODS + """
for (let i = 0; i < 3; i++) {
	const [Class, label] = [classes[i], labels[i]];
	const c = new Class();
	for (const [name, args] of Object.entries(methods[label])) {
		throws(() => c[name](...args), `Error: ${label}.${name}: not connected; call connect() first`, 'CLOSED');
		await rejects(c[`${name}Async`](...args), `Error: ${label}.${name}: not connected`, 'CLOSED');
	}
	is(c.disconnect(), undefined);
	is(await c.disconnectAsync(), undefined);
	throws(() => c.connect(), `Error: ${label}.connect: no host`, 'CONFIG');
	await rejects(c.connectAsync(), `Error: ${label}.connect: no host`, 'CONFIG');
	c.host = 'h'; c.password = 'p'; c.token = 't';
	is([c.free(), c.free(), c.free()], [undefined, undefined, undefined]);
	for (const [name, args] of Object.entries({ ...methods[label], connect: [], disconnect: [] })) {
		throws(() => c[name](...args), `Error: ${label}.${name}: the client was freed`, 'CLOSED');
		await rejects(c[`${name}Async`](...args), `Error: ${label}.${name}: the client was freed`, 'CLOSED');
	}
	throws(() => { c.host = 'x'; }, `Error: ${label}.host: the client was freed`, 'CLOSED');
	is([c.host, c.password, c.token, c.connected], ['h', '', '', false]);
}
const c = Object.assign(new infinity.pop3.client(), { host: 'h' });
throws(() => c.connect(), 'Error: infinity.pop3.client.connect: no user', 'CONFIG');
c.username = 'u';
c.minProtocol = 5; c.maxProtocol = 4;
throws(() => c.connect(), 'Error: infinity.pop3.client.connect: minProtocol', 'CONFIG');
Object.assign(c, { minProtocol: 4, maxProtocol: 5, keyFile: 'k' });
throws(() => c.connect(), 'Error: infinity.pop3.client.connect: a keyFile', 'CONFIG');
Object.assign(c, { keyFile: '', encryptMode: 2, implicitTls: true });
throws(() => c.connect(), 'Error: infinity.pop3.client.connect: implicitTls', 'CONFIG');
Object.assign(c, { encryptMode: 1, caFile: 'none.pem', verifyServerCertificate: true });
throws(() => c.connect(), 'Error: CA file', 'CONFIG');
""")


def test_pop3_against_the_server(folder):
    eight = LETTER + b"\xff\xfe \xc3\xa4 \xed\xa0\x80\r\n" + bytes(range(0x80, 0x100)) + b"\r\n"
    with serve(folder) as server:
        deliver(server, LETTER, eight, LETTER + b"x" * 3000000 + b"\r\n")
        run_script(folder, POP3 + """
const c = open();
is(c.connect(), undefined);
is([c.connected, c.tls, c.lastReply.ok], [true, null, true]);
if (!c.capabilities.includes('UIDL') || !c.greeting.includes('ready')) throw new Error(c.greeting);
is([c.count(), c.list().length, c.uidl().length], [3, 3, 3]);
is(c.size(), c.list().reduce((sum, item) => sum + item.size, 0));
is(c.list(2), [{ msgNum: 2, size: c.size(2) }]);
is(c.uidl(2), [c.uidl()[1]]);
is(Object.keys(c.uidl(1)[0]), ['msgNum', 'id']);
for (const { msgNum, size } of c.list()) {
	const bytes = c.retrieveBytes(msgNum), text = c.retrieve(msgNum);
	is([msgNum, bytes.length], [msgNum, size]);
	const file = `m${msgNum}.eml`;
	is(c.retrieve(msgNum, file), text);
	is(c.retrieveBytes(msgNum, `b${msgNum}.eml`).length, size);
	is(await c.retrieveAsync(msgNum), text);
	is((await c.retrieveBytesAsync(msgNum)).length, size);
}
is(c.top(1).endsWith('\\r\\n\\r\\n'), true);
is(c.top(1, 1).endsWith('\\r\\n\\r\\nHello.\\r\\n'), true);
is(c.top(1, 2, 'top2.eml'), c.top(1, 2));
is(c.top(1, undefined, 'top0.eml'), c.top(1));
is(c.top(1, 'top.eml'), c.top(1, 0));
is(await c.topAsync(1, 2), c.top(1, 2));
for (const bad of [0, -1, 1.5, 2 ** 31]) {
	throws(() => c.retrieve(bad), 'RangeError: infinity.pop3.client.retrieve: msgNum');
	throws(() => c.delete(bad), 'RangeError: infinity.pop3.client.delete: msgNum');
	throws(() => c.list(bad), 'RangeError: infinity.pop3.client.list: msgNum');
	await rejects(c.topAsync(bad), 'RangeError: infinity.pop3.client.top: msgNum');
}
for (const bad of ['1', null, {}, true, [1]])
	for (const name of ['retrieve', 'delete', 'list', 'uidl', 'size', 'top', 'retrieveBytes']) {
		throws(() => c[name](bad), `TypeError: infinity.pop3.client.${name}: msgNum`);
		await rejects(c[`${name}Async`](bad), `TypeError: infinity.pop3.client.${name}: msgNum`);
	}
throws(() => c.retrieve(), 'TypeError: infinity.pop3.client.retrieve: msgNum');
throws(() => c.delete(), 'TypeError: infinity.pop3.client.delete: msgNum');
throws(() => c.retrieve(1, 5), 'TypeError: infinity.pop3.client.retrieve: fileName');
throws(() => c.retrieve(1, ''), 'RangeError: infinity.pop3.client.retrieve: fileName');
throws(() => c.retrieve(1, 'a\\0b'), 'RangeError: infinity.pop3.client.retrieve: fileName');
throws(() => c.top(1, 'a', 'b'), 'TypeError: infinity.pop3.client.top: maxLines');
throws(() => c.top(1, -1), 'RangeError: infinity.pop3.client.top: maxLines');
const refused = throws(() => c.retrieve(99), 'Error: the server refused "RETR 99"', 'DENIED');
is([refused.command, refused.reply.ok, refused.reply.code], ['RETR 99', false, null]);
is(c.lastReply.text, refused.reply.text);
throws(() => c.size(99), 'Error: the server refused', 'DENIED');
throws(() => c.uidl(99), 'Error: the server refused', 'DENIED');
throws(() => c.retrieve(1, 'none/x.eml'), 'Error: ', 'NOT_FOUND');
throws(() => c.retrieve(1, '.'), 'Error: ');
throws(() => c.retrieve(99, 'm99.eml'), 'Error: the server refused', 'DENIED');
is(c.retrieve(1, '/dev/null').length, c.size(1));
is([c.delete(99), c.delete(2), c.delete(2), c.count()], [false, true, false, 2]);
is([c.reset(), c.count(), c.noop()], [undefined, 3, undefined]);
is([await c.deleteAsync(1), await c.deleteAsync(99)], [true, false]);
const seen = [];
for (const m of c.messages()) seen.push([m.msgNum, m.size, m.id, m.top().length]);
const again = [];
for await (const m of c.messages()) again.push([m.msgNum, m.size, m.id, (await m.topAsync()).length]);
is(again, seen);
is(seen.map((one) => one[0]), [2, 3]);
throws(() => c.connect(), 'Error: infinity.pop3.client.connect: connected already', 'MISUSE');
await rejects(c.connectAsync(), 'Error: infinity.pop3.client.connect: connected already', 'MISUSE');
is([c.disconnect(), c.connected, c.disconnect()], [undefined, false, undefined]);
throws(() => c.list(), 'Error: infinity.pop3.client.list: not connected', 'CLOSED');
c.connect();
is([c.count(), c.delete(1)], [2, true]);
c.free();
const d = open();
await d.connectAsync();
is(d.count(), 2);
await d.disconnectAsync();
""", values(server))
        for number, octets in ((1, LETTER), (2, eight)):
            for name in (f"m{number}.eml", f"b{number}.eml"):
                written = (folder / name).read_bytes()
                assert written.endswith(octets) and b"Received:" in written, name
        assert (folder / "top.eml").read_bytes() == (folder / "top0.eml").read_bytes()
        assert not (folder / "m99.eml").exists()
        assert not list(folder.glob("*.part"))


def test_both_faces_of_one_connection(folder):
    with serve(folder) as server:
        deliver(server, *[LETTER] * 3)
        run_script(folder, POP3 + """
const c = open();
const opening = c.connectAsync();
throws(() => c.connect(), 'Error: infinity.pop3.client.connect: connected already');
throws(() => c.count(), 'Error: infinity.pop3.client.count: not connected');
await opening;
// More than the client holds at once, and calls that block in between.
const many = Array.from({ length: 700 }, (_, i) => c.topAsync(1 + i % 3, 1));
is(c.count(), 3);
const list = c.listAsync();
is(c.uidl().length, 3);
is((await list).length, 3);
const tops = await Promise.all(many);
is([tops.length, new Set(tops.map((top) => top.length)).size], [700, 1]);
// Its order is that of the calls.
const order = [];
await Promise.all(['count', 'list', 'noop', 'uidl'].map((name) => c[`${name}Async`]().then(() => order.push(name))));
is(order, ['count', 'list', 'noop', 'uidl']);
// A continuation may block.
await c.noopAsync().then(() => is(c.count(), 3));
c.free();
const clients = Array.from({ length: 30 }, () => open({ username: 'berta', password: 'x' }));
const outcomes = await Promise.allSettled(clients.map((one) => one.connectAsync()));
is(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
is(outcomes.filter((one) => one.reason?.code === 'IN_USE').length, 29);
is(outcomes.find((one) => one.reason).reason.reply.pop3Code, 'IN-USE');
// One that nobody waits for any more keeps nothing alive.
open({ username: 'anna' }).connect();
""", values(server))


def test_logins(folder):
    with serve(folder, "--auth-delay", "10ms") as server:
        run_script(folder, POP3 + """
infinity.loadModule('infinity.smtp');
const { userPass, apop, sasl } = infinity.pop3.client.authMode;
for (const authMode of [userPass, sasl]) {
	const c = open({ authMode, password: 'wrong' });
	const error = throws(() => c.connect(), 'Error: the server refused', 'AUTH');
	is([error.reply.pop3Code, c.connected], ['AUTH', false]);
	if (/wrong/.test(error.message + error.command)) throw error;
	await rejects(c.connectAsync(), 'Error: the server refused', 'AUTH');
	c.password = 'tropicalfish';
	c.connect();
	is(c.count(), 0);
	c.disconnect();
	throws(() => open({ authMode, username: 'nobody' }).connect(), 'Error: the server refused', 'AUTH');
}
for (const mechanism of ['PLAIN', 'LOGIN', 'SCRAM-SHA-256', 'scram-sha-1']) {
	const c = open({ authMode: sasl, mechanism });
	c.connect();
	c.disconnect();
}
throws(() => open({ authMode: sasl, mechanism: 'GSSAPI' }).connect(), 'Error: ', 'UNSUPPORTED');
const login = (settings) => {
	const c = Object.assign(new infinity.smtp.client(), { host: 'localhost', port: ports.submission,
		username: 'anna', password: 'tropicalfish', encryptMode: 2, ...settings });
	c.connect();
	const result = c.authenticate();
	is(c.authenticated, c.authMode !== 0 && result);
	c.free();
	return result;
};
is([0, 1, 2].map((authMode) => login({ authMode })), [true, true, true]);
is([0, 1, 2].map((authMode) => login({ authMode, password: 'wrong' })), [true, false, false]);
is(login({ authMode: 2, mechanism: 'SCRAM-SHA-1' }), true);
throws(() => login({ authMode: 2, mechanism: 'GSSAPI' }), 'Error: ', 'UNSUPPORTED');
throws(() => login({ authMode: 1, username: '' }), 'Error: infinity.smtp.client.authenticate: no user', 'CONFIG');
const c = Object.assign(new infinity.smtp.client(), { host: 'localhost', port: ports.submission, encryptMode: 2,
	authMode: 1, username: 'anna', password: 'wrong' });
c.connect();
is([await c.authenticateAsync(), c.lastReply.code, c.lastReply.enhanced], [false, 535, '5.7.8']);
c.password = 'tropicalfish';
is([await c.authenticateAsync(), c.authenticated], [true, true]);
""", values(server))


def test_mechanism_of_default(folder):
    for offer, wanted in (("PLAIN LOGIN", "PLAIN"), ("LOGIN CRAM-MD5", "LOGIN"), ("CRAM-MD5 PLAIN", "PLAIN")):
        def talk(lines, say, offer=offer):
            say("220 hello")
            for line in lines:
                verb = line.split(" ")[0].upper()
                say(*{"EHLO": ("250-me", f"250 AUTH {offer}"), "AUTH": ("535 5.7.8 no",),
                      "QUIT": ("221 bye",)}[verb])
        with Talker(talk) as peer:
            run_script(folder, SMTP + """
const c = open({ authMode: 1, username: 'anna', password: 'x' });
c.connect();
if (offer.startsWith('LOGIN')) c.authenticateAsync().catch(() => 0);
else is(c.authenticate(), false);
c.free();
""", {"ports": {"smtp": peer.port}, "offer": offer})
            if wanted != "LOGIN":
                assert any(line.startswith(f"AUTH {wanted}") for line in peer.said), peer.said
            assert not any("CRAM" in line for line in peer.said), peer.said


# ---- TLS ----

def test_tls(folder):
    certificate(folder, "other", "other.example")
    with serve(folder) as server:
        run_script(folder, POP3 + """
const { none, sslTls, startTls } = infinity.pop3.client.encryptMode;
const tls = (settings) => {
	const c = open(settings);
	c.connect();
	const found = c.tls;
	is(c.count(), 0);
	c.disconnect();
	is(c.tls, found);
	c.free();
	return found;
};
is(tls({}), null);
const stls = tls({ encryptMode: startTls });
is([stls.version, stls.bits >= 128, stls.doubt.includes('self-signed')], ['TLSv1.3', true, true]);
is(tls({ encryptMode: sslTls }).version, 'TLSv1.3');
is(tls({ encryptMode: sslTls, implicitTls: false }).version, 'TLSv1.3');
is(tls({ encryptMode: sslTls, implicitTls: true, port: ports.pop3s }).version, 'TLSv1.3');
is(tls({ encryptMode: sslTls, maxProtocol: infinity.pop3.client.protocol.tls1_2 }).version, 'TLSv1.2');
is(tls({ encryptMode: sslTls, useLegacyServerConnect: true, allowUnsafeLegacyRenegotiation: true }).version,
	'TLSv1.3');
const strict = { encryptMode: sslTls, verifyServerCertificate: true };
throws(() => tls(strict), 'Error: TLS with localhost', 'TLS');
throws(() => tls({ ...strict, port: ports.pop3s, implicitTls: true }), 'Error: TLS with localhost', 'TLS');
is(tls({ ...strict, caFile: 'server/cert.pem' }).doubt, '');
is(tls({ ...strict, caFile: 'server/cert.pem', port: ports.pop3s, implicitTls: true }).doubt, '');
throws(() => tls({ ...strict, caFile: 'other.pem' }), 'Error: TLS with localhost', 'TLS');
throws(() => tls({ ...strict, caFile: 'none.pem' }), 'Error: CA file', 'CONFIG');
throws(() => tls({ ...strict, caFile: 'wrong.pem', host: 'wrong.example' }), 'Error: ');
throws(() => tls({ encryptMode: sslTls, implicitTls: true }), 'Error: TLS with localhost');
await rejects(open(strict).connectAsync(), 'Error: TLS with localhost', 'TLS');
const c = open({ ...strict, caFile: 'server/cert.pem' });
await c.connectAsync();
is([c.count(), c.tls.doubt], [0, '']);
// What is set while connected counts for the next time.
c.verifyServerCertificate = false;
c.encryptMode = none;
is(c.tls.version, 'TLSv1.3');
c.disconnect();
c.connect();
is(c.tls, null);
""", values(server))


def certificate(folder, name, host):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}",
                    "-addext", f"subjectAltName=DNS:{host}", "-keyout", folder / f"{name}.key",
                    "-out", folder / f"{name}.pem"], check=True, capture_output=True)


def test_certificates_of_other_names(folder):
    certificate(folder, "other", "other.example")
    with serve(folder, "--cert", folder / "other.pem", "--key", folder / "other.key") as server:
        run_script(folder, POP3 + """
const c = open({ encryptMode: 1, verifyServerCertificate: true, caFile: 'other.pem' });
const error = throws(() => c.connect(), 'Error: TLS with localhost', 'TLS');
if (!/name|other\\.example/.test(error.message)) throw error;
c.verifyServerCertificate = false;
c.connect();
if (!c.tls.doubt) throw new Error('no doubt');
""", values(server))


def test_no_tls_where_it_is_wanted(folder):
    with Peer([LETTER]) as peer:
        run_script(folder, POP3 + """
for (const encryptMode of [1, 2])
	throws(() => open({ encryptMode }).connect(), 'Error: ', 'TLS');
""", {"ports": {"pop3": peer.port}})
        assert not any(line.startswith(("USER", "PASS", "AUTH")) for line in peer.heard), peer.heard


# ---- Servers that are broken, silent or worse ----

def hang_up(*_):
    raise Hangup


def test_broken_connections(folder):
    cut = b"+OK 1000 octets\r\nSubject: half\r\n\r\nabc\r\n"

    def half(*_):
        return cut

    def retr(peer, argument):
        raise Hangup

    with Peer([LETTER] * 3, answers={"RETR 2": hang_up, "DELE 3": hang_up, "STAT": "what?\r\n",
                                     "DELE 2": "-ERR [SYS/TEMP] not now\r\n"}) as peer:
        run_script(folder, POP3 + """
const c = open({ timeout: 2000 });
c.connect();
is(c.retrieve(1).includes('Subject: one'), true);
throws(() => c.retrieve(2, 'two.eml'), 'Error: ', 'CLOSED');
is(c.connected, false);
const error = throws(() => c.list(), 'Error: infinity.pop3.client.list: the connection has ended', 'CLOSED');
is(c.disconnect(), undefined);
c.connect();
is(c.delete(2), false);
is([c.lastReply.pop3Code, c.delete(1)], ['SYS/TEMP', true]);
throws(() => c.delete(3), 'Error: ', 'CLOSED');
// What was marked is not deleted, and that is said once.
throws(() => c.disconnect(), 'Error: infinity.pop3.client.disconnect: the connection ended before QUIT', 'CLOSED');
is(c.disconnect(), undefined);
c.connect();
throws(() => c.count(), 'Error: the server broke the protocol', 'PROTO');
c.free();
const d = open();
await d.connectAsync();
const all = [d.retrieveAsync(1), d.retrieveAsync(2), d.retrieveAsync(3), d.listAsync()];
is((await Promise.allSettled(all)).map((one) => one.reason?.code ?? 'good'),
	['good', 'CLOSED', 'CLOSED', 'CLOSED']);
""", {"ports": {"pop3": peer.port}})
    assert not (folder / "two.eml").exists() and not list(folder.glob("*.part"))


def test_cut_in_the_middle_of_a_message(folder):
    sent = b"+OK 1000000 octets\r\n" + b"Subject: half\r\n\r\n" + b"x" * 70 * 1000

    def talk(lines, say):
        say("+OK hello")
        for line in lines:
            verb = line.split(" ")[0]
            if verb == "RETR":
                say(sent.decode())
                return
            say(*{"CAPA": ("+OK", "USER", "."), "LIST": ("+OK", "1 1000000", ".")}.get(verb, ("+OK",)))
    (folder / "kept.eml").write_text("what was there")
    with Talker(talk) as peer:
        run_script(folder, POP3 + """
for (const call of [(c) => c.retrieve(1, 'kept.eml'), (c) => c.retrieve(1, 'new.eml'), (c) => c.retrieveBytes(1)]) {
	const c = open();
	c.connect();
	c.list();
	throws(() => call(c), 'Error: ', 'CLOSED');
	c.free();
}
const c = open();
c.connect();
await rejects(c.retrieveAsync(1, 'kept.eml'), 'Error: ', 'CLOSED');
""", {"ports": {"pop3": peer.port}})
    assert (folder / "kept.eml").read_text() == "what was there"
    assert not (folder / "new.eml").exists() and not list(folder.glob("*.part"))


def test_servers_that_say_nothing(folder):
    def talk(lines, say):
        for _ in lines:
            pass
    with Talker(talk) as peer:
        run_script(folder, POP3 + """
const c = open({ timeout: 150 });
let begun = Date.now();
throws(() => c.connect(), 'Error: ', 'TIMEOUT');
if (Date.now() - begun > 5000) throw new Error('late');
await rejects(c.connectAsync(), 'Error: ', 'TIMEOUT');
// The others go on meanwhile.
const slow = open({ timeout: 100000 }), opening = slow.connectAsync();
await rejects(c.connectAsync(), 'Error: ', 'TIMEOUT');
slow.free();
await rejects(opening, 'Error: the client was freed', 'CANCELED');
const left = open({ timeout: 100000 }), going = left.connectAsync();
left.disconnect();
await rejects(going, 'Error: disconnect() was called', 'CANCELED');
throws(() => open({ port: 1 }).connect(), 'Error: connect to localhost port 1', 'CONNECT');
throws(() => open({ host: 'no.such.host.invalid' }).connect(), 'Error: ', undefined);
""", {"ports": {"pop3": peer.port}})


def test_free_with_calls_under_way(folder):
    def talk(lines, say):
        say("+OK hello")
        for line in lines:
            if not line.startswith(("RETR", "LIST")):
                say(*("+OK", "USER", ".") if line == "CAPA" else ("+OK",))
    with Talker(talk) as peer:
        run_script(folder, POP3 + """
for (const end of ['free', 'disconnect']) {
	const c = open();
	await c.connectAsync();
	const calls = [c.retrieveAsync(1, 'lost.eml'), c.listAsync(), ...Array.from({ length: 500 }, () => c.noopAsync())];
	if (end === 'free') c.free();
	else c.disconnectAsync().catch(() => 0), c.free();
	for (const one of await Promise.allSettled(calls)) {
		wrong(one.reason, 'Error: the client was freed', 'CANCELED');
	}
}
const c = open({ timeout: 200 });
c.connect();
throws(() => c.list(), 'Error: ', 'TIMEOUT');
is(c.connected, false);
""", {"ports": {"pop3": peer.port}})
    assert not (folder / "lost.eml").exists() and not list(folder.glob("*.part"))


def test_refusals_of_every_kind(folder):
    answers = {"STAT": "-ERR no\r\n", "LIST": "-ERR no\r\n", "LIST 1": "-ERR no\r\n", "UIDL": "-ERR no\r\n",
               "RETR": "-ERR no\r\n", "TOP": "-ERR no\r\n", "DELE": "-ERR no\r\n", "NOOP": "-ERR no\r\n",
               "RSET": "-ERR no\r\n", "QUIT": "-ERR some messages were not deleted\r\n"}
    with Peer([LETTER], answers=answers) as peer:
        run_script(folder, POP3 + """
const c = open();
c.connect();
const calls = { count: [], size: [], list: [], uidl: [], retrieve: [1], retrieveBytes: [1],
	top: [1], noop: [], reset: [] };
for (const [name, args] of Object.entries(calls)) {
	const code = name === 'uidl' ? 'UNSUPPORTED' : 'DENIED';
	const error = throws(() => c[name](...args), 'Error: the server refused', code);
	is([error.reply.text, error.reply.ok], ['no', false]);
	await rejects(c[`${name}Async`](...args), 'Error: the server refused', code);
}
throws(() => c.size(1), 'Error: the server refused', 'DENIED');
is([c.delete(1), await c.deleteAsync(1)], [false, false]);
is(c.connected, true);
throws(() => c.disconnect(), 'Error: the server refused "QUIT"', 'DENIED');
is([c.connected, c.disconnect()], [false, undefined]);
await c.connectAsync();
await rejects(c.disconnectAsync(), 'Error: the server refused "QUIT"', 'DENIED');
is(c.connected, false);
""", {"ports": {"pop3": peer.port}})
    with Peer([LETTER], ids=None) as peer:
        run_script(folder, POP3 + """
const c = open();
c.connect();
for (const m of c.messages()) is([m.msgNum, m.id], [1, undefined]);
for await (const m of c.messages()) is([m.msgNum, m.id], [1, undefined]);
""", {"ports": {"pop3": peer.port}})


def test_limits_on_messages(folder):
    with Peer([LETTER + b"x" * 100000 + b"\r\n", LETTER]) as peer:
        run_script(folder, POP3 + """
const c = open({ maxMessage: 70000 });
c.connect();
throws(() => c.retrieve(1, 'large.eml'), 'Error: ', 'LIMIT');
is(c.retrieve(2).includes('Hello'), true);
""", {"ports": {"pop3": peer.port}})
    assert not (folder / "large.eml").exists()


# ---- SMTP ----

def test_smtp_against_the_server(folder):
    (folder / "mail.eml").write_bytes(LETTER.replace(b"\r\n", b"\n"))
    with serve(folder) as server:
        run_script(folder, SMTP + """
const c = open();
is([c.connect(), c.connected, c.tls], [undefined, true, null]);
is(c.authenticate(), true);
if (!c.capabilities.includes('PIPELINING') || !c.greeting) throw new Error(c.capabilities);
is([c.send('mail.eml'), c.sendFile('mail.eml')], [undefined, undefined]);
is([c.lastResult.sender, c.lastResult.accepted, c.lastResult.unknown], ['carl@elsewhere.example', 1, false]);
is(c.lastResult.recipients.map((one) => [one.address, one.accepted, one.reply.code]),
	[['anna@example.org', true, 250]]);
const letter = 'From: Carl <carl@elsewhere.example>\\r\\nTo: anna@example.org\\r\\nSubject: x\\r\\n\\r\\nä \\udcff\\r\\n.\\r\\n..\\r\\n';
c.sendString(letter);
c.sendBytes(new TextEncoder().encode('From: a@b.example\\nTo: anna@example.org\\n\\nbytes'));
c.sendBytes(new TextEncoder().encode('From: a@b.example\\nTo: anna@example.org\\n\\nbuffer').buffer);
await c.sendStringAsync(letter);
await Promise.all(Array.from({ length: 20 }, () => c.sendFileAsync('mail.eml')));
// The envelope is another.
c.sendString(letter, { from: '', to: 'Berta <berta@example.org>' });
is([c.lastResult.sender, c.lastResult.recipients[0].address], ['', 'berta@example.org']);
c.sendString('Subject: no addresses\\n\\nx', { from: 'x@y.example', to: ['anna@example.org', 'berta@example.org'],
	notify: ['failure', 'delay'], ret: 'headers', envelopeId: 'a+b=c d', requireTls: false, keepBcc: true });
is(c.lastResult.accepted, 2);
const partly = throws(() => c.sendString(letter, { to: ['nobody@example.org', 'anna@example.org', 'x@example.org'] }),
	'Error: 2 of 3 recipients were refused, the first is <nobody@example.org>: 550', 'NOT_FOUND');
is(partly.recipients.map((one) => [one.accepted, one.reply.code, one.error ?? 'good']),
	[[false, 550, 'DENIED'], [true, 250, 'good'], [false, 550, 'DENIED']]);
is(c.lastResult.recipients, partly.recipients);
const none = throws(() => c.sendString(letter, { to: 'nobody@example.org' }), 'Error: the server refused', 'DENIED');
is([none.reply.code, none.reply.enhanced, none.command], [550, '5.1.1', 'RCPT TO:<nobody@example.org>']);
is(c.lastResult.accepted, 0);
await rejects(c.sendFileAsync('mail.eml', { to: 'nobody@example.org' }), 'Error: the server refused', 'DENIED');
is(typeof c.verify('anna'), 'string');
is(await c.verifyAsync('<anna@example.org>'), c.verify('anna'));
is([c.noop(), c.reset(), await c.noopAsync(), c.connected], [undefined, undefined, undefined, true]);
throws(() => c.sendFile('none.eml'), 'Error: ', 'NOT_FOUND');
throws(() => c.sendFile('.'), 'Error: ');
throws(() => c.sendString('Subject: x\\n\\nnobody'), 'Error: the message\\'s header names no sender', 'SYNTAX');
throws(() => c.sendString('From: a@b.example\\n\\nnobody'), 'Error: the message\\'s header names no recipient', 'SYNTAX');
throws(() => c.sendString('From: a@b.example\\nTo: what is this\\n\\nx'), 'Error: line 2, To', 'SYNTAX');
throws(() => c.sendString('From: a@b.example\\nTo: anna@example.org\\n\\nx\\ry'), 'Error: line 4', 'SYNTAX');
throws(() => c.sendString(letter, { to: [] }), 'Error: there is no recipient', 'SYNTAX');
throws(() => c.sendString(letter, { to: ['<>'] }), 'Error: a recipient', 'SYNTAX');
throws(() => c.sendString(letter, { from: 'a@b.example, c@d.example' }), 'Error: a message has one sender', 'SYNTAX');
is([c.connected, c.lastResult], [true, null]);
const bad = [[5, 'TypeError'], [null, 'TypeError'], [[], 'TypeError'], ['x', 'TypeError'], [{ form: 'x' }, 'RangeError'],
	[{ from: 5 }, 'TypeError'], [{ from: 'a\\r\\nRCPT TO:<x>' }, 'RangeError'], [{ to: 5 }, 'TypeError'],
	[{ to: ['a\\nb'] }, 'RangeError'], [{ to: [5] }, 'TypeError'], [{ notify: 'x' }, 'RangeError'],
	[{ notify: ['never', 'delay'] }, 'RangeError'], [{ notify: 5 }, 'TypeError'], [{ ret: 'all' }, 'RangeError'],
	[{ envelopeId: 'ä' }, 'RangeError'], [{ envelopeId: 'x'.repeat(101) }, 'RangeError'],
	[{ requireTls: 1 }, 'TypeError'], [{ keepBcc: 'no' }, 'TypeError']];
for (const [options, kind] of bad) {
	throws(() => c.sendString(letter, options), `${kind}: infinity.smtp.client.sendString: options`);
	await rejects(c.sendStringAsync(letter, options), `${kind}: infinity.smtp.client.sendString: options`);
}
for (const value of [undefined, null, 5, {}, new Uint8Array(1), new infinity.smtp.client()]) {
	throws(() => c.send(value), 'TypeError: infinity.smtp.client.send: fileName');
	throws(() => c.sendFile(value), 'TypeError: infinity.smtp.client.sendFile: fileName');
	throws(() => c.sendString(value), 'TypeError: infinity.smtp.client.sendString: text');
	throws(() => c.verify(value), 'TypeError: infinity.smtp.client.verify: username');
	throws(() => c.sendStream(value), 'TypeError: infinity.smtp.client.sendStream: stream');
	throws(() => c.sendMail(value), 'TypeError: infinity.smtp.client.sendMail: mail');
}
for (const value of [undefined, null, 5, {}, 'x', [1]])
	throws(() => c.sendBytes(value), 'TypeError: infinity.smtp.client.sendBytes: bytes');
throws(() => c.send(''), 'RangeError: infinity.smtp.client.send: fileName');
throws(() => c.send('a\\0'), 'RangeError: infinity.smtp.client.send: fileName');
throws(() => c.verify(''), 'RangeError: infinity.smtp.client.verify: username');
for (const text of ['a\\r\\nDATA', 'a\\n', 'a\\0'])
	throws(() => c.verify(text), 'RangeError: infinity.smtp.client.verify: username');
is(c.connected, true);
is([await c.disconnectAsync(), c.connected], [undefined, false]);
""", values(server))
        run_script(folder, POP3 + """
const c = open();
c.connect();
is(c.count(), 2 + 3 + 1 + 20 + 2);
const m = c.retrieve(3);
is(m.slice(m.indexOf('From:')),
	'From: Carl <carl@elsewhere.example>\\r\\nTo: anna@example.org\\r\\nSubject: x\\r\\n\\r\\nä \\udcff\\r\\n.\\r\\n..\\r\\n');
""", values(server))


def test_envelope_of_the_header(folder):
    heads = {
        "from": ("From: F <f@x.example>\nTo: a@x.example\n", "f@x.example", ["a@x.example"]),
        "sender": ("From: F <f@x.example>, g@x.example\nSender: s@x.example\nTo: a@x.example\n", "s@x.example",
                   ["a@x.example"]),
        "return-path": ("Return-Path: <r@x.example>\nSender: s@x.example\nFrom: f@x.example\nTo: a@x.example\n",
                        "r@x.example", ["a@x.example"]),
        "null path": ("Return-Path: <>\nFrom: f@x.example\nTo: a@x.example\n", "", ["a@x.example"]),
        "all": ("From: f@x.example\nTo: A <a@x.example>, b@x.example\nCc: c@x.example\nBcc: d@x.example\n"
                "X-Envelope-To: e@x.example\n", "f@x.example",
                ["a@x.example", "b@x.example", "c@x.example", "d@x.example"]),
        "x-envelope-to": ("From: f@x.example\nX-Envelope-To: <e@x.example>, g@x.example\n", "f@x.example",
                          ["e@x.example", "g@x.example"]),
        "undisclosed": ("From: f@x.example\nTo: undisclosed-recipients:;\nX-Envelope-To: e@x.example\n",
                        "f@x.example", ["e@x.example"]),
        "resent": ("Return-Path: <r@x.example>\nResent-From: n@x.example\nResent-To: m@x.example\n"
                   "From: f@x.example\nTo: a@x.example\n", "n@x.example", ["m@x.example"]),
        "mbox": ("From f@x.example Sat\nReturn-Path: <r@x.example>\nFrom: f@x.example\nTo: a@x.example\n",
                 "r@x.example", ["a@x.example"]),
    }

    def talk(lines, say):
        say("220 hello")
        data = False
        for line in lines:
            if data:
                if line == ".":
                    data = False
                    say("250 taken")
                continue
            verb = line.split(" ")[0].upper()
            data = verb == "DATA"
            say(*{"EHLO": ("250 me",), "DATA": ("354 go on",), "QUIT": ("221 bye",)}.get(verb, ("250 ok",)))
    with Talker(talk) as peer:
        run_script(folder, SMTP + """
const c = open();
c.connect();
for (const [name, [head, sender, to]] of Object.entries(heads)) {
	c.sendString(`${head}Subject: ${name}\\n\\nText\\n`);
	is([name, c.lastResult.sender, c.lastResult.recipients.map((one) => one.address)], [name, sender, to]);
}
c.disconnect();
""", {"ports": {"smtp": peer.port}, "heads": heads})
        commands = [line for line in peer.said if line.startswith(("MAIL", "RCPT"))]
        wanted = []
        for _, sender, recipients in heads.values():
            wanted += [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in recipients)]
        assert commands == wanted, commands
        assert not any(line.startswith("Bcc") for line in peer.said), peer.said
        assert sum(line.startswith("From ") for line in peer.said) == 0, peer.said


def test_recipients_in_rounds(folder):
    def talk(lines, say):
        say("220 hello")
        data, count = False, 0
        for line in lines:
            if data:
                if line == ".":
                    data = False
                    say("250 taken")
                continue
            verb = line.split(" ")[0].upper()
            if verb == "MAIL":
                count = 0
            if verb == "RCPT":
                count += 1
                say("452 4.5.3 too many" if count > 2 else "250 ok" if "bad" not in line else "550 5.1.1 no")
                continue
            data = verb == "DATA"
            say(*{"EHLO": ("250 me",), "DATA": ("354 go on",), "QUIT": ("221 bye",)}.get(verb, ("250 ok",)))
    with Talker(talk) as peer:
        run_script(folder, SMTP + """
const c = open();
c.connect();
const letter = 'From: f@x.example\\n\\nx\\n';
c.sendString(letter, { to: [1, 2, 3, 4, 5].map((n) => `r${n}@x.example`) });
is(c.lastResult.accepted, 5);
const error = throws(() => c.sendString(letter, { to: ['r1@x.example', 'r2@x.example', 'bad@x.example', 'r4@x.example'] }),
	'Error: 1 of 4 recipients were refused, the first is <bad@x.example>: 550', 'NOT_FOUND');
is(error.recipients.map((one) => one.accepted), [true, true, false, true]);
await c.sendStringAsync(letter, { to: [1, 2, 3].map((n) => `r${n}@x.example`) });
is(c.lastResult.accepted, 3);
""", {"ports": {"smtp": peer.port}})
        assert peer.said.count("DATA") == 3 + 2 + 2, peer.said


def test_refusals_of_smtp(folder):
    replies = {"EHLO": ("250 me",), "DATA": ("354 go on",), "QUIT": ("221 bye",)}

    def talk(lines, say):
        say("220 hello")
        data = False
        for line in lines:
            if data:
                if line == ".":
                    data = False
                    say("554 5.6.0 I do not like it")
                elif line == "vanish":
                    return
                continue
            verb = line.split(" ")[0].upper()
            if "vanish-at-mail" in line:
                return
            if "tempfail" in line:
                say("451 4.3.0 later")
                continue
            data = verb == "DATA"
            say(*({"VRFY": ("550 5.1.1 unknown",), "NOOP": ("500 what",)} | replies).get(verb, ("250 ok",)))
    with Talker(talk) as peer:
        run_script(folder, SMTP + """
const c = open();
const letter = (from, text = 'x') => `From: ${from}\\nTo: a@x.example\\n\\n${text}\\n`;
c.connect();
let error = throws(() => c.sendString(letter('f@x.example')), 'Error: the server refused', 'DENIED');
is([error.reply.code, error.reply.enhanced, error.recipients.length], [554, '5.6.0', 1]);
error = throws(() => c.sendString(letter('tempfail@x.example')), 'Error: the server refused for now', 'AGAIN');
is([error.reply.code, error.command], [451, 'MAIL FROM:<tempfail@x.example>']);
throws(() => c.verify('x'), 'Error: the server refused', 'DENIED');
throws(() => c.noop(), 'Error: the server refused', 'UNSUPPORTED');
throws(() => c.sendString(letter('ä@x.example')), 'Error: ', 'UNSUPPORTED');
throws(() => c.sendString(letter('f@x.example', 'ä')), 'Error: ', 'UNSUPPORTED');
is(c.connected, true);
error = throws(() => c.sendString(letter('f@x.example', 'vanish')), 'Error: ', 'CLOSED');
is([error.unknown, c.connected], [true, false]);
throws(() => c.sendString(letter('f@x.example')), 'Error: infinity.smtp.client.sendString: the connection has ended', 'CLOSED');
is(c.disconnect(), undefined);
c.force8bit = true;
c.connect();
throws(() => c.sendString(letter('f@x.example', 'ä')), 'Error: the server refused', 'DENIED');
throws(() => c.sendString(letter('vanish-at-mail@x.example')), 'Error: ', 'CLOSED');
""", {"ports": {"smtp": peer.port}})


def test_lmtp(folder):
    socket = folder / "lmtp.sock"
    with Server(folder, "--data-dir", folder / "server", *USERS, "--lmtp", socket, listeners=("pop3",)) as server:
        run_script(folder, """
infinity.loadModule('infinity.lmtp');
const c = new infinity.lmtp.client();
c.host = socket;
c.connect();
const error = throws(() => c.sendString('From: f@x.example\\nSubject: by LMTP\\n\\nx\\n',
	{ to: ['anna@example.org', 'nobody@example.org', 'berta@example.org'] }), 'Error: 1 of 3 recipients', 'NOT_FOUND');
is(error.recipients.map((one) => [one.accepted, one.reply.code]), [[true, 250], [false, 550], [true, 250]]);
is([c.disconnect(), c.connected], [undefined, false]);
""", {"socket": str(socket)})
        run_script(folder, POP3 + "const c = open(); c.connect(); is(c.count(), 1);",
                   {"ports": {"pop3": server.port("pop3")}})


# ---- Streams and size ----

def test_streams_there_and_back(folder):
    with serve(folder, "--max-message-size", "200M") as server:
        run_script(folder, SMTP + """
infinity.loadModule('infinity.pop3');
const stream = new infinity.stream();
stream.writeString('From: f@x.example\\r\\nTo: anna@example.org\\r\\n\\r\\nin a stream \\udcff\\r\\n', infinity.encoding.utf8);
const c = open();
c.connect();
c.sendStream(stream);
stream.position = 5;
await c.sendStreamAsync(stream, { to: 'anna@example.org' });
is(stream.position, 5);
stream.free();
throws(() => c.sendStream(stream), 'Error: ');
const p = Object.assign(new infinity.pop3.client(), { host: 'localhost', port: ports.pop3, username: 'anna',
	password: 'tropicalfish' });
p.connect();
for (const one of [p.retrieveStream(1), await p.retrieveStreamAsync(2, 'two.eml')]) {
	is(one instanceof infinity.stream, true);
	is(one.size > 60, true);
}
is(p.retrieveStream(1).size, p.size(1));
for (const m of p.messages()) is(m.retrieveStream().size, m.size);
""", values(server))


def test_large_messages_cost_no_memory(folder):
    size = 100 << 20
    with serve(folder, "--max-message-size", "200M", "--store", f"maildir:{folder}/mail") as server:
        with open(folder / "large.eml", "wb") as file:
            file.write(b"From: f@x.example\r\nTo: anna@example.org\r\nSubject: large\r\n\r\n")
            for _ in range(size // 1000000):
                file.write((b"x" * 78 + b"\r\n") * 12500)
        text = SMTP + """
infinity.loadModule('infinity.pop3');
const c = open({ timeout: 100000 });
c.connect();
const stream = new infinity.stream('large.eml', infinity.fileMode.read);
c.sendStream(stream);
await c.sendStreamAsync(stream);
c.sendFile('large.eml');
const p = Object.assign(new infinity.pop3.client(), { host: 'localhost', port: ports.pop3, username: 'anna',
	password: 'tropicalfish' });
p.connect();
is(p.retrieveStream(1).size, p.size(1));
is((await p.retrieveStreamAsync(2)).size, p.size(2));
p.disconnect();
"""
        (folder / "idle.js").write_text("infinity.loadModule('infinity.pop3')")
        before = peak(folder, "idle.js")
        run_script(folder, text, values(server), timeout=4 * PATIENCE)
        after = peak(folder, "main.js")
        assert after < before + 40 * 1024, f"{before} KB without, {after} KB with {size} octets"


def peak(folder, name):
    """The most memory a program held, in KB."""
    process = subprocess.Popen([EXE, "run", name], cwd=folder, env=environment(folder))
    _, status, usage = __import__("os").wait4(process.pid, 0)
    process.returncode = status
    assert status == 0, status
    return usage.ru_maxrss


# ---- Ends ----

def test_terminate_ends_a_call_that_blocks(folder):
    def talk(lines, say):
        say("+OK hello")
        for line in lines:
            verb = line.split(" ")[0]
            if verb == "STAT":
                continue
            say(*{"CAPA": ("+OK", "USER", ".")}.get(verb, ("+OK",)))
    with Talker(talk) as peer:
        (folder / "main.js").write_text(f"""
infinity.loadModule('infinity.pop3');
const c = Object.assign(new infinity.pop3.client(), {{ host: '127.0.0.1', port: {peer.port}, username: 'a',
	password: 'b', timeout: 100000 }});
c.connect();
console.writeLn('waiting');
let error;
try {{ c.count(); }} catch (e) {{ error = e; }}
console.writeLn(`${{error.code}} ${{infinity.terminated}} ${{c.connected}}`);
c.connect();
c.noop();
c.disconnect();
console.writeLn('in order');
""")
        with subprocess.Popen([EXE, "run", "main.js"], cwd=folder, env=environment(folder),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            def why():
                return "no output"
            assert read_line(process.stdout, why) == "waiting"
            while "STAT" not in peer.said:
                time.sleep(0.01)
            process.terminate()
            assert read_line(process.stdout, why) == "CANCELED true false"
            assert read_line(process.stdout, why) == "in order"
            assert process.wait(PATIENCE) == 0
            process.stdout.close()


def test_a_pending_call_keeps_the_program_alive(folder):
    with serve(folder) as server:
        deliver(server, LETTER)
        out = run_script(folder, POP3 + """
const c = open();
c.connectAsync().then(() => c.retrieveAsync(1)).then((text) => console.writeLn(text.length > 50));
""", values(server))
        assert out == "true\n", out


main()
