"""nodemailer (SMTP, LMTP, a pool) and node-pop3, clients of the Node world."""
import json
import os

from lib import messages, nodes, tools
from lib.runner import test
from lib.wire import deliver, fetch_all

PRELUDE = """
const fs = require('fs');
const nodemailer = require('nodemailer');
const ca = fs.readFileSync(process.env.CA);
const env = { from: 'a@example.org', to: ['u1@example.org'] };
const port = Number(process.env.PORT);
async function main() {
"""


def node(t, script, code=0, **environment):
    path = t.write("script.js", PRELUDE + script + "\n}\nmain().catch(e => { console.error(e); "
                   "process.exit(1); });\n")
    return tools.run(tools.need("node"), path, code=code, env={
        "NODE_PATH": tools.NODE_MODULES, "CA": t.cert.ca,
        # localhost may be ::1 as well, where nobody listens.
        "NODE_OPTIONS": "--dns-result-order=ipv4first",
        **{name: str(value) for name, value in environment.items()}})


@test(seconds=3)
def pool_of_five(t):
    """A pool of five connections with STARTTLS and AUTH: 100 messages, each once."""
    s = t.server()
    node(t, """
    const pool = nodemailer.createTransport({ host: 'localhost', port, requireTLS: true, pool: true,
        maxConnections: 5, maxMessages: 7, auth: { user: 'u1', pass: 'secret' }, tls: { ca } });
    await Promise.all(Array.from({ length: 100 }, (_, i) => pool.sendMail({ envelope: env,
        from: env.from, to: env.to, subject: 'number ' + i, text: '.dot\\n..\\nnumber ' + i })));
    pool.close();
    """, PORT=s.port("submission"))
    got = fetch_all(s)
    subjects = sorted(int(m.split(b"\r\nSubject: number ")[1].split(b"\r\n")[0]) for m in got)
    assert subjects == list(range(100)), subjects
    assert all(b"with ESMTPSA" in m for m in got)


@test(seconds=3)
def corpus_raw(t):
    """The corpus as raw octets over one connection with STARTTLS."""
    s = t.server()
    sent = {**messages.corpus(), **messages.nasty()}
    del sent["empty"]  # nodemailer sends CRLF for an empty message
    os.mkdir(t.path("corpus"))
    for name, message in sent.items():
        t.write("corpus/" + name, message)
    t.write("names.json", json.dumps(list(sent)))
    node(t, """
    const pool = nodemailer.createTransport({ host: 'localhost', port, requireTLS: true,
        pool: true, maxConnections: 1, tls: { ca } });
    for (const name of JSON.parse(fs.readFileSync(process.env.DIR + '/names.json')))
        await pool.sendMail({ envelope: env,
            raw: fs.readFileSync(process.env.DIR + '/corpus/' + name) });
    pool.close();
    """, PORT=s.port("smtp"), DIR=t.dir)
    for (name, message), got in zip(sent.items(), fetch_all(s), strict=True):
        messages.check(got, message, name)


@test
def mechanisms_and_refusals(t):
    """LOGIN, PLAIN, CRAM-MD5; a wrong password is EAUTH, an unknown recipient EENVELOPE."""
    s = t.server("--auth", "PLAIN,LOGIN,CRAM-MD5", "--auth-delay", "0s")
    out = node(t, """
    for (const authMethod of ['PLAIN', 'LOGIN', 'CRAM-MD5'])
        for (const pass of ['secret', 'wrong']) {
            const c = nodemailer.createTransport({ host: 'localhost', port, authMethod,
                auth: { user: 'u1', pass }, tls: { ca } });
            await c.sendMail({ envelope: env, text: 'x' }).then(
                () => console.log(authMethod, pass, 'ok'),
                e => console.log(authMethod, pass, e.code, e.responseCode));
        }
    const c = nodemailer.createTransport({ host: 'localhost', port, auth: { user: 'u1',
        pass: 'secret' }, tls: { ca } });
    await c.sendMail({ envelope: { from: 'a@example.org', to: ['nobody@example.org'] }, text: 'x' })
        .catch(e => console.log(e.code, e.responseCode));
    """, PORT=s.port("submission")).out.decode().splitlines()
    assert out == [f"{m} {x}" for m in ("PLAIN", "LOGIN", "CRAM-MD5")
                   for x in ("secret ok", "wrong EAUTH 535")] + ["EENVELOPE 550"], out
    assert len(fetch_all(s)) == 3


@test
def lmtp(t):
    """LMTP on a TCP port, with the STARTTLS that nodemailer takes by itself; DSN parameters."""
    s = t.server("--lmtp", "127.0.0.1:0")
    node(t, """
    const c = nodemailer.createTransport({ host: 'localhost', port, lmtp: true, tls: { ca } });
    const r = await c.sendMail({ envelope: env, text: 'x',
        dsn: { id: 'abc', return: 'headers', notify: ['failure', 'delay'],
            recipient: env.to[0] } });
    if (r.accepted.length != 1) throw new Error(JSON.stringify(r));
    """, PORT=s.port("lmtp"))
    assert b"with LMTPS" in fetch_all(s)[0]


