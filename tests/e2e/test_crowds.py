"""Many sessions: parallel users, thousands of idle connections, resets, slow and silent peers."""
import concurrent.futures
import resource
import socket
import struct
import threading
import time

from lib import messages, tools
from lib.runner import test
from lib.server import eventually
from lib.wire import Pop3, Smtp, deliver, fetch_all, pop, stuff, tls_context

DIALOGUES = {
    "smtp": [b"EHLO x\r\n", b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<u1@example.org>\r\n",
             b"DATA\r\n", b"Subject: x\r\n\r\nhal", b"f\r\n"],
    "bdat": [b"EHLO x\r\n", b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<u1@example.org>\r\n",
             b"BDAT 10\r\n12345", b"67890", b"BDAT 10 LAST\r\n12345"],
    "auth": [b"EHLO x\r\n", b"AUTH PLAIN\r\n", b"AHUx"],
    "pop3": [b"CAPA\r\n", b"USER u1\r\n", b"PASS secret\r\n", b"LIST\r\n", b"RETR 1\r\n",
             b"DELE 1\r\n", b"TOP 1 1\r\n"],
    "pop3 auth": [b"AUTH SCRAM-SHA-256 biwsbj11MSxyPWFiYw==\r\n", b"*\r\n", b"AUTH PLAIN\r\n"],
    "starttls": [b"EHLO x\r\n", b"STARTTLS\r\n", b"\x16\x03\x01\x02\x00\x01\x00"],
}
WHERE = {"smtp": "smtp", "bdat": "smtp", "auth": "submission", "pop3": "pop3", "pop3 auth": "pop3",
         "starttls": "smtp"}


@test(seconds=12)
def two_hundred_users(t):
    """200 parallel sessions of different users, each with its own mail: no mix-up
    (acceptance 69)."""
    count, each = (200, 10) if not t.sanitizer else (50, 4)
    users = {f"user{n}": f"pw{n}" for n in range(count)}
    s = t.server(users=users)

    def bring(n):
        with Smtp(s, "smtp", timeout=60) as c:
            c.ehlo()
            for m in range(each):
                body = b"X-For: user%d\r\nX-Nr: %d\r\n\r\n" % (n, m) + b"%d\r\n" % n * (n + 1)
                assert c.deliver(body, f"user{n}").startswith("250")

    def take(n):
        with Pop3(s, "pop3", timeout=60) as p:
            p.login(f"user{n}", f"pw{n}")
            barrier.wait(120 * t.patience)
            assert p.stat()[0] == each
            for m in range(each):
                got = messages.without_trace(p.retr(m + 1))
                nr = int(got.split(b"X-Nr: ")[1].split(b"\r\n")[0])
                want = b"X-For: user%d\r\nX-Nr: %d\r\n\r\n" % (n, nr) + b"%d\r\n" % n * (n + 1)
                messages.same(got, want)
                p.cmd(f"DELE {m + 1}", "+OK")
            p.cmd("QUIT", "+OK")
    barrier = threading.Barrier(count)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(bring, range(count)))
        list(pool.map(take, range(count)))
    for n in (0, count - 1):
        assert fetch_all(s, f"user{n}", f"pw{n}") == []


def open_many(address, count):
    sockets = []
    for _ in range(count):
        sock = socket.socket(socket.AF_INET)
        sock.settimeout(30)
        sock.connect(address)
        sockets.append(sock)
    for sock in sockets:
        assert sock.recv(3) in (b"220", b"+OK")
    return sockets


