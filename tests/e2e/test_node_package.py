"""The npm package as people get it: packed, installed without a network, used from CommonJS, ES
modules and TypeScript, compiled where the addon that came does not load."""
import json
import os
import pathlib
import re
import shutil

from lib import nodes, tools
from lib.runner import ROOT, Skip, test

TSC = pathlib.Path(tools.NODE_MODULES.split(":", maxsplit=1)[0]) / "typescript/bin/tsc"
PARTS = ("", "/pop3", "/smtp", "/client")


def package(t):
    """(the folder, the .tgz) as ./mill node makes them, of the build at hand."""
    if t.sanitizer:
        raise Skip("packages are made of builds without sanitizers")
    nodes.addon(t)
    build = os.path.dirname(os.path.abspath(t.exe))
    folder = t.path("made/lettermill")
    done = tools.run(f"{ROOT}/tools/node_package", "--build", build, folder)
    return folder, done.out.decode().strip()


def npm(*arguments, code=0, **settings):
    if not shutil.which("npm"):
        raise Skip("there is no npm here")
    return tools.run("npm", *arguments, code=code, timeout=300, **settings)


def install(t, tgz, code=0, **environment):
    """In a project of its own, as its user would, but for the network."""
    project = t.path("project")
    os.makedirs(project, exist_ok=True)
    t.write("project/package.json", '{ "name": "project", "version": "1.0.0", "private": true }')
    done = npm("install", "--offline", "--no-audit", "--no-fund", "--foreground-scripts", tgz,
               cwd=project, code=code, env={"npm_config_cache": t.path("cache"), **environment})
    return project, done.out.decode() + done.err.decode()


def node(project, *arguments, code=0, **environment):
    return tools.run(*nodes.first(), *arguments, cwd=project, code=code,
                     env={"LETTERMILL_ADDON": "", **environment}).out.decode()


def keys(project, part):
    script = f"JSON.stringify(Object.keys(require('lettermill{part}')))"
    return json.loads(node(project, "-p", script))


@test(seconds=5)
def installed_without_a_network(t):
    """npm installs the .tgz; what is exported by require() and by import is the same, for the package
    and its parts; it has a version; nothing else comes with it."""
    _, tgz = package(t)
    project, said = install(t, tgz)
    assert "compil" not in said, said
    assert os.listdir(f"{project}/node_modules") == ["lettermill"] or \
        sorted(os.listdir(f"{project}/node_modules")) == [".package-lock.json", "lettermill"]
    for part in PARTS:
        names = keys(project, part)
        assert names, part
        t.write("project/names.mjs", f"import * as all from 'lettermill{part}';\n"
                f"import one, {{ {names[0]} }} from 'lettermill{part}';\n"
                f"if (one.{names[0]} !== {names[0]}) throw new Error('not the same');\n"
                "console.log(JSON.stringify(Object.keys(all)));\n")
        assert sorted(json.loads(node(project, "names.mjs"))) == sorted([*names, "default"]), part
    assert {"PopServer", "SmtpServer", "Pop3Client", "SmtpClient"} <= set(keys(project, ""))
    about = json.loads(pathlib.Path(project, "node_modules/lettermill/package.json").read_text())
    assert node(project, "-p", "require('lettermill').version").strip() == about["version"]
    assert about["engines"] == {"node": ">=18"} and "dependencies" not in about, about


