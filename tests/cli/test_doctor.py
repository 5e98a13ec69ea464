#!/usr/bin/env python3
"""lettermill doctor: every quirk of a scripted server is named, and our own server has none."""
import json
import shutil
import ssl
import subprocess
import warnings

from harness import Skip, expect, main, run
from talker import Talker, smtp
from test_smtp import add, mail_of, send, server

MESSAGE = ["From: a@b", "Subject: x", "", "Hello", ".dot", "bye"]
CAPA = ("TOP", "UIDL", "USER", "PIPELINING")


def doctor(folder, *arguments, **more):
    return run(folder, "doctor", *arguments, LETTERMILL_PASSWORD="secret", **more)


def findings(done):
    """[(severity, topic, text)] of the JSON, whose sums must be right."""
    told = json.loads(done.stdout)
    rows = [(row["severity"], row["topic"], row["text"]) for row in told["findings"]]
    for severity in ("ok", "note", "warn", "bad"):
        assert told[severity] == sum(row[0] == severity for row in rows), told
    return rows


def pop3(announced=CAPA, sizes=None, ids=("a1", "a2"), greeting="+OK ready", stuffs=True, message=tuple(MESSAGE),
         **replies):
    """What to talk for POP3 with two messages; `replies` by verb in lower case, text or function."""
    true_size = sum(len(line) + 2 for line in message)
    sizes = sizes or (true_size, true_size)

    def listing(say, lines):
        say("+OK", *[f"{i + 1} {line}" for i, line in enumerate(lines)], ".")

    def octets(say, lines):
        say("+OK", *["." + line if stuffs and line.startswith(".") else line for line in lines], ".")

    def answer(say, verb, argument):
        if verb == "capa":
            say("+OK", *announced, ".")
        elif verb == "stat":
            say(f"+OK 2 {sum(sizes)}")
        elif verb == "list":
            listing(say, sizes)
        elif verb == "uidl":
            listing(say, ids)
        elif verb == "retr":
            octets(say, message)
        elif verb == "top":
            octets(say, message[:message.index("") + 1])
        else:
            say("+OK")

    def talk(lines, say):
        say(greeting)
        for line in lines:
            verb, _, argument = line.partition(" ")
            reply = replies.get(verb.lower())
            if reply is None:
                answer(say, verb.lower(), argument)
            else:
                say(*(reply(argument) if callable(reply) else [reply]))
            if verb == "QUIT":
                return
    return talk


def examine_pop3(folder, wanted, code, **quirks):
    """Each of `wanted`, (severity, topic, words), must be found with this quirk."""
    with Talker(pop3(**quirks)) as talker:
        url = talker.url("pop3").replace("//", "//anna@")
        rows = findings(expect(doctor(folder, "pop3", url, "--json"), code))
        assert not any(line.split()[0] in ("DELE", "RSET") for line in talker.said), talker.said
    for severity, topic, words in wanted:
        assert any(row[:2] == (severity, topic) and words in row[2] for row in rows), (wanted, rows)
    return rows


def test_our_own_pop3_server_is_well(folder):
    add(folder, "anna")
    with server(folder, listeners=("smtp", "pop3", "pop3s")) as running:
        expect(send(folder, f"smtp://127.0.0.1:{running.port('smtp')}", "--to", "anna@example.org"), 0)
        for name, scheme in (("pop3", "pop3"), ("pop3s", "pop3s")):
            url = f"{scheme}://anna@127.0.0.1:{running.port(name)}"
            rows = findings(expect(doctor(folder, "pop3", url, "--insecure", "--json"), 0))
            assert {row[1] for row in rows if row[0] == "warn"} == {"certificate"}, rows
            for words in ("TLS 1.0 is refused", "TOP works", "UIDLs last", "LIST is right"):
                assert any(words in row[2] for row in rows), (words, rows)
        assert len(mail_of(running, "anna")) == 1


def test_our_own_smtp_server_is_well(folder):
    add(folder, "anna")
    with server(folder) as running:
        for scheme in ("smtp", "lmtp"):
            url = f"{scheme}://127.0.0.1:{running.port(scheme)}"
            rows = findings(expect(doctor(folder, "smtp", url, "--json", "--probe-relay", "x@elsewhere.example"), 0))
            assert {row[1] for row in rows if row[0] == "warn"} == {"certificate"}, rows
            assert any("does not take mail for x@elsewhere" in row[2] for row in rows), rows
        assert mail_of(running, "anna") == []


