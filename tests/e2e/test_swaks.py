"""swaks: SMTP and LMTP, TLS both ways, pipelining, AUTH."""
from lib import messages, tools
from lib.runner import test
from lib.wire import fetch_all, stuff


def swaks(t, server, *arguments, data=None, listener="smtp", code=0):
    where = server.endpoints[listener]
    target = ("--socket", where) if where.startswith("/") else ("--server", where)
    more = ()
    if data is not None:
        more = ("--no-data-fixup", "--data", "@" + t.write("data", stuff(data)))
    return tools.run(tools.need("swaks"), *target, "-f", "a@example.org", "-t", "u1@example.org",
                     "--helo", "client.example.org", *more, *arguments, code=code)


@test(seconds=12)
def corpus(t):
    """The corpus with pipelining."""
    s = t.server()
    sent = messages.corpus()
    for message in sent.values():
        swaks(t, s, "--pipeline", data=message)
    for (name, message), got in zip(sent.items(), fetch_all(s), strict=True):
        messages.check(got, message, name)


@test(seconds=4)
def ways_in(t):
    """Plain, --tls, --tls-on-connect, --pipeline, LMTP (acceptance 37, 41)."""
    s = t.server()
    body = messages.HEAD + b".\r\n..\r\n"
    swaks(t, s, data=body)
    swaks(t, s, "--tls", data=body)
    swaks(t, s, "--tls", "--pipeline", data=body)
    swaks(t, s, "--pipeline", data=body)
    swaks(t, s, "--protocol", "LMTP", listener="lmtp", data=body)
    swaks(t, s, "--tls-on-connect", "--auth", "PLAIN", "-au", "u1", "-ap", "secret", data=body,
          listener="smtps")
    got = fetch_all(s)
    assert len(got) == 6
    for message in got[:5]:
        messages.check(message, body)


@test(seconds=4)
def auth(t):
    """PLAIN, LOGIN, CRAM-MD5 right and wrong (acceptance 40); rc 28: refused or not offered."""
    s = t.server("--auth", "PLAIN,LOGIN,CRAM-MD5", "--auth-delay", "0s")
    for name in ("PLAIN", "LOGIN", "CRAM-MD5"):
        ok = swaks(t, s, "--auth", name, "-au", "u1", "-ap", "secret", listener="submission")
        assert b"235 " in ok.out
        bad = swaks(t, s, "--auth", name, "-au", "u1", "-ap", "wrong", listener="submission",
                    code=28)
        assert b"535 5.7.8" in bad.out
    assert len(fetch_all(s)) == 3


@test
def cram_md5_is_off(t):
    """CRAM-MD5 is not offered unless asked for."""
    s = t.server()
    swaks(t, s, "--auth", "CRAM-MD5", "-au", "u1", "-ap", "secret", listener="submission", code=28)


@test
def one_of_two_recipients(t):
    """One refused with 550, the other gets the mail (acceptance 38); all refused: rc 24."""
    s = t.server()
    both = swaks(t, s, "-t", "nobody-at-all@example.org,u1@example.org")
    assert b"550 5.1.1" in both.out
    assert len(fetch_all(s)) == 1
    swaks(t, s, "-t", "nobody-at-all@example.org", code=24)


@test
def proxy_and_xclient(t):
    """A listed peer's PROXY header and XCLIENT are believed and seen in the trace."""
    s = t.server("--proxy-from", "127.0.0.1")
    swaks(t, s, "--proxy-family", "TCP4", "--proxy-source", "192.0.2.7", "--proxy-source-port",
          "4711", "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25", "--proxy-version", "1")
    swaks(t, s, "--proxy-family", "AF_INET", "--proxy-protocol", "STREAM", "--proxy-source",
          "192.0.2.8", "--proxy-source-port", "4711", "--proxy-dest", "192.0.2.1",
          "--proxy-dest-port", "25", "--proxy-version", "2")
    assert s.stop() == 0
    s = t.server("--xclient-from", "127.0.0.1", store=s.store, name="xclient")
    swaks(t, s, "--xclient-addr", "192.0.2.9", "--xclient-name", "peer.example.net")
    seen = [messages.trace(m) for m in fetch_all(s)]
    for address, head in zip((b"192.0.2.7", b"192.0.2.8", b"192.0.2.9"), seen, strict=True):
        assert address in head, head
