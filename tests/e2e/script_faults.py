"""Handlers that throw, reject, loop, never answer, take all memory, recurse, or set what is of a
wrong type: in every handler there is. The command they were for is refused, the session goes on,
and a session beside it never notices."""
import concurrent.futures
import json
import re
import ssl

from lib import faults
from lib.runner import test
from lib.wire import Closed, Pop3, Smtp

TEXT = b"Subject: x\r\n\r\n" + b"line\r\n" * 20
# Faults that are a refusal like any other; all others are the server's own trouble.
MEANT = ("type", "twice")
NOTICES = ("onTls", "onAbort", "onDisconnect")


def program(t, **more):
    pem, key = t.cert.pair("server")
    options = {"cpuBudget": 200 * t.patience, "handlerTimeout": "30s", "heapBudget": 96 << 20,
               "poolSize": 4, "ssl": True, "cert": pem, "key": key, "authDelay": 0,
               "maxErrors": 1000, "maxAuthFailures": 1000, "workers": 2, **more}
    s = faults.Program(t, json.dumps(options))
    t.watch(s)
    s.start()
    return s


def no_check():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def after(p, line, good, hook, kind):
    """The session goes on, but not past a handler that only hears and never ends: its events come
    one after another."""
    reply = p.cmd(line)
    if hook in NOTICES and kind == "never":
        assert re.match(re.escape(good) + r"|4|-ERR \[SYS/TEMP\]", reply), (line, reply)
    else:
        assert reply.startswith(good), (line, reply)


# ---- POP3 ----

BEFORE_LOGIN = {"onCapa": "CAPA", "onLang": "LANG en", "onUtf8": "UTF8", "onNoop": "NOOP",
                "onCommand": "XYZZY"}
AT_LOGIN = ("onAuth", "onLogin", "onAuthDone", "onMaildrop")
AFTER_LOGIN = {"onStat": "STAT", "onList": "LIST 1", "onUidl": "UIDL 1", "onRetrieve": "RETR 1",
               "onTop": "TOP 1 0", "onDelete": "DELE 1", "onReset": "RSET", "onQuit": "QUIT"}


def pop3_reply(p, hook):
    """The reply of the command that the handler is for."""
    if hook in BEFORE_LOGIN:
        return p.cmd(BEFORE_LOGIN[hook])
    p.cmd("USER anyone", "+OK")
    if hook in AT_LOGIN:
        return p.cmd("PASS secret")
    p.cmd("PASS secret", "+OK")
    return p.cmd(AFTER_LOGIN[hook])


def pop3_fault(s, hook, kind):
    """What was wrong, or None."""
    source = faults.address(hook, kind)
    with Pop3(s, "pop3", source=source, greet=False, timeout=60) as p:
        reply = p.reply()
        if hook not in NOTICES and hook != "onConnect":
            reply = pop3_reply(p, hook)
        elif hook == "onTls":
            p.secure(no_check())
        if hook not in NOTICES:
            wanted = "-ERR" if kind in MEANT else "-ERR [SYS/TEMP]"
            if not reply.startswith(wanted):
                return f"pop3 {hook} {kind}: {reply!r}, not {wanted}"
        if hook not in ("onConnect", "onQuit"):
            after(p, "CAPA" if hook == "onNoop" else "NOOP", "+OK", hook, kind)
    return None


class Pop3Witness:
    """A session that goes on all the time, from an address of its own."""

    def __init__(self, s):
        self.wire = Pop3(s, "pop3", timeout=60)
        self.wire.login("witness")

    def look(self):
        p = self.wire
        assert p.stat() == (3, 3 * len(TEXT))
        assert p.retr(2) == TEXT
        p.cmd("DELE 1", "+OK")
        p.cmd("RSET", "+OK")
        p.cmd("NOOP", "+OK")

    def end(self):
        self.wire.cmd("QUIT", "+OK")


# ---- SMTP ----

SMTP_ALONE = {"onNoop": "NOOP", "onVrfy": "VRFY someone", "onExpn": "EXPN list", "onHelp": "HELP",
              "onReset": "RSET", "onQuit": "QUIT", "onCommand": "XYZZY"}
SMTP_LOGIN = ("onAuth", "onLogin", "onAuthDone")


