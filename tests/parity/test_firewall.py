"""A host with a firewall: policies that drop, strict reverse-path filters, an administrator's own rules.

    [alpha] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]
"""

import pytest

from harness.icmp import ping
from harness.sockets import SILENCE, TcpServer, UdpServer, tcp_talk, udp_talk
from harness.wait import together

NO_FIREWALL = "The host's firewall does not see containers' packets"

pytestmark = pytest.mark.usefixtures("family")


@pytest.fixture
def alpha(backend, outside):
    del outside
    container = backend.container(backend.network("red", "10.88.1.0/24"), "alpha")
    backend.publish(container, 8080, 80)
    return container


def _tables(family, backend, *words):
    backend.namespace.run("ip6tables" if family.v6 else "iptables", "-w", *words)


@pytest.fixture
def closed_host(family, backend, alpha):
    """As `ufw enable` leaves it: nothing comes in that was not asked for, nothing is forwarded."""
    del alpha
    _tables(family, backend, "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    _tables(family, backend, "-A", "INPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
    if family.v6:
        _tables(family, backend, "-A", "INPUT", "-p", "icmpv6", "-j", "ACCEPT")
    for chain in ("INPUT", "FORWARD"):
        _tables(family, backend, "-P", chain, "DROP")
    for device in ("all", "default", "uplink0"):
        backend.namespace.sysctl(f"net/ipv4/conf/{device}/rp_filter", 1)


def test_policies_that_drop(family, backend, outside, alpha, closed_host, agrees):
    """Masquerade and published ports go on; the host itself is closed to its containers, as to anybody."""
    del closed_host
    with TcpServer(outside.near) as tcp, UdpServer(outside.near) as udp, TcpServer(alpha.namespace, 80):
        seen = {
            "out": (
                tcp_talk(alpha.namespace, family.near, tcp.port).outcome,
                udp_talk(alpha.namespace, family.near, udp.port).outcome,
                ping(alpha.namespace, family.near).outcome,
            ),
            "published": tcp_talk(outside.near, family.host, 8080).outcome,
        }
    with TcpServer(backend.namespace) as own:
        seen |= together(
            host=lambda: tcp_talk(alpha.namespace, alpha.network.gateway, own.port, timeout=SILENCE).outcome,
            world=lambda: tcp_talk(outside.near, family.host, own.port, timeout=SILENCE).outcome,
        )
        seen["from the host"] = tcp_talk(backend.namespace, family.near, 9).outcome
    agrees(
        seen,
        {
            "out": ("echoed", "echoed", "reply"),
            "published": "echoed",
            "host": "silent",
            "world": "silent",
            "from the host": "refused",
        },
    )


def test_rules_about_forwarding(family, backend, outside, alpha, agrees):
    """What an administrator of Docker writes into DOCKER-USER."""
    if backend.kind == "cnet":
        _tables(family, backend, "-N", "DOCKER-USER")
        _tables(family, backend, "-A", "FORWARD", "-j", "DOCKER-USER")
    _tables(family, backend, "-I", "DOCKER-USER", "-s", family.near, "-j", "DROP")
    with TcpServer(alpha.namespace, 80):
        seen = {"published": tcp_talk(outside.near, family.host, 8080, timeout=SILENCE).outcome}
    agrees(seen, {"published": "silent"}, {"published": ("echoed", NO_FIREWALL)})


def test_rules_at_the_device(family, backend, outside, alpha, agrees):
    """nftables' hooks of the uplink itself: one about what comes in, one about what leaves."""
    version = "ip6" if family.v6 else "ip"
    rules = f"""table netdev guard {{
        chain in {{
            type filter hook ingress device uplink0 priority 0; policy accept;
            {version} saddr {family.near} tcp dport 8080 drop
        }}
        chain out {{
            type filter hook egress device uplink0 priority 0; policy accept;
            {version} saddr {family.host} udp dport 4242 drop
        }}
    }}"""
    backend.namespace.run("nft", "-f", "-", input=rules)
    with UdpServer(outside.near, 4242), TcpServer(alpha.namespace, 80):
        seen = together(
            out=lambda: udp_talk(alpha.namespace, family.near, 4242, timeout=SILENCE).outcome,
            published=lambda: tcp_talk(outside.near, family.host, 8080, timeout=SILENCE).outcome,
        )
    agrees(
        seen,
        {"out": "silent", "published": "silent"},
        {"out": ("echoed", NO_FIREWALL), "published": ("echoed", NO_FIREWALL)},
    )
