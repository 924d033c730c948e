"""What fits into an overlay's packets, to the byte, and what becomes of the rest.

    [alpha] --- over --- host 1 --- underlay --- host 2 --- over --- [beta]
"""

import socket

from harness.icmp import ping
from harness.netns import Namespace, wire
from harness.sockets import IP_MTU_DISCOVER, PATIENCE, UdpServer, udp_connect, udp_echo_once
from harness.underlay import address, overlay_network, reaches, talks, wait_for_vtep
from harness.wait import wait_until

IP_PMTUDISC_DONT = 0  # <linux/in.h>


def test_the_mtu_follows_the_underlay(make_overlay, endpoint):
    one, two = make_overlay()
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    assert one.cli("network", "show", "over")["mtu"] == 1450
    # To the byte: 20 of IP and 8 of ICMP.
    assert ping(alpha.namespace, beta.address, size=1450 - 28) == "reply"
    for host in (one, two):
        host.namespace.ip("link set under0 mtu 1400")
    for host, end in ((one, alpha), (two, beta)):
        wait_until(
            lambda host=host: host.cli("network", "show", "over")["mtu"] == 1350,
            what="the network's MTU following",
        )
        wait_until(
            lambda end=end: end.namespace.links()["eth0"]["mtu"] == 1350,
            what="the endpoint's MTU following",
        )
    assert ping(alpha.namespace, beta.address, size=1350 - 28) == "reply"


def test_a_narrow_path_is_found_out(make_overlay, endpoint):
    """The underlay's route takes less than the endpoints think: TCP learns it, UDP without DF is
    fragmented outside."""
    one, two = make_overlay(options=("--mtu", "1450"))
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    reaches(alpha, beta)
    for host, other in ((one, 2), (two, 1)):
        host.namespace.ip(f"route add {address(other)} dev under0 mtu lock 1300")

    def has_learned(host):
        reaches(alpha, beta)
        (peer,) = host.cli("map", "dump", "peer")
        return peer["value"]["route_mtu"] == 1300

    for host in (one, two):
        wait_until(lambda host=host: has_learned(host), what="the route being asked anew")
    for v6 in (False, True):
        talks(alpha, beta, v6)
    assert one.drops("icmp_error_sent", "endpoint") > 0
    with UdpServer(beta.namespace, 7005, address=beta.address) as server:
        with udp_connect(alpha.namespace, beta.address, 7005) as sock:
            for one_end in (server.sock, sock):
                one_end.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
            sock.settimeout(PATIENCE)
            for size in (1250 - 28, 1250 - 27, 1450 - 28, 4000):
                assert udp_echo_once(sock, b"x" * size), size
    assert one.drops("vxlan_device", "endpoint") > 0


def test_a_router_with_a_narrow_link(make_host, underlay, endpoint):
    """Host 1 --- 1500 --- router --- 1300 --- host 2: the router's ICMP is about the outer packet, and
    the kernel of host 1 remembers it."""
    one, two = make_host(), make_host()
    with Namespace("router") as router:
        underlay.connect(one.namespace, 1)
        underlay.connect(router, 254)
        router.sysctl("net/ipv4/ip_forward", 1)
        wire(router, "narrow", "198.19.1.254/24", two.namespace, "far0", "198.19.1.2/24", mtu=1300)
        one.namespace.ip(f"route add 198.19.1.0/24 via {address(254)}")
        two.namespace.ip("route add default via 198.19.1.254")
        wait_for_vtep(one, 1)
        wait_until(lambda: two.has_uplink("far0"), what="the uplink being found")
        one.cli("peer", "add", "198.19.1.2")
        two.cli("peer", "add", address(1))
        for number, host in enumerate((one, two), 1):
            overlay_network(host, number=number, options=("--mtu", "1450"))
        alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
        reaches(alpha, beta)
        for v6 in (False, True):
            talks(alpha, beta, v6)
            talks(beta, alpha, v6)
        assert one.drops("icmp_error_sent", "endpoint") > 0, "the endpoint was told"
