"""POP3 client commands against servers that misbehave (lib/hostile.py): each ends in time, with bounded
memory, in the documented error, and writes nothing outside its store."""
import concurrent.futures
import os

from lib.hostile import (CONTROLS, LIMIT, LOGIN, LOST, MAIL, PROTOCOL, STALL, TEMPORARY, Hostile,
                         Pop3, check, client, other_certs, stuffed, tls_context, within)
from lib.runner import test


def store(t, name="mail"):
    for folder in ("archive", "staged", "dup"):
        os.makedirs(t.path(name, folder), exist_ok=True)
    return t.path(name)


def stored(t, name="mail"):
    """{file name: octets} of a localfs store, without its log."""
    folder = t.path(name)
    return {f: open(os.path.join(folder, f), "rb").read() for f in sorted(os.listdir(folder))
            if f.endswith(".eml")}


def izy(t, server, *words, timeout=5, **more):
    return client(t, "method", "clientpop3", "ip", "127.0.0.1", "port", server.port, "user", "u",
                  "pass", "sesame", "timeout", timeout, *words, **more)


def izy_list(t, talk, *words, **more):
    return izy(t, Hostile(t, talk), "cmd", "list", *words, **more)


def izy_retr(t, talk, query="1-3", name="mail", **more):
    return izy(t, Hostile(t, talk), "mimestore.modhandler", "localfs", "mimestore.path",
               store(t, name), "cmd", "retr", "query", query, **more)


def all_three(t, name="mail"):
    assert list(stored(t, name).values()) == MAIL, stored(t, name)


def nothing_else(t, *allowed):
    """Whatever a server named, no file stands but where the test put it."""
    names = {f for f in os.listdir(t.dir) if not f.startswith("run") and f != "test.out"}
    assert names <= {*allowed}, names
    parent = os.path.dirname(t.dir)
    assert not [f for f in os.listdir(parent) if not f.startswith("t") and f != "certs"]


# ---- POP3: what must be coped with ----

@test
def bare_ok(t):
    """+OK and nothing else, everywhere."""
    done = check(izy_list(t, Pop3(greeting=b"+OK\r\n")), 0)
    assert done.lines()[:3] == [f"{n} {len(m)}" for n, m in enumerate(MAIL, 1)], done
    check(izy_retr(t, Pop3(greeting=b"+OK\r\n")), 0)
    all_three(t)


class Spoiled(Pop3):
    """Says everything in another way."""
    def __init__(self, *changes):
        super().__init__()
        self.changes = changes

    def __call__(self, peer):
        say = peer.say

        def spoiled(data):
            for old, new in self.changes:
                data = data.replace(old, new)
            say(data)
        peer.say = spoiled
        super().__call__(peer)


@test
def small_letters_and_bare_lf(t):
    """+ok and -err, lines that end with LF alone, tabs for spaces."""
    check(izy_retr(t, Spoiled((b"+OK", b"+ok"), (b"-ERR", b"-err"))), 0)
    all_three(t)
    check(izy_retr(t, Spoiled((b"\r\n", b"\n")), name="lf"), 0)
    assert list(stored(t, "lf").values()) == [m.replace(b"\r\n", b"\n") for m in MAIL]
    done = izy_list(t, Pop3({"LIST": b"+OK\t3\r\n1\t34\r\n2  21\r\n3 90 more words\r\n.\r\n"}))
    assert check(done, 0).lines()[:3] == ["1 34", "2 21", "3 90"], done


@test
def headline_of_a_listing(t):
    """A number in LIST's first line is no message."""
    listing = b"+OK 3 messages (99 octets)\r\n1 29\r\n2 20\r\n3 90\r\n.\r\n"
    done = check(izy_list(t, Pop3({"LIST": listing})), 0)
    assert len(done.lines()) == 4, done
    check(izy_retr(t, Pop3({"LIST": listing})), 0)
    all_three(t)


@test
def sizes_too_large(t):
    """LIST says a thousand times too much: the octets are exact all the same."""
    rows = b"".join(b"%d %d\r\n" % (n, len(m) * 1000) for n, m in enumerate(MAIL, 1))
    check(izy_retr(t, Pop3({"LIST": b"+OK\r\n" + rows + b".\r\n"})), 0)
    all_three(t)


