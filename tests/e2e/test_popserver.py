"""PopServer in Node.js and in `lettermill run`: the program of lpop3's documentation, stock clients,
Node's TLS options."""
import hashlib
import json
import poplib
import re
import socket
import ssl

from lib import messages, nodes, popserver, tools
from lib.runner import test
from lib.server import eventually

from test_curl import curl, pop3_url
from test_fetchers import fetchmail
from test_mpop_msmtp import lf, mpop

poplib._MAXLINE = 1 << 20
BODY = messages.HEAD + b".\r\n..dots\r\n. \r\nlast\r\n"


def in_both(seconds=3):
    """A test of each host: fn(t, host)."""
    def register(fn):
        for host in popserver.HOSTS:
            def run(t, host=host):
                fn(t, host)
            run.__module__, run.__name__, run.__doc__ = __name__, f"{fn.__name__}_{host}", fn.__doc__
            test(seconds=seconds)(run)
        return fn
    return register


class Lines:
    """A raw session."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.file = self.socket.makefile("rwb")

    def line(self):
        return self.file.readline().decode().removesuffix("\r\n")

    def ask(self, line):
        self.file.write(line.encode() + b"\r\n")
        self.file.flush()
        return self.line()

    def lines(self):
        found = []
        while (line := self.file.readline()) != b".\r\n":
            assert line, f"the connection ended within a reply: {found}"
            found.append(line.decode().removesuffix("\r\n"))
        return found


SEED = ["X-Mailer: My Hands", "Subject: Test message", "From: test@test.com",
        "Date: Mon, 21 Mar 2022 09:55:42 +0000", "To: luke@test.com", "Message-ID: <asdadada@awa.com>",
        "Content-Type: text/plain", ""]


@in_both()
def seed(t, host):
    """The documentation's callbacks run unchanged, and so does its dialogue, but for what
    docs/popserver.md lists: numbers from 1, dots doubled as RFC 1939 says, no line that the message
    has not, the blank line behind a header."""
    s = popserver.Program(t, host, "seed.js", popserver.library(host))
    c = Lines(s.port("pop3"))
    greeting = c.line()
    assert re.fullmatch(r"\+OK Luke-POP3 tot uw dienst, IPv4 127\.0\.0\.1:\d+ <\S+@\S+>", greeting), greeting
    assert c.ask("capa") == "+OK mogelijkheden volgen."
    capabilities = c.lines()
    wanted = {"IMPLEMENTATION Luke POP3/POP3S Server, maintainer: luke.rieff@gmail.com", "LOGIN-DELAY 0",
              "USER", "UIDL", "UTF8", "EXPIRE NEVER", "LANG"}
    assert wanted <= set(capabilities), capabilities
    assert c.ask("lang en") == "+OK changing language to 'en'."
    assert c.ask("user luke") == "+OK user 'luke' accepted, proceed with PASS"
    assert c.ask("pass hello") == "+OK pass accepted, welcome 'luke'."
    assert c.ask("uidl") == "+OK mailbox listing follows."
    assert c.lines() == [f"{n + 1} {n}" for n in range(9)]
    assert c.ask("retr 9") == "+OK 206 octets"
    assert c.lines() == [*SEED, "Hello world!", "", "..", "..", ""]
    assert c.ask("top 9 0") == "+OK top follows."
    assert c.lines() == SEED
    assert c.ask("dele 9") == "+OK message 9 deleted."
    assert c.ask("quit") == "+OK Luke-POP3 signing off."
    assert c.line() == ""
    again = Lines(s.port("pop3"))
    stamp = re.search("<.*>", again.line()).group()
    digest = hashlib.md5((stamp + "tanstaaf").encode()).hexdigest()
    assert again.ask(f"APOP luke {digest}").startswith("+OK maildrop heeft 8 berichten (1648 bytes)")


@in_both()
def words_that_killed_the_original(t, host):
    """Each ended the process of one version or another: now a reply, and the next session works."""
    s = popserver.start(t, host, [BODY])
    c = Lines(s.port("pop3"))
    c.line()
    assert c.ask("USER luke") == "-ERR user rejected"
    assert c.ask("USER u1") == "+OK user 'u1' accepted, proceed with PASS"
    assert c.ask("PASS secret").startswith("+OK")
    for line in ("RETR abc", "LIST x", "UIDL x", "DELE x", "TOP x 1", "TOP 1 x"):
        assert c.ask(line).startswith("-ERR "), line
    for line in ("USER u1", "PASS secret", "RETR 1", "QUIT"):
        one = socket.create_connection(("127.0.0.1", s.port("pop3")), 30)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.sendall(line.encode() + b"\r\n")
        one.close()
    assert c.ask("NOOP") == "+OK"
    assert c.ask("QUIT").startswith("+OK")


@in_both()
def python(t, host):
    """poplib: plain, STLS and POP3S, APOP; the corpus comes as it is; what is deleted is gone."""
    sent = [m for m in messages.corpus().values() if m.endswith(b"\r\n")]
    s = popserver.start(t, host, sent)
    trust = ssl.create_default_context(cafile=t.cert.ca)
    plain, upgraded = (poplib.POP3("127.0.0.1", s.port("pop3"), timeout=30) for _ in range(2))
    upgraded.host = "localhost"
    upgraded.stls(trust)
    implicit = poplib.POP3_SSL("localhost", s.port("pop3s"), context=trust, timeout=30)
    assert b"Luke-POP3S at your service" in implicit.getwelcome()
    for p in (plain, upgraded, implicit):
        p.user("u1")
        p.pass_("secret")
        assert p.stat() == (len(sent), sum(map(len, sent)))
        for n, message in enumerate(sent, 1):
            assert b"\r\n".join(p.retr(n)[1]) + b"\r\n" == message, n
            assert p.uidl(n) == f"+OK {n} uid{n}".encode()
    plain.dele(1)
    plain.quit()
    apop = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=30)
    apop.apop("u1", "secret")
    assert apop.stat()[0] == len(sent) - 1


@in_both(seconds=6)
def curl_logins(t, host):
    """curl: its own choice, APOP, PLAIN, LOGIN, CRAM-MD5; plain, STLS and POP3S; a wrong password; with
    a stamp for users without a secret, and without a stamp."""
    s = popserver.start(t, host, [BODY], auth=["PLAIN", "LOGIN", "CRAM-MD5"], maxAuthFailures=100)
    for option in (None, "AUTH=*", "AUTH=+APOP", "AUTH=PLAIN", "AUTH=LOGIN", "AUTH=CRAM-MD5"):
        login = ("--login-options", option) if option else ()
        for url, more in ((pop3_url(s, 1), ()), (pop3_url(s, 1), ("--ssl-reqd",)),
                          (pop3_url(s, 1, "pop3s"), ())):
            assert curl(t, url, "-u", "u1:secret", *login, *more).out == BODY, option
        curl(t, pop3_url(s, 1), "-u", "u1:wrong", *login, code=67)
    for settings in ({}, {"apop": False}, {"apop": False, "auth": []}):
        other = popserver.start(t, host, [BODY], **settings)
        assert curl(t, pop3_url(other, 1), "-u", "u2:other").out == BODY, settings


@in_both()
def mpop_pipelines(t, host):
    """mpop with pipelining (the original fails there): the corpus, then none of it again."""
    sent = [messages.crlf(m) for m in messages.corpus().values() if m.endswith(b"\r\n")]
    s = popserver.start(t, host, sent)
    found = mpop(t, s, "tls off", "auth user", "pipelining on", "keep on")
    assert sorted(messages.crlf(m) for m in found) == sorted(messages.crlf(lf(m)) for m in sent)
    assert len(mpop(t, s, "tls on", "tls_starttls on", "auth plain", "pipelining on", "keep off")) == len(sent)
    c = Lines(s.port("pop3"))
    c.line()
    c.ask("USER u1")
    c.ask("PASS secret")
    assert c.ask("STAT") == "+OK 0 0"


@in_both()
def fetchmail_takes_all(t, host):
    """fetchmail: STLS by itself, POP3S; everything is taken and deleted."""
    s = popserver.start(t, host, [BODY, messages.HEAD])
    fetchmail(t, s, "pop3", 'sslproto "TLS1.2+"', "--keep")
    with open(t.path("fm.mbox"), "rb") as f:
        assert messages.crlf(f.read()).count(b"Subject:") == (BODY + messages.HEAD).count(b"Subject:")
    fetchmail(t, s, "pop3s", "ssl")
    fetchmail(t, s, "pop3s", "ssl", code=1)


@in_both()
def node_pop3(t, host):
    """The npm package node-pop3 (which leaves doubled dots), plain and POP3S."""
    nodes.need_package("node-pop3")
    message = messages.HEAD + b"one\r\n\r\ntwo\r\n"
    s = popserver.start(t, host, [message])
    script = t.write("client.js", """
        const Pop3Command = require('node-pop3');
        (async () => {
            for (const [port, tls] of JSON.parse(process.env.PORTS)) {
                const client = new Pop3Command({ host: 'localhost', port, tls, user: 'u1',
                    password: 'secret', tlsOptions: { ca: require('fs').readFileSync(process.env.CA) } });
                console.log(JSON.stringify([await client.UIDL(), await client.RETR(1)]));
                await client.QUIT();
            }
        })();
        """)
    ports = [[s.port("pop3"), False], [s.port("pop3s"), True]]
    done = tools.run(tools.need("node"), script, env={
        "NODE_PATH": tools.NODE_MODULES, "CA": t.cert.ca, "PORTS": json.dumps(ports),
        "NODE_OPTIONS": "--dns-result-order=ipv4first"})
    got = [json.loads(line) for line in done.out.splitlines()]
    assert got == [[[["1", "uid1"]], message.decode().removesuffix("\r\n")]] * 2, got


def organization(s, name, **settings):
    """Whose certificate comes for this name."""
    trust = ssl.create_default_context(cafile=s.t.cert.ca)
    trust.check_hostname = False
    for key, value in settings.items():
        setattr(trust, key, value)
    with socket.create_connection(("127.0.0.1", s.port("pop3s")), 30) as plain, \
            trust.wrap_socket(plain, server_hostname=name) as c:
        assert c.recv(100).startswith(b"+OK Luke-POP3S")
        return dict(item[0] for item in c.getpeercert()["subject"])["organizationName"]


def refused(call, *arguments, **settings):
    try:
        call(*arguments, **settings)
    except (OSError, EOFError, AssertionError) as e:
        return str(e)
    raise AssertionError("it was not refused")


@in_both()
def certificates_by_name(t, host):
    """SNICallback: its own, the default's, none."""
    s = popserver.start(t, host, sni={"second.example": popserver.pem(t, "second"), "bad.example": "refuse",
                                      "none.example": None})
    assert organization(s, "localhost") == "first"
    assert organization(s, "second.example") == "second"
    assert organization(s, "none.example") == "first"
    refused(organization, s, "bad.example")
    assert "callback_error SNICallback no bad.example here" == s.await_line()
    c = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=30)
    c.host = "second.example"
    trust = ssl.create_default_context(cafile=t.cert.ca)
    trust.check_hostname = False
    c.stls(trust)
    assert dict(item[0] for item in c.sock.getpeercert()["subject"])["organizationName"] == "second"


