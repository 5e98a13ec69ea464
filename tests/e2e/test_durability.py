"""kill -9, SIGTERM, a full disk, a store that stalls: what was acknowledged is there, once."""
import os
import random
import signal
import threading
import time

from lib import messages, tools
from lib.runner import Skip, test
from lib.server import Server, eventually
from lib.wire import Closed, Pop3, Smtp, deliver, fetch_all, pop, send, stuff

GONE = (Closed, OSError)


class Load:
    """Threads that deliver numbered messages and note which were acknowledged."""

    def __init__(self, server, threads=8, listener="smtp", to=()):
        self.server, self.listener, self.to = server, listener, to
        self.acknowledged, self.sent, self.lock = [], [], threading.Lock()
        self.stop = False
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def work(self, thread):
        rng = random.Random(thread)
        n = 0
        while not self.stop:
            try:
                with Smtp(self.server, self.listener, timeout=10) as c:
                    c.ehlo("LHLO" if self.listener == "lmtp" else "EHLO")
                    for _ in range(20):
                        n += 1
                        name = f"{thread}-{n}"
                        body = b"X-Number: %s\r\n\r\n" % name.encode()
                        body += b"x\r\n" * rng.randrange(4000)
                        with self.lock:
                            self.sent.append(name)
                        if c.deliver(body, *self.to).startswith("250"):
                            with self.lock:
                                self.acknowledged.append(name)
            except (*GONE, AssertionError):
                if not self.server.alive():
                    return

    def join(self):
        self.stop = True
        for thread in self.threads:
            thread.join()


def numbers(server):
    found = [m.split(b"X-Number: ")[1].split(b"\r\n")[0].decode() for m in fetch_all(server)]
    assert len(found) == len(set(found)), "a message is there twice"
    return set(found)


@test(seconds=12)
def kill_under_load(t):
    """kill -9 while eight sessions deliver, three times: every 250 is there exactly once."""
    s = t.server()
    acknowledged, sent = set(), set()
    for kill in range(3):
        load = Load(s)
        eventually(lambda: len(load.acknowledged) >= 60, "60 messages", 60 * t.patience)
        s.kill()
        load.join()
        acknowledged |= {f"{kill}/{x}" for x in load.acknowledged}
        sent |= {f"{kill}/{x}" for x in load.sent}
        s.start()
        here = {f"{kill}/{x}" for x in numbers(s)}
        assert here <= sent, "a message nobody sent"
        missing = {x for x in acknowledged if x.startswith(f"{kill}/")} - here
        assert not missing, f"{len(missing)} acknowledged messages are lost"
        with pop(s) as p:
            for n in range(p.stat()[0]):
                p.cmd(f"DELE {n + 1}", "+OK")
            p.cmd("QUIT", "+OK")


@test(seconds=4)
def kill_during_deletion(t):
    """What QUIT acknowledged is gone after kill -9; what was only marked is not."""
    s = t.server()
    for n in range(40):
        deliver(s, b"X-Number: %d\r\n\r\n" % n)
    with pop(s) as p:
        for n in range(1, 21):
            p.cmd(f"DELE {n}", "+OK")
        p.cmd("QUIT", "+OK")
        s.kill()
    s.start()
    assert numbers(s) == {str(n) for n in range(20, 40)}
    p = pop(s)
    for n in range(1, 11):
        p.cmd(f"DELE {n}", "+OK")
    s.kill()
    s.start()
    assert len(numbers(s)) == 20
    p = pop(s)
    for n in range(1, 21):
        p.cmd(f"DELE {n}", "+OK")
    p.send(b"QUIT\r\n")
    s.kill()
    try:
        acknowledged = p.reply().startswith("+OK")
    except GONE:
        acknowledged = False
    s.start()
    left = len(numbers(s))
    assert left == 0 if acknowledged else left in (0, 20), "half deleted"


@test(seconds=4)
def drain_under_load(t):
    """SIGTERM while eight sessions deliver: exit 0, every 250 kept, nothing twice."""
    s = t.server()
    load = Load(s, listener="lmtp")
    eventually(lambda: len(load.acknowledged) >= 60, "60 messages", 60 * t.patience)
    assert s.stop() == 0
    load.join()
    s.start()
    here = numbers(s)
    assert set(load.acknowledged) <= here <= set(load.sent)


@test(seconds=2)
def drain_tells_idle_sessions(t):
    """Idle sessions get 421 / -ERR [SYS/TEMP]; a running DATA finishes; no new sessions; exit 0."""
    s = t.server()
    deliver(s, messages.HEAD)
    idle_smtp, idle_pop3 = Smtp(s, "smtp"), Pop3(s, "pop3")
    idle_smtp.ehlo()
    logged_in = pop(s)
    logged_in.cmd("DELE 1", "+OK")
    running = Smtp(s, "smtp")
    running.ehlo()
    running.begin("u2")
    running.cmd("DATA", "354")
    running.send(b"Subject: half\r\n")
    where = s.address("smtp")
    s.signal(signal.SIGTERM)
    assert idle_smtp.reply().startswith("421") and idle_smtp.at_end()
    assert idle_pop3.reply().startswith("-ERR [SYS/TEMP]") and idle_pop3.at_end()
    assert logged_in.reply().startswith("-ERR [SYS/TEMP]") and logged_in.at_end()

    def refused():
        try:
            with Smtp(s, "smtp", greet=False) as c:
                return c.rest()[:3] in (b"421", b"")
        except OSError:
            return True
    eventually(refused, f"no new sessions at {where}")
    running.send(b"\r\nrest\r\n.\r\n")
    assert running.reply().startswith("250")
    assert running.reply().startswith("421") and running.at_end()
    assert s.wait() == 0
    s.start()
    assert len(fetch_all(s)) == 1 and len(fetch_all(s, "u2", "other")) == 1


