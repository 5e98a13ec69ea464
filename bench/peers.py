"""Peers to measure against: Dovecot (POP3) and Postfix (SMTP), unpacked from Debian's packages into the build
folder, never installed, run with private configurations on loopback and ended by pid."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

PACKAGES = ["dovecot-core", "dovecot-pop3d", "postfix"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, seconds=20):
    """Until the port greets."""
    end = time.time() + seconds
    while time.time() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as s:
                s.settimeout(5)
                if s.recv(1):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing greets on port {port}")


def unpack(folder):
    root = folder / "root"
    if (root / "usr/sbin/dovecot").exists() and (root / "usr/sbin/postfix").exists():
        return root
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "-qq", "download", *PACKAGES], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, root], check=True)
        package.unlink()
    return root


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_in_namespace(root, command, log):
    """The packages expect to live in /usr: lay them over it, in a mount namespace of this process alone."""
    script = 'mount -t overlay overlay -o "lowerdir=$1:/usr" /usr && shift && exec "$@"'
    return subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", str(root / "usr"), *command],
        stdout=log, stderr=log)


class Dovecot:
    name = "Dovecot"

    def __init__(self, folder, root, cert, key):
        self.folder = folder / "dovecot"
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "run").mkdir(parents=True)
        (self.folder / "mail").mkdir()
        self.root, self.pop3, self.pop3s = root, free_port(), free_port()
        self.write_config(cert, key)

    def write_config(self, cert, key):
        f = self.folder
        self.config = f / "dovecot.conf"
        self.config.write_text(f"""
base_dir = {f}/run
state_dir = {f}/run
protocols = pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
log_path = {f}/log
info_log_path = /dev/null
disable_plaintext_auth = no
default_internal_user = mail
default_internal_group = mail
default_login_user = nobody
default_client_limit = 20000
default_process_limit = 20000
default_vsz_limit = 0
mail_location = maildir:{f}/mail/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
pop3_no_flag_updates = yes
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={f}/mail/%u
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service auth {{
  client_limit = 40000
}}
service pop3-login {{
  chroot =
  service_count = 0
  process_min_avail = {os.cpu_count()}
  client_limit = 10000
  inet_listener pop3 {{
    port = {self.pop3}
  }}
  inet_listener pop3s {{
    port = {self.pop3s}
    ssl = yes
  }}
}}
service pop3 {{
  service_count = 0
  process_min_avail = {os.cpu_count()}
  client_limit = 1
}}
""")

    def fill(self, users, messages, octets):
        mail = self.folder / "mail"
        for u in range(users):
            new = mail / f"u{u}" / "new"
            for sub in ("cur", "new", "tmp"):
                (mail / f"u{u}" / sub).mkdir(parents=True, exist_ok=True)
            for m in range(messages):
                (new / f"{1000000000 + m}.M{m}P1.bench").write_bytes(octets)
        subprocess.run(["chown", "-R", "mail:mail", mail], check=True)

    def start(self):
        self.log = open(self.folder / "out", "wb")
        self.process = start_in_namespace(self.root, ["/usr/sbin/dovecot", "-F", "-c", str(self.config)], self.log)
        wait_for(self.pop3, self.process)

    def stop(self):
        stop(self.process)


class Postfix:
    name = "Postfix"

    def __init__(self, folder, root):
        self.folder = folder / "postfix"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.root, self.smtp = root, free_port()
        self.make_folders()
        self.write_config()

    def make_folders(self):
        f = self.folder
        for sub in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            (f / "spool" / sub).mkdir(parents=True)
            shutil.chown(f / "spool" / sub, "mail")
            (f / "spool" / sub).chmod(0o700)
        for sub, mode in (("maildrop", 0o1730), ("public", 0o2710), ("pid", 0o755)):
            (f / "spool" / sub).mkdir()
            shutil.chown(f / "spool" / sub, "root" if sub == "pid" else "mail", "operator")
            (f / "spool" / sub).chmod(mode)
        for sub in ("conf", "data", "mail"):
            (f / sub).mkdir()
        shutil.chown(f / "data", "mail")
        shutil.chown(f / "mail", "mail")

    def write_config(self):
        f = self.folder
        (f / "conf/main.cf").write_text(f"""
compatibility_level = 3.6
mail_owner = mail
setgid_group = operator
default_privs = nobody
queue_directory = {f}/spool
data_directory = {f}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {self.root}/etc/postfix
import_environment = MAIL_CONFIG
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.example.org
mydestination =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {f}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:8
virtual_gid_maps = static:8
virtual_minimum_uid = 1
alias_maps =
alias_database =
in_flow_delay = 0
maillog_file = {f}/spool/log
maillog_file_prefixes = {f}
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
default_process_limit = 200
message_size_limit = 50000000
""")
        (f / "conf/master.cf").write_text(f"""
127.0.0.1:{self.smtp} inet n - n - 200 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
postlog unix-dgram n - n - 1 postlogd
""")

    def start(self):
        self.log = open(self.folder / "out", "wb")
        conf = str(self.folder / "conf")
        self.process = start_in_namespace(
            self.root, ["env", f"MAIL_CONFIG={conf}", "/usr/lib/postfix/sbin/master", "-c", conf, "-d"], self.log)
        wait_for(self.smtp, self.process)

    def stop(self):
        stop(self.process)
        shutil.rmtree(self.folder / "mail", ignore_errors=True)


def descendants(pid):
    """The process and all below it."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parent = int(text[text.rindex(")") + 2:].split()[1])
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        p = queue.pop()
        found.append(p)
        queue += children.get(p, [])
    return found


def memory_kb(pid):
    """Proportional set size of a process tree, KB."""
    total = 0
    for p in descendants(pid):
        try:
            for line in open(f"/proc/{p}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total
