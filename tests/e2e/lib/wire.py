"""Raw sockets: a client that sends exactly the octets it is told and reads replies strictly."""
import base64
import hashlib
import socket
import ssl
import struct
import time


class Closed(AssertionError):
    """The server closed the connection where a reply was due."""


def tls_context(cert, client=None, minimum=None, maximum=None):
    """Trusts the test authority; `client`: name of a client certificate."""
    context = ssl.create_default_context(cafile=cert.ca)
    if client:
        context.load_cert_chain(*cert.pair(client))
    if minimum or maximum:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = minimum or ssl.TLSVersion.TLSv1
        context.maximum_version = maximum or ssl.TLSVersion.TLSv1_3
    return context


class Wire:
    """One connection. `tls`: an SSL context for implicit TLS; `greet`: read the greeting;
    `source`: the address to come from."""

    def __init__(self, server, listener, tls=None, greet=True, timeout=20, source=None):
        self.server = server
        where = server.address(listener)
        self.sock = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
        self.timeout = timeout * server.context.patience
        self.sock.settimeout(self.timeout)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(where)
        if not isinstance(where, str):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if tls:
            self.start_tls(tls)
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start_tls(self, context, name="localhost"):
        self.sock = context.wrap_socket(self.sock, server_hostname=name)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        """One line without its CRLF; a line that ends any other way is an error."""
        while b"\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"bare LF from the server: {line!r}"
        return line[:-1]

    def fill(self):
        try:
            data = self.sock.recv(262144)
        except (ConnectionError, ssl.SSLError) as e:
            raise Closed(f"{e!r}; unread {self.buffer!r}") from None
        if not data:
            raise Closed(f"end of file; unread {self.buffer[-300:]!r}")
        self.buffer += data

    def at_end(self):
        """True when the server has closed and nothing is left to read."""
        try:
            self.fill()
        except Closed:
            return not self.buffer
        return False

    def rest(self):
        """All octets until the server closes."""
        try:
            while True:
                self.fill()
        except Closed:
            data, self.buffer = self.buffer, b""
            return data

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Smtp(Wire):
    """Replies are text: "250-a\\n250 b" becomes "250 a\\nb"."""

    def reply(self):
        lines = []
        while True:
            line = self.line().decode("utf-8", "backslashreplace")
            assert len(line) >= 3 and line[:3].isdigit() and line[3:4] in ("", " ", "-"), line
            assert not lines or line[:3] == lines[0][:3], f"{lines} then {line}"
            lines.append(line)
            if line[3:4] != "-":
                return lines[0][:3] + " " + "\n".join(x[4:] for x in lines)

    def cmd(self, line, expect=None):
        """Send a line, return its reply, which must begin with `expect`."""
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        reply = self.reply()
        assert expect is None or reply.startswith(expect), f"{line!r} -> {reply!r}, not {expect}"
        return reply

    def ehlo(self, verb="EHLO"):
        """The extensions announced: {keyword: parameters}."""
        lines = self.cmd(f"{verb} client.example.org", "250").splitlines()[1:]
        pairs = [(line + " ").split(" ", 1) for line in lines]
        return {keyword.upper(): parameters.strip() for keyword, parameters in pairs}

    def secure(self, context):
        self.cmd("STARTTLS", "220")
        self.start_tls(context)

    def begin(self, *to, sender="a@example.org", parameters=""):
        self.cmd(f"MAIL FROM:<{sender}>{parameters}", "250")
        for address in to or ("u1",):
            self.cmd(f"RCPT TO:<{full(address)}>", "250")

    def deliver(self, message, *to, sender="a@example.org"):
        """A whole transaction; `message` has CRLF lines and is stuffed here."""
        self.begin(*to, sender=sender)
        self.cmd("DATA", "354")
        self.send(stuff(message))
        return self.reply()


class Pop3(Wire):
    def reply(self):
        line = self.line().decode("utf-8", "backslashreplace")
        assert line.split(" ")[0] in ("+OK", "-ERR", "+"), line
        return line

    def cmd(self, line, expect=None):
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        reply = self.reply()
        assert expect is None or reply.startswith(expect), f"{line!r} -> {reply!r}, not {expect}"
        return reply

    def multi(self, line=None):
        """A command with a multi-line answer: its lines, un-stuffed."""
        if line:
            self.cmd(line, "+OK")
        lines = []
        while True:
            text = self.line()
            if text == b".":
                return lines
            lines.append(text[1:] if text.startswith(b".") else text)

    def login(self, user="u1", password="secret"):
        self.cmd(f"USER {user}", "+OK")
        self.cmd(f"PASS {password}", "+OK")
        return self

    def secure(self, context):
        self.cmd("STLS", "+OK")
        self.start_tls(context)

    def uidl(self):
        return [line.split(b" ")[1].decode() for line in self.multi("UIDL")]

    def stat(self):
        return tuple(int(x) for x in self.cmd("STAT", "+OK").split()[1:3])

    def retr(self, number):
        """The octets of a message, and the announced size checked."""
        announced = self.cmd(f"RETR {number}", "+OK").split()[1]
        data = raw_body(self)
        if announced.isdigit():
            assert int(announced) == len(data), f"announced {announced}, came {len(data)}"
        return data


def raw_body(wire):
    """A multi-line answer's octets, un-stuffed, fast for big ones."""
    data = bytearray(wire.buffer)
    wire.buffer = b""
    while not (data.endswith(b"\r\n.\r\n") or data == b".\r\n"):
        wire.fill()
        data += wire.buffer
        wire.buffer = b""
    # A dot is doubled behind a bare LF, too (docs/octets.md).
    return (b"\n" + bytes(data[:-3])).replace(b"\n.", b"\n")[1:]


def full(address):
    """An account's address."""
    return address if "@" in address else address + "@example.org"


def stuff(message):
    """The octets of DATA for a message with CRLF lines, with the end."""
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    return (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def apop(greeting, secret):
    stamp = greeting[greeting.index("<"):greeting.index(">") + 1]
    return hashlib.md5((stamp + secret).encode()).hexdigest()


def pop(server, user="u1", password="secret", listener="pop3", **settings):
    return Pop3(server, listener, **settings).login(user, password)


def fetch_all(server, user="u1", password="secret"):
    """Every message of a maildrop, in order; nothing is deleted."""
    end = time.monotonic() + 20
    while True:
        with Pop3(server, "pop3") as p:
            p.cmd(f"USER {user}", "+OK")
            reply = p.cmd(f"PASS {password}")
            if reply.startswith("-ERR [IN-USE]") and time.monotonic() < end:
                p.cmd("QUIT")
                time.sleep(0.05)
                continue
            assert reply.startswith("+OK"), reply
            messages = [p.retr(n + 1) for n in range(p.stat()[0])]
            p.cmd("QUIT", "+OK")
            return messages


def send(server, message, *to, listener="smtp", sender="a@example.org"):
    """Deliver by a raw session; returns the reply to the message."""
    with Smtp(server, listener) as s:
        s.ehlo("LHLO" if listener == "lmtp" else "EHLO")
        reply = s.deliver(message, *to, sender=sender)
        if listener == "lmtp":
            replies = [reply] + [s.reply() for _ in range(max(1, len(to)) - 1)]
            s.cmd("QUIT", "221")
            return replies
        s.cmd("QUIT", "221")
        return reply


def deliver(server, message, *to, **settings):
    reply = send(server, message, *to, **settings)
    for r in [reply] if isinstance(reply, str) else reply:
        assert r.startswith("250"), r
