"""Finds tests, runs each in a process of its own with its own folder and servers, reports."""
import argparse
import fnmatch
import importlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback

from . import certs, server, tools

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(HERE))
TESTS = []


class Skip(Exception):
    """This machine cannot run the test, whatever is installed; the text says why."""


class Entry:
    def __init__(self, function, seconds, sanitizer):
        self.name = function.__module__.removeprefix("test_") + "." + function.__name__
        self.function = function
        self.seconds = seconds
        self.sanitizer = sanitizer


def test(function=None, *, seconds=1, sanitizer=True):
    """Marks a test. `seconds`: about how long it takes (long ones start first; the time-out is a
    generous multiple). `sanitizer=False`: what it measures makes no sense under a sanitizer."""
    def mark(f):
        TESTS.append(Entry(f, seconds, sanitizer))
        return f
    return mark(function) if function else mark


class Context:
    """What a test gets: its folder, and servers that are ended and checked when it is over."""

    def __init__(self, folder, options, cert):
        self.dir = folder
        self.exe = options.exe
        self.sanitizer = options.sanitizer
        self.minutes = options.minutes
        self.cert = cert
        self.patience = 4 if options.sanitizer else 1
        # Sanitizers keep freed memory for a while.
        self.growth = 8 if options.sanitizer else 1
        self._servers = []
        self._cleanups = []

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def server(self, *extra, **settings):
        """Start a server and wait until it is ready; settings: see server.Server."""
        s = server.Server(self, extra, **settings)
        self.watch(s)
        s.start()
        return s

    def watch(self, s):
        """End a server with the test, and look how it was."""
        self._servers.append(s)

    def cleanup(self, function):
        self._cleanups.append(function)

    def finish(self):
        """Ends what still runs; returns what was wrong with it."""
        problems = []
        for s in reversed(self._servers):
            problems += s.finish()
        for function in reversed(self._cleanups):
            function()
        return problems

    def logs(self):
        return "".join(s.tail() for s in self._servers)


def discover(patterns):
    for name in sorted(os.listdir(HERE)):
        if name.startswith(("test_", "script_")) and name.endswith(".py"):
            importlib.import_module(name[:-3])
    def chosen(entry):
        return not patterns or any(
            fnmatch.fnmatch(entry.name, p) or entry.name.startswith(p) for p in patterns)
    return [entry for entry in TESTS if chosen(entry)]


def run_test(entry, folder, options, cert):
    """In the child: returns (outcome, text)."""
    context = Context(folder, options, cert)
    outcome, text = "ok", ""
    try:
        entry.function(context)
    except Skip as e:
        outcome, text = "skip", str(e)
    except BaseException:
        outcome, text = "not ok", traceback.format_exc(limit=-6)
    try:
        problems = context.finish()
    except BaseException:
        problems = [traceback.format_exc(limit=-4)]
    if problems:
        outcome, text = "not ok", text + "\n".join(problems) + "\n"
    if outcome == "not ok":
        text += context.logs()
    return outcome, text


class Child:
    def __init__(self, entry, folder, options, cert):
        self.entry, self.began = entry, time.monotonic()
        self.limit = (60 + 6 * entry.seconds) * (4 if options.sanitizer else 1) + \
            options.minutes * 60
        self.data = b""
        self.folder = folder
        os.mkdir(folder, 0o755)
        self.pipe, write = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.child(write, options, cert)
        os.close(write)

    def child(self, write, options, cert):
        """Never returns. What the test prints is part of its report."""
        os.setsid()
        os.close(self.pipe)
        tools.die_with_parent()
        log = os.open(os.path.join(self.folder, "test.out"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        outcome, text = run_test(self.entry, self.folder, options, cert)
        with os.fdopen(write, "w", errors="backslashreplace") as out:
            json.dump({"outcome": outcome, "text": text}, out)
        os._exit(0)

    def result(self):
        seconds = time.monotonic() - self.began
        try:
            report = json.loads(self.data)
        except ValueError:
            report = {"outcome": "not ok", "text": "the test ended without a report (time-out of "
                      f"{self.limit} s, or killed)\n"}
        with open(os.path.join(self.folder, "test.out"), errors="backslashreplace") as f:
            report["output"] = f.read()[-4000:]
        return dict(report, name=self.entry.name, seconds=round(seconds, 2))


def run_all(entries, options, folder, cert):
    waiting = sorted(entries, key=lambda e: e.seconds)
    running, results = {}, []
    number = 0
    while waiting or running:
        while waiting and len(running) < options.jobs:
            number += 1
            child = Child(waiting.pop(), os.path.join(folder, f"t{number}"), options, cert)
            running[child.pipe] = child
        readable, _, _ = select.select(list(running), [], [], 1.0)
        for pipe in readable:
            child = running[pipe]
            data = os.read(pipe, 65536)
            child.data += data
            if data:
                continue
            os.waitpid(child.pid, 0)
            os.close(pipe)
            del running[pipe]
            results.append(child.result())
            report(len(results), results[-1])
            if results[-1]["outcome"] != "not ok" and not options.keep:
                shutil.rmtree(child.folder, ignore_errors=True)
        for child in running.values():
            if time.monotonic() - child.began > child.limit:
                os.killpg(child.pid, signal.SIGKILL)
    return results


def report(number, result):
    outcome = result["outcome"]
    line = f"{'ok' if outcome == 'skip' else outcome} {number} - {result['name']}"
    if outcome == "skip":
        line += f" # SKIP {result['text']}"
    print(f"{line} # {result['seconds']} s" if outcome == "ok" else line)
    if outcome == "not ok":
        for text in (result["text"] + result["output"]).splitlines():
            print("#   " + text)
    elif result["output"]:
        for text in result["output"].splitlines():
            print("#   " + text)
    sys.stdout.flush()


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/e2e/run", description=__doc__)
    parser.add_argument("--exe", default=os.environ.get("LM_EXE",
                        os.path.join(ROOT, "build", "lettermill")))
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("-j", dest="jobs", type=int, default=2, help="tests at once (2)")
    parser.add_argument("--keep", action="store_true", help="keep the folders of good tests, too")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--minutes", type=float, default=0, help="how long soaks go on")
    parser.add_argument("names", nargs="*", help="smtp.rset, 'smtp.*', or the beginning of names")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    entries = discover(options.names)
    if options.list:
        print("\n".join(entry.name for entry in entries))
        return 0
    options.exe = os.path.abspath(options.exe)
    if not os.access(options.exe, os.X_OK):
        print(f"no executable at {options.exe}; build first, or say --exe PATH")
        return 2
    options.sanitizer = tools.sanitizer_of(options.exe)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.sanitizer:
        entries = [e for e in entries if e.sanitizer]
    folder = tempfile.mkdtemp(prefix="lm-e2e-")
    os.chmod(folder, 0o755)
    began = time.monotonic()
    results = run_all(entries, options, folder, certs.make(os.path.join(folder, "certs")))
    failed = sum(r["outcome"] == "not ok" for r in results)
    skipped = sum(r["outcome"] == "skip" for r in results)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"exe": options.exe, "sanitizer": options.sanitizer,
                       "seconds": round(time.monotonic() - began, 1), "tests": results}, f,
                      indent=1)
    if failed or options.keep:
        print(f"# folders kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"1..{len(results)}")
    print(f"# {time.monotonic() - began:.0f} s, {skipped} skipped"
          + (f", {options.sanitizer} sanitizer" if options.sanitizer else ""))
    print(f"{len(results) - failed - skipped} passed, {failed} failed")
    return 1 if failed or not results else 0