@test
def sizes_too_small(t):
    """LIST says 3: the same."""
    check(izy_retr(t, Pop3({"LIST": b"+OK\r\n1 3\r\n2 3\r\n3 3\r\n.\r\n"})), 0)
    all_three(t)


UNSTUFFED = b"Subject: dot\r\n\r\nbefore\r\n.\r\nbehind the dot\r\n"


@test(seconds=5)
def undotted_dot_and_a_pause(t):
    """A dot that should have been doubled, then silence: the size says that more is to come."""
    def retr(peer, _):
        at = UNSTUFFED.index(b"behind")
        peer.say(b"+OK\r\n" + UNSTUFFED[:at])
        peer.pause(3)
        peer.say(UNSTUFFED[at:] + b".\r\n")
    listing = b"+OK\r\n1 %d\r\n.\r\n" % len(UNSTUFFED)
    check(izy_retr(t, Pop3({"LIST": listing, "RETR": retr}), "1", timeout=10), 0)
    assert stored(t) == {"u_1.eml": UNSTUFFED}, stored(t)


@test
def false_end(t):
    """The same, but LIST says 3: nothing tells the end; never half of it with exit code 0."""
    done = izy_retr(t, Pop3({"LIST": b"+OK\r\n1 3\r\n.\r\n",
                             "RETR": b"+OK\r\n" + UNSTUFFED + b".\r\n"}), "1")
    whole = stored(t) == {"u_1.eml": UNSTUFFED}
    assert (done.code == 0) == whole, (done, stored(t))
    assert whole or not stored(t), stored(t)


@test(seconds=3)
def dribble(t):
    """Every octet of a session in a packet of its own."""
    class Slow(Pop3):
        def __call__(self, peer):
            say = peer.say
            peer.say = lambda data: [say(bytes([c])) for c in data]
            super().__call__(peer)
    check(izy_retr(t, Slow()), 0)
    all_three(t)


@test
def ends_in_pieces(t):
    """The terminator comes in any three pieces."""
    cuts = iter((1, 2, 3))

    def retr(peer, argument):
        data, cut = b"+OK\r\n" + stuffed(MAIL[int(argument) - 1]), next(cuts)
        peer.say(data[:-4])
        peer.pause(0.05)
        peer.say(data[-4:-4 + cut])
        peer.pause(0.05)
        peer.say(data[-4 + cut:])
    check(izy_retr(t, Pop3({"RETR": retr})), 0)
    all_three(t)


@test
def refused_message(t):
    """-ERR for message 2: named; the others are there; exit code 1."""
    def retr(peer, argument):
        peer.say(b"-ERR no such \x1b[31mmessage\r\n" if argument == b"2" else
                 b"+OK\r\n" + stuffed(MAIL[int(argument) - 1]))
    check(izy_retr(t, Pop3({"RETR": retr})), 1, "message 2", "no such \\x1b[31mmessage")
    assert list(stored(t)) == ["u_1.eml", "u_3.eml"], stored(t)
    check(izy_retr(t, Pop3({"RETR": retr}, capa=("PIPELINING", "USER")), name="again"), 1)
    assert list(stored(t, "again").values()) == [MAIL[0], MAIL[2]]


@test
def quit_without_an_answer(t):
    """The server goes instead of answering QUIT: all was fetched before."""
    done = izy_retr(t, Pop3({"QUIT": lambda peer, _: peer.cut()}))
    all_three(t)
    assert done.code in (0, TEMPORARY), done


# ---- POP3: what is an error ----

@test
def greeting_refused(t):
    """-ERR instead of a greeting; what it says is shown without its escapes."""
    check(izy_list(t, Pop3(greeting=b"-ERR go \x1b]0;away\x07\r\n")), (LOGIN, 69), "go \\x1b]0;away")
    check(izy_list(t, Pop3(greeting=b"-ERR [SYS/TEMP] later\r\n")), TEMPORARY, "later")
    check(izy_list(t, Pop3(greeting=b"-ERR [IN-USE] busy\r\n")), TEMPORARY, "busy")


