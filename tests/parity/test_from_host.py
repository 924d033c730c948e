"""Processes of the host to published ports.

    processes of the host, 127.0.0.1 --- network red (10.88.1.1) --- [alpha: published]
                          |
                 uplink 198.18.0.1 --- 198.18.0.2 [near]
"""

import errno
import socket

import pytest

from harness import world
from harness.sockets import (
    TcpServer,
    UdpServer,
    echo_once,
    open_socket,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_talk,
)

OWN_ADDRESS = "A process of the host that reaches a published port has the gateway's address"
BOUND_TO_LOOPBACK = "A socket bound to a port of 127.0.0.1 does not reach published ports"
BOUND = "A socket bound to an address of the host keeps it towards a published port"


@pytest.fixture
def red(backend, outside):
    del outside
    return backend.network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(backend, red):
    return backend.container(red, "alpha")


@pytest.fixture
def services(alpha):
    with TcpServer(alpha.namespace, 80) as tcp, UdpServer(alpha.namespace, 53) as udp:
        yield tcp, udp


def _publish(backend, alpha, host_ip=""):
    backend.publish(alpha, 8080, 80, host_ip=host_ip)
    backend.publish(alpha, 8053, 53, "udp", host_ip=host_ip)


def _reach(backend, address, services):
    """What a process of the host sees over TCP, connected and unconnected UDP, and what the container
    sees of it.
    """
    tcp, udp = services
    seen = {}
    with tcp_connect(backend.namespace, address, 8080, source_port=4001) as sock:
        assert echo_once(sock)
        seen["tcp peer"], seen["tcp own"] = sock.getpeername(), sock.getsockname()
    with udp_connect(backend.namespace, address, 8053, source_port=4002) as sock:
        assert udp_echo_once(sock)
        seen["udp peer"], seen["udp own"] = sock.getpeername(), sock.getsockname()
        sock.send(b"who?")
        seen["udp from"] = sock.recvfrom(100)[1]
    with open_socket(backend.namespace, socket.SOCK_DGRAM, "", 4003) as sock:
        sock.sendto(b"who?", (address, 8053))
        seen["free udp from"] = sock.recvfrom(100)[1]
    seen["sources"] = tcp.peers + udp.peers
    return seen


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.8.7", world.HOST, "10.88.1.1"])
def test_to_an_address_of_the_host(backend, red, alpha, services, agrees, address):
    """The peer is the address dialled; the container sees the gateway and the process' own port."""
    _publish(backend, alpha)
    own = "127.0.0.1" if address.startswith("127.") else address
    agrees(
        _reach(backend, address, services),
        {
            "tcp peer": (address, 8080),
            "tcp own": (own, 4001),
            "udp peer": (address, 8053),
            "udp own": (own, 4002),
            "udp from": (address, 8053),
            "free udp from": (address, 8053),
            "sources": [(red.gateway, port) for port in (4001, 4002, 4002, 4003)],
        },
        {
            "tcp own": ((red.gateway, 4001), OWN_ADDRESS),
            "udp own": ((red.gateway, 4002), OWN_ADDRESS),
        },
    )


def _outcomes(backend, address):
    return (
        tcp_talk(backend.namespace, address, 8080).outcome,
        udp_talk(backend.namespace, address, 8053).outcome,
    )


def test_nobody_listens(backend, alpha, agrees):
    _publish(backend, alpha)
    agrees(
        {address: _outcomes(backend, address) for address in ("127.0.0.1", world.HOST)},
        {address: ("refused", "refused") for address in ("127.0.0.1", world.HOST)},
    )


@pytest.mark.parametrize("host_ip", ["127.0.0.1", world.HOST])
def test_published_on_one_address(backend, alpha, services, agrees, host_ip):
    del services
    _publish(backend, alpha, host_ip)
    agrees(
        {address: _outcomes(backend, address) for address in ("127.0.0.1", world.HOST)},
        {
            address: ("echoed", "echoed") if address == host_ip else ("refused", "refused")
            for address in ("127.0.0.1", world.HOST)
        },
    )


def _from(backend, source, tcp):
    """Dials the published port from a socket that is bound: the outcome, and whom the container saw."""
    try:
        with tcp_connect(backend.namespace, "127.0.0.1", 8080, 4001, source) as sock:
            assert echo_once(sock)
            return "echoed", tcp.peers[-1]
    except OSError as error:
        return errno.errorcode[error.errno], None


def test_bound_to_loopback(backend, red, alpha, services, agrees):
    _publish(backend, alpha)
    agrees(
        {"loopback": _from(backend, "127.0.0.1", services[0])},
        {"loopback": ("echoed", (red.gateway, 4001))},
        {"loopback": (("EADDRNOTAVAIL", None), BOUND_TO_LOOPBACK)},
    )


def test_bound_to_an_address_of_the_host(backend, red, alpha, services, agrees):
    _publish(backend, alpha)
    agrees(
        {"uplink": _from(backend, world.HOST, services[0])},
        {"uplink": ("echoed", (red.gateway, 4001))},
        {"uplink": (("echoed", (world.HOST, 4001)), BOUND)},
    )
