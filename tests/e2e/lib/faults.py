"""A program whose handlers go wrong for some sessions: which handler and how is said by the address
the client comes from, 127.1.HANDLER.FAULT; everybody else is served as should be."""
import json
import os

from . import server

KINDS = ("throw", "reject", "loop", "chain", "never", "bomb", "deep", "type", "getter", "twice")
# Those that cost time, whose sessions wait for a limit.
SLOW = ("loop", "never", "bomb")
# What no limit ends: it costs a worker each time, and only so many may be lost.
FATAL = "chain"

POP3 = ("onConnect", "onTls", "onAuth", "onLogin", "onAuthDone", "onMaildrop", "onStat", "onList",
        "onUidl", "onRetrieve", "onTop", "onDelete", "onReset", "onNoop", "onCapa", "onLang",
        "onUtf8", "onQuit", "onCommand", "onDisconnect")
SMTP = ("onConnect", "onTls", "onHelo", "onAuth", "onLogin", "onAuthDone", "onMailFrom", "onRcptTo",
        "onData", "onReceive", "onReset", "onAbort", "onNoop", "onVrfy", "onExpn", "onHelp",
        "onQuit", "onCommand", "onDisconnect")
HOOKS = tuple(dict.fromkeys(POP3 + SMTP))

# What each handler does when nothing is wrong; members a wrong type is put into.
GOOD = {
    "pop3": {
        "onAuth": ("", "authenticated"),
        "onLogin": ("session.authenticated = session.password === 'secret';", "authenticated"),
        "onMaildrop": ("session.items = ITEMS();", None),
        "onRetrieve": ("session.item.msg = TEXT;", None),
        "onTop": ("session.item.msg = TEXT;", None),
        "onDelete": ("session.item.deleted = true;", None),
        "onCommand": ("session.reply({ ok: true, text: 'strange' });", "accept"),
    },
    "smtp": {
        "onAuth": ("", "authenticated"),
        "onLogin": ("session.authenticated = session.password === 'secret';", "authenticated"),
        "onMailFrom": ("session.accept = true;", "accept"),
        "onRcptTo": ("session.accept = true;", "accept"),
        "onReceive": ("session.received = session.msg.includes('Subject');", "received"),
        "onCommand": ("session.reply(250, '2.0.0', 'strange');", "accept"),
    },
}
WRONG = {"onMaildrop": "session.items = [{ id: 'one', uid: 7, size: 'big' }];",
         "onRetrieve": "session.item.msg = 42;", "onTop": "session.item.msg = 42;",
         "onDelete": "session.item.deleted = 'yes';"}

LIBRARY = """
const KINDS = %(kinds)s;
const HOOKS = %(hooks)s;
const TEXT = 'Subject: x\\r\\n\\r\\n' + 'line\\r\\n'.repeat(20);
const ITEMS = () => Array.from({ length: 3 }, (_, i) =>
    ({ id: i + 1, uid: `u${i + 1}`, size: TEXT.length, deleted: false }));

const faults = {
    throw() { throw new Error('on purpose'); },
    reject: () => Promise.reject(new Error('on purpose')),
    loop() { for (;;); },
    async chain() { for (;;) await 0; },
    never: () => new Promise(() => {}),
    bomb() { for (const kept = [];;) kept.push(new Uint8Array(1 << 20).fill(1)); },
    deep() { const f = () => f() + 1; return f(); },
    getter: () => ({ get then() { throw new Error('on purpose'); } }),
    twice(session) {
        session.reply({ ok: false, text: 'first' });
        session.reply({ ok: false, text: 'second' });
    },
};

// The fault that is meant for this handler of this session, or null.
const faultOf = (session, hook) => {
    const [, one, handler, kind] = session.ip.split('.').map(Number);
    return one === 1 && HOOKS[handler] === hook ? KINDS[kind] : null;
};

module.exports = { TEXT, ITEMS, faults, faultOf };
"""

SCRIPT = """
const { TEXT, ITEMS, faults, faultOf } = require('./library.js');
const { session } = infinity.%(namespace)s;
const fault = faultOf(session, '%(hook)s');

%(good)s
if (fault === 'type') {
    %(wrong)s
} else if (fault !== null) {
    return faults[fault](session);
}
"""

MAIN = """
infinity.loadModule('infinity.pop3');
infinity.loadModule('infinity.smtp');
const options = %(options)s;
const ready = ['ready'];
for (const [name, hooks] of Object.entries(%(hooks)s)) {
    const server = new infinity[name].server({ host: '127.0.0.1', port: 0, ...options });
    for (const hook of hooks)
        server[hook] = `${name}_${hook}.js`;
    server.start();
    ready.push(`${name}=${server.address}`);
}
console.writeLn(`${ready.join(' ')} pid=0`);
"""


def address(hook, kind):
    """Where a client comes from whose session shall go wrong so."""
    return f"127.1.{HOOKS.index(hook)}.{KINDS.index(kind)}"


class Program(server.Server):
    """It, listening as "pop3" and "smtp"."""

    def __init__(self, context, options="{}", name="faults", **settings):
        super().__init__(context, name=name, **settings)
        self.folder, self.options = context.path(name), options
        os.mkdir(self.folder)
        self.write_all()

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def write_all(self):
        hooks = {"pop3": POP3, "smtp": SMTP}
        self.write("library.js", LIBRARY % {"kinds": json.dumps(KINDS), "hooks": json.dumps(HOOKS)})
        self.write("main.js", MAIN % {"options": self.options, "hooks": json.dumps(hooks)})
        for namespace, names in hooks.items():
            for hook in names:
                good, member = GOOD[namespace].get(hook, ("", "accept"))
                wrong = WRONG.get(hook, f"session.{member} = 'yes';")
                self.write(f"{namespace}_{hook}.js", SCRIPT % {
                    "namespace": namespace, "hook": hook, "good": good, "wrong": wrong})

    def command(self):
        return [self.context.exe, "run", "--console", "error", os.path.join(self.folder, "main.js")]

    def await_ready(self):
        super().await_ready()
        self.pid = self.process.pid
