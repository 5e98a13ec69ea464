#!/usr/bin/env python3
"""What ./mill run starts, and the commands it tells people to try."""
import os
import re
import signal
import subprocess

from harness import EXE, PATIENCE, ROOT, environment, main

FREE = [word for name in ("smtp", "smtps", "submission", "pop3", "pop3s")
        for word in (f"--{name}", "0")]


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            [ROOT / "tools/demo", EXE, folder / "demo data", *FREE], cwd=folder,
            env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True)
        self.text = ""

    def __enter__(self):
        while "Other programs" not in self.text:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self.text += line
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def command(self, word):
        """The command it prints that holds the word."""
        return next(line.strip() for line in self.text.splitlines() if word in line)

    def end(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


def shell(command, folder):
    return subprocess.run(["sh", "-c", command], cwd=folder, env=environment(folder), text=True,
                          capture_output=True, timeout=PATIENCE, check=False)


def test_the_printed_commands_work(folder):
    with Demo(folder) as demo:
        sent = shell(demo.command("printf"), folder)
        assert sent.returncode == 0, sent.stderr
        read = shell(re.search(r"^  (curl .*)$", demo.text, re.M).group(1), folder)
        assert read.returncode == 0, read.stderr
        assert "Subject: Hello" in read.stdout and "First light." in read.stdout
        assert demo.end() == 0


def test_the_client_sends_and_fetches(folder):
    with Demo(folder) as demo:
        submission = re.search(r"submission=\S*:(\d+)", demo.text).group(1)
        pop3s = re.search(r"pop3s=\S*:(\d+)", demo.text).group(1)
        sent = shell(f"LETTERMILL_PASSWORD=demo {EXE} smtp send submission://demo@localhost:{submission} "
                     f"--from demo@localhost --to demo@localhost {ROOT}/README.md", folder)
        assert sent.returncode == 0, sent.stderr
        got = shell(f"LETTERMILL_PASSWORD=demo {EXE} pop3 fetch pop3s://demo@localhost:{pop3s}/ "
                    f"--cafile 'demo data/cert.pem' --to maildir:Mail --keep", folder)
        assert got.returncode == 0 and got.stdout.startswith("1 fetched"), got
        (mail,) = (folder / "Mail/new").iterdir()
        assert b"# Lettermill\r\n" in mail.read_bytes()
        assert demo.end() == 0


def test_mail_is_still_there_after_a_restart(folder):
    with Demo(folder) as demo:
        assert shell(demo.command("printf"), folder).returncode == 0
        assert demo.end() == 0
    with Demo(folder) as demo:
        read = shell(re.search(r"^  (curl .*)$", demo.text, re.M).group(1), folder)
        assert "First light." in read.stdout, read.stderr
        assert demo.end() == 0


def test_wrong_options_end_it(folder):
    done = subprocess.run([ROOT / "tools/demo", EXE, folder / "demo", "--pop", "0"], cwd=folder,
                          env=environment(folder), capture_output=True, text=True, timeout=PATIENCE,
                          check=False)
    assert done.returncode == 64 and "--pop3" in done.stderr, done


main()
