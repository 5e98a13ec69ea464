#!/usr/bin/env python3
"""lettermill method: izy-pop3's command lines, as its README writes them."""
import http.server
import json
import poplib
import re
import shlex
import signal
import socket
import ssl
import subprocess
import threading

from harness import EXE, PATIENCE, await_true, environment, expect, main, read_line, run

MESSAGES = [b"Subject: one\r\n\r\n.dot\r\n..\r\n.\r\nend\r\n", b"Subject: two\r\n\r\n\xff\x00\xe9\r\n",
            b"Subject: three\r\n\r\n" + b"x" * 70 + b"\r\n"]


class Method:
    """`lettermill method serverpop3 …` on a free port, ended at the end."""

    def __init__(self, folder, *words):
        self.errors = folder / "izy.log"
        with open(self.errors, "ab") as log:
            self.process = subprocess.Popen(
                [EXE, "method", "serverpop3", *map(str, words)], cwd=folder, text=True,
                env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log)
        line = read_line(self.process.stdout, self.log)
        found = re.fullmatch(r"POP3 Server running on port (\d+)", line)
        assert found, f"{line!r}\n{self.log()}"
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def log(self):
        return self.errors.read_text(errors="replace")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def login(self, user="someone", password="12345"):
        client = poplib.POP3("127.0.0.1", self.port, timeout=PATIENCE)
        client.user(user)
        client.pass_(password)
        return client


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def izy(folder, line, **more):
    """A command line as one would type it."""
    words = shlex.split(line)
    assert words[0] == "lettermill"
    return run(folder, *words[1:], **more)


def store(folder, messages=(), name="mail"):
    path = folder / name
    for each in ("archive", "staged", "dup"):
        (path / each).mkdir(parents=True)
    for number, octets in enumerate(messages, 1):
        (path / f"m{number}_{number}.eml").write_bytes(octets)
    return path


