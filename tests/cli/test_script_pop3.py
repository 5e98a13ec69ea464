"""infinity.pop3.client against our server, and against those that are broken, silent or worse."""
from harness import main
from pop3_peer import Hangup, Peer
from script_rig import LETTER, POP3, deliver, run_script, serve, values
from talker import Talker


def test_pop3_against_the_server(folder):
    eight = LETTER + b"\xff\xfe \xc3\xa4 \xed\xa0\x80\r\n" + bytes(range(0x80, 0x100)) + b"\r\n"
    with serve(folder) as server:
        deliver(server, LETTER, eight, LETTER + b"x" * 3000000 + b"\r\n")
        run_script(folder, POP3 + """
const c = open();
is(c.connect(), undefined);
is([c.connected, c.tls, c.lastReply.ok], [true, null, true]);
if (!c.capabilities.includes('UIDL') || !c.greeting.includes('ready')) throw new Error(c.greeting);
is([c.count(), c.list().length, c.uidl().length], [3, 3, 3]);
is(c.size(), c.list().reduce((sum, item) => sum + item.size, 0));
is(c.list(2), [{ msgNum: 2, size: c.size(2) }]);
is(c.uidl(2), [c.uidl()[1]]);
is(Object.keys(c.uidl(1)[0]), ['msgNum', 'id']);
for (const { msgNum, size } of c.list()) {
	const bytes = c.retrieveBytes(msgNum), text = c.retrieve(msgNum);
	is([msgNum, bytes.length], [msgNum, size]);
	const file = `m${msgNum}.eml`;
	is(c.retrieve(msgNum, file), text);
	is(c.retrieveBytes(msgNum, `b${msgNum}.eml`).length, size);
	is(await c.retrieveAsync(msgNum), text);
	is((await c.retrieveBytesAsync(msgNum)).length, size);
}
is(c.top(1).endsWith('\\r\\n\\r\\n'), true);
is(c.top(1, 1).endsWith('\\r\\n\\r\\nHello.\\r\\n'), true);
is(c.top(1, 2, 'top2.eml'), c.top(1, 2));
is(c.top(1, undefined, 'top0.eml'), c.top(1));
is(c.top(1, 'top.eml'), c.top(1, 0));
is(await c.topAsync(1, 2), c.top(1, 2));
for (const bad of [0, -1, 1.5, 2 ** 31]) {
	throws(() => c.retrieve(bad), 'RangeError: infinity.pop3.client.retrieve: msgNum');
	throws(() => c.delete(bad), 'RangeError: infinity.pop3.client.delete: msgNum');
	throws(() => c.list(bad), 'RangeError: infinity.pop3.client.list: msgNum');
	await rejects(c.topAsync(bad), 'RangeError: infinity.pop3.client.top: msgNum');
}
for (const bad of ['1', null, {}, true, [1]])
	for (const name of ['retrieve', 'delete', 'list', 'uidl', 'size', 'top', 'retrieveBytes']) {
		throws(() => c[name](bad), `TypeError: infinity.pop3.client.${name}: msgNum`);
		await rejects(c[`${name}Async`](bad), `TypeError: infinity.pop3.client.${name}: msgNum`);
	}
throws(() => c.retrieve(), 'TypeError: infinity.pop3.client.retrieve: msgNum');
throws(() => c.delete(), 'TypeError: infinity.pop3.client.delete: msgNum');
throws(() => c.retrieve(1, 5), 'TypeError: infinity.pop3.client.retrieve: fileName');
throws(() => c.retrieve(1, ''), 'RangeError: infinity.pop3.client.retrieve: fileName');
throws(() => c.retrieve(1, 'a\\0b'), 'RangeError: infinity.pop3.client.retrieve: fileName');
throws(() => c.top(1, 'a', 'b'), 'TypeError: infinity.pop3.client.top: maxLines');
throws(() => c.top(1, -1), 'RangeError: infinity.pop3.client.top: maxLines');
const refused = throws(() => c.retrieve(99), 'Error: the server refused "RETR 99"', 'DENIED');
is([refused.command, refused.reply.ok, refused.reply.code], ['RETR 99', false, null]);
is(c.lastReply.text, refused.reply.text);
throws(() => c.size(99), 'Error: the server refused', 'DENIED');
throws(() => c.uidl(99), 'Error: the server refused', 'DENIED');
throws(() => c.retrieve(1, 'none/x.eml'), 'Error: ', 'NOT_FOUND');
throws(() => c.retrieve(1, '.'), 'Error: ');
throws(() => c.retrieve(99, 'm99.eml'), 'Error: the server refused', 'DENIED');
is(c.retrieve(1, '/dev/null').length, c.size(1));
is([c.delete(99), c.delete(2), c.delete(2), c.count()], [false, true, false, 2]);
is([c.reset(), c.count(), c.noop()], [undefined, 3, undefined]);
is([await c.deleteAsync(1), await c.deleteAsync(99)], [true, false]);
const seen = [];
for (const m of c.messages()) seen.push([m.msgNum, m.size, m.id, m.top().length]);
const again = [];
for await (const m of c.messages()) again.push([m.msgNum, m.size, m.id, (await m.topAsync()).length]);
is(again, seen);
is(seen.map((one) => one[0]), [2, 3]);
throws(() => c.connect(), 'Error: infinity.pop3.client.connect: connected already', 'MISUSE');
await rejects(c.connectAsync(), 'Error: infinity.pop3.client.connect: connected already', 'MISUSE');
is([c.disconnect(), c.connected, c.disconnect()], [undefined, false, undefined]);
throws(() => c.list(), 'Error: infinity.pop3.client.list: not connected', 'CLOSED');
c.connect();
is([c.count(), c.delete(1)], [2, true]);
c.free();
const d = open();
await d.connectAsync();
is(d.count(), 2);
await d.disconnectAsync();
""", values(server))
        for number, octets in ((1, LETTER), (2, eight)):
            for name in (f"m{number}.eml", f"b{number}.eml"):
                written = (folder / name).read_bytes()
                assert written.endswith(octets) and b"Received:" in written, name
        assert (folder / "top.eml").read_bytes() == (folder / "top0.eml").read_bytes()
        assert not (folder / "m99.eml").exists()
        assert not list(folder.glob("*.part"))


