#!/usr/bin/env python3
"""Completion for bash, zsh and fish: each asked what it offers for the last word."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time

from harness import EXE, PATIENCE, Skip, environment, expect, main, run


def script_of(folder, shell):
    return expect(run(folder, "completion", shell), 0).stdout


def need(shell):
    if not shutil.which(shell):
        raise Skip(f"{shell} is not here")


def bash(folder, *words):
    script = script_of(folder, "bash")
    script += f'COMP_WORDS=({" ".join(words)} ""); COMP_CWORD={len(words) - 1}\n_lettermill\n'
    script += 'printf "%s\\n" "${COMPREPLY[@]}"\n'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True,
                          cwd=folder)
    assert not done.stderr, done.stderr
    return done.stdout.split()


def fish(folder, line):
    (folder / "l.fish").write_text(script_of(folder, "fish"))
    done = subprocess.run(["fish", "--no-config", "-c", f"source l.fish; complete -C '{line}'"],
                          capture_output=True, text=True, check=False, cwd=folder,
                          env=environment(folder))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [offer.split("\t")[0] for offer in done.stdout.splitlines()]


ZSHRC = r"""
PS1='@@'; fpath=($ZDOTDIR $fpath)
autoload -Uz compinit; compinit -u -D
compadd() {
    local -a found
    case " $* " in
    *" -O "*|*" -A "*|*" -D "*) ;;
    *) builtin compadd -O found "$@"; print -rl -- $found >> offers ;;
    esac
    builtin compadd "$@"
}
offer() { zle complete-word; exit }
zle -N offer; bindkey '^X' offer
"""


def zsh(folder, line):
    """Types the line at an interactive zsh and has it completed; what it could offer goes to a file."""
    (folder / "_lettermill").write_text(script_of(folder, "zsh"))
    (folder / ".zshrc").write_text(ZSHRC)
    (folder / "offers").write_text("")
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-i"], {**environment(folder), "ZDOTDIR": str(folder),
                                          "TERM": "dumb", "COLUMNS": "200"})
    seen, end, typed = b"", time.monotonic() + PATIENCE, False
    while time.monotonic() < end:
        if not typed and b"@@" in seen:
            os.write(fd, line.encode() + b"\x18")
            typed = True
        if select.select([fd], [], [], 0.2)[0]:
            try:
                seen += os.read(fd, 65536)
            except OSError:
                break
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)
    assert typed, seen
    return set((folder / "offers").read_text().split())


def test_bash_knows_commands_options_and_words(folder):
    need("bash")
    subprocess.run(["bash", "-n"], input=script_of(folder, "bash"), text=True, check=True)
    assert bash(folder, "lettermill", "ser") == ["serve"]
    assert bash(folder, "lettermill", "serve", "--pop") == ["--pop3", "--pop3s"]
    assert bash(folder, "lettermill", "serve", "--log-level", "w") == ["warn"]
    assert bash(folder, "lettermill", "user", "p") == ["passwd"]
    assert bash(folder, "lettermill", "user", "list", "--js") == ["--json"]
    assert bash(folder, "lettermill", "user", "add", "--js") == []
    assert bash(folder, "lettermill", "pop3", "fe") == ["fetch"]
    assert bash(folder, "lettermill", "pop3", "fetch", "pop3://h/", "--kee") == ["--keep"]
    assert bash(folder, "lettermill", "pop3", "stat", "pop3://h/", "--kee") == []
    assert bash(folder, "lettermill", "pop3", "stat", "--tls", "st") == ["starttls"]
    assert bash(folder, "lettermill", "user", "--js") == ["--json"]
    assert bash(folder, "lettermill", "user", "list", "--", "-") == []
    assert bash(folder, "lettermill", "completion", "") == ["bash", "zsh", "fish"]
    assert "serve" in bash(folder, "lettermill", "help", "")
    assert {"man", "method"} <= set(bash(folder, "lettermill", "m"))
    (folder / "a.conf").write_text("")
    assert bash(folder, "lettermill", "serve", "--config", "a") == ["a.conf"]


def test_fish_knows_commands_options_and_words(folder):
    need("fish")
    (folder / "l.fish").write_text(script_of(folder, "fish"))
    subprocess.run(["fish", "-n", "l.fish"], check=True, cwd=folder)
    assert fish(folder, "lettermill ser") == ["serve"]
    assert fish(folder, "lettermill serve --pop") == ["--pop3", "--pop3s"]
    assert fish(folder, "lettermill serve --log-level w") == ["warn"]
    assert fish(folder, "lettermill user p") == ["passwd"]
    assert fish(folder, "lettermill user list --js") == ["--json"]
    assert fish(folder, "lettermill user add --js") == []
    assert fish(folder, "lettermill pop3 fetch pop3://h/ --kee") == ["--keep"]
    assert fish(folder, "lettermill pop3 stat pop3://h/ --kee") == []
    assert sorted(fish(folder, "lettermill completion ")) == ["bash", "fish", "zsh"]
    assert "man" in fish(folder, "lettermill m")


def test_zsh_knows_commands_options_and_words(folder):
    need("zsh")
    (folder / "l").write_text(script_of(folder, "zsh"))
    subprocess.run(["zsh", "-n", "l"], check=True, cwd=folder)
    assert {"serve", "user", "help"} <= zsh(folder, "lettermill ")
    assert {"--pop3", "--pop3s"} <= zsh(folder, "lettermill serve --pop")
    assert {"error", "warn"} <= zsh(folder, "lettermill serve --log-level ")
    assert {"add", "passwd", "list"} <= zsh(folder, "lettermill user ")
    offered = zsh(folder, "lettermill user list --")
    assert "--json" in offered and "--apop" not in offered
    offered = zsh(folder, "lettermill pop3 fetch --")
    assert "--keep" in offered and "--uidl" not in offered
    assert {"off", "implicit"} <= zsh(folder, "lettermill pop3 stat --tls ")
    assert {"bash", "zsh", "fish"} <= zsh(folder, "lettermill completion ")


main()