def files(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def refused(call):
    try:
        call()
    except poplib.error_proto as error:
        return str(error)
    raise AssertionError("was not refused")


# ---- the form ----

def test_nothing_is_help(folder):
    done = expect(izy(folder, "lettermill method"), 0)
    for word in ("serverpop3", "clientpop3", "mimestore.modhandler", "query.limit", "commitmode"):
        assert word in done.stdout
    assert "--port" not in done.stdout
    assert izy(folder, "lettermill method --help").stdout == done.stdout


def test_wrong_words_name_the_nearest(folder):
    for line, words in (("severpop3", ("severpop3", "serverpop3")),
                        ("querystore", ("querystore",)),
                        ("serverpop3 prot 1110", ("prot", "port")),
                        ("serverpop3 mimestore.modhander fake", ("mimestore.modhandler",)),
                        ("clientpop3 servername x", ("servername",)),
                        ("clientpop3 verbose.clientLog cmd list", ("list", "pairs")),
                        ("serverpop3 port 1 port 2", ("port", "twice")),
                        ("serverpop3 port 99999", ("port", "99999")),
                        ("serverpop3 mimestore.modhandler fakes", ("fakes", "fake")),
                        ("serverpop3 mimestore.modhandler localfs", ("mimestore.path",)),
                        ("test testtype fullclientservr", ("fullclientserver",)),
                        ("test query.limit two", ("query.limit", "two")),
                        ("clientpop3 ip 127.0.0.1 user u pass p cmd lst", ("lst", "list")),
                        ("clientpop3 ip 127.0.0.1 pass p cmd list", ("user",)),
                        ("clientpop3 ip 127.0.0.1 user u pass p cmd retr", ("query",)),
                        ("clientpop3 ip 127.0.0.1 user u pass p cmd retr query 5-1", ("5-1",)),
                        ("clientpop3 ip 127.0.0.1 user u pass p cmd retr query 0", ("0",)),
                        ("clientpop3 ip 127.0.0.1 user u pass p cmd retr query 1,,2", ("1,,2",))):
        expect(izy(folder, "lettermill method " + line), 64, *words)


# ---- serverpop3 ----

def test_serverpop3_as_written(folder):
    port = free_port()
    with Method(folder, *shlex.split(
            f"port {port} password 12345 mimestore.modhandler fake")) as server:
        assert server.port == port
        done = subprocess.run(["curl", "-sS", f"pop3://anyone:12345@127.0.0.1:{port}/"],
                              capture_output=True, text=True, timeout=PATIENCE, check=True)
        assert done.stdout.split() == ["1", "20"], done.stdout
        done = subprocess.run(["curl", "-sS", f"pop3://anyone:12345@127.0.0.1:{port}/1"],
                              capture_output=True, text=True, timeout=PATIENCE, check=True)
        assert done.stdout == "payload_data\r\n" or done.stdout == "payload_data\n"
        assert server.end() == 0
        assert server.process.stdout.read() == ""


def test_any_user_and_one_password(folder):
    with Method(folder, "password", "12345", "limit", "3") as server:
        client = server.login("who@ever.example")
        assert client.list()[1] == [b"1 20", b"2 30", b"3 40"]
        assert client.uidl()[1] == [b"1 guid_1", b"2 guid_2", b"3 guid_3"]
        assert client.stat() == (3, 90)
        assert client.retr(3)[1] == [b"payload_data"]
        assert "-ERR" in refused(lambda: client.retr(4))
        assert "IN-USE" in refused(lambda: server.login("WHO@ever.example"))
        client.quit()
        assert "AUTH" in refused(lambda: server.login("who@ever.example", "54321"))
        client = poplib.POP3("127.0.0.1", server.port, timeout=PATIENCE)
        client.apop("anna", "12345")
        client.quit()
        assert server.end(signal.SIGINT) == 0
    assert not re.search(r"\b12345\b", server.log()), server.log()


def test_without_a_password_nobody_gets_in(folder):
    with Method(folder) as server:
        assert "without a password" in server.log()
        refused(lambda: server.login("anna", ""))
        assert server.end() == 0


def test_the_log_tells_time_session_and_action(folder):
    with Method(folder, "password", "12345", "servername", "izy.example") as server:
        client = server.login("anna\\x")
        assert client.getwelcome().endswith(b"@izy.example>")
        client.retr(1)
        client.close()
        await_true(lambda: "SOCKET END" in server.log(), server.log)
        assert server.end() == 0
    head = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[serversession_1\.\d{13}_\d+ms\] --- "
    lines = server.log().splitlines()
    assert all(re.match(head, line) for line in lines), lines
    actions = [re.sub(head, "", line) for line in lines]
    assert actions[0] == "NEW CLIENT CONNECTION ---------:  127.0.0.1"
    assert actions[1] == "CLIENT COMMAND ----------------:  USER anna\\x5cx"
    assert actions[2] == "CLIENT COMMAND ----------------:  PASS ***"
    assert actions[-2] == "NO CLIENT QUIT. POP3FAILED ----:  1"


def test_a_taken_port_is_named(folder):
    with Method(folder, "password", "12345") as server:
        done = izy(folder, f"lettermill method serverpop3 port {server.port} password 12345")
        assert done.returncode not in (0, 64) and str(server.port) in done.stderr, done.stderr


def test_a_dry_run_moves_nothing(folder):
    mail = store(folder, MESSAGES)
    before = files(mail)
    for words in ((), ("mimestore.commitmode", "no"), ("mimestore.commitmode", "0")):
        with Method(folder, "password", "12345", "mimestore.modhandler", "localfs",
                    "mimestore.path", mail, *words) as server:
            client = server.login()
            assert [int(line.split()[1]) for line in client.list()[1]] == [len(m) for m in MESSAGES]
            for number, octets in enumerate(MESSAGES, 1):
                assert b"\r\n".join(client.retr(number)[1]) + b"\r\n" == octets
            client.dele(1)
            client.quit()
            assert server.end() == 0
        assert files(mail) == before


def test_retr_moves_to_the_archive(folder):
    mail = store(folder, MESSAGES)
    (mail / "c_3.dup.eml").write_text("dup")
    (mail / "d.decodeerror.eml").write_text("x")
    (mail / "notes.txt").write_text("n")
    with Method(folder, "password", "12345", "mimestore.modhandler", "localfs",
                "mimestore.path", mail, "mimestore.commitmode", "true") as server:
        client = server.login()
        assert client.stat()[0] == 3
        client.retr(1)
        client.dele(2)
        client.quit()
        assert server.login().stat()[0] == 1
        assert server.end() == 0
    assert files(mail) == ["archive/m1_1.eml", "archive/m2_2.eml", "d.decodeerror.eml",
                           "dup/c_3.dup.eml", "m3_3.eml", "notes.txt"], files(mail)
    assert (mail / "archive/m1_1.eml").read_bytes() == MESSAGES[0]


def test_leaving_without_quit_is_pop3failed(folder):
    mail = store(folder, MESSAGES)
    with Method(folder, "password", "12345", "mimestore.modhandler", "localfs",
                "mimestore.path", mail, "mimestore.commitmode", "true") as server:
        client = server.login()
        client.retr(1)
        client.retr(2)
        client.close()
        await_true(lambda: any("pop3failed" in name for name in files(mail)), server.log)
        client = server.login()
        assert client.stat()[0] == 1
        client.quit()
        assert server.end() == 0
    assert "POP3FAILED ----:  2" in server.log()
    failed = [name for name in files(mail) if "pop3failed" in name]
    assert len(failed) == 1 and "m2" in failed[0], files(mail)


# ---- test ----

def test_test_mimestore_as_written(folder):
    done = expect(izy(folder, "lettermill method test testtype mimestore mimestore.modhandler fake "
                              "query.limit 2 query.tags abc"), 0, "abc")
    assert json.loads(done.stdout) == {
        "success": True, "totalSize": 50, "count": 2,
        "items": [{"guid": "guid_1", "size": 20}, {"guid": "guid_2", "size": 30}]}
    done = expect(izy(folder, "lettermill method test"), 0)
    assert json.loads(done.stdout)["count"] == 1


def test_test_mimestore_of_a_folder(folder):
    mail = store(folder)
    (mail / "a_1.eml").write_text("abcd")
    (mail / 'b"ü_2.eml').write_text("abc")
    before = files(mail)
    done = expect(izy(folder, f"lettermill method test mimestore.modhandler localfs "
                              f"mimestore.path {mail}"), 0)
    assert json.loads(done.stdout) == {
        "success": True, "totalSize": 7, "count": 2,
        "items": [{"name": "a_1.eml", "guid": "a_1", "size": 4},
                  {"name": 'b"ü_2.eml', "guid": 'b"ü_2', "size": 3}]}, done.stdout
    done = expect(izy(folder, f"lettermill method test mimestore.modhandler localfs "
                              f"mimestore.path {mail} mimestore.orderBy desc query.limit 1"), 0)
    assert json.loads(done.stdout)["items"][0]["name"].startswith("b")
    assert files(mail) == before
    done = run(folder, "method", "test", "mimestore.modhandler", "localfs", "mimestore.path",
               folder / "none")
    assert done.returncode != 0
    assert json.loads(done.stdout)["success"] is False


def test_test_fullclientserver_as_written(folder):
    done = expect(izy(folder, "lettermill method test testtype fullclientserver"), 0)
    for name in ("badlogin", "listandquit", "pop3failed", "retrsuccess"):
        assert f"\n{name}: passed\n" in done.stdout, done.stdout
    assert done.stdout.endswith("4 of 4 suites passed\n"), done.stdout
    assert files(folder) == []
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    done = izy(folder, f"lettermill method test testtype fullclientserver port {port}")
    assert done.returncode != 0 and str(port) in done.stderr, done.stderr
    taken.close()


class Cloud(http.server.ThreadingHTTPServer):
    """Two rows behind HTTP, as izy's service has them; keeps what was asked."""
    ROWS = {7: "7,0,3,1500000000000,1500000000001,src,guid-7,26,"
               "Subject: x\r\n\r\nhello__COMMA__ you\r\n",
            9: "9,0,3,1500000000002,1,src,guid 9,17,Subject: y\r\n\r\nz\r\n"}

    def __init__(self, answer=None):
        cloud = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                cloud.asked.append(body)
                said = (answer or cloud.rows(body)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def rows(self, sql):
        if "select" not in sql:
            return "SUCCESS: OK"
        one = re.search(r"where id = (\d+)", sql)
        return "SUCCESS: " + "".join(f"__ROW__{row}" for number, row in self.ROWS.items()
                                     if not one or int(one[1]) == number)

    def words(self):
        return (f"mimestore.modhandler cloud mimestore.accesstoken xxxx mimestore.dataservice "
                f"http://127.0.0.1:{self.server_port}/ mimestore.verbose true "
                "mimestore.tablename yyy.xxx")


def test_the_cloud_as_written(folder):
    with Cloud() as cloud:
        done = expect(izy(folder, f"lettermill method test testtype mimestore {cloud.words()} "
                                  "query.limit 2 query.tags abc"), 0)
        told = json.loads(done.stdout)
        assert told["success"] and told["count"] == 2, told
        assert [row["guid"] for row in told["items"]] == ["guid-7", "guid 9"], told
        assert cloud.asked[0].startswith("_=_:)axxxx_=_:)aselect ") and "limit 2" in cloud.asked[0]
        with Method(folder, *shlex.split(cloud.words()), "password", "12345", "limit", "5",
                    "mimestore.commitmode", "true") as server:
            client = server.login()
            assert client.list()[1] == [b"1 26", b"2 17"]
            assert client.uidl()[1][0] == b"1 guid-7"
            assert client.retr(1)[1] == [b"Subject: x", b"", b"hello, you"]
            client.close()
            await_true(lambda: "set status = 4 where id = 7" in cloud.asked[-1],
                       lambda: str(cloud.asked))
            assert server.end() == 0
        cloud.shutdown()
    for answer in ("FAIL: no such table", "junk"):
        with Cloud(answer) as cloud:
            done = izy(folder, f"lettermill method test {cloud.words()}")
            assert done.returncode not in (0, 64), done
            assert json.loads(done.stdout)["success"] is False
            assert answer.removeprefix("FAIL: ") in done.stderr, done.stderr
            cloud.shutdown()


# ---- clientpop3 ----

def test_clientpop3_list_as_written(folder):
    with Method(folder, "password", "12345", "limit", "3") as server:
        done = expect(izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} "
                                  "user u pass 12345 tls false cmd list"), 0,
                      "[CLIENT]: ", "AUTH", "LIST")
        assert done.stdout == "1 20\n2 30\n3 40\nclient was successful\n"
        assert not re.search(r"\b12345\b", done.stderr), done.stderr
        quiet = expect(izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} "
                                   "user u pass 12345 tls no verbose.clientLog false cmd list"), 0)
        assert quiet.stdout == done.stdout and quiet.stderr == "", quiet.stderr
        loud = expect(izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} "
                                  "user u pass 12345 verbose.serverLog true verbose.waitTime yes"),
                      0, "[SERVER]: ", "waitForCompletion")
        assert loud.stdout == "client was successful\n"
        expect(izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} "
                           "user u pass wrong cmd list"), 77, "Failed: ")
        expect(izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} "
                           "user u cmd list", LETTERMILL_PASSWORD="12345"), 0)
        assert server.end() == 0