@test(seconds=5)
def packed_by_npm(t):
    """`npm pack` in the folder packs the files that are in it, and no more."""
    folder, tgz = package(t)
    done = npm("pack", "--json", "--pack-destination", t.dir, cwd=folder,
               env={"npm_config_cache": t.path("cache")})
    report = json.loads(done.out)
    files = (report[0] if isinstance(report, list) else next(iter(report.values())))["files"]
    have = {str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*") if p.is_file()}
    assert {file["path"] for file in files} == have
    listed = tools.run("tar", "-tzf", tgz).out.decode().splitlines()
    assert {name.removeprefix("package/") for name in listed} == have
    strange = re.compile(r"_rig\.|_test\.|test_|src/script/|src/cli/")
    found = [name for name in have if strange.search(name)]
    assert not found, found
    assert {"README.md", "LICENSE", "lettermill.d.ts", "native/sources.json"} <= have


@test(seconds=20)
def compiled_where_it_does_not_load(t):
    """An addon that does not load: npm install compiles one with CC, by the sources in the package,
    and it is the one that is used."""
    folder, _ = package(t)
    prebuilt, = pathlib.Path(folder, "prebuilds").iterdir()
    prebuilt.write_bytes(b"no ELF\n")
    wrapper = t.write("my-cc", '#!/bin/sh\necho "$@" >>"$0.log"\nexec gcc "$@"\n')
    os.chmod(wrapper, 0o755)
    npm("pack", "--pack-destination", t.dir, cwd=folder, env={"npm_config_cache": t.path("cache")})
    tgz, = pathlib.Path(t.dir).glob("lettermill-*.tgz")
    project, said = install(t, tgz, CC=wrapper, CFLAGS="-O0")
    assert "compiling the addon" in said, said
    home = pathlib.Path(project, "node_modules/lettermill")
    assert (home / "build/lettermill.node").exists() and not (home / "build/objects").exists()
    log = pathlib.Path(wrapper + ".log").read_text().splitlines()
    sources = json.loads((home / "native/sources.json").read_text())["sources"]
    assert len([line for line in log if " -c " in line]) == len(sources) > 100
    assert keys(project, "")
    wants = tools.run("readelf", "-d", home / "build/lettermill.node").out.decode()
    shipped = tools.run("readelf", "-d", nodes.addon(t)).out.decode()
    libraries = [line.split("[")[1] for line in shipped.splitlines() if "(NEEDED)" in line]
    assert all(name in wants for name in libraries), (wants, shipped)


@test(seconds=5)
def compilers_that_do_not(t):
    """Each way in which compiling cannot work ends npm install with a text that says what to do, and
    leaves nothing behind."""
    folder, _ = package(t)
    build = pathlib.Path(folder, "build")
    bad = t.write("bad-cc", '#!/bin/sh\ncase $* in *--version*) exit 0 ;; esac\n'
                  'echo "x.c:1: error: no such luck" >&2\nexit 1\n')
    os.chmod(bad, 0o755)
    for environment, *words in (
            ({"CC": "/nowhere/cc"}, "the compiler that CC names cannot be run: /nowhere/cc"),
            ({"CC": bad}, "cannot compile", "no such luck"),
            ({"PKG_CONFIG_LIBDIR": "/nowhere"}, "apt-get install libuv1-dev libssl-dev"),
            ({"LDFLAGS": "-lnowhere"}, "cannot compile the addon", "nowhere")):
        if "LDFLAGS" in environment:
            environment["CFLAGS"] = "-O0"
        done = tools.run(*nodes.first(), "node/install.js", cwd=folder, code=1, timeout=300,
                         env={"LETTERMILL_COMPILE": "1", **environment})
        said = done.err.decode()
        assert all(word in said for word in words), (words, said)
        assert not build.exists()


TYPE_ROOTS = os.path.join(tools.TOOLS, "types/node_modules/@types")
SAMPLE = """
import { Pop3Client, PopMessage, PopServer, PopUser, SmtpServer, version } from 'lettermill';
import { PopServer as Same } from 'lettermill/pop3';
import type { SmtpSession } from 'lettermill/smtp';

const one: typeof PopServer = Same;
const server = new one({
    get_user: async (name, connection) => connection.popSocket.secure ? null : new PopUser(name, 'x'),
    compare_password: (raw, hash) => raw === hash,
    receive_messages: () => [new PopMessage('a', 5, Buffer.from('a: b\\r\\n'))],
    delete_messages: (connection, messages) => messages.map(({ uid }) => uid),
}, '127.0.0.1', { plain: { port: 1110 }, tls: { minVersion: 'TLSv1.2' } });
server.on('callback_error', (error, connection, name) => console.log(error.message, name));
new SmtpServer({
    onData(stream, session: SmtpSession, done) {
        stream.on('end', () => done(null, `${stream.byteLength} octets of ${session.id}`));
    },
}).listen(2525);
async function fetch(): Promise<Buffer[]> {
    const client = await Pop3Client.connect('pop3s://user:password@localhost');
    const all: Buffer[] = [];
    for await (const message of client)
        all.push(await message.buffer());
    await client.quit();
    return all;
}
server.run().then(fetch).then(() => server.close());
export const text: string = version;
"""
SLIPS = ("new PopUser(7, 'x');", "new PopServer({});", "server.run('x');",
         "new SmtpServer({ onData(stream) { stream.byteLenght; } });",
         "new PopServer(server.config, { pain: 110 });", "import * as none from 'lettermill/nowhere';\nvoid none;")


@test(seconds=10)
def typescript(t):
    """A sample checks against lettermill.d.ts as CommonJS and as an ES module; slips are found."""
    if not TSC.exists() or not os.path.exists(TYPE_ROOTS):
        raise Skip("the compiler and Node.js's own types come by npm, which is not here")
    _, tgz = package(t)
    project, _ = install(t, tgz)
    names = ["good.mts", "good.cts"]
    for name in names:
        t.write("project/" + name, SAMPLE)
    for number, slip in enumerate(SLIPS):
        names.append(f"bad{number}.mts")
        t.write("project/" + names[-1], SAMPLE + slip + "\n")
    done = tools.run(*nodes.first(), TSC, "--strict", "--noEmit", "--module", "nodenext",
                     "--moduleResolution", "nodenext", "--target", "es2022", "--types", "node",
                     "--typeRoots", TYPE_ROOTS, *names, cwd=project, code=None)
    found = set(re.findall(rb"^(\S+?)\(", done.out, re.M))
    assert found == {f"bad{number}.mts".encode() for number in range(len(SLIPS))}, done


def differences(declarations, environment):
    done = tools.run(*nodes.first(), pathlib.Path(__file__).parent / "types/package.js", declarations,
                     f"{ROOT}/bindings/node", timeout=120,
                     env={**environment, "NODE_PATH": tools.NODE_MODULES, "TYPE_ROOTS": TYPE_ROOTS})
    *lines, last = done.out.decode().splitlines()
    assert int(last.removeprefix("compared ")) > 300, last
    return [line.removeprefix("difference: ") for line in lines]


@test(seconds=30)
def types_both_ways(t):
    """What lettermill.d.ts declares is there, and what is there is declared: exports, members of
    classes, sessions, results; one member less or more is found."""
    if t.sanitizer or not TSC.exists() or not os.path.exists(TYPE_ROOTS):
        raise Skip("no compiler here, or a sanitizer")
    environment = {"LETTERMILL_ADDON": nodes.addon(t)}
    path = pathlib.Path(ROOT, "types/lettermill.d.ts")
    assert not differences(path, environment)
    text = path.read_text()
    for before, after, words in (
            ("readonly uid_string: string;", "", "PopMessage.uid_string is there, and is not declared"),
            ("\tquit(options?", "\tleave(): void; quit(options?", "Pop3Client.leave is declared, and is not there"),
            ("readonly Stls: 'STLS'", "readonly Stls: 'TLS'", "PopCommandType.Stls: declared TLS, is STLS"),
            ("export class EmailAddress", "declare class EmailAddress", "EmailAddress is exported, and is not"),
            ("callbackTimeout?: number;\n\t/** How long close", "callbackTimeOut?: number;\n\t/** How long close",
             "PopServerOptions.callbackTimeOut is declared, and PopServer does not know it")):
        assert before in text, before
        found = differences(t.write("other.d.ts", text.replace(before, after, 1)), environment)
        assert any(words in line for line in found), (words, found)


@test
def the_same_in_both_hosts(t):
    """`lettermill run` exports what Node.js does."""
    parts = [f"lettermill{part}" for part in PARTS]
    script = t.write("keys.js", "const out = (typeof infinity === 'undefined' ? console.log : "
                     f"console.writeLn);\nfor (const part of {json.dumps(parts)})\n\t"
                     "out(Object.keys(require(part)).sort().join(' '));\n")
    one = tools.run(t.exe, "run", script).out
    command, environment = nodes.command(t)
    os.makedirs(t.path("node_modules"))
    os.symlink(f"{ROOT}/bindings", t.path("node_modules/lettermill"))
    other = tools.run(*command, script, env={
        **environment, "NODE_OPTIONS": "--preserve-symlinks"}).out
    assert one == other and one.count(b"\n") == len(PARTS), (one, other)