@in_both()
def tls_options(t, host):
    """minVersion, maxVersion, ciphers, a certificate that clients must show."""
    v = ssl.TLSVersion
    s = popserver.start(t, host, tls={**popserver.pem(t, "server"), "minVersion": "TLSv1.3"})
    assert organization(s, "localhost") == "first"
    refused(organization, s, "localhost", maximum_version=v.TLSv1_2)
    s = popserver.start(t, host, tls={**popserver.pem(t, "server"), "maxVersion": "TLSv1.2"})
    refused(organization, s, "localhost", minimum_version=v.TLSv1_3)
    with open(t.cert.ca, encoding="ascii") as f:
        s = popserver.start(t, host, tls={**popserver.pem(t, "server"), "ca": f.read(), "requestCert": True})
    refused(organization, s, "localhost")
    trust = ssl.create_default_context(cafile=t.cert.ca)
    trust.load_cert_chain(*t.cert.pair("u1"))
    assert poplib.POP3_SSL("localhost", s.port("pop3s"), context=trust, timeout=30).noop


@in_both()
def without_a_certificate(t, host):
    """It makes one for itself, in memory: TLS works for those who do not look at it."""
    s = popserver.start(t, host, [BODY], tls={})
    assert curl(t, pop3_url(s, 1, "pop3s"), "-k", "-u", "u1:secret").out == BODY


@in_both()
def passphrases(t, host):
    """An encrypted key opens with its passphrase, and not without."""
    cert, key = t.cert.pair("server")
    tools.run("openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:sesame", "-out",
              t.path("locked.key"))
    with open(cert, encoding="ascii") as c, open(t.path("locked.key"), encoding="ascii") as k:
        pair = {"cert": c.read(), "key": k.read()}
    s = popserver.start(t, host, tls={**pair, "passphrase": "sesame"})
    assert organization(s, "localhost") == "first"
    said = refused(popserver.start, t, host, tls={**pair, "passphrase": "wrong"})
    assert "failed " in said, said


@in_both()
def idle_connections_end(t, host):
    """As the option timeout says."""
    s = popserver.start(t, host, [BODY], timeout=500)
    held = [socket.create_connection(("127.0.0.1", s.port("pop3")), 30) for _ in range(20)]
    for one in held:
        eventually(lambda one=one: closed(one), "the idle connection ends")


def closed(one):
    one.settimeout(5)
    try:
        return one.recv(1000) == b""
    except OSError:
        return True