def test_clientpop3_retr_as_written(folder):
    mail, here = store(folder, MESSAGES), store(folder, name="here")
    with Method(folder, "password", "12345", "mimestore.modhandler", "localfs", "mimestore.path",
                mail) as server:
        line = (f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} user u@example.com "
                f"pass 12345 mimestore.modhandler localfs mimestore.path {here} cmd retr query 1-3")
        done = expect(izy(folder, line), 0)
        names = [f"u@example.com_{n}.eml" for n in (1, 2, 3)]
        assert done.stdout.splitlines() == [*(f"writing {n}" for n in names),
                                            "client was successful"], done.stdout
        assert [(here / n).read_bytes() for n in names] == MESSAGES
        expect(izy(folder, line), 0)
        again = [f"u@example.com_{n}.dup.eml" for n in (1, 2, 3)]
        assert [(here / n).read_bytes() for n in again] == MESSAGES
        assert server.end() == 0
    log = (here / "u@example.com_log.txt").read_bytes().split(b"\r\n")
    rows = [json.loads(line.split(b": ", 1)[1]) for line in log if line]
    assert [row["fname"] for row in rows] == names + again, rows
    assert [row["dupCount"] for row in rows] == [0, 0, 0, 1, 1, 1]
    assert files(mail) == ["m1_1.eml", "m2_2.eml", "m3_3.eml"]


