"""Packets that nobody should send: nothing crosses, nothing breaks, nothing leaves untranslated.

    [alpha: hostile] [beta] --- network red  ---\\
                                                 the host --- 198.18.0.1 --- 198.18.0.2 [near: hostile too]
    [other] ------------------- network blue ---/
"""

import socket

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
from scapy.layers.l2 import Ether

from harness import world as outside
from harness.frames import BROADCAST, Tap, send_in_pieces
from harness.hostile import frames, well_formed, well_formed6
from harness.icmp import ping
from harness.sockets import SILENCE, TcpServer, UdpServer, open_socket, tcp_talk, udp_connect, udp_echo_once, udp_talk
from harness.wait import wait_until
from harness.world import IPV6

PRIVATE = (b"\x0a\x58\x01", b"\x0a\x58\x02")  # 10.88.1, 10.88.2
PRIVATE6 = b"\xfd\x00\x00\x88"  # fd00:88::/32


@pytest.fixture
def scene(host, world):
    """alpha and beta in one network, other in the second, a port of beta's published.

    The host forwards, so that whatever is left to it by mistake gets through.
    """
    host.namespace.sysctl("net/ipv4/ip_forward", 1)
    host.namespace.sysctl("net/ipv6/conf/all/forwarding", 1)
    host.v6 = False  # both families, and IPv4 is what containers are called by
    world.learn_ipv6()
    red, blue = host.network("red", "10.88.1.0/24"), host.network("blue", "10.88.2.0/24")
    alpha, beta = host.container(red, "alpha"), host.container(red, "beta")
    other = host.container(blue, "other")
    host.publish(beta, 8080, 80)
    host.publish(beta, 8053, 53, "udp")
    assert ping(alpha.namespace, outside.NEAR) == "reply" and world.near
    return alpha, beta, other


def _all_is_well(host, world, alpha, beta, other):
    """Every path works as ever, and no verdict lacks its reason."""
    with TcpServer(beta.namespace, 80), UdpServer(beta.namespace, 53):
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
        assert udp_talk(world.near, outside.HOST, 8053) == "echoed"
        assert tcp_talk(alpha.namespace, beta.address, 80) == "echoed"
    for container in (alpha, beta, other):
        assert ping(container.namespace, outside.NEAR) == "reply"
        assert ping(host.namespace, container.address) == "reply"
    assert host.drops("none") == 0
    assert host.cli("status")["pid"] == host.daemon.pid


def test_hostile_container(host, world, scene):
    """Nothing of it reaches another network, and nothing leaves with a private source."""
    alpha, beta, other = scene
    macs = [host.gateway_mac(alpha.network)] * 4 + [
        beta.mac,
        other.mac,
        BROADCAST,
        "01:00:5e:00:00:01",
    ]
    addresses = [
        *(outside.NEAR, outside.HOST, "10.88.1.1", beta.address, other.address, "10.88.2.1"),
        *("127.0.0.1", "255.255.255.255", "224.0.0.1", "0.0.0.0", "203.0.113.7", alpha.address),
    ]
    before = host.drops("malformed", "endpoint")
    with Tap(alpha.namespace) as out, Tap(other.namespace) as crossed, Tap(
        world.near, "wire0"
    ) as wire:
        for frame in frames(1, well_formed, alpha.mac, alpha.address, macs, addresses):
            if len(frame) >= 14:
                out.send(frame)
        assert not [frame for frame in crossed.frames(0.5) if alpha.mac_bytes in frame[:14]]
        assert not [
            frame
            for frame in wire.frames(0.5)
            if frame[12:14] == b"\x08\x00" and frame[26:29] in PRIVATE
        ]
    assert host.drops("malformed", "endpoint") > before
    wait_until(lambda: ping(alpha.namespace, beta.address, timeout=1) == "reply", what="alpha")
    _all_is_well(host, world, alpha, beta, other)


