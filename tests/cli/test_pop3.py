#!/usr/bin/env python3
"""lettermill pop3: looking into maildrops, and every way to log in."""
import base64
import json
import os
import pathlib
import pty
import select
import subprocess

from harness import EXE, PATIENCE, Server, environment, expect, main, run
from pop3_peer import Hangup, Peer, deliver, letter, maildrop

PASSWORD = {"LETTERMILL_PASSWORD": "secret"}


def serve(folder, *more, listeners=("smtp", "pop3")):
    return Server(folder, "--user", "anna:secret", "--store", "memory:", *more, listeners=listeners)


def url(server, listener="pop3", user="anna@"):
    return f"{listener}://{user}127.0.0.1:{server.port(listener)}/"


def pop3(folder, *arguments, stdin="", **env):
    return run(folder, "pop3", *arguments, stdin=stdin, **{**PASSWORD, **env})


def octets_of(folder, *arguments):
    """Standard output as octets."""
    return subprocess.run([EXE, "pop3", *map(str, arguments)], capture_output=True, cwd=folder,
                          env=environment(folder, **PASSWORD), timeout=PATIENCE, check=True).stdout


def test_listings_are_simple_lines_or_json(folder):
    with serve(folder) as server:
        deliver(server, "anna", [letter(n) for n in range(1, 6)])
        there = list(maildrop(server, "anna").items())
        rows = [f"{n} {len(octets)}" for n, (_, octets) in enumerate(there, 1)]
        assert pop3(folder, "list", url(server)).stdout.splitlines() == rows
        assert pop3(folder, "list", url(server), "2,4-").stdout.splitlines() == [rows[1], *rows[3:]]
        assert pop3(folder, "list", url(server), "-l", "1", "5", "5-").stdout.splitlines() == [
            f"{rows[0]} {there[0][0]}", f"{rows[4]} {there[4][0]}"]
        assert pop3(folder, "uidl", url(server), "3").stdout == f"3 {there[2][0]}\n"
        total = sum(len(octets) for _, octets in there)
        assert pop3(folder, "stat", url(server)).stdout == f"5 {total}\n"
        assert json.loads(pop3(folder, "stat", url(server), "--json").stdout) == {
            "count": 5, "octets": total}
        assert json.loads(pop3(folder, "uidl", url(server), "--json", "2").stdout) == [
            {"number": 2, "uidl": there[1][0]}]
        assert json.loads(pop3(folder, "list", url(server), "--json", "--long", "2").stdout) == [
            {"number": 2, "octets": len(there[1][1]), "uidl": there[1][0]}]
        assert pop3(folder, "uidl", url(server), "--uidl", there[3][0]).stdout == f"4 {there[3][0]}\n"
        both = f"{there[0][0]},{there[4][0]}"
        assert pop3(folder, "list", url(server), "--uidl", both).stdout.splitlines() == [
            rows[0], rows[4]]


def test_an_empty_maildrop_is_no_error(folder):
    with serve(folder) as server:
        for action in ("list", "uidl", "retr", "top"):
            assert expect(pop3(folder, action, url(server)), 0).stdout == ""
        assert json.loads(expect(pop3(folder, "list", url(server), "--json"), 0).stdout) == []
        expect(pop3(folder, "list", url(server), "1"), 67, "no message 1; the maildrop has 0")
        expect(pop3(folder, "list", url(server), "1-"), 0)


def test_messages_that_are_not_there_are_named(folder):
    with Peer([letter(1), letter(2)]) as peer:
        expect(pop3(folder, "list", peer.url(), "1-3"), 67, "no message 3; the maildrop has 2")
        expect(pop3(folder, "retr", peer.url(), "9"), 67, "no message 9")
        expect(pop3(folder, "dele", peer.url(), "1,3"), 67, "no message 3")
        expect(pop3(folder, "dele", peer.url(), "--uidl", "id1,nope"), 67, '"nope"')
        assert not any(line.startswith("DELE") for line in peer.heard)


def test_ranges_of_a_wrong_form_are_refused_before_anybody_is_called(folder):
    with Peer([letter(1)]) as peer:
        for wrong in ("0", "1,,2", "3-1", "x"):
            expect(pop3(folder, "list", peer.url(), wrong), 64, "1-10,15,20-")
        expect(pop3(folder, "dele", peer.url()), 64, "say which messages")
        assert not peer.heard


def test_capabilities_come_with_and_without_login(folder):
    with Peer([], capa=("TOP", "UIDL", "X-\x1b[2J")) as peer:
        done = expect(pop3(folder, "capa", f"pop3://127.0.0.1:{peer.port}"), 0)
        assert done.stdout == "TOP\nUIDL\nX-\\x1b[2J\n", done.stdout
        assert "USER anna" not in peer.heard
        done = expect(pop3(folder, "capa", peer.url(), "--json"), 0)
        assert json.loads(done.stdout) == ["TOP", "UIDL", "X-\x1b[2J"]
        assert "USER anna" in peer.heard


