"""The addon of bindings/node by itself: whose libraries it uses, how it ends, strings, environments."""
import json
import os
import poplib
import re
import select
import signal
import ssl
import subprocess

from lib import nodes, tools
from lib.runner import ROOT, Skip, test

PRELUDE = f"""
'use strict';
const BINDINGS = {os.path.join(ROOT, "bindings")!r};
const host = require(BINDINGS + '/node/host');
const {{ Server }} = require(BINDINGS + '/js/core/server');
const fs = require('fs');

const MESSAGE = 'Subject: one\\r\\n\\r\\n.dot\\r\\n';
const answers = {{
    AUTH: (event) => event.user(event.entry.authcid),
    MAILDROP: (event) => event.maildrop([MESSAGE.length], ['one']),
    RETR: (event) => event.bytes(Buffer.from(MESSAGE)),
}};
function serve(settings = {{}}, more = {{}}, hears = []) {{
    const server = new Server({{
        decides: Object.keys(answers), hears, deadline: 5000, gone() {{}},
        event(session, event) {{
            if (!event.answered)
                (more[event.name] ?? answers[event.name])(event);
        }},
        failed: (error) => console.error(error),
    }});
    for (const name of ['smtp', 'smtps', 'submission', 'lmtp', 'pop3s'])
        server.set(name, 'off');
    for (const [name, text] of Object.entries({{ store: 'none', pop3: '127.0.0.1:0', ...settings }}))
        server.set(name, text);
    server.start();
    return server;
}}
const portOf = (server, name = 'pop3') => Number(server.endpoint(name).split(':').pop());
"""


class Script:
    """A script in a node; lines of its standard output are read as they come."""

    def __init__(self, t, text, *arguments, command=None, environment=None):
        if command is None:
            command, environment = nodes.command(t)
        path = t.write("script.js", PRELUDE + text)
        self.t = t
        self.process = subprocess.Popen([*command, path, *arguments], env={**os.environ, **environment},
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        t.cleanup(self.kill)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def kill_with_nothing_said(self):
        self.process.kill()
        out, err = self.process.communicate()
        assert out == "", out
        nodes.check(err)

    def line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 30 * self.t.patience)
        line = self.process.stdout.readline() if ready else ""
        assert line, f"no line: {self.end(code=None) if ready else 'too late'}"
        return line.strip()

    def end(self, code=0):
        out, err = self.process.communicate(timeout=60 * self.t.patience)
        assert code is None or self.process.returncode == code, (self.process.returncode, out, err)
        nodes.check(err)
        return out if self.t.sanitizer else out + err


def every_node(t):
    """(command, environment) of each node that there is."""
    if t.sanitizer:
        yield nodes.command(t)
        return
    environment = {"LETTERMILL_ADDON": nodes.addon(t)}
    yield nodes.first(), environment
    try:
        yield nodes.debian(), environment
    except Skip as why:
        print(why)


def read_one(client):
    client.user("u1")
    client.pass_("secret")
    assert client.retr(1)[1] == [b"Subject: one", b"", b".dot"]
    client.quit()


@test(seconds=5)
def tls_in_each_node(t):
    """STLS and POP3S with Python's ssl, which checks the certificate: in the node at hand, which has
    an OpenSSL of its own, and in Debian's, which has the system's."""
    for command, environment in every_node(t):
        certificate, key = t.cert.pair("server")
        script = Script(t, """
        const [cert, key] = process.argv.slice(2);
        const server = serve({ pop3s: '127.0.0.1:0', cert, key });
        console.log(portOf(server), portOf(server, 'pop3s'));
        """, certificate, key, command=command, environment=environment)
        plain, secure = map(int, script.line().split())
        context = ssl.create_default_context(cafile=t.cert.ca)
        client = poplib.POP3("localhost", plain, timeout=30)
        client.stls(context)
        read_one(client)
        read_one(poplib.POP3_SSL("localhost", secure, context=context, timeout=30))
        script.kill()


