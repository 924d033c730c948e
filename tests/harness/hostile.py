"""Packets that nobody should send: well-formed ones of every kind, then bent. The same seed gives the same."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

FRAMES = 1200


def well_formed(chance, source_mac, source, macs, addresses):
    """A packet that makes sense to somebody."""
    ethernet = Ether(src=source_mac, dst=chance.choice(macs))
    if chance.random() < 0.1:
        return ethernet / ARP(
            op=chance.choice([1, 2]), hwsrc=source_mac, psrc=source, pdst=chance.choice(addresses)
        )
    header = IP(
        src=source,
        dst=chance.choice(addresses),
        ttl=chance.choice([0, 1, 2, 64]),
        flags=chance.choice(["", "", "", "MF", "DF"]),
        frag=chance.choice([0, 0, 0, 0, 1, 100]),
        options=[IPOption(b"\x83\x07\x04\x0a\x58\x02\x02\x00")] if chance.random() < 0.05 else [],
    )
    ports = {
        "sport": chance.choice([53, 80, 4001]),
        "dport": chance.choice([53, 80, 8080, 8053, 0]),
    }
    body = chance.choice(
        [
            UDP(**ports),
            TCP(**ports, flags=chance.choice(["S", "A", "SA", "R", "F", "SF", "", "FPU"])),
            ICMP(type=chance.choice([0, 3, 5, 8, 11, 13]), code=chance.choice([0, 1, 3, 4])),
            ICMP(type=3, code=4) / IP(src=chance.choice(addresses), dst=source) / UDP(**ports),
            ICMP(type=11) / IP(src=source, dst=chance.choice(addresses)) / TCP(**ports),
        ]
    )
    return ethernet / header / body / Raw(chance.randbytes(chance.randrange(0, 64)))


def well_formed6(chance, source_mac, source, macs, addresses):
    """The same in IPv6."""
    header = Ether(src=source_mac, dst=chance.choice(macs)) / IPv6(
        src=source, dst=chance.choice(addresses), hlim=chance.choice([0, 1, 2, 64, 255])
    )
    if chance.random() < 0.2:
        header /= chance.choice(
            [
                IPv6ExtHdrDestOpt(),
                IPv6ExtHdrFragment(id=chance.randrange(4), offset=chance.choice([0, 0, 1, 100]), m=1),
                IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(id=7, m=0),
            ]
        )
    ports = {"sport": chance.choice([53, 80, 4001]), "dport": chance.choice([53, 80, 8080, 8053])}
    quoted = IPv6(src=chance.choice(addresses), dst=chance.choice(addresses)) / UDP(**ports)
    return (
        header
        / chance.choice(
            [
                UDP(**ports),
                TCP(**ports, flags=chance.choice(["S", "A", "SA", "R", "F", ""])),
                ICMPv6EchoRequest(id=chance.randrange(4)),
                ICMPv6DestUnreach(code=chance.randrange(5)) / quoted,
                ICMPv6PacketTooBig(mtu=chance.choice([0, 1280, 65535])) / quoted,
                ICMPv6ND_NS(tgt=chance.choice(addresses)),
                ICMPv6ND_NA(tgt=chance.choice(addresses)),
            ]
        )
        / Raw(chance.randbytes(chance.randrange(0, 64)))
    )


def frames(seed, make, *ends, count=FRAMES):
    """Well-formed packets, then bent: bytes flipped, cut short, made of noise."""
    chance = random.Random(seed)
    for _ in range(count):
        raw = bytearray(bytes(make(chance, *ends)))
        bend = chance.random()
        if bend < 0.4:
            for _ in range(chance.randrange(1, 6)):
                raw[chance.randrange(12, len(raw))] = chance.randrange(256)
        elif bend < 0.6:
            del raw[chance.randrange(14, len(raw)) :]
        elif bend < 0.7:
            raw[14:] = chance.randbytes(chance.randrange(0, 1400))
        yield bytes(raw)
