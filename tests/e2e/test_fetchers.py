"""fetchmail and getmail: programs that fetch by themselves, as people's machines run them."""
import os
import subprocess

from lib import messages, tools
from lib.runner import test
from lib.wire import deliver, fetch_all


def fetchmail(t, server, listener, ssl, *arguments, code=0):
    rc = t.write("fetchmailrc", f"""
        poll localhost protocol pop3 port {server.port(listener)} uidl no dns
        username u1 password secret is root here mda "cat >> {t.path('fm.mbox')}"
        fetchall no rewrite {ssl} sslcertck sslcertfile {t.cert.ca}
        """)
    os.chmod(rc, 0o600)
    return tools.run(tools.need("fetchmail"), "-f", rc, "--pidfile", t.path("fm.pid"), "--idfile",
                     t.path("fm.ids"), "--invisible", "--nosyslog", *arguments, code=code)


@test(seconds=4)
def fetchmail_ways(t):
    """STLS by itself, POP3S; keep and a second run; what came is what was sent."""
    s = t.server()
    body = messages.HEAD + b".\r\n..dots\r\nlast\r\n"
    for listener, ssl in (("pop3", 'sslproto ""'), ("pop3", 'sslproto "TLS1.2+"'),
                          ("pop3s", "ssl")):
        deliver(s, body)
        fetchmail(t, s, listener, ssl, "--keep")
        with open(t.path("fm.mbox"), "rb") as f:
            got = messages.crlf(f.read())
        assert got.endswith(body), got
        os.unlink(t.path("fm.mbox"))
        assert fetchmail(t, s, listener, ssl, code=0).code == 0
        os.unlink(t.path("fm.mbox"))
        assert fetch_all(s) == []
        fetchmail(t, s, listener, ssl, code=1)


@test(seconds=3)
def fetchmail_corpus(t):
    """The corpus in one poll: every message is taken and deleted, the session stays in step
    (acceptance 9)."""
    s = t.server()
    sent = messages.corpus()
    for message in sent.values():
        deliver(s, message)
    result = fetchmail(t, s, "pop3", 'sslproto ""', "-v", "--bad-header", "accept")
    assert result.out.count(b" flushed\n") - result.out.count(b"not flushed\n") == len(sent), result
    assert fetch_all(s) == []


def getmail(t, server, retriever, *lines, listener="pop3", code=0):
    folder = t.path("getmail")
    if not os.path.exists(folder):
        for name in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(folder, "box", name))
    rc = t.write("getmail/getmailrc", "\n".join((
        "[retriever]", "type = " + retriever, "server = localhost",
        f"port = {server.port(listener)}", "username = u1", "password = secret", *lines,
        "[destination]", "type = Maildir", f"path = {folder}/box/",
        "[options]", "delete = true", "delivered_to = false", "received = false",
        "verbose = 1", "")))
    prefix = ()
    if os.getuid() == 0:
        prefix = (tools.need("setpriv"), "--reuid", "nobody", "--regid", "nogroup",
                  "--clear-groups")
        tools.run("chown", "-R", "nobody:nogroup", folder)
        tools.run("chmod", "755", t.dir)
    command = (*prefix, tools.need("getmail"), "--getmaildir", folder, "-r", rc)
    box = os.path.join(folder, "box", "new")
    before = set(os.listdir(box))
    for last in (False, False, True):
        try:
            tools.run(*command, env={"HOME": folder}, code=code, timeout=20 * t.patience)
            break
        except subprocess.TimeoutExpired:
            # getmail 6.18 now and then waits for a lock of its own with all replies read. Killed,
            # it has deleted nothing, so it can simply begin again.
            assert not last, "getmail hung three times"
            assert fetch_all(server), "a session without QUIT deleted mail"
            for name in set(os.listdir(box)) - before:
                os.unlink(os.path.join(box, name))
    found = []
    for name in sorted(os.listdir(os.path.join(folder, "box", "new"))):
        with open(os.path.join(folder, "box", "new", name), "rb") as f:
            found.append(f.read())
    return found


@test(seconds=3)
def getmail_ways(t):
    """SimplePOP3Retriever and SimplePOP3SSLRetriever, not as root; deleted behind it."""
    s = t.server()
    ca = "ca_certs = " + t.path("getmail", "ca.pem")
    os.makedirs(t.path("getmail"))
    for name in ("cur", "new", "tmp"):
        os.makedirs(t.path("getmail", "box", name))
    with open(t.cert.ca, "rb") as f:
        t.write("getmail/ca.pem", f.read())
    count = 0
    for retriever, listener, more in (("SimplePOP3Retriever", "pop3", ()),
                                      ("SimplePOP3Retriever", "pop3", ("use_apop = true",)),
                                      ("SimplePOP3SSLRetriever", "pop3s", (ca,))):
        for body in (b"one\r\n", b".dot\r\n\r\n"):
            deliver(s, messages.HEAD + body)
        count += 2
        found = getmail(t, s, retriever, *more, listener=listener)
        assert len(found) == count, (retriever, more, len(found))
        assert fetch_all(s) == []
    for message in found:
        assert b"Subject: nasty" in message
    assert sum(message.endswith(b"\n\n.dot\n\n") for message in found) == 3, found


@test(seconds=3)
def getmail_corpus(t):
    """The corpus by getmail: all fetched, all deleted."""
    s = t.server()
    sent = messages.corpus()
    for message in sent.values():
        deliver(s, message)
    assert len(getmail(t, s, "SimplePOP3Retriever")) == len(sent)
    assert fetch_all(s) == []
