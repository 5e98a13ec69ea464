"""Command lines: too long, endless, an octet at a time, control characters, bad commands, order."""
import time

from lib import messages, tools
from lib.runner import test
from lib.wire import Closed, Pop3, Smtp, deliver, fetch_all, pop


@test
def over_long_commands(t):
    """One 500 / -ERR for a line over the limit, the session goes on with the next line."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        for size in (3000, 12000, 100000):
            c.send(b"NOOP " + b"x" * size + b"\r\n")
            assert c.reply().startswith("500"), size
            c.cmd("NOOP", "250")
        c.cmd("MAIL FROM:<" + "a" * 300 + "@example.org>", "5")
        c.cmd("RSET", "250")
    with Pop3(s, "pop3") as p:
        for size in (300, 5000, 100000):
            p.send(b"USER " + b"x" * size + b"\r\n")
            assert p.reply().startswith("-ERR"), size
            p.cmd("NOOP")
        p.login()


@test(seconds=3)
def megabyte_without_end(t):
    """1 MB and 50 MB without CRLF: one answer, memory flat (acceptance 19)."""
    s = t.server()
    deliver(s, messages.HEAD)
    fetch_all(s)
    for kind, listener in ((Smtp, "smtp"), (Pop3, "pop3")):
        with kind(s, listener) as c:
            c.send(b"x" * 1_000_000)
            before = tools.rss(s.pid)
            for _ in range(50):
                c.send(b"x" * 1_000_000)
            assert tools.rss(s.pid) - before < 4000 * t.growth, (before, tools.rss(s.pid))
            c.send(b"\r\n")
            assert c.reply().startswith(("500", "-ERR"))
            c.cmd("NOOP" if kind is Smtp else "QUIT", ("2", "+OK")[kind is Pop3])


@test
def one_octet_at_a_time(t):
    """Commands and replies do not depend on how they are cut (acceptance 17)."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        for octet in (b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<u1@example.org>\r\nDATA\r\n"
                      b"Subject: x\r\n\r\n..x\r\n.\r\nQUIT\r\n"):
            c.send(bytes([octet]))
        assert [c.reply()[:3] for _ in range(6)] == ["250", "250", "250", "354", "250", "221"]
    with Pop3(s, "pop3") as p:
        for octet in b"USER u1\r\nPASS secret\r\nSTAT\r\nQUIT\r\n":
            p.send(bytes([octet]))
        assert [p.reply()[:3] for _ in range(4)] == ["+OK"] * 4


@test
def all_in_one_write(t):
    """Pipelined dialogues are answered completely and in order (acceptance 15)."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<nobody@example.org>\r\n"
               b"RCPT TO:<u1@example.org>\r\nDATA\r\n")
        assert [c.reply()[:3] for _ in range(4)] == ["250", "550", "250", "354"]
        c.send(messages.HEAD + b".\r\nMAIL FROM:<b@example.org>\r\nRCPT TO:<u1@example.org>\r\n"
               b"BDAT 3 LAST\r\nx\r\nRSET\r\nNOOP\r\nQUIT\r\nNOOP\r\n")
        assert [c.reply()[:3] for _ in range(7)] == ["250"] * 6 + ["221"]
        assert c.at_end()
    with Pop3(s, "pop3") as p:
        p.send(b"USER u1\r\nPASS secret\r\nSTAT\r\nLIST 1\r\nRETR 1\r\nDELE 2\r\nLIST\r\nQUIT\r\n")
        assert [p.reply()[:3] for _ in range(5)] == ["+OK"] * 5
        assert p.multi()[-1] == b""
        assert p.reply().startswith("+OK")
        assert p.reply().startswith("+OK") and len(p.multi()) == 1
        assert p.reply().startswith("+OK") and p.at_end()
    assert len(fetch_all(s)) == 1


@test
def data_without_recipients(t):
    """DATA pipelined behind refused recipients: 503 or 554, and a body sent all the same is
    survived (RFC 2920)."""
    s = t.server("--max-errors", "1000")
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n")
        replies = [c.reply()[:3] for _ in range(3)]
        assert replies[:2] == ["250", "550"] and replies[2] in ("503", "554"), replies
        c.send(b"Subject: x\r\n\r\nx\r\n.\r\nRSET\r\n")
        seen = []
        while not seen or seen[-1] != "250":
            seen.append(c.reply()[:3])
        c.cmd("NOOP", "250")
    assert fetch_all(s) == []


@test
def odd_octets(t):
    """NUL, 8-bit, control characters in commands: 500/501 / -ERR, nothing is executed."""
    s = t.server("--max-errors", "1000")
    with Smtp(s, "smtp") as c:
        c.ehlo()
        for line in (b"NO\0OP", b"NOOP\0", b"\x80NOOP", b"\x01", b"NO\x1bOP",
                     b"MAIL FROM:<a\0@x.org>",
                     b"MAIL FROM:<\xc3\xa4@example.org>", b"MAIL FROM:<a\x07@example.org>",
                     b"MAIL FROM:<a\r@example.org>", b"EHLO \0"):
            assert c.cmd(line)[:2] in ("50", "55"), line
        c.cmd("RCPT TO:<u1@example.org>", "503")
        assert "SMTPUTF8" in c.ehlo()
        c.cmd("MAIL FROM:<\u00e4@example.org> SMTPUTF8", "250")
        c.cmd("RSET", "250")
        assert c.cmd(b"MAIL FROM:<\xff\xfe@example.org> SMTPUTF8")[0] == "5"
    with Pop3(s, "pop3") as p:
        for line in (b"USER u\0001", b"CA\0PA", b"\xff\xfe", b"NOOP\x07", b"USER u1\x00"):
            p.cmd(line, "-ERR")
        p.login()


@test
def ten_bad_commands(t):
    """The tenth bad command gets a last 421 / -ERR and the connection ends (acceptance 20)."""
    s = t.server()
    for kind, listener, last in ((Smtp, "smtp", "421"), (Pop3, "pop3", "-ERR")):
        with kind(s, listener) as c:
            replies = []
            try:
                for n in range(30):
                    replies.append(c.cmd(f"WHAT{n}"))
            except (Closed, OSError):
                pass
            assert 9 <= len(replies) <= 12, len(replies)
            assert replies[-1].startswith(last), replies
            assert all(r.startswith(("500", "502", "-ERR")) for r in replies[:-1]), replies
    with pop(s) as p:
        for _ in range(5):
            p.cmd("RETR 1", "-ERR")
            p.cmd("NOOP", "+OK")


@test
def empty_lines_and_spaces(t):
    """Empty lines, leading and trailing spaces, lower case."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.cmd("ehlo x", "250")
        c.cmd("", "500")
        c.cmd("noop ", "250")
        c.cmd("mail from:<a@example.org> ", "250")
        c.cmd("rSeT", "250")
    with Pop3(s, "pop3") as p:
        p.cmd("", "-ERR")
        p.cmd("user u1", "+OK")
        p.cmd("pass secret", "+OK")
        p.cmd("stat ", "+OK")


