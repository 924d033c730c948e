"""Questions to a resolver, and a resolver that answers what the test wants."""

import itertools
import socket
import struct
from dataclasses import dataclass, field

from .sockets import UdpServer, TcpServer, open_socket, receive_exactly, tcp_connect

TYPES = {"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28, "ANY": 255}
OPT = 41
DONE, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = range(6)
_ids = itertools.count(1)


def name_bytes(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(name, kind="A", edns=None, number=None):
    number = next(_ids) % 65536 if number is None else number
    head = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0 if edns is None else 1)
    opt = b"" if edns is None else b"\0" + struct.pack("!HHIH", OPT, edns, 0, 0)
    return head + name_bytes(name) + struct.pack("!HH", TYPES[kind], 1) + opt


@dataclass
class Answer:
    rcode: int
    cut: bool
    records: list = field(default_factory=list)  # addresses and names, sorted
    size: int = 0
    has_opt: bool = False


def _read_name(packet, at):
    """(name, what follows it)"""
    labels, end = [], None
    while packet[at]:
        if packet[at] >= 0xC0:
            end = end or at + 2
            at = (packet[at] & 0x3F) << 8 | packet[at + 1]
            continue
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    return ".".join(labels), end or at + 1


def decode(packet, asked):
    number, flags, questions, answers, others, additional = struct.unpack("!6H", packet[:12])
    assert number == struct.unpack("!H", asked[:2])[0], "the answer to another question"
    assert flags & 0x8000, "not an answer"
    at, decoded = 12, Answer(flags & 0xF, bool(flags & 0x0200), size=len(packet))
    for _ in range(questions):
        at = _read_name(packet, at)[1] + 4
    for _ in range(answers + others + additional):
        at = _read_name(packet, at)[1]
        kind, _, _, size = struct.unpack("!HHIH", packet[at : at + 10])
        data = packet[at + 10 : at + 10 + size]
        if kind == OPT:
            decoded.has_opt = True
        elif kind == TYPES["A"]:
            decoded.records.append(socket.inet_ntop(socket.AF_INET, data))
        elif kind == TYPES["AAAA"]:
            decoded.records.append(socket.inet_ntop(socket.AF_INET6, data))
        elif kind == TYPES["PTR"]:
            decoded.records.append(_read_name(packet, at + 10)[0])
        else:
            decoded.records.append(data)
        at += 10 + size
    assert at == len(packet), "bytes behind the answer"
    decoded.records.sort(key=str)
    return decoded


def exchange(namespace, server, packet, tcp=False, timeout=10):
    """The raw answer."""
    if tcp:
        with tcp_connect(namespace, server, 53, timeout=timeout) as sock:
            sock.settimeout(timeout)
            sock.sendall(struct.pack("!H", len(packet)) + packet)
            return receive_exactly(sock, struct.unpack("!H", receive_exactly(sock, 2))[0])
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with open_socket(namespace, socket.SOCK_DGRAM, family=family) as sock:
        sock.settimeout(timeout)
        sock.connect((server, 53))
        sock.send(packet)
        return sock.recv(65536)


def ask(namespace, server, name, kind="A", tcp=False, edns=None, timeout=10):
    packet = question(name, kind, edns)
    return decode(exchange(namespace, server, packet, tcp, timeout), packet)


class Resolver:
    """The host's resolver: what `records` has as {name: [addresses]}, on UDP and TCP."""

    def __init__(self, namespace, address, records):
        self.records, self.asked = records, []
        self._udp = UdpServer(namespace, 53, address)
        self._udp.answer = lambda packet: self.answer(packet, 512)
        self._tcp = TcpServer(namespace, 53, address, handler=self._serve)

    def _serve(self, sock):
        while head := sock.recv(2):
            packet = receive_exactly(sock, struct.unpack("!H", head)[0])
            answer = self.answer(packet, 65535)
            sock.sendall(struct.pack("!H", len(answer)) + answer)

    def answer(self, packet, limit):
        name, end = _read_name(packet, 12)
        self.asked.append(name.lower())
        found = self.records.get(name.lower())
        records = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(one)
            for one in found or []
        )
        flags = 0x8180 | (0 if found else NO_SUCH_NAME)
        count = len(found or [])
        if end + 4 + len(records) > limit:
            flags, records, count = flags | 0x0200, b"", 0
        head = packet[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0)
        return head + packet[12 : end + 4] + records

    def close(self):
        self._udp.close()
        self._tcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
