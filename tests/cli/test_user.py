#!/usr/bin/env python3
"""lettermill user: accounts of a store, passwords from a terminal and from a program."""
import json
import os
import pty
import select
import signal
import subprocess
import termios

from harness import EXE, PATIENCE, environment, expect, main, run


def user(folder, *arguments, stdin=""):
    return run(folder, "user", *arguments, "--store", f"sqlite:{folder}/mail.db", stdin=stdin)


def names(folder):
    return expect(user(folder, "list"), 0).stdout.split()


def test_accounts_are_added_listed_and_removed(folder):
    assert names(folder) == []
    for name in ("berta", "anna", "Émile@example.org"):
        done = expect(user(folder, "add", name, stdin="secret one\n"), 0)
        assert done.stdout == done.stderr == "", done
    assert sorted(names(folder)) == ["anna", "berta", "Émile@example.org"]
    expect(user(folder, "remove", "ANNA"), 0)
    assert "anna" not in names(folder)


def test_names_behind_two_dashes_may_begin_with_one(folder):
    store = ("--store", f"sqlite:{folder}/mail.db")
    expect(run(folder, "user", "add", *store, "-dash", stdin="secret\n"), 64, '"-dash"')
    expect(run(folder, "user", "add", *store, "--json", "x", stdin="secret\n"), 64, "--json")
    for name in ("-dash", "--json", "--"):
        expect(run(folder, "user", "add", *store, "--", name, stdin="secret\n"), 0)
    assert names(folder) == ["--", "--json", "-dash"]
    expect(run(folder, "user", *store, "--", "remove", "-dash"), 0)
    assert names(folder) == ["--", "--json"]


def test_accounts_are_made_once_and_changed_when_there(folder):
    expect(user(folder, "add", "anna", stdin="one\n"), 0)
    expect(user(folder, "add", "Anna", stdin="two\n"), 73, "nna")
    expect(user(folder, "passwd", "anna", stdin="three\n"), 0)
    expect(user(folder, "passwd", "nobody", stdin="x\n"), 67, "nobody")
    expect(user(folder, "remove", "nobody"), 67, "nobody")
    assert names(folder) == ["anna"]


def test_names_and_passwords_of_a_wrong_form_are_refused(folder):
    for name in ("", "two words", "a/b", "tab\there", "x" * 256):
        expect(user(folder, "add", name, stdin="secret\n"), 65)
    for password in ("", "\n", "\r\n", "x" * 256 + "\n", "nul\0here\n"):
        expect(user(folder, "add", "anna", stdin=password), 65, "password")
    assert names(folder) == []


def test_listing_for_programs(folder):
    assert json.loads(expect(user(folder, "list", "--json"), 0).stdout) == []
    expect(user(folder, "add", 'qu"o\\te', stdin="secret\n"), 0)
    expect(user(folder, "add", "zoe", "--apop", stdin="secret\n"), 0)
    assert json.loads(user(folder, "list", "--json").stdout) == [
        {"name": 'qu"o\\te', "apop": False}, {"name": "zoe", "apop": True}]


def test_wrong_usage_is_refused(folder):
    expect(user(folder), 64, "add, passwd, remove")
    expect(user(folder, "create", "x"), 64, "create")
    expect(user(folder, "add"), 64, "NAME")
    expect(user(folder, "list", "x"), 64, "too many")
    expect(user(folder, "add", "anna", "secret"), 64, "never given on the command line")
    expect(user(folder, "add", "anna", "--json"), 64, "--json")
    expect(user(folder, "list", "--apop"), 64, "--apop")
    assert names(folder) == []


def test_stores_that_cannot_be_had_are_errors(folder):
    assert run(folder, "user", "list", "--store", "nonsense").returncode == 78
    expect(run(folder, "user", "list", "--store", "sqlite:/nonexistent/x.db"), 74,
           "folder /nonexistent does not exist")
    (folder / "not.db").write_text("this is no database, but it is long enough to look at" * 40)
    expect(run(folder, "user", "list", "--store", f"sqlite:{folder}/not.db"), 74)


def test_without_store_the_data_directory_is_made(folder):
    expect(run(folder, "user", "add", "anna", stdin="secret\n"), 0)
    assert os.stat(folder / "data/lettermill").st_mode & 0o777 == 0o700
    assert run(folder, "user", "list").stdout == "anna\n"


class Terminal:
    """The executable at a terminal of its own."""

    def __init__(self, folder, *arguments):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.process = subprocess.Popen(
            [EXE, "user", *arguments, "--store", f"sqlite:{folder}/mail.db"], cwd=folder, stdin=slave,
            stdout=slave, stderr=slave, start_new_session=True, env=environment(folder))
        self.shown = ""

    def await_text(self, text):
        while text not in self.shown:
            readable, _, _ = select.select([self.master], [], [], PATIENCE)
            assert readable, f"{text!r} never came: {self.shown!r}"
            self.shown += os.read(self.master, 1000).decode()
            assert text in self.shown or self.process.poll() is None, self.shown

    def type(self, text):
        os.write(self.master, text.encode())

    def echo(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def close(self):
        code = self.process.wait(PATIENCE)
        readable, _, _ = select.select([self.master], [], [], 0)
        if readable:
            self.shown += os.read(self.master, 4000).decode()
        os.close(self.master)
        os.close(self.slave)
        return code


def test_a_terminal_asks_twice_and_shows_nothing(folder):
    terminal = Terminal(folder, "add", "anna")
    terminal.await_text("Password: ")
    assert not terminal.echo()
    terminal.type("tropicalfish\n")
    terminal.await_text("again: ")
    terminal.type("tropicalfish\n")
    terminal.process.wait(PATIENCE)
    assert terminal.echo()
    assert terminal.close() == 0, terminal.shown
    assert "tropicalfish" not in terminal.shown
    assert names(folder) == ["anna"]


def test_two_different_passwords_are_refused(folder):
    terminal = Terminal(folder, "add", "anna")
    terminal.await_text("Password: ")
    terminal.type("tropicalfish\n")
    terminal.await_text("again: ")
    terminal.type("tropicalbird\n")
    assert terminal.close() == 65, terminal.shown
    assert "differ" in terminal.shown
    assert names(folder) == []


def test_an_interrupt_leaves_the_terminal_as_it_was(folder):
    terminal = Terminal(folder, "add", "anna")
    terminal.await_text("Password: ")
    terminal.process.send_signal(signal.SIGINT)
    terminal.process.wait(PATIENCE)
    assert terminal.echo()
    assert terminal.close() == -signal.SIGINT
    assert names(folder) == []


main()