def test_both_faces_of_one_connection(folder):
    with serve(folder) as server:
        deliver(server, *[LETTER] * 3)
        run_script(folder, POP3 + """
const c = open();
const opening = c.connectAsync();
throws(() => c.connect(), 'Error: infinity.pop3.client.connect: connected already');
throws(() => c.count(), 'Error: infinity.pop3.client.count: not connected');
await opening;
// More than the client holds at once, and calls that block in between.
const many = Array.from({ length: 700 }, (_, i) => c.topAsync(1 + i % 3, 1));
is(c.count(), 3);
const list = c.listAsync();
is(c.uidl().length, 3);
is((await list).length, 3);
const tops = await Promise.all(many);
is([tops.length, new Set(tops.map((top) => top.length)).size], [700, 1]);
// Its order is that of the calls.
const order = [];
await Promise.all(['count', 'list', 'noop', 'uidl'].map((name) => c[`${name}Async`]().then(() => order.push(name))));
is(order, ['count', 'list', 'noop', 'uidl']);
// A continuation may block.
await c.noopAsync().then(() => is(c.count(), 3));
c.free();
const clients = Array.from({ length: 30 }, () => open({ username: 'berta', password: 'x' }));
const outcomes = await Promise.allSettled(clients.map((one) => one.connectAsync()));
is(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
is(outcomes.filter((one) => one.reason?.code === 'IN_USE').length, 29);
is(outcomes.find((one) => one.reason).reason.reply.pop3Code, 'IN-USE');
// One that nobody waits for any more keeps nothing alive.
open({ username: 'anna' }).connect();
""", values(server))


