"""Mail in Maildir folders: ours read by others, others' read by us, both at once, and kill -9."""
import mailbox
import os
import poplib
import random
import smtplib
import threading
import time

from lib import judges, messages, tools
from lib.runner import test
from lib.server import eventually
from lib.wire import Pop3, deliver, fetch_all, pop, raw_body, send
from test_durability import Load, numbers
from test_mpop_msmtp import mpop

poplib._MAXLINE = 1 << 20


def serve(t, *extra, pattern="", **settings):
    return t.server(*extra, store="maildir:" + t.path("mail") + pattern, **settings)


def folder(t, *names):
    return os.path.join(t.path("mail"), *names)


def maildir(t, name="u1"):
    """As Python's library reads it; it makes the folders where they are missing."""
    return mailbox.Maildir(folder(t, name), create=True)


def with_crlf(message):
    return message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@test(seconds=6)
def poplib_walk(t):
    """Delivered by swaks, listed, read, removed by poplib; Python's mailbox sees the same."""
    s = serve(t)
    tools.run(tools.need("swaks"), "--server", "127.0.0.1", "--port", s.port("smtp"), "--to",
              "u1@example.org", "--from", "a@example.org", "--body", "by swaks", "--silent", "2")
    deliver(s, messages.HEAD + b".dot\r\nlast\r\n", "u1", "u2")
    p = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=30)
    p.user("u1")
    p.pass_("secret")
    count, octets = p.stat()
    assert count == 2
    sizes = [int(line.split()[1]) for line in p.list()[1]]
    assert sum(sizes) == octets
    uidls = [line.split()[1] for line in p.uidl()[1]]
    assert len(set(uidls)) == 2
    bodies = [b"\r\n".join(p.retr(n)[1]) + b"\r\n" for n in (1, 2)]
    assert [len(b) for b in bodies] == sizes
    assert b"by swaks" in bodies[0] and bodies[1].endswith(b"\r\n.dot\r\nlast\r\n")
    files = {key: open(os.path.join(folder(t, "u1", "new"), key), "rb").read()
             for key in maildir(t).keys()}
    assert sorted(files.values()) == sorted(bodies), "a file is not octet for octet what POP3 says"
    assert all(f",S={len(b)}," in key for key, b in files.items())
    p.dele(1)
    p.quit()
    assert len(maildir(t)) == 1 and len(maildir(t, "u2")) == 1
    with pop(s) as p:
        assert list(p.uidl()) == [uidls[1].decode()]


@test(seconds=4)
def mpop_fetches(t):
    """mpop with pipelining takes all of it, octet for octet, and deletes it."""
    s = serve(t, pattern="/%u/Maildir")
    sent = [messages.HEAD + b"x-%d\r\n" % n * (n % 50 + 1) for n in range(60)]
    for message in sent:
        deliver(s, message)
    found = mpop(t, s, "tls off", "auth user", "pipelining on", "keep off")
    assert len(found) == len(sent)
    assert os.listdir(folder(t, "u1", "Maildir", "new")) == []


@test(seconds=4)
def messages_of_others(t):
    """LF files of another program come with CRLF, in order, with UIDLs that outlive its flags."""
    s = serve(t)
    box = maildir(t)
    sent = [b"Subject: %d\n\n.\n..\nbody %d\n" % (n, n) for n in range(20)]
    keys = [box.add(message) for message in sent]
    assert sorted(fetch_all(s)) == sorted(with_crlf(m) for m in sent)
    with pop(s) as p:
        before = p.uidl()
        sizes = p.multi("LIST")
    for key in keys[::2]:
        message = box[key]
        message.set_subdir("cur")
        message.add_flag("SR")
        box[key] = message
    with pop(s) as p:
        assert p.uidl() == before, "a flag changed a UIDL"
        assert p.multi("LIST") == sizes
        p.cmd("DELE 1", "+OK")
        p.cmd("QUIT", "+OK")
    assert len(maildir(t)) == 19


@test(seconds=15)
def another_program_delivers_meanwhile(t):
    """Python delivers 1,000 messages, flags some and removes some, while POP3 sessions list and
    fetch: nothing fails, nothing is missed, nothing is there twice."""
    s = serve(t)
    box = maildir(t)
    refused, done = [], threading.Event()

    def others():
        rng = random.Random(1)
        for n in range(1000):
            key = box.add(b"X-Number: %d\n\n%s" % (n, b"x\n" * rng.randrange(500)))
            if n % 5 == 0:
                message = mailbox.MaildirMessage(box[key])
                message.set_subdir("cur")
                message.add_flag("S")
                box[key] = message
            if n % 50 == 49:
                box.remove(key)
        done.set()

    def session(p):
        sizes = [int(line.split()[1]) for line in p.multi("LIST")]
        for n, size in enumerate(sizes):
            reply = p.cmd(f"RETR {n + 1}")
            if reply.startswith("+OK"):
                assert len(raw_body(p)) == size
            else:
                refused.append(reply)
        p.cmd("QUIT", "+OK")
        return len(sizes)

    thread = threading.Thread(target=others)
    thread.start()
    seen = []
    while not done.is_set():
        with pop(s) as p:
            seen.append(session(p))
    thread.join()
    # Those that were removed, and those that had another name for a moment: mailbox.Maildir
    # replaces a message by adding it anew and renaming that.
    assert len(refused) <= 20 + 200, refused[:3]
    assert max(seen) > 0
    here = numbers(s)
    assert here == {str(n) for n in range(1000) if n % 50 != 49}


