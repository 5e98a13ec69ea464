"""types/infinity.d.ts against the running program, member by member, and against the scripts we give
to people."""
import json
import os
import pathlib
import re
import shutil

from lib import tools
from lib.runner import Skip, test

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
TYPES = ROOT / "types/infinity.d.ts"
TSC = pathlib.Path(tools.NODE_MODULES.split(":", maxsplit=1)[0]) / "typescript/bin/tsc"
# What the engine has beyond ES2023, which is the language's, not ours.
NEWER = {"Float16Array", "Iterator", "WebAssembly", "SuppressedError", "DisposableStack",
         "AsyncDisposableStack"}
LANGUAGE = {"NaN", "Infinity", "undefined", "globalThis"}
# Shapes of what the program gives, which the conversation in reflect.js must have seen.
SHAPES = {"ClientReply", "ClientTls", "Envelope", "EnvelopeRecipient", "Immediate", "RecipientResult",
          "SendResult", "ServerStats", "SessionAuth", "SessionTls", "Timeout", "listArray",
          "mail.address", "mail.attachment", "mail.content", "mail.headers", "pop3.Message",
          "pop3.item", "store.Item", "store.Store", "uidlArray"}


def node(*arguments, code=0):
    return tools.run(tools.need("node"), *arguments, timeout=300, code=code,
                     env={"NODE_PATH": tools.NODE_MODULES})


def need_compiler():
    if not TSC.exists() and not shutil.which("npm"):
        raise Skip("the compiler that Debian has is too old, and npm is not installed here")
    assert TSC.exists(), "typescript is missing: run tests/e2e/setup.sh"


def declared(path):
    need_compiler()
    return json.loads(node(HERE / "types/members.js", path).out)


def lettermill(t, *arguments, code=0):
    return tools.run(t.exe, "run", *arguments, cwd=t.dir, timeout=60 * t.patience, code=code)


def running(t, declarations):
    names = {name.split(".")[0].split("#")[0] for name in declarations["members"]}
    done = lettermill(t, HERE / "types/reflect.js", *sorted(names - {"infinity"}))
    return json.loads(done.out)


def differences(says, has):
    """A line for each member that is declared and not there, there and not declared, or of another
    kind."""
    passed = NEWER | LANGUAGE | set(says["known"])
    for name in sorted(says["members"].keys() | (has["members"].keys() - passed)):
        one, other = says["members"].get(name), has["members"].get(name)
        if one != other:
            yield f"{name}: declared {one}, is {other}"
    for name, members in sorted(has["shapes"].items()):
        shape = says["shapes"].get(name, {})
        for member in sorted(set(members) - shape.keys()):
            yield f"{name}: has {member}, which is not declared"
        for member in sorted(shape.keys() - set(members)):
            if not shape[member]:
                yield f"{name}: {member} is declared, and it has none"


@test(seconds=10)
def members_both_ways(t):
    """Every member that is declared is there, of the kind it is said to be; every one that is there
    is declared: modules, classes, prototypes, sessions, globals, and what calls return."""
    says = declared(TYPES)
    has = running(t, says)
    assert not list(differences(says, has)), "\n".join(differences(says, has))
    assert SHAPES == set(has["shapes"]), SHAPES ^ set(has["shapes"])
    count = len(says["members"])
    assert count > 700, count
    for name, kind in (("infinity.pop3.client.encryptMode.sslTls", "1"),
                       ("infinity.pop3.client#connected", "readonly"),
                       ("infinity.smtp.session.received", "property"),
                       ("infinity.smtp.server#onRcptTo", "property"),
                       ("infinity.fileMode.create", "65280"), ("URL#href", "property"),
                       ("infinity.mail", "class"), ("infinity.store.open", "function")):
        assert has["members"].get(name) == kind, (name, has["members"].get(name))


@test(seconds=10)
def members_that_differ(t):
    """One member less, one more, one of another kind or value: each is found."""
    text = TYPES.read_text()
    says = declared(TYPES)
    has = running(t, says)
    for before, after, words in (
            ("function beep(): void;", "", "infinity.beep: declared None, is function"),
            ("function gc(): void;", "function gc(): void; function boop(): void;",
             "infinity.boop: declared function, is None"),
            ("readonly sslTls: 1;", "readonly sslTls: 7;",
             "infinity.pop3.client.encryptMode.sslTls: declared 7, is 1"),
            ("readonly connected: boolean;", "connected: boolean;",
             "infinity.smtp.client#connected: declared property, is readonly"),
            ("count(): number;", "readonly count: number;",
             "infinity.pop3.client#count: declared readonly, is function"),
            ("readonly helo: string | undefined;", "",
             "infinity.smtp.session.helo: declared None, is readonly"),
            ("sessionsOpen: number;", "sessionsShut: number;",
             "ServerStats: sessionsShut is declared, and it has none"),
            ("declare function atob(data: string): string;", "",
             "atob: declared None, is function")):
        assert before in text, before
        other = declared(t.write("other.d.ts", text.replace(before, after, 1)))
        found = list(differences(other, has))
        assert words in found, (before, after, found)


