"""One ICMP echo request at a time, by a raw socket: what came back, from whom, with which TTL."""

import itertools
import os
import select
import socket
import struct
import time
from dataclasses import dataclass

from .sockets import PATIENCE

_sequence = itertools.count(1)

_ERRORS = {3: "unreachable", 11: "ttl-exceeded"}


@dataclass
class Echo:
    """outcome: "reply", "ttl-exceeded", "unreachable" or "silent"."""

    outcome: str
    source: str = None
    ttl: int = 0

    def __eq__(self, other):
        return self.outcome == other if isinstance(other, str) else NotImplemented


def _checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Pinger:
    """Open for the time of one request, so that many can be under way at once: send(), then
    result().
    """

    def __init__(self, namespace, ttl=64, identifier=None):
        self._id = (os.getpid() if identifier is None else identifier) & 0xFFFF
        self._sequence = next(_sequence) & 0xFFFF
        with namespace.entered():
            self._sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)

    def send(self, address, size=56):
        body = bytes(index & 0xFF for index in range(size))
        header = struct.pack("!BBHHH", 8, 0, 0, self._id, self._sequence)
        header = struct.pack("!BBHHH", 8, 0, _checksum(header + body), self._id, self._sequence)
        try:
            self._sock.sendto(header + body, (address, 0))
        except OSError:  # no route
            return False
        return True

    def result(self, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while True:
            left = max(0, deadline - time.monotonic())
            if not select.select([self._sock], [], [], left)[0]:
                return Echo("silent")
            packet, (source, _) = self._sock.recvfrom(65536)
            if echo := self._match(packet, source):
                return echo

    def _match(self, packet, source):
        header_size = (packet[0] & 0xF) * 4
        icmp = packet[header_size:]
        if icmp[0] == 0 and struct.unpack_from("!HH", icmp, 4) == (self._id, self._sequence):
            return Echo("reply", source, packet[8])
        if icmp[0] in _ERRORS:
            quoted = icmp[8:]
            inner = quoted[(quoted[0] & 0xF) * 4 :]
            if inner[0] == 8 and struct.unpack_from("!HH", inner, 4) == (self._id, self._sequence):
                return Echo(_ERRORS[icmp[0]], source, packet[8])
        return None

    def close(self):
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ping(namespace, address, ttl=64, size=56, timeout=PATIENCE):
    """Exactly one request: a first packet that gets lost is a fault."""
    with Pinger(namespace, ttl) as pinger:
        if not pinger.send(address, size):
            return Echo("unreachable")
        return pinger.result(timeout)
