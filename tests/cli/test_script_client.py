"""infinity.pop3.client, smtp.client and lmtp.client: the examples of their documents, properties, logins, TLS."""
import subprocess
import time

from harness import EXE, PATIENCE, environment, main, read_line, run
from pop3_peer import Peer
from script_rig import LETTER, POP3, SMTP, deliver, run_script, serve, values
from talker import Talker


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


def test_errors_name_the_line_of_the_call(folder):
    text = """infinity.loadModule('infinity.pop3');
const c = Object.assign(new infinity.pop3.client(), { host: '127.0.0.1', port: 1, username: 'a' });
const call = async () => {
	await c.connectAsync();
};
try { c.connect(); } catch (e) { console.writeLn(Object.keys(e).join()); }
console.writeLn(await call().catch((e) => Object.keys(e).join()));
await WHICH;
"""
    for which, line in (("call()", 4), ("c.connect()", 8)):
        (folder / "main.js").write_text(text.replace("WHICH", which))
        done = run(folder, "run", "main.js")
        assert done.returncode == 1 and done.stdout == "code\ncode\n", done
        assert f"main.js:{line}:" in done.stderr.splitlines()[0], done.stderr


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
	'infinity.pop3.client': { count: [], size: [], list: [], uidl: [], retrieve: [1],
		retrieveBytes: [1], retrieveStream: [1],
		top: [1], delete: [1], reset: [], noop: [] },
	'infinity.smtp.client': { authenticate: [], send: ['x'], sendFile: ['x'], sendString: ['x'],
		sendStream: [new infinity.stream()], sendBytes: [new Uint8Array(1)],
		verify: ['x'], noop: [], reset: [] },
};
methods['infinity.lmtp.client'] = methods['infinity.smtp.client'];
"""


def test_calls_before_connect_and_after_free(folder):
    run_script(folder, SURFACE + METHODS + """
for (let i = 0; i < 3; i++) {
	const [Class, label] = [classes[i], labels[i]];
	const c = new Class();
	for (const [name, args] of Object.entries(methods[label])) {
		throws(() => c[name](...args), `Error: ${label}.${name}: not connected; call connect()`, 'CLOSED');
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


# ---- Logins ----

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

def certificate(folder, name, host):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}",
                    "-addext", f"subjectAltName=DNS:{host}", "-keyout", folder / f"{name}.key",
                    "-out", folder / f"{name}.pem"], check=True, capture_output=True)


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


main()