def smtp_reply(p, hook):
    if hook == "onHelo":
        return p.cmd("EHLO client.example.org")
    p.cmd("EHLO client.example.org", "250")
    if hook in SMTP_ALONE:
        return p.cmd(SMTP_ALONE[hook])
    if hook in SMTP_LOGIN:
        return p.cmd("AUTH PLAIN AGFueW9uZQBzZWNyZXQ=")
    steps = {"onMailFrom": "MAIL FROM:<a@example.org>", "onRcptTo": "RCPT TO:<b@example.org>",
             "onData": "DATA"}
    for step, line in steps.items():
        reply = p.cmd(line)
        if step == hook:
            return reply
        assert reply[0] in "23", (step, reply)
    p.send(TEXT + b".\r\n")
    return p.reply()


def smtp_fault(s, hook, kind):
    source = faults.address(hook, kind)
    with Smtp(s, "smtp", source=source, greet=False, timeout=60) as p:
        reply = p.reply()
        if hook not in NOTICES and hook != "onConnect":
            reply = smtp_reply(p, hook)
        elif hook == "onTls":
            p.cmd("EHLO client.example.org", "250")
            p.secure(no_check())
        elif hook == "onAbort":
            p.cmd("EHLO client.example.org", "250")
            p.cmd("MAIL FROM:<a@example.org>", "250")
            p.cmd("RSET", "250")
        if hook not in NOTICES:
            wanted = "[45]" if kind in MEANT else "4"
            if not re.match(wanted, reply):
                return f"smtp {hook} {kind}: {reply!r}, not {wanted}"
        if hook not in ("onConnect", "onQuit"):
            after(p, "HELP" if hook == "onNoop" else "NOOP", "2", hook, kind)
    return None


class SmtpWitness:
    def __init__(self, s):
        self.wire = Smtp(s, "smtp", timeout=60)
        self.wire.ehlo()

    def look(self):
        assert self.wire.deliver(TEXT, "someone").startswith("250")
        self.wire.cmd("NOOP", "250")

    def end(self):
        self.wire.cmd("QUIT", "221")


def attempt(fault, s, hook, kind):
    try:
        return fault(s, hook, kind)
    except (AssertionError, Closed, OSError) as why:
        return f"{fault.__name__} {hook} {kind}: {why}"


def every_handler(t, kind, pop3=faults.POP3, smtp=faults.SMTP):
    s = program(t, handlerTimeout=1000 * t.patience) if kind == "never" else program(t)
    witnesses = [Pop3Witness(s), SmtpWitness(s)]
    cases = [(pop3_fault, hook) for hook in pop3] + [(smtp_fault, hook) for hook in smtp]
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(4 if kind in faults.SLOW else 1) as threads:
        running = [threads.submit(attempt, fault, s, hook, kind) for fault, hook in cases]
        for one in running:
            for witness in witnesses:
                witness.look()
            wrong.append(one.result())
    for witness in witnesses:
        witness.look()
        witness.end()
    assert not any(wrong), "\n".join(filter(None, wrong))


@test(seconds=3)
def fault_throw(t):
    every_handler(t, "throw")


@test(seconds=3)
def fault_reject(t):
    every_handler(t, "reject")


@test(seconds=20)
def fault_loop(t):
    every_handler(t, "loop")


@test(seconds=20)
def fault_never(t):
    every_handler(t, "never")


@test(seconds=20)
def fault_bomb(t):
    every_handler(t, "bomb")


@test(seconds=3)
def fault_deep(t):
    every_handler(t, "deep")


@test(seconds=3)
def fault_type(t):
    every_handler(t, "type")


@test(seconds=3)
def fault_getter(t):
    every_handler(t, "getter")


@test(seconds=3)
def fault_twice(t):
    every_handler(t, "twice")


@test(seconds=20)
def endless_microtasks(t):
    """What the engine cannot end costs its worker; another takes the sessions of that one."""
    every_handler(t, faults.FATAL, ("onStat",), ("onMailFrom",))


@test(seconds=2)
def faults_are_named_in_the_log(t):
    """Script, line and session of what went wrong, on standard error."""
    s = program(t)
    with Pop3(s, "pop3", source=faults.address("onStat", "throw")) as p:
        p.login("anyone")
        p.cmd("STAT", "-ERR [SYS/TEMP]")
    assert s.stop() == 0
    text = s.errors().decode()
    assert re.search(r"pop3_onStat\.js:\d+|library\.js:\d+", text) and "onStat" in text, text
    assert "on purpose" in text and re.search(r"session \d+", text), text
