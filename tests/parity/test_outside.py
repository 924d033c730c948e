"""From containers to the world.

    [alpha] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near] --- 198.18.1.3 [far]
"""

import socket
import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.frames import Tap, containing
from harness.icmp import ping
from harness.sockets import (
    SILENCE,
    TcpServer,
    UdpServer,
    family_of,
    hash_back,
    icmp_error_of,
    send_and_compare,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_icmp_error,
    udp_talk,
)
from harness.world import IPV4, UPLINK

pytestmark = pytest.mark.usefixtures("family")


@pytest.fixture
def red(backend):
    return backend.network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(backend, outside, red):
    del outside
    return backend.container(red, "alpha")


@pytest.mark.parametrize("place", ["near", "far"])
def test_masquerade(family, outside, alpha, place, agrees):
    """The outside sees the host's address, and the source port is kept."""
    server, address = getattr(outside, place), {"near": family.near, "far": family.far}[place]
    with TcpServer(server) as tcp, UdpServer(server) as udp:
        seen = {
            "tcp": tcp_talk(alpha.namespace, address, tcp.port, source_port=4001).outcome,
            "udp": udp_talk(alpha.namespace, address, udp.port, source_port=4002).outcome,
            "tcp source": tcp.peers,
            "udp source": udp.peers,
        }
    echo = ping(alpha.namespace, address)
    seen["ping"] = (echo.outcome, echo.source, echo.ttl)
    agrees(
        seen,
        {
            "tcp": "echoed",
            "udp": "echoed",
            "tcp source": [(family.host, 4001)],
            "udp source": [(family.host, 4002)],
            "ping": ("reply", address, 63 if place == "near" else 62),
        },
    )


def test_two_containers_with_the_same_source_port(family, backend, outside, red, alpha, agrees):
    """Both get through; the first keeps its port."""
    beta = backend.container(red, "beta")
    with TcpServer(outside.near) as tcp, UdpServer(outside.near) as udp:
        outcomes = [
            talk(client.namespace, family.near, server.port, source_port=4001).outcome
            for talk, server in ((tcp_talk, tcp), (udp_talk, udp))
            for client in (alpha, beta)
        ]
        seen = {
            "outcomes": outcomes,
            "sources": {peer[0] for peer in tcp.peers + udp.peers},
            "first keeps": (tcp.peers[0][1], udp.peers[0][1]),
            "second differs": tcp.peers[1][1] != 4001 and udp.peers[1][1] != 4001,
        }
    agrees(
        seen,
        {
            "outcomes": ["echoed"] * 4,
            "sources": {family.host},
            "first keeps": (4001, 4001),
            "second differs": True,
        },
    )


def test_closed_ports_outside(family, outside, alpha, agrees):
    """RST and ICMP port unreachable find their way back through the translation."""
    assert outside.far
    agrees(
        {
            "tcp": tcp_talk(alpha.namespace, family.near, 9).outcome,
            "udp": udp_talk(alpha.namespace, family.near, 9).outcome,
            "tcp far": tcp_talk(alpha.namespace, family.far, 9).outcome,
            "udp far": udp_talk(alpha.namespace, family.far, 9).outcome,
        },
        {"tcp": "refused", "udp": "refused", "tcp far": "refused", "udp far": "refused"},
    )


def test_traceroute(family, outside, red, alpha, agrees):
    """TTL 1 dies at the gateway, 2 at the router outside, 3 arrives (and finds the port closed)."""
    assert outside.far
    udp = [udp_icmp_error(alpha.namespace, family.far, 33434 + ttl, ttl) for ttl in (1, 2, 3)]
    icmp = [ping(alpha.namespace, family.far, ttl=ttl) for ttl in (1, 2, 3)]
    agrees(
        {"udp": udp, "icmp": [(echo.outcome, echo.source) for echo in icmp]},
        {
            "udp": [(*family.hops_exceeded, red.gateway), (*family.hops_exceeded, family.near), (*family.port_unreachable, family.far)],
            "icmp": [
                ("ttl-exceeded", red.gateway),
                ("ttl-exceeded", family.near),
                ("reply", family.far),
            ],
        },
    )


def test_ttl_is_enough_for_the_host_itself(family, backend, red, alpha, agrees):
    """The host is no hop on the way to itself or to a sibling."""
    beta = backend.container(red, "beta")
    agrees(
        {
            "gateway": ping(alpha.namespace, red.gateway, ttl=1).outcome,
            "uplink address": ping(alpha.namespace, family.host, ttl=1).outcome,
            "sibling": ping(alpha.namespace, beta.address, ttl=1).outcome,
        },
        {"gateway": "reply", "uplink address": "reply", "sibling": "reply"},
    )


