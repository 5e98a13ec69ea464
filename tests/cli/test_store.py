#!/usr/bin/env python3
"""lettermill store: queries, adding, marks, copies from and to, checks."""
import contextlib
import json
import os
import pathlib
import pty
import shutil
import signal
import sqlite3
import subprocess

from harness import EXE, PATIENCE, Server, Skip, await_true, environment, expect, main, run

OCTETS = [b"Subject: a\r\n\r\nbody\r\n", b"", bytes(range(256)), b"no end", b"\n.\n", b"x" * 300000]


def folder_store(folder, name="s"):
    for sub in ("archive", "staged", "dup"):
        (folder / name / sub).mkdir(parents=True)
    return f"localfs:{name}"


def store(folder, *arguments, **more):
    return run(folder, "store", *arguments, **more)


def files(folder, octets=OCTETS):
    for number, text in enumerate(octets):
        (folder / f"m{number}.eml").write_bytes(text)
    return [f"m{n}.eml" for n in range(len(octets))]


def query(folder, url, *arguments):
    done = expect(store(folder, "query", url, "--json", *arguments), 0)
    got = json.loads(done.stdout)
    assert got["success"] is True and got["count"] == len(got["items"]), got
    assert got["totalSize"] == sum(i["size"] for i in got["items"]), got
    return got["items"]


def read(folder, url, name):
    return subprocess.run([EXE, "store", "read", url, name], cwd=folder, env=environment(folder),
                          capture_output=True, check=True, timeout=PATIENCE).stdout


def test_fake_is_queried_as_izy_does(folder):
    items = query(folder, "fake:", "--limit", "2")
    assert [(i["guid"], i["size"]) for i in items] == [("guid_1", 20), ("guid_2", 30)], items
    assert len(query(folder, "fake:")) == 99
    done = expect(store(folder, "query", "fake:", "--limit", "2"), 0)
    assert done.stdout.splitlines() == ["          20  unread           guid_1",
                                        "          30  unread           guid_2",
                                        "          50  octets in 2 messages"], done.stdout
    assert read(folder, "fake:", "guid_3") == b"payload_data"


def test_what_is_added_is_read_octet_for_octet(folder):
    names = files(folder)
    for url in (folder_store(folder), "sqlite:mail.db", "maildir:md"):
        expect(store(folder, "add", url, *names), 0, f"{len(OCTETS)} messages")
        items = query(folder, url)
        assert sorted(read(folder, url, i["name"]) for i in items) == sorted(OCTETS), url
    done = subprocess.run([EXE, "store", "add", "localfs:s", "-", "--sourceid", "u@example.com", "--guid",
                           "7"], cwd=folder, env=environment(folder), input=OCTETS[2],
                          capture_output=True, check=True, timeout=PATIENCE)
    assert done.stdout == b"u@example.com_7.eml\n", done
    assert (folder / "s/u@example.com_7.eml").read_bytes() == OCTETS[2]


def test_localfs_keeps_what_izy_documents(folder):
    url, (name, *_) = folder_store(folder), files(folder)
    for want in ("u_1.eml", "u_1.dup.eml", "u_1.dup.dup.eml"):
        done = store(folder, "add", url, name, "--sourceid", "u", "--guid", "1")
        assert expect(done, 0).stdout == want + "\n", done
    lines = (folder / "s/u_log.txt").read_bytes().split(b"\r\n")
    assert [json.loads(line.split(b"Z: ")[1]) for line in lines[:-1]] == [
        {"reasonCode": 0, "dupCount": n, "guid": 1, "fname": "u_1" + ".dup" * n + ".eml"}
        for n in range(3)], lines
    assert [i["name"] for i in query(folder, url)] == ["u_1.eml"]
    assert sorted(p.name for p in (folder / "s/dup").iterdir()) == ["u_1.dup.dup.eml", "u_1.dup.eml"]
    shutil.rmtree(folder / "s/staged")
    expect(store(folder, "query", url), 67, "Please mkdir s/staged. it is needed for staged")


