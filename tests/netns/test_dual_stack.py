"""Networks with both families, with real kernels at both ends.

    [alpha] [beta] --- network red, 10.88.1.0/24 and fd00:88:1::/64 --- the host --- uplink --- [near]
"""

import socket

import pytest

from harness import world as outside
from harness.icmp import ping
from harness.netns import Namespace
from harness.sockets import (
    SILENCE,
    TcpServer,
    UdpServer,
    hash_back,
    send_and_compare,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_talk,
)
from harness.wait import wait_until

HOST6 = "2001:db8:18::1"
NEAR6 = "2001:db8:18::2"
GATEWAY6 = "fd00:88:1::1"

# <linux/in.h>; the socket module does not have them.
IP_MTU_DISCOVER = 10
IP_PMTUDISC_DONT = 0


@pytest.fixture
def near(host, world):
    """The world, which has learned IPv6."""
    for namespace, device, address in (
        (host.namespace, outside.UPLINK, HOST6),
        (world.near, "wire0", NEAR6),
    ):
        namespace.ip(f"addr add {address}/64 dev {device} nodad")
    host.namespace.ip(f"route add default via {NEAR6}")
    wait_until(
        lambda: any(HOST6 in str(uplink["addresses"]) for uplink in host.cli("uplink", "list")),
        what="the uplink's IPv6 address being known",
    )
    return world.near


@pytest.fixture
def red(host, near):
    del near
    return host.network("red", "10.88.1.0/24", options=("--subnet", "fd00:88:1::/64"))


def address6(host, name):
    addresses = host.cli("endpoint", "show", name)["addresses"]
    return next(address.split("/")[0] for address in addresses if ":" in address)


def test_siblings_and_the_gateway(host, alpha, beta):
    to = address6(host, "beta")
    with TcpServer(beta.namespace, 80, address="::") as server:
        assert tcp_talk(alpha.namespace, to, 80).outcome == "echoed"
        assert server.peers[0][0] == address6(host, "alpha")
        assert tcp_talk(host.namespace, to, 80).outcome == "echoed"
        assert server.peers[1][0] == GATEWAY6
    assert host.drops("nd_reply", "endpoint") > 0
    assert tcp_talk(alpha.namespace, to, 81).outcome == "refused"


def test_reached_once_it_is_made(host, red, alpha):
    """The first packet, at once: an address that is listed is not one yet that the kernel delivers to."""
    for number in range(20):
        one = host.container(red, f"one{number}")
        assert ping(alpha.namespace, address6(host, one.name)) == "reply", number


def test_masquerade(host, alpha, near):
    with TcpServer(near, 7000, address="::", handler=hash_back) as tcp, UdpServer(
        near, 7000, address="::"
    ) as udp:
        send_and_compare(alpha.namespace, NEAR6, 7000, 20_000_000)
        assert udp_talk(alpha.namespace, NEAR6, 7000).outcome == "echoed"
        assert tcp.peers[0][0] == udp.peers[0][0] == HOST6
    alpha.namespace.run("ping", "-6", "-c", "1", "-w", "10", NEAR6)
    assert tcp_talk(alpha.namespace, NEAR6, 7001).outcome == "refused"


