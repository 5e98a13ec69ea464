"""Servers that misbehave as they are told, and the client commands run against them."""
import concurrent.futures
import itertools
import os
import re
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

from . import certs
from .server import REPORTS

# Exit codes.
LIMIT, NETWORK, TEMPORARY, PROTOCOL, LOGIN = 69, 74, 75, 76, 77
LOST = (NETWORK, TEMPORARY)
# What any client command may need at most, however much a server sends; Python's own pages count
# as the child's until it executes.
MEMORY = 160 << 20
RUNS = itertools.count()
CONTROLS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


class Gone(Exception):
    """The client closed the connection."""


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock):
        self.sock, self.buffer, self.heard = sock, b"", []
        sock.settimeout(60)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            raise Gone from None

    def pause(self, seconds):
        """Say nothing for a time, unless the client goes before."""
        readable, _, _ = select.select([self.sock], [], [], seconds)
        if readable and not self.buffer:
            self.fill()

    def dribble(self, data, seconds=0.001):
        for octet in data:
            self.say(bytes([octet]))
            time.sleep(seconds)

    def flood(self, data):
        """The same for ever: ends when the client goes."""
        data *= max(1, 65536 // len(data))
        while True:
            self.say(data)

    def drip(self, data, seconds=0.05):
        """An octet now and then, for ever."""
        while True:
            self.say(data)
            self.pause(seconds)

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        self.buffer += data

    def hear(self):
        """A line without its end."""
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        self.heard.append(line)
        return line

    def stall(self):
        """Never say anything again."""
        while True:
            self.buffer = b""
            self.fill()

    def cut(self):
        raise Gone

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def secure(self, context):
        """TLS from here on."""
        self.buffer = b""
        try:
            self.sock = context.wrap_socket(self.sock, server_side=True)
        except OSError:
            raise Gone from None


class Hostile:
    """Listens on a free port and holds `talk(peer)` with whoever comes."""

    def __init__(self, t, talk, tls=None):
        self.talk, self.tls = talk, tls
        self.peers, self.wrong = [], []
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        t.cleanup(self.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        peer = Peer(sock)
        self.peers.append(peer)
        try:
            if self.tls:
                peer.secure(self.tls)
            self.talk(peer)
        except Gone:
            pass
        except Exception as e:
            self.wrong.append(repr(e))
        finally:
            peer.sock.close()

    def close(self):
        self.sock.close()
        assert not self.wrong, self.wrong

    def url(self, scheme, user="u"):
        return f"{scheme}://{user + '@' if user else ''}127.0.0.1:{self.port}/"

    def heard(self):
        """All lines of all connections."""
        return [line for peer in self.peers for line in peer.heard]


def answer(peer, odd, verb, argument, usual):
    """Say what `odd` has for a verb: octets, or a function of peer and argument; else the usual."""
    if verb in odd:
        said = odd[verb]
        said = said(peer, argument) if callable(said) else said
        if said is not None:
            peer.say(said)
        return True
    if usual is not None:
        peer.say(usual)
    return False


def stuffed(message):
    data = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
    return data + (b"" if data.endswith(b"\r\n") or not data else b"\r\n") + b".\r\n"


MAIL = [b"Subject: one\r\n\r\n.dot\r\n..\r\n.\r\nend\r\n", b"Subject: two\r\n\r\n\xff\x00\xe9\r\n",
        b"Subject: three\r\n\r\n" + b"x" * 70 + b"\r\n"]


class Pop3:
    """A POP3 server that is polite but for its greeting and what `odd` says of single verbs."""

    def __init__(self, odd=None, greeting=b"+OK hello\r\n", capa=("UIDL", "TOP", "USER"),
                 messages=tuple(MAIL), tls=None):
        self.odd, self.greeting, self.capa = odd or {}, greeting, capa
        self.messages, self.tls = messages, tls

    def __call__(self, peer):
        said = self.greeting(peer) if callable(self.greeting) else self.greeting
        if said is not None:
            peer.say(said)
        while True:
            verb, _, argument = peer.hear().partition(b" ")
            verb = verb.decode("latin-1").upper()
            if answer(peer, self.odd, verb, argument, None):
                continue
            peer.say(self.usual(verb, argument))
            if verb == "QUIT":
                return
            if verb == "STLS":
                peer.secure(self.tls)

    def usual(self, verb, argument):
        if verb == "CAPA":
            lines = [*self.capa, *(("STLS",) if self.tls else ())]
            return b"+OK\r\n" + b"".join(f"{c}\r\n".encode() for c in lines) + b".\r\n"
        if verb in ("LIST", "UIDL"):
            rows = [(n, str(len(m)) if verb == "LIST" else f"id{n}")
                    for n, m in enumerate(self.messages, 1)]
            if argument:
                return f"+OK {argument.decode()} {rows[int(argument) - 1][1]}\r\n".encode()
            return b"+OK\r\n" + b"".join(f"{n} {x}\r\n".encode() for n, x in rows) + b".\r\n"
        if verb == "STAT":
            return f"+OK {len(self.messages)} {sum(map(len, self.messages))}\r\n".encode()
        if verb in ("RETR", "TOP"):
            return b"+OK\r\n" + stuffed(self.messages[int(argument.split()[0]) - 1])
        if verb in ("APOP", "AUTH"):
            return b"-ERR no\r\n"
        return b"+OK\r\n"


class Smtp:
    """The same for SMTP and LMTP. `odd["."]` is the answer to a message, `odd["BODY"]` replaces
    its reading; what a message was is in `messages`."""

    def __init__(self, odd=None, greeting=b"220 hello\r\n", extensions=("8BITMIME", "SIZE"),
                 tls=None, lmtp=False):
        self.odd, self.greeting, self.extensions = odd or {}, greeting, extensions
        self.tls, self.lmtp, self.messages = tls, lmtp, []

    def __call__(self, peer):
        secured, recipients = False, 0
        said = self.greeting(peer) if callable(self.greeting) else self.greeting
        if said is not None:
            peer.say(said)
        while True:
            verb, _, argument = peer.hear().partition(b" ")
            verb = verb.decode("latin-1").upper()
            if verb in ("EHLO", "LHLO"):
                recipients = 0
                answer(peer, self.odd, verb, argument, self.hello(secured))
                continue
            odd = answer(peer, self.odd, verb, argument, self.usual(verb))
            recipients += verb == "RCPT"
            if verb == "DATA" and not odd:
                self.read_message(peer, recipients)
                recipients = 0
            elif verb == "STARTTLS" and not odd:
                peer.secure(self.tls)
                secured = True
            elif verb == "QUIT" and not odd:
                return

    def hello(self, secured):
        lines = ["hello", *self.extensions, *(("STARTTLS",) if self.tls and not secured else ())]
        text = [f"250{' ' if n == len(lines) else '-'}{line}\r\n" for n, line in
                enumerate(lines, 1)]
        return "".join(text).encode()

    def usual(self, verb):
        codes = {"DATA": "354 go on", "QUIT": "221 bye", "STARTTLS": "220 go on", "AUTH": "504 no"}
        return (codes.get(verb, "250 fine") + "\r\n").encode()

    def read_message(self, peer, recipients):
        data = b""
        if "BODY" in self.odd:
            answer(peer, self.odd, "BODY", b"", None)
            return
        while not (data.endswith(b"\r\n.\r\n") or data == b".\r\n"):
            if not peer.buffer:
                peer.fill()
            data, peer.buffer = data + peer.buffer, b""
        self.messages.append((b"\r\n" + data[:-3]).replace(b"\r\n.", b"\r\n")[2:])
        usual = b"250 got it\r\n" * (recipients if self.lmtp else 1)
        answer(peer, self.odd, ".", b"", usual)


def tls_context(cert, name="server"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert.pair(name))
    return context


class Outcome:
    def __init__(self, command, code, out, err, seconds, memory):
        self.command, self.code, self.out, self.err = command, code, out, err
        self.seconds, self.memory = seconds, memory

    def __str__(self):
        return (f"{' '.join(map(str, self.command))}\nexit code {self.code} after "
                f"{self.seconds:.1f} s, {self.memory >> 20} MB\nstdout: {self.out[-2000:]!r}\n"
                f"stderr: {self.err[-2000:]!r}")

    def lines(self):
        return self.out.decode().splitlines()


def client(t, *arguments, stdin=b"", seconds=15, memory=MEMORY, env=None):
    """Run a client command to its end, which must come in time and with its memory bounded,
    without a fault, and without a control character on the terminal."""
    command = [t.exe, *map(str, arguments)]
    number = next(RUNS)
    names = [t.path(f"run{number}.{kind}") for kind in ("in", "out", "err")]
    with open(names[0], "wb") as f:
        f.write(stdin)
    options = "abort_on_error=0:exitcode=99:halt_on_error=1"
    surroundings = {**os.environ, "HOME": t.dir, "LETTERMILL_PASSWORD": "sesame",
                    "ASAN_OPTIONS": "detect_leaks=1:" + options, "TSAN_OPTIONS": options,
                    "UBSAN_OPTIONS": "print_stacktrace=1:" + options, **(env or {})}
    limit = seconds * t.patience
    began = time.monotonic()
    with open(names[0], "rb") as i, open(names[1], "wb") as o, open(names[2], "wb") as e:
        process = subprocess.Popen(command, stdin=i, stdout=o, stderr=e, cwd=t.dir,
                                   env=surroundings)
        late = threading.Timer(limit, process.kill)
        late.start()
        _, status, usage = os.wait4(process.pid, 0)
        late.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    out, err = (open(name, "rb").read() for name in names[1:])
    done = Outcome(command, process.returncode, out, err, time.monotonic() - began,
                   usage.ru_maxrss << 10)
    assert done.seconds < limit, f"it did not end in {limit} s: {done}"
    assert done.code >= 0 and not REPORTS.search(err), f"a fault: {done}"
    assert done.memory < memory * t.growth, f"too much memory: {done}"
    assert not CONTROLS.search(err), f"control characters: {done}"
    return done


def check(done, code, *words):
    """The exit code (or one of several), and words of standard error."""
    codes = code if isinstance(code, tuple) else (code,)
    assert done.code in codes, f"not {codes}: {done}"
    for word in words:
        assert word.lower().encode() in done.err.lower(), f"it does not say {word!r}: {done}"
    return done


def within(t, talks, run, seconds):
    """Run several at once; each must end with a time-out error soon after its time."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for name, done in zip(talks, pool.map(run, talks.values())):
            assert done.code == TEMPORARY, (name, done)
            assert done.seconds < seconds * t.patience, (name, done)


STALL = lambda peer, _=None: peer.stall()


def other_certs(t):
    """Certificates with something wrong: {name: (context, words)}."""
    folder = t.path("certs")
    made = certs.make(folder)
    certs.sign(folder, "name", "/CN=other", "subjectAltName=DNS:other.example\n")
    certs.request(folder, "old", "/CN=localhost")
    with open(t.path("certs", "old.ext"), "w") as f:
        f.write("subjectAltName=IP:127.0.0.1\n")
    certs.openssl(folder, "x509", "-req", "-in", "old.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                  "-CAcreateserial", "-days", "-1", "-extfile", "old.ext", "-out", "old.pem")
    return made
