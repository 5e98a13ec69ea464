"""The example server delivers by smtplib what poplib then fetches, and keeps its own policy."""
import poplib
import smtplib
import subprocess
import sys
import tempfile

MESSAGE = b"From: carl@client.example\r\nSubject: dots\r\n\r\n.one\r\n..two\r\n\xff\r\n"


def refused(call, *args):
    try:
        call(*args)
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, poplib.error_proto):
        return True
    return False


def fetch(port):
    pop = poplib.POP3("127.0.0.1", port, timeout=20)
    pop.user("anna")
    pop.pass_("secret")
    return pop


def check(smtp_port, pop3_port):
    with smtplib.SMTP("127.0.0.1", smtp_port, timeout=20) as smtp:
        smtp.sendmail("carl@client.example", ["anna@mill.example"], MESSAGE)
        assert refused(smtp.sendmail, "carl@client.example", ["bert@mill.example"], MESSAGE)
        assert refused(smtp.sendmail, "carl@client.example", ["anna@mill.example"],
                       MESSAGE + b"x" * (1 << 20))
        smtp.sendmail("carl@client.example", ["anna@mill.example"], b"second")
    pop = poplib.POP3("127.0.0.1", pop3_port, timeout=20)
    pop.user("anna")
    assert refused(pop.pass_, "wrong")
    pop.quit()
    pop = fetch(pop3_port)
    assert pop.stat() == (2, len(MESSAGE) + len("second\r\n")), pop.stat()
    assert b"\r\n".join(pop.retr(1)[1]) + b"\r\n" == MESSAGE
    assert [line.split()[1] for line in pop.uidl()[1]] == [b"letter-0", b"letter-1"]
    assert pop.top(1, 1)[1][-1] == b".one"
    pop.dele(1)
    pop.quit()
    pop = fetch(pop3_port)
    assert pop.stat()[0] == 1
    assert refused(pop.retr, 2)
    pop.quit()


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([sys.argv[1], folder, "0", "0"], stdin=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        try:
            _, smtp, _, pop3 = server.stderr.readline().split()
            check(int(smtp.rpartition(":")[2]), int(pop3.rpartition(":")[2]))
            server.stdin.close()
            assert server.wait(20) == 0
        finally:
            server.kill()
            server.wait()


main()
