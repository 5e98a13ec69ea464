"""AUTH, USER/PASS and APOP: abuse, enumeration, brute force."""
import base64
import hashlib
import hmac
import statistics
import subprocess
import threading
import time

from lib import messages
from lib.runner import test
from lib.wire import Closed, Pop3, Smtp, apop, b64, deliver, fetch_all, pop, tls_context

FAST = ("--auth-delay", "0s", "--max-auth-failures", "1000", "--max-errors", "1000")


def submission(s):
    c = Smtp(s, "submission")
    c.ehlo()
    return c


@test
def plain_forms(t):
    """Initial response or not, empty one, cancel, authzid of one's own and of another user."""
    s = t.server(*FAST)
    good = b64("\0u1\0secret")
    with submission(s) as c:
        c.cmd("AUTH PLAIN", "334 ")
        c.cmd("*", "501")
        c.cmd("AUTH PLAIN", "334 ")
        c.cmd(b64("\0u1\0wrong"), "535 5.7.8")
        c.cmd("AUTH PLAIN =", "5")
        c.cmd("AUTH PLAIN " + b64("u2\0u1\0secret"), "535 5.7.8")
        c.cmd("AUTH NOSUCH", "504")
        c.cmd("AUTH", "501")
        c.cmd("AUTH PLAIN " + good + " extra", "501")
        c.cmd("auth plain " + good, "235")
    with submission(s) as c:
        c.cmd("AUTH PLAIN " + b64("u1\0u1\0secret"), "235")
    with Pop3(s, "pop3") as p:
        p.cmd("AUTH PLAIN", "+ ")
        p.cmd("*", "-ERR")
        p.cmd("AUTH PLAIN " + b64("u2\0u1\0secret"), "-ERR [AUTH]")
        p.cmd("AUTH NOSUCH", "-ERR")
        mechanisms = [line.decode() for line in p.multi("AUTH")]
        assert "PLAIN" in mechanisms and "SCRAM-SHA-256" in mechanisms, mechanisms
        p.cmd("AUTH PLAIN " + good, "+OK")
        p.cmd("STAT", "+OK 0 0")


@test
def broken_responses(t):
    """Bad base64, NUL and CR in names, 20 KB, nothing at all: refused alike, nothing leaks which
    part was wrong."""
    s = t.server(*FAST)
    bad_syntax = ("!!!!", "AHUx=HNl", "AHUxAHNlY3JldA", "A")
    bad_content = (b"", b"u1", b"\0u1", b"\0\0secret", b"\0u1\0secret\0more", b"\0u1\r\n\0secret",
                   b"\0u\xff\0secret", b"\0" + b"n" * 3000 + b"\0x", b"\0u1\0", b"\0nobody\0secret")
    with submission(s) as c:
        for text in bad_syntax:
            c.cmd("AUTH PLAIN", "334")
            assert c.cmd(text)[:3] in ("501", "535"), text
        answers = set()
        for content in bad_content:
            c.cmd("AUTH PLAIN", "334")
            reply = c.cmd(b64(content))
            assert reply[:3] in ("501", "535"), (content, reply)
            if content.count(b"\0") == 2:
                answers.add(reply)
        assert len([a for a in answers if a.startswith("535")]) == 1, answers
        c.cmd("AUTH PLAIN", "334")
        assert c.cmd(b64(b"\0u1\0" + b"x" * 20000))[:3] in ("500", "501", "535")
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "235")
    with Pop3(s, "pop3") as p:
        for text in bad_syntax:
            p.cmd("AUTH PLAIN", "+")
            p.cmd(text, "-ERR")
        for content in bad_content:
            p.cmd("AUTH PLAIN", "+")
            p.cmd(b64(content), "-ERR")
        p.cmd("AUTH PLAIN", "+")
        p.cmd(b64(b"\0u1\0" + b"x" * 20000), "-ERR")
        p.cmd("AUTH PLAIN", "+")
        p.cmd(b64("\0u1\0secret"), "+OK")


@test
def twice_and_in_transaction(t):
    """AUTH after AUTH and within a transaction: 503; a second login of POP3: -ERR."""
    s = t.server(*FAST)
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@example.org>", "250")
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "503")
        c.cmd("RSET", "250")
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "235")
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "503")
        assert c.deliver(messages.HEAD).startswith("250")
    with pop(s) as p:
        for line in ("USER u1", "PASS secret", "AUTH PLAIN", "APOP u1 " + "0" * 32):
            p.cmd(line, "-ERR")
        assert p.stat()[0] == 1


