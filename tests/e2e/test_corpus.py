"""The message corpus and nasty messages: what goes in comes out, octet for octet."""
from lib import messages
from lib.runner import test
from lib.wire import Smtp, deliver, fetch_all, pop


def round_trip(server, sent, listener="smtp", extra=""):
    """Send a dict of messages in one session, read them back, compare."""
    with Smtp(server, listener) as s:
        s.ehlo("LHLO" if listener == "lmtp" else "EHLO")
        for name, message in sent.items():
            s.begin("u1", parameters=extra)
            s.cmd("DATA", "354")
            data = message if not message or message.endswith(b"\r\n") else message + b"\r\n"
            s.send((b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
            reply = s.reply()
            assert reply.startswith("250"), (name, reply)
        s.cmd("QUIT", "221")
    got = fetch_all(server)
    assert len(got) == len(sent), f"{len(got)} messages came, {len(sent)} were sent"
    for (name, message), data in zip(sent.items(), got):
        messages.check(data, message, name)


@test
def smoke(t):
    """One message in by SMTP, out by POP3."""
    s = t.server()
    deliver(s, messages.HEAD + b".dot\r\n")
    got = fetch_all(s)
    assert len(got) == 1
    messages.check(got[0], messages.HEAD + b".dot\r\n")


@test(seconds=3)
def corpus_raw(t):
    """Every corpus message over DATA and RETR."""
    round_trip(t.server(), messages.corpus(), extra=" BODY=8BITMIME")


@test(seconds=3)
def nasty_raw(t):
    """Dots, no header, no body, long lines, 8-bit octets."""
    round_trip(t.server(), messages.nasty(), extra=" BODY=8BITMIME")


@test(seconds=3)
def nasty_lmtp(t):
    """The same over LMTP."""
    round_trip(t.server(), messages.nasty(), listener="lmtp")


@test(seconds=8)
def big_and_deep(t):
    """10 MB, 1000 MIME levels, 100,000 headers; sizes announced are exact."""
    s = t.server()
    sent = {"10 MB": messages.ten_megabytes(), "1000 levels": messages.deep_mime(),
            "100,000 headers": messages.many_headers()}
    round_trip(s, sent)
    with pop(s) as p:
        sizes = [int(line.split()[1]) for line in p.multi("LIST")]
        got = [len(p.retr(n + 1)) for n in range(3)]
        assert sizes == got, (sizes, got)
        assert p.stat() == (3, sum(sizes))


@test
def binary_by_bdat(t):
    """NUL, bare CR and LF, no final line end: BINARYMIME keeps all 256 octets."""
    s = t.server()
    body = messages.HEAD + bytes(range(256)) + b"\n.\n\r.\r\n.\r\nend without line end"
    with Smtp(s, "smtp") as c:
        assert {"CHUNKING", "BINARYMIME"} <= set(c.ehlo())
        c.begin(parameters=" BODY=BINARYMIME")
        for at in range(0, len(body), 100):
            chunk = body[at:at + 100]
            c.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            assert c.reply().startswith("250")
        c.cmd("BDAT 0 LAST", "250")
    got = fetch_all(s)[0]
    messages.check(got, body)


@test
def sizes_are_exact(t):
    """STAT, LIST and the octets of RETR agree, whatever the message (acceptance 4, 7, 8)."""
    s = t.server()
    for body in (b"x\r\n", b".\r\n", b"", b"\xff\xfe\r\n", b"no end"):
        deliver(s, messages.HEAD + body)
    with pop(s) as p:
        sizes = [int(line.split()[1]) for line in p.multi("LIST")]
        assert sizes == [len(p.retr(n + 1)) for n in range(5)]
        assert p.stat() == (5, sum(sizes))
        assert p.cmd("LIST 2", "+OK").split()[1:3] == ["2", str(sizes[1])]
