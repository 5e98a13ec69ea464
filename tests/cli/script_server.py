#!/usr/bin/env python3
"""Programs with servers: what they announce, how they begin and end, and what they are told."""
import poplib
import smtplib
import socket
import ssl
import subprocess
import warnings

import script_seeds
from harness import PATIENCE, expect, main, run

warnings.simplefilter("ignore", DeprecationWarning)
HERE = "host: '127.0.0.1', port: 0"
LETTER = script_seeds.LETTER


class Program(script_seeds.Program):
    """A program of one server, whose port is its first line."""

    def __init__(self, folder, kind, options="", *more):
        super().__init__(folder, f"infinity.loadModule('infinity.{kind}');",
                         f"const server = new infinity.{kind}.server({{ {HERE}, {options} }});",
                         *more, "server.start(); console.writeLn(String(server.port));")
        self.port = int(self.line())

    def pop3(self):
        return poplib.POP3("127.0.0.1", self.port, timeout=PATIENCE)

    def smtp(self):
        return smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE)


def refused(call, *arguments):
    try:
        call(*arguments)
    except (poplib.error_proto, smtplib.SMTPException, OSError) as why:
        return str(why)
    raise AssertionError("it was not refused")


def fails(folder, text, *words):
    """A program that ends with 1 and these words."""
    (folder / "main.js").write_text(
        "infinity.loadModule('infinity.pop3'); infinity.loadModule('infinity.smtp');\n" + text)
    expect(run(folder, "run", "main.js"), 1, *words)


LOGIN = "server.onLogin = (session) => { session.authenticated = session.password === 'secret'; };"


# ---- what is announced ----

def test_pop3_announces_what_handlers_can_judge(folder):
    for more, stamp, mechanisms in (
            ("", False, None), (LOGIN, False, {"PLAIN", "LOGIN"}),
            (LOGIN + "server.onAuth = () => {};", False,
             {"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"})):
        with Program(folder, "pop3", "", more) as served:
            client = served.pop3()
            capa = client.capa()
            assert (b"<" in client.getwelcome()) == stamp
            assert "STLS" not in capa and "TOP" in capa, capa
            assert (set(capa["SASL"]) if "SASL" in capa else None) == mechanisms, (more, capa)
            client.quit()
            served.end()
    with Program(folder, "pop3", "auth: ['APOP', 'SCRAM-SHA-256']", """
            server.onAuth = (session) => {
                if (session.auth.username === 'anna')
                    session.secret = 'secret';
                else
                    session.authenticated = false;
            };""") as served:
        client = served.pop3()
        assert b"<" in client.getwelcome() and client.capa()["SASL"] == ["SCRAM-SHA-256"]
        client.apop("anna", "secret")
        client.quit()
        assert refused(served.pop3().apop, "anna", "wrong")
        assert refused(served.pop3().apop, "bert", "secret")
        served.end()


def test_smtp_announces_what_handlers_can_judge(folder):
    for more, mechanisms in (("", None), (LOGIN, {"PLAIN", "LOGIN"})):
        with Program(folder, "smtp", "", more) as served:
            client = served.smtp()
            client.ehlo()
            assert not client.has_extn("starttls")
            auth = client.esmtp_features.get("auth")
            assert (set(auth.split()) if auth else None) == mechanisms, auth
            if mechanisms:
                assert "535" in refused(client.login, "anna", "wrong")
                client.login("anna", "secret")
            client.quit()
            served.end()


def test_login_may_be_required(folder):
    with Program(folder, "smtp", "requireLogin: true", LOGIN) as served:
        client = served.smtp()
        client.ehlo()
        assert client.mail("a@example.org")[0] == 530
        client.login("anna", "secret")
        assert client.mail("a@example.org")[0] == 250
        client.quit()
        served.end()


# ---- TLS ----

