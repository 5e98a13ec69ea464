#!/usr/bin/env python3
"""lettermill serve: the ready line, signals, reload, the log, what is refused at the start."""
import json
import os
import pathlib
import poplib
import re
import signal
import smtplib
import socket
import stat
import time

from harness import PATIENCE, Server, ask, expect, main, run

ALL_OFF = [word for name in ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s")
           for word in (f"--{name}", "off")]


def test_the_ready_line_names_what_listens(folder):
    with Server(folder, listeners=("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s")) as s:
        assert re.fullmatch(r"ready( (smtp|smtps|submission|lmtp|pop3|pop3s)=127\.0\.0\.1:[1-9]\d*){6}"
                            r" pid=\d+", s.ready), s.ready
        assert int(s.where["pid"]) == s.process.pid
        for name in ("smtp", "pop3", "lmtp", "submission"):
            with s.connect(name) as c:
                assert c.readline()[:3] in (b"220", b"+OK")
        assert s.end() == 0
        assert s.process.stdout.read() == ""


def test_listeners_that_are_off_are_not_named(folder):
    with Server(folder, "--lmtp", folder / "lmtp.sock", listeners=("pop3",)) as s:
        assert set(s.where) == {"pop3", "lmtp", "pid"}, s.ready
        assert s.where["lmtp"] == str(folder / "lmtp.sock")
        with socket.socket(socket.AF_UNIX) as c:
            c.settimeout(PATIENCE)
            c.connect(s.where["lmtp"])
            assert c.recv(3) == b"220"
        assert s.end() == 0


def test_both_ending_signals_end_with_zero(folder):
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server(folder) as s:
            assert s.end(number) == 0, s.log()


def test_a_drain_tells_waiting_sessions(folder):
    with Server(folder) as s, s.connect("smtp") as smtp, s.connect("pop3") as pop3:
        smtp.readline()
        pop3.readline()
        assert s.end() == 0, s.log()
        assert smtp.readline().startswith(b"421 ")
        assert pop3.readline().startswith(b"-ERR [SYS/TEMP]")


def open_transaction(server):
    c = server.connect("smtp")
    c.readline()
    for line in ("HELO client", "MAIL FROM:<a@example.org>", "RCPT TO:<anna>", "DATA"):
        reply = ask(c, line)
        assert reply[0] in "23", reply
    return c


def test_a_drain_lets_a_running_transaction_finish(folder):
    with Server(folder, "--user", "anna:secret") as s, open_transaction(s) as c:
        s.send(signal.SIGTERM)
        s.await_log("server.drain")
        assert ask(c, "Subject: late\r\n\r\nbut in time\r\n.").startswith("250 ")
        assert s.process.wait(PATIENCE) == 0


def test_a_second_signal_cuts_transactions_off(folder):
    with Server(folder, "--user", "anna:secret", "--drain-timeout", "1h") as s, \
            open_transaction(s) as c:
        s.send(signal.SIGTERM)
        s.await_log("server.drain")
        s.send(signal.SIGTERM)
        assert s.process.wait(PATIENCE) == 75
        assert c.readline().startswith(b"421 4.3.2 ")


def test_the_drain_timeout_is_kept(folder):
    with Server(folder, "--user", "anna:secret", "--drain-timeout", "200ms") as s, \
            open_transaction(s):
        assert s.end() == 0, s.log()


def test_a_drain_that_runs_out_of_time_says_so(folder):
    with Server(folder, "--user", "anna:secret", "--drain-timeout", "200ms") as s, \
            open_transaction(s) as data, s.connect("smtp") as auth:
        auth.readline()
        auth.write(b"EHLO client\r\n")
        while auth.readline()[3:4] == b"-":
            pass
        assert ask(auth, "AUTH PLAIN").startswith("334")
        assert s.end() == 0, s.log()
        for session in (data, auth):
            assert session.readline().startswith(b"421 4.3.2 ")
            assert session.readline() == b""


def test_a_peer_that_does_not_read_delays_no_end(folder):
    with Server(folder, "--user", "anna:secret", "--drain-timeout", "0", "--max-message-size",
                "0") as s, open_transaction(s) as c, s.connect("smtp") as greedy:
        greedy.readline()
        sock = socket.socket(fileno=os.dup(greedy.fileno()))
        sock.setblocking(False)
        try:
            while True:
                sock.send(b"HELP\r\n" * 1000)
        except BlockingIOError:
            pass
        sock.close()
        began = time.monotonic()
        assert s.end() == 0, s.log()
        assert time.monotonic() - began < PATIENCE / 2
        assert c.readline().startswith(b"421 ")


def greeting(server):
    with server.connect("smtp") as c:
        return c.readline().decode()


