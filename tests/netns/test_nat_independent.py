"""Endpoint-independent NAT: what a STUN client finds out about it, with two hosts outside.

    [alpha] [beta] --- network red --- the host --- uplink 198.18.0.1 --- [near] --- 198.18.1.3 [far]
"""

import contextlib
import errno
import socket

import pytest

from harness import world as outside
from harness.sockets import (
    PATIENCE,
    SILENCE,
    TcpServer,
    UdpServer,
    echo_once,
    open_socket,
    tcp_connect,
)
from harness.wait import wait_until

INDEPENDENT = "endpoint-independent"
FAMILIES = pytest.mark.parametrize("family", [outside.IPV4, outside.IPV6], ids=str)


@pytest.fixture
def red(host, world):
    world.learn_ipv6()
    wait_until(
        lambda: outside.IPV6.host in str(host.cli("uplink", "list")),
        what="the uplink's IPv6 address being known",
    )
    host.v6 = False  # both families
    return host.network("red", "10.88.1.0/24", options=("--nat", INDEPENDENT))


@pytest.fixture
def beta(host, red):
    return host.container(red, "beta")


def datagrams(namespace, family, port=0):
    """An unconnected socket, which takes what comes from anybody."""
    kind = socket.AF_INET6 if family.v6 else socket.AF_INET
    sock = open_socket(namespace, socket.SOCK_DGRAM, family=kind, port=port)
    sock.settimeout(PATIENCE)
    return sock


def sent_to(sock, *places):
    """One datagram to each, whose echo must come back from there."""
    for place in places:
        sock.sendto(b"what am I?", place)
        data, peer = sock.recvfrom(2048)
        assert (data, peer[:2]) == (b"what am I?", place)


def hears(sock, timeout=PATIENCE):
    """Who the next datagram is from, or nothing."""
    sock.settimeout(timeout)
    try:
        return sock.recvfrom(2048)[1][:2]
    except TimeoutError:
        return None


def mappings(host):
    return [row for row in host.cli("nat", "list") if row["inside"]]


@FAMILIES
def test_mapping_is_the_same_for_every_remote(host, world, alpha, beta, family):
    """RFC 5780 4.3: three places see one address and port of a socket, and its own where that is
    free; of another container with the same port they see another one.
    """
    places = [(family.near, 7000), (family.near, 7001), (family.far, 7000)]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(UdpServer(world.far if at == family.far else world.near, port))
            for at, port in places
        ]
        for number, container in enumerate((alpha, beta)):
            sock = stack.enter_context(datagrams(container.namespace, family, 4001))
            sent_to(sock, *places)
            seen = {server.peers[number] for server in servers}
            assert len(seen) == 1, "each remote sees another port"
            ((address, port),) = seen
            assert address == family.host and (port == 4001) == (container is alpha)
            rows = [row for row in mappings(host) if row["port"] == port]
            (row,) = [row for row in rows if row["address"] == family.host]
            inside = container.network.address(int(container.address.rsplit(".", 1)[1]), family.v6)
            assert (row["inside"], row["inside_port"]) == (inside, 4001)
            assert (row["network"], row["flows"], row["protocol"]) == ("red", 3, "udp")


@FAMILIES
def test_filtering_is_the_same_for_every_remote(world, alpha, family):
    """RFC 5780 4.4: an address that nothing was sent to comes in, and is answered, by the port that
    a mapping has; other ports of the host stay the host's.
    """
    with UdpServer(world.near, 7000), datagrams(alpha.namespace, family, 4001) as sock, datagrams(
        world.far, family, 9
    ) as stranger:
        stranger.sendto(b"too early", (family.host, 4001))
        sent_to(sock, (family.near, 7000))
        stranger.sendto(b"knock", (family.host, 4001))
        assert hears(sock) == (family.far, 9)
        sock.sendto(b"who is there?", (family.far, 9))
        assert hears(stranger) == (family.host, 4001)
        stranger.sendto(b"knock", (family.host, 4002))
        assert hears(sock, SILENCE) is None


def test_symmetric_filters_and_the_change_is_live(host, world, alpha):
    """As by default: who was not spoken to is not heard. A change applies to what begins then, and
    flows that run go on.
    """
    place = (outside.NEAR, 7000)
    with UdpServer(world.near, 7000), datagrams(
        alpha.namespace, outside.IPV4, 4001
    ) as sock, datagrams(world.far, outside.IPV4, 9) as friend, datagrams(
        world.far, outside.IPV4, 10
    ) as stranger:
        sent_to(sock, place)
        friend.sendto(b"knock", (outside.HOST, 4001))
        assert hears(sock) == (outside.FAR, 9)
        host.cli("network", "set", "red", "--nat", "symmetric")
        assert mappings(host) == []
        stranger.sendto(b"knock", (outside.HOST, 4001))
        assert hears(sock, SILENCE) is None
        friend.sendto(b"still there?", (outside.HOST, 4001))
        assert hears(sock) == (outside.FAR, 9)
        sent_to(sock, place)
        host.cli("network", "set", "red", "--nat", INDEPENDENT)
        assert host.cli("network", "show", "red")["nat"] == INDEPENDENT