@test
def libraries_of_the_system(t):
    """Symbols of OpenSSL and libuv that Node.js has, too, are those of the system's libraries: of
    Node.js itself, the addon and its libraries use Node-API alone."""
    if t.sanitizer:
        raise Skip("the sanitizer's own loader is another")
    if tools.run(*nodes.first(), "-p", nodes.SHARED).out.strip() == b"true":
        raise Skip("this Node.js has the system's libraries")
    os.mkdir(t.path("log"))
    path = t.write("load.js", PRELUDE + "host.native.constants();")
    tools.run(*nodes.first(), path, env={
        "LETTERMILL_ADDON": nodes.addon(t), "LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": t.path("log/x")})
    bindings = set()
    for name in os.listdir(t.path("log")):
        with open(t.path("log", name), encoding="utf-8", errors="replace") as log:
            bindings |= set(re.findall(r"binding file (\S+) \[0\] to (\S+) \[0\]: \S+ symbol `([^']+)",
                                       log.read()))
    program = {"node", os.path.realpath(nodes.first()[0]), nodes.first()[0]}
    common = re.compile(r".*/(libc|libstdc\+\+|libm|libgcc_s|ld-linux[^/]*)\.so[.0-9]*")
    ours = {(by, of, name) for by, of, name in bindings
            if by not in program and not common.fullmatch(by)}
    used = {name for _, of, name in ours if of in program}
    strange = {name for name in used if not name.startswith(("napi_", "node_api_"))}
    assert "napi_create_function" in used, used
    assert not strange, strange
    for library, symbol in (("libssl.so.3", "SSL_new"), ("libuv.so.1", "uv_run")):
        assert any(name == symbol and library in of and by.endswith("lettermill.node")
                   for by, of, name in ours), (library, symbol)


@test(seconds=3)
def process_exit(t):
    """process.exit() and an error that nobody caught, with servers that run and sessions in the
    middle of something: the exit code is what it should be, and nothing crashes."""
    for end, code in (("process.exit(7)", 7), ("setTimeout(() => { throw new Error('x'); })", 1),
                      ("process.exitCode = 9; server.drain(0); second.drain(0)", 9)):
        script = Script(t, f"""
        const server = serve({{ 'drain-timeout': '0' }}, {{ RETR() {{ {end}; }} }});
        const second = serve();
        console.log(portOf(server));
        """)
        client = poplib.POP3("127.0.0.1", int(script.line()), timeout=30)
        other = poplib.POP3("127.0.0.1", client.port, timeout=30)
        other.user("u2")
        client.user("u1")
        client.pass_("secret")
        client._putcmd("RETR 1")
        script.end(code)


@test(seconds=3)
def alive_while_servers_run(t):
    """A program with a server lives until it has ended, and then ends by itself; one that only loads
    the package ends at once."""
    Script(t, "host.onWake(() => {});").end()
    script = Script(t, """
    const server = serve();
    console.log(portOf(server));
    setTimeout(() => server.drain(1000).then(() => console.log('drained')), 100);
    """)
    script.line()
    assert script.end() == "drained\n"


@test(seconds=5)
def workers(t):
    """Several environments, each with servers of its own: some end, some are terminated with sessions
    open, in a process that goes on."""
    script = Script(t, """
    const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
    if (!isMainThread) {
        const server = serve();
        parentPort.postMessage(portOf(server));
        parentPort.once('message', () => server.drain(1000));
        return;
    }
    (async () => {
        const net = require('net');
        const mine = serve();
        for (let round = 0; round < 3; round++) {
            const workers = await Promise.all(Array.from({ length: 3 }, async () => {
                const worker = new Worker(__filename);
                const port = await new Promise((good) => worker.once('message', good));
                const socket = net.connect(port, '127.0.0.1').on('error', () => {});
                await new Promise((good) => socket.once('data', good));
                socket.write('USER luke\\r\\n');
                await new Promise((good) => socket.once('data', good));
                return { worker, socket };
            }));
            for (const [number, { worker, socket }] of workers.entries()) {
                const gone = new Promise((good) => worker.once('exit', good));
                if (number === 0) {
                    socket.end('PASS x\\r\\nQUIT\\r\\n');
                    worker.postMessage('end');
                } else {
                    worker.terminate();
                }
                await gone;
                socket.destroy();
            }
        }
        const socket = net.connect(portOf(mine), '127.0.0.1');
        await new Promise((good) => socket.once('data', good));
        socket.destroy();
        await mine.drain(0);
        console.log('good');
    })();
    """)
    assert script.end() == "good\n"


