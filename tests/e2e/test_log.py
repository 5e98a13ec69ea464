"""The log, the process list and trusted peers: one event one line, no secrets, nobody believed."""
import json
import random
import socket

from lib import messages
from lib.runner import test
from lib.server import eventually
from lib.wire import Closed, Pop3, Smtp, apop, b64, deliver, fetch_all, pop, send, tls_context

SECRETS = ("s3cr3t-of-u1", "gu3ss3d-wrong")


@test
def secrets_stay_secret(t):
    """Passwords, right, wrong and misplaced, are never in the log at debug level nor in
    /proc/PID/cmdline."""
    s = t.server("--log-level", "debug", "--auth-delay", "0s", "--max-auth-failures", "100",
                 "--max-errors", "1000", users={"u1": SECRETS[0]})
    for secret in SECRETS:
        with Pop3(s, "pop3") as p:
            p.cmd("PASS " + secret)
            p.cmd("USER u1")
            p.cmd("PASS " + secret)
            p.cmd("PASS " + secret)
        with Pop3(s, "pop3") as p:
            p.cmd("AUTH PLAIN " + b64(f"\0u1\0{secret}"))
            p.cmd("APOP u1 " + apop(p.greeting, secret))
            p.cmd("QUIT")
        with Smtp(s, "submission") as c:
            c.ehlo()
            c.cmd("AUTH PLAIN " + b64(f"\0u1\0{secret}"))
            c.cmd("AUTH LOGIN " + b64("u1"))
            c.cmd(b64(secret))
            c.cmd("AUTH OAUTHBEARER " + b64(f"n,,\x01auth=Bearer {secret}\x01\x01"))
            c.cmd("*")
    with open(f"/proc/{s.pid}/cmdline", "rb") as f:
        command = f.read().decode()
    assert s.stop() == 0
    text = s.errors().decode(errors="replace")
    assert "u1" in text, "nothing was logged at all"
    for secret in SECRETS:
        for form in (secret, b64(secret).rstrip("="), b64(f"\0u1\0{secret}").rstrip("=")):
            assert form not in text, form
            assert form not in command


@test
def no_core_dump(t):
    """A crash leaves no file with passwords in it: no core, and nothing of memory for a collector."""
    s = t.server()
    with open(f"/proc/{s.pid}/limits", encoding="ascii") as f:
        core = next(line for line in f if line.startswith("Max core file size")).split()
    assert core[4:6] == ["0", "0"], core
    with open(f"/proc/{s.pid}/coredump_filter", encoding="ascii") as f:
        assert int(f.read(), 16) == 0


@test
def injection(t):
    """CR, LF, escape sequences and 10 KB names cannot make a line of the log; JSON stays JSON."""
    s = t.server("--log", "json", "--log-level", "debug", "--auth-delay", "0s", "--max-errors",
                 "1000", "--max-auth-failures", "1000",
                 "--auth", "PLAIN,LOGIN,CRAM-MD5,SCRAM-SHA-256")
    evil = ("a\x1b[31mred", "a\\nb", 'a"b', "a\tb", "{}", "%s%n", "x" * 200)
    with Smtp(s, "smtp") as c:
        for name in evil:
            c.cmd("EHLO " + name)
            c.cmd(f"MAIL FROM:<{name}@example.org>")
            c.cmd("RSET")
            c.cmd(b"MAIL FROM:<a@b.c> \xff\xfe\x85\xe2\x80\xa8 session.open id=1")
            c.cmd("VRFY " + "y" * 10000)
        c.cmd("EHLO x", "250")
        c.cmd("AUTH PLAIN " + b64(b"\0u1\r\nerror forged=1\r\n\0x"))
        c.cmd("AUTH PLAIN " + b64(b"\0u1\x1b[2J\xe2\x80\xa8\x85\0x"))
        c.cmd("AUTH LOGIN " + b64(b"u1\nforged"))
        c.send(b64("x") + "\r\n")
        c.reply()
        c.cmd("AUTH CRAM-MD5", "334")
        c.cmd(b64(b"u1\x1b[2J\x07\x7f " + b"0" * 32))
        c.cmd("AUTH SCRAM-SHA-256 " + b64(b"n,,n=u1\x1b[2J\x07,r=abc"))
        c.cmd("*")
        c.cmd(b"MAIL FROM:<a\xc2\x85\xe2\x80\xaeb@example.org> SMTPUTF8")
        c.cmd("RCPT TO:<u1@example.org>")
        c.cmd("DATA")
        c.cmd(".")
    deliver(s, messages.HEAD, sender="ok@example.org")
    assert s.stop() == 0
    lines = s.errors().split(b"\n")
    assert lines.pop() == b"" and len(lines) >= 2
    for line in lines:
        json.loads(line)
        assert len(line) < 8192, len(line)
        assert not any(b < 32 or b == 127 for b in line), line
        assert not {"\u2028", "\u202e", "\x85"} & set(line.decode()), line


