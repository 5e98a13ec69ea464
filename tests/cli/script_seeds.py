#!/usr/bin/env python3
"""Every example of the two documents the script room was made from, run as it is written there.

seeds/ has the examples, word for word; what stands for one's own host, port and names in them is
replaced by variables, which the lines in front declare."""
import json
import pathlib
import poplib
import smtplib
import signal
import socket
import ssl
import subprocess

from harness import EXE, PATIENCE, Server, environment, main, read_line, run

SEEDS = pathlib.Path(__file__).parent / "seeds"
SAID = {"'pop.gmail.com'": "HOST", "'smtp.gmail.com'": "HOST", "= 995;": "= PORT;",
        "= 465;": "= PORT;", "'youraccount@gmail.com'": "USERNAME", "'yourpassword'": "PASSWORD",
        "(...)": "(...ARGUMENTS)"}
USED = set()
LETTER = "From: a@example.org\r\nTo: anna@example.org\r\nSubject: one\r\n\r\nfirst\r\nsecond\r\n"


def example(name):
    """The text of an example, with variables where one's own names go."""
    USED.add(name)
    text = (SEEDS / f"{name}.js").read_text()
    for said, variable in SAID.items():
        text = text.replace(said, variable)
    return text


def variables(server, listener):
    return (f"const HOST = '127.0.0.1', PORT = {server.port(listener)}, "
            "USERNAME = 'anna', PASSWORD = 'secret';\n")


def program(folder, *parts):
    """Run a program made of these parts to its end; what it wrote by console.writeLn and the
    console, line by line."""
    (folder / "main.js").write_text("".join(part + "\n" for part in parts))
    done = run(folder, "run", "main.js")
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def tell(expression):
    return f"console.writeLn(JSON.stringify({expression}));"


def mail_server(folder):
    return Server(folder, "--user", "anna:secret", "--store", "memory:", "--data-dir", "data",
                  "--domain", "example.org", "--auth-delay", "0s")


def deliver(server, letter=LETTER):
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=PATIENCE) as client:
        client.sendmail("a@example.org", ["anna@example.org"], letter)


def fetch(server):
    client = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=PATIENCE)
    client.user("anna")
    client.pass_("secret")
    found = [b"\n".join(client.retr(n + 1)[1]).decode() for n in range(client.stat()[0])]
    client.quit()
    return found


# ---- the enumerations ----

def test_enumerations(folder):
    for name, variable, want in (
            ("pop3.client.authMode", "authMode", 0), ("pop3.client.encryptMode", "encryptMode", 1),
            ("pop3.server.protocol", "protocol", 4), ("smtp.client.authMode", "authMode", 1),
            ("smtp.client.encryptMode", "encryptMode", 1), ("smtp.server.protocol", "protocol", 4)):
        assert program(folder, example(name), tell(variable)) == [str(want)], name


def test_constructors(folder):
    for name, variable, member in (
            ("pop3.client.constructor", "myClient", "retrieve"),
            ("pop3.server.constructor", "myServer", "setCertificate"),
            ("smtp.client.constructor", "myClient", "verify"),
            ("smtp.server.constructor", "myServer", "start")):
        assert program(folder, example(name), tell(f"typeof {variable}.{member}")) == \
            ['"function"'], name


# ---- infinity.pop3.client ----

def test_pop3_client(folder):
    with mail_server(folder) as server:
        deliver(server)
        out = "\n".join(program(folder, variables(server, "pop3"), example("pop3.client")))
        assert "msgNum" in out and "Subject: one" in out, out


def pop3_example(folder, server, name, *more, before=""):
    """With a client that is connected."""
    return program(folder, variables(server, "pop3"), example("pop3.client.constructor"), """
        myClient.host = HOST;
        myClient.port = PORT;
        myClient.username = USERNAME;
        myClient.password = PASSWORD;""", before, example(name), *more)


def test_pop3_client_connect_and_disconnect(folder):
    with mail_server(folder) as server:
        deliver(server)
        out = pop3_example(folder, server, "pop3.client.connect", tell("myClient.count()"))
        assert out == ["1"]
        for name in ("pop3.client.disconnect", "pop3.client.free"):
            out = pop3_example(folder, server, name, """
                try {
                    myClient.count();
                } catch (error) {
                    console.writeLn('refused');
                }""", before="myClient.connect();")
            assert out == ["refused"], (name, out)


def test_pop3_client_questions(folder):
    with mail_server(folder) as server:
        deliver(server)
        size = len(poplib_first(server))
        connect = "myClient.connect();"
        for name, expression, want in (
                ("pop3.client.count", "newMessagesCount", 1),
                ("pop3.client.list", "messageList", [{"msgNum": 1, "size": size}]),
                ("pop3.client.size", "myClient.size(1)", size)):
            out = pop3_example(folder, server, name, tell(expression), before=connect)
            assert json.loads(out[-1]) == want, (name, out)
        out = pop3_example(folder, server, "pop3.client.uidl", tell("uidlList"), before=connect)
        (only,) = json.loads(out[-1])
        assert only["msgNum"] == 1 and isinstance(only["id"], str) and only["id"], out