@test
def strings(t):
    """Octets to text to octets is the identity, whatever they are; text that is no octets becomes
    what docs/octets.md says."""
    script = Script(t, """
    const { octets, text } = host;
    const same = (bytes) => {
        if (!octets(text(bytes)).equals(bytes))
            throw new Error('not the same: ' + bytes.toString('hex'));
    };
    for (let first = 0; first < 256; first++)
        for (let second = 0; second < 256; second++)
            same(Buffer.from([first, second, 0x80]));
    let seed = 1;
    const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
    const pieces = [[0xF0, 0x9F, 0x98, 0x80], [0xE2, 0x82, 0xAC], [0xC3, 0xA4], [0xED, 0xA0, 0x80],
        [0xF4, 0x90, 0x80, 0x80], [0xC0, 0x80], [0xFF], [0x00], [0x41], [0x80], [0xE2, 0x82], [0xDC]];
    for (let round = 0; round < 3000; round++)
        same(Buffer.from(Array.from({ length: random(40) }, () => pieces[random(pieces.length)]).flat()));
    for (const length of [0, 1, 7, 8, 1023, 1024, 1025, 5000, 3000000]) {
        same(Buffer.alloc(length, 'abcdefghi'));
        same(Buffer.alloc(length, Buffer.from('abcdefgh\\xE9', 'latin1')));
        same(Buffer.concat([Buffer.alloc(length, 0x61), Buffer.from('\\u20ac')]));
    }
    const check = (is, should) => {
        if (is !== should)
            throw new Error(`${JSON.stringify(is)}, not ${JSON.stringify(should)}`);
    };
    check(text(Buffer.from([0x61, 0xFF, 0xC3, 0xA4])), 'a\\udcff\\u00e4');
    check(octets('\\ud800').toString('hex'), 'efbfbd');
    check(octets('\\udc7f\\udd00').toString('hex'), 'efbfbdefbfbd');
    check(octets('\\udc80').toString('hex'), '80');
    check(octets(new Uint8Array([1, 2, 3]).subarray(1)).toString('hex'), '0203');
    for (const wrong of [undefined, null, 7, {}, []])
        try {
            text(wrong);
            throw new Error('passed');
        } catch (error) {
            check(error instanceof TypeError, true);
        }
    console.log('good');
    """)
    assert script.end() == "good\n"


@test
def errors_that_nobody_catches(t):
    """What the pump throws is the process's uncaughtException, and the addon goes on."""
    script = Script(t, """
    const server = serve({}, {}, ['CONNECT']);
    let times = 0;
    host.onWake(() => {
        while (host.native.take());
        throw new Error('of the pump');
    });
    process.on('uncaughtException', (error) => {
        console.log(error.message);
        if (++times === 2)
            process.exit(0);
    });
    console.log(portOf(server));
    """)
    port = int(script.line())
    first = poplib.POP3("127.0.0.1", port, timeout=30)
    assert script.line() == "of the pump"
    poplib.POP3("127.0.0.1", port, timeout=30).close()
    assert script.end() == "of the pump\n"
    first.close()


