"""VXLAN that nobody should send, from a machine on the underlay: it can take any address there.

    [alpha] --- over ---\\                                      /--- over --- [beta]
                         host 1 --- underlay --- host 2 -------/
    [other] --- blue ---/           |
                              [wire: hostile]
"""

import random

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from harness.frames import BROADCAST, Tap
from harness.hostile import frames, well_formed, well_formed6
from harness.netns import Namespace
from harness.underlay import DEVICE, PORT, VNI, address, reaches, talks

PEER, STRANGER = 2, 66
REMOTE_MAC = "02:00:00:00:07:77"


@pytest.fixture
def wire(underlay):
    made = Namespace("wire")
    underlay.connect(made, STRANGER)
    yield made
    made.close()


def tunnelled(seed, host_mac, sender, alpha, other, v6):
    """Bent frames for alpha in VXLAN from `sender`, every second of them with a bent outside too."""
    chance = random.Random(seed)
    macs = [alpha.mac] * 4 + [other.mac, BROADCAST, "02:00:00:00:99:99"]
    inner = (
        frames(seed, well_formed6, REMOTE_MAC, "fd00:99::77", macs, [alpha.address6, "ff02::1"])
        if v6
        else frames(seed, well_formed, REMOTE_MAC, "10.99.0.77", macs, [alpha.address, other.address])
    )
    ip = IPv6 if v6 else IP
    for frame in inner:
        outer = bytearray(
            bytes(
                Ether(src=REMOTE_MAC, dst=host_mac)
                / ip(src=address(sender, v6), dst=address(1, v6))
                / UDP(sport=50000, dport=PORT, chksum=chance.choice([0, None]))
                / VXLAN(vni=chance.choice([VNI, VNI, VNI, VNI + 1]), flags=chance.choice([8, 8, 8, 0]))
                / Raw(frame)
            )
        )
        start, sources = (54, range(22, 38)) if v6 else (34, range(26, 30))
        for _ in range(chance.choice([0, 0, 1, 3])):
            # Not the source, which would make a peer of a stranger.
            where = chance.choice([at for at in range(14, start + 16) if at not in sources])
            outer[where] = chance.randrange(256)
        if len(outer) <= 1514:
            yield bytes(outer)


@pytest.mark.parametrize("v6", [False, True], ids=["underlay4", "underlay6"])
def test_hostile_underlay(make_overlay, endpoint, wire, v6):
    """What a stranger sends reaches nobody; what comes in a peer's name reaches its own network at
    most; the host is as it was.
    """
    one, two = make_overlay(v6=v6)
    one.cli("network", "create", "blue", "--subnet", "10.77.0.0/24", "--subnet", "fd00:77::/64")
    alpha, beta, other = endpoint(one, "alpha"), endpoint(two, "beta"), endpoint(one, "other", "blue")
    reaches(alpha, beta)
    host_mac = one.namespace.mac(DEVICE)
    with Tap(wire, DEVICE) as out, Tap(alpha.namespace) as at_alpha, Tap(other.namespace) as at_other:
        for frame in tunnelled(1, host_mac, STRANGER, alpha, other, v6):
            out.send(frame)
        from_remote = bytes.fromhex(REMOTE_MAC.replace(":", ""))
        assert not [frame for frame in at_alpha.frames(0.5) if frame[6:12] == from_remote]
        for frame in tunnelled(2, host_mac, PEER, alpha, other, v6):
            out.send(frame)
        assert [frame for frame in at_alpha.frames(0.5) if frame[6:12] == from_remote]
        assert not [frame for frame in at_other.frames(0.5) if frame[6:12] == from_remote]
    for reason in ("vxlan_stranger", "vxlan_bad", "vxlan_vni", "vxlan_received"):
        assert one.drops(reason) > 0, reason
    assert one.drops("none") == 0
    assert one.cli("status")["pid"] == one.daemon.pid
    one.cli("fdb", "flush", "over")
    reaches(alpha, beta)
    talks(beta, alpha)
