"""Our client commands against servers of others: Dovecot, Courier, popa3d, mailutils; Exim,
OpenSMTPD, aiosmtpd, Postfix's sink."""
import json
import os
import re

from lib import judges, messages, tools
from lib.runner import test
from lib.server import eventually

MAIL = [b"From: a@example.org\r\nTo: alice@example.org\r\nSubject: %d\r\n\r\n"
        b"line\r\n.\r\n..two\r\n.x\r\n\r\nend %d\r\n" % (n, n) for n in range(1, 6)]


def ours(t, *words, password=judges.PASSWORD, code=0, stdin=b"", seconds=60):
    """Run a command of ours that knows the password and the test's authority."""
    return tools.run(t.exe, *words, stdin=stdin, code=code, timeout=seconds * t.patience, env={
        "LETTERMILL_PASSWORD": password, "HOME": t.dir, "XDG_STATE_HOME": t.path("state")})


def url(judge, scheme="pop3", port=None, user=judges.USER + "@"):
    return f"{scheme}://{user}localhost:{port or judge.port}"


def in_maildir(folder):
    """Octets of all messages, sorted."""
    found = []
    for sub in ("new", "cur"):
        for name in os.listdir(os.path.join(folder, sub)):
            with open(os.path.join(folder, sub, name), "rb") as f:
                found.append(f.read())
    return sorted(found)


def fetched(t, judge, *options, name="box", code=0):
    box = t.path(name)
    result = ours(t, "pop3", "fetch", url(judge), "--to", f"maildir:{box}", "--cafile", t.cert.ca,
                  *options, code=code)
    return in_maildir(box), result


@test(seconds=6)
def dovecot_takes_every_mechanism(t):
    judge = judges.Dovecot(t)
    judge.fill(MAIL)
    judge.start()
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "APOP", "USER",
                      None):
        chosen = ("--auth", mechanism) if mechanism else ()
        for scheme, port, mode in (("pop3", judge.port, "starttls"), ("pop3", judge.port, "off"),
                                   ("pop3s", judge.pop3s, "implicit")):
            words = ("pop3", "retr", url(judge, scheme, port), "2", "--tls", mode, "--cafile",
                     t.cert.ca, *chosen)
            assert ours(t, *words).out == MAIL[1], (mechanism, mode)
    # Each failure makes Dovecot slower.
    for mechanism in ("SCRAM-SHA-256", "APOP"):
        wrong = ours(t, "pop3", "stat", url(judge), "--cafile", t.cert.ca, "--auth", mechanism,
                     password="no", code=77)
        assert b"no" not in wrong.err.split() and b"refused" in wrong.err, wrong


@test(seconds=4)
def dovecot_maildrop_is_fetched_whole(t):
    judge = judges.Dovecot(t)
    corpus = [m for m in messages.corpus().values() if m and b"\0" not in m]
    judge.fill(corpus)
    judge.start()
    box, _ = fetched(t, judge, "--keep")
    assert box == sorted(corpus), f"{len(box)} of {len(corpus)}"
    again, _ = fetched(t, judge)
    assert again == box
    assert ours(t, "pop3", "stat", url(judge), "--cafile", t.cert.ca).out.split()[0] == b"0"


@test(seconds=3)
def dovecot_commands(t):
    judge = judges.Dovecot(t)
    judge.fill(MAIL)
    judge.start()
    ca = ("--cafile", t.cert.ca)
    listed = [line.split() for line in ours(t, "pop3", "list", url(judge), *ca).out.splitlines()]
    assert [(int(n), int(size)) for n, size in listed] == [
        (n, len(m)) for n, m in enumerate(MAIL, 1)]
    ids = [line.split()[1] for line in ours(t, "pop3", "uidl", url(judge), *ca).out.splitlines()]
    assert len(set(ids)) == 5
    assert ours(t, "pop3", "retr", url(judge), "--uidl", ids[3].decode(), *ca).out == MAIL[3]
    assert ours(t, "pop3", "top", url(judge), "1", "--lines", "1", *ca).out == \
        MAIL[0].split(b"\r\n\r\n")[0] + b"\r\n\r\nline\r\n"
    assert b"STLS" in ours(t, "pop3", "capa", url(judge, user=""), "--tls", "off").out
    ours(t, "pop3", "dele", url(judge), "2-3,5", *ca)
    assert ours(t, "pop3", "stat", url(judge), *ca).out.split() == [
        b"2", str(len(MAIL[0]) + len(MAIL[3])).encode()]


