"""The same for SMTP and LMTP: `smtp send` and `doctor smtp` against lib/hostile.py."""
import json

from lib.hostile import (CONTROLS, LIMIT, LOGIN, LOST, PROTOCOL, STALL, TEMPORARY, Hostile, Smtp,
                         check, client, other_certs, tls_context, within)
from lib.runner import test

LETTER = b"From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n"


def send(t, server, *words, to=("b@example.org",), scheme="smtp", timeout=5, **more):
    """`smtp send` of a letter, without a login."""
    receivers = [word for address in to for word in ("--to", address)]
    return client(t, "smtp", "send", server.url(scheme, None), "--from", "a@example.org", *receivers,
                  "--timeout", timeout, *words, stdin=LETTER, **more)


def smtp(t, odd=None, *words, talk=None, **more):
    return send(t, Hostile(t, talk or Smtp(odd)), *words, **more)


@test
def smtp_works(t):
    """What the next tests spoil."""
    talk = Smtp()
    check(send(t, Hostile(t, talk)), 0)
    assert talk.messages == [LETTER], talk.messages
    talk = Smtp(lmtp=True)
    check(send(t, Hostile(t, talk), scheme="lmtp", to=("b@x.example", "c@x.example")), 0)


@test
def smtp_greetings(t):
    """554, 421, codes that differ, no code, no text, another protocol, 64 KB, without end."""
    for greeting, code, words in (
            (b"554 no \x1b[1mservice\r\n", 69, "no \\x1b[1mservice"),
            (b"421 later\r\n", TEMPORARY, "later"),
            (b"421-later\r\n421 much later\r\n", TEMPORARY, "much later"),
            (b"220-hello\r\n250 mixed\r\n", PROTOCOL, "mixed"),
            (b"abc hello\r\n", PROTOCOL, "abc hello"),
            (b"+OK POP3\r\n", PROTOCOL, "+OK POP3"),
            (b"999 what\r\n", PROTOCOL, "999"),
            (b"220-" + b"x" * 70000 + b"\r\n220 x\r\n", (PROTOCOL, 69), ""),
            (lambda p: p.flood(b"220-x\r\n"), (PROTOCOL, 69), ""),
            (lambda p: p.flood(b"x"), (PROTOCOL, TEMPORARY), ""),
            (lambda p: p.cut(), TEMPORARY, "")):
        check(smtp(t, talk=Smtp(greeting=greeting)), code, words)
    for greeting in (b"220\r\n", b"220 \r\n", b"220-a\r\n220-b\r\n220\r\n"):
        check(smtp(t, talk=Smtp(greeting=greeting)), 0)


@test
def ehlo_refused(t):
    """502 to EHLO: HELO does."""
    talk = Smtp({"EHLO": b"502 what\r\n"})
    check(send(t, Hostile(t, talk)), 0)
    assert talk.messages == [LETTER]
    check(smtp(t, {"EHLO": b"502 what\r\n", "HELO": b"550 no\r\n"}), 69, "no")


@test
def recipients_refused(t):
    """One of two: named, exit code 1. All: 69 for good, 75 for now; no DATA."""
    def rcpt(peer, argument):
        peer.say(b"550 5.1.1 who is\x07 that\r\n" if b"<c@" in argument else b"250 fine\r\n")
    talk = Smtp({"RCPT": rcpt})
    check(send(t, Hostile(t, talk), to=("b@x.example", "c@x.example")), 1, "c@x.example",
          "who is\\x07 that")
    assert talk.messages == [LETTER]
    for reply, code in ((b"550 5.1.1 no\r\n", 69), (b"450 4.2.1 later\r\n", TEMPORARY)):
        talk = Smtp({"RCPT": reply})
        check(send(t, Hostile(t, talk), to=("b@x.example", "c@x.example")), code, "b@x.example",
              "c@x.example")
        assert not talk.messages


@test
def data_refused(t):
    """MAIL, DATA or the message refused: the reply is named."""
    for verb in ("MAIL", "DATA", "."):
        check(smtp(t, {verb: b"554 5.6.0 not that\r\n"}), 69, "not that")
        check(smtp(t, {verb: b"451 4.3.0 not now\r\n"}), TEMPORARY, "not now")


@test
def cut_behind_the_dot(t):
    """The connection ends instead of the last reply: it may have been delivered, and that is said."""
    for end in (lambda p, _: p.cut(), lambda p, _: p.reset(), lambda p, _: (p.say(b"25"), p.cut())):
        check(smtp(t, {".": end}), TEMPORARY, "may have been delivered")
    done = check(smtp(t, {".": lambda p, _: p.cut()}, "--json"), TEMPORARY)
    assert b"unknown" in done.out, done
    # Earlier nothing can have been delivered.
    done = check(smtp(t, {"RCPT": lambda p, _: p.cut()}), TEMPORARY)
    assert b"may have been delivered" not in done.err, done


