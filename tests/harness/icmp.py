"""One ICMP echo request at a time, by a raw socket: what came back, from whom, with which TTL."""

import itertools
import os
import re
import select
import socket
import struct
import time
from dataclasses import dataclass

from .backlog import unless_dropped
from .sockets import PATIENCE, family_of, set_ttl

_sequence = itertools.count(1)

_ERRORS = {
    socket.AF_INET: {3: "unreachable", 11: "ttl-exceeded"},
    socket.AF_INET6: {1: "unreachable", 3: "ttl-exceeded"},
}
_ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
_IPV6_HEADER = 40


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

    def __init__(self, namespace, ttl=64, identifier=None, family=socket.AF_INET):
        self._id = (os.getpid() if identifier is None else identifier) & 0xFFFF
        self._sequence = next(_sequence) & 0xFFFF
        self._family = family
        protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
        with namespace.entered():
            self._sock = socket.socket(family, socket.SOCK_RAW, protocol)
        set_ttl(self._sock, ttl)
        if family == socket.AF_INET6:
            self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)

    def send(self, address, size=56):
        body = bytes(index & 0xFF for index in range(size))
        kind = _ECHO[self._family][0]
        header = struct.pack("!BBHHH", kind, 0, 0, self._id, self._sequence)
        # The kernel itself fills in the one that has a pseudo header.
        check = _checksum(header + body) if self._family == socket.AF_INET else 0
        header = struct.pack("!BBHHH", kind, 0, check, self._id, self._sequence)
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
            message, ancillary, _, source = self._sock.recvmsg(65536, 64)
            if self._family == socket.AF_INET:
                ttl, message = message[8], message[(message[0] & 0xF) * 4 :]
            else:
                (ttl,) = struct.unpack("i", ancillary[0][2])
            if echo := self._match(message, source[0], ttl):
                return echo

    def _match(self, icmp, source, ttl):
        request, reply = _ECHO[self._family]
        ours = (self._id, self._sequence)
        if icmp[0] == reply and struct.unpack_from("!HH", icmp, 4) == ours:
            return Echo("reply", source, ttl)
        if icmp[0] in _ERRORS[self._family]:
            quoted = icmp[8:]
            four = self._family == socket.AF_INET
            inner = quoted[(quoted[0] & 0xF) * 4 if four else _IPV6_HEADER :]
            if inner[0] == request and struct.unpack_from("!HH", inner, 4) == ours:
                return Echo(_ERRORS[self._family][icmp[0]], source, ttl)
        return None

    def close(self):
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ping(namespace, address, ttl=64, size=56, timeout=PATIENCE):
    """Exactly one request: a first packet that gets lost is a fault."""

    def once():
        with Pinger(namespace, ttl, family=family_of(address)) as pinger:
            if not pinger.send(address, size):
                return Echo("unreachable")
            return pinger.result(timeout)

    return unless_dropped(once)


def lost(text):
    """How many requests of a ping(8) that SIGINT ended have no answer, by all that it printed: an answer out of turn or
    a second one is an AssertionError. The last request may have been under way.
    """
    answered = [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", text)]
    assert answered == sorted(set(answered)), text
    sent = int(re.search(r"(\d+) packets transmitted", text).group(1))
    assert answered, text
    return sent - len(answered) - (answered[-1] == sent - 1)
