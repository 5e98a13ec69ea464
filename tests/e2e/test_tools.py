"""openssl s_client, gsasl and smtp-source."""
from lib import tools
from lib.runner import test
from lib.wire import b64, fetch_all, pop


def s_client(t, port, *arguments, say=b"", starttls=None, code=None):
    more = ("-starttls", starttls) if starttls else ()
    return tools.run(tools.need("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
                     t.cert.ca, "-verify_return_error", "-quiet", "-crlf", "-ign_eof", *more,
                     *arguments, stdin=say, timeout=30 * t.patience, code=code)


@test
def s_client_everywhere(t):
    """Implicit TLS on pop3s and smtps; -starttls pop3, smtp, lmtp (acceptance 32, 33)."""
    s = t.server("--lmtp", "127.0.0.1:0")
    for listener, starttls, say, want in (
            ("pop3s", None, b"QUIT\n", b"+OK"), ("smtps", None, b"QUIT\n", b"221 "),
            ("pop3", "pop3", b"USER u1\nPASS secret\nSTAT\nQUIT\n", b"+OK 0 0"),
            ("smtp", "smtp", b"EHLO x\nQUIT\n", b"221 "),
            ("submission", "smtp", b"EHLO x\nAUTH PLAIN %s\nQUIT\n" % b64("\0u1\0secret").encode(),
             b"235 "), ("lmtp", "lmtp", b"LHLO x\nQUIT\n", b"221 ")):
        r = s_client(t, s.port(listener), starttls=starttls, say=say, code=0)
        assert want in r.out, (listener, r)


@test
def auth_plain_by_hand(t):
    """AUTH PLAIN with and without initial response; wrong; cancelled (acceptance 28)."""
    s = t.server("--auth-delay", "0s", "--max-auth-failures", "10")
    good, bad = b64("\0u1\0secret").encode(), b64("\0u1\0wrong").encode()
    for say, want in ((b"AUTH PLAIN " + good, b"+OK"), (b"AUTH PLAIN\n" + good, b"+OK"),
                      (b"AUTH PLAIN " + bad, b"-ERR [AUTH]"), (b"AUTH PLAIN\n*", b"-ERR")):
        r = s_client(t, s.port("pop3s"), say=say + b"\nQUIT\n", code=0)
        replies = [x for x in r.out.split(b"\r\n")[1:] if not x.startswith(b"+ ")]
        assert replies[0].startswith(want), (say, r)


@test
def sessions_resume(t):
    """A TLS session ticket is taken the next time."""
    s = t.server()
    for version in ("-tls1_2", "-tls1_3"):
        ticket = t.path("ticket" + version)
        tools.run("openssl", "s_client", "-connect", f"127.0.0.1:{s.port('pop3s')}", version,
                  "-sess_out", ticket, "-crlf", "-ign_eof", stdin=b"QUIT\n")
        r = tools.run("openssl", "s_client", "-connect", f"127.0.0.1:{s.port('pop3s')}", version,
                      "-sess_in", ticket, "-crlf", "-ign_eof", stdin=b"QUIT\n")
        assert b"Reused, TLS" in r.out, (version, r)


@test
def alpn_and_sni(t):
    """ALPN pop3 is chosen, only others refused; --tls-cert-for picks the certificate by name."""
    pem, key = t.cert.pair("second")
    s = t.server("--tls-cert-for", f"second.example.org={pem},{key}")
    def show(*arguments):
        return tools.run("openssl", "s_client", "-connect", f"127.0.0.1:{s.port('pop3s')}",
                         "-crlf", "-ign_eof", *arguments, stdin=b"QUIT\n", code=None).out
    assert b"ALPN protocol: pop3" in show("-alpn", "pop3")
    assert b"ALPN protocol: pop3" in show("-alpn", "imap,pop3")
    assert b"+OK" not in show("-alpn", "http/1.1")
    assert b"O = second" in show("-servername", "second.example.org")
    assert b"O = first" in show("-servername", "other.example.org")
    assert b"O = first" in show("-noservername")


@test(seconds=3)
def gsasl_mechanisms(t):
    """GNU SASL's own program on submission: every mechanism without channel binding."""
    s = t.server("--auth", "PLAIN,LOGIN,CRAM-MD5,SCRAM-SHA-1,SCRAM-SHA-256", "--auth-delay", "0s")
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"):
        for password, good in (("secret", True), ("wrong", False)):
            r = tools.run(tools.need("gsasl"), "--smtp", "--connect",
                          f"localhost:{s.port('submission')}", "--mechanism", mechanism, "-a", "u1",
                          "-z", "", "-p", password, "--no-starttls", stdin=b"\n", timeout=60,
                          code=None)
            assert (b"235 " in r.out + r.err) == good, (mechanism, password, r)


@test(seconds=6)
def smtp_source_load(t):
    """smtp-source: 2000 messages over 20 sessions and LMTP over 10, none lost, none double."""
    s = t.server("--lmtp", "127.0.0.1:0")
    tools.smtp_source(t, "-m", "2000", "-s", "20", "-l", "4096", "-f", "a@example.org", "-t",
                      "u1@example.org", "inet:127.0.0.1:%d" % s.port("smtp"))
    tools.smtp_source(t, "-L", "-m", "500", "-s", "10", "-l", "100", "-f", "a@example.org", "-t",
                      "u2@example.org", "inet:127.0.0.1:%d" % s.port("lmtp"))
    with pop(s) as p:
        assert p.stat()[0] == 2000
        assert len(set(p.uidl())) == 2000
    with pop(s, "u2", "other") as p:
        assert p.stat()[0] == 500


@test(seconds=2)
def smtp_source_unix_lmtp(t):
    """The same over the Unix socket, one connection a message (-d not given)."""
    s = t.server()
    tools.smtp_source(t, "-L", "-d", "-m", "300", "-s", "5", "-f", "a@example.org", "-t",
                      "u1@example.org", "unix:" + s.endpoints["lmtp"])
    assert len(fetch_all(s)) == 300
