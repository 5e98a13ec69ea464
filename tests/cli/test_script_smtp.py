"""infinity.smtp.client and lmtp.client: messages, envelopes, refusals, streams."""
import os
import subprocess

from harness import EXE, PATIENCE, Server, Skip, environment, main
from script_rig import LETTER, POP3, SMTP, USERS, run_script, serve, values
from talker import Talker


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
const letter = 'From: Carl <carl@elsewhere.example>\\r\\nTo: anna@example.org\\r\\n'
	+ 'Subject: x\\r\\n\\r\\nä \\udcff\\r\\n.\\r\\n..\\r\\n';
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
throws(() => c.sendString('From: a@b.example\\n\\nnobody'),
	'Error: the message\\'s header names no recipient', 'SYNTAX');
throws(() => c.sendString('From: a@b.example\\nTo: what is this\\n\\nx'), 'Error: line 2, To', 'SYNTAX');
throws(() => c.sendString('From: a@b.example\\nTo: anna@example.org\\n\\nx\\ry'), 'Error: line 4', 'SYNTAX');
throws(() => c.sendString(letter, { to: [] }), 'Error: there is no recipient', 'SYNTAX');
throws(() => c.sendString(letter, { to: ['<>'] }), 'Error: a recipient', 'SYNTAX');
throws(() => c.sendString(letter, { from: 'a@b.example, c@d.example' }), 'Error: a message has one sender', 'SYNTAX');
is([c.connected, c.lastResult], [true, null]);
const bad = [[5, 'TypeError'], [null, 'TypeError'], [[], 'TypeError'], ['x', 'TypeError'],
	[{ form: 'x' }, 'RangeError'],
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
	'From: Carl <carl@elsewhere.example>\\r\\nTo: anna@example.org\\r\\n'
	+ 'Subject: x\\r\\n\\r\\nä \\udcff\\r\\n.\\r\\n..\\r\\n');
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
const to = ['r1@x.example', 'r2@x.example', 'bad@x.example', 'r4@x.example'];
const error = throws(() => c.sendString(letter, { to }),
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
throws(() => c.sendString(letter('f@x.example')),
	'Error: infinity.smtp.client.sendString: the connection has ended', 'CLOSED');
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
	{ to: ['anna@example.org', 'nobody@example.org', 'berta@example.org'] }),
	'Error: 1 of 3 recipients', 'NOT_FOUND');
is(error.recipients.map((one) => [one.accepted, one.reply.code]), [[true, 250], [false, 550], [true, 250]]);
is([c.disconnect(), c.connected], [undefined, false]);
""", {"socket": str(socket)})
        run_script(folder, POP3 + "const c = open(); c.connect(); is(c.count(), 1);",
                   {"ports": {"pop3": server.port("pop3")}})


def test_streams_there_and_back(folder):
    with serve(folder, "--max-message-size", "200M") as server:
        run_script(folder, SMTP + """
infinity.loadModule('infinity.pop3');
const stream = new infinity.stream();
stream.writeString('From: f@x.example\\r\\nTo: anna@example.org\\r\\n\\r\\nin a stream \\udcff\\r\\n',
	infinity.encoding.utf8);
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


def test_mails(folder):
    with serve(folder) as server:
        run_script(folder, SMTP + """
infinity.loadModule('infinity.mail');
infinity.loadModule('infinity.pop3');
const c = open();
c.connect();
const mail = new infinity.mail();
Object.assign(mail, { from: 'Carl <carl@elsewhere.example>', recipients: ['Anna <anna@example.org>'],
	bcc: ['berta@example.org'], subject: 'Grüße \u2014 hier', contents: [{ text: 'Schöne Grüße\\n.\\n' }] });
is(c.sendMail(mail), undefined);
is(c.lastResult.recipients.map((one) => one.address), ['anna@example.org', 'berta@example.org']);
is(await c.sendMailAsync(mail, { from: '', to: 'berta@example.org' }), undefined);
is([c.lastResult.sender, c.lastResult.accepted], ['', 1]);
throws(() => c.sendMail(mail, { to: 5 }), 'TypeError: infinity.smtp.client.sendMail: options.to');
const fetch = (username, password, number) => {
	const p = new infinity.pop3.client();
	Object.assign(p, { host: 'localhost', port: ports.pop3, username, password });
	p.connect();
	const got = new infinity.mail(), text = p.retrieve(number);
	p.disconnect();
	got.loadFromString(text);
	is(/^Bcc:/mi.test(text), false);
	return got;
};
for (const got of [fetch('anna', 'tropicalfish', 1), fetch('berta', 'x', 1), fetch('berta', 'x', 2)]) {
	is(got.subject, mail.subject);
	is(got.getTextContent().trim().split(/\\r?\\n/), ['Schöne Grüße', '.']);
}
mail.free();
throws(() => c.sendMail(mail), 'TypeError: infinity.mail.saveToStream: the mail was freed');
""", values(server))


def peak(folder, name):
    """The most memory a program held, in KB."""
    process = subprocess.Popen([EXE, "run", name], cwd=folder, env=environment(folder))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0, status
    return usage.ru_maxrss


def test_large_messages_cost_no_memory(folder):
    if any(name.endswith("SAN_OPTIONS") for name in os.environ):
        raise Skip("sanitizers keep memory that was freed")
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


main()
