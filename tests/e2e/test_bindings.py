"""bindings/test: the same files in Node.js, in the oldest that is supported (Debian's), and in
`lettermill run`."""
import os
import pathlib
import re

from lib import certs, nodes, relay, tools
from lib.runner import ROOT, Skip, test

FOLDER = pathlib.Path(ROOT, "bindings/test")


def command(t, host):
    if host == "lettermill":
        # The engine's threads have no room for the sanitizer's interceptor of thread-local storage.
        options = os.environ.get("ASAN_OPTIONS", "") + ":intercept_tls_get_addr=0"
        suppressed = f"suppressions={ROOT}/tests/lsan.supp"
        return [t.exe, "run"], {"ASAN_OPTIONS": options, "LSAN_OPTIONS": suppressed}
    if host == "node18":
        if t.sanitizer:
            raise Skip("the test without 18 in its name does this with the address sanitizer")
        return nodes.debian(), {"LETTERMILL_ADDON": nodes.addon(t)}
    return nodes.command(t)


def run_file(t, host, path):
    start, environment = command(t, host)
    connections = relay.Relay()
    t.cleanup(connections.end)
    folder = certs.make(t.path("certs")).folder
    done = tools.run(*start, path, f"--relay={connections.url}", f"--folder={folder}",
                     f"--patience={t.patience}", f"--growth={t.growth}", env=environment,
                     code=None, timeout=300 * t.patience)
    out = done.out.decode(errors="replace")
    bad = re.findall(r"^not ok (.*)", out, re.M)
    passed = len(re.findall(r"^ok ", out, re.M))
    err = done.err.decode(errors="replace")
    assert done.code == 0 and not bad and passed, f"{host}: {bad}: exit {done.code}\n{out}\n{err}"
    nodes.check(err)


def make(host, path):
    def run(t):
        run_file(t, host, path)
    run.__module__ = __name__
    run.__name__ = f"{path.stem}_{host}"
    return test(seconds=20)(run)


for file in sorted(FOLDER.glob("*.js")):
    # Others are parts of tests.
    if re.search(r"require\('./harness'\)(?s:.*)\btest\(", file.read_text()):
        for runs_in in ("node", "node18", "lettermill"):
            make(runs_in, file)
