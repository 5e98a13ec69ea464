"""SmtpServer of bindings/js in Node.js, and clients that were not written here: curl, swaks, smtplib, nodemailer."""
import json
import os
import smtplib
import ssl

from lib import messages, nodes, tools
from lib.runner import ROOT, test
from test_node_addon import Script

SERVER = f"""
const {{ SmtpServer }} = require({os.path.join(ROOT, "bindings/node")!r});
const [folder, cert, key, place, options] = process.argv.slice(2);
let count = 0;
const server = new SmtpServer({{
    name: 'localhost', cert: fs.readFileSync(cert), key: fs.readFileSync(key), authDelay: 0,
    authOptional: true, maxAllowedUnauthenticatedCommands: false, disableReverseLookup: true,
    authMethods: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'XOAUTH2', 'OAUTHBEARER'],
    onAuth(auth, session, done) {{
        const good = auth.validatePassword ? auth.validatePassword('secret') :
            auth.method.startsWith('SCRAM') || (auth.password ?? auth.accessToken) === 'secret';
        done(null, auth.username === 'u1' && good ? {{ user: 'u1', password: 'secret' }} : {{}});
    }},
    onData(stream, session, done) {{
        const chunks = [];
        stream.on('data', (chunk) => chunks.push(chunk)).on('end', () => {{
            const n = String(count++).padStart(4, '0');
            const {{ user, secure, transmissionType, envelope, remoteAddress, clientHostname }} = session;
            fs.writeFileSync(`${{folder}}/${{n}}`, Buffer.concat(chunks));
            fs.writeFileSync(`${{folder}}/${{n}}.json`, JSON.stringify({{ user, secure, transmissionType,
                envelope, remoteAddress, clientHostname }}));
            done(null, `kept ${{n}}`);
        }});
    }},
    ...JSON.parse(options),
}});
server.on('callback_error', (error) => console.error(error));
server.listen(Number.isNaN(Number(place)) ? place : Number(place), 'localhost', () => {{
    const at = server.server.address();
    console.log(at.port ?? at);
}});
process.on('SIGTERM', () => server.close());
"""


class Server:
    def __init__(self, t, place=0, **options):
        self.folder = t.path(f"got-{len(os.listdir(t.path('.')))}")
        os.mkdir(self.folder)
        self.script = Script(t, SERVER, self.folder, *t.cert.pair("server"), str(place), json.dumps(options))
        self.at = self.script.line()

    @property
    def port(self):
        return int(self.at)

    def got(self):
        """[(octets, what is known of the session)], in their order."""
        names = sorted(name for name in os.listdir(self.folder) if "." not in name)
        result = []
        for name in names:
            path = os.path.join(self.folder, name)
            with open(path, "rb") as octets, open(path + ".json", encoding="utf-8") as known:
                result.append((octets.read(), json.load(known)))
        return result

    def end(self):
        """It closes when it is asked to, and its program ends by itself."""
        self.script.process.terminate()
        self.script.end()


def all_messages():
    sent = {**messages.corpus(), **messages.nasty()}
    del sent["empty"]  # clients send CRLF for an empty file
    return sent


def same(got, sent):
    for (octets, _), (name, message) in zip(got, sent.items(), strict=True):
        want = message if message.endswith(b"\r\n") else message + b"\r\n"
        assert octets == want, name


def curl(t, url, *arguments, code=0):
    return tools.run(tools.need("curl"), "-sS", "--max-time", 60 * t.patience, "--cacert", t.cert.ca, url,
                     "--mail-from", "a@example.org", "--mail-rcpt", "u1@example.org", *arguments, code=code)


@test(seconds=10)
def curl_sends_the_corpus(t):
    """The corpus octet for octet: in the clear, by STARTTLS and under TLS from the first octet."""
    sent = all_messages()
    for secure, more in ((False, ()), (False, ("--ssl-reqd",)), (True, ())):
        server = Server(t, secure=secure)
        for message in sent.values():
            t.write("message", message)
            curl(t, f"smtp{'s' if secure else ''}://localhost:{server.port}/client", "-T", t.path("message"), *more)
        got = server.got()
        same(got, sent)
        assert {known["secure"] for _, known in got} == {secure or bool(more)}
        server.end()


@test(seconds=4)
def curl_logs_in(t):
    """Each mechanism that curl knows, with the right password and a wrong one."""
    server = Server(t, authOptional=False, allowInsecureAuth=True)
    t.write("message", b"Subject: x\r\n\r\nx\r\n")
    url = f"smtp://localhost:{server.port}/client"
    for name in ("PLAIN", "LOGIN", "CRAM-MD5"):
        log = ("--login-options", f"AUTH={name}", "-T", t.path("message"))
        curl(t, url, "-u", "u1:secret", *log)
        curl(t, url, "-u", "u1:wrong", *log, code=67)
    for name in ("XOAUTH2", "OAUTHBEARER"):
        log = ("--login-options", f"AUTH={name}", "-T", t.path("message"), "-u", "u1")
        curl(t, url, "--oauth2-bearer", "secret", *log)
        curl(t, url, "--oauth2-bearer", "wrong", *log, code=67)
    curl(t, url, "-T", t.path("message"), code=55)
    got = server.got()
    assert len(got) == 5 and all(known["user"] == "u1" and known["transmissionType"] == "ESMTPA" for _, known in got)
    server.end()


