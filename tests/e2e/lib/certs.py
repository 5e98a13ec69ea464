"""A small private certificate authority for one run: server, second server, client certificates."""
import os

from . import tools


class Certs:
    def __init__(self, folder):
        self.folder = folder
        self.ca = os.path.join(folder, "ca.pem")

    def pair(self, name):
        return os.path.join(self.folder, name + ".pem"), os.path.join(self.folder, name + ".key")


def openssl(folder, *arguments):
    tools.run("openssl", *arguments, cwd=folder)


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout")


def self_signed(folder, name, subject):
    openssl(folder, "req", "-x509", *KEY, name + ".key", "-out", name + ".pem", "-days", "30",
            "-subj", subject)


def request(folder, name, subject):
    openssl(folder, "req", "-new", *KEY, name + ".key", "-out", name + ".csr", "-subj", subject)


def sign(folder, name, subject, extensions):
    request(folder, name, subject)
    with open(os.path.join(folder, name + ".ext"), "w") as f:
        f.write(extensions)
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "30", "-extfile", name + ".ext", "-out", name + ".pem")


def make(folder):
    """ca; server and second for localhost; u1 and u2 (clients); stranger, a self-signed client."""
    os.mkdir(folder, 0o755)
    self_signed(folder, "ca", "/CN=Test CA")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
    sign(folder, "server", "/CN=localhost/O=first", names)
    sign(folder, "second", "/CN=localhost/O=second", names)
    for user in ("u1", "u2"):
        sign(folder, user, "/CN=" + user, "extendedKeyUsage=clientAuth\n")
    self_signed(folder, "stranger", "/CN=u1")
    return Certs(folder)