def test_lists_for_people_end_with_a_sum(folder):
    with server(folder) as running:
        done = expect(doctor(folder, "smtp", f"smtp://127.0.0.1:{running.port('smtp')}"), 0)
    lines = done.stdout.splitlines()
    assert lines[-1].endswith(" ok") and ": 0 bad, 1 warn" in lines[-1], lines
    assert all(line.split()[0] in ("ok", "note", "warn", "bad") for line in lines[:-1]), lines


def test_a_good_scripted_server_has_little_to_remark(folder):
    rows = examine_pop3(folder, [("ok", "size", "right about the 2"), ("ok", "top", "works"),
                                 ("ok", "uidl", "last")], 0)
    assert {row[1] for row in rows if row[0] in ("warn", "bad")} == {"tls"}, rows


def test_lying_capa(folder):
    examine_pop3(folder, [("bad", "uidl", "announced, but fails")], 1, uidl="-ERR no")
    examine_pop3(folder, [("bad", "top", "announced, but fails")], 1, top="-ERR no")
    examine_pop3(folder, [("note", "uidl", "not announced"), ("note", "top", "not announced")], 0, announced=("USER",))
    examine_pop3(folder, [("bad", "tls", "STLS is offered, but fails")], 1, announced=(*CAPA, "STLS"), stls="-ERR no")
    examine_pop3(folder, [("warn", "capability", "CAPA fails")], 0, capa="-ERR what")


def test_wrong_sizes(folder):
    true = sum(len(line) + 2 for line in MESSAGE)
    examine_pop3(folder, [("warn", "size", "count a line end as one")], 0, sizes=(true - len(MESSAGE), true))
    examine_pop3(folder, [("warn", "size", "count the dots")], 0, sizes=(true + 1, true))
    examine_pop3(folder, [("warn", "size", f"LIST says {true + 5000}")], 0, sizes=(true + 5000, true))
    examine_pop3(folder, [("warn", "list", "STAT says 3")], 0, stat="+OK 2 3")
    examine_pop3(folder, [("bad", "list", "STAT counts 3")], 1, stat=f"+OK 3 {2 * true}")


def test_missing_dot_stuffing(folder):
    rows = examine_pop3(folder, [], 1, stuffs=False, message=("A: b", "", "x", ".", "y"))
    assert any(row[1] == "size" and row[0] in ("bad", "warn") for row in rows), rows


def test_uidl_trouble(folder):
    examine_pop3(folder, [("bad", "uidl", "1 and 2 have the same UIDL")], 1, ids=("same", "same"))
    examine_pop3(folder, [("warn", "uidl", "message 1 is longer than 70")], 0, ids=("x" * 71, "y"))
    examine_pop3(folder, [("warn", "uidl", "message 2 holds octets")], 0, ids=("x", "\u00e9"))
    examine_pop3(folder, [("bad", "uidl", "UIDL names 1 messages, LIST 2")], 1, ids=("x",))
    turn = iter("abcdefgh")
    examine_pop3(folder, [("bad", "uidl", "2 of 2 UIDLs are others")], 1,
                 uidl=lambda _: ["+OK", f"1 {next(turn)}1", f"2 {next(turn)}2", "."])


def test_wrong_top(folder):
    examine_pop3(folder, [("warn", "top", "gives")], 0, top=lambda _: ["+OK", *MESSAGE[:5], "."])
    examine_pop3(folder, [("warn", "top", "not what RETR begins with")], 0, top=lambda _: ["+OK", "From: other@b", "",
                                                                                          "more", "."])


def test_greetings_and_stamps(folder):
    examine_pop3(folder, [("bad", "login", "CVE-2007-1558")], 1, greeting="+OK ready <no stamp>")
    examine_pop3(folder, [("note", "greeting", "version")], 0, greeting="+OK Popper 1.2.3 ready")
    examine_pop3(folder, [("note", "login", "APOP is possible")], 0, greeting="+OK <1.2@host>",
                 apop="+OK")


def test_a_login_that_fails_is_told(folder):
    examine_pop3(folder, [("bad", "login", "fails")], 1, **{"pass": "-ERR no"})


def test_without_a_user_it_ends_before_the_login(folder):
    with Talker(pop3()) as talker:
        rows = findings(expect(doctor(folder, "pop3", talker.url("pop3"), "--json"), 0))
        assert not any(line.startswith("USER") for line in talker.said), talker.said
    assert ("note", "login") in {row[:2] for row in rows}, rows


def examine_smtp(folder, wanted, code, *arguments, extensions=("PIPELINING", "SIZE 100000", "8BITMIME"), **quirks):
    with Talker(smtp(extensions, **quirks)) as talker:
        rows = findings(expect(doctor(folder, "smtp", talker.url("smtp"), "--json", *arguments), code))
        if "--probe-smuggling" not in arguments:
            assert "DATA" not in talker.said, talker.said
    for severity, topic, words in wanted:
        assert any(row[:2] == (severity, topic) and words in row[2] for row in rows), (wanted, rows)
    return rows


