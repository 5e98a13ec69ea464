"""A stand-in for the service behind cloud: stores: SQL over HTTP POST, a table in memory.

It understands the statements the store sends and no others, and keeps every request as it came."""
import collections
import http.server
import re
import ssl
import threading

COLUMNS = ["id", "status", "groupid", "messageUTCTimestamp", "created", "sourceid", "guid", "size",
           "payload"]
KEYS = ["messageUTCTimestamp", "sourceid", "guid", "size", "payload", "metadata"]
SELECT = re.compile(r"select id,status,groupid,messageUTCTimestamp,created,sourceid,guid,size,payload"
                    r" from ([\w.]+) where (?:id = (\d+)|status (?:= (\d)|in \(([\d,]+)\)) and groupid"
                    r" = (\d+))( order by id (?:asc|desc))?(?: limit (\d+))?", re.A)
UPDATE = re.compile(r"update ([\w.]+) set status = (\d) where id = (\d+) limit 1", re.A)
INSERT = re.compile(r"insert INTO ([\w.]+) \((.*?)\)   VALUES \r\n\((.*)\) ON DUPLICATE KEY UPDATE "
                    r"([`\w =(),]+)", re.S)
LITERAL = re.compile(r"x'([0-9a-f]*)'|'((?:[^'\\]|''|\\.)*)'", re.S)


def literals(text):
    """A list of SQL values, as octets; nothing but commas may stand between them."""
    values, at = [], 0
    while True:
        match = LITERAL.match(text, at)
        assert match, f"no value at {text[at:at + 40]!r}"
        if match[1] is not None:
            values.append(bytes.fromhex(match[1]))
        else:
            values.append(re.sub(r"''|\\(.)", lambda m: m[1] or "'", match[2], flags=re.S).encode())
        at = match.end()
        if at == len(text):
            return values
        assert text[at] == ",", text[at:at + 20]
        at += 1


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Clients may leave in the midst of anything."""


class Service:
    """`with Service() as service:`; `service.url` ends in a slash."""

    def __init__(self, token=None, answer=None, certificate=None):
        self.token, self.answer = token, answer
        self.tables = collections.defaultdict(list)  # name: rows
        self.requests = []  # (path, headers, body as sent, body decoded)
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, octets = service.serve(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def rows(self):
        return self.tables["db.mail"]

    @rows.setter
    def rows(self, rows):
        self.tables["db.mail"] = rows

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def serve(self, path, headers, body):
        plain = body
        if body.startswith(b"__enc"):
            plain = "".join(chr(ord(c) - 1) for c in body[5:].decode()).encode()
        self.requests.append((path, headers, body, plain))
        if self.answer:
            answer = self.answer(self, plain)
            return answer if isinstance(answer, tuple) else (200, {}, answer)
        return 200, {}, self.run(plain)

    def run(self, plain):
        if self.token:
            mark = f"_=_:)a{self.token}_=_:)a".encode()
            if not plain.startswith(mark):
                return b"FAIL: wrong token"
            plain = plain[len(mark):]
        answer = b"SUCCESS: OK"
        for statement in plain.decode().split("__QUERY_SEP__"):
            answer = self.one(statement)
        return answer

    def one(self, sql):
        if sql == "select 1":
            return b"SUCCESS: OK"
        if match := UPDATE.fullmatch(sql):
            for row in self.tables[match[1]]:
                if row["id"] == match[3].encode():
                    row["status"] = match[2].encode()
            return b"SUCCESS: OK"
        if match := INSERT.fullmatch(sql):
            return self.insert(match)
        match = SELECT.fullmatch(sql)
        if not match:
            return b"FAIL: no SQL that is known: " + sql.encode()
        return self.select(match)

    def insert(self, match):
        assert match[2] == ",".join(f"`{key}`" for key in KEYS), match[2]
        assert match[4] == ",".join(f"`{key}` = VALUES(`{key}`)" for key in KEYS), match[4]
        rows = self.tables[match[1]]
        values = dict(zip(KEYS, literals(match[3]), strict=True))
        old = [r for r in rows if all(r[k] == values[k] for k in ("sourceid", "guid"))]
        row = old[0] if old else {"id": str(len(rows) + 1).encode(), "status": b"0",
                                  "groupid": b"0", "created": b"0"}
        row.update(values)
        if not old:
            rows.append(row)
        return b"SUCCESS: OK"

    def select(self, match):
        table, number, one, several, group, order, limit = match.groups()
        found = [row for row in self.tables[table] if
                 (number and row["id"] == number.encode()) or
                 (group and row["groupid"] == group.encode() and
                  row["status"].decode() in (one or several.split(",")))]
        if order and order.endswith("desc"):
            found.reverse()
        return b"SUCCESS: " + b"".join(map(coded, found[:int(limit) if limit else None]))


def coded(row):
    return b"__ROW__" + b",".join(row[c].replace(b",", b"__COMMA__") for c in COLUMNS)


def row(number, payload, **more):
    """A row of the table, as the transcripts of izy-pop3 have them."""
    fields = {"id": number, "status": 0, "groupid": 5, "messageUTCTimestamp": 0, "created": 0,
              "sourceid": "src", "guid": f"g{number}", "size": len(payload), "metadata": "", **more}
    return {**{k: str(v).encode() for k, v in fields.items()}, "payload": payload}
