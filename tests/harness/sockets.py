"""Talking over TCP and UDP from inside namespaces, and what came of it.

Outcomes are words, so that they can be compared: "echoed", "refused" (RST or ICMP port
unreachable), "unreachable" (another ICMP error or no route), "silent" (nothing came back within the
time).
"""

import contextlib
import errno
import hashlib
import os
import socket
import struct
import threading
from dataclasses import dataclass

from .backlog import unless_dropped

# How long an answer that must come may take, and how long to listen for one that must not.
PATIENCE = 30
SILENCE = 1.2

# <linux/in.h>, <linux/in6.h> and <linux/errqueue.h>; the socket module does not have them.
SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 = 2, 3
IP_RECVERR, IPV6_RECVERR = 11, 25
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER = 10, 23
IP_PMTUDISC_PROBE = 3


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def set_ttl(sock, ttl):
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def open_socket(namespace, kind, address=None, port=0, family=socket.AF_INET, device=None):
    """A socket of that namespace, bound when an address or port is given."""
    with namespace.entered():
        sock = socket.socket(family_of(address) if address else family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        if address or port:
            sock.bind((address or "", port))
        sock.settimeout(PATIENCE)
        return sock
    except BaseException:
        sock.close()
        raise


def _outcome_of(error):
    if error.errno == errno.ECONNREFUSED:
        return "refused"
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOPROTOOPT):
        return "unreachable"
    raise error


@dataclass
class Talk:
    """What a client saw: the outcome in a word, and its own address as (address, port)."""

    outcome: str
    local: tuple = None

    def __eq__(self, other):
        return self.outcome == other if isinstance(other, str) else NotImplemented


def tcp_connect(namespace, address, port, source_port=0, source="", timeout=PATIENCE):
    """A connected socket; OSError as the kernel gives it."""
    sock = open_socket(namespace, socket.SOCK_STREAM, source, source_port, family_of(address))
    try:
        sock.settimeout(timeout)
        sock.connect((address, port))
        sock.settimeout(PATIENCE)
        return sock
    except BaseException:
        sock.close()
        raise


def receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise AssertionError(f"connection ended after {len(data)} of {size} bytes")
        data += piece
    return data


def echo_once(sock, payload=b"are you there?"):
    """True when what was sent on this connected stream comes back."""
    sock.sendall(payload)
    return receive_exactly(sock, len(payload)) == payload


def tcp_talk(namespace, address, port, source_port=0, timeout=PATIENCE):
    """Connects, has one line echoed, closes."""
    try:
        with tcp_connect(namespace, address, port, source_port, timeout=timeout) as sock:
            local = sock.getsockname()[:2]
            sock.settimeout(timeout)
            assert echo_once(sock)
            return Talk("echoed", local)
    except TimeoutError:
        return Talk("silent")
    except OSError as error:
        return Talk(_outcome_of(error))


def udp_connect(namespace, address, port, source_port=0):
    sock = open_socket(namespace, socket.SOCK_DGRAM, "", source_port, family_of(address))
    sock.connect((address, port))
    return sock


def udp_echo_once(sock, payload=b"are you there?"):
    sock.send(payload)
    return sock.recv(65536) == payload


def udp_talk(namespace, address, port, source_port=0, timeout=PATIENCE):
    """One datagram on a connected socket, so that only an answer from that very address and port
    counts.
    """

    def once():
        try:
            with udp_connect(namespace, address, port, source_port) as sock:
                sock.settimeout(timeout)
                assert udp_echo_once(sock)
                return Talk("echoed", sock.getsockname()[:2])
        except TimeoutError:
            return Talk("silent")
        except OSError as error:
            return Talk(_outcome_of(error))

    return unless_dropped(once)


