"""What the house-rule checks share: finding files, taking comments and strings away, reporting."""
import argparse
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
SKIP = {"build", ".git", "node_modules", "__pycache__"}
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def arguments(doc, *more):
    """The common arguments; `more` are (flags, settings) of a tool's own."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--root", type=pathlib.Path, default=TOP, help="the tree to check")
    for name, settings in more:
        parser.add_argument(name, **settings)
    return parser.parse_args()


def files(root, folders, endings):
    """Files below the folders, sorted, without what is built."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in endings and not SKIP.intersection(path.relative_to(root).parts):
                yield path


TEST_CODE = re.compile(r".*_(test|rig|bench)\.[ch]|(rig|conformance|test_\w+)\.[ch]")


def is_test(path):
    """Code that only tests and measurements are made of."""
    return TEST_CODE.fullmatch(path.name) is not None


def code_only(text):
    """The same lines with comments and strings blanked, so that only code is left to look at."""
    def blank(match):
        s = match.group()
        return '""' if s[0] == '"' else re.sub(r"[^\n]", " ", s)
    return NOISE.sub(blank, text)


def finish(what, problems):
    """Says what was found; ends with 1 where that is anything."""
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problem{'' if len(problems) == 1 else 's'}")
    sys.exit(1 if problems else 0)
