"""XDP on an uplink: switched on and off, in whose way it does not get, and that it changes nothing
but when a packet is dropped.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network red --- [alpha]
                                                 network over, VNI 300, peer 198.18.0.77
"""

import random

import pytest
from scapy.layers.inet import IP, TCP, UDP, IPOption, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from harness import world as outside
from harness.doctor import complaints
from harness.frames import Tap
from harness.host import pins
from harness.icmp import ping
from harness.sockets import SILENCE, TcpServer, UdpServer, hash_back, send_and_compare, tcp_talk, udp_talk
from harness.underlay import DEVICE, reaches, talks
from harness.wait import wait_until

PEER, STRANGER = "198.18.0.77", "198.18.0.66"
DROPS = ("vxlan_stranger", "vxlan_vni", "vxlan_bad", "vxlan_forged", "vxlan_relay", "not_allowed", "no_flow")


def xdp_of(host, device=outside.UPLINK):
    """(set, running)"""
    return next(
        ((row["xdp"], row["xdp_running"]) for row in host.cli("uplink", "list") if row["device"] == device),
        None,
    )


def on_device(host, device=outside.UPLINK):
    """What the kernel says runs there: (mode, program's id)."""
    shown = host.namespace.links()[device].get("xdp")
    if not shown:
        return None
    return {1: "native", 2: "generic", 3: "offloaded"}[shown["mode"]], shown["prog"]["id"]


def program_id(host):
    (row,) = [row for row in host.cli("prog", "list") if row["name"] == "cnet_uplink_xdp"]
    return row["id"]


def switch_on(host, device=outside.UPLINK):
    host.cli("uplink", "set", device, "--xdp", "native")


def told_of_xdp(host):
    """Of what `explain` says that the program drops, before `uplink` would."""
    step = host.cli("explain", "in", outside.UPLINK, "tcp", f"{outside.FAR}:5555", "to", ":9")["steps"][0]
    assert step["step"] == "xdp"
    return step["text"]


def test_on_and_off(host, world):
    """Native, kept through restarts, and gone without a trace."""
    del world
    assert xdp_of(host) == ("off", False)
    switch_on(host)
    assert xdp_of(host) == ("native", True)
    assert on_device(host) == ("native", program_id(host))
    (row,) = [row for row in host.cli("prog", "list") if row["name"] == "cnet_uplink_xdp"]
    assert [(one["device"], one["attach"]) for one in row["devices"]] == [(outside.UPLINK, "xdp")]
    assert complaints(host) == [], "ours is nobody else's"
    host.restart()
    assert xdp_of(host) == ("native", True)
    assert on_device(host) == ("native", program_id(host))
    host.cli("uplink", "set", outside.UPLINK, "--xdp", "off")
    assert xdp_of(host) == ("off", False) and on_device(host) is None
    assert not [pin for pin in pins(host) if "uplink_xdp-" in pin]
    switch_on(host)
    host.cli("uplink", "delete", outside.UPLINK)
    assert on_device(host) is None
    host.cli("uplink", "add", outside.UPLINK)
    assert xdp_of(host) == ("off", False), "a setting goes with its uplink"


def test_refused(host, world):
    """One sentence each, and nothing is changed."""
    del world
    host.cli_fails(2, "native or off", "uplink", "set", outside.UPLINK, "--xdp", "generic")
    host.cli_fails(1, "--xdp", "uplink", "set", outside.UPLINK)
    host.cli_fails(3, "nowhere0", "uplink", "set", "nowhere0", "--xdp", "native")
    host.namespace.ip(
        "link add plain0 type bridge",
        "addr add 192.0.2.7/24 dev plain0",
        "link set plain0 up",
        "tuntap add tun0 mode tun",
        "addr add 192.0.2.77/32 dev tun0",
        "link set tun0 up",
    )
    for device in ("plain0", "tun0"):
        host.cli("uplink", "add", device)
    host.cli_fails(2, "natively", "uplink", "set", "plain0", "--xdp", "native")
    host.cli_fails(2, "no Ethernet header", "uplink", "set", "tun0", "--xdp", "native")
    for device in ("plain0", "tun0"):
        assert xdp_of(host, device) == ("off", False)
    host.cli("uplink", "set", "plain0", "--xdp", "off")


