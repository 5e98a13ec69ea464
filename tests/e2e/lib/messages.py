"""Messages: the corpus of Debian's libpython3.11-testsuite, nasty ones, and the trace headers."""
import functools
import os
import re

from . import tools


def crlf(data):
    """Any line ends to CRLF, and a final one."""
    data = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    return data if not data or data.endswith(b"\r\n") else data + b"\r\n"


@functools.cache
def corpus():
    """{name: octets with CRLF lines}; all that can go through DATA with 8BITMIME."""
    folders = [os.path.join(tools.CORPUS, "test_email", "data")]
    result = {}
    for folder in folders:
        assert os.path.isdir(folder), "the message corpus is missing: run tests/e2e/setup.sh"
        for name in sorted(os.listdir(folder)):
            if name.endswith(".txt"):
                with open(os.path.join(folder, name), "rb") as f:
                    result[name] = crlf(f.read())
    assert len(result) >= 40, f"only {len(result)} messages in the corpus"
    return result


def seven_bit_safe(message, longest=998):
    """For clients that speak plain RFC 5321 only: no NUL, no 8-bit, no line too long."""
    return (b"\0" not in message and max(message, default=0) < 128
            and all(len(line) <= longest for line in message.split(b"\r\n")))


HEAD = b"From: a@example.org\r\nTo: u1@example.org\r\nSubject: nasty\r\n\r\n"


def nasty():
    """{name: octets}; lines end in CRLF, every octet but CR, LF and NUL may stand in them."""
    every = bytes(b for b in range(1, 256) if b not in (10, 13))
    return {
        "dots": HEAD + b".\r\n..\r\n...\r\n.x\r\n..x\r\n\r\n.\r\n",
        "dots-only": b".\r\n.\r\n.\r\n",
        "dot-first": b".\r\n" + HEAD,
        "empty": b"",
        "one-empty-line": b"\r\n",
        "empty-lines": b"\r\n" * 50,
        "no-header": b"\r\njust a body\r\n",
        "no-header-no-blank": b"this is not a header\r\nnor is this\r\n",
        "header-only": HEAD[:-2],
        "header-and-blank": HEAD,
        "folded": b"Subject: a\r\n b\r\n\tc\r\n \r\n d\r\nFrom:a\r\n\r\nx\r\n",
        "from-line": HEAD + b"From here on\r\n>From there\r\nFrom a@b Sat Nov 21 02:00:00 2026\r\n",
        "998": HEAD + b"x" * 998 + b"\r\n",
        "999": HEAD + b"x" * 999 + b"\r\n",
        "100000": HEAD + b"y" * 100000 + b"\r\n",
        "long-header": b"X-Long: " + b"z" * 50000 + b"\r\n" + HEAD + b"body\r\n",
        "8-bit": HEAD + every + b"\r\n" + bytes(range(128, 256)) * 8 + b"\r\n",
        "utf-8-header": "Subject: Grüße – ✓ 你好\r\n\r\nÄ\r\n".encode(),
        "trailing-space": HEAD + b"a \r\nb\t\r\n \r\n\t\r\n",
        "old-trace": b"Return-Path: <old@example.org>\r\nReceived: from x by y; "
                     b"Sat, 21 Nov 2026 02:00:00 +0000\r\n" + HEAD + b"x\r\n",
    }


def ten_megabytes():
    line = bytes(32 + i % 95 for i in range(76)) + b"\r\n"
    return HEAD + line * (10_000_000 // len(line))


def deep_mime(levels=1000):
    parts = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
             for i in range(levels)]
    return HEAD[:-2] + b"".join(parts) + b"\r\nat the bottom\r\n"


def many_headers(count=100_000):
    return b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(count)) + HEAD + b"body\r\n"


TRACE = re.compile(
    rb"\A(?:Return-Path: [^\r\n]*\r\n)(?:Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)")


def without_trace(message):
    """Takes off exactly one Return-Path and one Received, which must be there."""
    match = TRACE.match(message)
    assert match, f"no trace headers: {message[:300]!r}"
    return message[match.end():]


def trace(message):
    return message[:len(message) - len(without_trace(message))]


def same(got, sent, what=""):
    """Octet for octet, with a readable difference."""
    if got == sent:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, sent)) if a != b), min(len(got), len(sent)))
    raise AssertionError(f"{what}: {len(got)} octets came, {len(sent)} were sent; they differ at "
                         f"{at}: {got[max(0, at - 40):at + 40]!r} came, "
                         f"{sent[max(0, at - 40):at + 40]!r} was sent")


def check(got, sent, what=""):
    """A delivered message against what was sent (which gets a final CRLF where it had none)."""
    if sent and not sent.endswith(b"\r\n"):
        sent += b"\r\n"
    same(without_trace(got), sent, what)