@test
def greeting_of_something_else(t):
    """Another protocol, binary octets, nothing but a line end: a protocol error that quotes it."""
    check(izy_list(t, Pop3(greeting=b"220 mail.example ESMTP\r\n")), PROTOCOL, "220 mail.example")
    check(izy_list(t, Pop3(greeting=b"\x16\x03\x01\x00\xff\x00\r\n")), PROTOCOL, "\\x16\\x03")
    check(izy_list(t, Pop3(greeting=b"\r\n")), PROTOCOL)
    check(izy_list(t, Pop3(greeting=lambda peer: peer.cut())), TEMPORARY, "closed")


@test
def line_without_end(t):
    """A greeting, a reply, a line of a listing that never ends: bounded memory and time."""
    flood = lambda peer, _=None: peer.flood(b"x" * 1000)
    for talk in (Pop3(greeting=flood), Pop3({"USER": lambda p, _: (p.say(b"+OK "), flood(p))}),
                 Pop3({"LIST": lambda p, _: (p.say(b"+OK\r\n1 "), flood(p))}),
                 Pop3({"LIST": lambda p, _: (p.say(b"+OK\r\n"), flood(p))})):
        check(izy_list(t, talk, timeout=2), (PROTOCOL, LIMIT, TEMPORARY))


@test(seconds=10)
def listing_without_end(t):
    """LIST and CAPA for ever: a limit, then an error."""
    row = b"1 20\r\n" * 1000
    check(izy_list(t, Pop3({"LIST": lambda p, _: (p.say(b"+OK\r\n"), p.flood(row))})), 69, "LIST")
    check(izy_retr(t, Pop3({"LIST": lambda p, _: (p.say(b"+OK\r\n"), p.flood(row))})), 69, "LIST")
    done = izy_list(t, Pop3({"CAPA": lambda p, _: (p.say(b"+OK\r\n"), p.flood(b"X\r\n"))}))
    check(done, (69, PROTOCOL), "CAPA")
    assert not stored(t)


@test
def odd_numbers(t):
    """Numbers that are none, negative, huge: an error, never a request for them."""
    for row in (b"99999999999999999999999 1", b"-1 5", b"abc 5", b"1 -5", b"1 x",
                b"1 99999999999999999999999", b"0 5", b"", b"1", b"1\x005"):
        server = Hostile(t, Pop3({"LIST": b"+OK\r\n" + row + b"\r\n.\r\n"}))
        done = izy(t, server, "mimestore.modhandler", "localfs", "mimestore.path", store(t), "cmd",
                   "retr", "query", "1-")
        assert done.code != 0 or row == b"", (row, done)
        wrong = [line for line in server.heard() if line.startswith(b"RETR") and line != b"RETR 1"]
        assert not wrong, (row, wrong)
    nothing_else(t, "mail")


@test
def double_and_missing_numbers(t):
    """Numbers twice, in any order, with gaps: each message once."""
    server = Hostile(t, Pop3({"LIST": b"+OK\r\n3 90\r\n1 29\r\n3 90\r\n1 29\r\n.\r\n"}))
    done = izy(t, server, "mimestore.modhandler", "localfs", "mimestore.path", store(t), "cmd",
               "retr", "query", "1-3")
    if done.code == 0:
        assert list(stored(t).values()) == [MAIL[0], MAIL[2]], stored(t)
    retrs = [line for line in server.heard() if line.startswith(b"RETR")]
    assert len(retrs) == len(set(retrs)), retrs


@test
def cut_in_a_message(t):
    """The connection ends in the middle: no part of it is kept, what came before is."""
    for name, end in (("closed", lambda p: p.cut()), ("reset", lambda p: p.reset())):
        def retr(peer, argument):
            if argument == b"1":
                peer.say(b"+OK\r\n" + stuffed(MAIL[0]))
                return
            peer.say(b"+OK\r\n" + MAIL[1][:10])
            peer.pause(0.1)
            end(peer)
        check(izy_retr(t, Pop3({"RETR": retr}), name=name), LOST)
        assert list(stored(t, name).values()) == [MAIL[0]], stored(t, name)
        assert sorted(os.listdir(t.path(name))) == ["archive", "dup", "staged", "u_1.eml",
                                                    "u_log.txt"]


