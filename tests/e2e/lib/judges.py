"""Servers we did not write, from Debian's packages unpacked by setup.sh: each runs with a private
configuration on a free loopback port, in a mount and process namespace of its own where its packages
lie over /usr, and ends with that namespace's first process."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

from . import tools

JUDGES = os.path.join(tools.TOOLS, "judges")
USER, PASSWORD, UID = "alice", "secret", 1500

# /usr with the packages over it, /etc with what the test wrote over it, and empty folders where
# daemons want to write. The rest of the machine stays as it is, read and untouched.
LAY = """
set -e
etc=$1; lower=$2; mail=$3; shift 3
mount -t proc proc /proc
mount -t overlay o -o "lowerdir=$lower:/usr" /usr
mount -t tmpfs t /run
mkdir /run/upper /run/work
mount -t overlay o -o "lowerdir=$etc:/etc,upperdir=/run/upper,workdir=/run/work" /etc
mount -t tmpfs t /var/lib
mount -t tmpfs t /var/spool
mount --bind "$mail" /var/mail
mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty /var/lib/popa3d
chmod 711 /var/spool/smtpd
"$@" &
wait "$!"
"""

# One process a connection, for servers that want an inetd in front.
INETD = """
import os, signal, socket, subprocess, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    peer, _ = listener.accept()
    subprocess.Popen(sys.argv[2:], stdin=peer, stdout=peer, close_fds=True)
    peer.close()
"""


def can_lay():
    """Whether this machine lets us have namespaces with overlays; why not otherwise."""
    probe = subprocess.run(
        ["unshare", "-m", "-p", "--fork", "--propagation", "private", "sh", "-c",
         "mount -t tmpfs t /run && mkdir /run/a /run/b /run/c && "
         "mount -t overlay o -o lowerdir=/run/a,upperdir=/run/b,workdir=/run/c /run/a"],
        capture_output=True, check=False)
    return "" if probe.returncode == 0 else probe.stderr.decode(errors="replace").strip()


def free_port():
    """A port nobody listens on; below the range the kernel gives to others."""
    for _ in range(200):
        port = random.randint(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


class Judge:
    """A server; `packages` are the folders it needs below tools/judges."""
    packages = ()

    def __init__(self, context):
        from .runner import Skip
        why = can_lay()
        if why:
            raise Skip("this machine gives no mount namespaces: " + why)
        self.context = context
        self.dir = context.path(type(self).__name__.lower())
        self.port = free_port()
        for name in ("etc/pam.d", "etc/courier", "mail", "home"):
            os.makedirs(os.path.join(self.dir, name))
        os.chmod(self.path("mail"), 0o1777)
        self.process = None
        self.make_accounts()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def make_accounts(self):
        """The machine's accounts, and those the packages would have made."""
        for name in ("passwd", "group", "shadow"):
            shutil.copyfile("/etc/" + name, self.path("etc", name))
        secret = tools.run("openssl", "passwd", "-6", PASSWORD).out.decode().strip()
        more = {"passwd": f"{USER}:x:{UID}:{UID}::{self.path('home')}:/bin/sh\n",
                "group": f"{USER}:x:{UID}:\n",
                "shadow": f"{USER}:{secret}:19000:0:99999:7:::\n"}
        names = ("popa3d", "opensmtpd", "opensmtpq", "dovecot", "dovenull", "Debian-exim", "courier")
        for number, name in enumerate(names, UID + 1):
            more["passwd"] += f"{name}:x:{number}:{number}::/nonexistent:/bin/false\n"
            more["group"] += f"{name}:x:{number}:\n"
        for name, lines in more.items():
            with open(self.path("etc", name), "a") as f:
                f.write(lines)
        for service in ("popa3d", "pop3", "gnu-pop3d", "dovecot"):
            self.write(f"etc/pam.d/{service}", "auth required pam_unix.so\n"
                       "account required pam_permit.so\nsession required pam_permit.so\n")

    def command(self):
        raise NotImplementedError

    def start(self):
        lower = ":".join(os.path.join(JUDGES, p, "usr") for p in (*self.packages, "libs"))
        # The namespace's first process is ours to end; the kernel ends all others with it. It stays
        # the shell: servers that change their user id forget that they shall die with their parent.
        with open(self.path("out"), "ab") as out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-p", "--fork", "--kill-child",
                 "--propagation", "private", "sh", "-c", LAY, "sh", self.path("etc"), lower,
                 self.path("mail"), *self.command()],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.dir)
        self.context.cleanup(self.stop)
        self.await_greeting()
        return self

    def await_greeting(self, seconds=30):
        end = time.monotonic() + seconds * self.context.patience
        while time.monotonic() < end:
            assert self.process.poll() is None, f"{self} ended:\n{self.tail()}"
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    s.settimeout(5)
                    if s.recv(1):
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{self} does not greet:\n{self.tail()}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def tail(self):
        text = ""
        for name in ("out", "log"):
            if os.path.exists(self.path(name)):
                with open(self.path(name), errors="replace") as f:
                    text += f.read()[-2000:]
        return text

    def __repr__(self):
        return type(self).__name__

    def give(self, *names):
        """These are the user's."""
        for name in names:
            for folder, _, files in os.walk(self.path(name)):
                for entry in ["", *files]:
                    os.chown(os.path.join(folder, entry), UID, UID)

    def fill_maildir(self, name, messages):
        """Messages (octets with CRLF) as a Maildir has them, with LF, in this order."""
        for sub in ("cur", "new", "tmp"):
            os.makedirs(self.path(name, sub), exist_ok=True)
        for number, octets in enumerate(messages):
            with open(self.path(name, "new", f"{1000000000 + number}.M{number}P1.judge"), "wb") as f:
                f.write(octets.replace(b"\r\n", b"\n"))
        self.give(name)

    def fill_mbox(self, messages):
        with open(self.path("mail", USER), "wb") as f:
            for octets in messages:
                f.write(b"From judge@example.org Sat Nov 21 02:00:00 2026\n" +
                        octets.replace(b"\r\n", b"\n") + b"\n")
        os.chown(self.path("mail", USER), UID, 8)
        os.chmod(self.path("mail", USER), 0o600)


