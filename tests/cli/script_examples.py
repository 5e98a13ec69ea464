#!/usr/bin/env python3
"""examples/scripts: the servers of the documents over plain folders, used as people would."""
import os
import poplib
import shutil
import smtplib

import init
from harness import PATIENCE, ROOT, main

LETTER = init.LETTER


class Example(init.Project):
    """A copy of the example, so that no mail comes to lie in the sources."""

    def __init__(self, folder):
        shutil.copytree(ROOT / "examples/scripts", folder / "example")
        super().__init__(folder / "example", "mailserver.js")


def files(folder, user):
    box = folder / "example/mail" / user
    return sorted(os.listdir(box)) if box.exists() else []


def test_mail_goes_in_and_out(folder):
    with Example(folder) as served:
        served.deliver()
        served.deliver(LETTER.replace(b"one", b"two"), "bert")
        assert len(files(folder, "anna")) == len(files(folder, "bert")) == 1
        (name,) = files(folder, "anna")
        assert (folder / "example/mail/anna" / name).read_bytes() == LETTER
        client = served.login("secret")
        assert client.list()[1] == [b"1 %d" % len(LETTER)]
        assert client.uidl()[1] == [b"1 " + name.removesuffix(".eml").encode()]
        assert b"".join(line + b"\r\n" for line in client.retr(1)[1]) == LETTER
        head = LETTER[:LETTER.index(b"\r\n\r\n")].split(b"\r\n") + [b""]
        assert client.top(1, 0)[1] == head
        assert client.top(1, 1)[1] == head + [b".dot"]
        assert client.top(1, 99)[1] == client.retr(1)[1]
        client.dele(1)
        assert files(folder, "anna") == [name]
        client.rset()
        client.quit()
        assert files(folder, "anna") == [name]
        client = served.login("secret")
        client.dele(1)
        client.quit()
        assert files(folder, "anna") == [] and len(files(folder, "bert")) == 1
        served.end()


def test_who_is_let_in(folder):
    with Example(folder) as served:
        for password, name in (("wrong", "anna"), ("secret", "nobody"), ("secret", "__proto__"),
                               ("secret", "../anna"), ("also secret", "anna")):
            assert "[AUTH]" in init.refused(served.login, password, name)
        served.login("also secret", "bert").quit()
        with smtplib.SMTP("127.0.0.1", served.smtp, timeout=PATIENCE) as client:
            assert "535" in init.refused(client.login, "anna", "wrong")
        served.end()


def test_what_is_taken(folder):
    with Example(folder) as served:
        for to in ("nobody", "anna@elsewhere.example", "../anna", "__proto__", "anna@localhost@x"):
            assert init.refused(served.deliver, LETTER, to)
        with smtplib.SMTP("127.0.0.1", served.smtp, timeout=PATIENCE) as client:
            client.helo()
            assert client.mail("bert@localhost")[0] == 550
        with smtplib.SMTP("127.0.0.1", served.smtp, timeout=PATIENCE) as client:
            client.login("bert", "also secret")
            assert client.mail("anna@localhost")[0] == 550
            client.rset()
            client.sendmail("bert@localhost", ["anna@localhost", "bert"], LETTER)
        assert len(files(folder, "anna")) == len(files(folder, "bert")) == 1
        served.end()


def test_who_leaves_deletes_nothing(folder):
    with Example(folder) as served:
        served.deliver()
        client = served.login("secret")
        client.dele(1)
        client.close()
        client = poplib.POP3("127.0.0.1", served.pop3, timeout=PATIENCE)
        client.user("anna")
        client.pass_("secret")
        assert client.stat()[0] == 1
        client.quit()
        served.end()


if __name__ == "__main__":
    main()
