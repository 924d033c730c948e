"""A routed network: its endpoints are reached by their own addresses, nothing is translated.

    [near], who knows the way --- 198.18.0.1 the host --- network open (routed) --- [alpha: port 80 published]
                                                     \\--- network blue (nat) ----- [other]
"""

import pytest

from harness.icmp import ping
from harness.sockets import (
    SILENCE,
    TcpServer,
    UdpServer,
    icmp_error_of,
    tcp_talk,
    udp_connect,
    udp_icmp_error,
    udp_talk,
)

pytestmark = pytest.mark.usefixtures("family")


@pytest.fixture
def alpha(backend, outside):
    network = backend.network("open", "10.88.1.0/24", mode="routed-published")
    outside.knows_route(network.of_family)
    container = backend.container(network, "alpha")
    backend.publish(container, 8080, 80)
    return container


def test_out(family, outside, alpha, agrees):
    """The world sees the container's own address; errors of routers come back as they are."""
    with TcpServer(outside.near) as tcp, UdpServer(outside.near) as udp:
        seen = {
            "tcp": tcp_talk(alpha.namespace, family.near, tcp.port, source_port=4001).outcome,
            "udp": udp_talk(alpha.namespace, family.near, udp.port, source_port=4002).outcome,
            "sources": tcp.peers + udp.peers,
        }
    seen["ping"] = ping(alpha.namespace, family.near).outcome
    seen["closed"] = tcp_talk(alpha.namespace, family.near, 9).outcome
    seen["ttl"] = udp_icmp_error(alpha.namespace, family.near, 9, 1)
    agrees(
        seen,
        {
            "tcp": "echoed",
            "udp": "echoed",
            "sources": [(alpha.address, 4001), (alpha.address, 4002)],
            "ping": "reply",
            "closed": "refused",
            "ttl": (*family.hops_exceeded, alpha.network.gateway),
        },
    )


def test_in(family, outside, alpha, agrees):
    """By the container's address, from outside: a published port, another one, ping, a packet at its end."""
    with TcpServer(alpha.namespace, 80) as published, TcpServer(alpha.namespace, 81) as other:
        seen = {
            "published": tcp_talk(outside.near, alpha.address, 80, source_port=4001).outcome,
            "other": tcp_talk(outside.near, alpha.address, 81, timeout=SILENCE).outcome,
            "sources": published.peers,
        }
        del other
    echo = ping(outside.near, alpha.address)
    seen["ping"] = (echo.outcome, echo.source, echo.ttl)
    seen["ttl"] = udp_icmp_error(outside.near, alpha.address, 9, 1)
    agrees(
        seen,
        {
            "published": "echoed",
            "other": "silent",
            "sources": [(family.near, 4001)],
            "ping": ("reply", alpha.address, 63),
            "ttl": (*family.hops_exceeded, family.host),
        },
    )


def test_in_to_closed_ports(family, backend, outside, alpha, agrees):
    """RST and ICMP port unreachable belong to no connection that the host has seen begin."""
    backend.publish(alpha, 8053, 53, "udp")
    seen = {
        "tcp": tcp_talk(outside.near, alpha.address, 80).outcome,
        "udp": udp_icmp_error(outside.near, alpha.address, 53, 64),
    }
    agrees(seen, {"tcp": "refused", "udp": (*family.port_unreachable, alpha.address)})


def test_from_another_network(backend, alpha, agrees):
    """Directly, as from outside; a network that masquerades towards the world does so towards this one too."""
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    with TcpServer(alpha.namespace, 80) as published:
        seen = {
            "published": tcp_talk(other.namespace, alpha.address, 80).outcome,
            "source": published.peers[0][0],
        }
    seen["ping"] = ping(other.namespace, alpha.address).outcome
    with TcpServer(alpha.namespace, 81):
        seen["other"] = tcp_talk(other.namespace, alpha.address, 81, timeout=SILENCE).outcome
    agrees(
        seen,
        {"published": "echoed", "source": alpha.network.gateway, "ping": "reply", "other": "silent"},
    )


def test_path_mtu(family, backend, outside, agrees):
    """What is too large for the network is refused by the host."""
    slim = backend.network("slim", "10.88.6.0/24", mtu=1400, mode="routed-published")
    outside.knows_route(slim.of_family)
    server = backend.container(slim, "server")
    with UdpServer(server.namespace, 53) as udp, udp_connect(outside.near, server.address, 53) as sock:
        sock.settimeout(SILENCE)
        error = icmp_error_of(sock, b"x" * family.full_datagram, dont_fragment=True)
        arrived = len(udp.peers)
    agrees(
        {"error": error, "arrived": arrived},
        {"error": (*family.too_big, family.host, 1400), "arrived": 0},
    )


@pytest.mark.parametrize("masquerade", [True, False], ids=["masqueraded", "sources kept"])
def test_each_family_in_its_own_mode(family, backend, outside, agrees, masquerade):
    """IPv4 nat-unprotected, open to whoever has a route, and IPv6 routed, as Docker has them since 27."""
    modes = {"mode": "nat-unprotected", "mode6": "routed-published", "masquerade": masquerade}
    network = backend.network("mixed", "10.88.3.0/24", **modes)
    outside.knows_route(network.of_family)
    alpha = backend.container(network, "alpha")
    backend.publish(alpha, 8080, 80)
    with TcpServer(alpha.namespace, 80), TcpServer(alpha.namespace, 81) as other, UdpServer(alpha.namespace) as udp:
        seen = {
            "published": tcp_talk(outside.near, alpha.address, 80).outcome,
            "host's port": tcp_talk(outside.near, family.host, 8080).outcome,
            "other": tcp_talk(outside.near, alpha.address, 81, source_port=4001, timeout=SILENCE).outcome,
            "udp": udp_talk(outside.near, alpha.address, udp.port, timeout=SILENCE).outcome,
            "sources": other.peers,
        }
    seen["ping"] = ping(outside.near, alpha.address).outcome
    with TcpServer(outside.near) as tcp, UdpServer(outside.near) as udp:
        seen["out"] = tcp_talk(alpha.namespace, family.near, tcp.port).outcome
        seen["udp out"] = udp_talk(alpha.namespace, family.near, udp.port).outcome
        seen["seen as"] = {peer[0] for peer in (*tcp.peers, *udp.peers)}
    v4 = not family.v6
    agrees(
        seen,
        {
            "published": "echoed",
            "host's port": "echoed" if v4 else "refused",
            "other": "echoed" if v4 else "silent",
            "udp": "echoed" if v4 else "silent",
            "sources": [(family.near, 4001)] if v4 else [],
            "ping": "reply",
            "out": "echoed",
            "udp out": "echoed",
            "seen as": {family.host if v4 and masquerade else alpha.address},
        },
    )


def test_open_to_outside_alone(backend, agrees):
    """Another network of the host is not outside, and comes to published ports alone."""
    alpha = backend.container(backend.network("open", "10.88.3.0/24", mode="nat-unprotected"), "alpha")
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    backend.publish(alpha, 8080, 80)
    with TcpServer(alpha.namespace, 80):
        seen = {
            "published": tcp_talk(other.namespace, other.network.gateway, 8080).outcome,
            "its own": tcp_talk(other.namespace, alpha.address, 80, timeout=SILENCE).outcome,
        }
    agrees(
        seen,
        {"published": "echoed", "its own": "echoed"},
        {"its own": ("silent", "nat-unprotected is open to outside alone")},
    )