PROBE = """
for (const name of ['infinity.pop3', 'infinity.smtp', 'infinity.lmtp'])
	infinity.loadModule(name);
for (const [kind, names] of Object.entries(JSON.parse(infinity.getArgs()[0])))
	for (const name of names)
		try {
			new infinity[kind].server({ [name]: Symbol('no value') });
			console.writeLn(`${kind} ${name}: takes anything`);
		} catch (error) {
			if (/there is no such name|instead$/.test(error.message))
				console.writeLn(`${kind} ${name}: ${error.message}`);
		}
"""


@test
def options_of_servers(t):
    """A server's constructor knows every option that is declared, and no other."""
    shapes = declared(TYPES)["shapes"]
    names = {kind: sorted(shapes[f"{kind}.ServerOptions"]) for kind in ("pop3", "smtp", "lmtp")}
    assert all(len(one) > 60 for one in names.values()), names
    probe = t.write("probe.js", PROBE)
    done = lettermill(t, probe, json.dumps(names))
    assert not done.out, done.out.decode()
    # SMTP has no onRetrieve, and smtps is said by port.
    done = lettermill(t, probe, json.dumps({"smtp": ["onRetrieve", "smtps", "port"]}))
    assert done.out.count(b"\n") == 2 and b"onRetrieve" in done.out and b"smtps" in done.out, done


# What stands in the examples of single members without being declared there.
GIVEN = {"pop3.client": "let myClient = new infinity.pop3.client(), msgNum = 1, fileName = 'x';",
         "smtp.client": "infinity.loadModule('infinity.mail'); const myMail = new infinity.mail(), "
                        "myClient = new infinity.smtp.client(), myStream = new infinity.stream();",
         "pop3.server": "const myServer = new infinity.pop3.server();",
         "smtp.server": "const myServer = new infinity.smtp.server();"}


def scripts():
    """(name, text) of each script we give to people."""
    for folder in ("examples/scripts", "src/cli/starter"):
        for path in sorted((ROOT / folder).rglob("*.js")):
            yield str(path.relative_to(ROOT)), path.read_text()
    for path in sorted((ROOT / "tests/cli/seeds").glob("*.js")):
        text = path.read_text().replace("(...)", "()")
        given = GIVEN[".".join(path.name.split(".")[:2])]
        # The example's own names are let and const in a block of their own.
        yield str(path.relative_to(ROOT)), f"{given} {{ {text} }}"
    document = ROOT / "docs/scripting.md"
    if document.exists():
        blocks = re.findall(r"^```js(?: file=(\S+))?\n(.*?)^```", document.read_text(), re.M | re.S)
        for number, (name, text) in enumerate(blocks):
            yield f"docs/{number}-{name.replace('/', '-') or 'block.js'}", text


def project(t, texts):
    """A folder as `lettermill init` makes it, with these scripts; what the compiler says of them."""
    folder = pathlib.Path(t.path("project"))
    os.makedirs(folder, exist_ok=True)
    tools.run(t.exe, "init", "--force", folder)
    assert (folder / "types/infinity.d.ts").read_bytes() == TYPES.read_bytes()
    for path in folder.rglob("*.js"):
        path.unlink()
    for name, text in texts:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Scripts may return and await at their top: the program wraps them, too.
        path.write_text(f"(async function () {{ {text}\n}});\n")
    need_compiler()
    return node(TSC, "--project", folder / "jsconfig.json", code=None)


@test(seconds=10)
def scripts_for_people(t):
    """Examples, starter and documents check without an error, as editors check them in a folder of
    `lettermill init`."""
    texts = list(scripts())
    assert len(texts) > 50, len(texts)
    done = project(t, texts)
    assert done.code == 0, done.out.decode()


@test(seconds=10)
def scripts_that_err(t):
    """Slips of the pen are found."""
    slips = ["new infinity.pop3.client().encryptMode = 3;",
             "new infinity.smtp.client().prot = 25;",
             "new infinity.smtp.server().onRetrieve = 'x.js';",
             "new infinity.pop3.client().connected = true;",
             "new infinity.smtp.server({ maxMesageSize: '1M' });",
             "new infinity.smtp.server('yes');",
             "infinity.smtp.session.envelope.sender = 'x';",
             "infinity.file.writeString('x', 1);",
             "document.write('x');"]
    done = project(t, [(f"slip{number}.js", text) for number, text in enumerate(slips)])
    found = {int(number) for number in re.findall(rb"slip(\d+)\.js\(1,", done.out)}
    assert found == set(range(len(slips))), (set(range(len(slips))) - found, done)