def icmp_error_of(sock, payload, ttl=None, dont_fragment=False):
    """Sends on a connected UDP socket: (ICMP type, code, who complained, MTU), or "silent"."""
    six = sock.family == socket.AF_INET6
    level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
    receive_errors = IPV6_RECVERR if six else IP_RECVERR
    sock.setsockopt(level, receive_errors, 1)
    if ttl:
        set_ttl(sock, ttl)
    if dont_fragment:
        sock.setsockopt(level, IPV6_MTU_DISCOVER if six else IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
    sock.send(payload)
    try:
        sock.recv(2048)
        raise AssertionError("an answer came where an ICMP error was expected")
    except TimeoutError:
        return "silent"
    except OSError:
        _, messages, _, _ = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
    for where, kind, data in messages:
        if (where, kind) == (level, receive_errors):
            _, origin, icmp_type, code, _, info, _ = struct.unpack_from("=IBBBBII", data)
            assert origin == (SO_EE_ORIGIN_ICMP6 if six else SO_EE_ORIGIN_ICMP), origin
            # A sockaddr follows: family, port, for IPv6 the flow label, address.
            address = data[24:40] if six else data[20:24]
            return icmp_type, code, socket.inet_ntop(sock.family, address), info
    raise AssertionError(f"no ICMP error in {messages}")


def udp_icmp_error(namespace, address, port, ttl, timeout=PATIENCE):
    """Sends a datagram with this TTL; (ICMP type, code, who complained), or "silent"."""
    with udp_connect(namespace, address, port) as sock:
        sock.settimeout(timeout)
        error = icmp_error_of(sock, b"how far?", ttl)
        return error if error == "silent" else error[:3]


def _peer(address):
    """(address, port) of an IPv4 client as such, also at a socket of both families."""
    return address[0].removeprefix("::ffff:"), address[1]


class _Server:
    """A thread that serves one socket until close(); `peers` lists the (address, port) seen, in
    order. Without an address it serves both families.
    """

    def __init__(self, sock):
        self.sock = sock
        self.port = sock.getsockname()[1]
        self.peers = []
        self.failure = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._serve()
        except OSError as error:
            if not self._closing:
                self.failure = error

    def close(self):
        self._closing = True
        with contextlib.suppress(
            OSError
        ):  # an unconnected UDP socket: shutdown wakes the reader all the same
            self.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self.sock.close()
        assert self.failure is None, self.failure

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def echo(sock):
    while data := sock.recv(65536):
        sock.sendall(data)


def hash_back(sock):
    """Reads to the end of the stream and answers its SHA-256."""
    digest = hashlib.sha256()
    while data := sock.recv(1 << 20):
        digest.update(data)
    sock.sendall(digest.digest())


class TcpServer(_Server):
    """Serves each connection in a thread of its own; echoes unless told otherwise."""

    def __init__(self, namespace, port=0, address="::", handler=echo):
        sock = open_socket(namespace, socket.SOCK_STREAM, address, port)
        sock.listen(256)
        sock.settimeout(None)
        self._handler = handler
        super().__init__(sock)

    def _serve(self):
        while True:
            connection, peer = self.sock.accept()
            self.peers.append(_peer(peer))
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        with connection, contextlib.suppress(ConnectionError, TimeoutError):
            connection.settimeout(PATIENCE * 4)
            self._handler(connection)


class UdpServer(_Server):
    """Answers every datagram, with the same unless told otherwise, to where it came from."""

    def answer(self, data):
        return data

    def __init__(self, namespace, port=0, address="::", device=None):
        sock = open_socket(namespace, socket.SOCK_DGRAM, address, port, device=device)
        sock.settimeout(None)
        super().__init__(sock)

    def _serve(self):
        while True:
            data, peer = self.sock.recvfrom(65536)
            if self._closing:
                return
            self.peers.append(_peer(peer))
            with contextlib.suppress(ConnectionRefusedError):
                self.sock.sendto(self.answer(data), peer)


class Stream:
    """A thread that sends random bytes over TCP until stop(), and a far end that hashes them."""

    CHUNK = 64 * 1024

    def __init__(self, namespace, address, port, bytes_per_second=None):
        self._sock = tcp_connect(namespace, address, port)
        self._sock.settimeout(PATIENCE * 4)
        self._pause = self.CHUNK / bytes_per_second if bytes_per_second else 0
        self._digest = hashlib.sha256()
        self._stopping = threading.Event()
        self._failure = None
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._stopping.wait(self._pause):
                chunk = os.urandom(self.CHUNK)
                self._digest.update(chunk)
                self._sock.sendall(chunk)
                self.sent += len(chunk)
        except OSError as error:
            self._failure = error

    def stop(self):
        """Ends the stream and asserts that every byte arrived as it was sent."""
        self._stopping.set()
        self._thread.join(PATIENCE * 4)
        with self._sock:
            assert (
                self._failure is None
            ), f"the stream broke after {self.sent} bytes: {self._failure}"
            self._sock.shutdown(socket.SHUT_WR)
            answer = receive_exactly(self._sock, 32)
        assert (
            answer == self._digest.digest()
        ), "the bytes that arrived are not those that were sent"


def send_and_compare(namespace, address, port, size):
    """Sends `size` random bytes to a hash_back server and asserts that they arrived unchanged."""
    chunk = os.urandom(1 << 20)
    digest = hashlib.sha256()
    with tcp_connect(namespace, address, port) as sock:
        sock.settimeout(PATIENCE * 2)
        left = size
        while left:
            piece = memoryview(chunk)[: min(left, len(chunk))]
            digest.update(piece)
            sock.sendall(piece)
            left -= len(piece)
        sock.shutdown(socket.SHUT_WR)
        assert receive_exactly(sock, 32) == digest.digest(), "content changed on the way"