@test
def text_log_is_one_line_an_event(t):
    """The text form escapes, too."""
    s = t.server("--log-level", "debug", "--auth-delay", "0s")
    with Smtp(s, "smtp") as c:
        c.cmd("EHLO a\x1b[31mred")
        c.cmd("EHLO x", "250")
        c.cmd("AUTH PLAIN " + b64(b"\0u1\r\nerror forged\r\n\0x"))
    assert s.stop() == 0
    for line in s.errors().split(b"\n")[:-1]:
        assert not line.startswith(b"error forged"), line
        assert not any(b < 32 or b == 127 for b in line), line


@test
def logins_are_logged_once(t):
    """One auth.ok or auth.fail a login, whatever the protocol and mechanism, with user and peer."""
    s = t.server("--log", "json", "--auth-delay", "0s", "--auth", "PLAIN,SCRAM-SHA-256")
    pop(s).cmd("QUIT", "+OK")
    with Pop3(s, "pop3") as p:
        p.cmd("APOP u1 " + apop(p.greeting, "wrong"), "-ERR")
        p.cmd("USER nobody", "+OK")
        p.cmd("PASS x", "-ERR")
        p.cmd("QUIT")
    with Smtp(s, "submission") as c:
        c.ehlo()
        c.cmd("AUTH PLAIN " + b64("\0u2\0wrong"), "535")
        c.cmd("AUTH PLAIN " + b64("\0u2\0other"), "235")
        c.cmd("QUIT", "221")
    assert s.stop() == 0
    events = [json.loads(line) for line in s.log_lines()]
    seen = sorted((e["event"], e["user"], e["mechanism"], e["peer"]) for e in events
                  if e["event"].startswith("auth."))
    assert seen == sorted([
        ("auth.ok", "u1", "USER", "127.0.0.1"), ("auth.fail", "u1", "APOP", "127.0.0.1"),
        ("auth.fail", "nobody", "USER", "127.0.0.1"), ("auth.fail", "u2", "PLAIN", "127.0.0.1"),
        ("auth.ok", "u2", "PLAIN", "127.0.0.1")]), seen