@pytest.mark.parametrize("size", [4_000, 40_000])
@pytest.mark.parametrize("family", [4, 6])
def test_large_datagrams_are_fragmented_and_translated(host, alpha, near, family, size):
    to = NEAR6 if family == 6 else outside.NEAR
    with UdpServer(near, 7000, address="::" if family == 6 else "0.0.0.0"):
        with udp_connect(alpha.namespace, to, 7000) as sock:
            assert udp_echo_once(sock, bytes(range(250)) * (size // 250))
    assert host.cli("map", "dump", "frag") == []


@pytest.mark.parametrize("family", [4, 6])
def test_published_port(host, alpha, near, family):
    host.publish(alpha, 8080, 80)
    host.publish(alpha, 5353, 53, "udp")
    to, client = (HOST6, NEAR6) if family == 6 else (outside.HOST, outside.NEAR)
    with TcpServer(alpha.namespace, 80, address="::") as tcp, UdpServer(
        alpha.namespace, 53, address="::"
    ):
        assert tcp_talk(near, to, 8080).outcome == "echoed"
        assert client in tcp.peers[0][0]
        with udp_connect(near, to, 5353) as sock:
            assert udp_echo_once(sock, b"q" * 4000)


@pytest.mark.parametrize("family", [4, 6])
def test_sibling_through_the_published_port_keeps_its_address(host, alpha, beta, near, family):
    del near
    host.publish(alpha, 8080, 80)
    host.publish(alpha, 5353, 53, "udp")
    to = HOST6 if family == 6 else outside.HOST
    with TcpServer(alpha.namespace, 80, address="::", handler=hash_back) as tcp, UdpServer(
        alpha.namespace, 53, address="::"
    ) as udp:
        send_and_compare(beta.namespace, to, 8080, 5_000_000)
        client = address6(host, "beta") if family == 6 else beta.address
        assert client in tcp.peers[0][0]
        with udp_connect(beta.namespace, to, 5353) as sock:
            assert udp_echo_once(sock, b"q" * 4000)
        assert client in udp.peers[0][0]
        # Directly, beside the flow that is translated.
        direct = address6(host, "alpha") if family == 6 else alpha.address
        with udp_connect(beta.namespace, direct, 53) as sock:
            assert udp_echo_once(sock, b"d" * 4000)


def test_path_mtu(host, alpha, near):
    """A narrow route, which a router obeys only when it is locked: senders are told so, and IPv4 without DF is split by the kernel."""
    for to in (f"{outside.NEAR}/32", f"{NEAR6}/128"):
        host.namespace.ip(f"route add {to} dev {outside.UPLINK} mtu lock 1300")
    with TcpServer(near, 7000, address="::", handler=hash_back), UdpServer(near, 7001, address="::"):
        # First, while the container has not learned the path's MTU.
        with udp_connect(alpha.namespace, outside.NEAR, 7001) as sock:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
            assert udp_echo_once(sock, b"s" * 1400)
        send_and_compare(alpha.namespace, NEAR6, 7000, 3_000_000)
        send_and_compare(alpha.namespace, outside.NEAR, 7000, 3_000_000)
    assert host.drops("icmp_error_sent", "endpoint") > 0
    assert host.drops("split", "endpoint") > 0


def test_routed_network(host, near, red, alpha):
    """Reached as it is, from outside and from a network that masquerades."""
    del red
    green = host.network("green", "10.88.9.0/24", mode="routed")
    gamma = host.container(green, "gamma")
    near.ip(f"route add 10.88.9.0/24 via {outside.HOST}")
    with TcpServer(gamma.namespace, 80) as server:
        assert tcp_talk(alpha.namespace, gamma.address, 80).outcome == "echoed"
        assert server.peers[-1][0] == green.gateway
        host.namespace.sysctl("net/ipv4/ip_forward", 1)
        assert tcp_talk(near, gamma.address, 80).outcome == "echoed"
        assert server.peers[-1][0] == outside.NEAR
    with TcpServer(near, 7000) as server:
        assert tcp_talk(gamma.namespace, outside.NEAR, 7000).outcome == "echoed"
        assert server.peers[-1][0] == gamma.address
    with TcpServer(alpha.namespace, 80), pytest.raises(OSError):
        tcp_connect(gamma.namespace, alpha.address, 80, timeout=SILENCE)


def test_allow_list(host, near, alpha):
    host.cli("port", "publish", "alpha", "8080:80", "--allow-from", "198.18.0.0/28", "--allow-from",
             "2001:db8:18::2/128")
    near.ip("addr add 198.18.0.77/24 dev wire0")
    with TcpServer(alpha.namespace, 80, address="::"):
        assert tcp_talk(near, outside.HOST, 8080).outcome == "echoed"
        assert tcp_talk(near, HOST6, 8080).outcome == "echoed"
        with pytest.raises(OSError):
            tcp_connect(near, outside.HOST, 8080, source="198.18.0.77", timeout=SILENCE)
    assert host.drops("not_allowed", "uplink") > 0


@pytest.mark.parametrize("family", [4, 6])
def test_an_address_that_is_used_again_is_announced(host, red, alpha, beta, family):
    """Its new owner has another MAC: who knew the old one is told at once."""
    to = address6(host, "beta") if family == 6 else beta.address

    def known_mac():
        shown = alpha.namespace.run("ip", "neigh", "show", to).stdout.split()
        return shown[shown.index("lladdr") + 1] if "lladdr" in shown else None

    alpha.namespace.run("ping", "-c", "1", "-w", "10", to)
    assert known_mac() == beta.mac
    host.cli("endpoint", "delete", "beta")
    gamma = Namespace("gamma")
    try:
        made = host.cli("endpoint", "create", "red", "gamma", "--netns", gamma.path, "--ip", to)
        assert made["mac"] != beta.mac
        wait_until(lambda: known_mac() == made["mac"], 10, "the neighbour knowing the new MAC")
    finally:
        host.cli("endpoint", "delete", "gamma")
        gamma.close()