class Dovecot(Judge):
    """POP3 with STLS, POP3S, every SASL mechanism it has, and LMTP."""
    packages = ("dovecot",)

    def __init__(self, context):
        super().__init__(context)
        self.pop3s, self.lmtp = free_port(), free_port()
        cert, key = context.cert.pair("server")
        self.write("users", f"{USER}:{{PLAIN}}{PASSWORD}:{UID}:{UID}::{self.path('home')}\n")
        os.makedirs(self.path("home/Maildir"))
        self.give("home")
        os.chmod(self.dir, 0o755)
        self.write("dovecot.conf", f"""
base_dir = /run/dovecot
state_dir = /run/dovecot-state
protocols = pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
log_path = {self.path('log')}
auth_mechanisms = plain login cram-md5 digest-md5 apop scram-sha-1 scram-sha-256 xoauth2 oauthbearer
default_internal_user = dovecot
default_internal_group = dovecot
default_login_user = dovenull
mail_location = maildir:~/Maildir
first_valid_uid = {UID}
auth_failure_delay = 0
pop3_no_flag_updates = yes
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 digest-md5 apop scram-sha-1 scram-sha-256
  args = {self.path('users')}
}}
userdb {{
  driver = passwd-file
  args = {self.path('users')}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {self.port}
  }}
  inet_listener pop3s {{
    port = {self.pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
protocol lmtp {{
  postmaster_address = postmaster@example.org
  auth_username_format = %n
}}
{self.settings()}
""")

    def settings(self):
        return ""

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.path("dovecot.conf")]

    def fill(self, messages):
        self.fill_maildir("home/Maildir", messages)


class Courier(Judge):
    packages = ("courier",)

    def __init__(self, context):
        super().__init__(context)
        secret = tools.run("openssl", "passwd", "-1", PASSWORD).out.decode().strip()
        self.write("etc/courier/userdb", f"{USER}\tuid={UID}|gid={UID}|home={self.path('home')}|"
                   f"systempw={secret}|pop3pw={secret}\n", 0o600)
        self.write("etc/courier/authdaemonrc",
                   'authmodulelist="authuserdb"\nauthmodulelistorig="authuserdb"\ndaemons=2\n'
                   'authdaemonvar=/run/courier/authdaemon\nsubsystem=mail\nDEBUG_LOGIN=0\n'
                   'DEFAULTOPTIONS=""\nLOGGEROPTS=""\n')

    def command(self):
        # Debian's library looks for the socket in a folder spelt wrongly.
        return ["sh", "-c", f"""
mkdir -p /run/courier/authdaemon
ln -s authdaemon /run/courier/autthdaemon
chmod 755 /run/courier /run/courier/authdaemon
cd /etc/courier && /usr/sbin/makeuserdb
export LD_LIBRARY_PATH=/usr/lib:/usr/lib/courier-authlib MAILDIRPATH=Maildir POP3AUTH=
/usr/lib/courier/courier-authlib/authdaemond >/dev/null &
until [ -S /run/courier/authdaemon/socket ]; do sleep 0.02; done
exec /usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup \
	-noidentlookup {self.port} /usr/lib/courier/courier/courierpop3login \
	/usr/lib/courier/courier/courierpop3d Maildir"""]

    def fill(self, messages):
        self.fill_maildir("home/Maildir", messages)


class Popa3d(Judge):
    """A poor one: no CAPA, a bare +OK to everything, UIDLs that are alike for messages alike."""
    packages = ("popa3d",)

    def command(self):
        return [sys.executable, "-c", INETD, str(self.port), "/usr/sbin/popa3d"]

    def fill(self, messages):
        self.fill_mbox(messages)


class Mailutils(Judge):
    """Another: an APOP stamp although nobody has a secret, and a strange CAPA."""
    packages = ("mailutils",)

    def __init__(self, context):
        super().__init__(context)
        self.write("mu.conf", f"""
server 127.0.0.1:{self.port} {{ }};
logging {{ syslog no; }};
mailbox {{ mail-spool /var/mail; }};
auth {{ authentication clear; authorization clear; }};
""")

    def command(self):
        return ["/usr/sbin/pop3d", "--no-config", "--config-file=" + self.path("mu.conf"),
                "--foreground", "--daemon"]

    def fill(self, messages):
        self.fill_mbox(messages)


