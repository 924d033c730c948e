"""Small servers of real protocols: HTTP by Python's own, DNS and FTP just as far as a client asks."""

import contextlib
import socket
import struct
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
