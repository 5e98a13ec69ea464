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


@test(seconds=5)
def typescript(t):
    """A sample checks against lettermill.d.ts as CommonJS and as an ES module, and slips are found."""
    if not TSC.exists():
        raise Skip("the compiler comes by npm, which is not here")
    _, tgz = package(t)
    project, _ = install(t, tgz)
    head = "import { PopServer, PopUser } from 'lettermill';\n" \
           "import { PopServer as Same } from 'lettermill/pop3';\n"
    good = head + "const user: PopUser = new PopUser('luke', 'secret');\n" \
        "const one: typeof PopServer = Same;\nconsole.log(user.user, one);\n"
    bad = head + "const user: PopUser = new PopUser(7);\nnew Same();\nimport 'lettermill/nowhere';\n"
    for name, text, errors in (("good.mts", good, 0), ("good.cts", good, 0), ("bad.mts", bad, 3)):
        t.write("project/" + name, text)
        done = tools.run(*nodes.first(), TSC, "--strict", "--noEmit", "--module", "nodenext",
                         "--moduleResolution", "nodenext", "--target", "es2022",
                         name, cwd=project, code=None)
        assert done.out.count(b"error TS") >= errors and (errors or done.code == 0), (name, done)
