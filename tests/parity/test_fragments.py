"""Datagrams in pieces, in and out of order, through masquerade and published ports.

    [alpha] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]
"""

import socket

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness import world
from harness.frames import Tap
from harness.sockets import SILENCE, UdpServer, open_socket, udp_connect, udp_echo_once

pytestmark = pytest.mark.usefixtures("family")

PAYLOAD = bytes(index % 251 for index in range(4000))


@pytest.fixture
def alpha(backend, outside):
    del outside
    container = backend.container(backend.network("red", "10.88.1.0/24"), "alpha")
    backend.publish(container, 8053, 53, "udp")
    return container


def _pieces(ethernet, source, destination, sport, dport, payload=PAYLOAD):
    """Frames with the fragments of one datagram."""
    body = UDP(sport=sport, dport=dport) / Raw(payload)
    if ":" in source:
        whole = IPv6(src=source, dst=destination) / IPv6ExtHdrFragment(id=7) / body
        return [ethernet / piece for piece in fragment6(whole, 1480)]
    return [ethernet / piece for piece in fragment(IP(src=source, dst=destination, id=7) / body, 1400)]


ORDERS = {
    "in order": lambda pieces: pieces,
    "last first": lambda pieces: pieces[::-1],
    "first last": lambda pieces: [*pieces[1:], pieces[0]],
    "middle first": lambda pieces: [pieces[1], pieces[0], *pieces[2:]],
}


def _arrives(server, tap, frames, patience):
    """Whether the server gets the whole datagram, and from which port."""
    for frame in frames:
        tap.send(frame)
    server.settimeout(patience)
    try:
        data, peer = server.recvfrom(65536)
    except TimeoutError:
        return "nothing"
    return "whole" if data == PAYLOAD else "changed", peer[0], peer[1]


def _next_hop(namespace, address):
    """The MAC that the kernel sends to for this neighbour, once it has talked to it."""
    namespace.run("ping", "-c1", address)
    return namespace.run("ip", "neigh", "show", address).stdout.split("lladdr ")[1][:17]


@pytest.mark.parametrize("order", ORDERS)
def test_out_of_a_container(family, outside, alpha, order, agrees):
    ethernet = Ether(src=alpha.mac, dst=_next_hop(alpha.namespace, alpha.network.gateway))
    pieces = _pieces(ethernet, alpha.address, family.near, 4001, 7000)
    with open_socket(outside.near, socket.SOCK_DGRAM, family.near, 7000) as server, Tap(alpha.namespace) as tap:
        seen = _arrives(server, tap, ORDERS[order](pieces), 30)
    agrees({"seen": seen}, {"seen": ("whole", family.host, 4001)})


@pytest.mark.parametrize("order", ORDERS)
def test_to_a_published_port(family, outside, alpha, order, agrees):
    ethernet = Ether(src=outside.near.mac("wire0"), dst=outside.host.mac(world.UPLINK))
    pieces = _pieces(ethernet, family.near, family.host, 4001, 8053)
    with open_socket(alpha.namespace, socket.SOCK_DGRAM, family.any, 53) as server, Tap(
        outside.near, "wire0"
    ) as tap:
        seen = _arrives(server, tap, ORDERS[order](pieces), 30)
    agrees({"seen": seen}, {"seen": ("whole", family.near, 4001)})


def test_a_piece_that_is_missing(family, outside, alpha, agrees):
    """Nothing of the datagram arrives, and the next one does."""
    ethernet = Ether(src=alpha.mac, dst=_next_hop(alpha.namespace, alpha.network.gateway))
    pieces = _pieces(ethernet, alpha.address, family.near, 4001, 7000)
    with open_socket(outside.near, socket.SOCK_DGRAM, family.near, 7000) as server, Tap(alpha.namespace) as tap:
        lost = _arrives(server, tap, pieces[:-1], SILENCE)
        with udp_connect(alpha.namespace, family.near, 7000, 4002) as sock:
            sock.send(PAYLOAD)
            server.settimeout(30)
            whole = server.recv(65536) == PAYLOAD
    agrees({"lost": lost, "next": whole}, {"lost": "nothing", "next": True})


def test_large_answers_of_a_published_port(family, outside, alpha, agrees):
    """8000 bytes in and out, to and from the port that was dialled."""
    with UdpServer(alpha.namespace, 53) as server, udp_connect(
        outside.near, family.host, 8053, 4001
    ) as sock:
        echoed = udp_echo_once(sock, b"z" * 8000)
        peers = server.peers
    agrees({"echoed": echoed, "peers": peers}, {"echoed": True, "peers": [(family.near, 4001)]})


def test_to_a_sibling(family, backend, alpha, agrees):
    del family
    beta = backend.container(alpha.network, "beta")
    with UdpServer(beta.namespace, 53) as server, udp_connect(
        alpha.namespace, beta.address, 53, 4001
    ) as sock:
        echoed = udp_echo_once(sock, b"z" * 8000)
        peers = server.peers
    agrees({"echoed": echoed, "peers": peers}, {"echoed": True, "peers": [(alpha.address, 4001)]})


def test_to_the_published_port_of_a_sibling(family, backend, alpha, agrees):
    beta = backend.container(alpha.network, "beta")
    with UdpServer(alpha.namespace, 53) as server, udp_connect(
        beta.namespace, family.host, 8053, 4001
    ) as sock:
        echoed = udp_echo_once(sock, b"z" * 8000)
        peers = [peer[0] for peer in server.peers]
    agrees({"echoed": echoed, "peers": peers}, {"echoed": True, "peers": [beta.address]})