def test_clientpop3_queries(folder):
    mail = store(folder, MESSAGES)
    with Method(folder, "password", "12345", "mimestore.modhandler", "localfs", "mimestore.path",
                mail) as server:
        for number, (query, code, numbers, words) in enumerate((
                ("1-10", 0, (1, 2, 3), ()), ("2", 0, (2,), ()), ("3,1", 0, (1, 3), ()),
                ("2-", 0, (2, 3), ()), ("2-2,2", 0, (2,), ()),
                ("7", 1, (), ("message 7",)), ("1,5-9", 1, (1,), ("message 5",)))):
            here = store(folder, name=f"here{number}")
            done = izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} "
                               f"user u pass 12345 mimestore.modhandler localfs "
                               f"mimestore.path {here} cmd retr query {query}")
            expect(done, code, *words)
            assert [n for n in files(here) if n.endswith(".eml")] == \
                [f"u_{n}.eml" for n in numbers], (query, files(here))
        # A dry run looks, and stores nothing; the fake store takes and forgets.
        here = store(folder, name="dry")
        expect(izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} user u "
                           f"pass 12345 mimestore.modhandler localfs mimestore.path {here} "
                           "mimestore.commitmode false cmd retr query 1-3"), 0)
        assert files(here) == []
        assert server.end() == 0