def test_marks_move_and_dry_runs_do_not(folder):
    url = folder_store(folder)
    expect(store(folder, "add", url, *files(folder, [b"a", b"b", b"c"])), 0)
    expect(store(folder, "mark", url, "local_m0.eml", "local_m1.eml", "archive", "--dry-run"), 0)
    assert len(query(folder, url)) == 3
    expect(store(folder, "mark", url, "local_m0.eml", "local_m1.eml", "archive"), 0)
    assert [i["tag"] for i in query(folder, url, "--tags", "all")] == ["archive", "archive", "unread"]
    expect(store(folder, "mark", url, "local_m0.eml", "unread"), 0)
    assert [i["name"] for i in query(folder, url)] == ["local_m0.eml", "local_m2.eml"]
    expect(store(folder, "mark", url, "local_m2.eml", "nothing.eml", "dup"), 1, "nothing.eml")
    expect(store(folder, "mark", url, "nothing.eml", "dup"), 67, "nothing.eml")
    expect(store(folder, "mark", url, "local_m0.eml", "red"), 64, "pop3failed")
    done = expect(store(folder, "read", url, "local_m0.eml", "--consume"), 0)
    assert done.stdout == "a" and (folder / "s/archive/local_m0.eml").exists()


def test_every_tag_in_every_store(folder):
    name, = files(folder, [b"Subject: x\r\n\r\nx\r\n"])
    for url in (folder_store(folder), "sqlite:mail.db", "maildir:md"):
        expect(store(folder, "add", url, name), 0)
        for tag in ("archive", "staged", "dup", "pop3failed", "conversionerror", "unread"):
            item, = query(folder, url, "--tags", "all")
            expect(store(folder, "mark", url, item["name"], tag), 0)
            assert [i["tag"] for i in query(folder, url, "--tags", tag)] == [tag], (url, tag)
        assert read(folder, url, query(folder, url)[0]["name"]) == b"Subject: x\r\n\r\nx\r\n"


def test_one_that_fails_is_said_and_passed_over(folder):
    url, names = folder_store(folder), files(folder)
    done = expect(store(folder, "add", url, names[0], "missing.eml", ".", names[1]), 1, "missing.eml",
                  "Is a directory", "2 messages", "2 failed")
    assert len(done.stdout.split()) == 2
    expect(store(folder, "add", url, "missing.eml"), 67)
    expect(store(folder, "add", url, names[0], names[1], "--guid", "x"), 64)


def test_copies_between_stores_are_whole_and_repeatable(folder):
    names = [n for n, text in zip(files(folder), OCTETS) if text]
    url = folder_store(folder)
    expect(store(folder, "add", url, *names), 0)
    for target in ("sqlite:mail.db", "maildir:md"):
        expect(store(folder, "export", url, "--to", target, "--dry-run"), 0, "dry run")
        expect(store(folder, "query", target), 67, "there is no such store")
        expect(store(folder, "export", url, "--to", target), 0, "5 messages")
        expect(store(folder, "export", url, "--to", target), 0, "5 there before")
        assert sorted(read(folder, target, i["name"]) for i in query(folder, target)) == \
            sorted(filter(None, OCTETS))
    expect(store(folder, "import", "sqlite:second.db", "maildir:md"), 0, "5 messages")
    expect(store(folder, "export", "sqlite:second.db", "--to", "out"), 0, "5 messages")
    expect(store(folder, "export", "sqlite:second.db", "--to", "out"), 0, "5 messages")
    assert sorted(p.read_bytes() for p in (folder / "out").glob("*.eml")) == \
        sorted(2 * list(filter(None, OCTETS)))