def certificate(folder, name, *more, issuer=None):
    """name.pem and name.key; without an issuer signed by itself."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
           f"{name}.key", "-subj", f"/CN={name}")
    if not issuer:
        openssl("req", "-x509", *key, "-out", f"{name}.pem", *(more or ("-days", "2")))
        return
    openssl("req", "-new", *key, "-out", f"{name}.csr")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey",
            f"{issuer}.key", "-CAcreateserial", "-out", f"{name}.pem", *(more or ("-days", "2")))


def trusting(folder, name, **limits):
    context = ssl.create_default_context(cafile=folder / f"{name}.pem")
    context.check_hostname = False
    for limit, version in limits.items():
        setattr(context, limit, version)
    return context


def test_tls_by_stls_and_from_the_first_octet(folder):
    certificate(folder, "root")
    certificate(folder, "mine", issuer="root")
    cert = "server.setCertificate('mine.pem', 'mine.key');"
    with Program(folder, "pop3", "ssl: true", cert, LOGIN) as served:
        client = served.pop3()
        client.stls(trusting(folder, "root"))
        client.user("anna")
        client.pass_("secret")
        client.quit()
        served.end()
    with Program(folder, "pop3", "implicitTls: true", cert, LOGIN) as served:
        client = poplib.POP3_SSL("127.0.0.1", served.port, context=trusting(folder, "root"),
                                 timeout=PATIENCE)
        assert "STLS" not in client.capa()
        client.quit()
        served.end()
    take = ("server.onRcptTo = (session) => { session.accept = session.tls !== null; };"
            "server.onReceive = (session) => { session.received = true; };")
    with Program(folder, "smtp", "implicitTls: true", cert, take) as served:
        client = smtplib.SMTP_SSL("127.0.0.1", served.port, context=trusting(folder, "root"),
                                  timeout=PATIENCE)
        client.sendmail("a@example.org", ["b@example.org"], LETTER)
        client.quit()
        served.end()


def test_tls_and_utf8_are_heard_of(folder):
    certificate(folder, "mine")
    hooks = ("server.setCertificate('mine.pem', 'mine.key'); let asked = 0;" + LOGIN +
             "server.onTls = (session) => { console.writeLn(`tls ${session.tls.version}`); };"
             "server.onUtf8 = (session) => {"
             "	if (asked++ === 0) session.reply({ ok: false, text: 'not the first time' }); };")
    with Program(folder, "pop3", "ssl: true", hooks) as served:
        client = served.pop3()
        client.stls(trusting(folder, "mine"))
        assert served.line() == "tls TLSv1.3"
        assert "not the first time" in refused(client.utf8)
        assert client.utf8().startswith(b"+OK")
        client.quit()
        served.end()


def test_a_certificate_is_made_where_none_is_given(folder):
    with Program(folder, "pop3", "ssl: true, dataDir: 'own'") as served:
        served.pop3().stls(trusting(folder / "own", "cert"))
        served.end()
    assert (folder / "own/key.pem").stat().st_mode & 0o777 == 0o600


def test_tls_versions_are_limited(folder):
    only = {"minimum_version": ssl.TLSVersion.TLSv1_2, "maximum_version": ssl.TLSVersion.TLSv1_2}
    for options, works in (("minProtocol: infinity.pop3.server.protocol.tls1_3", False),
                           ("maxProtocol: infinity.pop3.server.protocol.tls1_2", True)):
        with Program(folder, "pop3", f"ssl: true, dataDir: 'own', {options}") as served:
            context = trusting(folder / "own", "cert", **only)
            if works:
                served.pop3().stls(context)
            else:
                assert refused(served.pop3().stls, context)
            served.end()


def test_own_certificates_are_verified(folder):
    certificate(folder, "root")
    certificate(folder, "other")
    certificate(folder, "good", issuer="root")
    begin = f"const s = new infinity.pop3.server({{ {HERE}, ssl: true, verifyCertificate: true }});"
    fails(folder, begin + "s.start();", "verifyCertificate", "setCertificate")
    fails(folder, begin + "s.setCertificate('good.pem', 'good.key'); s.start();", "good.pem")
    fails(folder, begin + "s.setCertificate('good.pem', 'good.key', 'other.pem'); s.start();",
          "good.pem")
    fails(folder, begin + "s.setCertificate('other.pem', 'good.key');", "Error")
    fails(folder, begin + "s.setCertificate('good.pem', 'good.key', 'none.pem');", "none.pem")
    for more in ("s.setCertificate('good.pem', 'good.key', 'root.pem');",
                 "s.setCertificate('good.pem', 'good.key', 'other.pem', false);"):
        (folder / "main.js").write_text("infinity.loadModule('infinity.pop3');" + begin + more +
                                        "s.start(); s.stop();")
        expect(run(folder, "run", "main.js"), 0)


def test_clients_prove_themselves_by_certificate(folder):
    certificate(folder, "root")
    certificate(folder, "mine", issuer="root")
    certificate(folder, "anna", issuer="root")
    with Program(folder, "pop3", "implicitTls: true, clientCertificates: true",
                 "server.setCertificate('mine.pem', 'mine.key', 'root.pem');", """
            server.onAuth = (session) => {
                session.authenticated = session.auth.kind === 'external' &&
                    session.tls.peerName === 'anna';
            };""") as served:
        context = trusting(folder, "root")
        context.load_cert_chain(folder / "anna.pem", folder / "anna.key")
        client = poplib.POP3_SSL("127.0.0.1", served.port, context=context, timeout=PATIENCE)
        assert "EXTERNAL" in client.capa()["SASL"]
        assert client._shortcmd("AUTH EXTERNAL =").startswith(b"+OK")
        client.quit()
        client = poplib.POP3_SSL("127.0.0.1", served.port, context=context, timeout=PATIENCE)
        assert client._shortcmd("AUTH EXTERNAL YW5uYQ==").startswith(b"+OK")
        client.quit()
        client = poplib.POP3_SSL("127.0.0.1", served.port, context=trusting(folder, "root"),
                                 timeout=PATIENCE)
        assert "SASL" not in client.capa() or "EXTERNAL" not in client.capa()["SASL"]
        client.quit()
        served.end()


# ---- handler files ----

def test_handler_files_are_looked_at_when_it_starts(folder):
    begin = f"const s = new infinity.pop3.server({{ {HERE} }});"
    fails(folder, begin + "s.onLogin = 'pop3/none.js'; s.start();", "onLogin", "pop3/none.js")
    (folder / "broken.js").write_text("const a = 1;\nlet = ;\n")
    fails(folder, begin + "s.onTop = 'broken.js'; s.start();", "broken.js:2")
    (folder / "folder.js").mkdir()
    fails(folder, begin + "s.onQuit = 'folder.js'; s.start();", "folder.js")


def test_a_program_may_go_on_without_a_server_that_failed(folder):
    with script_seeds.Program(
                folder, "infinity.loadModule('infinity.pop3');",
                f"const s = new infinity.pop3.server({{ {HERE} }});", """
            s.onLogin = 'none.js';
            try { s.start(); } catch (error) { console.writeLn(error.code); }
            s.onLogin = null;
            s.start();
            console.writeLn(`${s.running} ${s.port > 0}`);""") as served:
        assert served.line() == "NOT_FOUND" and served.line() == "true true"
        served.end()


# ---- beginning and end ----

def test_ctrl_c_lets_transactions_finish(folder):
    with Program(folder, "smtp", "", """
            server.onRcptTo = (session) => { session.accept = true; };
            server.onReceive = (session) => {
                console.writeLn(`came ${infinity.terminated}`);
                session.received = true;
            };""") as served:
        client = served.smtp()
        idle = served.smtp()
        client.ehlo()
        client.mail("a@example.org")
        client.rcpt("b@example.org")
        assert client.docmd("DATA")[0] == 354
        served.process.terminate()
        assert idle.getreply()[0] == 421
        client.send(LETTER + ".\r\n")
        assert client.getreply()[0] == 250
        assert served.line() == "came true"
        out, err = served.process.communicate(timeout=PATIENCE)
        assert served.process.returncode == 0 and not err, (out, err)


def test_stop_frees_the_port_at_once(folder):
    with script_seeds.Program(folder, "infinity.loadModule('infinity.pop3');", f"""
            const first = new infinity.pop3.server({{ {HERE} }});
            first.onDisconnect = () => console.writeLn('over');
            first.start();
            console.writeLn(String(first.port));
            const again = setInterval(() => {{
                if (first.stats.sessionsOpen === 0)
                    return;
                clearInterval(again);
                const {{ port }} = first;
                const ended = first.stopAsync(5000);
                const second = new infinity.pop3.server({{ host: '127.0.0.1', port }});
                second.start();
                console.writeLn(`${{first.running}} ${{second.running}} ${{second.port === port}}`);
                ended.then(() => {{
                    console.writeLn(`${{first.stats.sessionsTotal}} ${{first.stats.sessionsOpen}}`);
                    second.stop();
                }});
            }}, 10);""") as served:
        port = int(served.line())
        client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        assert served.line() == "false true true"
        assert "SYS/TEMP" in refused(client.noop)
        assert served.line() == "over"
        assert served.line() == "1 0"
        out, err = served.process.communicate(timeout=PATIENCE)
        assert served.process.returncode == 0 and not err, (out, err)


def test_a_program_that_fails_takes_its_servers_along(folder):
    fails(folder, f"const s = new infinity.pop3.server({{ {HERE} }}); s.start();"
          "throw new Error('enough');", "enough")
    fails(folder, f"const s = new infinity.pop3.server({{ {HERE} }}); s.start();"
          "setTimeout(() => { throw new Error('later'); }, 10);", "later")


def test_several_servers_in_one_program(folder):
    with script_seeds.Program(folder, "for (const kind of ['pop3', 'smtp', 'lmtp', 'pop3']) {", f"""
                infinity.loadModule(`infinity.${{kind}}`);
                const server = new infinity[kind].server({{ {HERE} }});
                server.onConnect = (session) => session.reply({{ ok: true }});
                server.start();
                console.writeLn(String(server.port));
            }}""") as served:
        ports = [int(served.line()) for _ in range(4)]
        assert len(set(ports)) == 4
        for port, word in zip(ports, (b"+OK", b"220", b"220", b"+OK")):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
                assert sock.recv(100).startswith(word)
        served.end()


# ---- options ----

def test_connections_are_limited(folder):
    with Program(folder, "pop3", "maxConnections: 2") as served:
        kept = [served.pop3(), served.pop3()]
        assert "SYS/TEMP" in refused(served.pop3)
        kept.pop().quit()
        served.end()


def test_sizes_are_limited(folder):
    with Program(folder, "smtp", "maxMessageSize: 1000", """
            server.onRcptTo = (session) => { session.accept = true; };
            server.onReceive = (session) => { session.received = true; };""") as served:
        client = served.smtp()
        client.ehlo()
        assert client.esmtp_features["size"] == "1000"
        client.sendmail("a@example.org", ["b@example.org"], LETTER)
        assert "552" in refused(client.sendmail, "a@example.org", ["b@example.org"], "x" * 1001)
        served.end()


def test_a_store_does_what_no_handler_does(folder):
    options = ("store: 'sqlite:mail.db', user: 'anna:secret', domain: 'example.org', "
               "dataDir: 'own'")
    with script_seeds.Program(folder, "infinity.loadModule('infinity.pop3');",
                              "infinity.loadModule('infinity.smtp');", f"""
            const smtp = new infinity.smtp.server({{ {HERE}, {options} }});
            smtp.start();
            console.writeLn(String(smtp.port));
            """) as served:
        with smtplib.SMTP("127.0.0.1", int(served.line()), timeout=PATIENCE) as client:
            client.sendmail("a@example.org", ["anna@example.org"], LETTER)
            assert "550" in refused(client.sendmail, "a@example.org", ["no@example.org"], LETTER)
            client.login("anna", "secret")
        served.end()
    assert (folder / "mail.db").exists()
    with Program(folder, "pop3", options) as served:
        client = served.pop3()
        assert "SCRAM-SHA-256" in client.capa()["SASL"]
        client.user("anna")
        client.pass_("secret")
        assert client.stat()[0] == 1
        client.quit()
        served.end()


def test_lmtp_on_a_socket(folder):
    with script_seeds.Program(folder, "infinity.loadModule('infinity.lmtp');", """
            const server = new infinity.lmtp.server({ port: 'lmtp.sock' });
            server.onRcptTo = (session) => { session.accept = session.address !== 'no'; };
            server.onReceive = (session) => {
                session.received = session.envelope.recipients.map(({ address }) => address === 'a');
            };
            server.start();
            console.writeLn(server.address);""") as served:
        path = served.line()
        assert path == str((folder / "lmtp.sock").resolve())
        with smtplib.LMTP(path) as client:
            client.ehlo_or_helo_if_needed()
            client.mail("x@example.org")
            assert [client.rcpt(to)[0] for to in ("a", "no", "b")] == [250, 550, 250]
            assert client.docmd("DATA")[0] == 354
            client.send(LETTER + ".\r\n")
            assert [client.getreply()[0] for _ in range(2)] == [250, 554]
        served.end()


def test_warnings_name_what_is_odd(folder):
    (folder / "main.js").write_text("""
        infinity.loadModule('infinity.pop3');
        new infinity.pop3.server(false, false, 995);
        const server = new infinity.pop3.server({ port: 0 });
        server.onLogin = () => {};
        server.start();
        server.stop();""")
    done = expect(run(folder, "run", "main.js"), 0)
    said = done.stdout + done.stderr
    assert "port 995 is for TLS" in said and "allowPlaintextLogin" in said, said


if __name__ == "__main__":
    main()