@test(seconds=2)
def dovecot_certificate_is_judged(t):
    judge = judges.Dovecot(t)
    judge.fill(MAIL)
    judge.start()
    refused = ours(t, "pop3", "stat", url(judge), "--tls", "starttls", code=None)
    assert refused.code in (69, 76) and b"certificate" in refused.err, refused
    assert b"Login" not in open(judge.path("log"), "rb").read()
    assert ours(t, "pop3", "stat", url(judge), "--tls", "starttls", "--insecure").out
    assert ours(t, "pop3", "stat", url(judge), "--tls", "opportunistic").out


def poor_server(t, judge, own=rb"(?!)"):
    """What every server must give: everything, exactly, but for headers of its `own`; then nothing
    is left."""
    judge.fill(MAIL)
    judge.start()
    listed = ours(t, "pop3", "list", url(judge)).out.splitlines()
    assert len(listed) == len(MAIL)
    box, _ = fetched(t, judge)
    assert [re.sub(rb"(?m)^(" + own + rb"): .*\r\n", b"", m) for m in box] == sorted(MAIL), box
    assert ours(t, "pop3", "stat", url(judge)).out.split()[0] == b"0"


@test(seconds=3)
def courier(t):
    poor_server(t, judges.Courier(t))


@test(seconds=3)
def popa3d(t):
    poor_server(t, judges.Popa3d(t))


@test(seconds=3)
def mailutils(t):
    poor_server(t, judges.Mailutils(t), rb"X-IMAPbase|X-UID|X-UIDL|Status")


@test(seconds=6)
def doctor_reads_them_all(t):
    for make in (judges.Dovecot, judges.Courier, judges.Popa3d, judges.Mailutils):
        judge = make(t)
        judge.fill(MAIL)
        judge.start()
        report = json.loads(ours(t, "doctor", "pop3", url(judge), "--json", "--cafile", t.cert.ca,
                                 code=None).out)
        assert report, make
        assert ours(t, "pop3", "stat", url(judge), "--tls", "opportunistic").out.split()[0] == b"5"
        judge.stop()


def send(t, judge, *options, scheme="smtp", port=None, to=("alice@localhost",), mail=None, code=0,
         user=""):
    words = [w for address in to for w in ("--to", address)]
    return ours(t, "smtp", "send", url(judge, scheme, port, user), "--from", "a@example.org", *words,
                "--cafile", t.cert.ca, *options, "-", stdin=MAIL[0] if mail is None else mail,
                code=code)


def bodies(found):
    """Messages without the headers servers put on top, line ends as on the wire."""
    return sorted(messages.crlf(m)[messages.crlf(m).find(b"From: a@example.org"):] for m in found)


@test(seconds=4)
def exim_takes_chunks(t):
    judge = judges.Exim(t).start()
    send(t, judge, "--tls", "off")
    send(t, judge, "--tls", "starttls", "--no-chunking", mail=MAIL[1])
    send(t, judge, "--tls", "starttls", "--auth", "PLAIN", user="alice@", mail=MAIL[2])
    send(t, judge, "--tls", "off", "--auth", "CRAM-MD5", user="alice@", mail=MAIL[3])
    trace = send(t, judge, "--tls", "off", "-v", mail=MAIL[4]).err
    assert b"BDAT" in trace, trace
    eventually(lambda: bodies(judge.received()) == sorted(MAIL), "every message, octet for octet")


