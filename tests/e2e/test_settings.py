"""Each option of `serve` does what its help says: those that no other file is about."""
import signal
import time

from lib import messages
from lib.runner import test
from lib.server import eventually
from lib.wire import (Closed, Pop3, Smtp, apop, b64, deliver, fetch_all, pop, send, stuff,
                      tls_context)


@test(seconds=3)
def login_delay(t):
    """--login-delay: announced; too early is -ERR [LOGIN-DELAY], later +OK (RFC 2449 6.5)."""
    s = t.server("--login-delay", "2s")
    with pop(s) as p:
        assert b"LOGIN-DELAY 2" in p.multi("CAPA")
        p.cmd("QUIT", "+OK")
    with Pop3(s, "pop3") as p:
        p.cmd("USER u1", "+OK")
        p.cmd("PASS secret", "-ERR [LOGIN-DELAY]")
        p.cmd("USER u2", "+OK")
        p.cmd("PASS other", "+OK")

    def again():
        with Pop3(s, "pop3") as p:
            p.cmd("USER u1", "+OK")
            return p.cmd("PASS secret").startswith("+OK")
    eventually(again, "the delay is over", 6)


@test
def login_delay_counts_right_passwords(t):
    """A wrong password neither starts the delay nor hears of it."""
    s = t.server("--login-delay", "1h", "--auth-delay", "0s")
    with Pop3(s, "pop3") as p:
        p.cmd("USER u1", "+OK")
        p.cmd("PASS wrong", "-ERR [AUTH]")
        p.login().cmd("QUIT", "+OK")
    with Pop3(s, "pop3") as p:
        p.cmd("USER u1", "+OK")
        p.cmd("PASS wrong", "-ERR [AUTH]")


@test
def expire(t):
    """--expire: EXPIRE in CAPA, in both states (RFC 2449 6.7)."""
    for value, want in (("never", b"EXPIRE NEVER"), ("30", b"EXPIRE 30"), ("0", b"EXPIRE 0")):
        s = t.server("--expire", value, name="e" + value)
        with Pop3(s, "pop3") as p:
            assert want in p.multi("CAPA"), value
            assert want in p.login().multi("CAPA"), value


@test
def language(t):
    """--language nl: the greeting is Dutch, LANG en changes it, a wrong one keeps it."""
    s = t.server("--language", "nl")
    e = t.server(name="english")
    with Pop3(s, "pop3") as p, Pop3(e, "pop3") as q:
        assert p.cmd("USER u1") != q.cmd("USER u1")
        dutch = p.cmd("LIST")
        p.cmd("LANG xx", "-ERR")
        assert p.cmd("LIST") == dutch
        p.cmd("LANG en", "+OK")
        assert p.cmd("LIST") == q.cmd("LIST") != dutch
        assert {x.split()[0] for x in p.multi("LANG")} >= {b"en", b"nl"}


@test
def implementation(t):
    """--implementation: in CAPA; without it, ours (RFC 2449 6.9)."""
    for options, want in ((("--implementation", "Mailbox 7"), b"IMPLEMENTATION Mailbox 7"),
                          ((), b"IMPLEMENTATION Lettermill ")):
        with Pop3(t.server(*options, name="i" + str(len(options))), "pop3") as p:
            assert any(line.startswith(want) for line in p.multi("CAPA")), want


@test
def hide(t):
    """--hide: what is hidden is neither announced nor done; without it, it is."""
    for options, there in ((("--hide", "STLS,top,lang"), False), ((), True)):
        with Pop3(t.server(*options, name="h" + str(len(options))), "pop3") as p:
            lines = p.multi("CAPA")
            for word in (b"STLS", b"TOP", b"LANG"):
                assert (word in lines) == there, (word, lines)
            assert b"UIDL" in lines
            p.cmd("LANG nl", "+OK" if there else "-ERR")
            p.cmd("LANG en", "+OK" if there else "-ERR invalid command.")
            p.cmd("STLS", "+OK" if there else "-ERR invalid command.")


@test
def require_tls(t):
    """--require-tls: no mail and no login in the clear on loopback; under TLS both."""
    s = t.server("--require-tls", "yes")
    with Smtp(s, "smtp") as c:
        assert "AUTH" not in c.ehlo()
        c.cmd("MAIL FROM:<a@example.org>", "530 5.7.0")
        c.secure(tls_context(t.cert))
        c.ehlo()
        assert c.deliver(messages.HEAD).startswith("250")
    with Smtp(s, "submission") as c:
        assert "AUTH" not in c.ehlo()
        assert c.cmd("AUTH PLAIN " + b64("\0u1\0secret"))[:3] in ("530", "538")
        c.secure(tls_context(t.cert))
        c.ehlo()
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "235")
    with Pop3(s, "pop3") as p:
        capabilities = p.multi("CAPA")
        assert b"USER" not in capabilities and not any(x.startswith(b"SASL") for x in capabilities)
        p.cmd("USER u1", "-ERR")
        p.cmd("PASS secret", "-ERR")
        p.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "-ERR")
        p.secure(tls_context(t.cert))
        assert p.login().stat()[0] == 1


