"""The public tests of npm's smtp-server, run against SmtpServer through one shim
(bindings/test/smtp-server-suite): each passes, or fails for the reason that stands there."""
import json
import os
import pathlib
import shutil

from lib import nodes, tools
from lib.runner import ROOT, Skip, test

HERE = pathlib.Path(ROOT, "bindings/test/smtp-server-suite")
# Their port is always 1336: a network of its own, where that can be had.
ALONE = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
# pem 1.14 looks for the words "RSA PRIVATE KEY", which OpenSSL 3 says only when asked to.
OPENSSL = """#!/bin/sh
[ "$1" = genrsa ] && { shift; set -- genrsa -traditional "$@"; }
exec %s "$@"
"""


def suite(t):
    folder = os.path.join(tools.TOOLS, "smtp-server/node_modules")
    if not os.path.exists(folder):
        raise Skip("npm was not there when tests/e2e/setup.sh ran: no smtp-server, no mocha")
    openssl = t.write("openssl", OPENSSL % tools.need("openssl"))
    os.chmod(openssl, 0o755)
    alone = ALONE if shutil.which("unshare") and tools.run(
        *ALONE, "true", code=None).code == 0 else []
    done = tools.run(
        *alone, tools.need("node"), f"{folder}/mocha/bin/_mocha", "--require", HERE / "shim.js",
        "--reporter", "json", "--exit", f"{folder}/smtp-server/test/smtp-connection-test.js",
        f"{folder}/smtp-server/test/smtp-stream-test.js", code=None, timeout=200 * t.patience,
        env={"LETTERMILL_ADDON": nodes.addon(t), "OPENSSL_BIN": openssl})
    out = done.out.decode(errors="replace")
    assert "{" in out, done
    return json.loads(out[out.index("{"):])


@test(seconds=30)
def smtp_server_of_npm(t):
    """As many of its tests pass as docs/smtpserver.md says, and the others fail for their reasons."""
    if t.sanitizer:
        raise Skip("test_node_addon.py runs Node.js with the address sanitizer")
    wanted = json.loads((HERE / "expected.json").read_text())
    found = suite(t)
    passed = {one["fullTitle"] for one in found["passes"]}
    failed = {one["fullTitle"]: one["err"].get("message", "") for one in found["failures"]}
    should = {name for name, how in wanted.items() if how == "pass"}
    print(f"{len(passed)} of {len(wanted)} tests of smtp-server pass")
    assert should <= passed, {name: failed.get(name, "not run") for name in should - passed}
    assert passed <= should, f"now passing, say so in expected.json: {sorted(passed - should)}"
    assert set(failed) == set(wanted) - should, sorted(set(failed) ^ (set(wanted) - should))
    docs = pathlib.Path(ROOT, "docs/smtpserver.md").read_text()
    assert f"{len(should)} of its {len(wanted)} tests" in docs