@test(seconds=12)
def kill_under_load(t):
    """kill -9 while eight sessions deliver to two maildrops, three times: every 250 is in both,
    once."""
    s = serve(t)

    def both():
        one, two = numbers(s), {
            m.split(b"X-Number: ")[1].split(b"\r\n")[0].decode()
            for m in fetch_all(s, "u2", "other")}
        assert one == two, "a message is in one maildrop only"
        return one

    for _ in range(3):
        load = Load(s, to=("u1", "u2"))
        eventually(lambda load=load: len(load.acknowledged) >= 60, "60 messages", 60 * t.patience)
        s.kill()
        load.join()
        s.start()
        assert set(load.acknowledged) <= both() <= set(load.sent)
        for user, password in (("u1", "secret"), ("u2", "other")):
            with pop(s, user, password) as p:
                for n in range(p.stat()[0]):
                    p.cmd(f"DELE {n + 1}", "+OK")
                p.cmd("QUIT", "+OK")
        assert both() == set()


@test(seconds=6)
def kill_during_deletion(t):
    """What QUIT acknowledged is gone; kill -9 in the middle removes all of it or nothing."""
    s = serve(t)
    for n in range(60):
        deliver(s, b"X-Number: %d\r\n\r\n" % n)
    left = 60
    for pause in (0, 0.002, 0.004, 0.008):
        p = pop(s)
        for n in range(1, 11):
            p.cmd(f"DELE {n}", "+OK")
        p.send(b"QUIT\r\n")
        time.sleep(pause)  # the random moment itself
        s.kill()
        try:
            acknowledged = p.reply().startswith("+OK")
        except (AssertionError, OSError):
            acknowledged = False
        s.start()
        here = len(numbers(s))
        assert here == left - 10 or (here == left and not acknowledged), f"{here} of {left}"
        left = here


@test(seconds=3)
def links_are_not_followed(t):
    """A symbolic link in a Maildir is no message and leads nowhere."""
    s = serve(t)
    deliver(s, messages.HEAD)
    secret = t.write("secret", "not mail\n")
    os.symlink(secret, folder(t, "u1", "new", "1.2.linked"))
    os.symlink(t.path("."), folder(t, "u2"))
    assert len(fetch_all(s)) == 1
    assert send(s, messages.HEAD, "u2").startswith("451")
    assert not os.path.exists(t.path("new"))


@test(seconds=3)
def two_servers_share(t):
    """Two servers on one Maildir: one session a maildrop, both deliver, both see all."""
    one, two = serve(t), serve(t, name="other")
    deliver(one, b"X-Number: 1\r\n\r\n")
    deliver(two, b"X-Number: 2\r\n\r\n")
    with pop(one) as p:
        assert p.stat()[0] == 2
        with Pop3(two, "pop3") as q:
            q.cmd("USER u1", "+OK")
            q.cmd("PASS secret", "-ERR [IN-USE]")
        p.cmd("QUIT", "+OK")
    assert numbers(two) == {"1", "2"}


@test(seconds=12)
def dovecot_shares(t):
    """Dovecot reads what we deliver, octet for octet, and we what it delivers; flags and moves of
    either change no UIDL of ours; what one removes is gone for the other."""
    judge = judges.Dovecot(t).start()
    s = t.server(store=f"maildir:{judge.path()}/%u/Maildir", users={"home": "secret"})

    def ours():
        judge.give("home")  # the server of the test is root, Dovecot reads as the user
        return fetch_all(s, "home")

    def dovecot():
        p = poplib.POP3("127.0.0.1", judge.port, timeout=30)
        p.user(judges.USER)
        p.pass_(judges.PASSWORD)
        return p

    sent = [messages.HEAD + b"%d\r\n" % n + b".dot\r\n" * n for n in range(20)]
    for message in sent:
        deliver(s, message, "home")
    got = ours()
    with pop(s, "home") as p:
        uidls = p.uidl()
    p = dovecot()
    assert p.stat() == (20, sum(map(len, got))), "Dovecot counts other octets"
    assert [b"\r\n".join(p.retr(n + 1)[1]) + b"\r\n" for n in range(20)] == got
    for n in range(5):
        p.dele(n + 1)
    p.quit()
    with smtplib.LMTP("127.0.0.1", judge.lmtp) as client:
        client.sendmail("a@example.org", [judges.USER], b"Subject: by Dovecot\r\n\r\n.x\r\n")
    with pop(s, "home") as p:
        assert p.uidl()[:15] == uidls[5:]
    now = ours()
    assert now[:15] == got[5:]
    assert len(now) == 16 and now[15].endswith(b"\r\n\r\n.x\r\n")
    with pop(s, "home") as p:
        p.cmd("DELE 16", "+OK")
        p.cmd("QUIT", "+OK")
    p = dovecot()
    assert p.stat()[0] == 15
    p.quit()
    assert "Error" not in open(judge.path("log"), errors="replace").read()
