"""Masquerade: containers to the world, and the host's own connections beside them.

    [alpha] [beta] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]
"""

import socket
import struct

import pytest

from harness import world as outside
from harness.icmp import Pinger, ping
from harness.sockets import (
    SILENCE,
    TcpServer,
    UdpServer,
    echo_once,
    hash_back,
    open_socket,
    receive_exactly,
    send_and_compare,
    set_ttl,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_talk,
)
from harness.wait import wait_until


@pytest.fixture
def red(host, world):
    del world
    return host.network("red", "10.88.1.0/24")


@pytest.fixture
def services(world):
    with TcpServer(world.near, 7000) as tcp, UdpServer(world.near, 7000) as udp:
        yield tcp, udp


def flows(host, **match):
    """Flows of `ct list` that have these values."""
    return [
        flow
        for flow in host.cli("ct", "list")
        if all(flow[key] == value for key, value in match.items())
    ]


def reset(stream):
    """Closes with RST."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def test_uplink_is_found(host, red):
    del red
    assert [(row["device"], row["configured"]) for row in host.cli("uplink", "list")] == [
        (outside.UPLINK, "auto")
    ]


def test_flows_are_listed(host, alpha, services):
    """Every protocol's flow shows both tuples, its network and its state."""
    tcp, udp = services
    with tcp_connect(alpha.namespace, outside.NEAR, 7000, 4001) as stream, udp_connect(
        alpha.namespace, outside.NEAR, 7000, 4002
    ) as datagrams:
        assert echo_once(stream) and udp_echo_once(datagrams)
        assert ping(alpha.namespace, outside.NEAR) == "reply"
        for protocol, port, state in (
            ("tcp", 4001, "established"),
            ("udp", 4002, "established"),
            ("icmp", None, "established"),
        ):
            (flow,) = flows(host, protocol=protocol)
            assert (flow["type"], flow["network"], flow["src"], flow["dst"]) == (
                "snat",
                "red",
                alpha.address,
                outside.NEAR,
            )
            assert (flow["reply_src"], flow["reply_dst"]) == (outside.NEAR, outside.HOST)
            assert flow["state"] == state
            if port:
                assert (flow["src_port"], flow["dst_port"]) == (port, 7000)
                assert (flow["reply_src_port"], flow["reply_dst_port"]) == (7000, port)
        count = host.cli("ct", "count")
        assert count["flows"] == 3 and count["entries"] >= 6
    assert tcp.peers == [(outside.HOST, 4001)] and udp.peers == [(outside.HOST, 4002)]


def test_tcp_states(host, alpha, services):
    """A close from both sides leads to time_wait, a reset to closed; flushing removes them and
    frees the port.
    """
    with tcp_connect(alpha.namespace, outside.NEAR, 7000, 4001) as stream:
        assert echo_once(stream)
    wait_until(lambda: flows(host, src_port=4001)[0]["state"] == "time_wait", what="time_wait")
    stream = tcp_connect(alpha.namespace, outside.NEAR, 7000, 4003)
    assert echo_once(stream)
    reset(stream)
    wait_until(lambda: flows(host, src_port=4003)[0]["state"] == "closed", what="closed")
    assert {row["port"] for row in host.cli("nat", "list")} >= {4001}
    assert host.cli("ct", "flush")["flushed"] >= 1
    assert host.cli("ct", "list") == [] and host.cli("nat", "list") == []


def test_idle_flows_are_collected(make_host, make_world):
    """What is idle beyond the timeout of its state goes; what talks stays."""
    host = make_host(
        "[reconcile]\nsweep_period_s = 1\n[conntrack]\ntcp_closed_s = 1\nudp_established_s = 3\n"
    )
    world = make_world(host)
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    with TcpServer(world.near, 7000), UdpServer(world.near, 7000), udp_connect(
        alpha.namespace, outside.NEAR, 7000, 4002
    ) as idle, udp_connect(alpha.namespace, outside.NEAR, 7000, 4003) as busy:
        reset(tcp_connect(alpha.namespace, outside.NEAR, 7000, 4001))
        assert udp_echo_once(idle)

        def only_busy_left():
            assert udp_echo_once(busy)
            return [flow["src_port"] for flow in flows(host)] == [4003]

        wait_until(only_busy_left, 60, "the idle flows being collected")
        assert udp_echo_once(idle)


@pytest.mark.parametrize(
    "filters,left",
    [(("proto", "tcp"), {"udp"}), (("sport", "4002"), {"tcp"}), (("endpoint", "alpha"), set())],
)
def test_flush_takes_a_filter(host, alpha, services, filters, left):
    with tcp_connect(alpha.namespace, outside.NEAR, 7000, 4001) as stream, udp_connect(
        alpha.namespace, outside.NEAR, 7000, 4002
    ) as datagrams:
        assert echo_once(stream) and udp_echo_once(datagrams)
        host.cli("ct", "flush", *filters)
        assert {flow["protocol"] for flow in host.cli("ct", "list")} == left