@test
def closing_at_any_time(t):
    """421 in place of any reply."""
    for verb in ("EHLO", "MAIL", "RCPT", "DATA", "."):
        def close(peer, _):
            peer.say(b"421 4.3.2 going down\r\n")
            peer.cut()
        check(smtp(t, {verb: close}), TEMPORARY, "going down")
    check(smtp(t, {"QUIT": b"421 bye\r\n"}), 0)


@test
def smtp_odd_replies(t):
    """Codes that differ, bad ones, no text, 64 KB, without end, in place of RCPT's reply."""
    for reply, code in ((b"250-a\r\n550 b\r\n", (LIMIT, PROTOCOL)), (b"25 x\r\n", PROTOCOL),
                        (b"250x\r\n", PROTOCOL), (b"\r\n", PROTOCOL), (b"250\r\n", 0),
                        (b"250 \r\n", 0), (b"250-\r\n250-\r\n250 \r\n", 0),
                        (b"250-" + b"y" * 70000 + b"\r\n250 x\r\n", (PROTOCOL, 69)),
                        (lambda p, _: p.flood(b"250-x\r\n"), (PROTOCOL, 69)),
                        (b"250 \x1b[2J\x00\xff\r\n", 0)):
        check(smtp(t, {"RCPT": reply}), code)


@test
def wrong_step(t):
    """354 to MAIL, 250 to DATA: the message does not go out."""
    for odd in ({"MAIL": b"354 go on\r\n"}, {"DATA": b"250 fine\r\n"}, {"RCPT": b"354 x\r\n"}):
        talk = Smtp(odd)
        server = Hostile(t, talk)
        done = send(t, server)
        assert done.code not in (0, 1), (odd, done)
        assert not talk.messages and b"Hello" not in server.heard(), odd


@test(seconds=15)
def silence_behind_the_dot(t):
    """The reply to a message may take ten time-outs (RFC 5321 4.5.3.2.6), and no longer."""
    for verb in (".", "BODY"):
        done = check(smtp(t, {verb: STALL}, timeout=1), TEMPORARY, "may have been delivered")
        assert done.seconds > 8, done


@test(seconds=20)
def smtp_stalls(t):
    """Silence in every state ends at the time-out."""
    talks = {verb: Smtp({verb: STALL}) for verb in ("EHLO", "MAIL", "RCPT", "DATA")}
    talks["greeting"] = Smtp(greeting=STALL)
    talks["half a reply"] = Smtp({"EHLO": lambda p, _: (p.say(b"250-x\r\n250"), p.stall())})
    within(t, talks, lambda talk: smtp(t, talk=talk, timeout=2), 8)


@test
def starttls_injection(t):
    """Replies behind STARTTLS's, in the clear: an error before the handshake, nothing is sent."""
    for more in (b"250 injected\r\n", b"250-x\r\n250 AUTH PLAIN\r\n" * 3):
        server = Hostile(t, Smtp({"STARTTLS": b"220 go on\r\n" + more}, tls=tls_context(t.cert)))
        check(send(t, server, "--tls", "starttls", "--cafile", t.cert.ca), (PROTOCOL, TEMPORARY))
        assert {line.split()[0] for line in server.heard()} <= {b"EHLO", b"STARTTLS"}


@test
def starttls_stripped(t):
    """STARTTLS is not offered, or refused: an error, and nothing of the message went out."""
    for talk in (Smtp(), Smtp({"STARTTLS": b"454 no\r\n"}, tls=tls_context(t.cert))):
        server = Hostile(t, talk)
        check(send(t, server, "--tls", "starttls", "--cafile", t.cert.ca), (PROTOCOL, 69, TEMPORARY),
              "STARTTLS")
        assert not [line for line in server.heard() if line.startswith(b"MAIL")]
    check(send(t, Hostile(t, Smtp(tls=tls_context(t.cert))), "--tls", "starttls", "--cafile",
               t.cert.ca), 0)


@test(seconds=3)
def smtp_bad_certificates(t):
    """smtps with a certificate for another name, expired, self-signed, unknown."""
    made = other_certs(t)
    for name, ca, words in (("name", made.ca, "name"), ("old", made.ca, "expired"),
                            ("stranger", made.ca, "self"), ("server", t.cert.ca, "")):
        server = Hostile(t, Smtp(), tls=tls_context(made, name))
        check(send(t, server, "--cafile", ca, scheme="smtps"), PROTOCOL, "certificate", words)
        assert not server.heard()


@test
def lmtp_fewer_replies(t):
    """A reply for the first recipient, then the end: the second is unknown, and that is said."""
    talk = Smtp({".": lambda p, _: (p.say(b"250 got it\r\n"), p.cut())}, lmtp=True)
    done = send(t, Hostile(t, talk), "--json", scheme="lmtp", to=("b@x.example", "c@x.example"))
    check(done, TEMPORARY, "may have been delivered")
    told = json.loads(done.out)["recipients"]
    assert [r["accepted"] for r in told] == [True, False], told
    talk = Smtp({".": b"250 got it\r\n452 4.2.2 full\r\n"}, lmtp=True)
    done = send(t, Hostile(t, talk), scheme="lmtp", to=("b@x.example", "c@x.example"))
    check(done, 1, "c@x.example", "full")
    assert b"b@x.example" not in done.err, done