def test_hostile_neighbour_of_the_host(host, world, scene):
    """From the wire only published ports are reached, whatever the packet looks like."""
    alpha, beta, other = scene
    world.knows_route("10.88.0.0/16")
    macs = [host.namespace.mac(outside.UPLINK)] * 6 + [BROADCAST, beta.mac]
    addresses = [
        *(outside.HOST, outside.HOST, "10.88.1.1", alpha.address, other.address),
        *("127.0.0.1", "255.255.255.255", "224.0.0.1", "0.0.0.0"),
    ]
    with Tap(world.near, "wire0") as wire, Tap(alpha.namespace) as at_alpha, Tap(
        other.namespace
    ) as at_other:
        source_mac = world.near.mac("wire0")
        for frame in frames(2, well_formed, source_mac, outside.NEAR, macs, addresses):
            if len(frame) >= 14:
                wire.send(frame)
        for tap in (at_alpha, at_other):
            arrived = [
                frame
                for frame in tap.frames(0.5)
                if frame[12:14] == b"\x08\x00" and frame[23] in (6, 17)
            ]
            assert arrived == []
    world.near.run("ip", "neigh", "flush", "dev", "wire0")
    _all_is_well(host, world, alpha, beta, other)


def _places6(*more):
    return [IPV6.near, IPV6.host, "fd00:88:1::1", "fd00:88:1::3", "fd00:88:2::2", *more]


def test_hostile_container_in_ipv6(host, world, scene):
    alpha, beta, other = scene
    macs = [host.gateway_mac(alpha.network)] * 5 + [beta.mac, other.mac, "33:33:00:00:00:01"]
    addresses = _places6("::1", "::", "ff02::1", "fe80::1", "2001:db8:99::9", "fd00:88:1::2")
    with Tap(alpha.namespace) as out, Tap(other.namespace) as crossed, Tap(
        world.near, "wire0"
    ) as wire:
        for frame in frames(3, well_formed6, alpha.mac, "fd00:88:1::2", macs, addresses):
            out.send(frame)
        assert not [frame for frame in crossed.frames(0.5) if alpha.mac_bytes in frame[:14]]
        assert not [
            frame
            for frame in wire.frames(0.5)
            if frame[12:14] == b"\x86\xdd" and frame[22:26] == PRIVATE6
        ]
    _all_is_well(host, world, alpha, beta, other)


def test_hostile_neighbour_in_ipv6(host, world, scene):
    alpha, beta, other = scene
    world.knows_route("fd00:88::/32")
    macs = [host.namespace.mac(outside.UPLINK)] * 6 + ["33:33:00:00:00:01", beta.mac]
    addresses = _places6("::1", "ff02::1", "fd00:88:1::2")
    with Tap(world.near, "wire0") as wire, Tap(alpha.namespace) as at_alpha, Tap(
        other.namespace
    ) as at_other:
        source_mac = world.near.mac("wire0")
        for frame in frames(4, well_formed6, source_mac, IPV6.near, macs, addresses):
            wire.send(frame)
        for tap in (at_alpha, at_other):
            arrived = [
                frame
                for frame in tap.frames(0.5)
                if frame[12:14] == b"\x86\xdd" and frame[20] in (6, 17)
            ]
            assert arrived == []
    world.near.run("ip", "neigh", "flush", "dev", "wire0")
    _all_is_well(host, world, alpha, beta, other)


def _seen_by(host, hook):
    """(packets that the hook gave a reason of their own, of them held fragments)."""
    rows = [row for row in host.cli("drops", "show") if row["hook"] == hook]
    held = sum(row["packets"] for row in rows if row["reason"] == "fragment_held")
    return sum(row["packets"] for row in rows if row["class"] != "event") + held, held


