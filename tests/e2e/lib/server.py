"""The executable under test: started on free ports, watched, ended by its pid."""
import os
import re
import signal
import subprocess
import threading
import time

LISTENERS = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s")
REPORTS = re.compile(rb"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                     rb"[Aa]ssertion .* failed|LM_ASSERT|SUMMARY: \w+Sanitizer")


class Server:
    """
    `users`: {name: password}; `off`: listeners not wanted; `store`: URL (default sqlite in the
    test's folder); `expect`: the exit code at the end. Extra arguments go to the command line as
    they are.
    """

    def __init__(self, context, extra=(), users=None, off=(), store=None, name="mail",
                 log="text", hostname="mx.example.org", cert="server", env=None, prefix=(),
                 expect=0, domains=("example.org",)):
        self.context, self.name, self.expect = context, name, expect
        self.users = {"u1": "secret", "u2": "other", "u3": "third"} if users is None else users
        self.store = store or f"sqlite:{context.path(name + '.db')}"
        self.lmtp_path = context.path(name + ".lmtp")
        self.hostname, self.log, self.off = hostname, log, set(off)
        self.extra, self.cert, self.prefix = list(extra), cert, list(prefix)
        for domain in domains:
            self.extra += ["--domain", domain]
        self.env = env or {}
        self.process, self.endpoints, self.pid = None, {}, None
        self.err_path = context.path(name + ".err")

    def command(self):
        c = [self.context.exe, "serve", "--store", self.store, "--hostname", self.hostname,
             "--log", self.log]
        for listener in LISTENERS:
            address = self.lmtp_path if listener == "lmtp" else "127.0.0.1:0"
            c += [f"--{listener}", "off" if listener in self.off else address]
        if self.cert:
            pem, key = self.context.cert.pair(self.cert)
            c += ["--cert", pem, "--key", key]
        for user, password in self.users.items():
            c += ["--user", f"{user}:{password}"]
        return c + self.extra

    def environment(self):
        options = "abort_on_error=0:exitcode=99:halt_on_error=1"
        tests = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        return {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:intercept_tls_get_addr=0:" + options,
                "TSAN_OPTIONS": f"suppressions={tests}/tsan.supp:" + options,
                "LSAN_OPTIONS": f"suppressions={tests}/lsan.supp",
                "UBSAN_OPTIONS": "print_stacktrace=1:" + options, "HOME": self.context.dir,
                **self.env}

    def start(self, ready=True):
        with open(self.err_path, "ab") as err:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.prefix, *self.command()],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, cwd=self.context.dir,
                env=self.environment())
        self.pid = self.process.pid
        if ready:
            self.await_ready()
        return self

    def await_ready(self):
        seconds = 30 * self.context.patience
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        line = self.process.stdout.readline().decode(errors="backslashreplace").strip()
        timer.cancel()
        assert line.startswith("ready "), \
            f"no ready line in {seconds} s: {line!r}\n{' '.join(self.command())}\n{self.tail()}"
        self.endpoints = dict(item.split("=", 1) for item in line.split()[1:])
        self.pid = int(self.endpoints.pop("pid"))

    def port(self, listener):
        return int(self.endpoints[listener].rsplit(":", 1)[1])

    def address(self, listener):
        """What socket.connect takes."""
        where = self.endpoints[listener]
        return where if where.startswith("/") else ("127.0.0.1", self.port(listener))

    def errors(self):
        with open(self.err_path, "rb") as f:
            return f.read()

    def log_lines(self):
        return self.errors().decode(errors="backslashreplace").splitlines()

    def tail(self):
        text = self.errors()
        report = REPORTS.search(text)
        cut = text[max(0, report.start() - 200):][:6000] if report else text[-1500:]
        return f"--- {self.name}: {cut.decode(errors='backslashreplace')}\n"

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """SIGKILL, as a crash would; then start() may be called again."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def wait(self, seconds=30):
        return self.process.wait(seconds * self.context.patience)

    def stop(self, seconds=30):
        """SIGTERM and the exit code."""
        if self.alive():
            self.signal(signal.SIGTERM)
        code = self.wait(seconds)
        self.process.stdout.close()
        return code

    def restart(self):
        code = self.stop()
        assert code == 0, f"exit code {code} after SIGTERM\n{self.tail()}"
        return self.start()

    def finish(self):
        """At the end of the test: what was wrong."""
        problems = []
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(20 * self.context.patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                problems.append(f"{self.name}: did not end after SIGTERM")
        code = self.process.returncode if self.process else None
        if not problems and code not in (self.expect, -signal.SIGKILL):
            problems.append(f"{self.name}: exit code {code}, not {self.expect}")
        if REPORTS.search(self.errors()):
            problems.append(f"{self.name}: a sanitizer or an assertion reported")
        return problems


def eventually(check, what, seconds=10):
    """Poll until check() is true: for what another process does in its own time."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)
