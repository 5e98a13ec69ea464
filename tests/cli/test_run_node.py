#!/usr/bin/env python3
"""`lettermill run`: programs that were written for Node.js, and servers of callbacks."""
import poplib
import signal
import socket
import subprocess

from harness import PATIENCE, await_true, main
from test_run import Program, execute, lines, script

# The example of the first such library's documentation, but for the port; it prints the one it has.
POP = """
const { PopServer, PopMessage, PopUser, get_language, LanguageName } = require('lettermill/pop3');
const server = new PopServer({
    get_user: async (user, connection) => user === 'luke' ? new PopUser('luke', 'hello') : null,
    compare_password: async (raw, hash) => raw === hash,
    is_in_use: async (user) => false,
    receive_messages: async (user) => [new PopMessage(1, 12, 'Hello\\r\\nworld')],
    delete_messages: async (connection, messages) => {},
    default_language: get_language(LanguageName.English),
}, '127.0.0.1', 0, null);
await server.run();
console.writeLn(`${server.address().port}`);
"""


def pop3(port):
    return poplib.POP3("127.0.0.1", int(port), timeout=PATIENCE)


def log_in(port):
    client = pop3(port)
    client.user("luke")
    client.pass_("hello")
    return client


def test_a_server_of_callbacks(folder):
    with Program(folder, POP) as program:
        client = log_in(program.ready)
        assert client.stat()[0] == 1
        assert client.retr(1)[1] == [b"Hello", b"world"]
        client.dele(1)
        client.quit()
        program.send()
        assert program.end() == 0, program.said()
        assert not program.said()


def is_shut(port):
    try:
        socket.create_connection(("127.0.0.1", int(port)), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


# A message that is there when the program is to end; HANGING: never.
LATE = POP.replace("new PopMessage(1, 12, 'Hello\\r\\nworld')",
                   "Object.assign(new PopMessage(1, 12), { load_contents: () => late() })") + """
async function late() {
    console.writeLn('asked');
    while (!infinity.terminated || HANGING)
        await new Promise((good) => setImmediate(good));
    return 'Hello\\r\\nworld';
}
"""


def retrieving(program):
    """A connection whose message is being asked for."""
    client = log_in(program.ready)
    client.sock.sendall(b"RETR 1\r\n")
    assert program.line() == "asked"
    return client


def test_a_signal_drains(folder):
    """What was begun is done, nobody new is let in; the program ends behind the last."""
    with Program(folder, "const HANGING = false;" + LATE) as program:
        client = retrieving(program)
        program.send(signal.SIGTERM)
        await_true(lambda: is_shut(program.ready), program.said)
        assert client._getlongresp()[1] == [b"Hello", b"world"]
        client.close()
        assert program.end() == 0, program.said()
        assert not program.said()


def test_a_second_signal_does_not_wait(folder):
    with Program(folder, "const HANGING = true;" + LATE) as program:
        client = retrieving(program)
        program.send()
        await_true(lambda: is_shut(program.ready), program.said)
        program.send()
        assert program.end() == 128 + signal.SIGINT
        client.close()


def test_it_lives_while_a_server_runs(folder):
    done = execute(folder, POP + "setTimeout(() => server.close(), 20)")
    assert done.stdout.strip().isdigit() and not done.stderr


def test_errors_tell_where_in_the_library(folder):
    execute(folder, "const { PopServer } = require('lettermill');\n"
                    "new PopServer({ get_user: 5 }, '127.0.0.1', 0, null)", code=1,
            words=("TypeError", "get_user", "main.js:2:"))
    done = execute(folder, """
        try {
            new (require('events'))().on('x', 5);
        } catch (error) {
            console.writeLn(error.stack);
        }""")
    assert "lettermill:node/events.js:" in done.stdout and "main.js:3:" in done.stdout, done.stdout
    execute(folder, "require('lettermill/none')", code=1, words=("cannot find", "lettermill/none"))


def test_not_in_handlers(folder):
    """What answers events of a server has no servers of its own."""
    script(folder, "const lettermill = require('lettermill');", "login.js")
    with Program(folder, """
            infinity.loadModule('infinity.pop3');
            const server = new infinity.pop3.server({ host: '127.0.0.1', port: 0,
                onLogin: 'login.js', allowPlaintextLogin: true });
            server.start();
            console.writeLn(String(server.port));
            """) as program:
        client = pop3(program.ready)
        try:
            client.user("luke")
            client.pass_("hello")
            raise AssertionError("logged in")
        except poplib.error_proto as error:
            assert b"[SYS/TEMP]" in error.args[0], error
        client.close()
        program.send()
        assert program.end() == 0
        assert "is for the main script only" in program.said(), program.said()


# What mail programs are made of, in one.
NODE = """
const EventEmitter = require('node:events');
const { Transform, pipeline } = require('stream');
const { promisify, inherits } = require('util');
const fs = require('fs'), path = require('path'), os = require('os'), crypto = require('crypto');
const assert = require('assert');

function Mailbox() {
    EventEmitter.call(this);
}
inherits(Mailbox, EventEmitter);
const box = new Mailbox();
box.once('mail', (text) => process.nextTick(() => console.log('mail', text.length)));
assert.ok(box.emit('mail', Buffer.from('aGVsbG8=', 'base64').toString()));

const name = path.join(__dirname, 'out.eml');
const upper = new Transform({ transform(part, encoding, done) {
    done(null, part.toString().toUpperCase());
} });
await promisify(pipeline)(fs.createReadStream(__filename), upper, fs.createWriteStream(name));
console.log(fs.readFileSync(name, 'utf8').includes('CREATEREADSTREAM'), os.EOL.length);
console.log(crypto.createHash('sha256').update('x').digest('hex').slice(0, 8));
console.log(process.argv.slice(2), process.env.LM_WORD);
process.exit(3);
"""


def test_programs_of_node(folder):
    done = execute(folder, NODE, "a", "b", code=3, LM_WORD="said")
    assert lines(done) == ["mail 5", "true 1", "2d711642", '["a","b"] said'], done.stdout


def test_node_says_the_same(folder):
    """Where there is one: the same program, the same words."""
    try:
        subprocess.run(["node", "--version"], check=True, capture_output=True)
    except FileNotFoundError:
        return
    path = script(folder, f"(async () => {{{NODE}}})()", "same.js")
    done = subprocess.run(["node", path, "a", "b"], capture_output=True, text=True, check=False,
                          timeout=PATIENCE)
    assert done.returncode == 3, done.stderr
    assert done.stdout.split("\n")[:3] == ["mail 5", "true 1", "2d711642"], done.stdout


def test_nothing_is_loaded_before_it_is_asked_for(folder):
    done = execute(folder, """
        console.log(typeof Object.getOwnPropertyDescriptor(globalThis, 'Buffer').get,
            Object.keys(require.cache).length);
        Buffer.from('');
        console.log(Object.getOwnPropertyDescriptor(globalThis, 'Buffer').get);
        """)
    assert lines(done) == ["function 1", "undefined"]


if __name__ == "__main__":
    main()
