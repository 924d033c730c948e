"""Uplinks of other shapes: several addresses, two uplinks with policy routing, a device without link-layer headers.

    [alpha] --- network red --- the host --- uplink0 198.18.0.1 --- [near]
                                        \\--- second0 / tun0 ------- [vpn]
"""

import pytest

from harness.icmp import ping
from harness.netns import Namespace, wire
from harness.sockets import (
    TcpServer,
    UdpServer,
    hash_back,
    send_and_compare,
    tcp_talk,
    udp_connect,
    icmp_error_of,
    udp_talk,
)
from harness.tun import TunWire
from harness.wait import wait_until
from harness.world import UPLINK

pytestmark = pytest.mark.usefixtures("family")

SECOND = {False: ("203.0.113.1", "203.0.113.2", "/24"), True: ("2001:db8:20::1", "2001:db8:20::2", "/64")}


@pytest.fixture
def red(backend):
    return backend.network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(backend, outside, red):
    del outside
    return backend.container(red, "alpha")


@pytest.fixture
def vpn():
    namespace = Namespace("vpn")
    yield namespace
    namespace.close()


def _await_uplink(backend, device, address):
    if backend.kind == "cnet":
        wait_until(
            lambda: any(
                row["device"] == device and address in str(row) for row in backend.cli("uplink", "list")
            ),
            what=f"{device} being an uplink with {address}",
        )


def _address(namespace, device, address, prefix):
    namespace.ip(f"addr add {address}{prefix} dev {device} nodad" if ":" in address else f"addr add {address}{prefix} dev {device}")


@pytest.fixture
def second(family, backend, alpha, vpn):
    """A second uplink to `vpn`: its addresses (host's, vpn's)."""
    del alpha
    host, far, prefix = SECOND[family.v6]
    wire(backend.namespace, "second0", None, vpn, "wire0", None)
    _address(backend.namespace, "second0", host, prefix)
    _address(vpn, "wire0", far, prefix)
    _await_uplink(backend, "second0", host)
    return host, far


@pytest.fixture
def tunnel(family, backend, alpha, vpn):
    """The same by tun devices."""
    del alpha
    host, far, prefix = SECOND[family.v6]
    with TunWire(backend.namespace, vpn, "tun0"):
        for namespace, address in ((backend.namespace, host), (vpn, far)):
            _address(namespace, "tun0", address, prefix)
        _await_uplink(backend, "tun0", host)
        yield host, far


def _talks(client, server_namespace, address):
    """TCP, UDP and ping: outcomes, and the addresses that the server saw."""
    with TcpServer(server_namespace, address=address) as tcp, UdpServer(
        server_namespace, address=address
    ) as udp:
        return {
            "tcp": tcp_talk(client, address, tcp.port, source_port=4001).outcome,
            "udp": udp_talk(client, address, udp.port, source_port=4002).outcome,
            "ping": ping(client, address).outcome,
            "sources": sorted(set(tcp.peers + udp.peers)),
        }


def _works(source):
    return {"tcp": "echoed", "udp": "echoed", "ping": "reply", "sources": [(source, 4001), (source, 4002)]}


def test_second_uplink(second, vpn, alpha, agrees):
    """Each uplink's own address is the source of what leaves through it."""
    host, far = second
    agrees(_talks(alpha.namespace, vpn, far), _works(host))


def test_policy_routing(family, backend, second, vpn, alpha, agrees):
    """A rule by source sends a network's traffic out of the second uplink; the host keeps the first."""
    host, far = second
    subnet = alpha.network.of_family
    version = "-6" if family.v6 else "-4"
    backend.namespace.run("ip", version, "rule", "add", "from", subnet, "lookup", "100")
    backend.namespace.ip(f"route add default via {far} dev second0 table 100")
    _address(vpn, "lo", family.anywhere, "/128" if family.v6 else "/32")
    agrees(_talks(alpha.namespace, vpn, family.anywhere), _works(host))


def test_published_on_the_second(backend, second, vpn, alpha, agrees):
    """A port is published on every uplink, and answers leave through the one that the request came by."""
    host, far = second
    backend.publish(alpha, 8080, 80)
    with TcpServer(alpha.namespace, 80) as server:
        seen = {"tcp": tcp_talk(vpn, host, 8080, source_port=4001).outcome, "source": server.peers}
    agrees(seen, {"tcp": "echoed", "source": [(far, 4001)]})


def test_several_addresses(family, backend, outside, alpha, agrees):
    """What leaves has one of them, and a port is published on each."""
    other = "2001:db8:18::77" if family.v6 else "198.18.0.77"
    _address(backend.namespace, UPLINK, other, "/64" if family.v6 else "/24")
    _await_uplink(backend, UPLINK, other)
    backend.publish(alpha, 8080, 80)
    # Nothing prefers one of the IPv6 addresses (RFC 6724): Linux takes the youngest.
    possible = {family.host, other} if family.v6 else {family.host}
    with UdpServer(outside.far) as server, TcpServer(alpha.namespace, 80):
        seen = {
            "out": udp_talk(alpha.namespace, family.far, server.port).outcome,
            "its own": {peer[0] for peer in server.peers} <= possible,
            "in": [tcp_talk(outside.near, address, 8080).outcome for address in (family.host, other)],
        }
    agrees(seen, {"out": "echoed", "its own": True, "in": ["echoed", "echoed"]})


def test_tun(tunnel, vpn, alpha, agrees):
    """Masquerade into a device whose packets have no Ethernet header, and published ports out of it."""
    host, far = tunnel
    seen = _talks(alpha.namespace, vpn, far)
    with TcpServer(vpn, handler=hash_back) as server:
        send_and_compare(alpha.namespace, far, server.port, 1_000_000)
    agrees(seen, _works(host))


def test_published_on_a_tun(backend, tunnel, vpn, alpha, agrees):
    host, far = tunnel
    backend.publish(alpha, 8080, 80)
    backend.publish(alpha, 8053, 53, "udp")
    with TcpServer(alpha.namespace, 80) as tcp, UdpServer(alpha.namespace, 53) as udp:
        seen = {
            "tcp": tcp_talk(vpn, host, 8080, source_port=4001).outcome,
            "udp": udp_talk(vpn, host, 8053, source_port=4002).outcome,
            "sources": tcp.peers + udp.peers,
        }
    agrees(seen, {"tcp": "echoed", "udp": "echoed", "sources": [(far, 4001), (far, 4002)]})


def test_path_mtu_of_a_tun(family, backend, tunnel, vpn, alpha, agrees):
    """A VPN's smaller MTU is told to the container."""
    _, far = tunnel
    backend.namespace.ip("link set tun0 mtu 1380")
    vpn.ip("link set tun0 mtu 1380")
    with TcpServer(vpn, handler=hash_back) as server:
        send_and_compare(alpha.namespace, far, server.port, 1_000_000)
    with udp_connect(alpha.namespace, far, 9) as sock:
        told = icmp_error_of(sock, b"x" * family.full_datagram, dont_fragment=True)
    agrees({"too big": told}, {"too big": (*family.too_big, alpha.network.gateway, 1380)})
