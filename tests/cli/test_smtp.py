#!/usr/bin/env python3
"""lettermill smtp: what is sent, what is said about refusals, and what servers know."""
import json
import poplib

from harness import Server, expect, main, run
from talker import Talker, smtp

MESSAGE = """\
From: Anna <anna@example.org>
To: berta@example.org
Bcc: carla@example.org,
 dora@example.org
Subject: Test

Hello,
.dots and
.
more
"""


def add(folder, *names):
    for name in names:
        expect(run(folder, "user", "add", name, "--store", f"sqlite:{folder}/mail.db", stdin="secret\n"), 0)


def server(folder, *more, listeners=("smtp", "pop3", "lmtp")):
    return Server(folder, "--store", f"sqlite:{folder}/mail.db", "--data-dir", folder, "--domain", "example.org",
                  *more, listeners=listeners)


def mail_of(running, name):
    box = poplib.POP3("127.0.0.1", running.port("pop3"), timeout=30)
    box.user(name)
    box.pass_("secret")
    messages = [b"\r\n".join(box.retr(i + 1)[1]) for i in range(box.stat()[0])]
    box.quit()
    return messages


def send(folder, url, *arguments, stdin=MESSAGE):
    return run(folder, "smtp", "send", url, *arguments, stdin=stdin)


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_message_reaches_those_in_the_header_without_its_bcc(folder):
    add(folder, "berta", "carla", "dora")
    with server(folder) as running:
        done = expect(send(folder, f"smtp://127.0.0.1:{running.port('smtp')}"), 0)
        assert done.stdout == done.stderr == "", done
        for name in ("berta", "carla", "dora"):
            (message,) = mail_of(running, name)
            written = message[message.index(b"From: Anna"):]
            assert b"carla" not in written and b"dora" not in written and b"Bcc" not in written, message
            assert message.endswith(b"Subject: Test\r\n\r\nHello,\r\n.dots and\r\n.\r\nmore"), message


def test_envelopes_of_options_win(folder):
    with Talker(smtp()) as talker:
        expect(send(folder, talker.url("smtp"), "--from", "<>", "--to", "Emil <emil@example.org>, f@example.org",
                    "--to", "f@EXAMPLE.org"), 0)
    said = [line for line in talker.said if line[:4] in ("MAIL", "RCPT")]
    assert said == ["MAIL FROM:<>", "RCPT TO:<emil@example.org>", "RCPT TO:<f@example.org>"], said


def test_bcc_may_be_kept(folder):
    with Talker(smtp()) as talker:
        expect(send(folder, talker.url("smtp"), "--to", "a@b", "--keep-bcc"), 0)
    assert "Bcc: carla@example.org," in talker.said, talker.said


def test_files_go_over_one_connection(folder):
    for name in ("one", "two"):
        (folder / name).write_text(MESSAGE)
    with Talker(smtp()) as talker:
        expect(send(folder, talker.url("smtp"), "one", "two"), 0)
        assert len(talker.connections) == 1
    assert talker.said.count("DATA") == 2, talker.said


def test_a_file_that_cannot_be_read_does_not_stop_the_others(folder):
    (folder / "two").write_text(MESSAGE)
    with Talker(smtp()) as talker:
        expect(send(folder, talker.url("smtp"), "one", "two"), 1, "one")
        assert talker.said.count("DATA") == 1
        expect(send(folder, talker.url("smtp"), "one"), 66, "one", "No such file")
        results = lines_of(expect(send(folder, talker.url("smtp"), "--json", "one", "two"), 1))
        assert [(r["file"], r["result"]) for r in results] == [("one", "failed"), ("two", "sent")], results


def test_each_refusal_is_named(folder):
    def rcpt(line):
        return "550 5.1.1 Nobody here" if "carla" in line else "452 4.2.2 Full" if "dora" in line else "250 OK"

    with Talker(smtp(rcpt=rcpt)) as talker:
        url = talker.url("smtp")
        expect(send(folder, url), 1, "carla@example.org: 550 5.1.1 Nobody here",
               "dora@example.org: 452 4.2.2 Full")
        (result,) = lines_of(expect(send(folder, url, "--json"), 1))
    assert result["result"] == "partly" and not result["unknown"], result
    assert [(r["address"], r["accepted"], r["code"]) for r in result["recipients"]] == [
        ("berta@example.org", True, 250), ("carla@example.org", False, 550), ("dora@example.org", False, 452)]