def test_a_hangup_reloads_for_new_sessions(folder):
    conf = folder / "lm.conf"
    conf.write_text("hostname = one.example\n")
    with Server(folder, "--config", conf) as s, s.connect("smtp") as old:
        assert "one.example" in old.readline().decode()
        conf.write_text("hostname = two.example\n")
        s.send(signal.SIGHUP)
        s.await_log("server.reload")
        assert "two.example" in greeting(s)
        assert "one.example" in ask(old, "HELO x")
        conf.write_text("")
        s.send(signal.SIGHUP)
        while "two.example" in greeting(s):
            pass
        assert s.end() == 0, s.log()


def test_a_reload_that_fails_changes_nothing(folder):
    conf = folder / "lm.conf"
    conf.write_text("hostname = one.example\n")
    with Server(folder, "--config", conf) as s:
        for text, words in (("hostname = two.example\nnonsens = 1\n", "lm.conf:2:"),
                            ("hostname = two.example\nworkers = 7\n", "workers"),
                            ("hostname = two.example\ncert = /nonexistent.pem\n", "nonexistent")):
            conf.write_text(text)
            s.send(signal.SIGHUP)
            s.await_log(words)
            assert "one.example" in greeting(s)
        conf.unlink()
        s.send(signal.SIGHUP)
        s.await_log("cannot read")
        assert "one.example" in greeting(s)
        assert s.end() == 0, s.log()


def test_the_log_is_one_json_object_a_line(folder):
    with Server(folder, "--log", "json", "--log-level", "debug", "--user", "anna:secret") as s:
        with s.connect("pop3") as c:
            c.readline()
            ask(c, 'USER "\\\x7f\xff')
        assert s.end() == 0
        events = [json.loads(line) for line in s.log().splitlines()]
        assert len(events) > 2
        for event in events:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
            assert event["level"] in ("error", "warn", "info", "debug") and event["event"]


def test_the_log_level_is_kept(folder):
    with Server(folder, "--log-level", "error", "--user", "anna:secret") as s:
        assert s.end() == 0
        assert s.log() == ""


def test_passwords_leave_the_process_list(folder):
    with Server(folder, "--user", "anna:tropicalfish", "--user=bob:tropicalbird") as s:
        with open(f"/proc/{s.process.pid}/cmdline", encoding="utf-8") as f:
            assert "tropical" not in f.read()
        assert "warn cli.password_on_command_line" in s.log()
        assert "tropical" not in s.log()
        client = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=PATIENCE)
        client.user("bob")
        assert client.pass_("tropicalbird").startswith(b"+OK")
        client.quit()
        assert s.end() == 0


def test_accounts_made_while_it_runs_can_log_in(folder):
    store = f"sqlite:{folder}/mail.db"
    with Server(folder, "--store", store, "--auth-delay", "0") as s:
        expect(run(folder, "user", "add", "anna", "--store", store, stdin="tropicalfish\n"), 0)
        client = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=PATIENCE)
        client.user("anna")
        assert client.pass_("tropicalfish").startswith(b"+OK")
        client.quit()
        expect(run(folder, "user", "remove", "anna", "--store", store), 0)
        client = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=PATIENCE)
        client.user("anna")
        try:
            raise AssertionError(client.pass_("tropicalfish"))
        except poplib.error_proto as e:
            assert "[AUTH]" in str(e)
        client.close()
        assert s.end() == 0


def test_accounts_of_a_maildir_lie_in_the_data_directory(folder):
    expect(run(folder, "user", "add", "anna", stdin="tropicalfish\n"), 0)
    with Server(folder, "--store", f"maildir:{folder}/mail") as s:
        with smtplib.SMTP("127.0.0.1", s.port("smtp"), timeout=PATIENCE) as client:
            client.sendmail("a@example.org", ["anna"], b"Subject: x\r\n\r\nHello\r\n")
        client = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=PATIENCE)
        client.user("anna")
        client.pass_("tropicalfish")
        assert client.stat()[0] == 1
        client.quit()
        assert s.end() == 0
    (file,) = pathlib.Path(folder, "mail/anna/new").iterdir()
    assert file.read_bytes().endswith(b"\r\n\r\nHello\r\n")


def test_accounts_lie_where_they_are_told_to(folder):
    where = ("--accounts", f"sqlite:{folder}/accounts.db")
    expect(run(folder, "user", "add", "anna", *where, stdin="tropicalfish\n"), 0)
    for store in ("memory:", f"maildir:{folder}/mail/%u", f"sqlite:{folder}/mail.db"):
        with Server(folder, "--store", store, *where) as s:
            client = poplib.POP3("127.0.0.1", s.port("pop3"), timeout=PATIENCE)
            client.user("anna")
            assert client.pass_("tropicalfish").startswith(b"+OK")
            client.quit()
            assert s.end() == 0
    assert expect(run(folder, "user", "list", *where), 0).stdout == "anna\n"
    assert expect(run(folder, "user", "list"), 0).stdout == ""


def test_accounts_that_cannot_be_are_refused(folder):
    refused(folder, 78, "--pop3", "0", "--accounts", f"maildir:{folder}/mail")
    refused(folder, 78, "--pop3", "0", "--accounts", "nothing:x")
    expect(run(folder, "user", "list", "--accounts", f"maildir:{folder}/mail"), 78, "no accounts")


