#!/usr/bin/env python3
"""The mill's own words: verbs, parts, and packages that are missing. It builds nothing here."""
import os
import re
import subprocess

from harness import PATIENCE, ROOT, environment, expect, main


def mill(folder, *arguments, path=None):
    return subprocess.run([ROOT / "mill", *arguments], cwd=folder, capture_output=True, text=True,
                          timeout=PATIENCE, check=False,
                          env=environment(folder, PATH=path or os.environ["PATH"]))


def fake(folder, name, script):
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / name).write_text(f"#!/bin/sh\n{script}\n")
    (tools / name).chmod(0o755)
    return f"{tools}:{os.environ['PATH']}"


def test_help_lists_every_verb(folder):
    text = expect(mill(folder, "help"), 0).stdout
    assert mill(folder).stdout == mill(folder, "--help").stdout == text
    verbs = re.findall(r"^verb_([a-z]+)\(\)", (ROOT / "mill").read_text(), re.M)
    assert len(verbs) > 10
    for verb in verbs:
        assert f"./mill {verb}" in text, verb


def test_wrong_verbs_and_parts_are_refused(folder):
    expect(mill(folder, "grind"), 64, "grind", "./mill help")
    expect(mill(folder, "test", "unit", "grind"), 64, "grind", "rules unit cli e2e")
    expect(mill(folder, "asan", "grind"), 64, "grind")


def test_missing_packages_are_named_to_who_is_not_root(folder):
    fake(folder, "dpkg-query", 'for last; do :; done\ncase $last in libuv1-dev | meson) exit 1 ;; esac\n'
         'printf installed')
    path = fake(folder, "id", "echo 1000")
    done = expect(mill(folder, "build", path=path), 69, "meson libuv1-dev",
                  "apt-get install --no-install-recommends meson libuv1-dev")
    assert done.stdout == ""


def test_root_gets_them_installed(folder):
    fake(folder, "dpkg-query", "exit 1")
    fake(folder, "id", "echo 0")
    path = fake(folder, "apt-get", f'echo "$@" >> {folder}/apt\ncase $* in *install*) exit 1 ;; esac')
    expect(mill(folder, "build", path=path), 69, "installing gcc", "cannot install")
    asked = (folder / "apt").read_text().splitlines()
    assert asked[0].endswith("update") and "ninja-build" in asked[1], asked


main()
