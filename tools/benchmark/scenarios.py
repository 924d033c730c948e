"""What is compared with what, and what we aim for."""

import dataclasses

from .cnet_paths import CnetHost, CnetPort, CnetSwitched, CnetUplink
from .kernel_paths import (
    BareVeth,
    Bridge,
    IptablesPort,
    NetfilterBridge,
    NftablesPort,
    Routed,
    Wire,
)
from .overlay_paths import CnetOverlay, Vxlan
from .redirect_path import BareRedirect, BareRedirectAcross, BareVxlan

US = "cnet"
MANY_PORTS = 10_000
MODES = {
    "rr": "one byte each way over one TCP connection",
    "crr": "connect, one byte each way, close with RST",
    "stream": "4 MiB one way, one byte back, over one TCP connection",
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
    limit: str  # the contender that nobody can beat
    again: str  # the limit built a second time: what differs between the two is noise
    contenders: list
    aims: list
    only_by_name: bool = False  # or with --full

    def without(self, skipped):
        kept = [one for one in self.contenders if one.name not in skipped]
        return dataclasses.replace(self, contenders=kept)


def _ports(bin_dir, others):
    """Does one port's cost depend on how many there are?"""
    beside = f"beside {others:,}"
    return Scenario(
        "ports",
        f"a published port alone, and {beside} others",
        "alone",
        "alone-again",
        [
            CnetPort("alone", "cnet-bpf, alone", CnetHost(bin_dir, 0, "alone")),
            CnetPort("alone-again", "cnet-bpf, alone, again", CnetHost(bin_dir, 0, "again")),
            IptablesPort("iptables-alone", "iptables, alone"),
            IptablesPort("iptables", f"iptables, {beside}", others),
            NftablesPort("nftables-alone", "nftables map, alone"),
            NftablesPort("nftables", f"nftables map, {beside}", others),
            CnetPort(US, f"cnet-bpf, {beside}", CnetHost(bin_dir, others, "beside")),
        ],
        [Aim("rr", "alone", 0.97), Aim("crr", "alone", 0.97)],
        only_by_name=True,
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
            Vxlan("vxlan", "bridge + vxlan"),
            Vxlan("vxlan-nf", "the same + br_netfilter", netfilter=True),
            BareRedirectAcross("redirect", "bpf_redirect, no VXLAN", bin_dir),
            BareVxlan("adjust-room", "the same + adjust_room", bin_dir),
            CnetOverlay(US, "cnet-bpf", bin_dir),
        ],
        [
            Aim("rr", "hosts", 0.90),
            Aim("rr", "vxlan", 1.4),
            Aim("rr", "vxlan-nf", 1.8),
            Aim("stream", "hosts", 0.95),
        ],
    )


def scenarios(bin_dir, others):
    """All of them; `others` more ports are published beside the measured one."""
    cnet = CnetHost(bin_dir, others)
    us = "cnet-bpf"
    return cnet, [
        Scenario(
            "same-host",
            "same host, container to container",
            "veth",
            "veth-again",
            [
                BareVeth("veth", "bare veth pair"),
                BareVeth("veth-again", "bare veth pair, again"),
                Bridge("bridge", "bridge"),
                NetfilterBridge("bridge-nf", "bridge + br_netfilter"),
                BareRedirect("redirect", "bpf_redirect_peer alone", bin_dir),
                CnetSwitched(US, us, cnet),
            ],
            [
                Aim("rr", "veth", 0.97),
                Aim("crr", "veth", 0.97),
                Aim("rr", "bridge", 1.09),
                Aim("rr", "bridge-nf", 1.27),
            ],
        ),
        Scenario(
            "published",
            "published port, outside to container",
            "routed",
            "routed-again",
            [
                Routed("routed", "routed, no NAT"),
                Routed("routed-again", "routed, no NAT, again"),
                IptablesPort("iptables", "iptables as Docker", others),
                NftablesPort("nftables", "nftables map", others),
                CnetPort(US, us, cnet),
            ],
            [Aim("crr", "nftables", 1.30)],
        ),
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
        _ports(bin_dir, others or MANY_PORTS),
    ]
