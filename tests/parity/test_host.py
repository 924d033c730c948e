"""Between containers and the host that they run on.

    [alpha] --- network red (10.88.1.1) --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]
                                               |
                network blue (10.88.2.1) ------+
"""

import pytest

from harness.icmp import ping
from harness.sockets import TcpServer, UdpServer, tcp_talk, udp_talk

pytestmark = pytest.mark.usefixtures("family")


@pytest.fixture
def red(backend):
    return backend.network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(backend, red):
    return backend.container(red, "alpha")


def _talks(client, server_namespace, address):
    """TCP, UDP and ICMP from client to address, to open and closed ports, and the sources that the
    server saw.
    """
    with TcpServer(server_namespace, address=address) as tcp, UdpServer(
        server_namespace, address=address
    ) as udp:
        seen = {
            "tcp": tcp_talk(client, address, tcp.port, source_port=4001).outcome,
            "udp": udp_talk(client, address, udp.port, source_port=4002).outcome,
            "sources": sorted({peer for peer in tcp.peers + udp.peers}),
        }
    echo = ping(client, address)
    seen["ping"] = (echo.outcome, echo.source, echo.ttl)
    seen["tcp closed"] = tcp_talk(client, address, 9).outcome
    seen["udp closed"] = udp_talk(client, address, 9).outcome
    return seen


def _works(address, source):
    return {
        "tcp": "echoed",
        "udp": "echoed",
        "sources": [(source, 4001), (source, 4002)],
        "ping": ("reply", address, 64),
        "tcp closed": "refused",
        "udp closed": "refused",
    }


def test_container_to_gateway(backend, red, alpha, agrees):
    agrees(
        _talks(alpha.namespace, backend.namespace, red.gateway), _works(red.gateway, alpha.address)
    )


def test_container_to_uplink_address(family, backend, outside, alpha, agrees):
    del outside
    agrees(
        _talks(alpha.namespace, backend.namespace, family.host), _works(family.host, alpha.address)
    )


def test_container_to_gateway_of_another_network(backend, alpha, agrees):
    blue = backend.network("blue", "10.88.2.0/24")
    agrees(
        _talks(alpha.namespace, backend.namespace, blue.gateway),
        _works(blue.gateway, alpha.address),
    )


def test_host_to_container(backend, red, alpha, agrees):
    """The container sees the gateway address as source."""
    agrees(
        _talks(backend.namespace, alpha.namespace, alpha.address),
        _works(alpha.address, red.gateway),
    )


def test_large_ping(backend, red, alpha, agrees):
    """Fragmented echo requests and replies, both ways."""
    agrees(
        {
            "to the gateway": ping(alpha.namespace, red.gateway, size=4000).outcome,
            "from the host": ping(backend.namespace, alpha.address, size=4000).outcome,
        },
        {"to the gateway": "reply", "from the host": "reply"},
    )