@test
def lmtp_more_replies(t):
    """One reply more than recipients: never taken for another's."""
    talk = Smtp({".": b"250 got it\r\n550 who?\r\n250 more\r\n"}, lmtp=True)
    done = send(t, Hostile(t, talk), scheme="lmtp", to=("b@x.example", "c@x.example"))
    check(done, (1, PROTOCOL), "c@x.example")


@test
def size_too_small(t):
    """A message over the server's SIZE is not even begun."""
    server = Hostile(t, Smtp(extensions=("SIZE 10",)))
    check(send(t, server), LIMIT, "the server takes 10")
    assert not [line for line in server.heard() if line.startswith(b"DATA")]


@test
def smtp_login_tricks(t):
    """Broken challenges, challenges without end, a yes too early, a no: never a secret to the wrong
    step, never mail without the login that was asked for."""
    for reply, code in ((b"334 ???\r\n", (LOGIN, PROTOCOL, 65)), (b"334\r\n" * 50, 0),
                        (b"535 5.7.8 no\x1b\r\n", LOGIN), (b"454 later\r\n", TEMPORARY),
                        (b"250 fine\r\n", 0), (b"354 go on\r\n", (LOGIN, PROTOCOL)),
                        (lambda p, _: p.flood(b"334 AAAA\r\n"), 0)):
        for mechanism in ("CRAM-MD5", "LOGIN", "SCRAM-SHA-256"):
            talk = Smtp({"AUTH": reply}, extensions=(f"AUTH {mechanism}",))
            server = Hostile(t, talk)
            done = client(t, "smtp", "send", server.url("smtp"), "--from", "a@example.org", "--to",
                          "b@example.org", "--timeout", 2, stdin=LETTER)
            assert done.code != 0 and (code == 0 or done.code in (code if isinstance(code, tuple)
                                                                  else (code,))), (reply, done)
            assert not talk.messages and b"sesame" not in b" ".join(server.heard()), mechanism


@test
def replies_miscounted(t):
    """PIPELINING with a reply too few, or one too many: no recipient gets another's, and a message
    nobody accepted does not go out."""
    for reply in (b"", b"250 a\r\n250 b\r\n"):
        talk = Smtp({"RCPT": reply}, extensions=("PIPELINING",))
        done = smtp(t, talk=talk, to=("b@x.example", "c@x.example"), timeout=2)
        check(done, (TEMPORARY, PROTOCOL))
        assert all(not m for m in talk.messages), (done, talk.messages)
    talk = Smtp({"MAIL": b"550 no\r\n", "RCPT": b"503 no\r\n", "DATA": b"503 no\r\n"},
                extensions=("PIPELINING",))
    check(smtp(t, talk=talk, to=("b@x.example", "c@x.example")), LIMIT, "550")
    # The server takes the data of a message without recipients: it must stay empty.
    talk = Smtp({"RCPT": b"550 no\r\n"}, extensions=("PIPELINING",))
    check(smtp(t, talk=talk, to=("b@x.example", "c@x.example")), LIMIT, "b@x.example", "c@x.example")
    assert all(not m for m in talk.messages), talk.messages


@test
def chunking_refused(t):
    """A chunk refused, a stall at one, no reply: as with DATA."""
    for reply, code in ((b"554 5.6.0 not that\r\n", LIMIT), (b"452 4.3.1 full\r\n", TEMPORARY),
                        (lambda p, _: p.cut(), TEMPORARY), (STALL, TEMPORARY)):
        check(smtp(t, {"BDAT": reply}, timeout=1,
                   talk=Smtp({"BDAT": reply}, extensions=("CHUNKING",))), code)


@test(seconds=4)
def doctor_with_patients(t):
    """Cut, refused, nonsense, silence at every command: a finding or an error, never an escape."""
    def doctor(talk):
        done = client(t, "doctor", "smtp", Hostile(t, talk).url("smtp", None), "--timeout", 1)
        assert done.code in (0, 1, LIMIT, LOGIN, *LOST, PROTOCOL), done
        assert not CONTROLS.search(done.out), done
        return done
    for verb in ("EHLO", "VRFY", "EXPN", "QUIT", "MAIL"):
        for odd in (lambda p, _: p.cut(), b"550 \x1b no\r\n", b"what\x1b?\r\n",
                    b"250-\r\n550 x\r\n", STALL):
            doctor(Smtp({verb: odd}))
    check(doctor(Smtp(greeting=b"554 no\r\n")), (LIMIT, LOGIN), "554 no")


@test
def line_breaks_in_arguments(t):
    """CR or LF in an address or a name: refused before anybody is connected."""
    server = Hostile(t, Smtp())
    for words in (("--from", "a@x\r\nRSET"), ("--to", "b@x>\r\nRSET"), ("--helo", "x\r\nRSET")):
        done = client(t, "smtp", "send", server.url("smtp", None), "--from", "a@x.example", "--to",
                      "b@x.example", *words, stdin=LETTER)
        assert done.code in (64, 65), done
    assert not server.peers
