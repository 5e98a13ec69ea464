"""lettermill pop3 fetch on maildrops of ten thousand: identical, resumable, flat."""
import glob
import os
import random
import re
import signal
import subprocess
import threading
import time

from lib import tools
from lib.runner import test
from lib.server import eventually
from lib.wire import Smtp, fetch_all

PASSWORD = {"LETTERMILL_PASSWORD": "secret"}


def body(number):
    rng = random.Random(number)
    lines = b"".join(b"%d %s\r\n" % (i, b"x" * rng.randrange(70)) for i in range(rng.randrange(1, 30)))
    dots = b".\r\n..dots\r\n" if number % 9 == 0 else b""
    return b"Subject: number %d\r\nX-Number: %d\r\n\r\n" % (number, number) + lines + dots


def fill(server, count, make=body, threads=8):
    def work(first):
        with Smtp(server, "smtp") as c:
            c.ehlo()
            for number in range(first, count, threads):
                assert c.deliver(make(number)).startswith("250")

    crowd = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()


def url(server):
    return f"pop3://u1@127.0.0.1:{server.port('pop3')}/"


def command(t, server, store, *more):
    return [t.exe, "pop3", "fetch", url(server), "--to", store, *more]


def fetch(t, server, store, *more, code=0):
    return tools.run(*command(t, server, store, *more), env={**PASSWORD, "HOME": t.dir}, code=code,
                     timeout=300 * t.patience)


def maildir(folder):
    contents = []
    for part in ("new", "cur"):
        for path in glob.glob(f"{folder}/**/{part}/*", recursive=True):
            with open(path, "rb") as f:
                contents.append(f.read())
    return sorted(contents)


@test(seconds=30)
def ten_thousand_identical(t):
    """Into maildir: and sqlite:, each message there once and as the server has it; a second fetch
    finds nothing new, a third deletes."""
    s = t.server()
    fill(s, 10000)
    there = sorted(fetch_all(s))
    assert len(there) == 10000
    for store in (f"maildir:{t.path('box')}", f"sqlite:{t.path('box.db')}"):
        more = ("--mailbox", "u1") if store.startswith("sqlite") else ()
        assert b"10000 fetched" in fetch(t, s, store, "--keep", *more).out
        assert b"0 fetched" in fetch(t, s, store, "--keep", *more).out
    assert maildir(t.path("box")) == there
    assert sorted(fetch_all(t.server(name="box"))) == there
    assert b"10000 deleted" in fetch(t, s, f"maildir:{t.path('box')}").out
    assert fetch_all(s) == [] and maildir(t.path("box")) == there


@test(seconds=40)
def killed_again_and_again(t):
    """SIGKILL at any moment, a dozen times: in the end each message is there exactly once."""
    s = t.server()
    fill(s, 3000)
    there = sorted(fetch_all(s))
    rng = random.Random(7)
    for store in (f"maildir:{t.path('box')}", f"sqlite:{t.path('box.db')}"):
        more = ("--mailbox", "u1") if store.startswith("sqlite") else ()
        struck, began = 0, time.monotonic()
        scheme = store.split(":")[0]
        fetch(t, s, f"{scheme}:{t.path('whole.' + scheme)}", "--keep", *more)
        whole = time.monotonic() - began
        for _ in range(12):
            process = subprocess.Popen(command(t, s, store, "--keep", *more),
                                       env={**os.environ, **PASSWORD},
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(rng.uniform(0.05, 0.3) * whole)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                struck += process.wait() == -signal.SIGKILL
        assert struck > 3, struck
        eventually(lambda: fetch(t, s, store, "--keep", *more, code=None).code == 0, "fetched")
    assert maildir(t.path("box")) == there
    assert sorted(fetch_all(t.server(name="box"))) == there


@test(seconds=20, sanitizer=False)
def memory_is_flat(t):
    """Forty messages of 10 MB: fetched, and what the program held is far below one of them."""
    s = t.server("--max-message-size", "20M")
    line = b"x" * 76 + b"\r\n"
    fill(s, 40, lambda n: b"X-Number: %d\r\n\r\n" % n + line * 134000, threads=4)
    # Through a small process: an executable inherits the peak of whoever starts it.
    watch = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = tools.run("python3", "-c", watch, *command(t, s, f"maildir:{t.path('box')}"),
                     env={**PASSWORD, "HOME": t.dir})
    assert int(done.out.split()[-1]) < 64 * 1024, done
    assert len(maildir(t.path("box"))) == 40 and fetch_all(s) == []


@test(seconds=6)
def what_mpop_and_fetchmail_fetch(t):
    """The same maildrop into a Maildir, kept, by mpop, fetchmail and us: the same messages. How fast
    each is, `./mill bench fetch` measures."""
    s = t.server()
    fill(s, 200)
    rc = t.write("mpoprc", "\n".join((
        "defaults", "tls off", "account a", "host 127.0.0.1", f"port {s.port('pop3')}", "user u1",
        "password secret", "auth user", "keep on", "received_header off",
        f"delivery maildir {t.path('mpop')}", f"uidls_file {t.path('mpop.ids')}", "")))
    fm = t.write("fmrc", f"""
        poll 127.0.0.1 protocol pop3 port {s.port('pop3')} auth password no dns
        username u1 password secret is root here mda "cat >> {t.path('fm.mbox')}"
        fetchall keep no rewrite sslproto ""
        """)
    for path in (rc, fm):
        os.chmod(path, 0o600)
    for part in ("new", "cur", "tmp"):
        os.makedirs(t.path("mpop", part))
    env = {**PASSWORD, "HOME": t.dir}
    tools.run(*command(t, s, f"maildir:{t.path('box')}", "--keep"), env=env)
    tools.run(tools.need("mpop"), "-C", rc, "-q", "a", env=env)
    tools.run(tools.need("fetchmail"), "-f", fm, "--pidfile", t.path("pid"), "--nosyslog", "-N",
              "--silent", env=env)
    ours = maildir(t.path("box"))
    assert len(ours) == 200
    assert sorted(m.replace(b"\r\n", b"\n") for m in ours) == maildir(t.path("mpop"))
    with open(t.path("fm.mbox"), "rb") as f:
        assert len(re.findall(rb"(?m)^Return-Path:", f.read())) == 200