def poplib_first(server):
    client = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=PATIENCE)
    client.user("anna")
    client.pass_("secret")
    octets = b"".join(line + b"\r\n" for line in client.retr(1)[1])
    client.quit()
    return octets


def test_pop3_client_retrieve_and_top(folder):
    with mail_server(folder) as server:
        deliver(server)
        whole = poplib_first(server)
        own = "const msgNum = 1, fileName = 'saved.eml';\n"
        out = pop3_example(folder, server, "pop3.client.retrieve", tell("messageText"),
                           before=own + "myClient.connect();")
        assert json.loads(out[-1]).encode() == whole
        assert (folder / "saved.eml").read_bytes() == whole
        pop3_example(folder, server, "pop3.client.top", before=own + "myClient.connect();")
        top = (folder / "saved.eml").read_bytes()
        assert top == whole[:whole.index(b"\r\n\r\n") + 4], top


def test_pop3_client_delete(folder):
    with mail_server(folder) as server:
        deliver(server)
        pop3_example(folder, server, "pop3.client.delete", "myClient.disconnect();",
                     before="myClient.connect();")
        assert fetch(server) == []


# ---- infinity.smtp.client ----

def mail_eml(folder):
    (folder / "mail.eml").write_bytes((SEEDS / "mail.eml").read_bytes())


def test_smtp_client(folder):
    mail_eml(folder)
    with Server(folder, "--user", "anna:secret", "--store", "memory:", "--data-dir", "data",
                "--catch-all", "anna") as server:
        program(folder, variables(server, "smtp"), example("smtp.client"))
        (found,) = fetch(server)
        assert "Subject: The Subject" in found and found.endswith("Mailbody text"), found


def smtp_example(folder, server, name, *more, before=""):
    return program(folder, variables(server, "smtp"), example("smtp.client.constructor"), """
        myClient.host = HOST;
        myClient.port = PORT;
        myClient.authMode = infinity.smtp.client.authMode.default;
        myClient.username = USERNAME;
        myClient.password = PASSWORD;""", before, example(name), *more)


def test_smtp_client_steps(folder):
    with mail_server(folder) as server:
        connect = "myClient.connect();\n"
        smtp_example(folder, server, "smtp.client.connect", "myClient.disconnect();")
        smtp_example(folder, server, "smtp.client.authenticate", before=connect)
        smtp_example(folder, server, "smtp.client.verify", before=connect)
        for name in ("smtp.client.disconnect", "smtp.client.free"):
            out = smtp_example(folder, server, name, """
                try {
                    myClient.verify('x');
                } catch (error) {
                    console.writeLn('refused');
                }""", before=connect)
            assert out == ["refused"], (name, out)


def test_smtp_client_sends(folder):
    mail_eml(folder)
    for name, before in (
            ("smtp.client.sendFile", ""),
            ("smtp.client.sendStream",
             "const myStream = new infinity.stream('mail.eml', infinity.fileMode.read);\n"),
            ("smtp.client.sendMail", """
                infinity.loadModule('infinity.mail');
                const myMail = new infinity.mail();
                myMail.loadFromFile('mail.eml');
                """)):
        with Server(folder, "--user", "anna:secret", "--store", "memory:", "--data-dir", "data",
                    "--catch-all", "anna") as server:
            smtp_example(folder, server, name, "myClient.disconnect();",
                         before=before + "myClient.connect();\nmyClient.authenticate();\n")
            (found,) = fetch(server)
            assert "Subject: The Subject" in found and "Mailbody text" in found, (name, found)


# ---- the servers ----

HANDLERS = {
    "pop3/login.js": """
        const session = infinity.pop3.session;
        session.authenticated = session.username === 'anna' && session.password === 'secret';
        if (session.authenticated)
            session.items.push({ id: 7, uid: 'seven', size: 31, deleted: false });
        """,
    "pop3/retrieve.js": """
        const { item } = infinity.pop3.session;
        if (item.id === 7)
            item.msg = 'Subject: seven\\r\\n\\r\\none\\r\\ntwo\\r\\n';
        """,
    "pop3/top.js": """
        const { item } = infinity.pop3.session;
        const lines = ['one\\r\\n', 'two\\r\\n'].slice(0, item.lines);
        item.msg = 'Subject: seven\\r\\n\\r\\n' + lines.join('');
        """,
    "pop3/delete.js": "infinity.pop3.session.item.deleted = true;",
    "pop3/quit.js": """
        const { items } = infinity.pop3.session;
        console.writeLn('gone ' + items.filter((item) => item.deleted).map((item) => item.uid));
        """,
    "smtp/login.js": """
        const session = infinity.smtp.session;
        session.authenticated = session.username === 'anna' && session.password === 'secret';
        """,
    "smtp/receive.js": """
        const session = infinity.smtp.session;
        console.writeLn('came ' + JSON.stringify(session.msg));
        session.received = true;
        """,
    "smtp/rcptto.js": "infinity.smtp.session.accept = true;",
}