@test(seconds=3)
def exim_refusals_are_named(t):
    judge = judges.Exim(t).start()
    some = send(t, judge, "--tls", "off", to=("nobody@localhost", "alice@localhost", "later@localhost"),
                code=1)
    for word in (b"nobody@localhost", b"550", b"no such user here", b"later@localhost", b"451"):
        assert word in some.err, some
    none = send(t, judge, "--tls", "off", to=("nobody@localhost",), code=None)
    assert none.code not in (0, 1) and b"nobody@localhost" in none.err, none
    eventually(lambda: len(judge.received()) == 1, "one message")


@test(seconds=3)
def opensmtpd(t):
    judge = judges.OpenSmtpd(t).start()
    for mail, options in zip(MAIL, ((), ("--no-pipelining",), ("--helo", "client.example.org"))):
        send(t, judge, "--tls", "off", *options, mail=mail)
    refused = send(t, judge, "--tls", "off", to=("alice@localhost", "b@elsewhere.example"), code=1,
                   mail=MAIL[3])
    assert b"b@elsewhere.example" in refused.err and b"550" in refused.err, refused
    eventually(lambda: len(judge.received()) == 4, "four messages")
    ends = sorted(m.rsplit(b"line\n", 1)[-1] for m in judge.received())
    assert ends == sorted(m.split(b"line\r\n")[1].replace(b"\r\n", b"\n") for m in MAIL[:4]), ends


@test(seconds=3)
def aiosmtpd(t):
    judge = judges.AioSmtpd(t).start()
    send(t, judge, "--tls", "starttls", user="alice@")
    send(t, judge, "--tls", "off", to=("alice@localhost", "nobody@localhost"), mail=MAIL[1], code=1)
    utf8 = "From: a@example.org\r\nTo: jürgen@example.org\r\nSubject: ü\r\n\r\nä\r\n".encode()
    send(t, judge, "--tls", "off", to=("jürgen@example.org",), mail=utf8)
    assert judge.received() == [MAIL[0], MAIL[1], utf8]


@test(seconds=3)
def dovecot_lmtp(t):
    judge = judges.Dovecot(t).start()
    send(t, judge, "--tls", "off", scheme="lmtp", port=judge.lmtp,
         to=("alice@example.org", "stranger@example.org"), code=1)
    result = send(t, judge, "--tls", "off", scheme="lmtp", port=judge.lmtp,
                  to=("stranger@example.org",), code=None)
    assert result.code not in (0, 1) and b"stranger@example.org" in result.err, result
    eventually(lambda: len(judges.read_maildir(judge.path("home/Maildir"))) == 1, "one message")
    found = judges.read_maildir(judge.path("home/Maildir"))[0]
    assert found.endswith(MAIL[0].replace(b"\r\n", b"\n")), found


@test(seconds=8)
def sink_faults_are_told(t):
    for faults, code, words in (
            ((), 0, ()), (("-8",), 0, ()), (("-L",), 0, ()), (("-e",), 0, ()), (("-p",), 0, ()),
            (("-w", "1"), 0, ()),
            (("-f", "RCPT"), None, (b"alice@localhost", b"500")),
            (("-f", "MAIL"), None, (b"500",)), (("-f", "DATA"), None, (b"500",)),
            (("-f", "EHLO"), 0, ()), (("-r", "RCPT"), None, (b"450",)), (("-r", "."), None, (b"450",)),
            (("-q", "RCPT"), None, (b"RCPT",)), (("-q", "DATA"), None, (b"DATA",)),
            (("-q", "."), 75, (b"may have been delivered",)), (("-Q", "MAIL"), None, (b"421",))):
        judge = judges.SmtpSink(t, *faults)
        judge.start()
        scheme = "lmtp" if "-L" in faults else "smtp"
        result = send(t, judge, "--tls", "off", "--timeout", "10", scheme=scheme, code=code)
        assert (result.code == 0) == (code == 0), (faults, result)
        for word in words:
            assert word in result.err, (faults, word, result)
        judge.stop()
        os.rename(judge.dir, f"{judge.dir}-{judge.port}")
