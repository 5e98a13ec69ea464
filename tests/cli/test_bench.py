#!/usr/bin/env python3
"""lettermill bench: the load is bounded, the figures add up, strangers are left alone."""
import json

from harness import expect, main, run
from talker import Talker, smtp
from test_smtp import add, mail_of, server


def bench(folder, *arguments, **more):
    return run(folder, "bench", *arguments, LETTERMILL_PASSWORD="secret", **more)


def check_times(times):
    for name, row in times.items():
        assert row is None or row["p50"] <= row["p90"] <= row["p99"] <= row["max"], (name, row)


def test_messages_are_sent_and_counted(folder):
    add(folder, "anna", "berta")
    with server(folder) as running:
        url = f"smtp://127.0.0.1:{running.port('smtp')}"
        done = expect(bench(folder, "smtp", url, "--to", "anna@example.org", "--to", "berta@example.org",
                            "--messages", "57", "--connections", "5", "--per-session", "4", "--size", "3k",
                            "--threads", "2", "--json"), 0)
        figures = json.loads(done.stdout)
        assert figures["messages"] == 57 and figures["failures"] == 0, figures
        assert figures["connections"] == 5 and figures["threads"] == 2, figures
        assert 57 / 4 <= figures["sessions"] <= 57, figures
        assert 57 * 2900 < figures["octets"] <= 57 * 3072, figures
        assert figures["milliseconds"]["login"] is None, figures
        check_times(figures["milliseconds"])
        for name in ("anna", "berta"):
            assert len(mail_of(running, name)) == 57


def test_messages_are_fetched_and_stay(folder):
    add(folder, "anna")
    with server(folder) as running:
        expect(bench(folder, "smtp", f"smtp://127.0.0.1:{running.port('smtp')}", "--to", "anna@example.org",
                     "--messages", "7"), 0)
        for more in ((), ("--pipelining", "16")):
            done = expect(bench(folder, "pop3", f"pop3://anna@127.0.0.1:{running.port('pop3')}", "--connections", "1",
                                "--messages", "30", "--json", *more), 0)
            figures = json.loads(done.stdout)
            assert figures["messages"] == 30 and figures["sessions"] == 5, figures
            assert all(figures["milliseconds"].values()), figures
            check_times(figures["milliseconds"])
        assert len(mail_of(running, "anna")) == 7


def test_the_time_is_bounded(folder):
    with Talker(smtp()) as talker:
        done = expect(bench(folder, "smtp", talker.url("smtp"), "--to", "a@b", "--duration", "1s", "--json"), 0)
        assert 1 <= json.loads(done.stdout)["seconds"] < 10, done.stdout


def test_figures_for_people(folder):
    with Talker(smtp()) as talker:
        done = expect(bench(folder, "smtp", talker.url("smtp"), "--to", "a@b", "--messages", "20"), 0)
    assert "20 messages" in done.stdout and "p99" in done.stdout and "connect" in done.stdout, done.stdout


def test_failures_are_counted_and_end_it(folder):
    with Talker(smtp(rcpt="550 5.1.1 No")) as talker:
        expect(bench(folder, "smtp", talker.url("smtp"), "--to", "a@b", "--messages", "5"), 77, "5 failures", "No")
    with Talker(smtp(mail=lambda line: None)) as talker:
        expect(bench(folder, "smtp", talker.url("smtp"), "--to", "a@b", "--messages", "100000"), 75, "failures")
    expect(bench(folder, "smtp", f"smtp://127.0.0.1:{talker.port}", "--to", "a@b"), 75, "refused")
    add(folder, "anna")
    with server(folder) as running:
        url = f"pop3://anna@127.0.0.1:{running.port('pop3')}"
        expect(run(folder, "bench", "pop3", url, LETTERMILL_PASSWORD="wrong"), 77, "failures")
        expect(bench(folder, "pop3", url, "--connections", "1"), 67, "empty")


def test_some_failures(folder):
    counter = iter(range(1000))

    def rcpt(_line):
        return "450 4.2.1 Later" if next(counter) % 2 else "250 OK"

    with Talker(smtp(rcpt=rcpt)) as talker:
        done = expect(bench(folder, "smtp", talker.url("smtp"), "--to", "a@b", "--messages", "10", "--json",
                            "--connections", "1"), 1, "5 failures")
        figures = json.loads(done.stdout)
        assert figures["messages"] == 5 and figures["failures"] == 5, figures
        assert "Later" in figures["first_failure"], figures


def test_strangers_are_left_alone(folder):
    for url in ("smtp://mail.example.org", "smtp://192.0.2.1", "smtp://[2001:db8::1]"):
        expect(bench(folder, "smtp", url, "--to", "a@b", "--tls", "off"), 64, "--yes-really")
    expect(bench(folder, "pop3", "pop3://anna@192.0.2.1"), 64, "--yes-really")


def test_mistakes_are_usage_errors(folder):
    for arguments, word in ((("smtp://127.0.0.1",), "--to"), (("smtp://127.0.0.1", "--to", "a b"), "address"),
                            (("smtp://127.0.0.1", "--to", "a@b", "--size", "1"), "size"),
                            (("smtp://127.0.0.1", "--to", "a@b", "--pipelining", "2"), "--pipelining"),
                            (("pop3://127.0.0.1", "--to", "a@b"), "smtp://")):
        expect(bench(folder, "smtp", *arguments), 64, word)


if __name__ == "__main__":
    main()