@test
def early_talker(t):
    """Words that come with the connection (behind a proxy's header, so surely too early): 554 and
    closed; with --early-talkers yes answered in order behind the greeting."""
    words = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\nEHLO x\r\nQUIT\r\n"
    for option, want in (("no", ["554"]), ("yes", ["220", "250", "221"])):
        s = t.server("--proxy-from", "127.0.0.1", "--early-talkers", option, name=option)
        with Smtp(s, "smtp", greet=False) as c:
            c.send(words)
            assert [c.reply()[:3] for _ in want] == want and c.at_end(), option


@test
def smtp_sequences(t):
    """Commands out of order, wrong arguments, unknown parameters."""
    s = t.server("--max-errors", "1000")
    with Smtp(s, "smtp") as c:
        for line, want in (
                ("MAIL FROM:<a@example.org>", "503"), ("EHLO", "501"), ("HELO", "501"),
                ("EHLO x", "250"), ("RCPT TO:<u1@example.org>", "503"), ("DATA", "503"),
                ("BDAT 0 LAST", "503"), ("MAIL", "501"), ("MAIL FROM:", "501"),
                ("MAIL FROM:a b@x.org", "5"), ("MAIL FROM:<a@example.org> NOSUCH=1", "555"),
                ("MAIL FROM:<a@example.org> SIZE=x", "501"),
                ("MAIL FROM:<a@example.org> SIZE=99999999999999999999999", "5"),
                ("MAIL FROM:<a@example.org> BODY=9BIT", "501"),
                ("MAIL FROM:<a@example.org> RET=HDRS ENVID=x BODY=8BITMIME SIZE=10", "250"),
                ("MAIL FROM:<a@example.org>", "503"), ("RCPT TO:<>", "5"), ("RCPT TO:", "501"),
                ("RCPT TO:<u1@example.org> NOTIFY=NEVER,FAILURE", "501"),
                ("RCPT TO:<u1@example.org> NOTIFY=FAILURE ORCPT=rfc822;u1@example.org", "250"),
                ("DATA now", "501"), ("RSET", "250"), ("VRFY", "501"), ("QUIT now", "501"),
                ("NOOP anything", "250"), ("STARTTLS x", "501"), ("TURN", "50")):
            assert c.cmd(line).startswith(want), (line, want)
        c.cmd("QUIT", "221")
    with Smtp(s, "lmtp") as c:
        c.cmd("EHLO x", "5")
        c.cmd("LHLO x", "250")


@test(seconds=4)
def slow_octets(t):
    """One octet a second: the command deadline ends the session, whatever its state."""
    s = t.server("--command-timeout", "1s", "--idle-timeout", "10s")
    for kind, listener, lines in ((Smtp, "smtp", []), (Smtp, "smtp", ["EHLO x"]),
                                  (Pop3, "pop3", []),
                                  (Pop3, "pop3", ["USER u1", "PASS secret"])):
        with kind(s, listener) as c:
            for line in lines:
                c.cmd(line)
            began = time.monotonic()
            try:
                for octet in b"NOOP" * 10:
                    c.send(bytes([octet]))
                    time.sleep(0.2)
            except OSError:
                pass
            assert time.monotonic() - began < 6, (listener, lines)
