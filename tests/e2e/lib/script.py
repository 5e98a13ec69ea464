"""Servers written in JavaScript: `lettermill run` in the place of `lettermill serve`, so that the
same tests drive both."""
import json
import os
import re
import shutil

from . import runner, server

HANDLERS = os.path.join(runner.HERE, "scripts")
MECHANISMS = ("SCRAM-SHA-256-PLUS,SCRAM-SHA-1-PLUS,SCRAM-SHA-256,SCRAM-SHA-1,EXTERNAL,OAUTHBEARER,"
              "XOAUTH2,PLAIN,LOGIN")


def camel(name):
    return re.sub("-([a-z0-9])", lambda m: m.group(1).upper(), name)


def value_of(text):
    """What a program would say: numbers and truths, not their text."""
    if text in ("yes", "no"):
        return text == "yes"
    return int(text) if re.fullmatch(r"\d+", text) else text


class ScriptServer(server.Server):
    """The listeners, users and options of server.Server, as one program of scripted servers.
    `form`: how messages pass through its handlers, "string", "bytes" or "stream"."""

    def __init__(self, context, extra=(), form="stream", console="warn", handlers=HANDLERS,
                 more=None, **settings):
        super().__init__(context, extra, **settings)
        self.form, self.console, self.more = form, console, more or {}
        self.folder = context.path(self.name + ".program")
        if not os.path.exists(self.folder):
            shutil.copytree(handlers, self.folder)

    def options(self):
        found, words = {}, list(self.extra)
        while words:
            name, value = camel(words.pop(0)[2:]), words.pop(0)
            if name in ("domain", "tlsCertFor"):
                found.setdefault(name, []).append(value)
            else:
                found[name] = value_of(value)
        return found

    def config(self):
        options = self.options()
        lmtp = options.pop("lmtp", self.lmtp_path)
        catch_all = options.pop("catchAll", None)
        options.setdefault("auth", MECHANISMS)
        pem, key = self.context.cert.pair(self.cert) if self.cert else (None, None)
        return {
            "listeners": [name for name in server.LISTENERS if name not in self.off],
            "lmtp": lmtp if lmtp.startswith("/") else 0,
            "options": {"hostname": self.hostname, "ssl": True, **options, **self.more},
            "cert": pem, "key": key, "users": self.users, "form": self.form,
            "catchAll": catch_all, "domains": options.get("domain", []),
            "store": self.store.split(":", 1)[1] + ".mail",
        }

    def command(self):
        return [self.context.exe, "run", "--console", self.console,
                os.path.join(self.folder, "main.js")]

    def await_ready(self):
        super().await_ready()
        self.pid = self.process.pid

    def start(self, ready=True):
        with open(os.path.join(self.folder, "config.json"), "w") as f:
            json.dump(self.config(), f)
        return super().start(ready)


class Scripted:
    """A test's context whose servers are scripted ones."""

    def __init__(self, context, **settings):
        self._context, self._settings = context, settings

    def __getattr__(self, name):
        return getattr(self._context, name)

    def server(self, *extra, **settings):
        s = ScriptServer(self._context, extra, **{**self._settings, **settings})
        self._context.watch(s)
        s.start()
        return s


def adopt(module, function, prefix, **settings):
    """Run another module's test against a scripted server, as a test of module `prefix`."""
    entry = next(e for e in runner.TESTS if e.function is function)

    def run(t):
        function(Scripted(t, **settings))
    run.__module__ = prefix
    run.__name__ = "_".join([module.removeprefix("test_"), function.__name__,
                             *(str(v) for v in settings.values())])
    runner.TESTS.append(runner.Entry(run, entry.seconds + 1, entry.sanitizer))