def test_anothers_program_stays(host, world):
    """Ours is not put over it, nor it over ours."""
    del world
    theirs = str(program_id(host))
    host.namespace.run("bpftool", "net", "attach", "xdpdrv", "id", theirs, "dev", outside.UPLINK)
    host.cli_fails(2, "left alone", "uplink", "set", outside.UPLINK, "--xdp", "native")
    assert xdp_of(host) == ("off", False) and on_device(host) == ("native", int(theirs))
    host.restart()
    assert on_device(host) == ("native", int(theirs))
    host.namespace.run("bpftool", "net", "detach", "xdpdrv", "dev", outside.UPLINK)
    switch_on(host)
    done = host.namespace.run(
        "bpftool", "net", "attach", "xdpdrv", "id", theirs, "dev", outside.UPLINK, check=False
    )
    assert done.returncode != 0 and xdp_of(host) == ("native", True)


def test_a_device_that_comes_back(host, world):
    """With its program, as an uplink does."""
    del world

    def plug_in():
        host.namespace.ip(
            "link add lan9 mtu 9000 type veth peer name far9 mtu 9000",
            "addr add 192.0.2.9/24 dev lan9",
            "link set lan9 up",
            "link set far9 up",
        )
        wait_until(lambda: host.has_uplink("lan9"), what="lan9 as an uplink")

    plug_in()
    switch_on(host, "lan9")
    assert on_device(host, "lan9")[0] == "native"
    host.namespace.ip("link del lan9")
    wait_until(lambda: not host.has_uplink("lan9"), what="lan9 going")
    plug_in()
    wait_until(lambda: xdp_of(host, "lan9") == ("native", True), what="its program")
    assert on_device(host, "lan9") == ("native", program_id(host))
    host.namespace.ip("link del lan9")
    wait_until(lambda: not host.has_uplink("lan9"), what="lan9 going")
    host.cli("uplink", "set", "lan9", "--xdp", "off")
    plug_in()
    assert xdp_of(host, "lan9") == ("off", False)


@pytest.fixture
def exposed(host, world):
    """Everything that is refused from outside: VXLAN, and a port for `near` alone."""
    world.learn_ipv6()
    host.cli("network", "create", "over", "--vni", "300", "--subnet", "10.99.0.0/24")
    host.cli("peer", "add", PEER)
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    for port in ("8080:80", "8053:53/udp"):
        host.cli("port", "publish", "alpha", port, "--allow-from", f"{outside.NEAR}/32")
    return alpha


def hostile(seed, mac):
    """Frames of every kind that an uplink refuses, many with a few bytes of their headers bent."""
    chance = random.Random(seed)
    ether = Ether(src="02:00:00:00:07:77", dst=mac)
    inner = Ether(src="02:00:00:00:07:01", dst="02:00:00:00:07:02") / IP(dst="10.99.0.9") / UDP() / Raw(b"x")
    for _ in range(400):
        source = chance.choice([PEER, STRANGER, STRANGER, "203.0.113.66", outside.NEAR])
        ip = IP(src=source, dst=chance.choice([outside.HOST] * 7 + ["198.18.0.99"]))
        if chance.random() < 0.1:
            ip.options = IPOption(b"\x94\x04\x00\x00")
        tunnel = UDP(sport=50000, dport=4789, chksum=0) / VXLAN(
            vni=chance.choice([300, 301]), flags=chance.choice([8, 8, 12])
        )
        six = IPv6(src="2001:db8:18::66", dst=outside.IPV6.host)
        packet = chance.choice(
            [
                ip / tunnel / inner,
                six / tunnel / inner,
                six / IPv6ExtHdrDestOpt() / tunnel / inner,
                ip / TCP(sport=4000, dport=8080, flags=chance.choice(["S", "A", "R", "FA"])),
                ip / UDP(sport=chance.choice([4000, 4789]), dport=8053) / Raw(b"question"),
                ip / UDP(sport=4000, dport=9) / Raw(b"nobody"),
            ]
        )
        where = chance.random()
        if where < 0.05:
            yield bytes(ether / Dot1Q(vlan=10) / packet)
        elif where < 0.1 and packet.haslayer(IP):
            for piece in fragment(packet, 16):
                yield bytes(ether / piece)
        else:
            frame = bytearray(bytes(ether / packet))
            for _ in range(chance.choice([0, 0, 1, 2])):
                frame[chance.randrange(14, 42)] = chance.randrange(256)
            yield bytes(frame)


