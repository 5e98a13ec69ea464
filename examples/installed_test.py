"""A program builds and links against what `meson install` puts down, found by pkg-config alone."""
import os
import pathlib
import shutil
import subprocess
import sys

PROGRAM = """#include <lettermill/lettermill.h>
#include <stdio.h>
int main(void)
{
	puts(lm_version());
	return 0;
}
"""


def run(*command, **environment):
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          env={**os.environ, **environment}).stdout


def main():
    build, example = sys.argv[1:]
    root = pathlib.Path(build, "installed")
    shutil.rmtree(root, ignore_errors=True)
    run("meson", "install", "-C", build, "--no-rebuild", "--destdir", str(root))
    pc = next(root.rglob("lettermill.pc"))
    paths = {"PKG_CONFIG_SYSROOT_DIR": str(root), "PKG_CONFIG_PATH": str(pc.parent)}
    flags = run("pkg-config", "--cflags", "--libs", "lettermill", **paths).split()
    version = run("pkg-config", "--modversion", "lettermill", **paths).strip()
    (root / "program.c").write_text(PROGRAM)
    program = str(root / "program")
    cc = os.environ.get("CC", "cc")
    run(cc, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program, program + ".c", *flags)
    library = str(next(root.rglob("liblettermill.so")).parent)
    assert run(program, LD_LIBRARY_PATH=library).strip() == version
    run(cc, "-o", program, example, *flags)
    cxx = shutil.which("c++")
    if cxx:
        run(cxx, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++", program + ".c",
            *[flag for flag in flags if flag.startswith("-I")])


main()
