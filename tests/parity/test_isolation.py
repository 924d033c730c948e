"""What must not get through: between networks, with inter-container communication off, out of
internal networks.

    [alpha] [beta] --- network red  ---\\
                                        the host --- 198.18.0.1 --- 198.18.0.2 [near]
    [other] ---------- network blue ---/
"""

import pytest

from harness.frames import arp_ask, nd_ask
from harness.icmp import ping
from harness.sockets import SILENCE, TcpServer, UdpServer, tcp_talk, udp_talk
from harness.wait import together

pytestmark = pytest.mark.usefixtures("family")


def _reach(client, server, address, timeout=SILENCE):
    """ping, TCP and UDP from one namespace to services of another, and whether anything arrived."""
    with TcpServer(server) as tcp, UdpServer(server) as udp:
        seen = together(
            ping=lambda: ping(client, address, timeout=timeout).outcome,
            tcp=lambda: tcp_talk(client, address, tcp.port, timeout=timeout).outcome,
            udp=lambda: udp_talk(client, address, udp.port, timeout=timeout).outcome,
        )
        seen["arrived"] = len(tcp.peers + udp.peers)
    return seen


NOTHING = {"ping": "silent", "tcp": "silent", "udp": "silent", "arrived": 0}
EVERYTHING = {"ping": "reply", "tcp": "echoed", "udp": "echoed", "arrived": 2}


def test_two_networks(backend, agrees):
    alpha = backend.container(backend.network("red", "10.88.1.0/24"), "alpha")
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    agrees(
        together(
            forth=lambda: _reach(alpha.namespace, other.namespace, other.address),
            back=lambda: _reach(other.namespace, alpha.namespace, alpha.address),
        ),
        {"forth": NOTHING, "back": NOTHING},
    )


def test_on_link_route_into_another_network(backend, family, agrees):
    """Claiming that the other network is on this link finds nobody there."""
    alpha = backend.container(backend.network("red", "10.88.1.0/24"), "alpha")
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    alpha.namespace.ip(
        f"route add {other.network.of_family} dev eth0",
        f"neigh add {other.address} dev eth0 lladdr {other.mac}",
    )
    by_mac = _reach(alpha.namespace, other.namespace, other.address)
    if family.v6:
        answer = nd_ask(alpha, other.address, SILENCE)
    else:
        answer = arp_ask(
            alpha.namespace, "eth0", other.address, source_ip=alpha.address, timeout=SILENCE
        )
    agrees(
        {"by its mac": by_mac, "asked for": answer},
        {"by its mac": NOTHING, "asked for": "silent"},
    )


@pytest.mark.parametrize("icc", [True, False], ids=["icc on", "icc off"])
def test_sibling_by_way_of_the_gateway(backend, icc, agrees):
    """Routed through the gateway, a sibling is as near or as far as it is directly."""
    red = backend.network("red", "10.88.1.0/24", icc=icc)
    alpha, beta = backend.container(red, "alpha"), backend.container(red, "beta")
    for one, other in ((alpha, beta), (beta, alpha)):
        one.namespace.ip(f"route add {other.address} via {red.gateway}")
        for ip in ("ipv4", "ipv6"):
            one.namespace.sysctl(f"net/{ip}/conf/all/accept_redirects", 0)
            one.namespace.sysctl(f"net/{ip}/conf/eth0/accept_redirects", 0)
    patience = 30 if icc else SILENCE
    agrees(
        _reach(alpha.namespace, beta.namespace, beta.address, patience),
        EVERYTHING if icc else NOTHING,
    )


def test_icc_off(family, backend, outside, agrees):
    """Siblings are apart; gateway, outside and published ports work as ever."""
    red = backend.network("red", "10.88.1.0/24", icc=False)
    alpha, beta = backend.container(red, "alpha"), backend.container(red, "beta")
    backend.publish(alpha, 8080, 80)
    with TcpServer(alpha.namespace, 80):
        published = tcp_talk(outside.near, family.host, 8080).outcome
    agrees(
        {
            "sibling": _reach(alpha.namespace, beta.namespace, beta.address),
            "gateway": ping(alpha.namespace, red.gateway).outcome,
            "host": _reach(backend.namespace, alpha.namespace, alpha.address, 30),
            "outside": _reach(alpha.namespace, outside.near, family.near, 30),
            "published": published,
        },
        {
            "sibling": NOTHING,
            "gateway": "reply",
            "host": EVERYTHING,
            "outside": EVERYTHING,
            "published": "echoed",
        },
    )


def test_internal(family, backend, outside, agrees):
    """Siblings and the gateway, and nothing beyond the host, in neither direction."""
    red = backend.network("red", "10.88.1.0/24", internal=True)
    alpha, beta = backend.container(red, "alpha"), backend.container(red, "beta")
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    agrees(
        together(
            sibling=lambda: _reach(alpha.namespace, beta.namespace, beta.address, 30),
            gateway=lambda: ping(alpha.namespace, red.gateway).outcome,
            host=lambda: _reach(backend.namespace, alpha.namespace, alpha.address, 30),
        ),
        {"sibling": EVERYTHING, "gateway": "reply", "host": EVERYTHING},
    )
    agrees(
        together(
            outside=lambda: _blocked(alpha.namespace, outside.near, family.near),
            other_network=lambda: _blocked(alpha.namespace, other.namespace, other.address),
            from_other_network=lambda: _blocked(other.namespace, alpha.namespace, alpha.address),
        ),
        {"outside": True, "other_network": True, "from_other_network": True},
    )


def _blocked(client, server, address):
    """True when nothing arrived; whether the sender is told so (no route) or not is not compared"""
    seen = _reach(client, server, address)
    return seen["arrived"] == 0 and seen["ping"] != "reply"