@test(seconds=20)
def stalls(t):
    """Silence in every state ends at the time-out."""
    store(t)
    talks = {verb: Pop3({verb: STALL}) for verb in ("CAPA", "USER", "PASS", "LIST", "RETR")}
    talks["greeting"] = Pop3(greeting=STALL)
    talks["half a greeting"] = Pop3(greeting=lambda p: (p.say(b"+OK he"), p.stall()))
    talks["half a listing"] = Pop3({"LIST": lambda p, _: (p.say(b"+OK\r\n1 2"), p.stall())})
    talks["half a message"] = Pop3({"RETR": lambda p, _: (p.say(b"+OK\r\nSubj"), p.stall())})
    within(t, talks, lambda talk: izy_retr(t, talk, "1", timeout=2), 8)
    assert not stored(t), stored(t)


@test(seconds=30)
def drips(t):
    """An octet now and then is no progress."""
    store(t)
    talks = {"greeting": Pop3(greeting=lambda p: (p.say(b"+OK "), p.drip(b"x"))),
             "listing": Pop3({"LIST": lambda p, _: (p.say(b"+OK\r\n1 "), p.drip(b"0"))}),
             "message": Pop3({"RETR": lambda p, _: (p.say(b"+OK\r\n"), p.drip(b"x"))})}
    within(t, talks, lambda talk: izy_retr(t, talk, "1", timeout=2, seconds=25), 20)
    assert not stored(t), stored(t)


@test
def answers_out_of_step(t):
    """Replies before their commands: never the password to somebody who did not ask for it."""
    ahead = b"+OK hello\r\n" + b"+OK\r\n" * 5
    server = Hostile(t, Pop3(greeting=ahead))
    done = izy(t, server, "cmd", "list")
    assert done.code in (PROTOCOL, 69) or done.lines()[-1:] == ["client was successful"], done
    server = Hostile(t, Pop3({"USER": b"-ERR what\r\n"}))
    check(izy(t, server, "cmd", "list"), LOGIN, "what")
    assert not [line for line in server.heard() if b"sesame" in line], server.heard()


@test
def plus_ok_for_plus(t):
    """+OK where a SASL mechanism waits for "+ ": no secret goes out, or the login fails."""
    for mechanism in ("CRAM-MD5", "SCRAM-SHA-256"):
        talk = Pop3({"AUTH": b"+OK go on\r\n"}, capa=(f"SASL {mechanism}",))
        server = Hostile(t, talk)
        done = izy(t, server, "cmd", "list")
        assert not [line for line in server.heard() if b"sesame" in line], server.heard()
        assert done.code != 0 or mechanism == "CRAM-MD5", done


@test
def broken_challenges(t):
    """Challenges that are no base64, empty, 64 KB, or without end: the login fails."""
    for challenge in (b"+ ???\r\n", b"+\r\n", b"+ " + b"A" * 65536 + b"\r\n", b"+ AAAA\r\n" * 100):
        talk = Pop3({"AUTH": challenge}, capa=("SASL SCRAM-SHA-256",))
        done = izy_list(t, talk)
        assert done.code in (LOGIN, PROTOCOL, 65, 69), (challenge[:20], done)


# ---- the pop3 command ----

def pop3(t, server, action, *words, timeout=5, **more):
    return client(t, "pop3", action, server.url("pop3"), *words, "--timeout", timeout, **more)


def fetch(t, server, *words, name="box", **more):
    return pop3(t, server, "fetch", "--to", f"maildir:{t.path(name)}", "--keep", *words, **more)


def fetched(t, name="box"):
    """The messages of a Maildir, sorted."""
    folder = t.path(name)
    found = []
    for where, _, names in os.walk(folder):
        if os.path.basename(where) in ("new", "cur"):
            found += [open(os.path.join(where, n), "rb").read() for n in names]
    return sorted(found)


@test(seconds=4)
def server_chosen_names(t):
    """UIDLs that are paths, formats, escapes, 10 KB, double, empty, with NUL: no file of that name,
    each message once and whole, or an error."""
    for number, name in enumerate((b"../../../../../tmp/lm-hostile", b"/etc/lm-hostile", b"..", b".",
                                   b"a/b", b"%n%s%s%n", b"~root", b"id2", b"\xff\xfe", b"$(id)",
                                   b"a\x00b", b"\x1b[31m", b"", b"x" * 900)):
        listing = b"+OK\r\n1 " + name + b"\r\n2 id2\r\n3 id3\r\n.\r\n"
        server = Hostile(t, Pop3({"UIDL": listing}))
        check(fetch(t, server, name=f"box{number}"), 0)
        assert fetched(t, f"box{number}") == sorted(MAIL), (name, fetched(t, f"box{number}"))
        done = pop3(t, server, "uidl")
        assert done.code in (0, PROTOCOL) and b"\x1b" not in done.out, (name, done)
    server = Hostile(t, Pop3({"UIDL": b"+OK\r\n1 " + b"x" * 10000 + b"\r\n.\r\n"}))
    check(fetch(t, server, name="long"), LIMIT, "longer than")
    assert fetched(t, "long") == []
    nothing_else(t, "long", *(f"box{n}" for n in range(14)))
    for place in ("/tmp/lm-hostile", "/etc/lm-hostile"):
        assert not os.path.exists(place)


