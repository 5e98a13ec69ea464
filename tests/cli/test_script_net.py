#!/usr/bin/env python3
"""fetch over TLS, and stores that the workers of a program's servers share."""
import http.server
import ssl
import subprocess
import threading

import init
from harness import PATIENCE, main
from script_rig import run_script

LETTER = init.LETTER


class Web:
    """An HTTP server; with `certificate` (its files' stem) under TLS."""

    def __init__(self, certificate=None):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                seen.append(dict(self.headers))
                elsewhere = self.path.removeprefix("/to/")
                self.send_response(302 if elsewhere != self.path else 200)
                if elsewhere != self.path:
                    self.send_header("Location", elsewhere)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def certify(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "web.key", "-out",
                    folder / "web.crt", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return folder / "web"


def test_certificates_are_verified(folder):
    with Web(certify(folder)) as web:
        run_script(folder, """return (async () => {
            const code = (url, init) => fetch(url, init).then((r) => r.text(), (e) => e.cause?.code);
            const at = (host) => `https://${host}:${port}/`;
            is(await code(at('localhost')), 'TLS');
            is(await code(at('localhost'), { caFile: 'web.crt' }), 'ok');
            is(await code(at('127.0.0.1'), { caFile: 'web.crt' }), 'TLS');
            is(await code(at('127.0.0.1'), { insecure: true }), 'ok');
            is(await code(at('localhost')), 'TLS');
            is(await code(at('localhost'), { caFile: 'none.crt' }), 'CONFIG');
        })();""", {"port": web.port})


def test_secrets_stay_where_they_belong(folder):
    with Web(certify(folder)) as web, Web() as plain:
        run_script(folder, """return (async () => {
            const headers = { Authorization: 'Bearer secret', Cookie: 'a=b', 'X-Kept': 'yes' };
            const to = `https://localhost:${port}/to/http://127.0.0.1:${plain}/`;
            const r = await fetch(to, { headers, caFile: 'web.crt' });
            is([r.url, await r.text()], [`http://127.0.0.1:${plain}/`, 'ok']);
        })();""", {"port": web.port, "plain": plain.port})
        assert web.seen[0]["Authorization"] == "Bearer secret"
        assert plain.seen[0]["X-Kept"] == "yes"
        assert not {"Authorization", "Cookie"} & set(plain.seen[0])


MAIN = """
infinity.loadModule('infinity.pop3');
infinity.loadModule('infinity.smtp');
const [pop3Port, smtpPort] = infinity.getArgs().map(Number);
const pop3 = new infinity.pop3.server({ host: '127.0.0.1', port: pop3Port, poolSize: 3 });
pop3.onLogin = 'login.js';
pop3.onRetrieve = 'retrieve.js';
pop3.onDelete = 'delete.js';
pop3.onQuit = 'quit.js';
pop3.start();
const smtp = new infinity.smtp.server({ host: '127.0.0.1', port: smtpPort, poolSize: 3 });
smtp.onRcptTo = 'rcpt.js';
smtp.onReceive = 'receive.js';
smtp.start();
console.writeLn(`POP3 on ${pop3.address}, SMTP on ${smtp.address}`);
"""
HANDLERS = {
    "login.js": """const { session } = infinity.pop3;
        const known = session.username === 'anna' ? hashOf() : undefined;
        function hashOf() {
            return infinity.crypto.hashPassword('secret', { method: 'sha256crypt', cost: 1000 });
        }
        session.authenticated = await infinity.crypto.verifyPasswordAsync(session.password, known);
        session.items = infinity.store.open(STORE).items(session.username);""",
    "retrieve.js": """const { item } = infinity.pop3.session;
        item.msg = infinity.store.open(STORE).read(item);""",
    "delete.js": "infinity.pop3.session.item.deleted = true;",
    "quit.js": """const store = infinity.store.open(STORE);
        for (const item of infinity.pop3.session.items)
            if (item.deleted) store.mark(item, 'archive');""",
    "rcpt.js": "infinity.smtp.session.accept = true;",
    "receive.js": """const { session } = infinity.smtp;
        infinity.store.open(STORE, { mailbox: 'anna' }).add({ message: session.msg });
        session.received = true;""",
}


def mailserver(folder, store):
    (folder / "main.js").write_text(MAIN)
    for name, text in HANDLERS.items():
        (folder / name).write_text(f"const STORE = '{store}';\n{text}\n")
    return init.Project(folder)


def check_mailserver(folder, store):
    count = 12
    with mailserver(folder, store) as served:
        threads = [threading.Thread(target=served.deliver) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert "[AUTH]" in init.refused(served.login, "wrong")
        assert "[AUTH]" in init.refused(served.login, "secret", "nobody")
        client = served.login("secret")
        assert client.stat()[0] == count
        uids = {line.split()[1] for line in client.uidl()[1]}
        assert len(uids) == count
        for number in range(1, count + 1):
            assert b"\r\n".join(client.retr(number)[1]).endswith(LETTER.rstrip(b"\r\n"))
        client.dele(1)
        client.dele(2)
        client.quit()
        client = served.login("secret")
        left = {line.split()[1] for line in client.uidl()[1]}
        assert len(left) == count - 2 and left < uids
        client.quit()
        served.end()


def test_workers_share_sqlite(folder):
    check_mailserver(folder, "sqlite:mail.db")


def test_workers_share_memory(folder):
    check_mailserver(folder, "memory:")


def test_workers_share_maildir(folder):
    check_mailserver(folder, "maildir:mail")


if __name__ == "__main__":
    main()
