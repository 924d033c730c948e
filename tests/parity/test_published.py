"""Published ports: from outside, from containers (hairpin), and what stays closed.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network red  --- [alpha: published] [beta]
                                          \\------ network blue --- [other]
"""

import pytest

from harness.icmp import ping
from harness.sockets import (
    SILENCE,
    TcpServer,
    UdpServer,
    hash_back,
    icmp_error_of,
    send_and_compare,
    set_ttl,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_icmp_error,
    udp_talk,
)
from harness.wait import together

HAIRPIN_ACROSS = "A published port reached from another network shows the client"

pytestmark = pytest.mark.usefixtures("family")


@pytest.fixture
def red(backend):
    return backend.network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(backend, outside, red):
    """Publishes 8080 to 80 over TCP and 8053 to 53 over UDP."""
    del outside
    container = backend.container(red, "alpha")
    backend.publish(container, 8080, 80)
    backend.publish(container, 8053, 53, "udp")
    return container


@pytest.fixture
def services(alpha):
    with TcpServer(alpha.namespace, 80) as tcp, UdpServer(alpha.namespace, 53) as udp:
        yield tcp, udp


def _reach(client, address, services, source_port=4001):
    """Talks to both published ports from one client: the outcomes and the sources that the
    container saw.
    """
    tcp, udp = services
    tcp.peers.clear()
    udp.peers.clear()
    outcomes = (
        tcp_talk(client, address, 8080, source_port=source_port).outcome,
        udp_talk(client, address, 8053, source_port=source_port + 1).outcome,
    )
    return outcomes, [peer[0] for peer in tcp.peers + udp.peers]


def test_from_outside(family, outside, alpha, services, agrees):
    """The container sees the client's own address and port."""
    outcomes, sources = _reach(outside.near, family.host, services)
    tcp, udp = services
    agrees(
        {"outcomes": outcomes, "sources": sources, "ports": (tcp.peers[0][1], udp.peers[0][1])},
        {
            "outcomes": ("echoed", "echoed"),
            "sources": [family.near, family.near],
            "ports": (4001, 4002),
        },
    )


def test_from_far_outside(family, outside, alpha, services, agrees):
    outcomes, sources = _reach(outside.far, family.host, services)
    agrees(
        {"outcomes": outcomes, "sources": sources},
        {"outcomes": ("echoed", "echoed"), "sources": [family.far, family.far]},
    )


def test_range(family, backend, outside, alpha, agrees):
    """Ports of a range keep their distance, in both protocols; its neighbours stay closed."""
    for offset in range(3):
        for protocol in ("tcp", "udp"):
            backend.publish(alpha, 9000 + offset, 7000 + offset, protocol)
    seen = {}
    for offset in range(-1, 4):
        with TcpServer(alpha.namespace, 7000 + offset), UdpServer(alpha.namespace, 7000 + offset):
            seen[offset] = (
                tcp_talk(outside.near, family.host, 9000 + offset).outcome,
                udp_talk(outside.near, family.host, 9000 + offset).outcome,
            )
    inside, outside_of_it = ("echoed", "echoed"), ("refused", "refused")
    agrees(seen, {-1: outside_of_it, 0: inside, 1: inside, 2: inside, 3: outside_of_it})


def test_nobody_listens(family, outside, alpha, agrees):
    """The container's RST and ICMP port unreachable reach the outside client."""
    agrees(
        {
            "tcp": tcp_talk(outside.near, family.host, 8080).outcome,
            "udp": udp_talk(outside.near, family.host, 8053).outcome,
        },
        {"tcp": "refused", "udp": "refused"},
    )


def test_ttl_of_a_client_outside(family, outside, alpha, services, agrees):
    """The host is a hop before the published port: TTL 1 ends there, TTL 2 arrives."""
    late = udp_icmp_error(outside.near, family.host, 8053, 1)
    with udp_connect(outside.near, family.host, 8053) as sock:
        set_ttl(sock, 2)
        arrived = udp_echo_once(sock)
    agrees({"late": late, "arrived": arrived}, {"late": (*family.hops_exceeded, family.host), "arrived": True})


def test_smaller_mtu_behind_the_port(family, backend, outside, agrees):
    """Behind the port the MTU is smaller than outside: TCP settles on it, a router refuses the rest."""
    slim = backend.network("slim", "10.88.6.0/24", mtu=1400)
    server = backend.container(slim, "server")
    backend.publish(server, 8080, 80)
    backend.publish(server, 8053, 53, "udp")
    with TcpServer(server.namespace, 80, handler=hash_back):
        send_and_compare(outside.near, family.host, 8080, 1_000_000)
    with UdpServer(server.namespace, 53) as udp, udp_connect(
        outside.near, family.host, 8053
    ) as sock:
        sock.settimeout(SILENCE)
        error = icmp_error_of(sock, b"x" * family.full_datagram, dont_fragment=True)
        arrived = len(udp.peers)
    agrees(
        {"error": error, "arrived": arrived},
        {"error": (*family.too_big, family.host, 1400), "arrived": 0},
    )