@test
def names_in_a_folder(t):
    """The same into localfs:, whose file names are made of ids."""
    where = store(t)
    for name in (b"../../../../../tmp/lm-hostile", b"/etc/lm-hostile", b"..", b"a/../b", b"-rf"):
        listing = b"+OK\r\n1 " + name + b"\r\n.\r\n"
        server = Hostile(t, Pop3({"UIDL": listing, "LIST": b"+OK\r\n1 34\r\n.\r\n"}))
        check(pop3(t, server, "fetch", "--to", f"localfs:{where}", "--keep", "--state",
                   t.path("state")), 0)
    assert list(stored(t).values()) == [MAIL[0]] * 5, stored(t)
    nothing_else(t, "mail", "state")


@test
def numbers_of_stat(t):
    """A thousand million messages: a number like others; what is none is an error."""
    done = check(pop3(t, Hostile(t, Pop3({"STAT": b"+OK 1000000000 99999999999999\r\n"})), "stat"), 0)
    assert b"1000000000 99999999999999" in done.out, done
    for text in (b"99999999999999999999999 1", b"-1 -1", b"a b", b"1", b"1 %n"):
        server = Hostile(t, Pop3({"STAT": b"+OK " + text + b"\r\n"}))
        check(pop3(t, server, "stat"), PROTOCOL, "STAT")


@test
def listings_that_make_no_sense(t):
    """A fetch with such a LIST is an error and fetches nothing; it does not say all is well."""
    for row in (b"99999999999999999999999 1", b"-1 5", b"abc 5", b"1 -5", b"1 x", b"", b"1\x005"):
        server = Hostile(t, Pop3({"LIST": b"+OK\r\n" + row + b"\r\n.\r\n"}))
        check(fetch(t, server), PROTOCOL, "makes no sense")
        check(pop3(t, server, "list"), PROTOCOL)
        assert not [line for line in server.heard() if line.startswith(b"RETR")]


@test(seconds=5)
def listings_without_end(t):
    """The limits of listings are those of memory."""
    for verb in ("LIST", "UIDL"):
        odd = {verb: lambda p, _: (p.say(b"+OK\r\n"), p.flood(b"1 20\r\n"))}
        check(pop3(t, Hostile(t, Pop3(odd)), verb.lower(), seconds=30), LIMIT, "more than")
        check(fetch(t, Hostile(t, Pop3(odd)), seconds=30), LIMIT, "more than")


@test(seconds=6)
def message_without_end(t):
    """A message over the client's limit is not kept; memory stays as it was."""
    row = b"x" * 70 + b"\r\n"
    server = Hostile(t, Pop3({"RETR": lambda p, _: (p.say(b"+OK\r\n"), p.flood(row))}))
    done = fetch(t, server, seconds=60)
    assert done.code not in (0, 64), done
    assert fetched(t) == []
    assert sum(os.path.getsize(os.path.join(w, n)) for w, _, names in os.walk(t.path("box"))
               for n in names) < 1 << 20


@test
def fetch_passes_over(t):
    """-ERR for one message, a reply that is none: named; what came is kept."""
    def retr(peer, argument):
        peer.say(b"-ERR not this\r\n" if argument == b"2" else
                 b"+OK\r\n" + stuffed(MAIL[int(argument) - 1]))
    for number, capa in enumerate((("UIDL",), ("UIDL", "PIPELINING"))):
        done = fetch(t, Hostile(t, Pop3({"RETR": retr}, capa=capa)), "--source", "x",
                     name=f"box{number}")
        check(done, 1, "not this")
        assert fetched(t, f"box{number}") == sorted([MAIL[0], MAIL[2]])
    check(fetch(t, Hostile(t, Pop3()), "--source", "x", name="box0"), 0)
    assert fetched(t, "box0") == sorted(MAIL)
    server = Hostile(t, Pop3({"RETR": b"what?\r\n"}))
    check(fetch(t, server, name="none"), PROTOCOL, "what?")
    assert fetched(t, "none") == []


