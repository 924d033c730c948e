"""Servers of real protocols: HTTP by Python's own, ssh by dropbear, DNS and FTP just as far as a client asks."""

import contextlib
import pwd
import shutil
import socket
import struct
import subprocess
import sys

from .sockets import TcpServer, UdpServer, open_socket, receive_exactly
from .wait import wait_until


@contextlib.contextmanager
def http_files(namespace, directory, port=80):
    """Serves the directory's files over HTTP, on both families."""
    command = [sys.executable, "-m", "http.server", "--bind", "::", "-d", str(directory), str(port)]
    with namespace.spawn(*command) as server:
        wait_until(lambda: tcp_open(namespace, port), what="the HTTP server listening")
        yield server


def tcp_open(namespace, port):
    try:
        with open_socket(namespace, socket.SOCK_STREAM, family=socket.AF_INET6) as sock:
            sock.connect(("::1", port))
            return True
    except ConnectionRefusedError:
        return False


def dns_question(name, identifier=1):
    """A query for TXT."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", identifier, 0x0100, 1, 0, 0, 0) + labels + b"\0" + b"\0\x10\0\1"


def dns_answer(question, texts):
    """Answers with TXT records of these byte strings; over UDP more than 512 bytes are cut (TC)."""
    records = b"".join(
        b"\xc0\x0c\0\x10\0\1" + struct.pack("!IH", 60, len(text) + 1) + bytes([len(text)]) + text
        for text in texts
    )
    header = question[:2] + struct.pack("!5H", 0x8180, 1, len(texts), 0, 0)
    return header + question[12:] + records


DNS_TEXTS = [bytes([65 + index]) * 200 for index in range(6)]


class DnsOverUdp(UdpServer):
    """Says that the answer is too long for UDP."""

    def answer(self, data):
        cut = dns_answer(data, [])
        return cut[:2] + struct.pack("!H", 0x8380) + cut[4:]


def dns_over_tcp(sock):
    (size,) = struct.unpack("!H", receive_exactly(sock, 2))
    answer = dns_answer(receive_exactly(sock, size), DNS_TEXTS)
    sock.sendall(struct.pack("!H", len(answer)) + answer)


class FtpServer(TcpServer):
    """Retrieves one file, passively: PASV and EPSV name a new port for the data."""

    def __init__(self, namespace, address, content):
        self._namespace, self._address, self._content = namespace, address, content
        super().__init__(namespace, 21, handler=self._session)

    def _session(self, sock):
        with sock.makefile("rw", newline="\r\n", encoding="ascii") as talk:
            self._data = None
            self._say(talk, "220 ready")
            for line in talk:
                words = line.split()
                getattr(self, "_on_" + words[0].lower(), self._other)(talk)
                if words[0].upper() == "QUIT":
                    return

    @staticmethod
    def _say(talk, text):
        talk.write(text + "\n")
        talk.flush()

    def _other(self, talk):
        self._say(talk, "200 fine")

    def _listen(self):
        self._data = open_socket(self._namespace, socket.SOCK_STREAM, self._address)
        self._data.listen(1)
        return self._data.getsockname()[1]

    def _on_user(self, talk):
        self._say(talk, "230 welcome")

    def _on_pasv(self, talk):
        port = self._listen()
        numbers = [*self._address.split("."), str(port >> 8), str(port & 0xFF)]
        self._say(talk, f"227 passive ({','.join(numbers)})")

    def _on_epsv(self, talk):
        self._say(talk, f"229 passive (|||{self._listen()}|)")

    def _on_retr(self, talk):
        self._say(talk, "150 coming")
        connection, _ = self._data.accept()
        with connection:
            connection.sendall(self._content)
        self._data.close()
        self._say(talk, "226 done")

    def _on_quit(self, talk):
        self._say(talk, "221 bye")


# Runs a command with a directory ($1) over another ($2), in a mount namespace of its own.
WITH_BIND = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


class Ssh:
    """Debian's dropbear as server, which unlike OpenSSH's comes without a service that starts by itself, and
    OpenSSH's scp as client. Keys are below `directory`; the user's own ssh files are neither read nor written.
    """

    def __init__(self, directory):
        self._home, self._host_key, self._key = directory, directory / "host_key", directory / "key"
        authorized = directory / ".ssh" / "authorized_keys"
        authorized.parent.mkdir(parents=True, mode=0o700)
        directory.chmod(0o700)
        make_host_key = ["dropbearkey", "-t", "ed25519", "-f", self._host_key]
        make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key]
        for command in (make_host_key, make_key):
            subprocess.run(command, check=True, capture_output=True)
        shutil.copy(self._key.with_suffix(".pub"), authorized)

    @contextlib.contextmanager
    def server(self, namespace, port):
        """dropbear looks for authorized_keys in the home that passwd(5) names: there it finds ours."""
        dropbear = ["dropbear", "-F", "-E", "-s", "-P", "", "-r", self._host_key, "-p", str(port)]
        over_home = ["unshare", "--mount", "sh", "-c", WITH_BIND, "sh", self._home, pwd.getpwuid(0).pw_dir]
        with namespace.spawn(*over_home, *dropbear) as process:
            wait_until(lambda: tcp_open(namespace, port), what="dropbear listening")
            yield process

    def copy(self, namespace, port, source, target, timeout):
        """scp; one of the two is [ADDRESS]:PATH. With the old protocol: dropbear has no sftp-server."""
        options = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={self._home / 'known'}", "BatchMode=yes"]
        words = [word for option in options for word in ("-o", option)]
        namespace.run("scp", "-F", "none", "-O", "-i", self._key, "-P", str(port), *words, source, target, timeout=timeout)
