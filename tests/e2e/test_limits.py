"""SIZE, BDAT, recipients, headers: what is too much, lies, or does not add up."""
import time

from lib import messages, tools
from lib.runner import test
from lib.server import eventually
from lib.wire import Pop3, Smtp, b64, fetch_all, send, stuff

LIMIT = ("--max-message-size", "10000", "--max-errors", "1000")


@test
def size_is_enforced(t):
    """Declared too big, growing too big, lying: 552 5.3.4, nothing stored, the session goes on."""
    s = t.server(*LIMIT)
    big = messages.HEAD + (b"x" * 70 + b"\r\n") * 200
    with Smtp(s, "smtp") as c:
        assert c.ehlo()["SIZE"] == "10000"
        c.cmd("MAIL FROM:<a@example.org> SIZE=10001", "552 5.3.4")
        for declared in ("", " SIZE=100", " SIZE=10000"):
            c.begin(parameters=declared)
            c.cmd("DATA", "354")
            c.send(stuff(big))
            assert c.reply().startswith("552 5.3.4")
        c.begin(parameters=" SIZE=1")
        c.cmd("DATA", "354")
        c.send(stuff(messages.HEAD))
        assert c.reply().startswith("250")
    assert len(fetch_all(s)) == 1


@test
def size_counts_crlf_not_stuffing(t):
    """Exactly the limit is taken, one octet more is not; stuffed dots do not count."""
    s = t.server(*LIMIT)
    body = messages.HEAD + b".\r\n" * 3000
    body += b"x" * (10000 - len(body) - 2) + b"\r\n"
    assert len(body) == 10000
    assert send(s, body).startswith("250")
    assert send(s, b"x" + body).startswith("552")
    messages.check(fetch_all(s)[0], body)


@test(seconds=3)
def over_the_limit_is_swallowed(t):
    """Behind a 10,000 octet limit 500 kB are discarded and the session goes on; 200 MB are not:
    552, closed, memory flat."""
    s = t.server(*LIMIT)
    chunk = (b"x" * 98 + b"\r\n") * 5000
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.begin()
        c.cmd("DATA", "354")
        c.send(chunk + b".\r\n")
        assert c.reply().startswith("552 5.3.4")
        c.cmd("NOOP", "250")
        before = tools.rss(s.pid)
        c.begin()
        c.cmd("DATA", "354")
        try:
            for _ in range(400):
                c.send(chunk)
            raise AssertionError("200 MB were taken")
        except OSError:
            assert c.rest()[:3] in (b"552", b"")
        assert tools.rss(s.pid) - before < 4000 * t.growth
    assert fetch_all(s) == []


@test(seconds=4, sanitizer=False)
def big_message_streams(t):
    """45 MB in and out: memory of the server stays far below it."""
    s = t.server()
    body = messages.HEAD + (b"y" * 98 + b"\r\n") * 450_000
    with Smtp(s, "smtp") as c:
        c.ehlo()
        before = tools.rss(s.pid)
        assert c.deliver(body).startswith("250")
        after = tools.rss(s.pid)
    assert after - before < 20_000, (before, after)
    messages.check(fetch_all(s)[0], body)
    assert tools.rss(s.pid) - before < 30_000, (before, tools.rss(s.pid))


@test
def bdat_abuse(t):
    """Negative, huge, overflowing, missing and odd sizes; nothing of it upsets the session."""
    s = t.server(*LIMIT)
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.begin()
        for line in ("BDAT", "BDAT -1", "BDAT -1 LAST", "BDAT x", "BDAT 1x LAST", "BDAT 0x10",
                     "BDAT 1 FIRST", "BDAT 1 LAST LAST", "BDAT 18446744073709551616 LAST",
                     "BDAT 99999999999999999999999999", "BDAT  LAST"):
            assert c.cmd(line)[0] == "5", line
        c.cmd("RSET", "250")
        c.begin()
        c.cmd("BDAT 0 LAST", "250")
    assert messages.without_trace(fetch_all(s)[0]) == b""


