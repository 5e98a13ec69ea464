"""TLS: nothing said in the clear survives it; versions, odd handshakes, truncation."""
import os
import signal
import socket
import ssl
import subprocess

from lib import messages, tools
from lib.runner import test
from lib.server import eventually
from lib.wire import Closed, Pop3, Smtp, b64, fetch_all, pop, tls_context


@test
def injection_smtp(t):
    """Plaintext behind STARTTLS: the connection ends before the handshake, nothing is executed."""
    s = t.server()
    for listener in ("smtp", "submission", "lmtp"):
        with Smtp(s, listener) as c:
            c.ehlo("LHLO" if listener == "lmtp" else "EHLO")
            c.send(b"STARTTLS\r\nRSET\r\nMAIL FROM:<evil@example.org>\r\n"
                   b"RCPT TO:<u1@example.org>\r\nDATA\r\n")
            replies = c.rest().split(b"\r\n")
            assert len(replies) <= 3 and not any(r.startswith((b"250", b"354")) for r in replies), \
                replies
    assert fetch_all(s) == []


@test
def injection_pop3(t):
    """The same for STLS (acceptance 33)."""
    s = t.server()
    with Pop3(s, "pop3") as c:
        c.send(b"STLS\r\nUSER u1\r\nPASS secret\r\nSTAT\r\n")
        replies = c.rest().split(b"\r\n")
        assert len(replies) <= 3 and not any(b"u1" in r or b" 0 0" in r for r in replies), replies
    pop(s).cmd("QUIT", "+OK")


@test
def hello_behind_command(t):
    """A TLS hello in the same packet as STARTTLS is plaintext behind it, too: never executed."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.send(b"STARTTLS\r\n\x16\x03\x01\x00\x05hello")
        assert b"250" not in c.rest()


@test
def state_is_forgotten(t):
    """EHLO name and AUTH go away with STARTTLS; USER with STLS."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.secure(tls_context(t.cert))
        # RFC 3207 4.2: the client must say EHLO again before MAIL is taken.
        assert c.cmd("MAIL FROM:<a@example.org>").startswith("503")
        assert "STARTTLS" not in c.ehlo()
        c.cmd("MAIL FROM:<a@example.org>", "250")
    with Smtp(s, "submission") as c:
        c.ehlo()
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "235")
        c.secure(tls_context(t.cert))
        c.ehlo()
        c.cmd("MAIL FROM:<a@example.org>", "530")
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "235")
    with Pop3(s, "pop3") as p:
        p.cmd("USER u1", "+OK")
        p.secure(tls_context(t.cert))
        p.cmd("PASS secret", "-ERR")
        p.login()


