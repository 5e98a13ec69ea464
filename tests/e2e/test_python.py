"""Python's poplib, smtplib and smtplib.LMTP."""
import poplib
import smtplib

from lib import messages
from lib.runner import test
from lib.wire import deliver, fetch_all, tls_context

poplib._MAXLINE = 1 << 20
TO = "u1@example.org"


def smtp(server, listener="smtp", **settings):
    return smtplib.SMTP("127.0.0.1", server.port(listener), local_hostname="client.example.org",
                        timeout=30, **settings)


def pop3(server, user="u1", password="secret"):
    p = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=30)
    p.user(user)
    p.pass_(password)
    return p


def fails(call, *arguments, error=poplib.error_proto):
    try:
        call(*arguments)
    except error as e:
        return str(e)
    raise AssertionError(f"{call.__name__}{arguments} did not fail")


@test(seconds=3)
def corpus_smtplib_to_poplib(t):
    """The corpus and the nasty messages, sent by smtplib, read by poplib."""
    s = t.server()
    sent = {**messages.corpus(), **messages.nasty()}
    del sent["empty"]  # smtplib sends CRLF for an empty message
    with smtp(s) as client:
        for message in sent.values():
            client.sendmail("a@example.org", [TO], message, mail_options=["BODY=8BITMIME"])
    p = pop3(s)
    assert len(p.list()[1]) == len(sent)
    for number, (name, message) in enumerate(sent.items(), 1):
        _, lines, octets = p.retr(number)
        got = b"".join(line + b"\r\n" for line in lines)
        messages.check(got, message, name)
    p.quit()


@test
def poplib_walk(t):
    """Every call of poplib (acceptance 4, 11, 13, 14, 27)."""
    s = t.server()
    for n in range(3):
        deliver(s, messages.HEAD + b"line %d\r\n.dot\r\nlast\r\n" % n)
    p = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=30)
    assert {"TOP", "UIDL", "PIPELINING", "STLS", "RESP-CODES"} <= set(p.capa())
    p.utf8()
    p.user("u1")
    p.pass_("secret")
    fails(p.utf8)
    count, size = p.stat()
    listed = [tuple(map(int, line.split())) for line in p.list()[1]]
    assert count == 3 and size == sum(octets for _, octets in listed)
    uids = [line.split()[1] for line in p.uidl()[1]]
    assert len(set(uids)) == 3
    assert p.uidl(2).split()[2] == uids[1]
    assert p.list(2).split()[1:3] == [b"2", str(listed[1][1]).encode()]
    assert p.retr(1)[1][-3:] == [b"line 0", b".dot", b"last"]
    head = p.top(1, 0)[1]
    assert head[-1] == b"" and b"Subject: nasty" in head
    assert p.top(1, 2)[1] == head + [b"line 0", b".dot"]
    assert p.top(1, 9999)[1] == p.retr(1)[1]
    p.dele(2)
    for call in (p.retr, p.list, p.dele, p.uidl):
        fails(call, 2)
    fails(p.top, 2, 0)
    assert p.stat() == (2, size - listed[1][1])
    assert [line.split()[0] for line in p.list()[1]] == [b"1", b"3"]
    assert [line.split()[1] for line in p.uidl()[1]] == [uids[0], uids[2]]
    assert b"3" in p.rset() and p.stat() == (3, size)
    assert p.noop().startswith(b"+OK")
    p.dele(2)
    p.quit()
    p = pop3(s)
    assert [line.split() for line in p.uidl()[1]] == [[b"1", uids[0]], [b"2", uids[2]]]
    p.quit()


@test
def poplib_apop(t):
    """The right and the wrong secret (acceptance 5)."""
    s = t.server("--auth-delay", "0s")
    p = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=30)
    assert "[AUTH]" in fails(p.apop, "u1", "wrong")
    p.quit()
    p = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=30)
    p.apop("u1", "secret")
    assert p.stat() == (0, 0)
    p.quit()


@test
def poplib_wrong_password(t):
    s = t.server("--auth-delay", "0s")
    p = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=30)
    p.user("u1")
    assert "[AUTH]" in fails(p.pass_, "wrong")
    p.user("u1")
    p.pass_("secret")
    p.quit()


@test
def poplib_tls(t):
    """STLS and POP3S, certificate checked; CAPA again (acceptance 23)."""
    s = t.server()
    deliver(s, messages.HEAD)
    context = tls_context(t.cert)
    p = poplib.POP3("localhost", s.port("pop3"), timeout=30)
    p.stls(context)
    assert "STLS" not in p.capa()
    p.user("u1")
    p.pass_("secret")
    assert p.stat()[0] == 1
    p.quit()
    p = poplib.POP3_SSL("localhost", s.port("pop3s"), timeout=30, context=context)
    assert "STLS" not in p.capa()
    p.user("u1")
    p.pass_("secret")
    messages.check(b"".join(x + b"\r\n" for x in p.retr(1)[1]), messages.HEAD)
    p.quit()