@test
def pipelined_behind_auth(t):
    """Commands in the packet of AUTH are neither lost nor taken for responses (RFC 2920)."""
    s = t.server(*FAST)
    good = b64("\0u1\0secret")
    with Smtp(s, "submission") as c:
        c.send(f"EHLO x\r\nAUTH PLAIN {good}\r\nMAIL FROM:<a@example.org>\r\n"
               "RCPT TO:<u1@example.org>\r\nRSET\r\nQUIT\r\n")
        assert [c.reply()[:3] for _ in range(6)] == ["250", "235", "250", "250", "250", "221"]
    with Smtp(s, "submission") as c:
        c.send(f"EHLO x\r\nAUTH PLAIN\r\n{good}\r\nMAIL FROM:<a@example.org>\r\nQUIT\r\n")
        assert [c.reply()[:3] for _ in range(5)] == ["250", "334", "235", "250", "221"]
    with Smtp(s, "submission") as c:
        c.send("EHLO x\r\nAUTH PLAIN AHUxAG5v\r\nMAIL FROM:<a@example.org>\r\nQUIT\r\n")
        assert [c.reply()[:3] for _ in range(4)] == ["250", "535", "530", "221"]
    with Pop3(s, "pop3") as p:
        p.send(f"AUTH PLAIN {good}\r\nSTAT\r\nQUIT\r\nSTAT\r\n")
        assert [p.reply()[:3] for _ in range(3)] == ["+OK"] * 3 and p.at_end()


@test
def before_login(t):
    """Nothing of the transaction state before login; PASS without USER; QUIT works anywhere."""
    s = t.server(*FAST)
    with Pop3(s, "pop3") as p:
        for line in ("STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "TOP 1 0", "DELE 1", "RSET",
                     "PASS secret"):
            p.cmd(line, "-ERR")
        p.cmd("NOOP")
        p.cmd("QUIT", "+OK")


@test
def passwords_are_the_rest_of_the_line(t):
    """Spaces, leading and trailing, 8-bit without UTF8 as octets; an empty password is refused."""
    users = {"spaces": " a b  c ", "utf8": "pässwörd", "colon": "a:b:c"}
    s = t.server(*FAST, users=users)
    for user, password in users.items():
        with Pop3(s, "pop3") as p:
            p.cmd("USER " + user, "+OK")
            p.cmd("PASS", "-ERR")
            p.cmd("USER " + user)
            p.cmd("PASS ", "-ERR")
            p.cmd("USER " + user)
            p.cmd("PASS " + password.strip() + "x", "-ERR [AUTH]")
            p.cmd("USER " + user)
            p.cmd("PASS " + password, "+OK")
            p.cmd("QUIT", "+OK")


@test
def apop_forms(t):
    """Upper-case hex is taken, wrong lengths and words are refused; the stamp is unique."""
    s = t.server(*FAST)
    stamps = set()
    for change, want in ((str.upper, "+OK"), (str.lower, "+OK"), (lambda d: d[:-1], "-ERR"),
                         (lambda d: d + "0", "-ERR"), (lambda d: d[::-1], "-ERR [AUTH]"),
                         (lambda d: "z" * 32, "-ERR"), (lambda d: "", "-ERR")):
        with Pop3(s, "pop3") as p:
            stamp = p.greeting[p.greeting.index("<"):].strip()
            assert stamp[1:-1].replace("@", "-").replace(".", "-").replace("-", "").isalnum(), stamp
            stamps.add(stamp)
            p.cmd("APOP u1 " + change(apop(p.greeting, "secret")), want)
            p.cmd("QUIT", "+OK")
    assert len(stamps) == 7
    with Pop3(s, "pop3") as p:
        p.cmd("APOP u1", "-ERR")
        p.cmd("APOP nobody " + apop(p.greeting, "secret"), "-ERR [AUTH]")