@test(seconds=4)
def swaks_behind_a_proxy(t):
    """PROXY and XCLIENT of swaks are believed where they were asked for; pipelining; TLS."""
    server = Server(t, useProxy=True)
    data = ("--data", "@" + t.write("data", b"Subject: x\r\n\r\nx\r\n"), "-f", "a@x", "-t", "b@x")
    for version in (1, 2):
        tools.run(tools.need("swaks"), "--server", f"127.0.0.1:{server.port}", *data, "--proxy-version", version,
                  "--proxy-family", "TCP4" if version == 1 else "AF_INET", "--proxy-source", "192.0.2.9",
                  "--proxy-source-port", "4711", "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25")
    assert [known["remoteAddress"] for _, known in server.got()] == ["192.0.2.9"] * 2
    server.end()
    server = Server(t, useXClient=True)
    tools.run(tools.need("swaks"), "--server", f"127.0.0.1:{server.port}", *data, "--tls", "--pipeline")
    tools.run(tools.need("swaks"), "--server", f"127.0.0.1:{server.port}", *data,
              "--xclient-addr", "192.0.2.9", "--xclient-name", "peer.example.net")
    first, second = [known for _, known in server.got()]
    assert first["secure"] and first["remoteAddress"] == "127.0.0.1"
    assert second["remoteAddress"] == "192.0.2.9" and second["clientHostname"] == "peer.example.net"
    server.end()


@test(seconds=3)
def smtplib_and_lmtp(t):
    """Python's smtplib: UTF-8 addresses under STARTTLS, parameters, refusals; LMTP over a Unix socket."""
    server = Server(t)
    client = smtplib.SMTP("localhost", server.port, timeout=30)
    client.starttls(context=ssl.create_default_context(cafile=t.cert.ca))
    client.login("u1", "secret")
    client.sendmail("ä@bücher.example", ["b@xn--bcher-kva.example"], b"Subject: x\r\n\r\n.x\r\n",
                    mail_options=["SMTPUTF8", "BODY=8BITMIME", "X-OWN=1"], rcpt_options=["NOTIFY=NEVER"])
    client.quit()
    (octets, known), = server.got()
    assert octets == b"Subject: x\r\n\r\n.x\r\n"
    envelope = known["envelope"]
    assert envelope["mailFrom"]["address"] == "ä@bücher.example", envelope
    args = envelope["mailFrom"]["args"]
    assert args["SMTPUTF8"] is True and args["X-OWN"] == "1" and args["BODY"] == "8BITMIME", args
    assert envelope["rcptTo"] == [{"address": "b@bücher.example", "args": {"NOTIFY": "NEVER"}}], envelope
    server.end()
    path = t.path("lmtp")
    server = Server(t, place=path, lmtp=True)
    assert server.at == path
    client = smtplib.LMTP(path)
    assert client.sendmail("a@x", ["b@x", "c@x"], b"x\r\n") == {}
    client.quit()
    assert len(server.got()) == 1 and server.got()[0][1]["transmissionType"] == "LMTP"
    server.end()


@test(seconds=4)
def nodemailer_pool(t):
    """A pool of five connections of nodemailer with STARTTLS: a hundred messages, each once."""
    server = Server(t, authOptional=False)
    path = t.write("pool.js", """
    const pool = require('nodemailer').createTransport({ host: '127.0.0.1', port: Number(process.argv[2]),
        requireTLS: true, pool: true, maxConnections: 5, maxMessages: 7, auth: { user: 'u1', pass: 'secret' },
        tls: { ca: require('fs').readFileSync(process.argv[3]) } });
    Promise.all(Array.from({ length: 100 }, (_, i) => pool.sendMail({ from: 'a@example.org', to: 'b@example.org',
        subject: 'number ' + i, text: '.dot\\n' }))).then(() => pool.close());
    """)
    tools.run(*nodes.first(), path, server.port, t.cert.ca, env={"NODE_PATH": tools.NODE_MODULES})
    got = server.got()
    numbers = sorted(int(octets.split(b"Subject: number ")[1].split(b"\r\n")[0]) for octets, _ in got)
    assert numbers == list(range(100)), numbers
    assert all(b"\r\n\r\n.dot\r\n" in octets for octets, _ in got)
    server.end()

