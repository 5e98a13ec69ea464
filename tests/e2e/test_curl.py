"""curl: POP3 and SMTP, plain, upgraded and implicit TLS, every mechanism of Debian's build."""
import os

from lib import messages, tools
from lib.runner import test
from lib.wire import deliver, fetch_all

TO = ("--mail-from", "a@example.org", "--mail-rcpt", "u1@example.org")


def curl(t, url, *arguments, stdin=b"", code=0):
    return tools.run(tools.need("curl"), "-sS", "--max-time", 60 * t.patience,
                     "--cacert", t.cert.ca, url, *arguments, stdin=stdin, code=code)


def pop3_url(s, path="", listener="pop3"):
    return f"{listener}://localhost:{s.port(listener)}/{path}"


def smtp_url(s, listener="smtp", scheme="smtp"):
    return f"{scheme}://localhost:{s.port(listener)}/client.example.org"


def send(t, s, message, *arguments, listener="smtp", scheme="smtp", code=0):
    return curl(t, smtp_url(s, listener, scheme), *TO, "-T", "-", *arguments, stdin=message,
                code=code)


@test(seconds=8)
def corpus_both_ways(t):
    """The corpus and the nasty messages: sent and read by curl, identical but for the trace."""
    s = t.server()
    sent = {**messages.corpus(), **messages.nasty()}
    del sent["empty"]  # curl sends CRLF for an empty file
    for name, message in sent.items():
        t.write("message", message)
        curl(t, smtp_url(s), *TO, "-T", t.path("message"))
    for number, (name, message) in enumerate(sent.items(), 1):
        got = curl(t, pop3_url(s, number), "-u", "u1:secret").out
        messages.check(got, message, name)


@test
def list_uidl_top(t):
    """LIST as curl shows it, other commands by -X (acceptance 1)."""
    s = t.server()
    for n in range(3):
        deliver(s, messages.HEAD + b"1\r\n2\r\n3\r\n" * n)
    listed = curl(t, pop3_url(s), "-u", "u1:secret").out
    assert [line.split()[0] for line in listed.splitlines()] == [b"1", b"2", b"3"], listed
    uidl = curl(t, pop3_url(s), "-u", "u1:secret", "-X", "UIDL").out
    assert len(set(uidl.split()[1::2])) == 3
    top = curl(t, pop3_url(s), "-u", "u1:secret", "-X", "TOP 2 1").out
    assert top.endswith(b"\r\n\r\n1\r\n"), top
    curl(t, pop3_url(s, 1), "-u", "u1:secret", "-X", "DELE", "-l", code=None)
    assert len(fetch_all(s)) == 2


@test(seconds=3)
def pop3_mechanisms(t):
    """USER, APOP, PLAIN, LOGIN, CRAM-MD5: right and wrong password, plain and STLS and POP3S."""
    s = t.server("--auth", "PLAIN,LOGIN,CRAM-MD5,SCRAM-SHA-256", "--auth-delay", "0s")
    deliver(s, messages.HEAD)
    for option in (None, "AUTH=*", "AUTH=+APOP", "AUTH=PLAIN", "AUTH=LOGIN", "AUTH=CRAM-MD5"):
        login = ("--login-options", option) if option else ()
        for url, more in ((pop3_url(s, 1), ()), (pop3_url(s, 1), ("--ssl-reqd",)),
                          (pop3_url(s, 1, "pop3s"), ())):
            got = curl(t, url, "-u", "u1:secret", *login, *more).out
            messages.check(got, messages.HEAD, option or "default")
        curl(t, pop3_url(s, 1), "-u", "u1:wrong", *login, code=67)


@test(seconds=3)
def smtp_mechanisms(t):
    """PLAIN, LOGIN, CRAM-MD5 on submission with STARTTLS and on SMTPS; a wrong password."""
    s = t.server("--auth", "PLAIN,LOGIN,CRAM-MD5", "--auth-delay", "0s")
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        login = ("--login-options", "AUTH=" + mechanism)
        send(t, s, messages.HEAD, "-u", "u1:secret", "--ssl-reqd", *login, listener="submission")
        send(t, s, messages.HEAD, "-u", "u1:secret", *login, listener="smtps", scheme="smtps")
        send(t, s, messages.HEAD, "-u", "u1:secret", *login)
        send(t, s, messages.HEAD, "-u", "u1:wrong", *login, listener="submission", code=67)
    got = fetch_all(s)
    assert len(got) == 9
    assert sum(b"with ESMTPSA" in m for m in got) == 6, got
    assert sum(b"with ESMTPA" in m for m in got) == 3


@test
def sasl_initial_response(t):
    """--sasl-ir sends the first response with AUTH."""
    s = t.server()
    deliver(s, messages.HEAD)
    for option in ("AUTH=PLAIN", "AUTH=LOGIN"):
        curl(t, pop3_url(s, 1), "-u", "u1:secret", "--login-options", option, "--sasl-ir")
        send(t, s, messages.HEAD, "-u", "u1:secret", "--login-options", option, "--sasl-ir",
             listener="submission")