@test(seconds=12, sanitizer=False)
def ten_thousand_idle(t):
    """10,000 connections opened and left: the server still serves, memory per connection is small
    and given back."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    total = min(10_000, limit - 500)
    s = t.server("--max-connections", "12000", "--max-connections-per-address", "0")
    deliver(s, messages.HEAD)
    before, sockets = tools.rss(s.pid), []
    half = total // 2
    for listener in ("pop3", "smtp"):
        while len(sockets) < (half if listener == "pop3" else total):
            sockets += open_many(s.address(listener), 500)
    each = (tools.rss(s.pid) - before) / len(sockets)
    print(f"{len(sockets)} idle connections, {each:.1f} kB each")
    assert len(fetch_all(s)) == 1
    assert each < 16, f"{each:.1f} kB for an idle connection"
    for sock in sockets:
        sock.close()
    eventually(lambda: tools.descriptors(s.pid) < 200, "descriptors are given back", 20)
    assert len(fetch_all(s)) == 1


@test(seconds=6, sanitizer=False)
def out_of_descriptors(t):
    """EMFILE: no spinning, running sessions go on, new ones are served when there is room."""
    s = t.server("--max-connections-per-address", "0", prefix=("prlimit", "--nofile=120:120"))
    running = pop(s)
    sockets = []
    for _ in range(200):
        sock = socket.socket()
        sock.settimeout(10)
        try:
            sock.connect(s.address("smtp"))
        except OSError:
            break
        sockets.append(sock)
    running.cmd("NOOP", "+OK")

    def ticks():
        with open(f"/proc/{s.pid}/stat") as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    began = ticks()
    time.sleep(2)
    assert ticks() - began < 60, f"{ticks() - began} ticks of 10 ms in 2 s: it spins"
    running.cmd("NOOP", "+OK")
    for sock in sockets:
        sock.close()

    def served():
        try:
            with Smtp(s, "smtp", timeout=5) as c:
                return c.ehlo()
        except (AssertionError, OSError):
            return False
    eventually(served, "a new session is served", 20)
    running.cmd("QUIT", "+OK")


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@test(seconds=12)
def reset_at_every_command(t):
    """RST after each command of six dialogues, 100 times: nothing stored or deleted, no lock and
    no descriptor left (acceptance 21)."""
    s = t.server("--max-connections-per-address", "0", "--auth-delay", "0s", "--early-talkers",
                 "yes")
    deliver(s, messages.HEAD + b"x\r\n" * 100_000)
    before = tools.descriptors(s.pid)
    rounds = 100 if not t.sanitizer else 10
    for name, dialogue in DIALOGUES.items():
        for steps in range(1, len(dialogue) + 1):
            for n in range(rounds):
                sock = socket.create_connection(s.address(WHERE[name]), timeout=30)
                if n % 2:
                    # All at once, reset before anything was read.
                    sock.sendall(b"".join(dialogue[:steps]))
                else:
                    sock.recv(1000)
                    for step in dialogue[:steps]:
                        sock.sendall(step)
                reset(sock)
    assert s.alive()
    eventually(lambda: tools.descriptors(s.pid) <= before + 2, "descriptors are given back", 20)
    got = fetch_all(s)
    assert len(got) == 1 and len(got[0]) > 300_000


@test(seconds=3)
def reset_in_tls(t):
    """RST within a handshake, within TLS sessions, mid-RETR."""
    s = t.server("--max-connections-per-address", "0")
    deliver(s, messages.HEAD + b"x\r\n" * 300_000)
    before = tools.descriptors(s.pid)
    for n in range(30):
        sock = socket.create_connection(s.address("pop3s"), timeout=30)
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00"[:1 + n % 7])
        reset(sock)
    for n in range(15):
        p = eventually(lambda: login(t, s), "login", 20)
        p.send(b"RETR 1\r\nDELE 1\r\n")
        p.sock.recv(1 + 5000 * (n % 3))
        p.reset()
    eventually(lambda: tools.descriptors(s.pid) <= before + 2, "descriptors are given back", 20)
    assert len(fetch_all(s)) == 1


def login(t, s):
    p = Pop3(s, "pop3s", tls=tls_context(t.cert))
    p.cmd("USER u1", "+OK")
    if p.cmd("PASS secret").startswith("+OK"):
        return p
    p.close()
    return None


@test(seconds=6)
def slowloris(t):
    """Silence in every state ends with --idle-timeout, a last word where one is due; nothing is
    stored and the maildrop is free."""
    # The dialogues do not wait for the greeting.
    s = t.server("--idle-timeout", "1s", "--command-timeout", "1s", "--auth-delay", "0s",
                 "--early-talkers", "yes")
    deliver(s, messages.HEAD)
    waiting = []
    for name, dialogue in DIALOGUES.items():
        for steps in range(0, len(dialogue) + 1):
            if name == "pop3" and steps == len(dialogue):
                continue
            sock = socket.create_connection(s.address(WHERE[name]), timeout=20 * t.patience)
            for step in dialogue[:steps]:
                sock.sendall(step)
            waiting.append((name, steps, sock))
            if name.startswith("pop3") and steps > 2:
                # One maildrop, one session: wait for this one first.
                drain(sock)
                eventually(lambda: free(s), "the maildrop is free")
    began = time.monotonic()
    for name, steps, sock in waiting:
        try:
            drain(sock)
        except TimeoutError:
            raise AssertionError(f"{name} after {steps} steps is still open") from None
        sock.close()
    assert time.monotonic() - began < 15 * t.patience
    assert len(fetch_all(s)) == 1


def drain(sock):
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass


def free(s):
    with Pop3(s, "pop3") as p:
        p.cmd("USER u1", "+OK")
        return p.cmd("PASS secret").startswith("+OK")


@test(seconds=5, sanitizer=False)
def reader_that_never_reads(t):
    """A peer that asks for 40 MB and reads nothing: memory stays bounded, it is cut, the maildrop
    is free."""
    s = t.server("--idle-timeout", "2s")
    deliver(s, messages.HEAD + (b"z" * 98 + b"\r\n") * 400_000)
    before = tools.rss(s.pid)
    peers = []
    for _ in range(4):
        p = Pop3(s, "pop3")
        p.cmd("USER u1", "+OK")
        p.cmd("PASS secret")
        p.send(b"RETR 1\r\n" * 20)
        peers.append(p)
    time.sleep(1)
    assert tools.rss(s.pid) - before < 20_000, tools.rss(s.pid) - before
    eventually(lambda: free(s), "the silent reader is cut", 30)
    for p in peers:
        p.close()


@test(seconds=2)
def writer_that_never_reads(t):
    """A peer that sends commands and never reads the replies: memory stays bounded."""
    s = t.server("--idle-timeout", "2s", "--max-errors", "1000")
    for listener, line in (("smtp", b"HELP\r\n"), ("pop3", b"CAPA\r\n")):
        with Smtp(s, listener, greet=False, timeout=1) as c:
            before = tools.rss(s.pid)
            try:
                for _ in range(200):
                    c.send(line * 10_000)
            except OSError:
                pass
            grown = tools.rss(s.pid) - before
            assert grown < 8000 * t.growth, (listener, grown)
    with Smtp(s, "smtp") as c:
        c.ehlo()


@test(seconds=4)
def sessions_leave_nothing(t):
    """Memory and descriptors after 3000 sessions are what they were after 1000."""
    s = t.server("--max-connections-per-address", "0")

    def sessions(count):
        for _ in range(count):
            with Smtp(s, "smtp") as c:
                c.ehlo()
                c.begin()
                c.cmd("RSET", "250")
        return tools.rss(s.pid), tools.descriptors(s.pid)
    count = 1000 if not t.sanitizer else 200
    rss, descriptors = sessions(count)
    after, now = sessions(2 * count)
    assert now <= descriptors + 2
    if not t.sanitizer:
        assert after - rss < 2000, (rss, after)


@test(seconds=3)
def retrieval_beside_delivery(t):
    """Delivering to a maildrop that is being read: both go on, the reader sees its snapshot."""
    s = t.server()
    for _ in range(50):
        deliver(s, messages.HEAD)
    with pop(s) as p, Smtp(s, "smtp") as c:
        c.ehlo()
        for n in range(50):
            p.send(f"RETR {n + 1}\r\n")
            c.begin()
            c.cmd("DATA", "354")
            c.send(stuff(messages.HEAD))
            assert c.reply().startswith("250")
            assert p.reply().startswith("+OK")
            assert len(p.multi()) > 4
        assert p.stat()[0] == 50
        p.cmd("QUIT", "+OK")
    assert len(fetch_all(s)) == 100