@test
def catch_all(t):
    """--catch-all: mail for anyone at all is in one maildrop; postmaster, too; users get none."""
    s = t.server("--catch-all", "u1")
    assert send(s, messages.HEAD, "someone@anywhere.example", "u2").startswith("250")
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<>", "250")
        c.cmd("RCPT TO:<Postmaster>", "250")
        c.cmd("DATA", "354")
        c.send(stuff(messages.HEAD))
        assert c.reply().startswith("250")
    assert len(fetch_all(s)) == 2
    assert fetch_all(s, "u2", "other") == []


@test
def postmaster(t):
    """--postmaster: mail for postmaster, in any case, plain or at our domain, is in that maildrop; an
    account of the name comes first; other names and other domains are refused as ever."""
    s = t.server("--domain", "example.org", "--postmaster", "u1", users={"u1": "secret"})
    for address in ("Postmaster", "POSTMASTER@example.org"):
        assert send(s, messages.HEAD, address).startswith("250")
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<>", "250")
        c.cmd("RCPT TO:<postmaster@example.com>", "550 5.7.1")
        c.cmd("RCPT TO:<postmasters@example.org>", "550 5.1.1")
    assert len(fetch_all(s)) == 2
    own = t.server("--domain", "example.org", "--postmaster", "u1", name="own",
                   users={"u1": "secret", "postmaster": "other"})
    assert send(own, messages.HEAD, "postmaster@example.org").startswith("250")
    assert len(fetch_all(own, "postmaster", "other")) == 1
    assert fetch_all(own) == []
    none = t.server("--domain", "example.org", name="none", users={"u1": "secret"})
    with Smtp(none, "smtp") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<>", "250")
        c.cmd("RCPT TO:<postmaster>", "550 5.1.1")


@test
def max_errors(t):
    """--max-errors 3: the third bad command is the last; good ones in between do not count."""
    s = t.server("--max-errors", "3")
    with Smtp(s, "smtp") as c:
        for _ in range(2):
            c.cmd("BAD", "5")
            c.cmd("NOOP", "250")
        assert c.cmd("BAD").startswith("421 4.")
        assert c.at_end()
    with Pop3(s, "pop3") as p:
        for _ in range(3):
            p.cmd("BAD", "-ERR")
        assert p.at_end()


@test
def what_smtp_shows(t):
    """--banner, --hide, --unannounced, --unknown-parameters, --xforward-from: said and done on the wire."""
    s = t.server("--banner", "at your service", "--hide", "VRFY,DSN", "--unannounced", "SIZE",
                 "--unknown-parameters", "accept", "--xforward-from", "127.0.0.1")
    with Smtp(s, "smtp") as c:
        assert c.greeting.endswith(" ESMTP at your service"), c.greeting
        offer = c.ehlo()
        assert "DSN" not in offer and "SIZE" not in offer and "NAME" in offer["XFORWARD"], offer
        c.cmd("VRFY u1", "500 5.5.1")
        c.cmd("MAIL FROM:<a@x> RET=HDRS", "250")  # nobody knows it, which is accepted
        c.cmd("RSET", "250")
        c.cmd("MAIL FROM:<a@x> SIZE=99999999", "552")
        c.cmd("XFORWARD NAME=a.example", "250")


