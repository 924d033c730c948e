"""A machine on a wire that is a port of the network.

    [alpha] [beta]   [lan] a machine behind lan0, a port of network red
        \\     |      /
       network red --- the host --- uplink --- [near] --- [far]
"""

import pytest
from scapy.layers.l2 import Dot1Q, Ether

from harness.frames import BROADCAST, Tap, arp_ask, containing, marked_frame
from harness.icmp import ping
from harness.lan import Lan
from harness.sockets import SILENCE, TcpServer, UdpServer, tcp_talk, udp_talk


@pytest.fixture
def red(backend):
    return backend.network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(backend, red):
    return backend.container(red, "alpha")


@pytest.fixture
def lan(backend, red):
    with Lan(backend, red) as machine:
        backend.attach(red, machine.device)
        yield machine


def test_lan_and_containers(family, alpha, lan, agrees):
    """Both reach each other as neighbours, and see each other's addresses."""
    del family
    with TcpServer(alpha.namespace) as tcp, UdpServer(lan.namespace) as udp:
        seen = {
            "ping in": ping(lan.namespace, alpha.address).outcome,
            "ping out": ping(alpha.namespace, lan.address).outcome,
            "tcp in": tcp_talk(lan.namespace, alpha.address, tcp.port, source_port=4001).outcome,
            "udp out": udp_talk(alpha.namespace, lan.address, udp.port, source_port=4002).outcome,
            "tcp source": tcp.peers,
            "udp source": udp.peers,
        }
    agrees(
        seen,
        {
            "ping in": "reply",
            "ping out": "reply",
            "tcp in": "echoed",
            "udp out": "echoed",
            "tcp source": [(lan.address, 4001)],
            "udp source": [(alpha.address, 4002)],
        },
    )


def test_lan_and_the_host(backend, family, red, alpha, lan, agrees):
    del alpha, family
    with TcpServer(backend.namespace) as tcp, TcpServer(lan.namespace) as server:
        agrees(
            {
                "ping in": ping(lan.namespace, red.gateway).outcome,
                "ping out": ping(backend.namespace, lan.address).outcome,
                "tcp in": tcp_talk(lan.namespace, red.gateway, tcp.port).outcome,
                "tcp out": tcp_talk(backend.namespace, lan.address, server.port).outcome,
            },
            {"ping in": "reply", "ping out": "reply", "tcp in": "echoed", "tcp out": "echoed"},
        )


def test_lan_to_the_world(outside, family, lan, agrees):
    """Masqueraded as a container is, and answered, although nobody stated its address."""
    with TcpServer(outside.far) as tcp, UdpServer(outside.near) as udp:
        agrees(
            {
                "ping": ping(lan.namespace, family.far).outcome,
                "tcp": tcp_talk(lan.namespace, family.far, tcp.port).outcome,
                "udp": udp_talk(lan.namespace, family.near, udp.port).outcome,
                "tcp source": [address for address, _ in tcp.peers],
                "udp source": [address for address, _ in udp.peers],
                "error": udp_talk(lan.namespace, family.near, 9).outcome,
            },
            {
                "ping": "reply",
                "tcp": "echoed",
                "udp": "echoed",
                "tcp source": [family.host],
                "udp source": [family.host],
                "error": "refused",
            },
        )


def test_lan_to_published_ports(backend, outside, family, alpha, lan, agrees):
    """By the host's outer address: a sibling's, and another network's."""
    del outside
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    backend.publish(alpha, 8080, 80)
    backend.publish(other, 8081, 80)
    with TcpServer(alpha.namespace, 80), TcpServer(other.namespace, 80):
        agrees(
            {
                "sibling": tcp_talk(lan.namespace, family.host, 8080).outcome,
                "other": tcp_talk(lan.namespace, family.host, 8081).outcome,
                "direct": tcp_talk(lan.namespace, other.address, 80, timeout=SILENCE).outcome,
            },
            {"sibling": "echoed", "other": "echoed", "direct": "silent"},
        )


def test_arp(red, alpha, lan, agrees):
    """Who answers whom: everybody for themselves, as far as the far ends can tell."""
    names = {alpha.mac: "alpha", lan.mac: "lan"}

    def ask(asker, address, **options):
        answer = arp_ask(asker.namespace, "eth0", address, source_ip=asker.address, **options)
        return names.get(answer, answer)

    agrees(
        {
            "lan for alpha": ask(lan, alpha.address),
            "alpha for lan": ask(alpha, lan.address),
            "nobody": ask(lan, red.address(200), timeout=SILENCE),
        },
        {"lan for alpha": "alpha", "alpha for lan": "lan", "nobody": "silent"},
    )


def test_frames_pass_as_they_are(backend, red, alpha, lan, agrees):
    """Flooded, unicast and VLAN-tagged frames between two attached devices, byte by byte; what is
    for a known machine goes there alone.
    """
    with Lan(backend, red, "lan1", 51) as second:
        backend.attach(red, second.device)
        tagged = Ether(src=lan.mac, dst=second.mac) / Dot1Q(vlan=42, type=0x88B5) / b"tagged frame"
        frames = {
            "broadcast": marked_frame(lan.mac, BROADCAST, b"broadcast frame"),
            "unicast": marked_frame(lan.mac, second.mac, b"unicast frame"),
            "tagged": bytes(tagged).ljust(60, b"\0"),
        }
        seen = {}
        with Tap(second.namespace) as at_second, Tap(alpha.namespace) as at_alpha, Tap(
            lan.namespace
        ) as out:
            ping(second.namespace, lan.address)  # its MAC is known from here on
            for kind, frame in frames.items():
                out.send(frame)
                seen[kind] = at_second.sees(containing(b" frame")) is not None
            seen["alpha"] = at_alpha.sees(containing(b" frame")) == frames["broadcast"]
            seen["alpha alone"] = at_alpha.sees(containing(b" frame"), SILENCE) is not None
        agrees(
            seen,
            {
                "broadcast": True,
                "unicast": True,
                "tagged": True,
                "alpha": True,
                "alpha alone": False,
            },
        )


def test_icc_off(backend, agrees):
    """Ports that may not talk to each other: an attached device is one of them."""
    shy = backend.network("shy", "10.88.5.0/24", icc=False)
    alpha = backend.container(shy, "alpha")
    with Lan(backend, shy) as lan:
        backend.attach(shy, lan.device)
        agrees(
            {
                "in": ping(lan.namespace, alpha.address, timeout=SILENCE).outcome,
                "out": ping(alpha.namespace, lan.address, timeout=SILENCE).outcome,
                "host": ping(lan.namespace, shy.gateway).outcome,
            },
            {"in": "silent", "out": "silent", "host": "reply"},
        )
