"""Published ports, closely: kinds of specification, tables, life and end.

    [near] 198.18.0.2 --- 198.18.0.1, .77 the host --- network red --- [alpha] [beta]
"""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from harness import world as outside
from harness.frames import Tap
from harness.sockets import (
    TcpServer,
    UdpServer,
    echo_once,
    hash_back,
    send_and_compare,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_talk,
)
from harness.wait import wait_until


@pytest.fixture
def alpha(host, world):
    del world
    return host.container(host.network("red", "10.88.1.0/24"), "alpha")


def test_flows_and_tables(host, world, alpha):
    host.publish(alpha, 8080, 80)
    host.publish(alpha, 8053, 53, "udp")
    ports = {
        (row["protocol"], row["host_ip"], row["host_port"], row["port"], row["endpoint"])
        for row in host.cli("port", "list")
    }
    assert ports == {("tcp", "0.0.0.0", 8080, 80, "alpha"), ("udp", "0.0.0.0", 8053, 53, "alpha")}
    assert sorted(host.cli("endpoint", "show", "alpha")["ports"]) == [
        "0.0.0.0:8053->53/udp",
        "0.0.0.0:8080->80/tcp",
    ]
    with TcpServer(alpha.namespace, 80) as tcp, UdpServer(alpha.namespace, 53) as udp:
        with tcp_connect(world.near, outside.HOST, 8080, 4001) as stream, udp_connect(
            world.near, outside.HOST, 8053, 4002
        ) as datagrams:
            for _ in range(10):
                assert echo_once(stream) and udp_echo_once(datagrams)
            listed = {flow["protocol"]: flow for flow in host.cli("ct", "list")}
        assert set(tcp.peers) == {(outside.NEAR, 4001)} and set(udp.peers) == {(outside.NEAR, 4002)}
    flow = listed["tcp"]
    assert (flow["type"], flow["state"]) == ("dnat", "established")
    assert (flow["src"], flow["src_port"], flow["dst"], flow["dst_port"]) == (
        outside.NEAR,
        4001,
        outside.HOST,
        8080,
    )
    assert (
        flow["reply_src"],
        flow["reply_src_port"],
        flow["reply_dst"],
        flow["reply_dst_port"],
    ) == (alpha.address, 80, outside.NEAR, 4001)


def test_range(host, world, alpha):
    """Each port of a range keeps its distance, and its neighbours stay closed."""
    host.cli("port", "publish", "alpha", "9000-9003:80-83")
    (row,) = host.cli("port", "list")
    assert (row["host_port"], row["host_port_end"], row["port"], row["port_end"]) == (
        9000,
        9003,
        80,
        83,
    )
    for offset in range(4):
        with TcpServer(alpha.namespace, 80 + offset):
            assert tcp_talk(world.near, outside.HOST, 9000 + offset) == "echoed"
    with TcpServer(alpha.namespace, 84):
        assert tcp_talk(world.near, outside.HOST, 9004) == "refused"
        assert tcp_talk(world.near, outside.HOST, 8999) == "refused"


def test_single_host_address(host, world, alpha):
    """Published on one address, a port is no port of the others."""
    host.namespace.ip(f"addr add 198.18.0.77/24 dev {outside.UPLINK}")
    wait_until(
        lambda: any("198.18.0.77/24" in row["addresses"] for row in host.cli("uplink", "list")),
        what="the second address",
    )
    beta = host.container(alpha.network, "beta")
    host.cli("port", "publish", "alpha", "198.18.0.77:8080:80")
    with TcpServer(alpha.namespace, 80) as at_alpha, TcpServer(beta.namespace, 80) as at_beta:
        assert tcp_talk(world.near, "198.18.0.77", 8080) == "echoed"
        assert tcp_talk(world.near, outside.HOST, 8080) == "refused"
        host.cli("port", "publish", "beta", f"{outside.HOST}:8080:80")
        assert tcp_talk(world.near, "198.18.0.77", 8080) == "echoed"
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
        assert (len(at_alpha.peers), len(at_beta.peers)) == (2, 1)


