"""The end of data is CRLF.CRLF and nothing else (SMTP smuggling, CVE-2023-51764 and its like)."""
import itertools

from lib import messages
from lib.runner import test
from lib.wire import Smtp, fetch_all, pop

CRLF, LF, CR = b"\r\n", b"\n", b"\r"
ENDS = {"CRLF": CRLF, "LF": LF, "CR": CR, "NUL": b"\0", "CR NUL LF": b"\r\0\n",
        "CR CRLF": b"\r\r\n",
        "CRLF CR": b"\r\n\r", "LF CR": b"\n\r"}
FORGED = (b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<u1@example.org>\r\nDATA\r\n"
          b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")


def odd_ends():
    """{name: octets} of every odd form of end-of-data."""
    forms = {}
    for (a, before), (b, behind) in itertools.product(ENDS.items(), repeat=2):
        if before + b"." + behind != CRLF + b"." + CRLF:
            forms[f"{a} . {b}"] = before + b"." + behind
    forms["CRLF . NUL CRLF"] = b"\r\n.\0\r\n"
    forms["CRLF NUL . CRLF"] = b"\r\n\0.\r\n"
    forms["CRLF . space CRLF"] = b"\r\n. \r\n"
    forms["CRLF .. CRLF"] = b"\r\n..\r\n"
    return {name: form for name, form in forms.items() if b"\r\n.\r\n" not in form}


def attack(server, form, listener):
    """One message with the form and a forged transaction behind it, then the true end. Returns the
    reply to the message; asserts that it was one message."""
    with Smtp(server, listener) as c:
        c.ehlo("LHLO" if listener == "lmtp" else "EHLO")
        c.begin()
        c.cmd("DATA", "354")
        c.send(messages.HEAD + b"first" + form + FORGED)
        # FORGED ends the message: the commands in it are body and get no replies.
        reply = c.reply()
        assert c.cmd("RSET").startswith("250"), "a second reply: the message was split"
        c.cmd("QUIT", "221")
        assert c.at_end()
        return reply


def table(t, listener):
    s = t.server()
    for name, form in odd_ends().items():
        reply = attack(s, form, listener)
        if b"\r" in form.replace(CRLF, b"") or b"\n" in form.replace(CRLF, b""):
            assert reply.startswith("550 5.6.11"), (name, reply)
    for message in fetch_all(s):
        assert message.count(b"\r\nSubject: nasty\r\n") == 1
        assert b"Return-Path: <evil" not in message
        left = message.replace(CRLF, b"")
        assert b"\r" not in left and b"\n" not in left


@test(seconds=2)
def table_smtp(t):
    """Every odd form over SMTP: one message, refused with 550 5.6.11 where CR or LF is alone."""
    table(t, "smtp")


@test(seconds=2)
def table_lmtp(t):
    """The same over LMTP."""
    table(t, "lmtp")


@test(seconds=2)
def kept_by_option(t):
    """--bare-newlines keep: octet for octet, still one message."""
    s = t.server("--bare-newlines", "keep")
    sent = []
    for name, form in odd_ends().items():
        reply = attack(s, form, "smtp")
        if b"\0" in form and not reply.startswith("250"):
            continue
        assert reply.startswith("250"), (name, reply)
        raw = b"first" + form + FORGED[:-3]
        sent.append((b"\r\n" + messages.HEAD + raw).replace(b"\r\n.", b"\r\n")[2:])
    got = fetch_all_raw(s, len(sent))
    for message, want in zip(got, sent, strict=True):
        messages.same(messages.without_trace(message), want)


def fetch_all_raw(server, count):
    with pop(server) as p:
        assert p.stat()[0] == count
        return [p.retr(n + 1) for n in range(count)]


@test
def split_over_packets(t):
    """The true end is found when it comes an octet at a time, and directly behind 354."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        for body in (b".\r\n", b"\r\n.\r\n", messages.HEAD + b"x\r\n.\r\n", b"..\r\n.\r\n"):
            c.begin()
            c.cmd("DATA", "354")
            for octet in body:
                c.send(bytes([octet]))
            assert c.reply().startswith("250")
    got = [messages.without_trace(m) for m in fetch_all(s)]
    assert got == [b"", b"\r\n", messages.HEAD + b"x\r\n", b".\r\n"], got


@test
def bare_lf_commands(t):
    """Commands that end in LF or CR alone are not executed."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.send(b"MAIL FROM:<a@example.org>\nRCPT TO:<u1@example.org>\nDATA\r\n")
        assert c.reply().startswith("50")
        assert c.cmd("RCPT TO:<u1@example.org>").startswith("503")
        c.send(b"NOOP\rNOOP\r\n")
        assert c.reply().startswith("50")
        c.cmd("NOOP", "250")


@test
def bdat_hides_nothing(t):
    """What looks like an end of data or a command within a chunk is data."""
    s = t.server()
    body = messages.HEAD + b"x\r\n.\r\n" + FORGED
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.begin()
        c.send(b"BDAT %d LAST\r\n" % len(body) + body + b"NOOP\r\n")
        assert c.reply().startswith("250")
        assert c.reply().startswith("250")
        c.cmd("QUIT", "221")
    messages.check(fetch_all(s)[0], body)
