"""Small servers that say what a test wants, right or wrong."""
import socket
import threading


class Talker:
    """Accepts connections on a free port; `talk(lines, say)` speaks on each in a thread of its own.

    `lines` yields the client's lines without their ends; `say` sends text, CRLF added. Returning
    closes the connection."""

    def __init__(self, talk, tls=None):
        """`tls`: an ssl.SSLContext, for TLS from the first octet."""
        self.talk, self.tls, self.said = talk, tls, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections, self.threads = [], []
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        for sock in self.connections:
            sock.close()
        for thread in self.threads:
            thread.join(10)

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(sock)
            thread = threading.Thread(target=self.serve, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def lines(self, file):
        for line in file:
            text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            self.said.append(text)
            yield text

    def serve(self, sock):
        def say(*texts):
            sock.sendall("".join(f"{text}\r\n" for text in texts).encode())
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with sock, sock.makefile("rb") as file:
                self.talk(self.lines(file), say)
        except OSError:
            pass

    def url(self, scheme):
        return f"{scheme}://127.0.0.1:{self.port}"


def smtp(extensions=(), data="250 2.0.0 Taken", greeting="220 test ESMTP", **replies):
    """What to talk for SMTP: `replies` by verb in lower case, a text or a function of the line; a
    reply of None closes. `data` is said to the end of a message."""
    def reply_to(line):
        verb = line.split(" ")[0].split(":")[0].lower()
        reply = replies.get(verb)
        if callable(reply):
            return reply(line)
        if verb in replies:
            return reply
        return {"data": "354 Go on", "quit": "221 Bye"}.get(verb, "250 OK")

    def talk(lines, say):
        say(greeting)
        for line in lines:
            verb = line.split(" ")[0].lower()
            if verb in ("ehlo", "lhlo") and verb not in replies:
                words = ["test", *extensions]
                say(*[f"250{' ' if i + 1 == len(words) else '-'}{w}" for i, w in enumerate(words)])
                continue
            reply = reply_to(line)
            if reply is None:
                return
            say(reply)
            if verb == "data" and reply.startswith("354"):
                for part in lines:
                    if part == ".":
                        break
                if data is None:
                    return
                say(data)
            if verb == "quit":
                return
    return talk