@test
def external(t):
    """A client certificate signed by --client-ca logs in; another authority's, or none, not."""
    s = t.server("--client-ca", t.cert.ca, "--auth-delay", "0s")
    deliver(s, messages.HEAD)
    pem, key = t.cert.pair("u1")
    mine = ("--cert", pem, "--key", key, "--login-options", "AUTH=EXTERNAL")
    got = curl(t, pop3_url(s, 1), "-u", "u1:", "--ssl-reqd", *mine).out
    messages.check(got, messages.HEAD)
    curl(t, pop3_url(s, 1, "pop3s"), "-u", "u1:", *mine)
    send(t, s, messages.HEAD, "-u", "u1:", *mine, listener="smtps", scheme="smtps")
    curl(t, pop3_url(s, 1, "pop3s"), "-u", "u2:", *mine, code=67)
    curl(t, pop3_url(s, 1, "pop3s"), "-u", "u1:", "--login-options", "AUTH=EXTERNAL", code=67)
    pem, key = t.cert.pair("stranger")
    bad = curl(t, pop3_url(s, 1, "pop3s"), "-u", "u1:", "--cert", pem, "--key", key,
               "--login-options", "AUTH=EXTERNAL", code=None)
    assert bad.code != 0 and bad.out == b"", bad


@test
def oauth_refused_cleanly(t):
    """OAUTHBEARER and XOAUTH2 without a token check: refused, and the session ends well."""
    s = t.server("--auth-delay", "0s")
    for name in ("OAUTHBEARER", "XOAUTH2"):
        options = ("--oauth2-bearer", "token", "--login-options", "AUTH=" + name)
        bad = curl(t, pop3_url(s, listener="pop3s"), "-u", "u1:", *options, code=None)
        assert bad.code == 67, bad
        bad = send(t, s, messages.HEAD, "-u", "u1:", *options, listener="smtps", scheme="smtps",
                   code=None)
        assert bad.code == 67, bad
    assert fetch_all(s) == []


@test
def certificate_is_checked(t):
    """The self-made certificate is not trusted by itself; --insecure is the caller's choice."""
    s = t.server("--data-dir", t.path("data"), cert=None)
    bad = curl(t, pop3_url(s, listener="pop3s"), "-u", "u1:secret", code=None)
    assert bad.code == 60, bad
    curl(t, pop3_url(s, listener="pop3s"), "-u", "u1:secret", "-k")
    made = [os.path.join(t.path("data"), name) for name in ("cert.pem", "key.pem")]
    assert os.stat(made[1]).st_mode & 0o777 == 0o600
    tools.run("curl", "-sS", "--cacert", made[0], pop3_url(s, listener="pop3s"), "-u", "u1:secret")


@test
def smtp_errors(t):
    """Unknown recipient 55, message over the limit, VRFY and HELP by -X."""
    s = t.server("--max-message-size", "1000")
    bad = curl(t, smtp_url(s), "--mail-from", "a@example.org", "--mail-rcpt", "no@example.org",
               "-T", "-", stdin=messages.HEAD, code=None)
    assert bad.code == 55, bad
    t.write("big", messages.HEAD + b"x" * 998 + b"\r\n")
    bad = curl(t, smtp_url(s), *TO, "-T", t.path("big"), code=None)
    assert bad.code == 55 and b"552" in bad.err, bad
    assert b"252" in curl(t, smtp_url(s), "--mail-rcpt", "u1@example.org", "-X", "VRFY").out
    assert b"214" in curl(t, smtp_url(s), "-X", "HELP").out
    assert fetch_all(s) == []


@test
def null_sender_and_many(t):
    """MAIL FROM:<>, two recipients, one message in each maildrop."""
    s = t.server()
    curl(t, smtp_url(s), "--mail-from", "", "--mail-rcpt", "u1@example.org", "--mail-rcpt",
         "u2@example.org", "-T", "-", stdin=messages.HEAD)
    one, two = fetch_all(s), fetch_all(s, "u2", "other")
    assert len(one) == len(two) == 1 and one[0].startswith(b"Return-Path: <>\r\n")


@test
def no_tls_where_none_is(t):
    """--ssl-reqd against a server that requires TLS works, without it login is refused."""
    s = t.server("--require-tls", "yes", "--auth-delay", "0s")
    bad = curl(t, pop3_url(s), "-u", "u1:secret", code=None)
    assert bad.code == 67, bad
    curl(t, pop3_url(s), "-u", "u1:secret", "--ssl-reqd")
    bad = send(t, s, messages.HEAD, code=None)
    assert bad.code == 55 and b"530" in bad.err, bad
    send(t, s, messages.HEAD, "--ssl-reqd")