@test
def what_smtp_does_not_show(t):
    """Without those options: no XFORWARD, and 555 to parameters that nobody knows."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        assert "XFORWARD" not in c.ehlo()
        c.cmd("MAIL FROM:<a@x> X-OWN=1", "555")
        c.cmd("XFORWARD NAME=a.example", "550")


@test
def max_unauthenticated_commands(t):
    """--max-unauthenticated-commands 3: EHLO, NOOP and then 421; whoever logs in goes on."""
    s = t.server("--max-unauthenticated-commands", "3")
    with Smtp(s, "submission") as c:
        c.ehlo()
        c.cmd("NOOP", "250")
        assert c.cmd("NOOP").startswith("421 4.7.0")
        assert c.at_end()
    with Smtp(s, "submission") as c:
        c.ehlo()
        c.cmd("AUTH PLAIN AHUxAHNlY3JldA==", "235")
        for _ in range(5):
            c.cmd("NOOP", "250")


@test(seconds=3)
def idle_timeout(t):
    """--idle-timeout 1s: SMTP says 421 4.4.2, POP3 a last word or nothing; not before a second."""
    s = t.server("--idle-timeout", "1s")
    for kind, listener in ((Smtp, "smtp"), (Pop3, "pop3")):
        with kind(s, listener) as c:
            began = time.monotonic()
            word = c.rest()
            assert 0.9 < time.monotonic() - began < 5 * t.patience
            assert word.startswith(b"421 4.") if kind is Smtp else word[:4] in (b"", b"-ERR"), word


@test(seconds=4)
def command_timeout(t):
    """--command-timeout 1s: a line that grows an octet at a time is cut though never idle."""
    s = t.server("--command-timeout", "1s")
    for kind, listener in ((Smtp, "smtp"), (Pop3, "pop3")):
        with kind(s, listener) as c:
            began = time.monotonic()
            try:
                while time.monotonic() - began < 10 * t.patience:
                    c.send(b"N")
                    time.sleep(0.1)
                raise AssertionError("the line was awaited for ever")
            except (OSError, Closed):
                pass
            assert time.monotonic() - began < 5 * t.patience


@test
def max_auth_failures(t):
    """--max-auth-failures 2: the second wrong password is the last."""
    s = t.server("--max-auth-failures", "2", "--auth-delay", "0s")
    with Smtp(s, "submission") as c:
        c.ehlo()
        c.cmd("AUTH PLAIN " + b64("\0u1\0wrong"), "535 5.7.8")
        assert c.cmd("AUTH PLAIN " + b64("\0u1\0wrong"))[:3] in ("421", "535")
        assert c.at_end()
    with Pop3(s, "pop3") as p:
        for _ in range(2):
            p.cmd("USER u1", "+OK")
            p.cmd("PASS wrong", "-ERR [AUTH]")
        assert p.at_end()


@test
def auth_list(t):
    """--auth CRAM-MD5: that and nothing else is announced, works, and others are 504."""
    s = t.server("--auth", "CRAM-MD5")
    with Smtp(s, "submission") as c:
        assert c.ehlo()["AUTH"] == "CRAM-MD5"
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "504 5.5.4")
    with Pop3(s, "pop3") as p:
        assert b"SASL CRAM-MD5" in p.multi("CAPA")
        p.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "-ERR")
    s = t.server("--auth", "none", name="none")
    with Smtp(s, "smtp") as c:
        assert "AUTH" not in c.ehlo()
        assert c.cmd("AUTH PLAIN")[:3] in ("502", "503", "504")
    with Pop3(s, "pop3") as p:
        assert not any(x.startswith(b"SASL") for x in p.multi("CAPA"))
        p.cmd("AUTH PLAIN", "-ERR")
        p.login()


@test
def apop_needs_kept_secrets(t):
    """A stamp in the greeting only where a secret is kept; letters, digits, dots, hyphens, one @."""
    import re
    s = t.server()
    with Pop3(s, "pop3") as p:
        stamp = re.search(r"<([A-Za-z0-9.-]+)@([A-Za-z0-9.-]+)>", p.greeting)
        assert stamp, p.greeting
        with Pop3(s, "pop3") as q:
            assert q.greeting != p.greeting
        p.cmd("APOP u1 " + apop(p.greeting, "secret"), "+OK")


@test
def bare_newlines_keep(t):
    """--bare-newlines keep: octet for octet back; the message is one."""
    s = t.server("--bare-newlines", "keep")
    body = messages.HEAD + b"bare\nlf, bare\rcr\r\n"
    assert send(s, body).startswith("250")
    got = fetch_all(s)
    assert len(got) == 1
    messages.check(got[0], body)
    s = t.server(name="refuse")
    assert send(s, body).startswith("550 5.6.11")
    assert fetch_all(s) == []


@test
def hostname(t):
    """--hostname: in greetings, EHLO, Received and the APOP stamp."""
    s = t.server(hostname="mail.test.example")
    with Smtp(s, "smtp") as c:
        assert "mail.test.example" in c.greeting
        assert "mail.test.example" in c.cmd("EHLO x")
        assert c.deliver(messages.HEAD).startswith("250")
    with Pop3(s, "pop3") as p:
        assert "@mail.test.example>" in p.greeting
    assert b"by mail.test.example" in fetch_all(s)[0]


@test(seconds=2)
def reload(t):
    """SIGHUP: what may change does for new sessions; what may not is refused with a line of log."""
    config = t.write("conf", "max-message-size = 10000\nworkers = 2\n")
    s = t.server("--config", config)
    with Smtp(s, "smtp") as old:
        assert old.ehlo()["SIZE"] == "10000"
        t.write("conf", "max-message-size = 20000\nworkers = 2\n")
        s.signal(signal.SIGHUP)

        def new():
            with Smtp(s, "smtp") as c:
                return c.ehlo()["SIZE"] == "20000"
        eventually(new, "the new limit holds")
        assert old.ehlo()["SIZE"] == "10000"
        t.write("conf", "max-message-size = 30000\nworkers = 3\n")
        before = len(s.log_lines())
        s.signal(signal.SIGHUP)
        eventually(lambda: any("workers" in x for x in s.log_lines()[before:]), "it is refused")
        with Smtp(s, "smtp") as c:
            assert c.ehlo()["SIZE"] in ("20000", "30000")