@FAMILIES
def test_hairpin_by_the_mapped_address(world, alpha, beta, family):
    """RFC 4787 REQ-9a: two containers that know each other's outside address meet there, and see
    it.
    """
    with UdpServer(world.near, 7000), datagrams(alpha.namespace, family, 4001) as one, datagrams(
        beta.namespace, family, 4002
    ) as other:
        sent_to(one, (family.near, 7000))
        sent_to(other, (family.near, 7000))
        one.sendto(b"hello", (family.host, 4002))
        assert hears(other) == (family.host, 4001)
        other.sendto(b"hello", (family.host, 4001))
        assert hears(one) == (family.host, 4002)


def test_hairpin_heeds_icc(host, world, alpha, beta):
    host.cli("network", "set", "red", "--icc", "off")
    family = outside.IPV4
    with UdpServer(world.near, 7000), datagrams(alpha.namespace, family, 4001) as one, datagrams(
        beta.namespace, family, 4002
    ) as other:
        sent_to(one, (family.near, 7000))
        before = host.drops("icc_off")
        other.sendto(b"hello", (family.host, 4001))
        assert hears(one, SILENCE) is None
        assert host.drops("icc_off") == before + 1


def test_tcp_is_mapped_and_let_in(host, world, alpha):
    """RFC 5382 REQ-1 and REQ-3: one port towards two servers, and a listener on it is reached."""
    with TcpServer(world.near, 7000) as near, TcpServer(world.far, 7000) as far:
        streams = []
        for place in (outside.NEAR, outside.FAR):
            streams.append(tcp_connect(alpha.namespace, place, 7000, 4001))
            assert echo_once(streams[-1])
        assert near.peers == far.peers == [(outside.HOST, 4001)]
        for stream in streams:
            stream.close()
    with TcpServer(alpha.namespace, 4001) as server:
        with tcp_connect(world.far, outside.HOST, 4001, 5000) as stream:
            assert echo_once(stream)
        assert server.peers == [(outside.FAR, 5000)], "the client keeps its address and port"
    assert any(row["protocol"] == "tcp" and row["port"] == 4001 for row in mappings(host))


@pytest.mark.parametrize("nat", ["symmetric", INDEPENDENT])
def test_simultaneous_open(host, world, alpha, nat):
    """RFC 5382 REQ-2a: both ends have dialled before either hears of the other."""
    host.cli("network", "set", "red", "--nat", nat)
    far = world.far
    world.near.sysctl("net/ipv4/ip_forward", 0)  # both SYNs get lost there, and are sent again
    with open_socket(alpha.namespace, socket.SOCK_STREAM, port=4001) as inside, open_socket(
        far, socket.SOCK_STREAM, port=5000
    ) as other:
        for sock, place in ((inside, (outside.FAR, 5000)), (other, (outside.HOST, 4001))):
            sock.setblocking(False)
            assert sock.connect_ex(place) == errno.EINPROGRESS
            sock.settimeout(PATIENCE)
        world.near.sysctl("net/ipv4/ip_forward", 1)
        inside.sendall(b"from inside")
        other.sendall(b"from outside")
        assert other.recv(64) == b"from inside" and inside.recv(64) == b"from outside"
        assert inside.getpeername()[:2] == (outside.FAR, 5000)
        assert other.getpeername()[:2] == (outside.HOST, 4001)


def test_ports_of_the_host_stay_the_hosts(host, world, alpha):
    """A process that takes a mapped port gets what comes to it; a port in use is not mapped."""
    family = outside.IPV4
    with UdpServer(host.namespace, 4001) as server, UdpServer(world.near, 7000) as near:
        with datagrams(alpha.namespace, family, 4001) as sock:
            sent_to(sock, (family.near, 7000))
            assert near.peers[-1][1] != 4001
        with datagrams(alpha.namespace, family, 4002) as sock:
            sent_to(sock, (family.near, 7000))
            assert near.peers[-1] == (family.host, 4002)
            with UdpServer(host.namespace, 4002) as later, datagrams(
                world.far, family
            ) as stranger:
                stranger.sendto(b"for the host", (family.host, 4002))
                assert hears(stranger) == (family.host, 4002)
                assert len(later.peers) == 1
        assert server.peers == []


def test_mapping_dies_with_its_last_flow(make_host, make_world):
    """It is collected when it is idle and so are its flows; it goes at once with its endpoint."""
    host = make_host(
        "[reconcile]\nsweep_period_s = 1\n[conntrack]\nudp_new_s = 1\nudp_established_s = 3\n"
    )
    world = make_world(host)
    network = host.network("red", "10.88.1.0/24")
    host.cli("network", "set", "red", "--nat", INDEPENDENT)
    alpha = host.container(network, "alpha")
    family = outside.IPV4
    with UdpServer(world.near, 7000), datagrams(
        alpha.namespace, family, 4001
    ) as busy, datagrams(alpha.namespace, family, 4002) as idle:
        sent_to(idle, (family.near, 7000))

        def only_busy_left():
            sent_to(busy, (family.near, 7000))
            return [row["port"] for row in mappings(host)] == [4001]

        wait_until(only_busy_left, 60, "the idle mapping being collected")
        host.cli("endpoint", "delete", "alpha")
        assert host.cli("nat", "list") == []
