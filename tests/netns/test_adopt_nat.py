"""An adopted bridge that we masquerade for, as with Docker's "iptables": false: no rule of netfilter is there.

    [one] [two]            [alpha]
        \\ |                  |
       lab0 --- the host --- network red
                    |
                 uplink --- [near] --- [far]
"""

import socket

import pytest

from harness import world as outside
from harness.icmp import ping
from harness.linux_bridge import LinuxBridge
from harness.sockets import (
    Stream,
    TcpServer,
    UdpServer,
    hash_back,
    open_socket,
    send_and_compare,
    tcp_talk,
    udp_icmp_error,
    udp_talk,
)
from harness.wait import wait_until


@pytest.fixture
def lab(host, world):
    world.learn_ipv6()
    wait_until(lambda: outside.IPV6.host in str(host.cli("uplink", "list")), what="the uplink's IPv6 address")
    for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        host.namespace.sysctl(f"net/{key}", 1)
    with LinuxBridge(host) as bridge:
        bridge.machine("one")
        bridge.machine("two")
        yield bridge


@pytest.fixture
def adopted(host, lab):
    return host.cli("adopt", lab.name, "--masquerade", "on")


def flows(host):
    return [row for row in host.cli("ct", "list") if row["network"] == "lab0"]


@pytest.mark.parametrize("family", (outside.IPV4, outside.IPV6), ids=str)
def test_out_and_back(host, world, lab, adopted, family):
    assert adopted["masquerade"] is True
    one, two = lab.machines
    with TcpServer(world.far, handler=hash_back) as tcp, UdpServer(world.near) as udp:
        send_and_compare(one.namespace, family.far, tcp.port, 1_000_000)
        assert udp_talk(two.namespace, family.near, udp.port) == "echoed"
        assert {peer[0] for peer in (*tcp.peers, *udp.peers)} == {family.host}
    assert ping(one.namespace, family.far) == "reply"
    assert host.drops("snat", "bridge_port") > 10 and host.drops("snat", "uplink_egress") == 0
    assert {row["type"] for row in flows(host)} == {"snat"} and len(flows(host)) == 3
    own = lab.address6 if family.v6 else lab.address
    assert ping(one.namespace, own) == "reply"
    assert ping(one.namespace, two.address6 if family.v6 else two.address) == "reply"
    with TcpServer(host.namespace) as server:
        assert tcp_talk(one.namespace, own, server.port) == "echoed"
        assert tcp_talk(one.namespace, family.host, server.port) == "echoed"


def test_what_the_kernel_forwards_is_masqueraded_too(host, world, lab, adopted):
    """Fragments, and what comes from a port that is left to the bridge."""
    del adopted
    one, two = lab.machines
    assert ping(one.namespace, outside.FAR, size=4000) == "reply"
    with UdpServer(world.near) as udp:
        with open_socket(one.namespace, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.sendto(b"x" * 5000, (outside.NEAR, udp.port))
            assert len(sock.recv(9000)) == 5000
        lab.set_port(two, "isolated", "on")
        wait_until(lambda: host.cli("adopt")[0]["ports"][1]["left"], what="the port being left")
        assert udp_talk(two.namespace, outside.NEAR, udp.port) == "echoed"
        assert {peer[0] for peer in udp.peers} == {outside.HOST}
    assert host.drops("snat", "uplink_egress") > 3


def test_errors_come_back(world, lab, adopted):
    del adopted
    assert world.far
    one, _ = lab.machines
    errors = [udp_icmp_error(one.namespace, outside.FAR, 33434, ttl) for ttl in (1, 2, 3)]
    assert errors == [(11, 0, lab.address), (11, 0, outside.NEAR), (3, 3, outside.FAR)]


def test_running_connections_stay_with_the_kernel(host, world, lab):
    one, two = lab.machines
    host.namespace.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", f"{lab.prefix}.0/24", "!", "-o", lab.name,
                       "-j", "MASQUERADE")
    with TcpServer(world.far, handler=hash_back) as server, TcpServer(world.far) as another:
        stream = Stream(one.namespace, outside.FAR, server.port, bytes_per_second=2 << 20)
        before = stream.sent
        wait_until(lambda: stream.sent > before, what="the stream")
        host.cli("adopt", lab.name, "--masquerade", "on")
        assert tcp_talk(two.namespace, outside.FAR, another.port) == "echoed"
        host.restart()
        before = stream.sent
        wait_until(lambda: stream.sent > before + (1 << 20), what="the stream going on")
        assert {row["src"] for row in flows(host)} == {two.address}
        host.cli("release", lab.name)
        stream.stop()
    assert ping(one.namespace, outside.FAR) == "reply"
    assert host.cli("ct", "list") == []


def test_isolation_between_networks(host, lab, adopted, red, alpha):
    """To each other neither way, but for a published port."""
    del adopted, red
    one, _ = lab.machines
    with TcpServer(alpha.namespace, port=80), TcpServer(one.namespace, port=81):
        host.publish(alpha, 8080, 80)
        assert tcp_talk(one.namespace, alpha.address, 80, timeout=0.5) == "silent"
        assert tcp_talk(alpha.namespace, one.address, 81, timeout=0.5) == "silent"
        assert tcp_talk(one.namespace, outside.HOST, 8080) == "echoed"
        assert tcp_talk(one.namespace, lab.address, 8080) == "echoed"
    assert host.drops("other_network") > 0
