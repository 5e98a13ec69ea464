"""msmtp sends, mpop fetches: pipelining, TLS, SCRAM, APOP, LMTP."""
import os

from lib import messages, tools
from lib.runner import test
from lib.wire import deliver, fetch_all


def lf(data):
    return messages.crlf(data).replace(b"\r\n", b"\n")


def mpop(t, server, *lines, listener="pop3", password="secret", code=0):
    """Fetch into the maildir "box"; the messages there, in no order."""
    box = t.path("box")
    for name in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(box, name), exist_ok=True)
    rc = t.write("mpoprc", "\n".join((
        "account x", "host localhost", f"port {server.port(listener)}", "user u1",
        f"password {password}", f"delivery maildir {box}", f"uidls_file {t.path('uidls')}",
        "received_header off", f"tls_trust_file {t.cert.ca}", "timeout 60", *lines, "")))
    os.chmod(rc, 0o600)
    result = tools.run(tools.need("mpop"), "-C", rc, "-q", "x", code=code)
    found = []
    for name in os.listdir(os.path.join(box, "new")):
        with open(os.path.join(box, "new", name), "rb") as f:
            found.append(f.read())
    return (found, result) if code else found


def msmtp(t, server, message, *lines, listener="submission", to="u1@example.org", code=0):
    where = server.endpoints[listener]
    host = ("host localhost", f"port {server.port(listener)}") if listener != "lmtp" else (
        f"socket {where}", "host localhost", "port 24", "protocol lmtp")
    rc = t.write("msmtprc", "\n".join((
        "account x", *host, "from a@example.org", "set_from_header off", "set_date_header off",
        "set_msgid_header off", "remove_bcc_headers off", "domain client.example.org", "timeout 60",
        *lines, "")))
    os.chmod(rc, 0o600)
    return tools.run(tools.need("msmtp"), "-C", rc, "-a", "x", to, stdin=message, code=code)


@test(seconds=6)
def corpus_to_mpop(t):
    """The corpus by msmtp, back by mpop with pipelining; the second run fetches none
    (acceptance 16)."""
    s = t.server()
    sent = messages.corpus()
    for message in sent.values():
        msmtp(t, s, lf(message), "auth off", "tls off", listener="smtp")
    found = mpop(t, s, "tls off", "auth user", "pipelining on", "keep on")
    got = sorted(messages.without_trace(messages.crlf(m)) for m in found)
    assert len(got) == len(sent)
    for a, b in zip(got, sorted(sent.values())):
        messages.same(a, b)
    again = mpop(t, s, "tls off", "auth user", "pipelining on", "keep on")
    assert len(again) == len(sent)
    assert len(mpop(t, s, "tls off", "pipelining on", "keep off", "auth user")) == len(sent)


@test(seconds=3)
def pipelining_deletes(t):
    """500 messages with keep off: all fetched, all gone after QUIT."""
    s = t.server()
    tools.smtp_source(t, "-m", "500", "-s", "5", "-l", "2000", "-f", "a@example.org", "-t",
                      "u1@example.org", "inet:127.0.0.1:%d" % s.port("smtp"))
    found = mpop(t, s, "tls off", "auth user", "pipelining on", "keep off")
    assert len(found) == 500
    assert fetch_all(s) == []


@test(seconds=3)
def mpop_mechanisms(t):
    """user, apop, plain, login, cram-md5, scram-sha-1, scram-sha-256; plain, STLS, POP3S."""
    s = t.server("--auth", "PLAIN,LOGIN,CRAM-MD5,SCRAM-SHA-1,SCRAM-SHA-256,SCRAM-SHA-1-PLUS,"
                 "SCRAM-SHA-256-PLUS", "--auth-delay", "0s")
    count = 0
    for auth in ("user", "apop", "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256",
                 "on"):
        for listener, tls in (("pop3", ("tls off",)), ("pop3", ("tls on", "tls_starttls on")),
                              ("pop3s", ("tls on", "tls_starttls off"))):
            deliver(s, messages.HEAD)
            count += 1
            found = mpop(t, s, "auth " + auth, *tls, "keep off", listener=listener)
            assert len(found) == count, (auth, listener)
    for auth in ("user", "apop", "plain", "scram-sha-256"):
        _, bad = mpop(t, s, "auth " + auth, "tls off", password="wrong", code=77)
        assert bad.code == 77


@test(seconds=2)
def msmtp_mechanisms(t):
    """The same for submission, STARTTLS and SMTPS; wrong passwords are refused."""
    s = t.server("--auth", "PLAIN,LOGIN,CRAM-MD5,SCRAM-SHA-1,SCRAM-SHA-256,EXTERNAL",
                 "--auth-delay", "0s", "--client-ca", t.cert.ca)
    trust = f"tls_trust_file {t.cert.ca}"
    names = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "on")
    for name in names:
        login = ("auth " + name, "user u1", "password secret", trust)
        msmtp(t, s, b"Subject: x\n\nx\n", *login, "tls on", "tls_starttls on")
        msmtp(t, s, b"Subject: x\n\nx\n", *login, "tls on", "tls_starttls off", listener="smtps")
        if name.startswith("scram"):
            msmtp(t, s, b"Subject: x\n\nx\n", *login, "tls off")
        msmtp(t, s, b"Subject: x\n\nx\n", "auth " + name, "user u1", "password wrong", trust,
              "tls on", code=77)
    pem, key = t.cert.pair("u1")
    msmtp(t, s, b"Subject: x\n\nx\n", "auth external", "user u1", trust, "tls on",
          f"tls_cert_file {pem}", f"tls_key_file {key}")
    assert len(fetch_all(s)) == 2 * len(names) + 3


@test
def lmtp_by_msmtp(t):
    """LMTP over the Unix socket; an unknown recipient is refused."""
    s = t.server()
    msmtp(t, s, lf(messages.HEAD), "auth off", "tls off", listener="lmtp")
    messages.check(fetch_all(s)[0], messages.HEAD)
    msmtp(t, s, lf(messages.HEAD), "auth off", "tls off", listener="lmtp",
          to="nobody-at-all@example.org", code=65)


@test
def serverinfo(t):
    """Both clients' --serverinfo understand what is announced."""
    s = t.server()
    rc = t.write("rc", f"account x\nhost localhost\nport {s.port('smtp')}\ntls on\n"
                 f"tls_trust_file {t.cert.ca}\n")
    os.chmod(rc, 0o600)
    info = tools.run("msmtp", "-C", rc, "--serverinfo", "-a", "x").out
    assert b"PIPELINING" in info and b"DSN" in info and b"SIZE" in info, info
    rc = t.write("rc", f"account x\nhost localhost\nport {s.port('pop3')}\ntls on\nuser u1\n"
                 f"tls_trust_file {t.cert.ca}\ndelivery maildir {t.dir}\n")
    info = tools.run("mpop", "-C", rc, "--serverinfo", "x").out
    assert b"PIPELINING" in info and b"SCRAM-SHA-256" in info, info
