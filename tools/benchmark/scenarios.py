"""What is compared with what, and what we aim for."""

import dataclasses

from .addresses import IPV6
from .cnet_paths import CnetHost, CnetPort, CnetSwitched, CnetUplink
from .kernel_paths import (
    BareVeth,
    Bridge,
    IptablesPort,
    LegacyIptablesPort,
    Loopback,
    Macvlan,
    NetfilterBridge,
    NftablesPort,
    Routed,
    Wire,
)
from .overlay_paths import CnetOverlay, FlowVxlan, MacvlanAcross, Vxlan
from .redirect_path import (
    BareNat,
    BareRedirect,
    BareRedirectAcross,
    BareRedirectPort,
    BareVxlan,
    BareVxlanByNeighbour,
)
from .sockmap_path import Sockmap

US = "cnet"
PORTS = (100, 1_000, 10_000)
ENDPOINTS = (10, 100, 1_000)
MODES = {
    "rr": "one byte each way over one TCP connection",
    "crr": "connect, one byte each way, close with RST",
    "stream": "4 MiB one way, one byte back, over one TCP connection",
    "streams": "512 KiB one way, one byte back, on each of eight TCP connections at a time",
}


@dataclasses.dataclass
class Aim:
    """What design asks of us: our rate divided by the other contender's."""

    mode: str
    against: str
    at_least: float


@dataclasses.dataclass
class Scenario:
    name: str
    title: str
    limit: str  # what the others are a share of
    again: str  # the limit built a second time: what differs between the two is noise
    contenders: list
    aims: list
    only_by_name: bool = False  # or with --full
    only: tuple = ()  # of the modes; all by default

    def without(self, skipped):
        kept = [one for one in self.contenders if one.name not in skipped]
        return dataclasses.replace(self, contenders=kept)


def _published(bin_dir, others, cnet):
    return Scenario(
        "published",
        "published port, outside to container",
        "routed",
        "routed-again",
        [
            Routed("routed", "routed, no NAT"),
            Routed("routed-again", "routed, no NAT, again"),
            LegacyIptablesPort("iptables-legacy", "iptables-legacy", others),
            IptablesPort("iptables", "iptables-nft as Docker", others),
            NftablesPort("nftables", "nftables map", others),
            BareRedirectPort("redirect", "bpf_redirect, no NAT", bin_dir),
            BareNat("bare-nat", "the same, one port translated", bin_dir),
            CnetPort(US, "cnet-bpf", cnet),
        ],
        [Aim("crr", "nftables", 1.30)],
    )


def _ports(bin_dir, sizes):
    """Does one port's cost depend on how many there are?"""
    kernels = [
        ("iptables-legacy", "iptables-legacy", LegacyIptablesPort),
        ("iptables", "iptables-nft", IptablesPort),
        ("nftables", "nftables map", NftablesPort),
    ]
    contenders = [
        Routed("routed", "routed, no rule"),
        CnetPort("alone", "cnet-bpf, alone", CnetHost(bin_dir, 0, "alone")),
        CnetPort("alone-again", "cnet-bpf, alone, again", CnetHost(bin_dir, 0, "again")),
        *(kind(f"{name}-alone", f"{label}, alone") for name, label, kind in kernels),
    ]
    for size in sizes:
        suffix = "" if size == sizes[-1] else f"-{size}"
        beside = f"beside {size:,}"
        contenders += [
            kind(f"{name}{suffix}", f"{label}, {beside}", size) for name, label, kind in kernels
        ]
        host = CnetHost(bin_dir, size, f"beside{size}")
        contenders.append(CnetPort(f"{US}{suffix}", f"cnet-bpf, {beside}", host))
    return Scenario(
        "ports",
        f"a published port alone, and beside up to {sizes[-1]:,} others",
        "alone",
        "alone-again",
        contenders,
        [Aim("rr", "alone", 0.97), Aim("crr", "alone", 0.97)],
        only_by_name=True,
        only=("rr", "crr"),
    )


def _endpoints(bin_dir):
    """Does it matter how many containers there are?"""
    alone = [CnetHost(bin_dir, label=label) for label in ("two", "two-again")]
    contenders = [
        CnetSwitched("alone", "cnet-bpf, alone", alone[0]),
        CnetSwitched("alone-again", "cnet-bpf, alone, again", alone[1]),
        Bridge("bridge-alone", "bridge, alone"),
    ]
    for size in ENDPOINTS:
        suffix = "" if size == ENDPOINTS[-1] else f"-{size}"
        host = CnetHost(bin_dir, label=f"crowd{size}", crowd=size)
        contenders += [
            Bridge(f"bridge{suffix}", f"bridge, {size:,} others", size),
            CnetSwitched(f"{US}{suffix}", f"cnet-bpf, {size:,} others", host),
        ]
    return Scenario(
        "endpoints",
        f"two containers alone, and beside up to {ENDPOINTS[-1]:,} others",
        "alone",
        "alone-again",
        contenders,
        [Aim("rr", "alone", 0.97)],
        only_by_name=True,
        only=("rr", "crr"),
    )