class Program:
    """A program that serves until it is ended."""

    def __init__(self, folder, *parts):
        for name, text in HANDLERS.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        (folder / "main.js").write_text("".join(part + "\n" for part in parts))
        self.process = subprocess.Popen([EXE, "run", "main.js"], cwd=folder,
                                        env=environment(folder), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def line(self):
        return read_line(self.process.stdout, lambda: f"exit code {self.process.poll()}")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        usual = (" warn auth.fail ", " warn connection.refused ")
        odd = [line for line in err.splitlines() if not any(word in line for word in usual)]
        assert self.process.returncode == 0 and not odd, (self.process.returncode, out, err)


ON_LOOPBACK = "const ARGUMENTS = [{ host: '127.0.0.1', port: 0 }];\n"
PORT = "console.writeLn(String(myServer.port));"


def test_pop3_server(folder):
    with Program(folder, ON_LOOPBACK, example("pop3.server"), PORT) as served:
        port = int(served.line())
        client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        client.user("anna")
        client.pass_("secret")
        assert client.list()[1] == [b"1 31"] and client.uidl()[1] == [b"1 seven"]
        assert client.retr(1)[1] == [b"Subject: seven", b"", b"one", b"two"]
        assert client.top(1, 1)[1] == [b"Subject: seven", b"", b"one"]
        client.dele(1)
        client.quit()
        assert served.line() == "gone seven"
        client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        client.user("anna")
        try:
            client.pass_("wrong")
            raise AssertionError("a wrong password was taken")
        except poplib.error_proto as error:
            assert "[AUTH]" in str(error)
        client.quit()
        assert served.line() == "gone "
        served.end()


def test_smtp_server(folder):
    """The documents' own example has no onRcptTo, and so relays nothing; with one it takes mail."""
    more = "myServer.stop(); myServer.onRcptTo = 'smtp/rcptto.js'; myServer.start();" + PORT
    with Program(folder, ON_LOOPBACK, example("smtp.server"), PORT) as served:
        with smtplib.SMTP("127.0.0.1", int(served.line()), timeout=PATIENCE) as client:
            client.login("anna", "secret")
            try:
                client.sendmail("a@example.org", ["b@example.org"], LETTER)
                raise AssertionError("mail for strangers was taken")
            except smtplib.SMTPRecipientsRefused as refused:
                assert [code for code, _ in refused.recipients.values()] == [550]
        served.end()
    with Program(folder, ON_LOOPBACK, example("smtp.server"), more) as served:
        with smtplib.SMTP("127.0.0.1", int(served.line()), timeout=PATIENCE) as client:
            client.ehlo()
            assert set(client.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
            client.login("anna", "secret")
            client.sendmail("a@example.org", ["b@example.org"], LETTER)
        assert json.loads(served.line()[5:]) == LETTER
        served.end()


def certificate_files(folder):
    """What setCertificate's example names: signed by the one that is the third."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout")
    openssl("req", "-x509", *key, "root.key", "-out", "rootCertFile.crt", "-days", "2", "-subj",
            "/CN=Root")
    openssl("req", "-new", *key, "keyFile.key", "-out", "cert.csr", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "cert.csr", "-CA", "rootCertFile.crt", "-CAkey", "root.key",
            "-CAcreateserial", "-days", "2", "-out", "certFile.crt")


def has_certificate(folder, kind, port):
    """TLS that is checked against the third file."""
    context = ssl.create_default_context(cafile=folder / "rootCertFile.crt")
    context.check_hostname = False
    if kind == "pop3":
        poplib.POP3("127.0.0.1", port, timeout=PATIENCE).stls(context)
    else:
        smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE).starttls(context=context)


def test_servers_certificate_start_and_stop(folder):
    certificate_files(folder)
    for kind in ("pop3", "smtp"):
        begin = (f"infinity.loadModule('infinity.{kind}');\n"
                 f"let myServer = new infinity.{kind}.server({{ host: '127.0.0.1', port: 0, "
                 "ssl: true });", example(f"{kind}.server.setCertificate"),
                 example(f"{kind}.server.start"), PORT)
        with Program(folder, *begin) as served:
            has_certificate(folder, kind, int(served.line()))
            served.end()
        out = program(folder, *begin, example(f"{kind}.server.stop"), tell("myServer.running"))
        assert out[1] == "false", out
        with socket.socket() as gone:
            assert gone.connect_ex(("127.0.0.1", int(out[0]))) != 0


def test_zz_every_example_was_run(folder):
    """Runs last: each file of seeds/ was part of a test above."""
    del folder
    if USED:
        there = {path.name.removesuffix(".js") for path in SEEDS.glob("*.js")}
        assert there == USED, there ^ USED


if __name__ == "__main__":
    main()
