"""POP3 rules: arguments, locks, deletion, UIDLs, languages, and the dialogue of the seed."""
import re

from lib import messages
from lib.runner import test
from lib.server import eventually
from lib.wire import Pop3, Smtp, deliver, fetch_all, pop, send


def fill(server, count=3):
    for n in range(1, count + 1):
        deliver(server, messages.HEAD + b"line\r\n" * n)


@test
def odd_numbers(t):
    """0, -1, 2^31, 2^63, text, missing and extra arguments: -ERR, the session goes on
    (acceptance 18)."""
    s = t.server("--max-errors", "1000")
    fill(s)
    numbers = ("abc", "0", "-1", "+1", "1x", "0x1", "4", "2147483648", "4294967297",
               "9223372036854775808", "18446744073709551617", "99999999999", "1.0", "١")
    with pop(s) as p:
        for verb in ("RETR", "LIST", "UIDL", "DELE"):
            for number in numbers:
                p.cmd(f"{verb} {number}", "-ERR")
            p.cmd(f"{verb} 1 2", "-ERR")
        for line in ("RETR", "DELE", "TOP", "TOP 1", "TOP x 1", "TOP 1 x", "TOP 1 -1", "TOP 1 1 1",
                     "TOP 99999999999 1", "STAT 1", "RSET 1", "NOOP 1"):
            reply = p.cmd(line)
            if not line.startswith(("STAT", "RSET", "NOOP")):
                assert reply.startswith("-ERR"), (line, reply)
        assert p.stat()[0] == 3
        assert p.multi("TOP 1 99999999")[-1] == b"line"
        p.cmd("QUIT", "+OK")


@test
def top_counts(t):
    """TOP 1 0: headers and blank line; 2: two lines more; 9999: all (acceptance 10)."""
    s = t.server()
    deliver(s, messages.HEAD + b"1\r\n.2\r\n\r\n4\r\n")
    deliver(s, messages.HEAD[:-2])
    with pop(s) as p:
        head = p.multi("TOP 1 0")
        assert head[-1] == b"" and b"Subject: nasty" in head
        assert p.multi("TOP 1 1") == head + [b"1"]
        assert p.multi("TOP 1 3") == head + [b"1", b".2", b""]
        assert p.multi("TOP 1 9999") == head + [b"1", b".2", b"", b"4"]
        assert [x for x in p.multi("TOP 2 5") if x][-1] == b"Subject: nasty"


@test
def in_use(t):
    """A second session: [IN-USE], in any letter case and by any way in; free again after QUIT,
    close and reset (acceptance 22)."""
    s = t.server()
    first = pop(s)
    for user in ("u1", "U1"):
        with Pop3(s, "pop3") as p:
            p.cmd(f"USER {user}", "+OK")
            p.cmd("PASS secret", "-ERR [IN-USE]")
            p.cmd("QUIT", "+OK")
    with pop(s, "u2", "other") as p:
        p.cmd("QUIT", "+OK")

    def free():
        with Pop3(s, "pop3") as p:
            p.cmd("USER U1", "+OK")
            return p.cmd("PASS secret").startswith("+OK")
    first.cmd("QUIT", "+OK")
    eventually(free, "QUIT frees the maildrop")
    for end in (Pop3.close, Pop3.reset):
        eventually(free, "the maildrop is free")
        p = eventually(lambda: try_login(s), "login")
        end(p)
        eventually(free, f"{end.__name__} frees the maildrop")


def try_login(s):
    p = Pop3(s, "pop3")
    p.cmd("USER u1", "+OK")
    if p.cmd("PASS secret").startswith("+OK"):
        return p
    p.close()
    return None


@test
def case_is_one_maildrop(t):
    """Mail for U1@Example.ORG is in the maildrop of u1."""
    s = t.server()
    deliver(s, messages.HEAD, "U1@Example.ORG")
    with pop(s, "U1") as p:
        assert p.stat()[0] == 1