@test(seconds=3)
def drain_has_an_end(t):
    """A transaction that never ends is cut at --drain-timeout; exit 0, nothing stored."""
    s = t.server("--drain-timeout", "1s")
    c = Smtp(s, "smtp")
    c.ehlo()
    c.begin()
    c.cmd("DATA", "354")
    c.send(b"Subject: half\r\n")
    began = time.monotonic()
    assert s.stop() == 0
    assert 0.5 < time.monotonic() - began < 10 * t.patience
    c.rest()
    s.start()
    assert fetch_all(s) == []


@test(seconds=2)
def second_process_is_refused(t):
    """Two servers on one store: the second says so and exits, the first goes on."""
    s = t.server()
    second = Server(t, name="second", store=s.store)
    second.start(ready=False)
    code = second.wait()
    assert code not in (0, -signal.SIGKILL), code
    assert second.errors().strip(), "no reason given"
    deliver(s, messages.HEAD)


@test
def stale_socket_is_replaced(t):
    """The Unix socket of a killed server does not keep the next one from starting."""
    s = t.server()
    s.kill()
    assert os.path.exists(s.lmtp_path)
    s.start()
    deliver(s, messages.HEAD, listener="lmtp")


def tmpfs(t, size):
    """A small file system, or a skip with the reason."""
    if os.getuid() != 0:
        raise Skip("not root: a small file system cannot be mounted")
    folder = t.path("small")
    os.mkdir(folder)
    mounted = tools.run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder, code=None)
    if mounted.code:
        raise Skip(f"mount is not allowed here: {mounted.err.decode().strip()}")
    t.cleanup(lambda: tools.run("umount", "-l", folder))
    return folder


@test(seconds=4)
def full_disk(t):
    """452 4.3.1 when the disk is full, nothing half-stored, reading and deleting work, and it takes
    mail again when there is room."""
    folder = tmpfs(t, "6m")
    s = t.server(store=f"sqlite:{folder}/mail.db")
    body = messages.HEAD + (b"x" * 98 + b"\r\n") * 3000
    stored = 0
    ballast = os.path.join(folder, "ballast")
    with open(ballast, "wb") as f:
        f.write(b"x" * 2_000_000)
    while (reply := send(s, body)).startswith("250"):
        stored += 1
        assert stored < 100
    assert reply.startswith(("452 4.3.1", "451 4.3")), reply
    assert reply.startswith("452"), reply
    assert len(fetch_all(s)) == stored
    for message in fetch_all(s):
        messages.check(message, body)
    os.unlink(ballast)
    eventually(lambda: send(s, messages.HEAD).startswith("250"), "mail is taken again", 20)
    assert len(fetch_all(s)) == stored + 1
    s.restart()
    got = fetch_all(s)
    assert len(got) == stored + 1
    messages.check(got[-1], messages.HEAD)


@test(seconds=4)
def full_disk_and_kill(t):
    """A full disk, then kill -9: what was acknowledged is still there."""
    folder = tmpfs(t, "5m")
    s = t.server(store=f"sqlite:{folder}/mail.db")
    body = messages.HEAD + (b"x" * 98 + b"\r\n") * 500
    stored = 0
    while send(s, body).startswith("250"):
        stored += 1
    s.kill()
    with open(os.path.join(folder, "room"), "w"):
        pass
    tools.run("mount", "-o", "remount,size=20m", folder)
    s.start()
    assert len(fetch_all(s)) == stored


@test(seconds=6)
def stalling_store(t):
    """A store that stalls: a temporary failure at the deadline, while other sessions go on; it
    is not stored afterwards."""
    s = t.server("--handler-timeout", "500ms", store="slow:1500:memory:")
    with Smtp(s, "smtp") as c, Smtp(s, "smtp") as other:
        c.ehlo()
        began = time.monotonic()
        reply = c.cmd("MAIL FROM:<a@example.org>")
        if reply.startswith("250"):
            reply = c.cmd("RCPT TO:<u1@example.org>")
        if reply.startswith("250"):
            reply = c.cmd("DATA")
        if reply.startswith("354"):
            c.send(stuff(messages.HEAD))
            # Another session is served while this one waits.
            other_began = time.monotonic()
            other.ehlo()
            other.cmd("NOOP", "250")
            assert time.monotonic() - other_began < 0.4 * t.patience
            reply = c.reply()
        assert reply.startswith("4"), reply
        assert time.monotonic() - began < 4 * t.patience
        c.cmd("NOOP", "250")
    with Pop3(s, "pop3") as p:
        p.cmd("USER u1", "+OK")
        p.cmd("PASS secret", "-ERR [SYS/TEMP]")


@test(seconds=4)
def slow_store_works(t):
    """A store that is slow but in time: all goes well."""
    s = t.server(store="slow:50:memory:")
    deliver(s, messages.HEAD, "u1", "u2")
    messages.check(fetch_all(s)[0], messages.HEAD)
    with pop(s, "u2", "other") as p:
        p.cmd("DELE 1", "+OK")
        p.cmd("QUIT", "+OK")
    eventually(lambda: fetch_all(s, "u2", "other") == [], "deleted")


@test(seconds=3)
def stopped_and_continued(t):
    """SIGSTOP and SIGCONT: running sessions go on, nothing is lost or doubled."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.begin()
        c.cmd("DATA", "354")
        s.signal(signal.SIGSTOP)
        c.send(stuff(messages.HEAD))
        time.sleep(1)
        s.signal(signal.SIGCONT)
        assert c.reply().startswith("250")
    assert len(fetch_all(s)) == 1