@test
def wrong_arguments(t):
    """Every native refuses what it does not know, with an error that has a code."""
    script = Script(t, """
    const { native } = host;
    const values = [undefined, null, true, -1, 0, 1.5, 1e300, NaN, '', 'x'.repeat(70000), '\\udc80', {},
        [], [[]], Buffer.alloc(3), () => {}, Symbol('s'), 10n, new Proxy({}, {}), new Date()];
    const passed = new Set(['constants', 'take', 'serverNew']);
    for (const [name, fn] of Object.entries(native)) {
        for (const value of values)
            for (const count of [0, 1, 2, 3, 7, 12])
                try {
                    fn(...Array(count).fill(value));
                } catch (error) {
                    if (!(error instanceof Error) || error.message === '')
                        throw new Error(`${name}: ${error}`);
                    passed.add(name);
                }
    }
    console.log(Object.keys(native).length, passed.size);
    process.exit(0);
    """)
    count, refused = map(int, script.end().split())
    assert count > 30 and refused > 20, (count, refused)


@test
def addon_that_is_missing(t):
    """LETTERMILL_ADDON that leads nowhere, to nothing that can be loaded, and none at all."""
    for named, words in (("/nowhere/x.node", "/nowhere/x.node"), (__file__, "invalid ELF header"),
                         ("", "npm rebuild lettermill")):
        done = tools.run(*nodes.first(), "-e", "require(process.argv[1])", f"{ROOT}/bindings/node",
                         env={"LETTERMILL_ADDON": named}, code=1)
        assert words in done.err.decode(), done


@test
def messages_stay_in_place(t):
    """Octets that are being sent can neither be given away to a worker nor shrunk under the feet of
    the threads that read them."""
    script = Script(t, """
    const size = 3000000;
    const fill = (bytes) => bytes.fill(0x61).fill(0x0a, -1).fill(0x0d, -2, -1);
    const whole = fill(new Uint8Array(size));
    const made = [() => whole];
    if (ArrayBuffer.prototype.resize)
        made.push(() => fill(new Uint8Array(new ArrayBuffer(size, { maxByteLength: 2 * size }))));
    const server = serve({}, {
        MAILDROP: (event) => event.maildrop([size, size], ['a', 'b']),
        RETR(event) {
            const bytes = made[(event.entry.number - 1) % made.length]();
            event.bytes(bytes);
            try {
                structuredClone(bytes, { transfer: [bytes.buffer] });
            } catch (error) {
                if (error.name !== 'DataCloneError')
                    throw error;
            }
            bytes.buffer.resizable && bytes.buffer.byteLength && bytes.buffer.resize(0);
            if (bytes === whole && whole.length !== size)
                console.log('given away');
        },
    });
    console.log(portOf(server));
    """)
    client = poplib.POP3("127.0.0.1", int(script.line()), timeout=30)
    poplib._MAXLINE, most = 4_000_000, poplib._MAXLINE
    t.cleanup(lambda: setattr(poplib, "_MAXLINE", most))
    client.user("u1")
    client.pass_("secret")
    for number in (1, 2):
        assert client.retr(number)[1] == [b"a" * 2_999_998]
    client.quit()
    script.kill_with_nothing_said()


REPORT = """
=================================================================
==1==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 9 byte(s) in 1 object(s) allocated from:
    #0 0x1 in __interceptor_malloc ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:69
    #1 0x2 in CRYPTO_malloc (/lib/x86_64-linux-gnu/libcrypto.so.3+0x1)
    #2 0x3 in %s
    #3 0x4 in napi_call_function (/usr/lib/x86_64-linux-gnu/libnode.so.108+0x1)

SUMMARY: AddressSanitizer: 9 byte(s) leaked in 1 allocation(s).
"""


@test
def leaks_told_apart(t):
    """Of what is lost at the end, Node.js's own is passed over and ours is not."""
    del t
    nodes.check(REPORT % "v8::internal::New (/usr/lib/x86_64-linux-gnu/libnode.so.108+0x7)")
    for ours in ("lm_alloc ../../src/base/mem.c:9", "run_native ../../bindings/node/napi.c:9",
                 "x (/tmp/build/bindings/node/lettermill.node+0x8)"):
        try:
            nodes.check(REPORT % ours)
        except AssertionError as found:
            assert "9 byte(s)" in str(found)
        else:
            raise AssertionError(f"passed over: {ours}")