def _overlay(bin_dir):
    return Scenario(
        "overlay",
        "one network on two hosts, container to container",
        "hosts",
        "hosts-again",
        [
            Wire("hosts", "host to host"),
            Wire("hosts-again", "host to host, again"),
            MacvlanAcross("macvlan", "macvlan, no VXLAN"),
            Vxlan("vxlan", "bridge + vxlan"),
            Vxlan("vxlan-nf", "the same + br_netfilter", netfilter=True),
            FlowVxlan("flow-vxlan", "flow-based vxlan", bin_dir),
            BareRedirectAcross("redirect", "bpf_redirect, no VXLAN", bin_dir),
            BareVxlan("adjust-room", "the same + adjust_room", bin_dir),
            BareVxlanByNeighbour("neigh", "the same + redirect_neigh", bin_dir),
            CnetOverlay(US, "cnet-bpf", bin_dir),
        ],
        [
            Aim("rr", "hosts", 0.90),
            Aim("rr", "vxlan", 1.4),
            Aim("rr", "vxlan-nf", 1.8),
            Aim("stream", "hosts", 0.95),
        ],
    )


def _over_ipv6(scenario, *contenders):
    """The same with these contenders; what is aimed for stays, as far as they are there."""
    names = [one.name for one in contenders]
    return dataclasses.replace(
        scenario,
        name=f"{scenario.name}6",
        title=f"{scenario.title}, over IPv6",
        contenders=list(contenders),
        aims=[aim for aim in scenario.aims if aim.against in names],
        only_by_name=True,
        only=("rr", "crr", "stream"),
    )


def _ipv6(bin_dir, same_host, published, uplink, overlay):
    """Fewer contenders: does IPv6 keep up with IPv4?"""
    cnet = CnetHost(bin_dir, label="cnet6", family=IPV6)
    us = "cnet-bpf"
    return [
        _over_ipv6(
            same_host,
            BareVeth("veth", "bare veth pair", IPV6),
            BareVeth("veth-again", "bare veth pair, again", IPV6),
            Bridge("bridge", "bridge", family=IPV6),
            CnetSwitched(US, us, cnet),
        ),
        _over_ipv6(
            published,
            Routed("routed", "routed, no NAT", IPV6),
            Routed("routed-again", "routed, no NAT, again", IPV6),
            IptablesPort("iptables", "ip6tables-nft as Docker", family=IPV6),
            NftablesPort("nftables", "nftables map", family=IPV6),
            CnetPort(US, us, cnet),
        ),
        _over_ipv6(
            uplink,
            Wire("none", "no programs", IPV6),
            Wire("none-again", "no programs, again", IPV6),
            CnetUplink(US, us, cnet),
        ),
        _over_ipv6(
            overlay,
            Wire("hosts", "host to host", IPV6),
            Wire("hosts-again", "host to host, again", IPV6),
            Vxlan("vxlan", "bridge + vxlan", family=IPV6),
            CnetOverlay(US, us, bin_dir, IPV6),
        ),
    ]


def scenarios(bin_dir, others):
    """All of them; `others` more ports are published beside the measured one."""
    cnet = CnetHost(bin_dir, others)
    us = "cnet-bpf"
    compared = [
        Scenario(
            "same-host",
            "same host, container to container",
            "veth",
            "veth-again",
            [
                BareVeth("veth", "bare veth pair"),
                BareVeth("veth-again", "bare veth pair, again"),
                Loopback("loopback", "loopback, one namespace"),
                Macvlan("macvlan", "macvlan"),
                Bridge("bridge", "bridge"),
                NetfilterBridge("bridge-nf", "bridge + br_netfilter"),
                BareRedirect("redirect", "bpf_redirect_peer alone", bin_dir),
                Sockmap("sockmap", "sockops and sk_msg, no packets", bin_dir),
                CnetSwitched(US, us, cnet),
            ],
            [
                Aim("rr", "veth", 0.97),
                Aim("crr", "veth", 0.97),
                Aim("rr", "bridge", 1.09),
                Aim("rr", "bridge-nf", 1.27),
            ],
        ),
        _published(bin_dir, others, cnet),
        Scenario(
            "uplink",
            "the host's own traffic, host to outside",
            "none",
            "none-again",
            [
                Wire("none", "no programs"),
                Wire("none-again", "no programs, again"),
                CnetUplink(US, us, cnet),
            ],
            [Aim("rr", "none", 0.98)],
        ),
        _overlay(bin_dir),
    ]
    return cnet, [
        *compared,
        _ports(bin_dir, (others,) if others else PORTS),
        _endpoints(bin_dir),
        *_ipv6(bin_dir, *compared),
    ]