def test_every_frame_has_a_reason(host, world):
    """Of a container that only we speak for: as many reasons as frames. A held fragment has a second
    one when it goes on.
    """
    host.v6 = False
    world.learn_ipv6()
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    for command in ("iptables", "ip6tables"):
        alpha.namespace.run(command, "-A", "OUTPUT", "-j", "DROP")
    alpha.namespace.ip("link set eth0 arp off")
    macs = [host.gateway_mac(alpha.network)] * 6 + [BROADCAST, "02:00:00:00:99:99"]
    before, held_before = _seen_by(host, "endpoint")
    sent = 0
    with Tap(alpha.namespace) as out:
        for make, source, addresses in (
            (well_formed, alpha.address, [outside.NEAR, outside.HOST, "10.88.1.1", "224.0.0.1"]),
            (well_formed6, "fd00:88:1::2", _places6("ff02::1")),
        ):
            for frame in frames(5, make, alpha.mac, source, macs, addresses):
                if len(frame) >= 14:
                    out.send(frame)
                    sent += 1
    after, held = _seen_by(host, "endpoint")
    assert sent <= after - before <= sent + held - held_before
    assert host.drops("none") == 0


def test_spoofed_advertisement_in_pieces(host, world, scene):
    """The kernel hands us the headers alone in one piece: the message is checked all the same."""
    del world
    alpha, beta, _ = scene
    claim = bytes(
        Ether(src=alpha.mac, dst=beta.mac)
        / IPv6(src="fd00:88:1::2", dst="fd00:88:1::3", hlim=255)
        / ICMPv6ND_NA(tgt="fd00:88:1::1")
    )
    before = host.drops("spoofed_ip", "endpoint")
    with Tap(beta.namespace) as at_beta:
        send_in_pieces(alpha.namespace, alpha.device, claim, linear=54)
        assert at_beta.never_sees(lambda frame: frame[54:55] == b"\x88" and alpha.mac_bytes in frame)
    assert host.drops("spoofed_ip", "endpoint") == before + 1


@pytest.mark.parametrize("nat", ["symmetric", "endpoint-independent"])
def test_quota_of_flows(make_host, make_world, nat):
    """A container that begins flows without end gets as many as one may have. What it has goes on, its neighbour does
    not notice, and what it gives back it may have again; a daemon that is dead or new changes nothing of it.
    """
    quota = 20
    host = make_host(f"[conntrack]\nendpoint_flows = {quota}\n[reconcile]\nsweep_period_s = 1\n")
    world = make_world(host)
    red = host.network("red", "10.88.1.0/24", options=("--nat", nat))
    alpha, beta = host.container(red, "alpha"), host.container(red, "beta")
    port = host.cli("endpoint", "show", "alpha")["ifindex"]

    def counted():
        (row,) = [row for row in host.cli("map", "dump", "cnet_quota") if row["key"]["ifindex"] == port]
        return row["value"]["flows"]

    def flood():
        with open_socket(alpha.namespace, socket.SOCK_DGRAM) as sock:
            sock.bind((alpha.address, 5000))
            for number in range(9000, 9000 + 5 * quota):
                sock.sendto(b"x", (outside.NEAR, number))

    with UdpServer(world.near, 7000), udp_connect(alpha.namespace, outside.NEAR, 7000, 4001) as old:
        assert udp_echo_once(old)
        flood()
        assert counted() == quota and host.drops("flow_quota") >= 4 * quota
        assert udp_talk(alpha.namespace, outside.NEAR, 7000, timeout=SILENCE) == "silent"
        for _ in range(quota // 2):
            assert udp_talk(beta.namespace, outside.NEAR, 7000) == "echoed"
        for again in (host.kill9, host.start):
            again()
            # A full quota has little patience: some may have gone meanwhile, and are begun again.
            wait_until(lambda: flood() or counted() == quota, what="as many flows as one may have")
            assert udp_echo_once(old)
        host.cli("ct", "flush", "dport", "9005")
        wait_until(lambda: counted() < quota, what="a sweep that counts anew")
        assert udp_talk(alpha.namespace, outside.NEAR, 7000, source_port=5000) == "echoed"
        host.cli("ct", "flush", "endpoint", "alpha")
        wait_until(lambda: counted() <= 1, what="a sweep that counts anew")
        assert udp_echo_once(old)


def test_no_quota(make_host, make_world):
    host = make_host("[conntrack]\nendpoint_flows = 0\n")
    make_world(host)
    host.container(host.network("red", "10.88.1.0/24"), "alpha")
    assert host.cli("map", "dump", "cnet_quota") == []
