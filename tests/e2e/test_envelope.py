"""What a client said of its message is kept with it: read from the store by Python's own sqlite3."""
import sqlite3

from lib import messages
from lib.runner import test
from lib.wire import Smtp, b64, stuff, tls_context


def envelopes(t):
    """[(sender, {name: value})] in the order of arrival; the server has ended."""
    with sqlite3.connect(t.path("mail.db")) as db:
        rows = db.execute("SELECT sender, envelope FROM message ORDER BY id").fetchall()
    return [(bytes(sender).decode(), dict(line.split("=", 1)
                                          for line in bytes(text).decode().splitlines()))
            for sender, text in rows]


@test
def is_kept(t):
    """DSN parameters as they came (xtext), REQUIRETLS, SMTPUTF8, BODY, login; nothing where nothing
    was said."""
    s = t.server()
    with Smtp(s, "smtp") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@example.org> RET=HDRS ENVID=QQ+20314", "250")
        c.cmd("RCPT TO:<u1@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2Bx@example.org", "250")
        c.send(b"BDAT 5 LAST\r\nx\r\n\r\n")
        assert c.reply().startswith("250")
        c.cmd("MAIL FROM:<\u00e4@example.org> SMTPUTF8 BODY=BINARYMIME", "250")
        c.cmd("RCPT TO:<u1@example.org>", "250")
        c.send(b"BDAT 5 LAST\r\na\nb\0c")
        assert c.reply().startswith("250")
        assert c.deliver(messages.HEAD, sender="plain@example.org").startswith("250")
        c.cmd("MAIL FROM:<a@example.org> REQUIRETLS", "555")
    with Smtp(s, "smtps", tls=tls_context(t.cert)) as c:
        c.ehlo()
        c.cmd("AUTH PLAIN " + b64("\0u1\0secret"), "235")
        c.begin(parameters=" REQUIRETLS")
        c.cmd("DATA", "354")
        c.send(stuff(messages.HEAD))
        assert c.reply().startswith("250")
    assert s.stop() == 0
    dsn, utf8, plain, secure = envelopes(t)
    assert (dsn[1]["ret"], dsn[1]["envid"]) == ("H", "QQ+20314"), dsn
    assert dsn[1]["notify"].split() == ["success", "delay"], dsn
    assert dsn[1]["orcpt"] == "rfc822;o+2Bx@example.org", dsn
    assert utf8[0] == "\u00e4@example.org" and utf8[1]["smtputf8"] == "yes", utf8
    assert utf8[1]["body"] == "binary", utf8
    assert secure[1]["requiretls"] == "yes" and secure[1]["user"] == "u1", secure
    for name in ("ret", "envid", "notify", "orcpt", "smtputf8", "requiretls", "user"):
        assert name not in plain[1], plain
