#!/usr/bin/env python3
"""lettermill init: a project that runs at once, and never in the place of somebody's files."""
import json
import os
import poplib
import re
import signal
import smtplib
import subprocess

from harness import EXE, PATIENCE, environment, expect, main, read_line, run

LETTER = b"From: a@example.org\r\nTo: anna@localhost\r\nSubject: one\r\n\r\n.dot\r\nl\xe4st\r\n"


def made(folder, *arguments):
    """Run it; the password it told."""
    done = expect(run(folder, "init", *arguments), 0)
    return re.search(r"^An account to try: anna, password (\S+)$", done.stdout, re.M).group(1)


class Project:
    """`lettermill run main.js` on free ports."""

    def __init__(self, folder, script="main.js"):
        self.process = subprocess.Popen([EXE, "run", script, "0", "0"], cwd=folder,
                                        env=environment(folder), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = read_line(self.process.stdout, lambda: f"exit code {self.process.poll()}")
        self.pop3, self.smtp = map(int, re.findall(r":(\d+)", said))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        odd = [line for line in err.splitlines() if " warn auth.fail " not in line]
        assert self.process.returncode == 0 and not odd, (self.process.returncode, out, err)

    def deliver(self, letter=LETTER, to="anna@localhost"):
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=PATIENCE) as client:
            client.sendmail("a@example.org", [to], letter, ["BODY=8BITMIME"])

    def login(self, password, name="anna"):
        client = poplib.POP3("127.0.0.1", self.pop3, timeout=PATIENCE)
        client.user(name)
        client.pass_(password)
        return client


def refused(call, *arguments):
    try:
        call(*arguments)
    except (poplib.error_proto, smtplib.SMTPException) as why:
        return str(why)
    raise AssertionError("it was not refused")


def test_project_runs_at_once(folder):
    password = made(folder, "mill")
    with Project(folder / "mill") as project:
        project.deliver()
        project.deliver(to="anna")
        assert "550" in refused(project.deliver, LETTER, "nobody@localhost")
        assert "550" in refused(project.deliver, LETTER, "anna@elsewhere.example")
        assert "[AUTH]" in refused(project.login, "wrong")
        assert "[AUTH]" in refused(project.login, password, "nobody")
        client = project.login(password)
        assert client.stat()[0] == 2
        assert b"".join(line + b"\r\n" for line in client.retr(1)[1]) == LETTER
        assert client.top(1, 0)[1][-1] == b"" and len(client.top(1, 1)[1]) == 5
        client.dele(1)
        client.quit()
        project.end()
    with Project(folder / "mill") as project:
        client = project.login(password)
        assert client.stat()[0] == 1
        client.quit()
        project.end()


def test_accounts_can_be_added(folder):
    made(folder)
    done = expect(run(folder, "run", "password.js", "bert", stdin="geheim\n"), 0)
    added = json.loads(done.stdout[done.stdout.index("{"):])
    users = json.loads((folder / "users.json").read_text())
    (folder / "users.json").write_text(json.dumps({**users, **added}))
    with Project(folder) as project:
        project.deliver(to="bert@localhost")
        client = project.login("geheim", "bert")
        assert client.stat()[0] == 1
        client.quit()
        project.end()
    assert run(folder, "run", "password.js").returncode == 1


def test_it_says_what_it_wrote(folder):
    done = expect(run(folder, "init", "a/b"), 0)
    told = re.findall(r"^made a/b/(.*)$", done.stdout, re.M)
    there = sorted(os.path.relpath(os.path.join(at, name), folder / "a/b")
                   for at, _, names in os.walk(folder / "a/b") for name in names)
    assert sorted(told) == there and "main.js" in told, (told, there)
    assert "  cd a/b\n  lettermill run main.js\n" in done.stdout, done.stdout
    assert os.stat(folder / "a/b/users.json").st_mode & 0o777 == 0o600
    assert json.loads((folder / "a/b/users.json").read_text())["anna"]["password"].startswith("$")
    config = json.loads((folder / "a/b/jsconfig.json").read_text())
    assert config["compilerOptions"]["checkJs"] is True


def test_passwords_differ(folder):
    assert made(folder, "one") != made(folder, "two")


def test_nothing_is_overwritten(folder):
    (folder / "smtp").mkdir()
    (folder / "smtp/receive.js").write_text("mine")
    expect(run(folder, "init"), 73, "smtp/receive.js exists already", "--force")
    assert sorted(os.listdir(folder)) == ["smtp"] and os.listdir(folder / "smtp") == ["receive.js"]
    (folder / "smtp/receive.js").unlink()
    (folder / "users.json").write_text("{}")
    expect(run(folder, "init"), 73, "users.json exists already")
    assert not (folder / "main.js").exists()


def test_force_writes_over_all_but_accounts(folder):
    made(folder)
    users = (folder / "users.json").read_text()
    (folder / "main.js").write_text("mine")
    (folder / "kept.js").write_text("mine")
    outside = folder / "outside"
    outside.write_text("not mine")
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(outside)
    done = expect(run(folder, "init", "--force"), 0)
    assert "kept ./users.json" in done.stdout and "An account" not in done.stdout, done.stdout
    assert (folder / "users.json").read_text() == users
    assert "infinity.pop3" in (folder / "main.js").read_text()
    assert (folder / "kept.js").read_text() == "mine"
    assert outside.read_text() == "not mine" and not (folder / "README.md").is_symlink()


def test_wrong_usage(folder):
    expect(run(folder, "init", "a", "b"), 64, "one folder")
    expect(run(folder, "init", ""), 64, "empty")
    expect(run(folder, "init", "--forse"), 64, "force")
    (folder / "file").write_text("x")
    assert run(folder, "init", "file").returncode not in (0, 64)
    assert run(folder, "init", "file/below").returncode not in (0, 64)
    assert "begin a mail server" in expect(run(folder, "init", "--help"), 0).stdout


if __name__ == "__main__":
    main()