@test
def lying_about_pipelining(t):
    """Announces it, and forgets what comes behind a command: the time-out, nothing wrong stored."""
    class Forgetful(Pop3):
        def __call__(self, peer):
            hear = peer.hear

            def hear_one():
                line = hear()
                if line.startswith(b"RETR"):
                    peer.buffer = b""
                return line
            peer.hear = hear_one
            super().__call__(peer)
    talk = Forgetful(capa=("PIPELINING", "UIDL"))
    done = fetch(t, Hostile(t, talk), timeout=2)
    assert done.code in (0, TEMPORARY), done
    assert all(m in MAIL for m in fetched(t))


@test
def bad_stamps(t):
    """Stamps that are no msg-id (CVE-2007-1558), with APOP asked for: nothing is sent."""
    for stamp in (b"", b"<>", b"<a>", b"<a b@c>", b"<a@>", b"<@c>", b"<a@b", b"a@b>", b"<a\x01@b>",
                  b"<a\xff@b>", b"<<a@b>>"):
        server = Hostile(t, Pop3(greeting=b"+OK " + stamp + b"\r\n"))
        done = pop3(t, server, "list", "--auth", "APOP")
        assert done.code != 0, (stamp, done)
        assert not [line for line in server.heard() if line.startswith((b"APOP", b"USER"))], stamp
    server = Hostile(t, Pop3({"APOP": b"+OK\r\n"}, greeting=b"+OK <1.2@c>\r\n"))
    check(pop3(t, server, "list", "--auth", "APOP"), 0)


# ---- TLS ----

def tls_list(t, server, *words, **more):
    return izy(t, server, "cmd", "list", "cafile", t.cert.ca, *words, **more)


@test
def stls_works(t):
    """What the next tests spoil."""
    server = Hostile(t, Pop3(tls=tls_context(t.cert)))
    check(tls_list(t, server, "tls", "starttls"), 0)
    # What was said before TLS is not believed: asked again.
    assert [x for x in server.heard() if x in (b"CAPA", b"STLS")] == [b"CAPA", b"STLS", b"CAPA"]
    check(tls_list(t, Hostile(t, Pop3(), tls=tls_context(t.cert)), "tls", "true"), 0)


@test
def stls_injection(t):
    """Replies behind STLS's, in the clear: an error, nothing is believed, nobody logs in."""
    for more in (b"+OK injected\r\n", b"+OK\r\n1 1\r\n.\r\n" * 10, b"x"):
        server = Hostile(t, Pop3({"STLS": b"+OK begin\r\n" + more}, tls=tls_context(t.cert)))
        check(tls_list(t, server, "tls", "starttls"), (PROTOCOL, TEMPORARY))
        assert {line.split()[0] for line in server.heard()} <= {b"CAPA", b"STLS"}, server.heard()


@test
def stls_stripped(t):
    """STLS is not offered, or refused: an error, and no name or password went out."""
    for talk in (Pop3(), Pop3({"STLS": b"-ERR no\r\n"}, tls=tls_context(t.cert)),
                 Pop3({"CAPA": b"-ERR no\r\n", "STLS": b"-ERR no\r\n"})):
        server = Hostile(t, talk)
        check(tls_list(t, server, "tls", "starttls"), (PROTOCOL, 69, 77), "STLS")
        assert not [line for line in server.heard() if line.startswith((b"USER", b"AUTH"))]


@test(seconds=4)
def bad_certificates(t):
    """For another name, expired, self-signed, of an unknown authority: each is named."""
    made = other_certs(t)
    for name, ca, words in (("name", made.ca, "name"), ("old", made.ca, "expired"),
                            ("stranger", made.ca, "self"), ("server", t.cert.ca, "")):
        for implicit in (True, False):
            context = tls_context(made, name)
            server = Hostile(t, Pop3(tls=None if implicit else context),
                             tls=context if implicit else None)
            done = izy(t, server, "cmd", "list", "cafile", ca, "tls",
                       "true" if implicit else "starttls")
            check(done, PROTOCOL, "certificate", words)
            assert not [x for x in server.heard() if x.startswith((b"USER", b"AUTH", b"PASS"))]