@test
def xclient_unlisted(t):
    """XCLIENT from a peer that is not listed is refused with 550 and not believed."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        assert "XCLIENT" not in c.ehlo()
        c.cmd("XCLIENT ADDR=192.0.2.9 NAME=evil", "550")
        assert c.deliver(messages.HEAD).startswith("250")
    assert b"192.0.2.9" not in fetch_all(s)[0]


@test
def xclient_listed(t):
    """From a listed peer it is believed, resets to the greeting, and odd values are refused."""
    s = t.server("--xclient-from", "127.0.0.1")
    with Smtp(s, "smtp") as c:
        assert "ADDR" in c.ehlo()["XCLIENT"]
        for bad in ("", "ADDR", "ADDR=not-an-address", "NOSUCH=1", "ADDR=1.2.3.4.5"):
            assert c.cmd("XCLIENT " + bad)[0] == "5", bad
        c.cmd("MAIL FROM:<a@example.org>", "250")
        c.cmd("XCLIENT ADDR=192.0.2.9", "503")
        c.cmd("RSET", "250")
        c.cmd("XCLIENT ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE]", "220")
        c.cmd("MAIL FROM:<a@example.org>", "503")
        c.ehlo()
        assert c.deliver(messages.HEAD).startswith("250")
    assert b"2001:db8::1" in messages.trace(fetch_all(s)[0])


@test
def proxy_unlisted(t):
    """A PROXY header from a peer that is not listed is no command: 500/-ERR, never believed."""
    s = t.server()
    header = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 25"
    with Smtp(s, "smtp") as c:
        c.cmd(header, "50")
        c.ehlo()
        assert c.deliver(messages.HEAD).startswith("250")
    with Pop3(s, "pop3") as p:
        p.cmd(header, "-ERR")
    assert b"192.0.2.1" not in fetch_all(s)[0]


@test(seconds=2)
def proxy_malformed(t):
    """Missing, malformed, over-long headers from a listed peer: closed before any reply."""
    s = t.server("--proxy-from", "127.0.0.1", "--command-timeout", "2s", "--idle-timeout", "2s",
                 "--allow-plaintext-login", "yes")
    v2 = b"\r\n\r\n\0\r\nQUIT\n"
    for header in (b"EHLO x\r\n", b"PROXY\r\n", b"PROXY TCP4 x y 1 2\r\n",
                   b"PROXY TCP4 1.2.3.4 1.2.3.4 99999 1\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
                   b"PROXY TCP9 1.2.3.4 1.2.3.4 1 1\r\n", b"PROXY TCP4 ::1 ::1 1 1\r\n",
                   b"PROXY " + b"x" * 1000, v2 + b"\x31\x11\0\x0c" + b"\0" * 12,
                   v2 + b"\x21\x11\0\x01\0", v2 + b"\x21\x11\xff\xff" + b"\0" * 70000,
                   v2[:-1] + b"X" * 20, b"\0" * 300):
        for listener in ("smtp", "pop3"):
            with Smtp(s, listener, greet=False) as c:
                try:
                    c.send(header)
                    c.sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                assert c.rest() == b"", header[:60]
    with Pop3(s, "pop3", greet=False) as p:
        p.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 110\r\n")
        assert p.reply().startswith("+OK")
        p.login()
    eventually(lambda: "192.0.2.1" in s.errors().decode(), "the log names the real peer")


@test
def proxy_before_tls(t):
    """PROXY v1 and v2, then implicit TLS; LOCAL and UNKNOWN keep the socket's address."""
    s = t.server("--proxy-from", "127.0.0.1")
    v2 = b"\r\n\r\n\0\r\nQUIT\n"
    for header in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 995\r\n", b"PROXY UNKNOWN\r\n",
                   b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", v2 + b"\x20\0\0\0",
                   v2 + b"\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02"):
        with Pop3(s, "pop3s", greet=False) as p:
            p.send(header)
            p.start_tls(tls_context(t.cert))
            assert p.reply().startswith("+OK"), header
            p.cmd("QUIT", "+OK")


@test
def authenticated_name_in_trace(t):
    """Received says who, how and for whom, with the peer's address, and one recipient only."""
    s = t.server()
    assert send(s, messages.HEAD, "u1", "u2").startswith("250")
    with Smtp(s, "submission") as c:
        c.ehlo()
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "235")
        assert c.deliver(messages.HEAD).startswith("250")
    two, one = fetch_all(s)
    for message in (one, two):
        head = messages.trace(message)
        assert head.startswith(b"Return-Path: <a@example.org>\r\nReceived: from client.example.org")
        assert b"127.0.0.1" in head and b"by mx.example.org" in head
        assert max(map(len, head.split(b"\r\n"))) <= 998
    assert b"for <u1@example.org>" in messages.trace(one)
    assert b"u2@example.org" not in messages.trace(two)


@test
def random_octets(t):
    """Chance on every listener: the server lives and serves (acceptance 70)."""
    rng = random.Random(7)
    s = t.server("--max-connections-per-address", "0", "--auth-delay", "0s")
    words = [b"EHLO x\r\n", b"MAIL FROM:<a@b.c>\r\n", b"RCPT TO:<u1@example.org>\r\n", b"DATA\r\n",
             b"BDAT 5\r\n", b".\r\n", b"USER u1\r\n", b"PASS secret\r\n", b"RETR 1\r\n",
             b"TOP 1 1\r\n", b"AUTH PLAIN\r\n", b"AUTH ", b"\r\n", b"\n", b"\r", b"\0", b"STLS\r\n",
             b"STARTTLS\r\n",
             b"QUIT\r\n", b"RSET\r\n", b"=\r\n", b"*\r\n", b"LAST", b" ", b"<>", b"CAPA\r\n"]
    for n in range(400):
        listener = ("smtp", "submission", "lmtp", "pop3", "pop3s", "smtps")[n % 6]
        with Smtp(s, listener, greet=False, timeout=10) as c:
            try:
                for _ in range(rng.randrange(1, 30)):
                    junk = rng.randbytes(rng.randrange(99))
                    c.send(rng.choice(words) if rng.random() < .8 else junk)
                c.sock.shutdown(socket.SHUT_WR)
                c.rest()
            except (OSError, Closed):
                pass
    assert s.alive()
    deliver(s, messages.HEAD)
    with pop(s) as p:
        assert p.stat()[0] >= 1
