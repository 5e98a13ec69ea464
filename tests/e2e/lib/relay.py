"""TCP connections asked for by HTTP, for scripts that have fetch but no sockets
(bindings/test/connect.js is the other side)."""
import http.server
import itertools
import socket
import struct
import threading


class Relay(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 500

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.sockets, self.numbers = {}, itertools.count(1)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()
        for one in self.sockets.values():
            one.close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        words = self.path.strip("/").split("/")
        try:
            self.reply(200, self.begin(*words) if words[0] in ("open", "listen") else
                       self.use(*words, body))
        except OSError as why:
            self.reply(502, str(why).encode())

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self, verb, address, port):
        if verb == "open":
            return self.keep(socket.create_connection((address, int(port)), timeout=60))
        one = socket.create_server((address, int(port)), backlog=100)
        number = self.keep(one)
        return b"%s %d" % (number, one.getsockname()[1])

    def keep(self, one):
        number = str(next(self.server.numbers))
        one.settimeout(60)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.sockets[number] = one
        return number.encode()

    def use(self, number, verb, body):
        one = self.server.sockets[number]
        if verb == "accept":
            return self.keep(one.accept()[0])
        if verb == "write":
            one.sendall(body)
        elif verb == "end":
            one.shutdown(socket.SHUT_WR)
        elif verb == "read":
            return read(one)
        else:
            if verb == "reset":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
        return b""


def read(one):
    """Octets; none at the end, however it came."""
    try:
        return one.recv(65536)
    except OSError:
        return b""