@test
def cut_under_tls(t):
    """TLS that ends without its goodbye in the middle of a message, where a terminator stands in
    the clear: not whole, not kept."""
    def retr(peer, argument):
        if argument == b"1":
            peer.say(b"+OK\r\n" + stuffed(MAIL[0]))
            return
        peer.say(b"+OK\r\nSubject: two\r\n")
        raw = peer.sock.detach()
        os.write(raw, b"\r\n.\r\n")
        os.close(raw)
        peer.cut()
    server = Hostile(t, Pop3({"RETR": retr}), tls=tls_context(t.cert))
    done = izy(t, server, "tls", "true", "cafile", t.cert.ca, "mimestore.modhandler", "localfs",
               "mimestore.path", store(t), "cmd", "retr", "query", "1-3")
    check(done, (PROTOCOL, *LOST))
    assert list(stored(t).values()) == [MAIL[0]], stored(t)


@test(seconds=4)
def no_tls_behind_the_port(t):
    """A plain greeting, garbage, silence, an end where a handshake was due."""
    for talk, code in ((lambda p: p.say(b"+OK hello\r\n"), (PROTOCOL, *LOST)),
                       (lambda p: p.flood(b"\x16\x03\x03\xff\xff"), (PROTOCOL, *LOST)),
                       (lambda p: p.cut(), (PROTOCOL, *LOST)),
                       (lambda p: p.stall(), TEMPORARY)):
        check(tls_list(t, Hostile(t, talk), "tls", "true", timeout=2), code)


# ---- doctor ----

def doctor(t, talk, **more):
    done = client(t, "doctor", "pop3", Hostile(t, talk).url("pop3"), "--timeout", 2, **more)
    assert done.code in (0, 1, LIMIT, TEMPORARY, PROTOCOL, LOGIN), done
    assert not CONTROLS.search(done.out), done
    return done


@test(seconds=20)
def doctor_with_patients(t):
    """Cut, refused, nonsense at every command: a finding or an error, and never an escape."""
    doctor(t, Pop3(greeting=b"+OK \x1b[31m\x07 <a@b>\r\n", capa=("UIDL", "X \x1b]0;x\x07")))
    for verb in ("CAPA", "STAT", "LIST", "UIDL", "RETR", "TOP", "QUIT"):
        for odd in (lambda p, _: p.cut(), b"-ERR \x1b no\r\n", b"what\x1b?\r\n",
                    b"+OK\r\n-1 x\x00\r\n../..\r\n.\r\n"):
            doctor(t, Pop3({verb: odd}))


@test(seconds=30)
def doctor_with_slow_patients(t):
    """Silence at any command, listings without end."""
    talks = [Pop3({verb: STALL}) for verb in ("CAPA", "PASS", "STAT", "LIST", "UIDL", "RETR", "QUIT")]
    talks += [Pop3({verb: lambda p, _: (p.say(b"+OK\r\n"), p.flood(b"1 20\r\n"))})
              for verb in ("CAPA", "LIST", "UIDL")]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda talk: doctor(t, talk, seconds=40), talks))


# ---- what the user said ----

@test
def line_breaks_in_arguments(t):
    """CR or LF in a name, an address, a host, a range: refused before anybody is connected."""
    server = Hostile(t, Pop3())
    here = store(t)
    for words in (("user", "u\r\nDELE 1"), ("user", "u\nx"), ("pass", "p\r\nDELE 1")):
        line = {"ip": "127.0.0.1", "port": server.port, "user": "u", "pass": "p", "cmd": "list"}
        line[words[0]] = words[1]
        done = client(t, "method", "clientpop3", *[x for pair in line.items() for x in pair])
        assert done.code in (64, 65), done
    check(izy(t, server, "mimestore.modhandler", "localfs", "mimestore.path", here, "cmd", "retr",
              "query", "1\r\nDELE 1"), 64)
    check(client(t, "method", "clientpop3", "ip", "127.0.0.1\r\n", "port", server.port, "user", "u",
                 "pass", "p", "cmd", "list"), (64, 65))
    assert not server.peers