@test
def dele_then_loss(t):
    """DELE, then reset, close, RSET, or kill: nothing deleted; then QUIT: gone
    (acceptance 12 to 14)."""
    s = t.server()
    fill(s)
    for end in (Pop3.reset, Pop3.close):
        p = eventually(lambda: try_login(s), "login")
        p.cmd("DELE 1", "+OK")
        p.cmd("DELE 2", "+OK")
        end(p)
    p = eventually(lambda: try_login(s), "login")
    assert p.stat()[0] == 3
    p.cmd("DELE 2", "+OK")
    assert "3" in p.cmd("RSET", "+OK")
    p.cmd("DELE 2", "+OK")
    s.kill()
    s.start()
    with pop(s) as p:
        assert p.stat()[0] == 3
        p.cmd("DELE 2", "+OK")
        p.cmd("QUIT", "+OK")
    assert len(fetch_all(s)) == 2
    s.kill()
    s.start()
    assert len(fetch_all(s)) == 2


@test
def idle_deletes_nothing(t):
    """An idle session ends after --idle-timeout, without deletion (acceptance 30)."""
    s = t.server("--idle-timeout", "1s")
    fill(s, 1)
    p = pop(s)
    p.cmd("DELE 1", "+OK")
    rest = p.rest()
    assert rest in (b"",) or rest.startswith(b"-ERR"), rest
    eventually(lambda: len(fetch_all(s)) == 1, "the maildrop is free and whole")
    with Smtp(s, "smtp") as c:
        assert c.rest()[:3] in (b"421", b"")


@test
def uidls_for_ever(t):
    """Stable over restart and kill, never reused after deletion; a session sees its snapshot."""
    s = t.server()
    fill(s)
    with pop(s) as p:
        seen = p.uidl()
        assert all(re.fullmatch("[!-~]{1,70}", u) for u in seen) and len(set(seen)) == 3
        deliver(s, messages.HEAD)
        assert p.uidl() == seen and p.stat()[0] == 3
        p.cmd("RETR 4", "-ERR")
        p.cmd("QUIT", "+OK")
    s.restart()
    with pop(s) as p:
        assert p.uidl()[:3] == seen
        fourth = p.uidl()[3]
        for n in (3, 4):
            p.cmd(f"DELE {n}", "+OK")
        p.cmd("QUIT", "+OK")
    s.kill()
    s.start()
    fill(s, 2)
    with pop(s) as p:
        now = p.uidl()
        assert now[:2] == seen[:2] and not set(now[2:]) & {seen[2], fourth}
        for n in range(4):
            p.cmd(f"DELE {n + 1}", "+OK")
        p.cmd("QUIT", "+OK")
    s.restart()
    fill(s, 1)
    with pop(s) as p:
        assert not set(p.uidl()) & {*seen, fourth, *now}


@test
def capabilities(t):
    """The same before and after login, truthful (acceptance 23)."""
    s = t.server("--expire", "never")
    with Pop3(s, "pop3") as p:
        before = {x.split(b" ")[0].decode(): x.decode() for x in p.multi("CAPA")}
        for name in ("TOP", "UIDL", "USER", "SASL", "STLS", "PIPELINING", "RESP-CODES",
                     "AUTH-RESP-CODE", "LANG", "UTF8", "IMPLEMENTATION"):
            assert name in before, (name, before)
        assert before["EXPIRE"] == "EXPIRE NEVER"
        p.login()
        after = {x.split(b" ")[0].decode() for x in p.multi("CAPA")}
        assert {"TOP", "UIDL", "PIPELINING", "RESP-CODES", "LANG"} <= after
        assert "STLS" not in after
    none = t.server("--auth", "none", name="none")
    with Pop3(none, "pop3") as p:
        assert not any(x.startswith(b"SASL") for x in p.multi("CAPA"))


@test
def languages(t):
    """LANG lists, changes, refuses and goes back; a Dutch server greets in Dutch
    (acceptance 24, 25)."""
    s = t.server()
    with Pop3(s, "pop3") as p:
        assert sorted(x.split(b" ")[0] for x in p.multi("LANG")) == [b"en", b"nl"]
        p.cmd("LANG nl", "+OK")
        dutch = p.cmd("USER u1", "+OK")
        assert "geaccepteerd" in dutch
        p.cmd("LANG fr", "-ERR")
        p.cmd("LANG *", "+OK")
        p.cmd("PASS secret", "+OK")
        p.cmd("LANG NL", "+OK")
        assert "bericht" in p.cmd("RETR 1", "-ERR")
        p.cmd("UTF8", "-ERR")
    s = t.server("--language", "nl", name="nl")
    with Pop3(s, "pop3") as p:
        assert "tot uw dienst" in p.greeting, p.greeting
        assert "ngeldige" in p.cmd("WHAT", "-ERR")