def test_host_process_that_takes_the_port_later(host, alpha, services):
    """The container owns P towards near:7000; then a process of the host binds P and goes to the
    same place.
    """
    with tcp_connect(alpha.namespace, outside.NEAR, 7000, 4001) as theirs:
        assert echo_once(theirs)
        with tcp_connect(host.namespace, outside.NEAR, 7000, 4001) as ours:
            for _ in range(20):
                assert echo_once(ours, b"host") and echo_once(theirs, b"container")
    tcp, _ = services
    assert len(set(tcp.peers)) == 2 and all(address == outside.HOST for address, _ in tcp.peers)
    with udp_connect(alpha.namespace, outside.NEAR, 7000, 4002) as theirs:
        assert udp_echo_once(theirs)
        with udp_connect(host.namespace, outside.NEAR, 7000, 4002) as ours:
            for _ in range(20):
                assert udp_echo_once(ours, b"host") and udp_echo_once(theirs, b"container")


def test_host_process_that_has_the_port_first(host, alpha, services):
    with tcp_connect(host.namespace, outside.NEAR, 7000, 4001) as ours, udp_connect(
        host.namespace, outside.NEAR, 7000, 4002
    ) as our_datagrams:
        assert echo_once(ours) and udp_echo_once(our_datagrams)
        assert tcp_talk(alpha.namespace, outside.NEAR, 7000, source_port=4001) == "echoed"
        assert udp_talk(alpha.namespace, outside.NEAR, 7000, source_port=4002) == "echoed"
        for _ in range(20):
            assert echo_once(ours) and udp_echo_once(our_datagrams)
    for server, port in zip(services, (4001, 4002)):
        first, second = server.peers[0], next(peer for peer in server.peers if peer[1] != port)
        assert first == (outside.HOST, port) and second[0] == outside.HOST


def test_listening_ports_of_the_host_are_never_taken(host, world, alpha, services):
    """Listening TCP and unconnected UDP sockets keep their ports: a container's flow gets another
    one.
    """
    with TcpServer(host.namespace, 4001), UdpServer(host.namespace, 4002):
        assert tcp_talk(alpha.namespace, outside.NEAR, 7000, source_port=4001) == "echoed"
        assert udp_talk(alpha.namespace, outside.NEAR, 7000, source_port=4002) == "echoed"
        for server, port in zip(services, (4001, 4002)):
            assert server.peers[0][1] != port
        # From the very address and port that the container talked to.
        with UdpServer(world.near, 7001):
            assert tcp_talk(world.near, outside.HOST, 4001, source_port=7001) == "echoed"
        assert udp_talk(world.near, outside.HOST, 4002) == "echoed"


def test_published_ports_are_never_taken(host, red, alpha, services):
    beta = host.container(red, "beta")
    host.publish(beta, 4001, 80)
    host.publish(beta, 4002, 53, "udp")
    assert tcp_talk(alpha.namespace, outside.NEAR, 7000, source_port=4001) == "echoed"
    assert udp_talk(alpha.namespace, outside.NEAR, 7000, source_port=4002) == "echoed"
    for server, port in zip(services, (4001, 4002)):
        assert server.peers[0][1] != port


def test_same_echo_identifier_from_two_containers_and_the_host(host, red, alpha):
    """Each one's echo requests come back to it."""
    beta = host.container(red, "beta")
    spaces = [alpha.namespace, beta.namespace, host.namespace]
    pingers = [Pinger(space, identifier=77) for space in spaces]
    try:
        for pinger in pingers:
            assert pinger.send(outside.NEAR)
        assert [pinger.result().outcome for pinger in pingers] == ["reply"] * 3
    finally:
        for pinger in pingers:
            pinger.close()


def test_host_traffic_is_untouched(host, world, alpha, services):
    """The host's own traffic over the uplink, both ways, with flows of containers beside it."""
    assert tcp_talk(alpha.namespace, outside.NEAR, 7000) == "echoed"
    assert tcp_talk(host.namespace, outside.NEAR, 7000, source_port=4100) == "echoed"
    assert udp_talk(host.namespace, outside.NEAR, 7000, source_port=4101) == "echoed"
    assert (
        ping(host.namespace, outside.NEAR) == "reply" and ping(world.near, outside.HOST) == "reply"
    )
    tcp, udp = services
    assert tcp.peers[-1] == (outside.HOST, 4100) and udp.peers[-1] == (outside.HOST, 4101)
    with TcpServer(host.namespace, handler=hash_back) as server:
        send_and_compare(world.near, outside.HOST, server.port, 10_000_000)


def test_stream_content(world, alpha):
    with TcpServer(world.near, handler=hash_back) as server:
        send_and_compare(alpha.namespace, outside.NEAR, server.port, 50_000_000)


