#!/usr/bin/env python3
"""lettermill sendmail: options as programs have given them for forty years."""
import os
import subprocess

from harness import EXE, PATIENCE, environment, expect, main, run
from talker import Talker, smtp

MESSAGE = "To: berta@example.org\nBcc: carla@example.org\nSubject: Test\n\nHello,\n.\nmore\n"


def sendmail(folder, url, *arguments, stdin=MESSAGE, **more):
    if url:
        more["LETTERMILL_SENDMAIL_URL"] = url
    return run(folder, "sendmail", *arguments, stdin=stdin, **more)


def envelope(talker):
    return [line for line in talker.said if line[:4] in ("MAIL", "RCPT")]


def header(talker):
    said = talker.said[talker.said.index("DATA") + 1:]
    return said[:said.index("")]


def body(talker):
    said = talker.said[talker.said.index("DATA") + 1:]
    said = said[said.index("") + 1:]
    return said[:said.index(".")]


def check(folder, arguments, wanted, stdin=MESSAGE):
    with Talker(smtp(("DSN",))) as talker:
        expect(sendmail(folder, talker.url("smtp"), *arguments, stdin=stdin), 0)
    assert not wanted or envelope(talker)[-len(wanted):] == wanted, (arguments, talker.said)
    return talker


def test_recipients_of_the_header(folder):
    wanted = ["MAIL FROM:<me@example.org>", "RCPT TO:<berta@example.org>", "RCPT TO:<carla@example.org>"]
    me = "me@example.org"
    for arguments in (("-t", "-i", "-f", me), ("-ti", f"-f{me}"), ("-it", "-r", me),
                      ("-oi", "-t", "-oem", "-odb", "-bm", "-f", me), ("-f", me, "-t", "--")):
        talker = check(folder, arguments, wanted)
        assert not any("Bcc" in line for line in header(talker)), talker.said


def test_recipients_of_the_command_line(folder):
    for arguments in (("-i", "x@y.org", "z@y.org"), ("-i", "--", "x@y.org", "z@y.org"), ("x@y.org, Z <z@y.org>", "-i"),
                      ("-i", "x@y.org", "-O", "ErrorMode=m", "-B8BITMIME", "-X", "/dev/null", "-q30m", "-Ac", "-G",
                       "-L", "tag", "-h", "3", "-m", "-n", "-U", "-p", "local", "-d0.1", "z@y.org")):
        check(folder, arguments, ["RCPT TO:<x@y.org>", "RCPT TO:<z@y.org>"])


def test_a_dot_ends_the_message_unless_told_otherwise(folder):
    assert body(check(folder, ("-t",), [])) == ["Hello,"]
    assert body(check(folder, ("-t", "-i"), [])) == ["Hello,", "..", "more"]
    assert body(check(folder, ("-t", "-oi"), [])) == ["Hello,", "..", "more"]


def test_what_is_missing_is_added(folder):
    lines = header(check(folder, ("-t", "-f", "me@x.org", "-F", "Me, Myself"), []))
    assert 'From: "Me, Myself" <me@x.org>' in lines, lines
    assert any(l.startswith("Date: ") for l in lines) and any(l.startswith("Message-ID: ") for l in lines), lines
    lines = header(check(folder, ("-t",), [], stdin="From: she@x.org\n" + MESSAGE))
    assert lines.count("From: she@x.org") == 1 and not any("root" in l for l in lines), lines


def test_the_sender_is_the_option_then_the_header_then_the_user(folder):
    check(folder, ("-f", "me@x.org", "a@b"), ["MAIL FROM:<me@x.org>", "RCPT TO:<a@b>"], "From: she@x.org\n\nx\n")
    check(folder, ("a@b",), ["MAIL FROM:<she@x.org>", "RCPT TO:<a@b>"], "From: she@x.org\n\nx\n")
    check(folder, ("-f", "<>", "a@b"), ["MAIL FROM:<>", "RCPT TO:<a@b>"], "From: she@x.org\n\nx\n")
    check(folder, ("-f", "", "a@b"), ["MAIL FROM:<>", "RCPT TO:<a@b>"], "From: she@x.org\n\nx\n")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    check(folder, ("--domain", "here.example", "a@b"), [f"MAIL FROM:<{user}@here.example>", "RCPT TO:<a@b>"],
          "x: y\n\n")


def test_addresses_without_a_domain_get_one(folder):
    check(folder, ("--domain", "x.org", "-f", "me", "root"), ["MAIL FROM:<me@x.org>", "RCPT TO:<root@x.org>"])
    check(folder, ("--domain", "x.org", "-f", "me", "-t"),
          ["MAIL FROM:<me@x.org>", "RCPT TO:<a@x.org>", "RCPT TO:<b@c>"], "To: a, b@c\nCc: a@x.org\n\nx\n")


