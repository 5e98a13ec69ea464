#!/usr/bin/env python3
"""Options, help, manual page, completion, configuration files: no server runs here."""
import re
import shutil
import subprocess

from harness import EXE, Skip, environment, expect, main, run


def option_names(folder):
    """Every option there is, as --print-config shows them."""
    shown = run(folder, "serve", "--print-config").stdout
    return re.findall(r"^(?:# )?([a-z0-9-]+) = ", shown, re.M)


def test_help_explains_every_command(folder):
    overview = expect(run(folder, "--help"), 0).stdout
    assert expect(run(folder, "help"), 0).stdout == overview
    commands = re.findall(r"^  ([a-z]+) ", overview.split("Exit codes")[0], re.M)
    assert {"serve", "user", "smtp", "method", "help", "version", "completion", "man"} <= set(commands)
    page = run(folder, "man").stdout
    for command in commands:
        text = expect(run(folder, command, "--help"), 0).stdout
        assert text.startswith(f"Usage: lettermill {command}") and "Exit codes:" in text, text
        assert expect(run(folder, "help", command), 0).stdout == text
        assert max(map(len, text.splitlines())) <= 80
        sections = re.findall(r"^[A-Z][A-Za-z ]+:$", text, re.M)
        assert len(sections) == len(set(sections)), sections
        assert f".SH {command.upper()}\n" in page, command


def test_help_of_an_action_has_its_options_only(folder):
    text = expect(run(folder, "help", "user", "list"), 0).stdout
    assert text == run(folder, "user", "list", "--help").stdout
    assert text.startswith("Usage: lettermill user list ") and "--json" in text
    assert "--apop" not in text
    whole = run(folder, "user", "--help").stdout
    assert "add, passwd: Keep the password" in whole and "  list\n" in whole
    assert max(map(len, text.splitlines())) <= 80
    expect(run(folder, "help", "user", "list", "x"), 64)


def test_help_manual_and_markdown_name_every_option(folder):
    names = option_names(folder)
    assert len(names) > 40
    help_text, man, markdown = (run(folder, *a).stdout for a in (
        ("serve", "--help"), ("man",), ("help", "--markdown")))
    for name in names + ["config", "print-config"]:
        assert f"\n  --{name}" in help_text, name
        assert "\\-\\-" + name.replace("-", "\\-") in man, name
        assert f"\n- `--{name}" in markdown, name


def test_manual_page_is_good_roff(folder):
    if not shutil.which("groff"):
        raise Skip("groff is not here")
    page = run(folder, "man").stdout
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_version(folder):
    assert re.fullmatch(r"lettermill \d+\.\d+\.\d+\n", expect(run(folder, "--version"), 0).stdout)
    assert run(folder, "version").stdout == run(folder, "serve", "--version").stdout
    expect(run(folder, "version", "x"), 64)


def test_wrong_commands_are_refused(folder):
    expect(run(folder), 64, "Try: lettermill --help")
    expect(run(folder, "sreve"), 64, "sreve")
    expect(run(folder, "help", "sreve"), 64, "sreve")
    expect(run(folder, "completion", "tcsh"), 64, "bash, zsh or fish")
    expect(run(folder, "usr", "list"), 64, "the nearest is user")
    expect(run(folder, "user", "lst"), 64, "the nearest is list")
    expect(run(folder, "help", "user", "lst"), 64, "lst")
    expect(run(folder, "serve", "now"), 64, "now")


def test_two_dashes_end_the_options_of_every_command(folder):
    for plain, dashed in ((("help", "serve"), ("help", "--", "serve")),
                          (("version",), ("version", "--")), (("man",), ("man", "--")),
                          (("completion", "bash"), ("completion", "--", "bash"))):
        assert expect(run(folder, *dashed), 0).stdout == expect(run(folder, *plain), 0).stdout
    expect(run(folder, "help", "--", "--markdown"), 64, "--markdown")
    expect(run(folder, "help", "--", "--help"), 64, '"--help"')
    expect(run(folder, "version", "--", "--"), 64)
    expect(run(folder, "completion", "--"), 64, "bash")
    expect(run(folder, "serve", "--", "--pop3"), 64, '"--pop3"')
    for command in ("serve", "user"):
        assert "\n  --\n" in run(folder, command, "--help").stdout
    assert "\\-\\- ends them" in run(folder, "man").stdout


def test_unknown_options_name_the_nearest(folder):
    done = expect(run(folder, "serve", "--max-mesage-size", "1M"), 64, "--max-message-size")
    assert done.stdout == ""
    expect(run(folder, "user", "list", "--jsno"), 64, "--json")
    expect(run(folder, "serve", "-p", "110"), 64, "two dashes")


