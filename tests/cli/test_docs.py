#!/usr/bin/env python3
"""Runs the shell blocks of the documents, and compares what they print with what is written there."""
import os
import random
import re
import shutil
import signal
import socket
import subprocess

from harness import EXE, PATIENCE, ROOT, Skip, environment, main

FENCE = re.compile(r"^```(\S+)(?: file=(\S+))?\n(.*?)^```$", re.M | re.S)
PORTS = ("2525", "2465", "2587", "2110", "2995", "1110")


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    """Ports that are free and below those the system hands out, so that nobody's connection takes one
    before the server does."""
    candidates = random.sample(range(10000, 32000), 200)
    return [str(port) for port in candidates if is_free(port)][:count]


def wrapper(folder, ports):
    """`lettermill` in the PATH, with free ports where the documents have the defaults."""
    listeners = " ".join(f"--{name} {port}" for name, port in
                         zip(("smtp", "smtps", "submission", "pop3", "pop3s"), ports))
    tools = folder / "bin"
    tools.mkdir()
    (tools / "lettermill").write_text(
        f'#!/bin/sh\nif [ "$1" = serve ]; then shift; exec "{EXE}" serve {listeners} "$@"; fi\n'
        f'exec "{EXE}" "$@"\n')
    (tools / "lettermill").chmod(0o755)
    return tools


def script_of(text):
    """(files to write, the shell script, what each block must print)."""
    files, script, wanted = {}, "set -u\n", []
    for kind, name, body in FENCE.findall(text):
        if name:
            files[name] = body
        elif kind == "sh":
            script += f"{body}\necho '@@block'\n"
            wanted.append([])
        elif kind == "output":
            wanted[-1] = body.splitlines()
    return files, script, wanted


def check_block(number, printed, wanted):
    """Every wanted line must come, in order; … stands for anything."""
    lines = iter(printed.replace("\r", "").splitlines())
    for want in wanted:
        pattern = re.compile(".*".join(map(re.escape, want.split("…"))))
        assert any(pattern.fullmatch(line) for line in lines), \
            f"block {number} never printed {want!r}, but:\n{printed}"


def run_document(folder, name):
    text = (ROOT / "docs" / name).read_text()
    ports = free_ports(len(PORTS))
    for old, new in zip(PORTS, ports):
        text = re.sub(rf"\b{old}\b", new, text)
    files, script, wanted = script_of(text)
    work = folder / "work"
    work.mkdir()
    for file, body in files.items():
        (work / file).parent.mkdir(parents=True, exist_ok=True)
        (work / file).write_text(body)
    build = os.path.dirname(EXE)
    path = f"{wrapper(folder, ports)}:{os.environ['PATH']}"
    env = environment(folder, PATH=path, LD_LIBRARY_PATH=build,
                      PKG_CONFIG_PATH=f"{build}/meson-uninstalled")
    process = subprocess.Popen(["bash", "-c", script], cwd=work, env=env, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    blocks = out.split("@@block\n")
    assert len(blocks) == len(wanted) + 1, f"the script broke off:\n{out}\n{err}"
    for number, (printed, lines) in enumerate(zip(blocks, wanted), 1):
        try:
            check_block(number, printed, lines)
        except AssertionError as e:
            log = work / "log.txt"
            raise AssertionError(f"{e}\n{err}\n{log.read_text() if log.exists() else ''}") from None


def test_tests_named_in_documents_exist(folder):
    del folder
    for document in ("README.md", "docs/octets.md"):
        for line in (ROOT / document).read_text().splitlines():
            for named in re.findall(r"`([a-z0-9_]+)\.(?!py`)([a-z0-9_]+)`", line.partition("e2e")[2]):
                kind = "" if named[0].startswith("script_") else "test_"
                module = ROOT / f"tests/e2e/{kind}{named[0]}.py"
                assert module.exists() and f"def {named[1]}(" in module.read_text(), \
                    f"{document} names {'.'.join(named)}, which is no test"


def run_node_document(folder, name):
    """With the npm package where it would be installed."""
    build = os.path.dirname(EXE)
    if not os.path.exists(f"{build}/bindings/node/lettermill.node"):
        raise Skip("the addon is not built: the headers of Node.js were not found")
    with open(EXE, "rb") as f:
        if re.search(rb"__(?:asan|tsan)_init", f.read()):
            raise Skip("Node.js itself has no sanitizer")
    modules = folder / "node_modules"
    subprocess.run([ROOT / "tools/node_package", "--build", build, modules / "lettermill"], check=True,
                   stdout=subprocess.DEVNULL)
    run_document(folder, name)


def test_node_readme(folder):
    run_node_document(folder, "../bindings/node/README.md")


def test_node(folder):
    run_node_document(folder, "node.md")


def test_node_clients(folder):
    run_node_document(folder, "node-clients.md")


def test_running(folder):
    run_document(folder, "running.md")


def test_accounts(folder):
    run_document(folder, "accounts.md")


def test_tls(folder):
    if not shutil.which("openssl"):
        raise Skip("openssl is not here")
    run_document(folder, "tls.md")


def test_sending(folder):
    run_document(folder, "sending.md")


def test_izy(folder):
    run_document(folder, "izy.md")


def test_scripting(folder):
    run_document(folder, "scripting.md")


def test_popserver(folder):
    run_document(folder, "popserver.md")


def check_c():
    """Whether a C program can be built against the library of this build."""
    if not shutil.which("pkg-config"):
        raise Skip("pkg-config is not here")
    with open(f"{os.path.dirname(EXE)}/liblettermill.so", "rb") as library:
        if b"__asan_init" in (octets := library.read()) or b"__tsan_init" in octets:
            raise Skip("a program without sanitizer cannot load a library with one")


def test_stores(folder):
    run_document(folder, "stores.md")


def test_fetching(folder):
    run_document(folder, "fetching.md")


def test_embedding(folder):
    check_c()
    run_document(folder, "embedding.md")


def test_clients(folder):
    check_c()
    run_document(folder, "clients.md")


main()