def test_recipients_who_are_too_many_get_it_in_another_transaction(folder):
    """RFC 5321 4.5.3.1.10; also where LIMITS says so in advance (RFC 9422)."""
    taken = []

    def rcpt(line):
        if "nobody" in line:
            return "550 5.1.1 Nobody here"
        taken.append(line)
        return "452 4.5.3 Too many" if len(taken) > 4 else "250 OK"

    def mail(_line):
        taken.clear()
        return "250 OK"

    names = ",".join(["nobody@b", *(f"a{i}@b" for i in range(10))])
    for more in ((), ("PIPELINING",), ("PIPELINING", "LIMITS RCPTMAX=3")):
        with Talker(smtp(more, mail=mail, rcpt=rcpt)) as talker:
            (result,) = lines_of(expect(send(folder, talker.url("smtp"), "--to", names, "--json"), 1, "nobody@b: 550"))
            assert len(talker.connections) == 1 and talker.said.count("DATA") >= 3, talker.said
        assert [r["accepted"] for r in result["recipients"]] == [False, *[True] * 10], result
        assert result["result"] == "partly" and "Nobody" in result["error"], result


def test_servers_that_put_off_for_ever_are_given_up(folder):
    def rcpt(line):
        return "250 OK" if "a1@" in line else "452 4.5.3 Too many"

    with Talker(smtp(rcpt=rcpt)) as talker:
        expect(send(folder, talker.url("smtp"), "--to", "a1@b,a2@b,a3@b"), 1, "a2@b: 452", "a3@b: 452")
        assert len([line for line in talker.said if "a2@b" in line]) == 2, talker.said


def test_all_refused_ends_with_the_class_of_the_refusal(folder):
    for reply, code in (("550 5.1.1 No", 69), ("451 4.3.0 Later", 75)):
        with Talker(smtp(rcpt=reply)) as talker:
            expect(send(folder, talker.url("smtp")), code, reply[4:])
        with Talker(smtp(data=reply)) as talker:
            expect(send(folder, talker.url("smtp")), code, reply[4:])
        with Talker(smtp(mail=reply)) as talker:
            expect(send(folder, talker.url("smtp")), code, reply[4:])


def test_a_connection_lost_behind_the_message_is_unknown(folder):
    with Talker(smtp(data=None)) as talker:
        url = talker.url("smtp")
        expect(send(folder, url), 75, "may have been delivered")
        (result,) = lines_of(expect(send(folder, url, "--json"), 75))
    assert result["unknown"] and result["result"] == "unknown", result


def test_a_connection_lost_before_is_not_unknown(folder):
    with Talker(smtp(data=None, rcpt=lambda line: None)) as talker:
        done = expect(send(folder, talker.url("smtp")), 75)
        assert "may have been" not in done.stderr, done.stderr


def test_bare_newlines_are_refused_before_anything_is_sent(folder):
    with Talker(smtp()) as talker:
        url = talker.url("smtp")
        expect(send(folder, url, stdin="To: a@b\r\n\r\nx\ry\r\n"), 65, "line 3", "CR")
        expect(send(folder, url, "--from", "", "--strict-newlines", stdin="To: a@b\n\nx\n"), 65, "line 1", "LF")
        assert talker.said == [], talker.said


def test_wrong_addresses_are_refused_before_anything_is_sent(folder):
    with Talker(smtp()) as talker:
        url = talker.url("smtp")
        for wrong in ("a b", "a@b c@d", "", "<>", "a@b\rc", "<a@b"):
            expect(send(folder, url, "--to", wrong), 64)
        for wrong in ("a b", "a@b, c@d"):
            expect(send(folder, url, "--from", wrong), 64, "--from")
        expect(send(folder, url, stdin="From: a@b\nTo: x y\n\n"), 65, "line 2, To")
        expect(send(folder, url, stdin="From: a@b\n\nx\n"), 65, "no recipient")
        expect(send(folder, url, stdin="To: a@b\n\nx\n"), 65, "--from")
        assert talker.said == [], talker.said


def test_missing_fields_are_added_when_asked(folder):
    with Talker(smtp()) as talker:
        expect(send(folder, talker.url("smtp"), "--from", "a@b", "--add-missing", stdin="To: c@d\n\nx\n"), 0)
    header = talker.said[talker.said.index("DATA") + 1:]
    assert "From: a@b" in header and any(l.startswith("Date: ") for l in header), header
    assert any(l.startswith("Message-ID: <") for l in header), header


def test_delivery_options_reach_the_server(folder):
    with Talker(smtp(("DSN", "SIZE"))) as talker:
        expect(send(folder, talker.url("smtp"), "--to", "c@d", "--dsn", "success,delay", "--ret", "hdrs",
                    "--envid", "my id+1"), 0)
    mail, rcpt = (next(l for l in talker.said if l.startswith(verb)) for verb in ("MAIL", "RCPT"))
    assert "RET=HDRS" in mail and "ENVID=my+20id+2B1" in mail and "SIZE=" in mail, mail
    assert "NOTIFY=SUCCESS,DELAY" in rcpt, rcpt