def listener():
    """A port that counts who comes."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.settimeout(0.2)
    return sock


def test_a_missing_archive_is_named_before_anything_is_sent(folder):
    (folder / "here").mkdir()
    with listener() as sock:
        port = sock.getsockname()[1]
        done = izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {port} user u pass 12345 "
                           f"mimestore.modhandler localfs mimestore.path {folder}/here "
                           "cmd retr query 1-3")
        assert done.returncode != 0
        assert "Please mkdir" in done.stderr and "archive" in done.stderr, done.stderr
        try:
            sock.accept()
            raise AssertionError("it connected")
        except TimeoutError:
            pass


def tls_server(folder, count):
    """Takes connections with a certificate nobody knows, and greets."""
    cert, key = folder / "c.pem", folder / "k.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "9",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.settimeout(PATIENCE)

    def serve():
        for _ in range(count):
            peer, _ = sock.accept()
            try:
                with context.wrap_socket(peer, server_side=True) as c:
                    c.sendall(b"+OK hello\r\n")
                    file = c.makefile("rwb", buffering=0)
                    for line in file:
                        if line.startswith((b"CAPA", b"AUTH")):
                            file.write(b"-ERR what\r\n")
                        elif line.startswith(b"LIST"):
                            file.write(b"+OK\r\n1 5\r\n.\r\n")
                        else:
                            file.write(b"+OK\r\n")
                        if line.startswith(b"QUIT"):
                            break
            except OSError:
                pass
        sock.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return sock.getsockname()[1], cert, thread


def test_a_certificate_nobody_knows_is_refused(folder):
    port, cert, thread = tls_server(folder, 3)
    line = f"lettermill method clientpop3 ip 127.0.0.1 port {port} user u pass 12345 tls true cmd list"
    done = izy(folder, line)
    expect(done, 76, "Failed: ", "certificate")
    assert done.stdout == ""
    done = expect(izy(folder, f"{line} cafile {cert}"), 0)
    assert done.stdout == "1 5\nclient was successful\n"
    expect(izy(folder, f"{line} insecure true"), 0, "certificate")
    thread.join(PATIENCE)


def test_stls_when_asked(folder):
    with Method(folder, "password", "12345") as server:
        line = (f"lettermill method clientpop3 ip 127.0.0.1 port {server.port} user u pass 12345 "
                "tls starttls cmd list")
        expect(izy(folder, line), 76, "certificate")
        expect(izy(folder, line + " insecure true"), 0)
        assert server.end() == 0


def test_a_refused_connection_is_a_clear_error(folder):
    port = free_port()
    done = izy(folder, f"lettermill method clientpop3 ip 127.0.0.1 port {port} user u pass p cmd list")
    assert done.returncode not in (0, 64) and "Failed: " in done.stderr, done.stderr
    assert str(port) in done.stderr, done.stderr


if __name__ == "__main__":
    main()
