"""Runs the functions of a module that begin with test_, each in a folder of its own; prints TAP."""
import inspect
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

EXE = os.environ.get("LM_EXE", str(pathlib.Path(__file__).parents[2] / "build/lettermill"))
ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTENERS = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s")
PATIENCE = 60


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


def environment(folder, **more):
    """Nothing of the machine's own set-up."""
    keep = {k: v for k, v in os.environ.items()
            if k in ("PATH", "LANG", "LD_LIBRARY_PATH") or k.endswith("SAN_OPTIONS")
            or k.startswith("JSC_")}
    return {**keep, "HOME": str(folder), "XDG_DATA_HOME": f"{folder}/data", **more}


def run(folder, *arguments, stdin="", **more):
    """Run the executable to its end."""
    return subprocess.run([EXE, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          cwd=folder, env=environment(folder, **more), timeout=PATIENCE,
                          check=False)


def expect(done, code, *words):
    """The exit code, and words that standard error must hold."""
    assert done.returncode == code, f"exit code {done.returncode}, not {code}\n{done.stderr}"
    for word in words:
        assert word in done.stderr, f"standard error does not say {word!r}:\n{done.stderr}"
    return done


class Server:
    """`lettermill serve` on free ports; as context manager it is ended at the end."""

    def __init__(self, folder, *arguments, listeners=("smtp", "pop3")):
        command = [EXE, "serve"]
        for name in LISTENERS:
            command += [f"--{name}", "127.0.0.1:0" if name in listeners else "off"]
        self.errors = pathlib.Path(folder) / "server.log"
        with open(self.errors, "ab") as log:
            self.process = subprocess.Popen(
                [*command, *map(str, arguments)], cwd=folder, env=environment(folder),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        self.ready = read_line(self.process.stdout, self.log)
        assert self.ready.startswith("ready "), f"not ready: {self.ready!r}\n{self.log()}"
        self.where = dict(word.split("=", 1) for word in self.ready.split()[1:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def log(self):
        return self.errors.read_text(errors="replace")

    def port(self, name):
        return int(self.where[name].rsplit(":", 1)[1])

    def connect(self, name):
        """A connection as a file for lines; the greeting is not read yet."""
        sock = socket.create_connection(("127.0.0.1", self.port(name)), timeout=PATIENCE)
        file = sock.makefile("rwb", buffering=0)
        sock.close()
        return file

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Signal, wait, return the exit code."""
        self.send(number)
        return self.process.wait(PATIENCE)

    def await_log(self, words):
        await_true(lambda: words in self.log(), lambda: f"the log never said {words!r}:\n{self.log()}")


def read_line(file, why):
    """A line of a pipe, or an assertion when none comes."""
    readable, _, _ = select.select([file], [], [], PATIENCE)
    assert readable, f"no line in {PATIENCE} s\n{why()}"
    return file.readline().rstrip("\n")


def await_true(condition, why):
    """Poll until the condition holds; for what offers nothing to wait on."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, why()
        time.sleep(0.02)


def ask(file, line):
    """Send a command, return the reply's line."""
    file.write(line.encode() + b"\r\n")
    return file.readline().decode()


def outcome_of(test):
    folder = tempfile.mkdtemp(prefix="lm-cli-")
    try:
        test(pathlib.Path(folder))
        return "ok", ""
    except Skip as why:
        return "skip", str(why)
    except BaseException:
        return "not ok", traceback.format_exc()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(module="__main__"):
    tests = [f for name, f in vars(sys.modules[module]).items()
             if name.startswith("test_") and inspect.isfunction(f)]
    wanted = sys.argv[1:]
    tests = [t for t in tests if not wanted or t.__name__.removeprefix("test_") in wanted]
    bad = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        outcome, text = outcome_of(test)
        name = test.__name__.removeprefix("test_")
        skip = f" # SKIP {text}" if outcome == "skip" else ""
        print(f"{'not ok' if outcome == 'not ok' else 'ok'} {number} - {name}{skip}")
        if outcome == "not ok":
            bad += 1
            print("".join(f"# {line}\n" for line in text.splitlines()), end="")
        sys.stdout.flush()
    sys.exit(1 if bad else 0)