class OpenSmtpd(Judge):
    """Without TLS: its keeper of keys does not work with Debian's OpenSSL in a namespace."""
    packages = ("opensmtpd",)

    def __init__(self, context):
        super().__init__(context)
        os.makedirs(self.path("home/Maildir"))
        self.give("home")
        os.chmod(self.dir, 0o755)
        self.write("smtpd.conf", f"""
listen on 127.0.0.1 port {self.port} hostname localhost
action keep maildir "{self.path('home/Maildir')}"
match from any for local action keep
""", 0o600)

    def command(self):
        return ["/usr/sbin/smtpd", "-d", "-f", self.path("smtpd.conf")]

    def received(self):
        return read_maildir(self.path("home/Maildir"))


class Exim(Judge):
    """The stock server with CHUNKING and PRDR."""
    packages = ("exim",)

    def __init__(self, context):
        super().__init__(context)
        os.makedirs(self.path("spool"))
        os.makedirs(self.path("box"))
        for name in ("spool", "box"):
            os.chown(self.path(name), UID + 6, UID + 6)
        os.chmod(self.dir, 0o755)
        cert, key = context.cert.pair("server")
        shutil.copyfile(key, self.path("key"))
        os.chown(self.path("key"), UID + 6, UID + 6)
        self.write("exim.conf", f"""
primary_hostname = localhost
spool_directory = {self.path('spool')}
log_file_path = {self.path('spool')}/log-%s
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
chunking_advertise_hosts = *
prdr_enable = true
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = {cert}
tls_privatekey = {self.path('key')}
accept_8bitmime = true
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept_all
keep_environment =
begin acl
check_rcpt:
  deny local_parts = nobody
       message = no such user here
  defer local_parts = later
  accept
accept_all:
  accept
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = {self.path('box')}/all
  create_directory
  maildir_format
  user = Debian-exim
  group = Debian-exim
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}
  server_set_id = $auth1
""")

    def command(self):
        return ["/usr/sbin/exim4", "-C", self.path("exim.conf"), "-bdf", "-q1h"]

    def received(self):
        return read_maildir(self.path("box/all"))


class AioSmtpd(Judge):
    """aiosmtpd with STARTTLS and AUTH; messages go to a folder."""
    packages = ("aiosmtpd",)

    PROGRAM = """
import asyncio, os, ssl, sys
sys.path.insert(0, "/usr/lib/python3/dist-packages")
from aiosmtpd.smtp import SMTP, AuthResult
box, port, cert, key = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
class Handler:
    count = 0
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        Handler.count += 1
        with open(os.path.join(box, ".%d" % Handler.count), "wb") as f:
            f.write(envelope.original_content)
        os.rename(f.name, os.path.join(box, str(Handler.count)))
        return "250 OK"
def check(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"alice" and data.password == b"secret")
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(cert, key)
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(
        Handler(), tls_context=context, authenticator=check, auth_require_tls=True,
        enable_SMTPUTF8=True, hostname="localhost", loop=loop), "127.0.0.1", port)
    await server.serve_forever()
asyncio.run(main())
"""

    def command(self):
        os.makedirs(self.path("box"), exist_ok=True)
        cert, key = self.context.cert.pair("server")
        return [sys.executable, "-c", self.PROGRAM, self.path("box"), str(self.port), cert, key]

    def received(self):
        return [open(self.path("box", name), "rb").read()
                for name in sorted(os.listdir(self.path("box")), key=int)
                if not name.startswith(".")]


class SmtpSink(Judge):
    """Postfix's sink, with its faults: `faults` are its options, for example ("-f", "RCPT")."""
    packages = ()

    def __init__(self, context, *faults):
        super().__init__(context)
        self.faults = faults
        self.write("main.cf", "compatibility_level = 3.6\nmyhostname = sink.example.org\n"
                   f"queue_directory = {self.dir}\nmail_owner = root\ninet_protocols = ipv4\n")
        os.makedirs(self.path("box"))
        os.chmod(self.path("box"), 0o777)
        os.chmod(self.dir, 0o755)

    def command(self):
        return ["env", "LD_LIBRARY_PATH=" + os.path.join(tools.POSTFIX, "usr/lib/postfix"),
                "MAIL_CONFIG=" + self.dir, os.path.join(tools.POSTFIX, "usr/sbin/smtp-sink"),
                "-u", "nobody", "-d", self.path("box") + "/m.", *self.faults,
                f"127.0.0.1:{self.port}", "50"]

    def received(self):
        return [open(self.path("box", name), "rb").read() for name in sorted(os.listdir(self.path("box")))]


def read_maildir(folder):
    """What was delivered, in the order of names, with LF line ends as the server wrote it."""
    new = os.path.join(folder, "new")
    names = sorted(os.listdir(new)) if os.path.isdir(new) else []
    return [open(os.path.join(new, name), "rb").read() for name in names]