def test_no_route(family, outside, alpha, backend, agrees):
    """Without a route on the host there is an ICMP error from the gateway, as from any router."""
    del outside
    backend.namespace.ip(f"route del default via {family.near}")
    agrees(
        {
            "ping": ping(alpha.namespace, family.anywhere, timeout=SILENCE * 3).outcome,
            "tcp": tcp_talk(alpha.namespace, family.anywhere, 80, timeout=SILENCE * 3).outcome,
        },
        {"ping": "unreachable", "tcp": "unreachable"},
    )


def test_large_datagrams(family, outside, alpha, agrees):
    """UDP and ping larger than the MTU, both ways: fragments."""
    with UdpServer(outside.near) as server:
        with udp_connect(alpha.namespace, family.near, server.port) as sock:
            echoed = udp_echo_once(sock, b"x" * 8000)
    agrees(
        {"udp": echoed, "ping": ping(alpha.namespace, family.near, size=8000).outcome},
        {"udp": True, "ping": "reply"},
    )


def test_path_mtu_of_the_uplink(family, backend, outside, alpha, agrees):
    """An uplink with a smaller MTU: the gateway says so, and TCP gets through all the same."""
    backend.namespace.ip(f"link set {UPLINK} mtu 1400")
    outside.near.ip("link set wire0 mtu 1400")
    with TcpServer(outside.near, handler=hash_back) as server:
        send_and_compare(alpha.namespace, family.near, server.port, 1_000_000)
    agrees(
        {"too big": _fragmentation_needed(alpha.namespace, family.near, family.full_datagram)},
        {"too big": (*family.too_big, alpha.network.gateway, 1400)},
    )


def test_path_mtu_further_on(family, outside, alpha, agrees):
    """The router outside says so; its ICMP error is translated back to the container."""
    outside.far.ip("link set wire1 mtu 1300")
    outside.near.ip("link set wire1 mtu 1300")
    with TcpServer(outside.far, handler=hash_back) as server:
        send_and_compare(alpha.namespace, family.far, server.port, 1_000_000)
    agrees(
        {"too big": _fragmentation_needed(alpha.namespace, family.far, family.full_datagram)},
        {"too big": (*family.too_big, family.near, 1300)},
    )


def _fragmentation_needed(namespace, address, size):
    """Sends one UDP datagram that must not be fragmented: (ICMP type, code, who complained, MTU)."""
    with udp_connect(namespace, address, 9) as sock:
        return icmp_error_of(sock, b"x" * size, dont_fragment=True)


def test_other_protocols(family, outside, alpha, agrees):
    """What is neither TCP, UDP nor ICMP is masqueraded by address alone, whole and in fragments, and
    so are its answers.
    """

    def raw(namespace, protocol):
        with namespace.entered():
            sock = socket.socket(family_of(family.near), socket.SOCK_RAW, protocol)
        sock.settimeout(SILENCE)
        return sock

    seen = {}
    # GRE (RFC 2784) and one that nobody knows.
    for protocol, header in ((47, struct.pack("!HH", 0, 0x88B5)), (253, b"")):
        with raw(alpha.namespace, protocol) as inside, raw(outside.near, protocol) as far:
            for size in (20, 3000):
                inside.sendto(header + b"x" * size, (family.near, 0))
                peer = far.recvfrom(65536)[1][0]
                far.sendto(header + b"y" * size, (peer, 0))
                answer, source = inside.recvfrom(65536)
                seen[protocol, size] = (peer, answer.endswith(b"y" * size), source[0])
    agrees(seen, {key: (family.host, True, family.near) for key in seen})


def test_timestamp_query(outside, alpha, agrees):
    """ICMP's timestamp request, which has an identifier as an echo request has."""
    request = bytes(Ether() / IP() / ICMP(type=13, id=4711, seq=1))[34:]
    with alpha.namespace.entered():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with raw:
        raw.settimeout(SILENCE)
        raw.sendto(request, (IPV4.near, 0))
        answer, peer = raw.recvfrom(2048)
    agrees(
        {"type": answer[20], "id": struct.unpack_from("!H", answer, 24)[0], "from": peer[0]},
        {"type": 14, "id": 4711, "from": IPV4.near},
    )


def test_segment_of_no_connection(family, outside, alpha, agrees):
    """An ACK out of the blue: netfilter takes it for the middle of a connection that it has not seen begin."""
    gateway_mac = bytes.fromhex(
        alpha.namespace.run(
            "sh",
            "-c",
            f"ping -c1 {alpha.network.gateway} >/dev/null; ip neigh show {alpha.network.gateway}",
        )
        .stdout.split("lladdr ")[1][:17]
        .replace(":", "")
    )
    segment = (
        (IPv6 if family.v6 else IP)(src=alpha.address, dst=family.near)
        / TCP(sport=4001, dport=9, flags="A", seq=1000)
        / b"mid-stream"
    )
    with Tap(outside.near, "wire0") as tap, Tap(alpha.namespace) as out:
        out.send(Ether(src=alpha.mac, dst=gateway_mac.hex(":")) / segment)
        arrived = tap.sees(containing(b"mid-stream"), SILENCE) is not None
    agrees({"arrived": arrived}, {"arrived": True})
