"""What the example `send` sends to the example server, the example `fetch` fetches."""
import os
import pathlib
import subprocess
import sys
import tempfile

LETTER = b"From: carl@client.example\nSubject: dots\n\n.one\n..two\n\xff\n"


def run(*command, **more):
    return subprocess.run(command, capture_output=True, timeout=60, **more)


def send(exe, smtp, folder, *to):
    return run(exe, f"smtp://localhost:{smtp}", f"{folder}/cert.pem", "carl@client.example", *to,
               input=LETTER)


def check_send(exe, smtp, folder):
    done = send(exe, smtp, folder, "anna@mill.example")
    assert done.returncode == 0 and b"anna@mill.example: sent" in done.stdout, done
    done = send(exe, smtp, folder, "bert@mill.example", "anna@mill.example")
    assert done.returncode != 0 and b"anna@mill.example: sent" in done.stdout, done
    assert done.stderr == b"bert@mill.example: the server refused: 550 5.1.1 Only anna lives here\n"
    done = run(exe, f"smtp://localhost:{smtp}", "/nowhere", "a@b.example", "c@d.example",
               input=LETTER)
    assert done.returncode == 78 and b"/nowhere" in done.stderr, done


def check_fetch(exe, pop3, folder):
    mail = pathlib.Path(folder, "mail")
    mail.mkdir()
    url = f"pop3://anna@localhost:{pop3}/"
    done = run(exe, url, mail, f"{folder}/cert.pem",
               env={**os.environ, "LETTERMILL_PASSWORD": "secret"})
    assert done.returncode == 0, done
    assert sorted(path.name for path in mail.iterdir()) == ["1.eml", "2.eml"], done
    for path in mail.iterdir():
        assert path.read_bytes() == LETTER.replace(b"\n", b"\r\n"), path.read_bytes()
    done = run(exe, url.replace("anna", "anna:wrong"), mail, f"{folder}/cert.pem")
    assert done.returncode == 77 and b"wrong" not in done.stderr, done
    done = run(exe, url, mail)
    assert done.returncode == 76 and b"self-signed" in done.stderr, done
    done = run(exe, "pop3://localhost:1/", mail)
    assert done.returncode == 75 and b"port 1: connection refused" in done.stderr, done


def main():
    server_exe, send_exe, fetch_exe = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([server_exe, folder, "0", "0"], stdin=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        try:
            _, smtp, _, pop3 = server.stderr.readline().split()
            check_send(send_exe, smtp.rpartition(":")[2], folder)
            check_fetch(fetch_exe, pop3.rpartition(":")[2], folder)
            server.stdin.close()
            assert server.wait(20) == 0
        finally:
            server.kill()
            server.wait()


main()