@test
def bdat_refused_chunks_are_swallowed(t):
    """A chunk without a transaction, without recipients, over the limit: its octets are not
    commands."""
    s = t.server(*LIMIT)
    trap = b"MAIL FROM:<evil@example.org>\r\n" * 10
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.send(b"BDAT %d LAST\r\n" % len(trap) + trap + b"NOOP\r\n")
        assert c.reply().startswith("503")
        assert c.reply().startswith("250")
        c.cmd("MAIL FROM:<a@example.org>", "250")
        c.send(b"BDAT %d LAST\r\n" % len(trap) + trap + b"NOOP\r\n")
        assert c.reply()[:3] in ("503", "554")
        assert c.reply().startswith("250")
        c.cmd("RSET", "250")
        c.begin()
        c.send(b"BDAT 6000\r\n" + b"x" * 6000)
        assert c.reply().startswith("250")
        c.send(b"BDAT 6000\r\n" + b"x" * 6000)
        assert c.reply().startswith("552 5.3.4")
        c.send(b"BDAT 3 LAST\r\nabcNOOP\r\n")
        assert c.reply()[0] == "5"
        assert c.reply().startswith("250")
        c.cmd("RSET", "250")
        c.begin()
        c.send(b"BDAT 20000 LAST\r\n" + b"MAIL \r\n." * 2500 + b"NOOP\r\n")
        assert c.reply().startswith("552 5.3.4")
        assert c.reply().startswith("250")
        assert c.deliver(messages.HEAD).startswith("250")
    assert len(fetch_all(s)) == 1


@test
def bdat_and_data_do_not_mix(t):
    """DATA after BDAT is 503, LAST twice, too; RSET, EHLO, QUIT drop the message."""
    s = t.server(*LIMIT)
    with Smtp(s, "smtp") as c:
        c.ehlo()
        for reset in ("RSET", "EHLO x"):
            c.begin()
            c.send(b"BDAT 3\r\nabc")
            assert c.reply().startswith("250")
            c.cmd("DATA", "503")
            c.cmd("MAIL FROM:<b@example.org>", "503")
            c.cmd("RCPT TO:<u2@example.org>", "503")
            c.cmd(reset, "250")
            c.cmd("BDAT 0 LAST", "503")
        c.begin(parameters=" BODY=BINARYMIME")
        assert c.cmd("DATA")[:3] in ("501", "503")
        c.send(b"BDAT 2 LAST\r\n\r\n")
        assert c.reply().startswith("250")
        c.send(b"BDAT 2 LAST\r\n\r\n")
        assert c.reply().startswith("503")
        c.begin()
        c.send(b"BDAT 3\r\nabc")
        assert c.reply().startswith("250")
        c.cmd("QUIT", "221")
    assert len(fetch_all(s)) == 1


@test
def bdat_cut(t):
    """A connection that ends within a chunk, or between chunks: nothing stored."""
    s = t.server()
    for end in (b"BDAT 100 LAST\r\nhalf", b"BDAT 3\r\nabc", b"BDAT 3 LAST\r\nab"):
        with Smtp(s, "smtp") as c:
            c.ehlo()
            c.begin()
            c.send(end)
            c.reset()
    assert fetch_all(s) == []


@test
def bdat_lmtp_per_recipient(t):
    """LMTP answers per recipient behind the last chunk only."""
    s = t.server()
    with Smtp(s, "lmtp") as c:
        c.ehlo("LHLO")
        c.begin("u1", "u2", "u3")
        c.send(b"BDAT 3\r\nabc")
        assert c.reply().startswith("250")
        c.cmd("BDAT 0 LAST", "250")
        assert [c.reply()[:3] for _ in range(2)] == ["250"] * 2
        c.cmd("QUIT", "221")
    assert len(fetch_all(s, "u3", "third")) == 1