def test_ports_of_the_host(family, outside, alpha, backend, services, agrees):
    """Beside the published ports the host's own are untouched: open ones answer, closed ones
    refuse.
    """
    with TcpServer(backend.namespace) as tcp, UdpServer(
        backend.namespace, address=family.host
    ) as udp:
        seen = {
            "open tcp": tcp_talk(outside.near, family.host, tcp.port, source_port=4001).outcome,
            "open udp": udp_talk(outside.near, family.host, udp.port, source_port=4002).outcome,
            "sources": [tcp.peers, udp.peers],
        }
    seen["container's port"] = tcp_talk(outside.near, family.host, 80).outcome
    seen["other protocol"] = tcp_talk(outside.near, family.host, 8053).outcome
    seen["ping"] = ping(outside.near, family.host).outcome
    agrees(
        seen,
        {
            "open tcp": "echoed",
            "open udp": "echoed",
            "sources": [[(family.near, 4001)], [(family.near, 4002)]],
            "container's port": "refused",
            "other protocol": "refused",
            "ping": "reply",
        },
    )


def test_direct_routing_is_blocked(outside, alpha, services, backend, agrees):
    """Someone outside who routes the container's address to the host reaches nothing there."""
    outside.knows_route(alpha.network.of_family)
    seen = together(
        tcp=lambda: tcp_talk(outside.near, alpha.address, 80, timeout=SILENCE).outcome,
        udp=lambda: udp_talk(outside.near, alpha.address, 53, timeout=SILENCE).outcome,
        ping=lambda: ping(outside.near, alpha.address, timeout=SILENCE).outcome,
    )
    tcp, udp = services
    seen["arrived"] = tcp.peers + udp.peers
    agrees(seen, {"tcp": "silent", "udp": "silent", "ping": "silent", "arrived": []})


def test_hairpin_from_a_sibling(family, backend, red, alpha, services, agrees):
    beta = backend.container(red, "beta")
    outcomes, sources = _reach(beta.namespace, family.host, services)
    agrees(
        {"outcomes": outcomes, "sources": sources},
        {"outcomes": ("echoed", "echoed"), "sources": [beta.address] * 2},
    )


def test_hairpin_by_the_gateway_address(backend, red, alpha, services, agrees):
    """Every address of the host serves a published port, the gateway's too."""
    beta = backend.container(red, "beta")
    outcomes, _ = _reach(beta.namespace, red.gateway, services)
    agrees({"outcomes": outcomes}, {"outcomes": ("echoed", "echoed")})


def test_hairpin_from_another_network(family, backend, red, alpha, services, agrees):
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    outcomes, sources = _reach(other.namespace, family.host, services)
    agrees(
        {"outcomes": outcomes, "sources": sources},
        {"outcomes": ("echoed", "echoed"), "sources": [red.gateway] * 2},
        {"sources": ([other.address] * 2, HAIRPIN_ACROSS)},
    )


def test_hairpin_to_itself(family, red, alpha, services, agrees):
    outcomes, sources = _reach(alpha.namespace, family.host, services)
    agrees(
        {"outcomes": outcomes, "sources": sources},
        {"outcomes": ("echoed", "echoed"), "sources": [red.gateway] * 2},
    )


def test_hairpin_nobody_listens(family, backend, red, alpha, agrees):
    beta = backend.container(red, "beta")
    agrees(
        {
            "tcp": tcp_talk(beta.namespace, family.host, 8080).outcome,
            "udp": udp_talk(beta.namespace, family.host, 8053).outcome,
        },
        {"tcp": "refused", "udp": "refused"},
    )


def test_unpublished_from_a_sibling_by_the_host_address(family, backend, red, alpha, services, agrees):
    """A port of a container that is not published is no port of the host."""
    beta = backend.container(red, "beta")
    agrees(
        {
            "tcp": tcp_talk(beta.namespace, family.host, 80).outcome,
            "udp": udp_talk(beta.namespace, family.host, 53).outcome,
        },
        {"tcp": "refused", "udp": "refused"},
    )


def test_published_and_outgoing_at_once(family, outside, alpha, services, agrees):
    """A container with published ports goes out like any other."""
    with TcpServer(outside.near) as server:
        out = tcp_talk(alpha.namespace, family.near, server.port, source_port=4001)
        sources = server.peers
    outcomes, _ = _reach(outside.near, family.host, services)
    agrees(
        {"out": out.outcome, "sources": sources, "in": outcomes},
        {"out": "echoed", "sources": [(family.host, 4001)], "in": ("echoed", "echoed")},
    )