def test_a_message_is_printed_octet_for_octet(folder):
    with serve(folder) as server:
        sent = [letter(n) for n in range(6, 9)]
        deliver(server, "anna", sent)
        there = list(maildrop(server, "anna").values())
        for n, octets in enumerate(there, 1):
            assert octets_of(folder, "retr", url(server), n) == octets
            assert octets.endswith(sent[n - 1])
        head = there[1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        assert octets_of(folder, "top", url(server), 2) == head
        assert octets_of(folder, "top", url(server), 2, "-n", 1) == head + b"line 0 of 7\r\n"
        several = octets_of(folder, "top", url(server), "1-2")
        assert several.startswith(b"==> 1 <==\n") and b"\n\n==> 2 <==\n" in several
        expect(pop3(folder, "retr", url(server)), 64, "3 messages", "--output-dir")
        expect(pop3(folder, "retr", url(server), "1-2"), 64, "2 messages")


def test_messages_go_into_a_folder_and_overwrite_nothing(folder):
    with serve(folder) as server:
        deliver(server, "anna", [letter(n) for n in range(1, 4)])
        there = list(maildrop(server, "anna").values())
        out = folder / "out"
        expect(pop3(folder, "retr", url(server), "--output-dir", out), 67, "out")
        out.mkdir()
        (out / "00002.eml").write_text("mine")
        done = expect(pop3(folder, "retr", url(server), "-o", out), 0)
        files = [pathlib.Path(line) for line in done.stdout.splitlines()]
        assert [f.name for f in files] == ["00001.eml", "00002.1.eml", "00003.eml"]
        assert [f.read_bytes() for f in files] == there
        assert (out / "00002.eml").read_text() == "mine"
        assert len(list(out.iterdir())) == 4
        expect(pop3(folder, "retr", url(server), "1", "-o", out), 0)
        assert (out / "00001.1.eml").read_bytes() == there[0]


def test_a_message_that_cannot_be_had_is_passed_over(folder):
    (folder / "out").mkdir()
    with Peer([letter(n) for n in range(1, 4)], answers={"RETR 2": "-ERR [SYS/PERM] broken\r\n",
                                                         "DELE 3": "-ERR not this one\r\n"}) as peer:
        done = expect(pop3(folder, "retr", peer.url(), "-o", "out"), 1, "message 2: ", "broken")
        assert done.stdout.split() == ["out/00001.eml", "out/00003.eml"]
        assert sorted(os.listdir(folder / "out")) == ["00001.eml", "00003.eml"]
        done = expect(pop3(folder, "dele", peer.url(), "1-"), 1, "message 3: ", "not this one")
        assert done.stdout.startswith("2 deleted") and len(peer.messages) == 1


def test_deleting_tells_what_quit_said(folder):
    with serve(folder) as server:
        deliver(server, "anna", [letter(n) for n in range(1, 6)])
        ids = list(maildrop(server, "anna"))
        done = expect(pop3(folder, "dele", url(server), "2,4-", "--uidl", ids[0]), 0)
        assert done.stdout.startswith("4 deleted; the server said: "), done.stdout
        assert list(maildrop(server, "anna")) == [ids[2]]
    with Peer([letter(1)], answers={"QUIT": "-ERR some messages not removed\r\n"}) as peer:
        done = pop3(folder, "dele", peer.url(), "1", "--json")
        assert done.returncode not in (0, 1) and "may still be there" in done.stderr, done
        assert json.loads(done.stdout)["deleted"] == 0


def test_options_that_mean_nothing_to_an_action_are_refused(folder):
    for arguments in (("stat", "--keep"), ("list", "--to", "x"), ("retr", "--json"),
                      ("capa", "--lines", "3"), ("fetch", "--uidl", "x")):
        expect(pop3(folder, arguments[0], "pop3://h/", *arguments[1:]), 64, arguments[1])
    expect(pop3(folder, "stat", "pop3://h/", "1"), 64, "too many")
    expect(pop3(folder, "list"), 64, "URL")
    expect(pop3(folder, "lst", "pop3://h/"), 64, "the nearest is list")
    expect(pop3(folder, "top", "pop3://a@h/", "--lines", "x"), 64, "lines", "whole number")
    expect(pop3(folder, "top", "pop3://a@h/", "--timeout", "0"), 64, "timeout")


def test_urls_of_a_wrong_form_are_refused(folder):
    expect(pop3(folder, "stat", "smtp://a@h/"), 64, "pop3://")
    expect(pop3(folder, "stat", "pop3://a@h/7"), 64, "RANGES")
    expect(pop3(folder, "stat", "a@h"), 64, "pop3://")
    expect(pop3(folder, "stat", "pop3s://a@h/", "--tls", "off"), 64, "contradicts")
    expect(pop3(folder, "stat", "pop3://a@h/", "--user", "b"), 64, "different users")
    expect(pop3(folder, "stat", "pop3://h/"), 64, "say who logs in")


def test_line_breaks_are_refused_before_anything_is_sent(folder):
    with Peer([letter(1)]) as peer:
        for arguments in ((peer.url() + "\r\nDELE 1",), (peer.url(), "--user", "anna\nDELE 1"),
                          (peer.url("an%0d%0ana"),), (peer.url(), "--auth", "PLAIN\r\nX"),
                          (peer.url(), "--uidl", "a\nb")):
            assert pop3(folder, "list", *arguments).returncode == 64, arguments
        done = pop3(folder, "list", peer.url(), LETTERMILL_PASSWORD="a\r\nDELE 1")
        expect(done, 78, "line break")
        assert not peer.heard


def test_passwords_come_from_a_command(folder):
    with serve(folder) as server:
        expect(run(folder, "pop3", "stat", url(server), "--password-command", "echo secret; cat"), 0)
        expect(run(folder, "pop3", "stat", url(server), "--password-command", "exit 3"), 78,
               "password command", "exit code 3")
        expect(run(folder, "pop3", "stat", url(server), "--password-command", "true"), 78,
               "printed nothing")
        expect(pop3(folder, "stat", url(server), "--password-command", "echo wrong"), 77)


def test_passwords_come_from_the_netrc_file(folder):
    with serve(folder) as server:
        netrc = folder / ".netrc"
        netrc.write_text("machine 127.0.0.1 login anna password secret\n")
        netrc.chmod(0o600)
        expect(run(folder, "pop3", "stat", url(server)), 0)
        expect(run(folder, "pop3", "stat", url(server, user="")), 0)
        expect(pop3(folder, "stat", url(server), LETTERMILL_PASSWORD="wrong"), 77)
        netrc.chmod(0o644)
        expect(run(folder, "pop3", "stat", url(server)), 77, "chmod 600")
        netrc.rename(folder / "other")
        (folder / "other").chmod(0o600)
        expect(run(folder, "pop3", "stat", url(server)), 77, "no password")
        expect(run(folder, "pop3", "stat", url(server), "--netrc", "other"), 0)
        expect(run(folder, "pop3", "stat", url(server), "--netrc", "none"), 78, "none")


def test_tokens_come_from_a_command_and_from_the_environment(folder):
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        with Peer([], capa=("USER", f"SASL {mechanism}"), answers={"AUTH": "+OK\r\n"}) as peer:
            for arguments, env in ((("--token-command", "echo token-1"), {}),
                                   ((), {"LETTERMILL_TOKEN": "token-1"})):
                done = expect(run(folder, "pop3", "stat", peer.url(), "-v", *arguments, **env), 0)
                verb, said, proof = peer.heard[1].split()
                assert (verb, said) == ("AUTH", mechanism), peer.heard
                assert b"auth=Bearer token-1" in base64.b64decode(proof)
                assert proof not in done.stderr and "token-1" not in done.stderr, done.stderr
                peer.heard.clear()
            expect(run(folder, "pop3", "stat", peer.url(), "--token-command", "exit 1"), 78, "token")
            assert not peer.heard


def test_a_password_in_the_url_is_warned_about_and_leaves_the_process_list(folder):
    def look(peer, _):
        for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if b"hush-hush" in process.read_bytes():
                    seen.append(process.read_bytes())
            except OSError:
                pass
        return "+OK 0 0\r\n"

    seen = []
    with Peer([], answers={"STAT": look}) as peer:
        done = run(folder, "pop3", "stat", peer.url("anna:hush-hush"))
        expect(done, 0, "warning", "--password-command")
        assert "PASS hush-hush" in peer.heard and not seen, (seen, peer.heard)
        assert "hush-hush" not in done.stderr


def test_the_dialogue_is_shown_with_secrets_masked(folder):
    with Peer([letter(1)], answers={"STAT": "+OK 0 0 \x1b[31mred\r\n"}) as peer:
        done = expect(pop3(folder, "stat", peer.url(), "-v"), 0)
        lines = done.stderr.splitlines()
        assert "C: USER anna" in lines and "C: STAT" in lines, done.stderr
        assert "S: +OK 0 0 \\x1b[31mred" in lines and "secret" not in done.stderr, done.stderr
    with serve(folder) as server:
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256", "USER"):
            done = expect(pop3(folder, "stat", url(server), "-v", "--auth", mechanism), 0)
            assert "secret" not in done.stderr and "c2VjcmV0" not in done.stderr, done.stderr
            assert f"AUTH {mechanism}" in done.stderr or "C: USER" in done.stderr
        expect(pop3(folder, "stat", url(server), "--auth", "X-NONE"), 69)


def at_a_terminal(folder, *arguments, reply):
    """The executable with a terminal of its own; standard input is none. Returns (screen, code)."""
    pid, fd = pty.fork()
    if pid == 0:
        with open(os.devnull, "rb") as null:
            os.dup2(null.fileno(), 0)
        os.chdir(folder)
        os.execve(EXE, [EXE, *map(str, arguments)], environment(folder))
    screen = b""
    while select.select([fd], [], [], PATIENCE)[0]:
        try:
            screen += os.read(fd, 4096)
        except OSError:
            break
        if reply and b"Password" in screen:
            os.write(fd, reply)
            reply = b""
    os.close(fd)
    return screen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_terminal_is_asked_last(folder):
    with serve(folder) as server:
        screen, code = at_a_terminal(folder, "pop3", "stat", url(server), reply=b"secret\n")
        assert code == 0 and "Password of anna at 127.0.0.1" in screen and "0 0" in screen, screen
        assert "secret" not in screen
        screen, code = at_a_terminal(folder, "pop3", "stat", url(server), reply=b"wrong\n")
        assert code == 77, screen


def test_tls_is_judged_as_the_options_say(folder):
    with serve(folder, "--hostname", "localhost", listeners=("smtp", "pop3", "pop3s")) as server:
        cert = folder / "data/lettermill/cert.pem"
        expect(pop3(folder, "stat", url(server, "pop3s")), 76, "certificate")
        expect(pop3(folder, "stat", url(server, "pop3s"), "--insecure"), 0)
        host = f"pop3s://anna@localhost:{server.port('pop3s')}/"
        expect(pop3(folder, "stat", host, "--cafile", cert), 0)
        expect(pop3(folder, "stat", url(server), "--tls", "starttls"), 76, "certificate")
        done = expect(pop3(folder, "stat", url(server), "--tls", "starttls", "--insecure", "-v"), 0)
        assert "C: STLS" in done.stderr
        done = expect(pop3(folder, "stat", url(server), "-v"), 0)
        assert "C: STLS" in done.stderr, "opportunistic on loopback"
        done = expect(pop3(folder, "stat", url(server), "-v", "--tls", "off"), 0)
        assert "STLS" not in done.stderr.replace("S: STLS", "")
        expect(pop3(folder, "stat", url(server, "pop3s"), "--cafile", "none.pem"), 78, "none.pem")
    with Peer([]) as peer:
        expect(pop3(folder, "stat", peer.url(), "--tls", "starttls"), 76)
        assert not any("PASS" in line or "USER" in line for line in peer.heard), peer.heard
        # Names below localhost lead to this machine, but are judged as any other host's.
        elsewhere = peer.url().replace("127.0.0.1", "mail.localhost")
        expect(pop3(folder, "stat", elsewhere), 76)
        assert not any("PASS" in line or "USER" in line for line in peer.heard), peer.heard
        expect(pop3(folder, "stat", elsewhere, "--tls", "opportunistic"), 0)


def test_exit_codes_say_what_went_wrong(folder):
    with serve(folder) as server:
        expect(pop3(folder, "stat", url(server), LETTERMILL_PASSWORD="wrong"), 77)
        port = server.port("pop3")
    assert pop3(folder, "stat", f"pop3://anna@127.0.0.1:{port}/").returncode in (69, 75)

    def hang_up(*_):
        raise Hangup

    with Peer([letter(1)], answers={"STAT": hang_up}) as peer:
        expect(pop3(folder, "stat", peer.url()), 75)
    with Peer([letter(1)], answers={"STAT": b""}) as peer:
        expect(pop3(folder, "stat", peer.url(), "--timeout", "1"), 75, "STAT")
    with Peer([letter(1)], answers={"STAT": "what\r\n"}) as peer:
        expect(pop3(folder, "stat", peer.url()), 76)


def test_results_that_cannot_be_written_are_errors(folder):
    with Peer([letter(1, lines=5000)]) as peer, open("/dev/full", "w", encoding="ascii") as full:
        for arguments in (("list", peer.url()), ("retr", peer.url(), "1")):
            done = subprocess.run([EXE, "pop3", *arguments], stdout=full, stderr=subprocess.PIPE,
                                  env=environment(folder, **PASSWORD), check=False, timeout=PATIENCE)
            assert done.returncode == 74 and b"standard output" in done.stderr, done


main()
