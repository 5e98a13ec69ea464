#!/usr/bin/env python3
"""tests/coverage.md names only tests that exist."""
import re

from harness import ROOT, main

NAMED = re.compile(r"`(e2e|cli|unit|chat) ([a-z0-9_/-]+)(?:[. ]([a-z0-9_]+))?`")


HOST = re.compile(r"_(node|lettermill)$")


def place(kind, file, name):
    """The file that must hold the test, and the text that shows it."""
    if file == "bindings":
        return ROOT / f"bindings/test/{HOST.sub('', name)}.js", r"^test\(|\ttest\("
    if kind == "unit" and file.startswith("client/client"):
        return ROOT / f"tests/{file.partition('/')[2]}_test.c", rf"\b{name}\b"
    if kind == "unit":
        return ROOT / f"src/{file}_test.c", rf"\b{name}\b"
    if kind == "chat":
        return ROOT / f"tests/chat/{file}.md", ""
    prefix = "test_" if kind == "cli" else ""
    own = file.startswith("script_") or file == "init"
    path = ROOT / f"tests/{kind}" / (f"{file}.py" if own else f"test_{file}.py")
    if not path.is_file():
        path = ROOT / f"tests/{kind}/test_{file}.py"
    return path, rf"^def {prefix}{name}\("


def missing(text):
    for kind, file, name in NAMED.findall(text):
        found = [place(kind, file, name), place(kind, file, HOST.sub("", name))]
        if not any(path.is_file() and re.search(pattern, path.read_text(), re.M)
                   for path, pattern in found):
            yield f"{kind} {file} {name}"


def test_the_table_names_tests_that_exist(_folder):
    text = (ROOT / "tests/coverage.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) > 40
    assert not list(missing(text)), list(missing(text))
    headings = ("| tried ", "| --- ")
    assert not [row for row in rows if not row.startswith(headings) and not NAMED.search(row)]


def test_a_test_that_is_gone_is_found(_folder):
    gone = "`e2e lines.no_such` `unit smtp/data no_such` `chat no-such` `cli serve.no_such` " \
        "`e2e bindings.no_such_node` `e2e popserver.no_such_lettermill`"
    assert len(list(missing(gone))) == 6


main()