def test_imports_of_the_same_octets_are_one(folder):
    names = files(folder)
    (folder / "in").mkdir()
    for name in names:
        shutil.copy(folder / name, folder / "in" / f"other-{name}")
    expect(store(folder, "import", "sqlite:mail.db", "in"), 0, "6 messages")
    expect(store(folder, "import", "sqlite:mail.db", "in", names[0]), 0, "7 there before")
    assert len(query(folder, "sqlite:mail.db")) == 6
    expect(store(folder, "import", folder_store(folder), "in", names[0]), 0, "7 messages")
    assert (folder / "s/local_other-m2.eml").read_bytes() == OCTETS[2]


def test_mbox_there_and_back(folder):
    texts = [b"Subject: a\r\n\r\nFrom me\r\n>From you\r\n\r\n\r\n", b"Subject: b\r\n\r\nb\r\n"]
    expect(store(folder, "add", "sqlite:mail.db", *files(folder, texts)), 0)
    expect(store(folder, "export", "sqlite:mail.db", "--to", "all.mbox"), 0, "2 messages")
    expect(store(folder, "export", "sqlite:mail.db", "--to", "mbox:all.mbox"), 73, "exists already")
    assert (folder / "all.mbox").read_bytes().count(b"\nFrom ") == 1
    expect(store(folder, "import", "sqlite:second.db", "all.mbox"), 0, "2 messages")
    assert [read(folder, "sqlite:second.db", i["name"]) for i in query(folder, "sqlite:second.db")] == texts
    expect(store(folder, "import", "sqlite:second.db", "mbox:m0.eml"), 65, "no mbox")
    assert not list(folder.glob(".lettermill*"))


def test_mailboxes_are_chosen(folder):
    name, = files(folder, [b"x"])
    expect(store(folder, "add", "sqlite:mail.db", name, "--mailbox", "anna"), 0)
    assert len(query(folder, "sqlite:mail.db", "--mailbox", "anna")) == 1
    assert not query(folder, "sqlite:mail.db")
    for user in ("anna", "berta"):
        expect(run(folder, "user", "add", user, "--store", "sqlite:mail.db", stdin="secret\n"), 0)
    expect(store(folder, "query", "sqlite:mail.db"), 78, "say which mailbox")
    expect(store(folder, "export", "sqlite:mail.db", "--mailbox", "anna", "--to", "sqlite:other.db",
                 "--to-mailbox", "carl"), 0, "1 message,")
    assert len(query(folder, "sqlite:other.db", "--set", "mailbox=carl")) == 1
    expect(store(folder, "query", "fake:", "--mailbox", "anna"), 78, "fake: has no setting mailbox")


def test_a_running_server_keeps_its_store(folder):
    with Server(folder, "--store", f"sqlite:{folder}/mail.db"):
        expect(store(folder, "query", f"sqlite:{folder}/mail.db"), 75)
        expect(store(folder, "check", f"sqlite:{folder}/mail.db"), 75)


def test_checks_find_what_is_broken(folder):
    url, names = folder_store(folder), files(folder)
    for store_url in (url, "sqlite:mail.db", "maildir:md"):
        expect(store(folder, "add", store_url, *names), 0)
        assert expect(store(folder, "check", store_url), 0, "sound").stdout == ""
    os.symlink("local_m0.eml", folder / "s/link.eml")
    done = expect(store(folder, "check", url), 74, "not all is well")
    assert done.stdout == "link.eml: a symbolic link, which nobody follows\n", done.stdout
    assert json.loads(store(folder, "check", url, "--json").stdout) == [done.stdout.strip()]
    with sqlite3.connect(folder / "mail.db") as db:
        db.execute("delete from entry where message = (select min(message) from entry)")
    db.close()
    done = store(folder, "check", "sqlite:mail.db")
    assert done.returncode == 74 and done.stdout, done


def test_only_who_adds_makes_a_store(folder):
    name, = files(folder, [b"x"])
    for url in ("sqlite:typo.db", "maildir:typo"):
        for action in (("query", url), ("read", url, "x"), ("mark", url, "x", "dup"), ("check", url),
                       ("export", url, "--to", "out")):
            expect(store(folder, *action), 67)
        expect(store(folder, "add", url, name, "--dry-run"), 0, "dry run")
        expect(store(folder, "import", url, name, "-n"), 0, "dry run")
    assert [p.name for p in folder.iterdir()] == [name]


