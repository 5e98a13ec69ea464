#!/usr/bin/env python3
"""lettermill pop3 fetch: nothing lost, nothing doubled, whatever happens on the way."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading

from harness import EXE, PATIENCE, Server, environment, expect, main, run
from pop3_peer import Hangup, Peer, deliver, letter, maildrop

PASSWORD = {"LETTERMILL_PASSWORD": "secret"}


def serve(folder, store="memory:"):
    return Server(folder, "--user", "anna:secret", "--store", store)


def url(server):
    return f"pop3://anna@127.0.0.1:{server.port('pop3')}/"


def fetch(folder, *arguments, **env):
    return run(folder, "pop3", "fetch", *arguments, **{**PASSWORD, **env})


def maildir_of(folder, name="mail"):
    """Contents of all messages in a maildir store, wherever it keeps them."""
    files = [f for part in ("new", "cur") for f in (folder / name).rglob(f"{part}/*")]
    return sorted(f.read_bytes() for f in files if f.is_file())


def sqlite_of(folder, name="mail.db"):
    """The same of a sqlite store, served to another program."""
    with serve(folder, f"sqlite:{folder}/{name}") as server:
        return sorted(maildrop(server, "anna").values())


def localfs(folder):
    for name in ("archive", "staged", "unread", "dup", "pop3failed", "conversionerror"):
        (folder / "loc" / name).mkdir(parents=True)
    return "localfs:loc"


def localfs_of(folder):
    return sorted(f.read_bytes() for f in (folder / "loc").glob("*.eml"))


def test_a_maildrop_goes_into_every_store_octet_for_octet(folder):
    with serve(folder) as server:
        deliver(server, "anna", [letter(n) for n in range(1, 120)])
        there = sorted(maildrop(server, "anna").values())
        for store, contents in (("maildir:mail", maildir_of), ("sqlite:mail.db", sqlite_of),
                                (localfs(folder), localfs_of)):
            more = ("--mailbox", "anna") if store.startswith("sqlite") else ()
            done = expect(fetch(folder, url(server), "--to", store, "--keep", *more), 0)
            assert done.stdout.startswith("119 fetched") and not done.stderr, done
            assert contents(folder) == there, store
            done = expect(fetch(folder, url(server), "--to", store, "--keep", *more), 0)
            assert "0 fetched" in done.stdout and "119 fetched before" in done.stdout
            assert contents(folder) == there, store
        assert len(maildrop(server, "anna")) == 119


def test_what_is_stored_is_deleted_unless_it_is_to_be_kept(folder):
    with serve(folder) as server:
        deliver(server, "anna", [letter(n) for n in range(1, 4)])
        expect(fetch(folder, url(server), "--to", "maildir:mail", "--keep"), 0)
        deliver(server, "anna", [letter(n) for n in range(4, 6)])
        done = expect(fetch(folder, url(server), "--to", "maildir:mail", "--new-only"), 0)
        assert "2 fetched" in done.stdout and "2 deleted" in done.stdout, done.stdout
        assert len(maildrop(server, "anna")) == 3
        done = expect(fetch(folder, url(server), "--to", "maildir:mail"), 0)
        assert "0 fetched" in done.stdout and "3 deleted" in done.stdout, done.stdout
        assert not maildrop(server, "anna") and len(maildir_of(folder)) == 5
        done = expect(fetch(folder, url(server), "--to", "maildir:mail"), 0)
        assert done.stdout.startswith("0 fetched") and len(maildir_of(folder)) == 5


def test_fetching_again_stores_again(folder):
    for store, contents in (("maildir:mail", maildir_of), (localfs(folder), localfs_of)):
        with Peer([letter(1), letter(2)]) as peer:
            expect(fetch(folder, peer.url(), "--to", store, "--keep"), 0)
            expect(fetch(folder, peer.url(), "--to", store, "--keep", "--again"), 0)
            assert contents(folder) == sorted([letter(1), letter(2)] * 2)


def test_limits_leave_messages_for_another_time(folder):
    with Peer([letter(1), letter(2, lines=5000), letter(3), letter(4)]) as peer:
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail", "--limit", "1"), 0)
        assert "3 left for another time" in done.stdout and "1 deleted" in done.stdout
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail", "--max-size", "10K"), 0,
                      "message 1 (id2)", "--max-size")
        assert "1 larger" in done.stdout and peer.ids == ["id2"]
        assert maildir_of(folder) == sorted([letter(1), letter(3), letter(4)])


def test_a_dry_run_does_nothing(folder):
    with Peer([letter(1), letter(2)]) as peer:
        for store in ("maildir:mail", localfs(folder)):
            done = expect(fetch(folder, peer.url(), "--to", store, "--dry-run"), 0)
            rows = done.stdout.splitlines()
            assert rows[0] == f"1 {len(letter(1))} id1 would be fetched", rows
            assert rows[2].startswith("2 of 2 would be fetched"), rows
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail", "--store-option",
                            "commitmode=no"), 0)
        assert "would be fetched" in done.stdout
        assert not any(line[:4] in ("RETR", "DELE") for line in peer.heard)
        assert not maildir_of(folder) and not localfs_of(folder)


def test_programs_get_a_line_of_json_for_each_message(folder):
    with Peer([letter(1), letter(2), letter(3, lines=900)],
              answers={"RETR 2": "-ERR gone\r\n"}) as peer:
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail", "--json",
                            "--max-size", "9000"), 1, "message 2: ")
        rows = {row.get("number", "sum"): row for row in map(json.loads, done.stdout.splitlines())}
        assert rows[1]["result"] == "fetched" and rows[1]["uidl"] == "id1", rows
        assert rows[1]["octets"] == len(letter(1))
        assert rows[2]["result"] == "failed" and "gone" in rows[2]["text"]
        assert rows[3]["result"] == "large"
        summary = rows["sum"]
        assert (summary["fetched"], summary["failed"], summary["large"], summary["deleted"],
                summary["complete"]) == (1, 1, 1, 1, True), summary


def test_a_message_that_fails_is_passed_over_and_stays(folder):
    with Peer([letter(n) for n in range(1, 6)],
              answers={"RETR 3": "-ERR [SYS/TEMP] not now\r\n"}) as peer:
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail"), 1, "message 3: ", "not now")
        assert "4 fetched" in done.stdout and "1 failed" in done.stdout
        assert peer.ids == ["id3"]
        del peer.answers["RETR 3"]
        expect(fetch(folder, peer.url(), "--to", "maildir:mail"), 0)
        assert maildir_of(folder) == sorted(letter(n) for n in range(1, 6)) and not peer.ids


def test_a_lost_connection_loses_nothing(folder):
    def cut(peer, argument):
        if argument == "6":
            raise Hangup
        return peer.do_retr(argument, None)

    for store, contents in (("maildir:mail", maildir_of), (localfs(folder), localfs_of)):
        with Peer([letter(n) for n in range(1, 10)], answers={"RETR": cut}) as peer:
            done = fetch(folder, peer.url(), "--to", store)
            expect(done, 75, "broke off behind 5 of 9")
            assert len(peer.ids) == 9, "without QUIT nothing is deleted"
            peer.answers.clear()
            done = expect(fetch(folder, peer.url(), "--to", store), 0)
            assert "4 fetched" in done.stdout and "9 deleted" in done.stdout, done.stdout
            assert contents(folder) == sorted(letter(n) for n in range(1, 10)) and not peer.ids


def test_a_message_that_breaks_off_is_not_stored(folder):
    def half(peer, _):
        peer.answers["RETR 2"] = lambda *_: (_ for _ in ()).throw(Hangup())
        return b"+OK\r\n" + letter(2)[:30]

    with Peer([letter(1), letter(2)], answers={"RETR 2": half},
              capa=("TOP", "UIDL", "USER")) as peer:
        assert fetch(folder, peer.url(), "--to", "maildir:mail",
                     "--timeout", "1").returncode == 75
        assert maildir_of(folder) == [letter(1)]


def test_a_quit_that_fails_is_told(folder):
    with Peer([letter(1)], answers={"QUIT": "-ERR not removed\r\n"}) as peer:
        done = fetch(folder, peer.url(), "--to", "maildir:mail")
        assert done.returncode not in (0, 1) and "may still be on the server" in done.stderr, done
        assert "deleted" not in done.stdout


def test_servers_without_unique_ids_are_told_apart_by_headers(folder):
    twin = letter(9)
    with Peer([letter(1), twin, twin, letter(3)], ids=None, capa=("TOP", "USER")) as peer:
        for _ in range(2):
            expect(fetch(folder, peer.url(), "--to", "maildir:mail", "--keep"), 0)
            assert maildir_of(folder) == sorted([letter(1), twin, letter(3)])
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail"), 0)
        assert "4 deleted" in done.stdout and not peer.messages


def test_servers_that_name_nothing_get_no_promise(folder):
    with Peer([letter(1), letter(2)], ids=None, capa=("USER",),
              answers={"TOP": "-ERR no TOP\r\n"}) as peer:
        for flag in ("--keep", "--new-only"):
            expect(fetch(folder, peer.url(), "--to", "maildir:mail", flag), 69, "neither UIDL nor TOP")
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail"), 0, "warning")
        assert "2 deleted" in done.stdout and len(maildir_of(folder)) == 2
        peer.messages = [letter(3), letter(4)]
        expect(fetch(folder, peer.url(), "--to", "maildir:mail", "-q"), 0)
        assert maildir_of(folder) == sorted(letter(n) for n in range(1, 5))


def test_ids_that_are_not_unique_lose_nothing(folder):
    messages = [letter(n) for n in range(1, 5)]
    with Peer(messages + [letter(2)], ids=["same"] * 5) as peer:
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail"), 0)
        assert "4 fetched" in done.stdout and maildir_of(folder) == sorted(messages), done
    with Peer(messages, ids=["same"] * 4, answers={"TOP": "-ERR no TOP\r\n"}) as peer:
        done = expect(fetch(folder, peer.url(), "--to", "maildir:other"), 0, "left alone")
        assert maildir_of(folder, "other") == [letter(1)] and len(peer.messages) == 3, done


def test_the_same_ids_on_two_servers_are_different_messages(folder):
    with Peer([letter(1)], ids=["1"]) as one, Peer([letter(2)], ids=["1"]) as two:
        expect(fetch(folder, one.url(), "--to", "maildir:mail"), 0)
        expect(fetch(folder, two.url(), "--to", "maildir:mail"), 0)
        assert maildir_of(folder) == sorted([letter(1), letter(2)])


def state_file(folder):
    [path] = (folder / ".local/state/lettermill/fetch").iterdir()
    return path


def test_what_was_fetched_is_remembered_in_a_file(folder):
    store = localfs(folder)
    with Peer([letter(n) for n in range(1, 4)], ids=["a", "b%", "c d"]) as peer:
        expect(fetch(folder, peer.url(), "--to", store, "--keep"), 0)
        path = state_file(folder)
        rows = path.read_text().splitlines()
        assert rows[0] == "lettermill fetched 1" and f"b%25 {len(letter(2))}" in rows, rows
        assert path.stat().st_mode & 0o77 == 0
        path.write_text(path.read_text()[:-3])
        done = expect(fetch(folder, peer.url(), "--to", f"localfs:{folder}/loc", "--keep"), 0)
        assert "2 fetched before" in done.stdout, "the torn line counts as not written"
        path.write_text("something else\n")
        expect(fetch(folder, peer.url(), "--to", store), 74, "another --state")
        assert path.read_text() == "something else\n"


def test_a_named_state_file_is_used_and_locked(folder):
    entered, leave = threading.Event(), threading.Event()

    def wait(peer, argument):
        entered.set()
        leave.wait(PATIENCE)
        return peer.do_retr(argument, None)

    with Peer([letter(1)], answers={"RETR": wait}) as peer:
        arguments = (peer.url(), "--to", "maildir:mail", "--state", "deep/er/state", "--keep")
        first = subprocess.Popen([EXE, "pop3", "fetch", *arguments], cwd=folder,
                                 env=environment(folder, **PASSWORD), stdout=subprocess.DEVNULL)
        assert entered.wait(PATIENCE)
        expect(fetch(folder, peer.url(), "--to", "maildir:other", "--state", "deep/er/state"), 75,
               "another fetch is using")
        leave.set()
        assert first.wait(PATIENCE) == 0
        assert "id1 " in (folder / "deep/er/state").read_text()
        done = expect(fetch(folder, peer.url(), "--to", "maildir:other", "--state", "deep/er/state",
                            "--keep"), 0)
        assert "1 fetched before" in done.stdout


def test_sizes_that_lie_change_nothing(folder):
    with Peer([letter(1), letter(2)]) as peer:
        peer.sizes = {1: 7, 2: 999999}
        done = expect(fetch(folder, peer.url(), "--to", "maildir:mail"), 0)
        assert maildir_of(folder) == sorted([letter(1), letter(2)]), done


def test_names_of_a_server_are_never_paths(folder):
    with Peer([letter(1), letter(2)], ids=["../../../evil", "/etc/passwd"]) as peer:
        before = set(folder.parent.glob("*"))
        for store, contents in (("maildir:mail", maildir_of), (localfs(folder), localfs_of)):
            expect(fetch(folder, peer.url(), "--to", store, "--keep"), 0)
            assert contents(folder) == sorted([letter(1), letter(2)])
        assert not [p for p in set(folder.parent.glob("*")) - before if "evil" in p.name]


def interrupt(folder, peer, at, number, *store):
    """Signal the fetch while message `at` is asked for; returns (exit code, what it said)."""
    process = None
    ready = threading.Event()

    def strike(peer, argument):
        if argument == str(at):
            ready.wait(PATIENCE)
            process.send_signal(number)
            process.wait(PATIENCE)
            raise Hangup
        return peer.do_retr(argument, None)

    peer.answers["RETR"] = strike
    process = subprocess.Popen([EXE, "pop3", "fetch", peer.url(), "--to",
                                *(store or ("maildir:mail",))], cwd=folder,
                               env=environment(folder, **PASSWORD), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ready.set()
    out, err = process.communicate(timeout=PATIENCE)
    del peer.answers["RETR"]
    return process.returncode, out + err


def test_an_interrupt_keeps_what_is_stored(folder):
    for number in (signal.SIGINT, signal.SIGTERM):
        with Peer([letter(n) for n in range(1, 9)], capa=("TOP", "UIDL", "USER")) as peer:
            code, said = interrupt(folder, peer, 5, number)
            assert code == -number and "interrupted behind 4 of 8" in said, (code, said)
            assert len(peer.ids) == 8
            done = expect(fetch(folder, peer.url(), "--to", "maildir:mail"), 0)
            assert "4 fetched" in done.stdout and "8 deleted" in done.stdout, done.stdout
            assert maildir_of(folder) == sorted(letter(n) for n in range(1, 9))
        for f in (folder / "mail").rglob("*"):
            if f.is_file():
                f.unlink()


def test_an_interrupt_ends_the_waiting_for_a_silent_server(folder):
    asked = threading.Event()

    def stall(*_):
        asked.set()
        return b""

    with Peer([letter(1), letter(2)], answers={"RETR 2": stall}) as peer:
        process = subprocess.Popen([EXE, "pop3", "fetch", peer.url(), "--to", "maildir:mail"],
                                   cwd=folder, env=environment(folder, **PASSWORD), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert asked.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGINT and "1 fetched" in out, (out, err)
        assert maildir_of(folder) == [letter(1)] and len(peer.ids) == 2


def test_a_crash_anywhere_loses_and_doubles_nothing(folder):
    for store, contents in ((("maildir:mail",), maildir_of),
                            (("sqlite:mail.db", "--mailbox", "anna"), sqlite_of)):
        with Peer([letter(n) for n in range(1, 40)], capa=("TOP", "UIDL", "USER")) as peer:
            for at in (1, 2, 7, 20, 39):
                code, said = interrupt(folder, peer, at, signal.SIGKILL, *store)
                assert code == -signal.SIGKILL, (code, said)
                assert len(peer.ids) == 39
            expect(fetch(folder, peer.url(), "--to", *store), 0)
            assert not peer.ids
        assert contents(folder) == sorted(letter(n) for n in range(1, 40)), store


def test_a_store_that_cannot_be_had_is_an_error_before_anybody_is_called(folder):
    with Peer([letter(1)]) as peer:
        expect(fetch(folder, peer.url()), 64, "--to")
        expect(fetch(folder, peer.url(), "--to", "nonsense:x"), 78)
        expect(fetch(folder, peer.url(), "--to", "maildir:m", "--store-option", "x"), 78, "NAME=VALUE")
        expect(fetch(folder, peer.url(), "--to", "localfs:nowhere"), 67, "mkdir")
        assert not peer.heard


def test_a_full_disk_ends_the_fetch_and_deletes_nothing(folder):
    messages = [letter(n, lines=3000) for n in range(1, 9)]
    for store, contents in (("maildir:mail", maildir_of), (localfs(folder), localfs_of)):
        with Peer(messages) as peer:
            done = subprocess.run(
                ["sh", "-c", f"ulimit -f 80; trap '' XFSZ; exec {EXE} pop3 fetch {peer.url()} "
                 f"--to {store}"], cwd=folder, capture_output=True, text=True,
                env=environment(folder, **PASSWORD), check=False, timeout=PATIENCE)
            assert done.returncode == 74 and store in done.stderr, done
            assert len(peer.ids) == 8 and done.stdout.startswith("0 fetched, 0 B"), done
            expect(fetch(folder, peer.url(), "--to", store), 0)
            assert contents(folder) == sorted(messages), store


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(folder):
    with Peer([letter(n) for n in range(1, 200)]) as peer:
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.execve(EXE, [EXE, "pop3", "fetch", peer.url(), "--to", "maildir:mail", "--keep"],
                      environment(folder, **PASSWORD))
        screen = b""
        while select.select([fd], [], [], PATIENCE)[0]:
            try:
                screen += os.read(fd, 4096)
            except OSError:
                break
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        os.close(fd)
        assert re.search(rb"\[.*\] +\d+% \d+/199 \d+/s .*/s .* left", screen), screen
        assert re.search(rb"\r +\r199 fetched", screen), screen
        done = expect(fetch(folder, peer.url(), "--to", "maildir:other", "--keep"), 0)
        assert not done.stderr and done.stdout.startswith("199 fetched")
        done = expect(fetch(folder, peer.url(), "--to", "maildir:third", "-q", "--keep"), 0)
        assert not done.stderr and not done.stdout


def test_pipelining_is_used_when_the_server_can(folder):
    with Peer([letter(n) for n in range(1, 50)]) as peer:
        expect(fetch(folder, peer.url(), "--to", "maildir:mail", "--no-pipelining", "--keep"), 0)
        expect(fetch(folder, peer.url(), "--to", "maildir:other", "--keep"), 0)
        assert maildir_of(folder) == maildir_of(folder, "other")
        assert peer.heard.count("RETR 49") == 2


main()