def test_what_smtp_servers_lack(folder):
    examine_smtp(folder, [("warn", "capability", "PIPELINING is missing"),
                          ("warn", "capability", "8BITMIME is missing"),
                          ("warn", "tls", "STARTTLS is not offered")], 0, extensions=("HELP",))
    examine_smtp(folder, [("bad", "tls", "STARTTLS is offered, but fails")], 1, extensions=("STARTTLS",),
                 starttls="454 4.7.0 No")
    examine_smtp(folder, [("bad", "capability", "SIZE is no number")], 1, extensions=("SIZE much",))
    examine_smtp(folder, [("warn", "capability", "SIZE is less")], 0, extensions=("SIZE 1000",))
    examine_smtp(folder, [("bad", "capability", "BINARYMIME without")], 1, extensions=("BINARYMIME",))
    examine_smtp(folder, [("note", "login", "PLAIN is offered without TLS")], 0, extensions=("AUTH PLAIN CRAM-MD5",))
    examine_smtp(folder, [("note", "capability", "XNONSENSE: of no use")], 0, extensions=("XNONSENSE",))


def old_tls(folder, name):
    """A context that takes any version of TLS, with a certificate for `name` that signs itself."""
    if not shutil.which("openssl"):
        raise Skip("openssl is not here")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem", "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def test_old_tls_and_bad_certificates(folder):
    with Talker(smtp(("PIPELINING",)), old_tls(folder, "other.example")) as talker:
        url = talker.url("smtps").replace("127.0.0.1", "localhost")
        rows = findings(doctor(folder, "smtp", url, "--json"))
        assert any(row[:2] == ("warn", "certificate") and "self-signed" in row[2] for row in rows), rows
        for version in ("1.0", "1.1"):
            assert any(row[:2] == ("warn", "tls") and f"TLS {version} is accepted" in row[2] for row in rows), rows
        assert any("TLS 1.3 is not spoken" in row[2] for row in rows), rows
        rows = findings(doctor(folder, "smtp", url, "--cafile", folder / "cert.pem", "--json"))
        assert any(row[1] == "certificate" and "for another name" in row[2] and "other.example" in row[2]
                   for row in rows), rows


def test_servers_that_tell_names(folder):
    def vrfy(line):
        return "250 <postmaster@x>" if "postmaster" in line else "550 5.1.1 Nobody"

    examine_smtp(folder, [("warn", "names", "VRFY tells strangers"), ("warn", "names", "EXPN tells strangers")], 0,
                 vrfy=vrfy, expn="250 anna@x")
    examine_smtp(folder, [("note", "names", "yes to everything")], 0, vrfy="250 Sure", expn="502 No")


def test_open_relays(folder):
    examine_smtp(folder, [("bad", "relay", "from anybody")], 1, "--probe-relay", "x@elsewhere.example")
    examine_smtp(folder, [("ok", "relay", "does not take")], 0, "--probe-relay", "x@elsewhere.example",
                 rcpt="550 5.7.1 No")


def test_smuggling_is_found_when_asked_for(folder):
    """A talker takes any LF for a line end, so that a dot between two ends a message there."""
    rows = examine_smtp(folder, [("bad", "smuggling", "LF dot LF ends a message"),
                                 ("ok", "smuggling", "CR dot CR does not")], 1, "--probe-smuggling", "me@example.org")
    assert sum(row[1] == "smuggling" for row in rows) == 4, rows


def test_probes_need_addresses(folder):
    for wrong in ("", "nobody", "a b@c", "<a@b>", "a@b\nRCPT"):
        expect(doctor(folder, "smtp", "smtp://127.0.0.1:1", "--probe-relay", wrong), 64)
    expect(doctor(folder, "pop3", "pop3://127.0.0.1:1", "--probe-relay", "a@b"), 64, "--probe-relay")


def test_what_servers_say_does_not_reach_the_terminal_raw(folder):
    with Talker(smtp(("PIPELINING", "X\x1b[31mRED"), greeting="220 \x1b[2Jhi ESMTP")) as talker:
        assert "\x1b" not in doctor(folder, "smtp", talker.url("smtp")).stdout


def test_nobody_there(folder):
    with Talker(smtp()) as talker:
        pass
    expect(doctor(folder, "smtp", talker.url("smtp")), 75, "refused")
    expect(doctor(folder, "pop3", talker.url("pop3"), "--json"), 75, "refused")


if __name__ == "__main__":
    main()