def hang_up(*_):
    raise Hangup


def test_broken_connections(folder):
    with Peer([LETTER] * 3, answers={"RETR 2": hang_up, "DELE 3": hang_up, "STAT": "what?\r\n",
                                     "DELE 2": "-ERR [SYS/TEMP] not now\r\n"}) as peer:
        run_script(folder, POP3 + """
const c = open({ timeout: 2000 });
c.connect();
is(c.retrieve(1).includes('Subject: one'), true);
throws(() => c.retrieve(2, 'two.eml'), 'Error: ', 'CLOSED');
is(c.connected, false);
const error = throws(() => c.list(), 'Error: infinity.pop3.client.list: the connection has ended', 'CLOSED');
is(c.disconnect(), undefined);
c.connect();
is(c.delete(2), false);
is([c.lastReply.pop3Code, c.delete(1)], ['SYS/TEMP', true]);
throws(() => c.delete(3), 'Error: ', 'CLOSED');
// What was marked is not deleted, and that is said once.
throws(() => c.disconnect(), 'Error: infinity.pop3.client.disconnect: the connection ended before QUIT', 'CLOSED');
is(c.disconnect(), undefined);
c.connect();
throws(() => c.count(), 'Error: the server broke the protocol', 'PROTO');
c.free();
const d = open();
await d.connectAsync();
const all = [d.retrieveAsync(1), d.retrieveAsync(2), d.retrieveAsync(3), d.listAsync()];
is((await Promise.allSettled(all)).map((one) => one.reason?.code ?? 'good'),
	['good', 'CLOSED', 'CLOSED', 'CLOSED']);
""", {"ports": {"pop3": peer.port}})
    assert not (folder / "two.eml").exists() and not list(folder.glob("*.part"))


def test_cut_in_the_middle_of_a_message(folder):
    sent = b"+OK 1000000 octets\r\n" + b"Subject: half\r\n\r\n" + b"x" * 70 * 1000

    def talk(lines, say):
        say("+OK hello")
        for line in lines:
            verb = line.split(" ")[0]
            if verb == "RETR":
                say(sent.decode())
                return
            say(*{"CAPA": ("+OK", "USER", "."), "LIST": ("+OK", "1 1000000", ".")}.get(verb, ("+OK",)))
    (folder / "kept.eml").write_text("what was there")
    with Talker(talk) as peer:
        run_script(folder, POP3 + """
for (const call of [(c) => c.retrieve(1, 'kept.eml'), (c) => c.retrieve(1, 'new.eml'), (c) => c.retrieveBytes(1)]) {
	const c = open();
	c.connect();
	c.list();
	throws(() => call(c), 'Error: ', 'CLOSED');
	c.free();
}
const c = open();
c.connect();
await rejects(c.retrieveAsync(1, 'kept.eml'), 'Error: ', 'CLOSED');
""", {"ports": {"pop3": peer.port}})
    assert (folder / "kept.eml").read_text() == "what was there"
    assert not (folder / "new.eml").exists() and not list(folder.glob("*.part"))


def test_servers_that_say_nothing(folder):
    def talk(lines, say):
        for _ in lines:
            pass
    with Talker(talk) as peer:
        run_script(folder, POP3 + """
const c = open({ timeout: 150 });
let begun = Date.now();
throws(() => c.connect(), 'Error: ', 'TIMEOUT');
if (Date.now() - begun > 5000) throw new Error('late');
await rejects(c.connectAsync(), 'Error: ', 'TIMEOUT');
// The others go on meanwhile.
const slow = open({ timeout: 100000 }), opening = slow.connectAsync();
await rejects(c.connectAsync(), 'Error: ', 'TIMEOUT');
slow.free();
await rejects(opening, 'Error: the client was freed', 'CANCELED');
const left = open({ timeout: 100000 }), going = left.connectAsync();
left.disconnect();
await rejects(going, 'Error: disconnect() was called', 'CANCELED');
throws(() => open({ port: 1 }).connect(), 'Error: connect to localhost port 1', 'CONNECT');
throws(() => open({ host: 'no.such.host.invalid' }).connect(), 'Error: ', undefined);
""", {"ports": {"pop3": peer.port}})