def test_wrong_values_are_refused(folder):
    for name, value, words in (
            ("pop3", "65536", "65536"), ("pop3", "mail.example:110", "mail.example"),
            ("smtp", "/run/x", "lmtp"), ("max-message-size", "25X", "25X"),
            ("idle-timeout", "10", "unit"), ("workers", "-1", "-1"), ("workers", "999", "256"),
            ("language", "fr", "en|nl"), ("require-tls=maybe", None, "maybe"),
            ("user", "nopassword", "NAME:PASSWORD"), ("proxy-from", "10.0.0.1/8", "prefix"),
            ("tls-cert-for", "x", "NAME=CERT,KEY"), ("tls-min", "1.4", "1.0|1.1|1.2|1.3")):
        arguments = [f"--{name}"] + ([value] if value is not None else [])
        expect(run(folder, "serve", *arguments, "--print-config"), 64, words)
    expect(run(folder, "serve", "--pop3"), 64, "--pop3 needs a value")
    expect(run(folder, "serve", "--store", "--smtp", "0"), 64, "--store needs a value")
    expect(run(folder, "serve", "--tls-min", "1.3", "--tls-max", "1.2"), 64, "tls-min")


def test_config_files_are_read_and_the_command_line_wins(folder):
    (folder / "a.conf").write_text("# test\npop3 = 1\nsmtp = 2\ndomain = a\ndomain = b\n"
                                   "require-tls = yes\n")
    shown = expect(run(folder, "serve", "--config", "a.conf", "--smtp=3", "--print-config"), 0).stdout
    for line in ("pop3 = 127.0.0.1:1", "smtp = 127.0.0.1:3", "domain = a", "domain = b",
                 "require-tls = yes"):
        assert f"\n{line}\n" in shown, f"{line} is not in\n{shown}"


def test_wrong_config_files_are_refused(folder):
    expect(run(folder, "serve", "--config", "none.conf"), 78, "none.conf", "No such file")
    (folder / "a.conf").write_text("pop3 = 0\n\nidle-timout = 3s\n")
    expect(run(folder, "serve", "--config", "a.conf"), 78, "a.conf:3:", "idle-timout",
           "idle-timeout")
    (folder / "a.conf").write_text("\npop3 = 99999\n")
    expect(run(folder, "serve", "--config", "a.conf"), 78, "a.conf:2:", "99999")
    (folder / "a.conf").write_text("[listeners]\npop3 = 1\n")
    expect(run(folder, "serve", "--config", "a.conf"), 78, "a.conf:2:", "section")
    (folder / "a.conf").write_text("pop3\n")
    expect(run(folder, "serve", "--config", "a.conf"), 78, "a.conf:1:")
    expect(run(folder, "serve", "--config", folder), 78, "cannot read")


def test_printed_config_reads_back_as_the_same(folder):
    arguments = ("--pop3", "[::1]:0", "--lmtp", "/run/lm.sock", "--domain", "a", "--domain", "b",
                 "--idle-timeout", "90s", "--max-message-size", "3000K", "--auth", "PLAIN,LOGIN",
                 "--proxy-from", "10.0.0.0/8", "--tls-cert-for", "n=c,k", "--expire", "7")
    shown = expect(run(folder, "serve", *arguments, "--print-config"), 0).stdout
    assert "auth = PLAIN LOGIN\n" in shown and "proxy-from = 10.0.0.0/8\n" in shown
    (folder / "b.conf").write_text(shown)
    again = expect(run(folder, "serve", "--config", "b.conf", "--print-config"), 0).stdout
    assert again == shown


def test_printed_config_hides_passwords(folder):
    shown = run(folder, "serve", "--user", "anna:tropicalfish", "--print-config").stdout
    assert "tropicalfish" not in shown and "# user = (not shown)" in shown


def test_data_goes_where_the_environment_says(folder):
    shown = run(folder, "serve", "--print-config").stdout
    assert f"store = sqlite:{folder}/data/lettermill/lettermill.db\n" in shown
    shown = run(folder, "serve", "--data-dir", "/x", "--print-config").stdout
    assert "cert = /x/cert.pem\n" in shown and "store = sqlite:/x/lettermill.db\n" in shown


def test_results_that_cannot_be_written_are_errors(folder):
    for arguments in (("--help",), ("man",), ("serve", "--print-config")):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([EXE, *arguments], stdout=full, stderr=subprocess.PIPE, check=False,
                                  env=environment(folder))
        assert done.returncode == 74, done


main()