def test_reports_as_asked_for(folder):
    talker = check(folder, ("-N", "success,failure", "-R", "hdrs", "-V", "my-id", "-f", "a@b", "c@d"), [])
    mail, rcpt = envelope(talker)
    assert "RET=HDRS" in mail and "ENVID=my-id" in mail and "NOTIFY=SUCCESS,FAILURE" in rcpt, talker.said


def test_where_to_by_option_environment_and_file(folder):
    settings = folder / "config" / "lettermill"
    settings.mkdir(parents=True)
    with Talker(smtp()) as one, Talker(smtp()) as two:
        (settings / "sendmail.conf").write_text(f"# ours\nurl = {one.url('smtp')}\nfrom = file@x.org\n")
        more = {"XDG_CONFIG_HOME": str(folder / "config")}
        expect(sendmail(folder, None, "a@b", **more), 0)
        assert envelope(one) == ["MAIL FROM:<file@x.org>", "RCPT TO:<a@b>"]
        expect(sendmail(folder, two.url("smtp"), "-f", "line@x.org", "c@d", **more), 0)
        assert envelope(two) == ["MAIL FROM:<line@x.org>", "RCPT TO:<c@d>"]
        expect(sendmail(folder, one.url("smtp"), "--url", two.url("smtp"), "e@f", **more), 0)
        assert "RCPT TO:<e@f>" in envelope(two)
        (folder / "other.conf").write_text(f"url = {two.url('smtp')}\n")
        expect(sendmail(folder, None, "-C", "other.conf", "g@h", **more), 0)
        assert "RCPT TO:<g@h>" in envelope(two)


def test_a_wrong_file_is_named(folder):
    (folder / "bad.conf").write_text("url = smtp://x\nfrmo = a@b\n")
    expect(sendmail(folder, None, "-C", "bad.conf", "a@b"), 78, "bad.conf:2", "frmo", "from")
    expect(sendmail(folder, None, "-C", "none.conf", "a@b"), 78, "none.conf")
    (folder / "odd.conf").write_text("timeout = soon\n")
    expect(sendmail(folder, None, "-C", "odd.conf", "a@b"), 64, "timeout")


def test_by_the_name_sendmail(folder):
    os.symlink(EXE, folder / "sendmail")
    with Talker(smtp()) as talker:
        done = subprocess.run([str(folder / "sendmail"), "-i", "a@b"], input=MESSAGE, text=True, capture_output=True,
                              env=environment(folder, LETTERMILL_SENDMAIL_URL=talker.url("smtp")), cwd=folder,
                              timeout=PATIENCE, check=False)
        expect(done, 0)
    assert "RCPT TO:<a@b>" in talker.said, talker.said


def test_mistakes_are_usage_errors(folder):
    with Talker(smtp()) as talker:
        for arguments, word in (((), "say to whom"), (("-t", "a@b"), "-t"), (("-bs",), "-bs"), (("-bd",), "-bd"),
                                (("-Z", "a@b"), "-Z"), (("-f",), "-f"), (("-f", "a b", "c@d"), "-f"), (("a b",), "a b"),
                                (("-N", "often", "a@b"), "-N"), (("-R", "none", "a@b"), "ret"),
                                (("-V", "é", "a@b"), "-V"),
                                (("--froom", "x", "a@b"), "--from"), (("",), "empty")):
            expect(sendmail(folder, talker.url("smtp"), *arguments), 64, word)
        expect(sendmail(folder, talker.url("smtp"), "-t", stdin="Subject: x\n\n"), 65, "no recipient")
        expect(sendmail(folder, talker.url("smtp"), "-t", stdin="To: a b\n\n"), 65, "line 1, To")
        assert talker.said == [], talker.said


def test_one_refusal_is_a_failure(folder):
    def rcpt(line):
        return "550 5.1.1 Nobody here" if "carla" in line else "250 OK"

    with Talker(smtp(rcpt=rcpt)) as talker:
        expect(sendmail(folder, talker.url("smtp"), "-t"), 69, "carla@example.org: 550 5.1.1 Nobody here")
    with Talker(smtp(rcpt="451 4.3.0 Later")) as talker:
        expect(sendmail(folder, talker.url("smtp"), "-t"), 75, "Later")
    with Talker(smtp(data=None)) as talker:
        expect(sendmail(folder, talker.url("smtp"), "-t"), 75, "may have been delivered")


def test_the_queue_is_empty(folder):
    assert expect(sendmail(folder, None, "-bp"), 0).stdout == "Mail queue is empty\n"
    expect(sendmail(folder, None, "--help"), 0)


if __name__ == "__main__":
    main()
