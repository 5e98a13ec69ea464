"""Programs the tests run: where they are, and how they are called and ended."""
import ctypes
import os
import re
import shutil
import signal
import subprocess

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = os.environ.get("LM_E2E_TOOLS") or os.path.join(
    os.path.dirname(os.path.dirname(HERE)), "build", "tools")
CORPUS = os.path.join(TOOLS, "libpython3.11-testsuite/usr/lib/python3.11/test")
POSTFIX = os.path.join(TOOLS, "postfix")
NODE_MODULES = os.path.join(TOOLS, "node/node_modules") + ":/usr/share/nodejs"


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def need(name):
    """The path of a program; it is a failure, not a skip, when setup.sh did not get it."""
    path = shutil.which(name)
    assert path, f"{name} is missing: run tests/e2e/setup.sh"
    return path


def sanitizer_of(exe):
    """"address", "thread" or "" by the symbols the executable asks for."""
    with open(exe, "rb") as f:
        data = f.read()
    for name, symbol in (("address", b"__asan_init"), ("thread", b"__tsan_init")):
        if symbol in data:
            return name
    return "undefined" if b"__ubsan_handle" in data else ""


class Result:
    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out[-3000:]!r}\nstderr: {self.err[-3000:]!r}"


def run(*command, stdin=b"", env=None, cwd=None, timeout=120, code=0):
    """Run a program to its end. `code`: the exit code it must have, None for any."""
    process = subprocess.run(
        [str(c) for c in command], input=stdin, capture_output=True, cwd=cwd,
        timeout=timeout, env={**os.environ, "LC_ALL": "C", **(env or {})}, check=False)
    result = Result(process)
    assert code is None or result.code == code, f"{' '.join(map(str, command))}: {result}"
    return result


def smtp_source(context, *arguments, timeout=120, code=0):
    """Postfix's load source, from its unpacked package with a private configuration."""
    program = os.path.join(POSTFIX, "usr/sbin/smtp-source")
    assert os.path.exists(program), "smtp-source is missing: run tests/e2e/setup.sh"
    folder = context.path("postfix")
    if not os.path.exists(folder):
        os.mkdir(folder)
        context.write("postfix/main.cf", "compatibility_level = 3.6\n"
                      "myhostname = client.example.org\n"
                      f"queue_directory = {folder}\nmail_owner = root\ninet_protocols = ipv4\n")
    return run(program, *arguments, timeout=timeout, code=code, env={
        "LD_LIBRARY_PATH": os.path.join(POSTFIX, "usr/lib/postfix"), "MAIL_CONFIG": folder})


def status(pid, field):
    """A number from /proc/PID/status, for example VmRSS in kB."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(rf"^{field}:\s+(\d+)", f.read(), re.M).group(1))


def rss(pid):
    return status(pid, "VmRSS")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