def test_chosen_source_address(host, world, services):
    """--snat: the outside sees the address that the network was given."""
    del world
    host.namespace.ip(f"addr add 198.18.0.77/24 dev {outside.UPLINK}")
    chosen = host.network("chosen", "10.88.5.0/24", options=("--snat", "198.18.0.77"))
    gamma = host.container(chosen, "gamma")
    assert tcp_talk(gamma.namespace, outside.NEAR, 7000, source_port=4001) == "echoed"
    assert udp_talk(gamma.namespace, outside.NEAR, 7000, source_port=4002) == "echoed"
    tcp, udp = services
    assert tcp.peers == [("198.18.0.77", 4001)] and udp.peers == [("198.18.0.77", 4002)]


def test_uplink_changes_its_address(host, world, red, alpha, services):
    """New flows use the new address, and nothing of the old one is kept."""
    del red
    assert udp_talk(alpha.namespace, outside.NEAR, 7000, source_port=4002) == "echoed"
    host.namespace.ip(
        f"addr del {outside.HOST}/24 dev {outside.UPLINK}",
        f"addr add 198.18.0.9/24 dev {outside.UPLINK}",
        f"route replace default via {outside.NEAR}",
    )
    world.near.run("ip", "neigh", "flush", "dev", "wire0")
    wait_until(
        lambda: [row["addresses"] for row in host.cli("uplink", "list")] == [["198.18.0.9/24"]],
        what="the uplink's new address",
    )
    wait_until(lambda: not flows(host, reply_dst=outside.HOST), what="old flows going away")
    assert udp_talk(alpha.namespace, outside.NEAR, 7000, source_port=4002) == "echoed"
    _, udp = services
    assert udp.peers[-1] == ("198.18.0.9", 4002)


def test_connection_table_full(make_host, make_world):
    """Flows that live go on, new ones are refused and counted, and room that comes free is used."""
    host = make_host("[maps]\ncnet_ct = 64\n[conntrack]\nendpoint_flows = 0\n")
    world = make_world(host)
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    sockets = []
    with UdpServer(world.near, 7000):
        try:
            while True:
                sock = udp_connect(alpha.namespace, outside.NEAR, 7000)
                sockets.append(sock)
                sock.settimeout(SILENCE)
                try:
                    assert udp_echo_once(sock)
                except TimeoutError:
                    break
                assert len(sockets) <= 64, "more flows than the table can hold"
            assert len(sockets) > 16
            assert host.drops("ct_full") >= 1
            for sock in sockets[:-1]:
                assert udp_echo_once(sock)
            assert host.cli("ct", "count")["max_entries"] == 64
            host.cli("ct", "flush")
            assert udp_echo_once(sockets[-1])
        finally:
            for sock in sockets:
                sock.close()


def test_ports_exhausted(host, world, red, alpha):
    """No source port left towards one destination: refused and counted; what lives goes on."""
    beta = host.container(red, "beta")
    sockets = []
    with UdpServer(world.near, 7000), UdpServer(world.near, 7001):
        try:
            # netfilter's first range: ports below 512 stay below 512.
            for port in range(1, 512):
                sockets.append(udp_connect(alpha.namespace, outside.NEAR, 7000, port))
                assert udp_echo_once(sockets[-1])
            before = host.drops("ports_exhausted")
            assert udp_talk(beta.namespace, outside.NEAR, 7000, 100, timeout=SILENCE) == "silent"
            assert host.drops("ports_exhausted") == before + 1
            assert udp_talk(beta.namespace, outside.NEAR, 7001, 100) == "echoed"
            assert udp_talk(beta.namespace, outside.NEAR, 7000, 2000) == "echoed"
            for sock in sockets:
                assert udp_echo_once(sock)
        finally:
            for sock in sockets:
                sock.close()


def test_icmp_errors_are_limited(host, alpha):
    """Thirty packets without TTL at once: six errors and then one a second, and each drop counted."""
    before = host.drops("icmp_error_sent"), host.drops("icmp_rate")
    with open_socket(alpha.namespace, socket.SOCK_DGRAM) as sock:
        set_ttl(sock, 1)
        for _ in range(30):
            sock.sendto(b"how far?", (outside.NEAR, 33434))

    def counted():
        return host.drops("icmp_error_sent") - before[0], host.drops("icmp_rate") - before[1]

    sent, held_back = wait_until(lambda: sum(counted()) == 30 and counted(), what="all counted")
    assert sent >= 6 and held_back > 0


def test_many_flows_at_once(host, world, alpha):
    """Five hundred TCP connections, each of which gets its own answers."""
    with TcpServer(world.near, 7000):
        streams = [tcp_connect(alpha.namespace, outside.NEAR, 7000) for _ in range(500)]
        try:
            for number, stream in enumerate(streams):
                stream.sendall(b"number %04d" % number)
            for number, stream in enumerate(streams):
                assert receive_exactly(stream, 11) == b"number %04d" % number
            assert len(flows(host, protocol="tcp", state="established")) == 500
        finally:
            for stream in streams:
                stream.close()
