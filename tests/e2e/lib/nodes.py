"""Builds of Node.js: the one in the PATH, and Debian's, which has the system's OpenSSL and libuv."""
import os
import re
import subprocess

from . import tools
from .runner import Skip

DEBIAN = os.path.join(tools.TOOLS, "judges/node18")
SHARED = "process.config.variables.node_shared_openssl"
# Files of its own are asked for by their names below /usr.
LAID_OVER = """
mount -t overlay o -o "lowerdir=$0/usr/share/nodejs:/usr/share/nodejs" /usr/share/nodejs
export LD_LIBRARY_PATH="$0/usr/lib/x86_64-linux-gnu"
LD_PRELOAD="${LM_PRELOAD-}" exec "$0/usr/bin/node" "$@"
"""


def need_package(name):
    """A package of npm that setup.sh got."""
    if not os.path.exists(os.path.join(tools.TOOLS, "node/node_modules", name)):
        raise Skip(f"{name} is not in Debian, and npm is not installed here")


def first():
    return [tools.need("node")]


def debian():
    """The command of Debian's, or a skip. LM_PRELOAD in its environment is loaded first."""
    if tools.run(*first(), "-p", SHARED).out.strip() == b"true":
        return ["sh", "-ec", 'LD_PRELOAD="${LM_PRELOAD-}" exec "$0" "$@"', *first()]
    command = ["unshare", "-m", "--propagation", "private", "sh", "-ec", LAID_OVER, DEBIAN]
    done = subprocess.run([*command, "-v"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"Debian's node cannot be laid over this system: {done.stderr.strip()}")
    return command


def address_sanitizer():
    """The environment in which Debian's node takes an addon that was built with it. Node.js leaves
    much behind when it ends, which is not to be its exit code: check() tells what is ours."""
    library = tools.run("gcc", "-print-file-name=libasan.so").out.decode().strip()
    return {"LM_PRELOAD": library, **{name: os.environ.get(name, "") + ":exitcode=0:detect_leaks=1"
                                      for name in ("ASAN_OPTIONS", "LSAN_OPTIONS")}}


OURS = re.compile(r"lettermill\.node|\.\./(?:src|bindings)/")
SYSTEM = re.compile(r"libsanitizer|lib(?:asan|crypto|ssl|uv|gsasl|c|glib-2\.0|gobject-2\.0|gmime-3\.0|sqlite3|curl"
                    r"|stdc\+\+|crypt)\.so")


def is_ours(block):
    """Whether our code asked for what was lost, itself or through a library of the system."""
    frames = [line for line in block.splitlines() if re.match(r"\s*#\d+ ", line)]
    first = next((frame for frame in frames if not SYSTEM.search(frame)), "")
    return bool(OURS.search(first))


def check(err):
    """What sanitizers found, as an assertion."""
    leaks = [block for block in re.split(r"\n\s*\n", err) if " leak of " in block and is_ours(block)]
    assert not leaks, "\n\n".join(leaks)
    assert "ERROR: AddressSanitizer" not in err and "runtime error:" not in err, err


def addon(t):
    """Beside the executable, where the headers of Node.js were found."""
    path = os.path.join(os.path.dirname(os.path.abspath(t.exe)), "bindings/node/lettermill.node")
    if not os.path.exists(path):
        raise Skip("the addon is not built: the headers of Node.js were not found")
    return path


def command(t):
    """(how to start a node that takes the addon as it was built, with which environment)."""
    environment = {"LETTERMILL_ADDON": addon(t)}
    if not t.sanitizer:
        return first(), environment
    if t.sanitizer != "address":
        raise Skip(f"Node.js does not run with the {t.sanitizer} sanitizer")
    return debian(), {**environment, **address_sanitizer()}