@test
def order_and_arguments(t):
    """In a transaction, twice, with arguments, inside TLS, after login: refused, no more."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.cmd("STARTTLS now", "501")
        c.cmd("MAIL FROM:<a@example.org>", "250")
        c.cmd("STARTTLS", "503")
        c.cmd("RCPT TO:<u1@example.org>", "250")
        c.cmd("RSET", "250")
        c.secure(tls_context(t.cert))
        c.ehlo()
        c.cmd("STARTTLS", "503")
        c.cmd("NOOP", "250")
    with Smtp(s, "smtps", tls=tls_context(t.cert)) as c:
        assert "STARTTLS" not in c.ehlo()
        c.cmd("STARTTLS", "503")
        c.cmd("NOOP", "250")
    with Pop3(s, "pop3") as p:
        p.cmd("STLS now", "-ERR")
        p.secure(tls_context(t.cert))
        p.cmd("STLS", "-ERR")
        p.login().cmd("STLS", "-ERR")
        p.cmd("QUIT", "+OK")
    with pop(s) as p:
        p.cmd("STLS", "-ERR")
        p.cmd("NOOP", "+OK")


def handshake(t, s, listener, **versions):
    with Pop3(s, listener, tls=tls_context(t.cert, **versions)) as p:
        return p.sock.version()


@test
def versions(t):
    """1.0 and 1.1 are refused by default; --tls-max 1.2 refuses 1.3; --tls-min 1.0 takes all
    (acceptance 35)."""
    v = ssl.TLSVersion
    old, new = (v.TLSv1, v.TLSv1_1), (v.TLSv1_2, v.TLSv1_3)

    def outcome(s, version):
        try:
            return handshake(t, s, "pop3s", minimum=version, maximum=version)
        except (ssl.SSLError, ConnectionError, Closed):
            return None
    s = t.server()
    assert [outcome(s, x) for x in old + new] == [None, None, "TLSv1.2", "TLSv1.3"]
    s = t.server("--tls-max", "1.2", name="max")
    assert [outcome(s, x) for x in new] == ["TLSv1.2", None]
    s = t.server("--tls-min", "1.3", name="min")
    assert [outcome(s, x) for x in new] == [None, "TLSv1.3"]


@test
def weak_suites(t):
    """A client that knows only suites without encryption, authentication or with old hashes gets
    no session."""
    s = t.server()
    for suites in ("NULL:@SECLEVEL=0", "ADH:AECDH:@SECLEVEL=0", "AES128-SHA:@SECLEVEL=0",
                   "PSK:@SECLEVEL=0"):
        r = tools.run(tools.need("openssl"), "s_client", "-connect", f"127.0.0.1:{s.port('pop3s')}",
                      "-tls1_2", "-cipher", suites, "-quiet", stdin=b"QUIT\r\n", code=None)
        assert r.code != 0 and b"+OK" not in r.out, (suites, r)


@test
def garbage_hello(t):
    """Garbage, plain POP3, an empty hello on a TLS port: closed quietly, the server goes on."""
    s = t.server()
    for say in (b"USER u1\r\nPASS secret\r\n", os.urandom(4096),
                b"\x16\x03\x01\xff\xff" + b"\0" * 300,
                b"\x16\x03\x01\x00\x00", b"\x80\x2e\x01\x00\x02", b""):
        for listener in ("pop3s", "smtps"):
            with Smtp(s, listener, greet=False) as c:
                c.send(say)
                c.sock.shutdown(socket.SHUT_WR)
                answer = c.rest()
                assert b"+OK" not in answer and b"220" not in answer and len(answer) < 100, answer
    assert handshake(t, s, "pop3s") == "TLSv1.3"


@test
def hello_in_pieces(t):
    """A hello that comes one octet at a time is served."""
    s = t.server()
    raw = socket.create_connection(s.address("pop3s"), timeout=20)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = tls_context(t.cert).wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
        for octet in outgoing.read():
            raw.sendall(bytes([octet]))
        incoming.write(raw.recv(65536))
    raw.sendall(outgoing.read())
    while True:
        try:
            assert tls.read(100).startswith(b"+OK")
            break
        except ssl.SSLWantReadError:
            incoming.write(raw.recv(65536))
    raw.close()


@test
def truncation_in_data(t):
    """A TLS connection cut (no close_notify) within DATA, or right behind it: nothing is stored."""
    s = t.server()
    for end in (b"half a mess", b"whole line\r\n", b"x\r\n.", b"x\r\n.\r"):
        with Smtp(s, "smtp") as c:
            c.ehlo()
            c.secure(tls_context(t.cert))
            c.ehlo()
            c.begin()
            c.cmd("DATA", "354")
            c.send(messages.HEAD + end)
            # Closes the socket beneath TLS.
            socket.socket(fileno=os.dup(c.sock.fileno())).shutdown(socket.SHUT_WR)
            c.rest()
    assert fetch_all(s) == []


@test
def sighup_changes_certificate(t):
    """SIGHUP: new sessions see the new certificate, a running one goes on; a broken file changes
    nothing."""
    folder = t.path("live")
    os.mkdir(folder)
    def install(name):
        for source, target in zip(t.cert.pair(name), ("cert.pem", "key.pem")):
            with open(source, "rb") as f:
                data = f.read()
            with open(os.path.join(folder, target + ".new"), "wb") as f:
                f.write(data)
            os.rename(os.path.join(folder, target + ".new"), os.path.join(folder, target))
    install("server")
    s = t.server("--cert", folder + "/cert.pem", "--key", folder + "/key.pem", cert=None)
    def organisation():
        with Pop3(s, "pop3s", tls=tls_context(t.cert)) as p:
            return dict(x[0] for x in p.sock.getpeercert()["subject"])["organizationName"]
    assert organisation() == "first"
    running = Pop3(s, "pop3s", tls=tls_context(t.cert)).login()
    half = Smtp(s, "smtp")
    half.ehlo()
    half.begin()
    half.cmd("DATA", "354")
    install("second")
    s.signal(signal.SIGHUP)
    eventually(lambda: organisation() == "second", "the new certificate is served")
    running.cmd("NOOP", "+OK")
    half.send(messages.HEAD + b".\r\n")
    assert half.reply().startswith("250")
    running.cmd("QUIT", "+OK")
    with open(folder + "/cert.pem", "w") as f:
        f.write("not a certificate\n")
    before = len(s.log_lines())
    s.signal(signal.SIGHUP)
    eventually(lambda: len(s.log_lines()) > before, "the failed reload is logged")
    assert organisation() == "second"
    assert len(fetch_all(s)) == 1


@test
def renegotiation_refused(t):
    """A TLS 1.2 client that asks to renegotiate gets no second handshake."""
    s = t.server()
    process = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{s.port('pop3s')}", "-tls1_2", "-crlf",
         "-legacy_renegotiation"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    process.stdin.write(b"NOOP\n")
    process.stdin.flush()
    process.stdin.write(b"R\n")
    process.stdin.flush()
    try:
        out, _ = process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
    assert out.count(b"verify return") <= 8, out
    assert b"RENEGOTIATING" not in out or b"no renegotiation" in out or b"error" in out, out
    assert s.alive()


@test
def require_tls_everywhere(t):
    """--require-tls: 530/538 and -ERR before TLS on loopback too, served after; no password is
    compared before."""
    s = t.server("--require-tls", "yes", "--auth-delay", "0s")
    deliver_secure(t, s)
    with Smtp(s, "submission") as c:
        assert "AUTH" not in c.ehlo()
        reply = c.cmd("AUTH PLAIN AHUxAHNlY3JldA==")
        assert reply[:3] in ("530", "538", "502", "503", "504"), reply
        assert c.cmd("MAIL FROM:<a@example.org>").startswith("530")
    with Pop3(s, "pop3") as p:
        capabilities = [x.split()[0] for x in p.multi("CAPA")]
        assert b"USER" not in capabilities and b"STLS" in capabilities
        good, bad = p.cmd("USER u1"), p.cmd("APOP u1 " + "0" * 32)
        assert good.startswith("-ERR") and bad.startswith("-ERR"), (good, bad)
        p.secure(tls_context(t.cert))
        p.login()
        assert p.stat()[0] == 1


def deliver_secure(t, s):
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.secure(tls_context(t.cert))
        c.ehlo()
        assert c.deliver(messages.HEAD).startswith("250")