def test_free_with_calls_under_way(folder):
    def talk(lines, say):
        say("+OK hello")
        for line in lines:
            if not line.startswith(("RETR", "LIST")):
                say(*("+OK", "USER", ".") if line == "CAPA" else ("+OK",))
    with Talker(talk) as peer:
        run_script(folder, POP3 + """
for (const end of ['free', 'disconnect']) {
	const c = open();
	await c.connectAsync();
	const calls = [c.retrieveAsync(1, 'lost.eml'), c.listAsync()];
	for (let i = 0; i < 500; i++) calls.push(c.noopAsync());
	if (end === 'disconnect') calls.push(c.disconnectAsync());
	c.free();
	const outcomes = await Promise.allSettled(calls);
	for (const one of outcomes.slice(0, 502))
		wrong(one.reason, 'Error: the client was freed', 'CANCELED');
}
const c = open({ timeout: 200 });
c.connect();
throws(() => c.list(), 'Error: ', 'TIMEOUT');
is(c.connected, false);
""", {"ports": {"pop3": peer.port}})
    assert not (folder / "lost.eml").exists() and not list(folder.glob("*.part"))


def test_refusals_of_every_kind(folder):
    answers = {"STAT": "-ERR no\r\n", "LIST": "-ERR no\r\n", "LIST 1": "-ERR no\r\n", "UIDL": "-ERR no\r\n",
               "RETR": "-ERR no\r\n", "TOP": "-ERR no\r\n", "DELE": "-ERR no\r\n", "NOOP": "-ERR no\r\n",
               "RSET": "-ERR no\r\n", "QUIT": "-ERR some messages were not deleted\r\n"}
    with Peer([LETTER], answers=answers) as peer:
        run_script(folder, POP3 + """
const c = open();
c.connect();
const calls = { count: [], size: [], list: [], uidl: [], retrieve: [1], retrieveBytes: [1],
	top: [1], noop: [], reset: [] };
for (const [name, args] of Object.entries(calls)) {
	const code = name === 'uidl' ? 'UNSUPPORTED' : 'DENIED';
	const error = throws(() => c[name](...args), 'Error: the server refused', code);
	is([error.reply.text, error.reply.ok], ['no', false]);
	await rejects(c[`${name}Async`](...args), 'Error: the server refused', code);
}
throws(() => c.size(1), 'Error: the server refused', 'DENIED');
is([c.delete(1), await c.deleteAsync(1)], [false, false]);
is(c.connected, true);
throws(() => c.disconnect(), 'Error: the server refused "QUIT"', 'DENIED');
is([c.connected, c.disconnect()], [false, undefined]);
await c.connectAsync();
await rejects(c.disconnectAsync(), 'Error: the server refused "QUIT"', 'DENIED');
is(c.connected, false);
""", {"ports": {"pop3": peer.port}})
    with Peer([LETTER], ids=None) as peer:
        run_script(folder, POP3 + """
const c = open();
c.connect();
for (const m of c.messages()) is([m.msgNum, m.id], [1, undefined]);
for await (const m of c.messages()) is([m.msgNum, m.id], [1, undefined]);
""", {"ports": {"pop3": peer.port}})


def test_limits_on_messages(folder):
    with Peer([LETTER + b"x" * 100000 + b"\r\n", LETTER]) as peer:
        run_script(folder, POP3 + """
const c = open({ maxMessage: 70000 });
c.connect();
throws(() => c.retrieve(1, 'large.eml'), 'Error: ', 'LIMIT');
is(c.retrieve(2).includes('Hello'), true);
""", {"ports": {"pop3": peer.port}})
    assert not (folder / "large.eml").exists()


main()