def counted(host):
    """(hook, reason) to packets."""
    return {(row["hook"], row["reason"]): row["packets"] for row in host.cli("drops", "show")}


def torment(host, world, frames):
    """Sends them all; how many of them each hook has dropped, by reason."""
    host.cli("ct", "flush")
    host.cli("fdb", "flush", "over")
    before = counted(host)

    def since():
        return {key: packets - before.get(key, 0) for key, packets in counted(host).items()}

    def seen():
        return sum(
            packets
            for (hook, _), packets in since().items()
            if hook in ("uplink", "uplink_xdp")
        )

    with Tap(world.near, "wire0") as out:
        for frame in frames:
            out.send(frame)
    wait_until(lambda: seen() >= len(frames), what="every frame being counted")
    assert ping(world.near, outside.HOST) == "reply"
    return {key: packets for key, packets in since().items() if key[1] in DROPS and packets}


def by_reason(dropped):
    return {reason: sum(n for key, n in dropped.items() if key[1] == reason) for reason in DROPS}


def test_the_same_is_dropped(host, world, exposed):
    """Hostile frames with XDP off and on: as many for each reason, from whichever hook."""
    del exposed
    frames = list(hostile(3, host.namespace.mac(outside.UPLINK)))
    by_tc = torment(host, world, frames)
    switch_on(host)
    by_both = torment(host, world, frames)
    assert by_reason(by_both) == by_reason(by_tc)
    for reason in ("vxlan_stranger", "vxlan_vni", "vxlan_bad", "vxlan_forged", "not_allowed", "no_flow"):
        assert ("uplink_xdp", reason) not in by_tc and by_both[("uplink_xdp", reason)] > 0, reason
        assert reason in told_of_xdp(host), reason


def test_what_is_allowed_works(host, world, exposed):
    """Large segments and their checksums, in and out, and the host's own."""
    switch_on(host)
    near, alpha = world.near, exposed
    with TcpServer(alpha.namespace, 80, handler=hash_back):
        send_and_compare(near, outside.HOST, 8080, 3_000_000)
        assert tcp_talk(world.far, outside.HOST, 8080, timeout=SILENCE) == "silent"
    with UdpServer(alpha.namespace, 53):
        assert udp_talk(near, outside.HOST, 8053) == "echoed"
    with TcpServer(near, 443, handler=hash_back):
        send_and_compare(alpha.namespace, outside.NEAR, 443, 3_000_000)
        send_and_compare(host.namespace, outside.NEAR, 443, 1_000_000)
    with TcpServer(host.namespace, 22):
        assert tcp_talk(near, outside.HOST, 22) == "echoed"
    assert ping(alpha.namespace, outside.NEAR) == "reply"
    assert ping(near, outside.HOST) == "reply"
    assert host.drops("not_allowed", "uplink_xdp") > 0 and host.drops("not_allowed", "uplink") == 0
    answer = host.cli("explain", "in", outside.UPLINK, "tcp", f"{outside.FAR}:5555", "to", ":8080")
    assert answer["reason"] == "not_allowed" and answer["steps"][0]["step"] == "xdp"


@pytest.mark.parametrize("v6", [False, True], ids=["underlay4", "underlay6"])
def test_an_overlay(make_overlay, endpoint, v6):
    """Peers' frames go on, whole and in aggregates."""
    hosts = make_overlay(v6=v6)
    for host in hosts:
        switch_on(host, DEVICE)
    alpha, beta = endpoint(hosts[0], "alpha"), endpoint(hosts[1], "beta")
    reaches(alpha, beta)
    talks(alpha, beta)
    talks(beta, alpha)
    for host in hosts:
        assert not [row for row in host.cli("drops", "show") if row["hook"] == "uplink_xdp"]