@test
def enumeration_texts(t):
    """An unknown user and a wrong password get the same words, whatever the mechanism."""
    s = t.server(*FAST)
    def pop3_replies(user):
        with Pop3(s, "pop3") as p:
            yield p.cmd("USER " + user).replace(user, "U")
            yield p.cmd("PASS wrong").replace(user, "U")
            yield p.cmd("AUTH PLAIN " + b64(f"\0{user}\0wrong"))
            yield p.cmd(f"APOP {user} " + "0" * 32)
            first = p.cmd("AUTH SCRAM-SHA-256 " + b64(f"n,,n={user},r=abc"))
            yield first[:2]
            yield len(first)
            yield p.cmd("*")
    assert list(pop3_replies("u1")) == list(pop3_replies("nobody"))
    with submission(s) as c:
        def smtp_replies(user):
            yield c.cmd("AUTH PLAIN " + b64(f"\0{user}\0wrong"))
            yield c.cmd("VRFY " + user)
            yield c.cmd("EXPN " + user)
        assert list(smtp_replies("u1")) == list(smtp_replies("nobody"))
        assert c.cmd("VRFY u1").startswith("252") and c.cmd("EXPN u1").startswith("502")


@test
def scram_of_unknown_user_is_stable(t):
    """The made-up salt of a name that does not exist is the same each time."""
    s = t.server(*FAST)
    def salt(user):
        with Pop3(s, "pop3") as p:
            first = p.cmd("AUTH SCRAM-SHA-256 " + b64(f"n,,n={user},r=abc"), "+ ")
            fields = base64.b64decode(first[2:]).decode().split(",")
            assert int(fields[2][2:]) >= 4096
            return fields[1]
    assert salt("nobody") == salt("nobody") != salt("somebody")
    assert salt("u1") == salt("u1")


@test(seconds=6, sanitizer=False)
def enumeration_time(t):
    """An unknown user costs the same work as a wrong password."""
    s = t.server(*FAST)
    with submission(s) as c:
        took = {"u1": [], "nobody": []}
        for _ in range(12):
            for user, times in took.items():
                began = time.perf_counter()
                c.cmd("AUTH PLAIN " + b64(f"\0{user}\0wrong"), "535")
                times.append(time.perf_counter() - began)
    known, unknown = (statistics.median(x) for x in took.values())
    assert 0.6 < known / unknown < 1.7, f"known {known:.4f} s, unknown {unknown:.4f} s"


@test(seconds=8)
def brute_force(t):
    """Failed logins wait longer and longer, then the session ends with a last word; another
    session is served meanwhile."""
    s = t.server("--auth-delay", "200ms", "--max-auth-failures", "4")
    times, last = [], ""
    with submission(s) as c:
        try:
            for n in range(10):
                began = time.monotonic()
                last = c.cmd("AUTH PLAIN " + b64(f"\0u1\0guess{n}"))
                times.append(time.monotonic() - began)
                pop(s, "u2", "other").cmd("QUIT", "+OK")
        except (Closed, BrokenPipeError):
            pass
        assert len(times) <= 5, times
        assert last.startswith(("421", "535")), last
    assert times[0] >= 0.15 and max(times[1:]) > times[0] * 1.2, times
    with Pop3(s, "pop3") as p:
        replies = []
        try:
            for n in range(10):
                p.cmd("USER u1")
                replies.append(p.cmd(f"PASS guess{n}"))
        except (Closed, BrokenPipeError):
            pass
        assert len(replies) <= 4 and all(r.startswith("-ERR") for r in replies), replies


@test(seconds=4)
def brute_force_over_sessions(t):
    """The delay of an address outlives its sessions, by /64 for IPv6; another address has its own.
    (The proxy header stands for peers elsewhere: the own machine is not counted.)"""
    s = t.server("--auth-delay", "100ms", "--max-auth-failures", "2", "--proxy-from", "127.0.0.1",
                 "--allow-plaintext-login", "yes")

    def guess(address):
        with Pop3(s, "pop3", greet=False) as p:
            family = "TCP6" if ":" in address else "TCP4"
            end = "::1" if ":" in address else "127.0.0.1"
            p.send(f"PROXY {family} {address} {end} 1234 110\r\n")
            p.reply()
            p.cmd("USER u1", "+OK")
            began = time.monotonic()
            p.cmd("PASS guess", "-ERR")
            return time.monotonic() - began
    for addresses in (["192.0.2.7"] * 5, [f"2001:db8:1:2::{n}" for n in range(1, 6)]):
        times = [guess(address) for address in addresses]
        assert times[-1] > 3 * times[0] and times[0] >= 0.08, times
    assert guess("192.0.2.8") < times[-1] / 2
    assert guess("2001:db8:1:3::1") < times[-1] / 2