CROWD = """
'use strict';
// COUNT sessions, 100 at a time: node crowd.js PORT COUNT '[[what the server has said, answer] …]'
const net = require('net');
const [port, count, json] = process.argv.slice(2);
const steps = JSON.parse(json);
let begun = 0, good = 0;
function one() {
    if (begun++ >= Number(count))
        return;
    let text = '', step = 0;
    const socket = net.connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
    socket.on('error', () => {}).on('data', (data) => {
        text += data;
        if (steps[step] && text.includes(steps[step][0]))
            socket.write(steps[step++][1]);
    });
    socket.on('close', () => {
        good += /signing off|221/.test(text) ? 1 : 0;
        one();
    });
}
for (let i = 0; i < 100; i++)
    one();
process.on('exit', () => console.log(good));
"""


def crowd(t, port, count, steps):
    path = t.write("crowd.js", CROWD)
    done = tools.run(*nodes.first(), path, port, count, json.dumps(steps), timeout=300)
    assert int(done.out) == count, done


@test(seconds=60, sanitizer=False)
def memory_over_100_000_sessions(t):
    """A process with a PopServer and an SmtpServer does not grow: 100,000 sessions with logins,
    messages both ways and callbacks that wait, measured behind the first 20,000."""
    script = Script(t, """
    const { PopServer, PopUser, PopMessage, SmtpServer } = require(BINDINGS + '/node');
    const later = () => new Promise((good) => setImmediate(good));
    const pop = new PopServer({
        get_user: async (name) => (await later(), new PopUser(name, 'x', null, { name })),
        compare_password: (raw, hash) => raw === hash,
        is_in_use: async () => (await later(), false),
        receive_messages: () => [new PopMessage('a', 5000, Buffer.alloc(5000, 'abc\\r\\n')),
            new PopMessage('b', 9, 'a: b\\r\\n\\r\\n\\r')],
        delete_messages: async () => later(),
    }, '127.0.0.1', { plain: 0 });
    let octets = 0;
    const smtp = new SmtpServer({
        authOptional: true, disableReverseLookup: true,
        onRcptTo: async (address) => { await later(); },
        onData(stream, session, done) {
            stream.on('data', (data) => octets += data.length).on('end', () => done());
        },
    });
    smtp.listen(0, '127.0.0.1', async () => {
        await pop.run();
        console.log(pop.address().port, smtp.server.address().port);
    });
    process.on('SIGUSR2', () => {
        for (let i = 0; i < 5; i++)
            gc();
        setTimeout(() => console.log(Math.round(process.memoryUsage().rss / 1024),
            smtp.connections.size, pop.stats().sessionsOpen), 500);
    });
    """, command=[*nodes.first(), "--expose-gc"], environment={"LETTERMILL_ADDON": nodes.addon(t)})
    pop, smtp = script.line().split()
    fetch = [("+OK", "USER luke\r\nPASS x\r\nSTAT\r\nRETR 1\r\nDELE 2\r\nQUIT\r\n")]
    send = [("220 ", "EHLO me\r\n"),
            ("250 ", "MAIL FROM:<a@b.org>\r\nRCPT TO:<c@b.org>\r\nDATA\r\n"),
            ("354 ", "a: b\r\n\r\n" + "x\r\n" * 800 + ".\r\nQUIT\r\n")]
    sizes = []
    for count in (10_000, 40_000):
        crowd(t, pop, count, fetch)
        crowd(t, smtp, count, send)
        script.process.send_signal(signal.SIGUSR2)
        size, *open_sessions = map(int, script.line().split())
        assert open_sessions == [0, 0], open_sessions
        sizes.append(size)
    assert sizes[1] - sizes[0] < 10_000, f"{sizes[0]} kB, then {sizes[1]} kB"