def test_wrong_usage_is_named(folder):
    for arguments, code, words in (
            (("query",), 64, "needs more"), (("query", "loclfs:x"), 64, "did you mean localfs:"),
            (("qurey", "fake:"), 64, "query"), (("query", "/tmp"), 64, "no store"),
            (("query", "fake:", "--tags", "unread,red"), 64, "red"),
            (("query", "fake:", "--limit", "0"), 64, "limit"), (("query", "fake:", "--to", "x"), 64, "--to"),
            (("query", "fake:", "--set", "verbose"), 64, "NAME=VALUE"),
            (("query", "fake:", "--set", "verbos=1"), 78, "did you mean verbose?"),
            (("query", "fake:", "--set", "orderBy=up"), 78, "neither asc nor desc"),
            (("export", "fake:"), 64, "--to"), (("export", "fake:", "--to", "/dev/null"), 74, "/dev/null"),
            (("export", "fake:", "--to", "/nonexistent/x"), 67, "/nonexistent"),
            (("export", "fake:", "--to", "x", "--to-set", "a=b"), 64, "for stores"),
            (("mark", "fake:", "guid_1"), 64, "needs more")):
        expect(store(folder, *arguments), code, words)
    done = expect(store(folder, "query", "localfs:/nonexistent", "--json"), 67)
    assert json.loads(done.stdout)["success"] is False


def test_names_cannot_lead_elsewhere(folder):
    url = folder_store(folder)
    (folder / "secret.eml").write_bytes(b"secret")
    os.symlink(folder / "secret.eml", folder / "s/link.eml")
    for name in ("../secret.eml", f"{folder}/secret.eml", "archive/../../secret.eml", "link.eml", "."):
        expect(store(folder, "read", url, name), 67)
        expect(store(folder, "mark", url, name, "dup"), 67)
    name, = files(folder, [b"x"])
    for text in ("../../x", "/etc/passwd", "..", "a/b", "x" * 300, "\x1b[31m", "1.dup"):
        expect(store(folder, "add", url, name, "--sourceid", text, "--guid", text), 0)
    assert sorted(p.name for p in folder.iterdir()) == ["m0.eml", "s", "secret.eml"]
    assert len(query(folder, url)) == 7
    done = expect(store(folder, "query", url), 0)
    assert "\x1b" not in done.stdout and len(done.stdout.splitlines()) == 8, done.stdout


def test_strange_file_names_stay_on_their_line(folder):
    url = folder_store(folder)
    (folder / "s/a\x1b[2J\n\u202e.eml").write_bytes(b"x")
    done = expect(store(folder, "query", url), 0)
    assert r"a\x1b[2J\x0a" in done.stdout and len(done.stdout.splitlines()) == 2, done.stdout
    item, = query(folder, url)
    assert item["name"] == "a\x1b[2J\n\u202e.eml", item


def mounted(folder, size):
    place = folder / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place],
                          capture_output=True, check=False)
    if done.returncode:
        raise Skip("cannot mount a small file system")
    return place