def test_the_log_says_where_mail_for_postmaster_has_nowhere_to_go(folder):
    anna = ("--user", "anna:secret", "--store", "memory:")
    for options, wanted in (((), 1), (("--domain", "a.example"), 1),
                            (("--postmaster", "anna"), 0), (("--catch-all", "anna"), 0),
                            (("--user", "PostMaster:secret"), 0),
                            (("--domain", "a.example", "--user", "postmaster@a.example:x"), 0)):
        (folder / "server.log").unlink(missing_ok=True)
        with Server(folder, *anna, *options) as s:
            assert s.log().count("info config.no_postmaster option=postmaster") == wanted, s.log()
            assert s.end() == 0
    (folder / "server.log").unlink()
    with Server(folder, *anna, listeners=("pop3",)) as s:
        assert "config.no_postmaster" not in s.log()
        assert s.end() == 0


def test_options_that_name_no_account_are_a_warning(folder):
    store = ("--store", f"sqlite:{folder}/mail.db")
    warning = "warn config.no_account option={} name={}"
    conf = folder / "lm.conf"
    conf.write_text("catch-all = nobody\npostmaster = carla\n")
    with Server(folder, *store, "--config", conf) as s:
        for option, name in (("catch-all", "nobody"), ("postmaster", "carla")):
            assert s.log().count(warning.format(option, name)) == 1, s.log()
        expect(run(folder, "user", "add", "Carla", *store, stdin="tropicalfish\n"), 0)
        conf.write_text("postmaster = carla\n")
        s.send(signal.SIGHUP)
        s.await_log("server.reload")
        with s.connect("smtp") as c:
            c.readline()
            for line in ("HELO client", "MAIL FROM:<>", "RCPT TO:<postmaster>"):
                reply = ask(c, line)
            assert reply.startswith("250"), reply
        conf.write_text("catch-all = later\n")
        s.send(signal.SIGHUP)
        s.await_log(warning.format("catch-all", "later"))
        assert s.log().count("config.no_account") == 3, s.log()
        assert s.end() == 0
    (folder / "server.log").unlink()
    with Server(folder, *store, "--catch-all", "CARLA", "--postmaster", "carla") as s:
        assert "config.no_account" not in s.log()
        assert s.end() == 0


def test_the_first_start_makes_directory_and_certificate(folder):
    with Server(folder, listeners=("pop3s",)) as s:
        data = folder / "data/lettermill"
        assert stat.S_IMODE(os.stat(data).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(data / "key.pem").st_mode) == 0o600
        certificate = (data / "cert.pem").read_bytes()
        assert s.end() == 0
    with Server(folder, listeners=("pop3s",)) as s:
        assert (data / "cert.pem").read_bytes() == certificate
        assert s.end() == 0


def refused(folder, code, *arguments):
    done = expect(run(folder, "serve", *ALL_OFF, *arguments), code, "lettermill: ")
    assert done.stdout == ""
    return done.stderr


def test_an_address_in_use_is_refused(folder):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        where = f"127.0.0.1:{busy.getsockname()[1]}"
        assert where in refused(folder, 73, "--pop3", where, "--store", "memory:")


def test_two_servers_on_one_address_are_refused(folder):
    with Server(folder, "--store", "memory:") as s:
        assert s.where["pop3"] in refused(folder, 73, "--pop3", s.where["pop3"], "--store", "memory:")
        assert s.end() == 0


def test_two_servers_on_one_store_are_refused(folder):
    with Server(folder, "--store", f"sqlite:{folder}/mail.db") as s:
        assert "mail.db" in refused(folder, 75, "--pop3", "0", "--store", f"sqlite:{folder}/mail.db")
        assert s.end() == 0


def test_files_that_are_not_there_are_refused(folder):
    assert "/nonexistent.pem" in expect(
        run(folder, "serve", *ALL_OFF, "--pop3", "0", "--cert", "/nonexistent.pem", "--store",
            "memory:"), 78).stderr
    assert "folder /nonexistent does not exist" in refused(
        folder, 74, "--pop3", "0", "--store", "sqlite:/nonexistent/x.db")
    assert run(folder, "serve", *ALL_OFF, "--pop3", "0", "--store", "nonsense:").returncode == 78


def test_settings_that_make_no_sense_are_refused(folder):
    store = ("--store", "memory:")
    on = ("--pop3", "0")
    assert "listener" in refused(folder, 64, *store)
    assert "hostname" in refused(folder, 64, *on, *store, "--hostname", "two words")
    assert "domain" in refused(folder, 64, *on, *store, "--domain", "a@b")
    assert "NOSUCH" in refused(folder, 64, *on, *store, "--auth", "PLAIN,NOSUCH")
    assert "/nonexistent/s" in refused(folder, 78, *store, "--lmtp", "/nonexistent/s")


main()