@test
def parallel_logins(t):
    """Many logins at once: each gets its own answer."""
    s = t.server(*FAST, users={f"user{n}": f"pass{n}" for n in range(8)})
    wrong = []
    def login(n):
        with Pop3(s, "pop3") as p:
            p.cmd(f"USER user{n}")
            if not p.cmd(f"PASS pass{(n + n % 2) % 8}").startswith("-ERR" if n % 2 else "+OK"):
                wrong.append(n)
    threads = [threading.Thread(target=login, args=(n,)) for n in range(8)]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    assert not wrong, wrong


@test
def cram_and_login_dialogues(t):
    """CRAM-MD5 challenge and LOGIN prompts by hand; an unknown name gets as far as a known one."""
    s = t.server(*FAST, "--auth", "LOGIN,CRAM-MD5")
    for user, password, want in (("u1", "secret", "235"), ("u1", "no", "535"), ("x", "no", "535")):
        with submission(s) as c:
            challenge = base64.b64decode(c.cmd("AUTH CRAM-MD5", "334 ")[4:])
            digest = hmac.new(password.encode(), challenge, hashlib.md5).hexdigest()
            c.cmd(b64(f"{user} {digest}"), want)
        with submission(s) as c:
            assert base64.b64decode(c.cmd("AUTH LOGIN", "334 ")[4:]).lower().startswith(b"user")
            assert base64.b64decode(c.cmd(b64(user), "334 ")[4:]).lower().startswith(b"pass")
            c.cmd(b64(password), want)


@test
def mechanisms_by_state(t):
    """What is announced works: no -PLUS without TLS, EXTERNAL only with a verified certificate."""
    s = t.server("--client-ca", t.cert.ca)
    with submission(s) as c:
        plain = c.ehlo()["AUTH"].split()
        c.secure(tls_context(t.cert))
        secure = c.ehlo()["AUTH"].split()
    assert not any(x.endswith("-PLUS") or x == "EXTERNAL" for x in plain), plain
    assert "SCRAM-SHA-256-PLUS" in secure and "EXTERNAL" not in secure, secure
    with Smtp(s, "smtps", tls=tls_context(t.cert, client="u1")) as c:
        assert "EXTERNAL" in c.ehlo()["AUTH"].split()
        c.cmd("AUTH EXTERNAL =", "235")
        assert c.deliver(messages.HEAD).startswith("250")
    with Smtp(s, "smtps", tls=tls_context(t.cert, client="u1")) as c:
        c.ehlo()
        c.cmd("AUTH EXTERNAL " + b64("u2"), "535")
    with Pop3(s, "pop3s", tls=tls_context(t.cert, client="u1")) as p:
        p.cmd("AUTH EXTERNAL " + b64("u1"), "+OK")
        assert p.stat()[0] == 1


@test
def oauth_is_not_offered(t):
    """Without a token check OAUTHBEARER and XOAUTH2 are neither announced nor taken."""
    s = t.server(*FAST)
    with Smtp(s, "smtps", tls=tls_context(t.cert)) as c:
        offered = c.ehlo()["AUTH"].split()
        for name in ("OAUTHBEARER", "XOAUTH2"):
            assert name not in offered, offered
            c.cmd(f"AUTH {name} {b64('n,a=u1,')}", "504")


@test
def users_of_the_store(t):
    """`user add|passwd|list|remove` with the password on stdin; no clear secret, so no APOP stamp
    and curl logs in (acceptance 2, 3)."""
    store = "sqlite:" + t.path("mail.db")
    def user(*arguments, say="", code=0):
        p = subprocess.run([t.exe, "user", *arguments, "--store", store], input=say.encode(),
                           capture_output=True, check=False, timeout=60)
        assert p.returncode == code, (arguments, p)
        return p.stdout.decode()
    user("add", "anna", say="first\n")
    user("add", "bert", say="b\n")
    assert user("list").split() == ["anna", "bert"]
    user("passwd", "anna", say="second\n")
    user("remove", "bert")
    assert user("list").split() == ["anna"]
    assert user("remove", "bert", code=67) is not None
    s = t.server(*FAST, users={}, store=store)
    with Pop3(s, "pop3") as p:
        assert "<" not in p.greeting, p.greeting
    deliver(s, messages.HEAD, "anna")
    assert len(fetch_all(s, "anna", "second")) == 1
    with Pop3(s, "pop3") as p:
        p.cmd("USER anna")
        p.cmd("PASS first", "-ERR [AUTH]")
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@example.org>", "250")
        c.cmd("RCPT TO:<bert@example.org>", "550")
