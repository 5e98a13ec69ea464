"""Programs of tests/e2e/popserver in Node.js and in `lettermill run`."""
import json
import os
import queue
import signal
import subprocess
import threading

from . import nodes, runner

FOLDER = os.path.join(runner.HERE, "popserver")
HOSTS = ("node", "lettermill")
USERS = {"u1": {"password": "secret", "secret": "secret"}, "u2": {"password": "other"}}


class Program:
    """One that has said "ready"; `said` are the other lines it printed."""

    def __init__(self, t, host, script, *arguments):
        start, environment = nodes.command(t) if host == "node" else ([t.exe, "run"], {})
        self.t, self.said, self.err_path = t, [], t.path(f"{host}.err")
        self.lines = queue.Queue()
        with open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *start, os.path.join(FOLDER, script), *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, text=True, cwd=t.dir,
                env={**os.environ, **environment})
        t.cleanup(self.end)
        threading.Thread(target=self.listen, daemon=True).start()
        first = self.await_line()
        assert first.startswith("ready "), first + self.errors()
        self.ports = json.loads(first.removeprefix("ready "))

    def listen(self):
        for line in self.process.stdout:
            # `lettermill run` puts the time before it.
            self.lines.put(line.split("] ", 1)[1] if line.startswith("[L ") else line)
        self.lines.put("(the end)")

    def await_line(self):
        """The next line it says."""
        return self.lines.get(timeout=30 * self.t.patience).rstrip("\n")

    def errors(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def port(self, listener):
        return self.ports[listener]

    @property
    def endpoints(self):
        return {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}

    def alive(self):
        return self.process.poll() is None

    def end(self):
        assert self.alive(), f"it ended by itself: {self.process.returncode}\n{self.errors()}"
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def library(host):
    return os.path.join(runner.ROOT, "bindings/node") if host == "node" else "lettermill"


def pem(t, name):
    cert, key = t.cert.pair(name)
    with open(cert, encoding="ascii") as c, open(key, encoding="ascii") as k:
        return {"cert": c.read(), "key": k.read()}


def start(t, host, messages=(), users=None, tls=None, sni=None, **options):
    """server.js with these messages (octets), on both of its ports."""
    settings = {"library": library(host), "plain": 0, "secure": 0, "users": users or USERS,
                "messages": [m.decode("latin-1") for m in messages],
                "tls": pem(t, "server") if tls is None else tls, "sni": sni, "options": options}
    return Program(t, host, "server.js", t.write(f"{host}.json", json.dumps(settings)))
