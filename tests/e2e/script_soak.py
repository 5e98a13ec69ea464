"""A thousand scripted sessions at once while handlers of some of them go wrong all the time.

    ./run script_soak                       half a minute
    ./run --minutes 10 script_soak          the whole length
"""
import asyncio
import json
import random
import time

from lib import faults, tools
from lib.runner import test
from lib.server import eventually

TEXT = b"Subject: x\r\n\r\n" + b"line\r\n" * 20
MAIL = TEXT + b".\r\n"
WORKERS = 8  # of each of the two servers


class Line:
    """One connection of an event loop."""

    def __init__(self, port, source=None):
        self.port, self.source = port, (source, 0) if source else None

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=self.source)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def reply(self):
        line = await self.reader.readline()
        while line[3:4] == b"-" and line[:3].isdigit():
            line = await self.reader.readline()
        return line

    async def ask(self, line, *starts):
        self.writer.write(line + b"\r\n")
        reply = await self.reply()
        assert not starts or reply.startswith(starts), (line, reply)
        return reply

    async def body(self):
        data = await self.reader.readuntil(b"\r\n.\r\n")
        return data[:-3]


async def good_pop3(port, figures):
    async with Line(port) as p:
        assert (await p.reply()).startswith(b"+OK")
        await p.ask(b"USER good", b"+OK")
        await p.ask(b"PASS secret", b"+OK")
        for _ in range(random.randint(1, 5)):
            stat = await p.ask(b"STAT", b"+OK")
            assert stat.split()[1:3] == [b"3", b"%d" % (3 * len(TEXT))], stat
            await p.ask(b"RETR 2", b"+OK")
            assert await p.body() == TEXT
            await p.ask(b"DELE 1", b"+OK")
            await p.ask(b"RSET", b"+OK")
            await asyncio.sleep(random.random())
            figures["commands"] += 4
        await p.ask(b"QUIT", b"+OK")


async def good_smtp(port, figures):
    async with Line(port) as p:
        assert (await p.reply()).startswith(b"220")
        await p.ask(b"EHLO client.example.org", b"250")
        for _ in range(random.randint(1, 5)):
            await p.ask(b"MAIL FROM:<a@example.org>", b"250")
            await p.ask(b"RCPT TO:<b@example.org>", b"250")
            await p.ask(b"DATA", b"354")
            await p.ask(MAIL[:-2], b"250")
            await asyncio.sleep(random.random())
            figures["commands"] += 4
        await p.ask(b"QUIT", b"221")


POP3_STEPS = (b"CAPA", b"USER x", b"PASS secret", b"STAT", b"LIST 1", b"UIDL 1", b"RETR 1",
              b"TOP 1 0", b"DELE 1", b"RSET", b"NOOP", b"XYZZY", b"QUIT")
SMTP_STEPS = (b"EHLO x", b"VRFY x", b"HELP", b"XYZZY", b"AUTH PLAIN AGEAc2VjcmV0",
              b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>", b"DATA", MAIL[:-2], b"RSET",
              b"NOOP", b"QUIT")


async def bad(port, listener, figures):
    hook = random.choice(faults.POP3 if listener == "pop3" else faults.SMTP)
    kind = random.choice([kind for kind in faults.KINDS if kind != faults.FATAL])
    try:
        await asyncio.wait_for(go_wrong(port, listener, hook, kind), 300)
    except TimeoutError:
        raise AssertionError(f"no answer for five minutes: {listener} {hook} {kind}") from None
    figures["faults"] += 1


async def go_wrong(port, listener, hook, kind):
    """Whatever is answered is right; sometimes the client goes while its handler still runs."""
    leaves = random.random() < 0.2
    async with Line(port, faults.address(hook, kind)) as p:
        try:
            await p.reply()
            for step in POP3_STEPS if listener == "pop3" else SMTP_STEPS:
                if leaves and random.random() < 0.3:
                    p.writer.write(step + b"\r\n")
                    break
                reply = await p.ask(step)
                if not reply:
                    break
                if reply.startswith(b"+OK") and step in (b"CAPA", b"RETR 1", b"TOP 1 0"):
                    await p.body()
        except (OSError, asyncio.IncompleteReadError):
            pass


async def again(until, pause, session, *arguments):
    while time.monotonic() < until:
        await session(*arguments)
        await asyncio.sleep(random.random() * pause)


async def watch(s, until, sizes, figures):
    while time.monotonic() < until:
        await asyncio.sleep(1)
        sizes.append(tools.rss(s.pid))
        print(f"{len(sizes)} s: {sizes[-1] // 1024} MB, {tools.descriptors(s.pid)} descriptors, "
              f"{figures['commands']} commands, {figures['faults']} faulty sessions", flush=True)


async def soak(s, seconds, sessions):
    until = time.monotonic() + seconds
    sizes, figures = [], {"commands": 0, "faults": 0}
    tasks = [again(until, 0.2, good_pop3, s.port("pop3"), figures) for _ in range(sessions // 2)]
    tasks += [again(until, 0.2, good_smtp, s.port("smtp"), figures)
              for _ in range(sessions - sessions // 2 - sessions // 10)]
    for n in range(sessions // 10):
        listener = ("pop3", "smtp")[n % 2]
        tasks.append(again(until, 20, bad, s.port(listener), listener, figures))
    await asyncio.gather(watch(s, until, sizes, figures), *tasks)
    return sizes, figures


@test(seconds=60)
def a_thousand_sessions(t):
    """Nobody but the faulty ones notices; memory and descriptors stay where they were."""
    seconds = t.minutes * 60 or 30
    sessions = 1000 if not t.sanitizer else 100
    s = faults.Program(t, json.dumps({
        "cpuBudget": 100 * t.patience, "handlerTimeout": 20000, "heapBudget": 48 << 20,
        "poolSize": WORKERS, "maxErrors": 1000, "maxConnectionsPerAddress": 0, "workers": 2}))
    t.watch(s)
    s.start()
    began = tools.descriptors(s.pid)
    sizes, figures = asyncio.run(soak(s, seconds, sessions))
    assert figures["faults"] > seconds and figures["commands"] > 10 * seconds, figures
    # What is kept shows when nothing else is: at the lowest. Workers hold what a fault left them
    # until they collect it, so the first third is no measure.
    third = len(sizes) // 3
    early, late = min(sizes[third:-third]), min(sizes[-third:])
    assert late < early * 1.25 + 64 * 1024 * t.growth, (early, late)
    # Each of the workers, which come as they are needed, has a loop with some of its own.
    eventually(lambda: tools.descriptors(s.pid) <= began + 2 * WORKERS * 8, "descriptors are given back")
    print(f"{figures['commands']} commands of {sessions} sessions, {figures['faults']} faulty ones;",
          f"{early // 1024} MB early, {late // 1024} MB late")