@test
def smtplib_login(t):
    """AUTH with each mechanism smtplib has, plain on loopback and under STARTTLS; a refusal."""
    s = t.server("--auth", "PLAIN,LOGIN,CRAM-MD5", "--auth-delay", "0s")
    for mechanism in ("auth_plain", "auth_login", "auth_cram_md5"):
        with smtp(s, "submission") as c:
            c.starttls(context=tls_context(t.cert)) if mechanism == "auth_plain" else None
            c.ehlo()
            c.user, c.password = "u1", "secret"
            name = mechanism[5:].upper().replace("_", "-")
            assert c.auth(name, getattr(c, mechanism))[0] == 235
            c.sendmail("u1@example.org", [TO], messages.HEAD + mechanism.encode())
        with smtp(s, "submission") as c:
            c.ehlo()
            c.user, c.password = "u1", "wrong"
            error = fails(c.auth, name, getattr(c, mechanism),
                          error=smtplib.SMTPAuthenticationError)
            assert "535" in error and "5.7.8" in error, error
    assert len(fetch_all(s)) == 3


@test
def smtplib_tls(t):
    """STARTTLS and SMTPS; EHLO after TLS lists no STARTTLS (acceptance 41)."""
    s = t.server()
    context = tls_context(t.cert)
    with smtplib.SMTP("localhost", s.port("smtp"), timeout=30) as c:
        c.ehlo()
        assert c.has_extn("starttls") and c.has_extn("chunking") and c.has_extn("size")
        c.starttls(context=context)
        c.ehlo()
        assert not c.has_extn("starttls")
        c.sendmail("a@example.org", [TO], messages.HEAD)
    with smtplib.SMTP_SSL("localhost", s.port("smtps"), timeout=30, context=context) as c:
        c.login("u1", "secret")
        assert not c.has_extn("starttls")
        c.sendmail("a@example.org", [TO], messages.HEAD)
    got = fetch_all(s)
    assert len(got) == 2
    assert b"with ESMTPS" in got[0] and b"with ESMTPSA" in got[1], got


@test
def smtplib_commands(t):
    """VRFY 252, EXPN 502, HELP 214, RSET 250, NOOP 250, HELO alone (acceptance 45)."""
    s = t.server()
    with smtp(s) as c:
        c.helo()
        assert c.verify("u1")[0] == c.verify("nobody-at-all")[0] == 252
        assert c.verify("u1")[1] == c.verify("nobody-at-all")[1]
        assert c.expn("list")[0] == 502
        assert c.docmd("HELP")[0] == 214
        assert c.rset()[0] == 250 and c.noop()[0] == 250
        assert c.docmd("DATA")[0] == 503
        assert c.mail("a@example.org")[0] == 250
        assert c.docmd("DATA")[0] in (503, 554)
        assert c.docmd("MAIL FROM:<b@example.org>")[0] == 503
        assert c.docmd("RCPT TO:<nobody-at-all@example.org>")[0] == 550
        assert c.docmd("RCPT TO:<u1@elsewhere.example>")[0] in (550, 551, 554)
        c.rset()
        c.sendmail("a@example.org", [TO], messages.HEAD)
    assert b"with SMTP" in fetch_all(s)[0]


@test
def lmtp_per_recipient(t):
    """smtplib.LMTP: one of two recipients is bad; both replies are told apart."""
    s = t.server()
    with smtplib.LMTP(s.endpoints["lmtp"]) as c:
        refused = c.sendmail("a@example.org", [TO, "nobody-at-all@example.org"], messages.HEAD)
        assert list(refused) == ["nobody-at-all@example.org"]
        assert c.docmd("HELO x")[0] >= 500 and c.docmd("EHLO x")[0] >= 500
    got = fetch_all(s)
    assert len(got) == 1 and b"with LMTP" in got[0]


@test
def submission_needs_login_and_repairs(t):
    """530 without AUTH; a missing Date and Message-ID are added, nothing else (RFC 6409)."""
    s = t.server()
    with smtp(s, "submission") as c:
        error = fails(c.sendmail, "u1@example.org", [TO], messages.HEAD,
                      error=smtplib.SMTPSenderRefused)
        assert "530" in error and "5.7.0" in error, error
        c.login("u1", "secret")
        c.sendmail("u1@example.org", [TO], messages.HEAD + b"x\r\n")
        whole = b"Date: Sat, 21 Nov 2026 02:00:00 +0000\r\nMessage-ID: <1@x>\r\n" + messages.HEAD
        c.sendmail("u1@example.org", [TO], whole)
    repaired, untouched = fetch_all(s)
    messages.check(untouched, whole)
    assert repaired.count(b"\r\nDate: ") == 1 and repaired.count(b"\r\nMessage-ID: <") == 1
    assert repaired.endswith(b"\r\n\r\nx\r\n")


@test(seconds=4)
def ten_megabytes(t):
    """10 MB of 8-bit and dots through both libraries (acceptance 44)."""
    s = t.server()
    message = messages.ten_megabytes() + b".\r\n..\r\n\xff\r\n"
    with smtp(s) as c:
        c.sendmail("a@example.org", [TO], message)
    p = pop3(s)
    messages.check(b"".join(x + b"\r\n" for x in p.retr(1)[1]), message)
    p.quit()