def test_a_full_disk_is_an_error_and_loses_nothing(folder):
    place = mounted(folder, "512k")
    try:
        url = folder_store(folder, "small/s")
        expect(store(folder, "add", url, *files(folder, [b"a"])), 0)
        (folder / "big.eml").write_bytes(b"x" * (1 << 20))
        expect(store(folder, "add", url, "big.eml"), 74, "No space left")
        assert [p.name for p in (place / "s").glob("*") if p.is_file()] == ["local_log.txt", "local_m0.eml"] \
            or len([p for p in (place / "s").glob("*.eml")]) == 1
        assert not list((place / "s").glob(".lm-*"))
        expect(store(folder, "add", f"maildir:{place}/md", "big.eml"), 74, "no space left")
        assert len(query(folder, url)) == 1
        expect(store(folder, "export", url, "--to", f"{place}/out"), 0)
        expect(store(folder, "import", "sqlite:b.db", "big.eml"), 0)
        expect(store(folder, "export", "sqlite:b.db", "--to", f"{place}/b.mbox"), 74)
        expect(store(folder, "export", "sqlite:b.db", "--to", f"{place}/out"), 74)
        assert [p.name for p in place.rglob("*part*")] == [] and not (place / "b.mbox").exists()
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_read_only_folder_can_be_read(folder):
    place = mounted(folder, "1m")
    try:
        url = folder_store(folder, "small/s")
        expect(store(folder, "add", url, *files(folder, [b"a"])), 0)
        (place / "s/x.dup.eml").write_bytes(b"dup")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        assert [i["name"] for i in query(folder, url)] == ["local_m0.eml"]
        assert read(folder, url, "local_m0.eml") == b"a"
        expect(store(folder, "add", url, "m0.eml"), 77, "Read-only")
        expect(store(folder, "mark", url, "local_m0.eml", "archive"), 77, "Read-only")
    finally:
        subprocess.run(["umount", place], check=True)


def test_output_that_cannot_be_written_is_an_error(folder):
    for arguments in (("query", "fake:"), ("query", "fake:", "--json"), ("read", "fake:", "guid_1")):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([EXE, "store", *arguments], stdout=full, stderr=subprocess.PIPE,
                                  env=environment(folder), cwd=folder, check=False, timeout=PATIENCE)
        assert done.returncode == 74 and b"standard output" in done.stderr, done


def octets_of(folder, name):
    """Of a store that is at work: what is gone again behind the look counts nothing."""
    octets = 0
    for path in [*folder.glob(name + "*"), *folder.glob(name + "/**/*")]:
        with contextlib.suppress(FileNotFoundError):
            octets += path.lstat().st_size
    return octets


def test_killed_while_importing_and_begun_again(folder):
    (folder / "in").mkdir()
    for number in range(600):
        (folder / f"in/{number:03}.eml").write_bytes(b"Subject: %d\r\n\r\n" % number + b"x" * 2000)
    for url in ("sqlite:mail.db", "maildir:md"):
        process = subprocess.Popen([EXE, "store", "import", url, "in", "-q"], cwd=folder,
                                   env=environment(folder))
        name = url.split(":")[1]
        await_true(lambda: process.poll() is not None or octets_of(folder, name) > 300000,
                   lambda: "nothing was imported")
        process.send_signal(signal.SIGKILL)
        process.wait()
        expect(store(folder, "import", url, "in"), 0)
        expect(store(folder, "check", url), 0)
        sizes = sorted(i["size"] for i in query(folder, url))
        want = sorted(p.stat().st_size for p in pathlib.Path(folder / "in").iterdir())
        assert [s - 2 for s in sizes] == want or sizes == want, (url, len(sizes))


def test_progress_is_for_terminals(folder):
    url = folder_store(folder)
    expect(store(folder, "add", url, *files(folder, [b"x" * 1000] * 30)), 0)
    ours, theirs = pty.openpty()
    subprocess.run([EXE, "store", "export", url, "--to", "sqlite:mail.db"], cwd=folder, stderr=theirs,
                   env=environment(folder), check=True, timeout=PATIENCE)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "%" in shown and "30 messages" in shown, shown
    done = expect(store(folder, "export", url, "--to", "sqlite:b.db"), 0)
    assert done.stderr == "30 messages, 30000 octets exported\n", done.stderr
    assert expect(store(folder, "export", url, "--to", "sqlite:c.db", "-q"), 0).stderr == ""
    told = json.loads(expect(store(folder, "export", url, "--to", "sqlite:d.db", "--json"), 0).stdout)
    assert told == {"success": True, "count": 30, "totalSize": 30000, "known": 0, "failed": 0}, told


main()
