"""A store that fails on order, damaged files, reloaded options."""
import glob
import os
import signal
import time

from lib import messages
from lib.runner import test
from lib.server import Server, eventually
from lib.wire import Closed, Pop3, Smtp, deliver, fetch_all, pop, send


def faulty(t, rules, *extra):
    return t.server(*extra, store=f"faulty:{rules}:sqlite:{t.path('mail.db')}")


@test
def commit_fails(t):
    """A failing commit: 451, or 452 when the disk is full; nothing stored, the next one is."""
    s = faulty(t, "draft_commit=1:IO,draft_commit=2:FULL,draft_commit=4:STORE")
    with Smtp(s, "smtp") as c:
        c.ehlo()
        for want in ("451", "452 4.3.1", "250", "451", "250"):
            assert c.deliver(messages.HEAD).startswith(want), want
    assert len(fetch_all(s)) == 2


@test
def write_fails(t):
    """A failing begin or write: DATA is refused, or the body read to its end; nothing stored."""
    s = faulty(t, "draft_write=1:FULL,draft_begin=2:IO")
    body = messages.HEAD + b"x\r\n" * 100_000
    assert send(s, body).startswith("452 4.3.1")
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.begin()
        c.cmd("DATA", "451")
        c.cmd("RSET", "250")
        assert c.deliver(body).startswith("250")
    messages.check(fetch_all(s)[0], body)


@test
def commit_fails_lmtp(t):
    """LMTP: every recipient hears of it."""
    s = faulty(t, "draft_commit=1:IO")
    replies = send(s, messages.HEAD, "u1", "u2", listener="lmtp")
    assert len(replies) == 2 and all(r.startswith("451") for r in replies), replies
    assert fetch_all(s) == []


@test
def maildrop_fails(t):
    """A maildrop that cannot be opened or listed: -ERR [SYS/TEMP], free afterwards."""
    s = faulty(t, "mailbox_open=1:STORE,mailbox_list=1:IO")
    for _ in range(2):
        with Pop3(s, "pop3") as p:
            p.cmd("USER u1", "+OK")
            p.cmd("PASS secret", "-ERR [SYS/TEMP]")
    eventually(lambda: fetch_all(s) == [], "the maildrop opens")


@test
def expunge_fails(t):
    """Deletion that fails at QUIT: -ERR, all messages are still there."""
    s = faulty(t, "mailbox_expunge=1:IO")
    for _ in range(3):
        deliver(s, messages.HEAD)
    with pop(s) as p:
        p.cmd("DELE 1", "+OK")
        p.cmd("DELE 3", "+OK")
        p.cmd("QUIT", "-ERR")
        assert p.at_end()
    assert len(fetch_all(s)) == 3


@test
def read_fails(t):
    """A message that cannot be read, at once or half-way: no client can take it for a whole one."""
    body = messages.HEAD + b"x" * 70 + b"\r\n" * 100_000
    s = faulty(t, "message_read=1:IO,message_read=3:IO")
    deliver(s, body)
    for _ in range(2):
        with eventually(lambda: login(s), "login") as p:
            p.send(b"RETR 1\r\nNOOP\r\n")
            got = p.rest() if not p_refused(p) else b"-ERR"
            assert got == b"-ERR" or not got.endswith(b"\r\n.\r\n"), got[-100:]
    messages.check(fetch_all(s)[0], body)


def p_refused(p):
    """True for an -ERR; a session that goes on is left by QUIT."""
    try:
        if p.reply().startswith("-ERR"):
            p.cmd("QUIT")
            return True
    except Closed:
        pass
    return False


def login(s):
    p = Pop3(s, "pop3")
    p.cmd("USER u1", "+OK")
    if p.cmd("PASS secret").startswith("+OK"):
        return p
    p.close()
    return None


def change(t, old, new):
    """Change octets in the one file of the store that has them."""
    changed = 0
    for path in glob.glob(t.path("mail.db*", "**"), recursive=True) + glob.glob(t.path("mail.db*")):
        if not os.path.isfile(path):
            continue
        with open(path, "r+b") as f:
            data = f.read()
            if old in data:
                changed += 1
                f.seek(data.index(old))
                f.write(new)
    assert changed == 1, changed


def damaged(t, size):
    s = t.server()
    for n in range(3):
        deliver(s, messages.HEAD + b"needle-%d " % n + (b"y" * 80 + b"\r\n") * (size // 82))
    assert s.stop() == 0
    change(t, b"needle-1 yyy", b"needle-1 yyz")
    s.start()
    with pop(s) as p:
        assert p.stat()[0] == 3
        p.send(b"RETR 2\r\n")
        try:
            if p.reply().startswith("+OK"):
                assert not p.rest().endswith(b"\r\n.\r\n"), "a damaged message came as a whole one"
        except Closed:
            pass
    with eventually(lambda: login(s), "login") as p:
        for number, n in ((1, 0), (3, 2)):
            assert b"needle-%d yyy" % n in p.retr(number)
        p.cmd("QUIT", "+OK")


@test
def damaged_small_message(t):
    """An octet of a message changed on disk: that message cannot be had, all others can."""
    damaged(t, 500)


@test
def damaged_large_message(t):
    """The same for a message that has a place of its own."""
    damaged(t, 2_000_000)


@test
def damaged_database(t):
    """A store that is no database at all: the server says so and does not start; the file is left
    as it is."""
    junk = b"this is not a database\n" * 1000
    t.write("mail.db", junk)
    s = Server(t, name="mail")
    s.start(ready=False)
    code = s.wait()
    assert code not in (0, 99) and code > 0, code
    assert "mail.db" in s.errors().decode()
    with open(t.path("mail.db"), "rb") as f:
        assert f.read() == junk


@test
def config_is_reloaded(t):
    """SIGHUP reads --config again for new sessions; a running one keeps what it had; a broken file
    changes nothing."""
    config = t.write("config", "max-message-size = 1000\nmax-errors = 3\n")
    s = t.server("--config", config)

    def size():
        with Smtp(s, "smtp") as c:
            return c.ehlo()["SIZE"]
    assert size() == "1000"
    old = Smtp(s, "smtp")
    t.write("config", "max-message-size = 2000\n")
    s.signal(signal.SIGHUP)
    eventually(lambda: size() == "2000", "the new limit")
    assert old.ehlo()["SIZE"] == "1000"
    old.close()
    before = len(s.log_lines())
    t.write("config", "max-mesage-size = 3000\n")
    s.signal(signal.SIGHUP)
    eventually(lambda: "max-message-size" in "\n".join(s.log_lines()[before:]),
               "the log names the nearest known option")
    assert size() == "2000"


@test(seconds=4)
def handler_deadline(t):
    """A store slower than --handler-timeout at login: -ERR [SYS/TEMP] in time; others go on."""
    s = t.server("--handler-timeout", "300ms", store="slow:2000:memory:")
    with Pop3(s, "pop3") as slow, Pop3(s, "pop3") as other:
        slow.cmd("USER u1", "+OK")
        began = time.monotonic()
        slow.send(b"PASS secret\r\n")
        other.multi("CAPA")
        assert time.monotonic() - began < 0.25 * t.patience
        assert slow.reply().startswith("-ERR [SYS/TEMP]")
        assert time.monotonic() - began < 1.5 * t.patience
