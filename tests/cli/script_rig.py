"""What tests of scripts share: a program run by `lettermill run`, with checks to write it with."""
import json
import smtplib
import subprocess

from harness import EXE, PATIENCE, Server, environment

USERS = ("--store", "memory:", "--user", "anna:tropicalfish", "--user", "berta:x", "--domain", "example.org",
         "--hostname", "localhost")
ALL = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s")
LETTER = (b"From: Carl <carl@elsewhere.example>\r\nTo: anna@example.org\r\nSubject: one\r\n\r\n"
          b"Hello.\r\n.dot\r\n")

# A check that fails throws, so the program ends with 1 and says where.
CHECKS = r"""
const is = (got, want) => {
	const [g, w] = [JSON.stringify(got), JSON.stringify(want)];
	if (g !== w) throw new Error(`got ${g}, wanted ${w}`);
};
const wrong = (error, begin, code) => {
	if (!String(error).startsWith(begin) || (code !== undefined && error.code !== code))
		throw new Error(`got "${error}" (${error.code}), wanted "${begin}" (${code})`);
	return error;
};
const throws = (f, begin, code) => {
	let error;
	try { f(); } catch (e) { error = e; }
	return wrong(error, begin, code);
};
const rejects = async (promise, begin, code) =>
	wrong(await promise.then(() => 'nothing', (e) => e), begin, code);
const after = (ms) => new Promise((done) => setTimeout(done, ms));
"""


def run_script(folder, text, values=None, timeout=PATIENCE, **more):
    """Run a program; `values` are its constants. Fails when it does."""
    constants = "".join(f"const {name} = {json.dumps(value)};" for name, value in (values or {}).items())
    (folder / "main.js").write_text((CHECKS + constants).replace("\n", " ") + text)
    done = subprocess.run([EXE, "run", "main.js"], capture_output=True, cwd=folder, timeout=timeout,
                          env=environment(folder, **more), check=False)
    out, errors = (octets.decode("utf-8", "replace") for octets in (done.stdout, done.stderr))
    assert done.returncode == 0, f"exit code {done.returncode}\n{out}{errors}"
    return out


def serve(folder, *more, listeners=ALL):
    return Server(folder, "--data-dir", folder / "server", *USERS, *more, listeners=listeners)


def deliver(server, *letters, to="anna@example.org"):
    with smtplib.SMTP("127.0.0.1", server.port("smtp")) as client:
        for letter in letters:
            client.sendmail("carl@elsewhere.example", to, letter)


def values(server, **more):
    return {"ports": {name: server.port(name) for name in server.where if name in ALL and ":" in server.where[name]},
            **more}


# What programs begin with: a client of the server, with other settings where wanted.
POP3 = """
infinity.loadModule('infinity.pop3');
const open = (settings = {}) => {
	const client = new infinity.pop3.client();
	Object.assign(client, { host: 'localhost', port: ports.pop3, username: 'anna', password: 'tropicalfish',
		timeout: 20000, ...settings });
	return client;
};
"""

SMTP = """
infinity.loadModule('infinity.smtp');
const open = (settings = {}) => {
	const client = new infinity.smtp.client();
	Object.assign(client, { host: 'localhost', port: ports.smtp, timeout: 20000, ...settings });
	return client;
};
"""