@test
def utf8_before_login(t):
    """UTF8 before login: +OK, names too; after login -ERR (acceptance 27)."""
    s = t.server(users={"jürgen": "gehèim"})
    with Pop3(s, "pop3") as p:
        p.cmd("UTF8", "+OK")
        p.cmd("USER jürgen", "+OK")
        p.cmd("PASS gehèim", "+OK")
        p.cmd("UTF8", "-ERR")


SEED_MESSAGE = (
    b"X-Mailer: My Hands\r\nSubject: Test message\r\nFrom: test@test.com\r\n"
    b"Date: Mon, 21 Mar 2022 09:55:42 +0000\r\nTo: luke@test.com\r\n"
    b"Message-ID: <asdadada@awa.com>\r\nContent-Type: text/plain\r\n\r\nHello world!\r\n.\r\n.\r\n")


@test
def seed_dialogue(t):
    """The dialogue lpop3 shows, as resolved (acceptance 26)."""
    s = t.server("--language", "nl", users={"luke": "hello"})
    for n in range(8):
        deliver(s, b"Subject: %d\r\n\r\n" % n, "luke")
    deliver(s, SEED_MESSAGE, "luke")
    with Pop3(s, "pop3") as p:
        assert re.fullmatch(r"\+OK \S+ tot uw dienst, IPv4 127\.0\.0\.1:\d+ <[A-Za-z0-9.@-]+>",
                            p.greeting), p.greeting
        p.cmd("capa", "+OK mogelijkheden volgen.")
        capabilities = [x.decode() for x in p.multi()]
        for line in ("USER", "UIDL", "UTF8", "EXPIRE NEVER", "LANG"):
            assert line in capabilities, (line, capabilities)
        assert p.cmd("lang en") == "+OK changing language to 'en'."
        assert p.cmd("user luke") == "+OK user 'luke' accepted, proceed with PASS"
        assert p.cmd("pass hello") == "+OK pass accepted, welcome 'luke'."
        p.cmd("uidl", "+OK mailbox listing follows.")
        assert [x.split()[0] for x in p.multi()] == [b"%d" % n for n in range(1, 10)]
        assert re.fullmatch(r"\+OK \d+ octets", p.cmd("retr 9"))
        got = b"".join(x + b"\r\n" for x in p.multi())
        messages.check(got, SEED_MESSAGE)
        p.cmd("top 9 0", "+OK top follows.")
        assert p.multi()[-1] == b""
        assert p.cmd("dele 9") == "+OK message 9 deleted."
        assert re.fullmatch(r"\+OK \S+ signing off\.", p.cmd("quit"))
    assert len(fetch_all(s, "luke", "hello")) == 8


@test
def empty_maildrop(t):
    """No messages: STAT 0 0, empty lists, RETR 1 -ERR."""
    s = t.server()
    with pop(s) as p:
        assert p.stat() == (0, 0) and p.multi("LIST") == [] and p.multi("UIDL") == []
        p.cmd("RETR 1", "-ERR")
        p.cmd("QUIT", "+OK")


@test
def domains_and_addresses(t):
    """local@DOMAIN to the account of that name, or to local; other domains refused; the catch-all
    takes the rest; quoted and odd addresses."""
    s = t.server("--domain", "two.example.org", users={"u1": "a", "x@two.example.org": "b"})
    assert send(s, messages.HEAD, "x@two.example.org").startswith("250")
    assert send(s, messages.HEAD, "u1@two.example.org").startswith("250")
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<>", "250")
        for bad in ("x@example.org", "u1@three.example.org", "nobody@example.org"):
            c.cmd(f"RCPT TO:<{bad}>", "5")
        c.cmd('RCPT TO:<"u1"@example.org>', "250")
        c.cmd("RCPT TO:<@a.example,@b.example:u1@example.org>", "250")
    assert len(fetch_all(s, "x@two.example.org", "b")) == 1
    every = t.server("--catch-all", "u1", name="all")
    assert send(every, messages.HEAD, "anyone@anywhere.example").startswith("250")
    with Smtp(every, "smtp") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@example.org>", "250")
        c.cmd("RCPT TO:<postmaster>", "250")
    assert len(fetch_all(every)) == 1