def test_chosen_port(host, world, alpha):
    """Without a host port one of the host's ephemeral range is chosen."""
    chosen = host.cli("port", "publish", "alpha", "80")["host_port"]
    low, high = map(
        int, host.namespace.run("cat", "/proc/sys/net/ipv4/ip_local_port_range").stdout.split()
    )
    assert low <= chosen <= high
    with TcpServer(alpha.namespace, 80):
        assert tcp_talk(world.near, outside.HOST, chosen) == "echoed"


def test_unpublish(host, world, alpha):
    """The port closes, its flows go, a host process may have it, and it can be published again."""
    host.publish(alpha, 8080, 80)
    with TcpServer(alpha.namespace, 80):
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
        host.cli("port", "unpublish", "alpha", "8080:80/tcp")
        assert host.cli("port", "list") == []
        assert tcp_talk(world.near, outside.HOST, 8080) == "refused"
        with TcpServer(host.namespace, 8080) as own:
            assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
            assert len(own.peers) == 1
    beta = host.container(alpha.network, "beta")
    wait_until(
        lambda: host.cli_raw("port", "publish", "beta", "8080:80")[1].returncode == 0,
        what="publishing again",
    )
    with TcpServer(beta.namespace, 80):
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"


def test_endpoint_deleted_and_port_reused(host, world, alpha):
    """A UDP client that never stops is served by the port's next owner: no stale flow holds it."""
    host.publish(alpha, 8053, 53, "udp")
    with udp_connect(world.near, outside.HOST, 8053, 4002) as client:
        with UdpServer(alpha.namespace, 53) as first:
            assert udp_echo_once(client)
            assert len(first.peers) == 1
        host.cli("endpoint", "delete", "alpha")
        beta = host.container(alpha.network, "beta")
        host.publish(beta, 8053, 53, "udp")
        with UdpServer(beta.namespace, 53) as second:
            assert udp_echo_once(client)
            assert second.peers == [(outside.NEAR, 4002)]


def test_stream_content(host, world, alpha):
    """Both directions of a large transfer through a published port."""
    host.publish(alpha, 8080, 80)
    with TcpServer(alpha.namespace, 80, handler=hash_back):
        send_and_compare(world.near, outside.HOST, 8080, 50_000_000)


def test_hairpin_stream_content(host, alpha):
    beta = host.container(alpha.network, "beta")
    host.publish(alpha, 8080, 80)
    with TcpServer(alpha.namespace, 80, handler=hash_back):
        send_and_compare(beta.namespace, outside.HOST, 8080, 20_000_000)


def test_loopback_port_is_closed_to_the_wire(host, world, alpha):
    """Published on 127.0.0.1, a port is not reachable from outside, by whatever destination."""
    host.cli("port", "publish", "alpha", "127.0.0.1:8080:80")
    syn = (
        Ether(src=world.near.mac("wire0"), dst=host.namespace.mac(outside.UPLINK))
        / IP(src=outside.NEAR, dst="127.0.0.1")
        / TCP(sport=4001, dport=8080, flags="S")
    )
    with TcpServer(alpha.namespace, 80) as server, Tap(alpha.namespace) as at_alpha:
        with Tap(world.near, "wire0") as wire:
            wire.send(syn)
        assert tcp_talk(world.near, outside.HOST, 8080) == "refused"
        assert at_alpha.never_sees(lambda frame: frame[12:14] == b"\x08\x00" and frame[23] == 6)
        assert server.peers == []


def test_two_clients_with_the_same_source_port(host, world, alpha):
    """Flows differ by the client's address alone; each gets its own answers."""
    host.publish(alpha, 8053, 53, "udp")
    with UdpServer(alpha.namespace, 53):
        assert udp_talk(world.near, outside.HOST, 8053, source_port=4002) == "echoed"
        assert udp_talk(world.far, outside.HOST, 8053, source_port=4002) == "echoed"
        assert udp_talk(world.near, outside.HOST, 8053, source_port=4002) == "echoed"