@test(seconds=5)
def hundred_thousand_recipients(t):
    """452 4.5.3 past the limit, which LIMITS announces; memory bounded; those taken get it."""
    s = t.server("--max-recipients", "150", "--catch-all", "u1", "--max-errors", "1000")
    with Smtp(s, "smtp") as c:
        assert "RCPTMAX=150" in c.ehlo()["LIMITS"].split()
        c.cmd("MAIL FROM:<a@example.org>", "250")
        before = tools.rss(s.pid)
        good = full = 0
        total = 100_000 if not t.sanitizer else 5_000
        for start in range(0, total, 1000):
            c.send(b"".join(b"RCPT TO:<r%d@example.org>\r\n" % n
                            for n in range(start, start + 1000)))
            for _ in range(1000):
                reply = c.reply()
                good += reply.startswith("250")
                full += reply.startswith("452 4.5.3")
        assert (good, full) == (150, total - 150), (good, full)
        assert tools.rss(s.pid) - before < 4000 * t.growth
        c.cmd("DATA", "354")
        c.send(stuff(messages.HEAD))
        assert c.reply().startswith("250")
    assert len(fetch_all(s)) == 1


@test
def same_recipient_twice(t):
    """One message in the maildrop, however often it is named."""
    s = t.server()
    assert send(s, messages.HEAD, "u1", "u1", "U1@EXAMPLE.ORG").startswith("250")
    assert len(fetch_all(s)) == 1


@test(seconds=8)
def header_bombs(t):
    """10^6 header lines, a 1 MB header line, parts without end: octets in, octets out, in linear
    time; TOP is right and quick, submission's repair too."""
    s = t.server()
    bombs = {"10^6 lines": b"".join(b"X-%d: y\r\n" % n for n in range(1_000_000)) + b"\r\nbody\r\n",
             "1 MB line": b"Subject: " + b"x" * 1_000_000 + b"\r\n\r\nbody\r\n",
             "1 MB folded": b"Subject: " + b"\r\n x" * 250_000 + b"\r\n\r\nbody\r\n",
             "parts": messages.deep_mime(20_000)}
    for name, bomb in bombs.items():
        began = time.monotonic()
        assert send(s, bomb).startswith("250"), name
        assert time.monotonic() - began < 5 * t.patience, name
    for (name, bomb), got in zip(bombs.items(), fetch_all(s), strict=True):
        messages.check(got, bomb, name)
    login = b64("\0u2\0other")
    with Smtp(s, "submission") as c:
        c.ehlo()
        c.cmd("AUTH PLAIN " + login, "235")
        began = time.monotonic()
        assert c.deliver(bombs["10^6 lines"], "u2").startswith("250")
        assert time.monotonic() - began < 5 * t.patience


def proxied(s, kind, listener, address):
    """A connection that a listed proxy says is from elsewhere; not greeted yet."""
    c = kind(s, listener, greet=False)
    c.send(f"PROXY TCP4 {address} 127.0.0.1 1234 25\r\n")
    return c


def refuses(s, connect):
    """Both protocols say "come back later" and close; a freed place can be used (acceptance 31)."""
    held = [connect(Smtp, "smtp"), connect(Smtp, "smtp")]
    for c in held:
        assert c.reply().startswith("220")
    with connect(Smtp, "smtp") as c:
        assert c.reply().startswith("421")
        assert c.at_end()
    with connect(Pop3, "pop3") as p:
        assert p.reply().startswith("-ERR [SYS/TEMP]")
        assert p.at_end()
    held.pop().cmd("QUIT", "221")

    def served():
        with connect(Smtp, "smtp") as c:
            return c.reply().startswith("220")
    eventually(served, "the freed place can be used")
    held[0].close()


@test
def connections_at_all(t):
    """--max-connections 2: the third is told 421 / -ERR [SYS/TEMP]."""
    s = t.server("--max-connections", "2")
    refuses(s, lambda kind, listener: kind(s, listener, greet=False))


@test
def connections_of_one_address(t):
    """--max-connections-per-address 2: the third of one address is refused, another address not."""
    s = t.server("--max-connections-per-address", "2", "--proxy-from", "127.0.0.1")
    others = [proxied(s, Smtp, "smtp", f"192.0.2.{n}") for n in (8, 8, 9)]
    for c in others:
        assert c.reply().startswith("220")
    refuses(s, lambda kind, listener: proxied(s, kind, listener, "192.0.2.7"))