@test
def utf8_and_big(t):
    """SMTPUTF8 addresses are understood; 5 MB of attachment arrives."""
    s = t.server("--catch-all", "u1")
    node(t, """
    const c = nodemailer.createTransport({ host: 'localhost', port, tls: { ca } });
    await c.sendMail({ envelope: { from: 'grün@example.org', to: ['ünal@example.org'] },
        from: 'grün@example.org', to: 'ünal@example.org', subject: 'ü', text: 'ü' });
    await c.sendMail({ envelope: env, text: 'x',
        attachments: [{ filename: 'a', content: Buffer.alloc(5000000, 'abc') }] });
    """, PORT=s.port("smtp"))
    one, two = fetch_all(s)
    assert "grün@example.org".encode() in one and b"UTF8SMTP" in messages.trace(one), one
    assert len(two) > 6_600_000


@test
def node_pop3(t):
    """node-pop3: UIDL, RETR, TOP, DELE, QUIT over STLS and POP3S."""
    nodes.need_package("node-pop3")
    s = t.server()
    for n in range(3):
        deliver(s, messages.HEAD + b"%d\r\n" % n)
    for listener, tls in (("pop3", "false"), ("pop3s", "true")):
        out = node(t, """
        const Pop3 = require('node-pop3');
        const c = new Pop3({ host: 'localhost', port, user: 'u1', password: 'secret',
            tls: process.env.TLS == 'true', tlsOptions: { ca }, servername: 'localhost' });
        const list = await c.UIDL();
        console.log(list.length, (await c.RETR(list[1][0])).trimEnd().endsWith('\\r\\n1'));
        console.log((await c.TOP(3, 0)).includes('Subject: nasty'));
        await c.QUIT();
        """, PORT=s.port(listener), TLS=tls).out.split()
        assert out == [b"3", b"true", b"true"], out


SCRAM = """
const tls = require('tls'), crypto = require('crypto');
const H = d => crypto.createHash('sha256').update(d).digest();
const M = (k, d) => crypto.createHmac('sha256', k).update(d).digest();
const xor = (a, b) => Buffer.from(a.map((x, i) => x ^ b[i]));
const b64 = s => Buffer.from(s).toString('base64');
async function scram(mechanism, head, bend) {
    const pop3 = process.env.PROTOCOL == 'pop3';
    const sock = tls.connect({ host: 'localhost', port, ca, servername: 'localhost' });
    let buffer = '', wake = () => {};
    sock.on('data', d => { buffer += d; wake(); });
    sock.on('end', () => { buffer += '\\nEND\\n'; wake(); });
    async function line() {
        for (;;) {
            const at = buffer.indexOf('\\n');
            if (at >= 0) {
                const l = buffer.slice(0, at).trim();
                buffer = buffer.slice(at + 1);
                if (!/^250-/.test(l)) return l;
            } else await new Promise(r => wake = r);
        }
    }
    await line();
    if (!pop3) { sock.write('EHLO x\\r\\n'); await line(); }
    const none = Buffer.alloc(0);
    let binding = head.startsWith('p=') ?
        sock.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', none) : none;
    if (bend) binding = Buffer.alloc(32, 1);
    const bare = 'n=u1,r=' + crypto.randomBytes(12).toString('hex');
    sock.write('AUTH ' + mechanism + ' ' + b64(head + bare) + '\\r\\n');
    const reply = await line();
    if (!/^(334|[+]) /.test(reply)) { sock.destroy(); return reply; }
    const first = Buffer.from(reply.split(' ')[1], 'base64').toString();
    const f = Object.fromEntries(first.split(',').map(x => [x[0], x.slice(2)]));
    const salted = crypto.pbkdf2Sync('secret', Buffer.from(f.s, 'base64'), +f.i, 32, 'sha256');
    const bound = Buffer.concat([Buffer.from(head), binding]);
    const last = 'c=' + bound.toString('base64') + ',r=' + f.r;
    const text = bare + ',' + first + ',' + last, key = M(salted, 'Client Key');
    sock.write(b64(last + ',p=' + xor(key, M(H(key), text)).toString('base64')) + '\\r\\n');
    let l = await line();
    if (/^(334|[+]) /.test(l)) {
        const v = Buffer.from(l.split(' ')[1], 'base64').toString();
        if (v != 'v=' + M(M(salted, 'Server Key'), text).toString('base64')) return 'bad proof';
        sock.write('\\r\\n');
        l = await line();
    }
    sock.destroy();
    return l;
}
const plus = 'SCRAM-SHA-256-PLUS';
for (const [m, head, bend] of [[plus, 'p=tls-exporter,,', false], [plus, 'p=tls-exporter,,', true],
        [plus, 'n,,', false], [plus, 'p=tls-nonsense,,', false], ['SCRAM-SHA-256', 'n,,', false],
        ['SCRAM-SHA-256', 'y,,', false]])
    console.log((await scram(m, head, bend)).slice(0, 3));
"""


@test
def scram_with_channel_binding(t):
    """SCRAM-SHA-256-PLUS bound to Node's TLS (tls-exporter), and the server's own proof; a wrong
    binding, none, an unknown one, and a stripped -PLUS (flag y) are refused."""
    s = t.server("--auth-delay", "0s")
    for protocol, listener, good, bad in (("smtp", "smtps", "235", "535"),
                                          ("pop3", "pop3s", "+OK", "-ER")):
        out = node(t, SCRAM, PORT=s.port(listener), PROTOCOL=protocol).out.decode().split()
        assert out[0] == out[4] == good, out
        assert all(x[0] in "5-" for x in (out[1], out[2], out[3], out[5])) and out[1] == bad, out