def test_what_the_server_lacks_is_said(folder):
    with Talker(smtp()) as talker:
        url = talker.url("smtp")
        expect(send(folder, url, "--dsn", "never"), 69, "DSN")
        expect(send(folder, url, "--binary"), 69, "BINARYMIME")
        expect(send(folder, url, "--require-tls"), 69, "REQUIRETLS")
        eight = MESSAGE.replace("Hello", "Hällo")
        expect(send(folder, url, stdin=eight), 69, "8BITMIME")
        expect(send(folder, url, "--force-8bit", stdin=eight), 0)
        expect(send(folder, url, "--force-8bit", stdin=eight.replace("Test", "Tést")), 0)


def test_wrong_options_are_named(folder):
    for wrong, word in ((("--dsn", "sometimes"), "--dsn"), (("--dsn", "success,"), "--dsn"),
                        (("--ret", "half"), "ret"), (("--envid", "é"), "--envid"),
                        (("--envid", "x" * 101), "--envid"), (("--frm", "a@b"), "--from"),
                        (("--binary", "--no-chunking"), "--binary")):
        expect(send(folder, "smtp://127.0.0.1:9", *wrong), 64, word)
    expect(run(folder, "smtp", "send", "pop3://127.0.0.1"), 64, "smtp://")


def test_lmtp_has_an_answer_for_each(folder):
    add(folder, "berta")
    with server(folder) as running:
        url = f"lmtp://127.0.0.1:{running.port('lmtp')}"
        expect(send(folder, url), 1, "carla@example.org: 550", "dora@example.org: 550")
        assert len(mail_of(running, "berta")) == 1


def test_large_messages_arrive_whole(folder):
    add(folder, "berta")
    body = "".join(f"line {i} of them all\n" for i in range(200000))
    (folder / "big").write_text("From: a@b\nTo: berta@example.org\n\n" + body)
    with server(folder) as running:
        for more in ((), ("--no-chunking",), ("--no-pipelining",)):
            expect(send(folder, f"smtp://127.0.0.1:{running.port('smtp')}", "big", *more), 0)
        for message in mail_of(running, "berta"):
            assert message.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n") + b"\n" == body.encode()


def test_addresses_are_verified(folder):
    def vrfy(line):
        return {"VRFY anna": "250 2.1.5 Anna <anna@example.org>", "VRFY two": "252 2.1.5 Who knows"}.get(
            line, "550 5.1.1 Nobody" if "nobody" in line else "502 5.5.1 Not here")

    with Talker(smtp(vrfy=vrfy)) as talker:
        url = talker.url("smtp")
        assert expect(run(folder, "smtp", "verify", url, "anna"), 0).stdout == "Anna <anna@example.org>\n"
        assert expect(run(folder, "smtp", "verify", url, "two"), 0).stdout == "Who knows\n"
        expect(run(folder, "smtp", "verify", url, "nobody"), 67, "Nobody")
        expect(run(folder, "smtp", "verify", url, "what"), 69, "Not here")
        known = json.loads(expect(run(folder, "smtp", "verify", url, "two", "--json"), 0).stdout)
        assert known["known"] is None and known["code"] == 252, known
        expect(run(folder, "smtp", "verify", url, "a\nb"), 64)


def test_capabilities_are_listed(folder):
    with server(folder) as running:
        url = f"smtp://127.0.0.1:{running.port('smtp')}"
        lines = expect(run(folder, "smtp", "capa", url, "--tls", "off"), 0).stdout.splitlines()
        assert "PIPELINING" in lines and "STARTTLS" in lines, lines
        known = json.loads(expect(run(folder, "smtp", "capa", url, "--json"), 0).stdout)
        assert known["tls"].startswith("TLS") and "8BITMIME" in known["capabilities"], known


def test_what_servers_say_does_not_reach_the_terminal_raw(folder):
    with Talker(smtp(rcpt="550 5.1.1 \x1b[31mred")) as talker:
        done = send(folder, talker.url("smtp"))
        assert "\x1b" not in done.stderr and "red" in done.stderr, done.stderr


def test_nobody_listens(folder):
    with Talker(smtp()) as talker:
        pass
    expect(send(folder, f"smtp://127.0.0.1:{talker.port}"), 75, str(talker.port))


if __name__ == "__main__":
    main()
