"""A small POP3 server in this process, whose every answer a test may change; and what tests share."""
import poplib
import smtplib
import socket
import threading

from harness import PATIENCE


class Hangup(Exception):
    """Raised by an answer: the connection is cut as it is."""


class Peer:
    """
    `messages`: their octets, in order. `ids`: UIDLs (None: no UIDL). `answers`: {verb or "VERB n": text
    or function(peer, argument) -> octets}; what is not there is answered as a good server does.
    Keeps what clients said in `heard`, and takes out what they deleted at QUIT.
    """

    def __init__(self, messages, ids=(), answers=None, capa=("TOP", "UIDL", "PIPELINING", "USER")):
        self.messages = list(messages)
        self.ids = None if ids is None else list(ids) or [f"id{i}" for i in range(1, len(self.messages) + 1)]
        self.answers, self.capa = dict(answers or {}), capa
        self.heard, self.sizes = [], {}
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self.listen, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def url(self, user="anna"):
        return f"pop3://{user}@127.0.0.1:{self.port}/"

    def listen(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def serve(self, connection):
        file = connection.makefile("rwb")
        deleted = set()
        try:
            self.say(file, self.answer("GREETING", "", deleted))
            for line in file:
                text = line.decode().rstrip("\r\n")
                self.heard.append(text)
                verb, _, argument = text.partition(" ")
                self.say(file, self.answer(verb.upper(), argument, deleted))
                if verb.upper() == "QUIT":
                    break
        except (Hangup, OSError, ValueError):
            pass
        finally:
            connection.close()

    @staticmethod
    def say(file, octets):
        file.write(octets)
        file.flush()

    def answer(self, verb, argument, deleted):
        given = self.answers.get(f"{verb} {argument}", self.answers.get(verb))
        if given is None:
            given = getattr(self, "do_" + verb.lower(), None)
            octets = given(argument, deleted) if given else b"-ERR what?\r\n"
        else:
            octets = given(self, argument) if callable(given) else given
        return octets.encode() if isinstance(octets, str) else octets

    @staticmethod
    def lines(rows):
        return "+OK\r\n" + "".join(f"{row}\r\n" for row in rows) + ".\r\n"

    @staticmethod
    def stuffed(octets):
        body = octets.replace(b"\r\n.", b"\r\n..")
        return b"+OK\r\n" + (b"." if body[:1] == b"." else b"") + body + b".\r\n"

    def do_greeting(self, *_):
        return "+OK hello\r\n"

    def do_capa(self, *_):
        return self.lines(self.capa)

    def do_user(self, *_):
        return "+OK\r\n"

    do_pass = do_noop = do_rset = do_user

    def do_stat(self, *_):
        return f"+OK {len(self.messages)} {sum(map(len, self.messages))}\r\n"

    def do_list(self, *_):
        return self.lines(f"{i} {self.sizes.get(i, len(m))}" for i, m in enumerate(self.messages, 1))

    def do_uidl(self, *_):
        if self.ids is None:
            return "-ERR no UIDL here\r\n"
        return self.lines(f"{i} {text}" for i, text in enumerate(self.ids, 1))

    def do_retr(self, argument, _):
        return self.stuffed(self.messages[int(argument) - 1])

    def do_top(self, argument, _):
        number, count = map(int, argument.split())
        head, _, body = self.messages[number - 1].partition(b"\r\n\r\n")
        lines = body.split(b"\r\n")[:count]
        return self.stuffed(head + b"\r\n\r\n" + b"".join(x + b"\r\n" for x in lines))

    def do_dele(self, argument, deleted):
        deleted.add(int(argument))
        return "+OK\r\n"

    def do_quit(self, _, deleted):
        keep = [i for i in range(1, len(self.messages) + 1) if i not in deleted]
        self.messages = [self.messages[i - 1] for i in keep]
        if self.ids is not None:
            self.ids = [self.ids[i - 1] for i in keep]
        return "+OK bye\r\n"


def letter(number, lines=3, extra=b""):
    """A message; every seventh has lines that begin with dots."""
    body = b"".join(b"line %d of %d\r\n" % (i, number) for i in range(lines)) + extra
    if number % 7 == 0:
        body += b".\r\n..dots\r\n\xff 8bit\r\n"
    return (b"From: a@b.example\r\nSubject: number %d\r\nMessage-ID: <%d@b.example>\r\n\r\n"
            % (number, number)) + body


def deliver(server, user, messages):
    """Over SMTP into the executable's own store."""
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), "tests.example", timeout=PATIENCE) as s:
        s.ehlo()
        for message in messages:
            s.docmd("MAIL FROM:<a@b.example>")
            assert s.docmd(f"RCPT TO:<{user}>")[0] == 250
            assert s.docmd("DATA")[0] == 354
            s.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            assert s.getreply()[0] == 250


def maildrop(server, user, password="secret"):
    """{UIDL: octets} as another program sees it, in the maildrop's order."""
    pop = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=PATIENCE)
    pop.user(user)
    pop.pass_(password)
    found = {}
    for row in pop.uidl()[1]:
        number, uidl = row.decode().split()
        found[uidl] = b"".join(line + b"\r\n" for line in pop.retr(int(number))[1])
    pop.quit()
    return found
