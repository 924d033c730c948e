"""A flood of what is refused: how many a second one core drops, and what a connection beside it keeps.

The flood comes out of BPF_PROG_TEST_RUN with live frames (flood.cpp): what a NIC's driver does between its ring and the
stack, without a NIC and without a sender that would have to share the core.
"""

import json
import socket
import struct
import subprocess

from .addresses import IPV4
from .cnet_paths import CnetHost
from .kernel_paths import HOST_PORT, SERVER_PORT, UPLINK, IptablesPort, rule_packets
from .lab import BenchError, Lab
from .path import Contender, Path
from .scenarios import US
from .study import Contest, Result, Table
from .work import GRACE_S, Worker, finish

TITLE = "a flood of what is refused"
ABOUT = (
    "Frames as a driver's ring would hand them to an XDP program, by BPF_PROG_TEST_RUN with live frames: SYNs to a published "
    "port from who may not use it, SYNs to another one at which one connection a second may begin, and VXLAN from who is no "
    "peer. Every frame has to be counted where it is dropped. Drops are of a second of one core's time; beside a flood of a "
    "given rate, on the same core, a connection to the published port keeps the stated share of its requests."
)
STRANGER, CLIENTS, PEER = "203.0.113.66", "198.18.0.0/24", "198.18.0.77"
VXLAN_PORT, VNI = 4789, 300
LIMITED_PORT = HOST_PORT + 1
KINDS = {"client": "SYN, not allowed", "new": "SYN, too many", "vxlan": "VXLAN of a stranger"}
REASONS = {"client": "not_allowed", "new": "new_limit", "vxlan": "vxlan_stranger"}
BESIDE = ("client", "new")  # floods that a connection goes on beside
OFFERED, QUICK_OFFERED = (100_000, 200_000, 400_000), (200_000,)
MODE = "rr"
# The flood begins before the connection and ends after it, whatever starting both takes.
MARGIN_S = 0.4
# What flood.cpp sends at once is all of one connection, and one a second may begin.
AT_ONCE = 4096


def _checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(kind, mac):
    """One of the flood, for the device that has this MAC."""
    if kind != "vxlan":
        port = LIMITED_PORT if kind == "new" else HOST_PORT
        protocol, payload = 6, struct.pack("!HHIIBBHHH", 4000, port, 1, 0, 0x50, 2, 1024, 0, 0)
    else:
        inside = struct.pack("!BxxxI", 8, VNI << 8) + bytes(42)
        protocol = 17
        payload = struct.pack("!HHHH", 50000, VXLAN_PORT, 8 + len(inside), 0) + inside
    fields = [0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol]
    addresses = socket.inet_aton(STRANGER), socket.inet_aton(IPV4.host)
    checksum = _checksum(struct.pack("!BBHHHBBH4s4s", *fields, 0, *addresses))
    header = struct.pack("!BBHHHBBH4s4s", *fields, checksum, *addresses)
    return bytes.fromhex(mac.replace(":", "")) + b"\x02\0\0\0\x99\x99\x08\0" + header + payload


class Flooded(Contender):
    """A host that refuses both kinds, whose driver runs the XDP program `pin`."""

    program = "xdp_pass"

    def __init__(self, name, label, bin_dir):
        super().__init__(name, label)
        self._bin = bin_dir

    def build(self, lab):
        path = self._make_victim(lab)
        self.pin = lab.bpf_directory() / self.name.replace("-", "_")
        program = self._bin / f"bench_{self.program}.bpf.o"
        self.host.run("bpftool", "prog", "load", program, self.pin, "type", "xdp")
        (device,) = json.loads(self.host.run("ip", "-j", "link", "show", UPLINK))
        self.ifindex = device["ifindex"]
        self.frames = {kind: frame(kind, device["address"]).hex() for kind in KINDS}
        return path

    def _make_victim(self, lab):
        """Sets `host` and returns the connection's path."""
        raise NotImplementedError

    def dropped(self, kind):
        """Packets by now; None when nobody counts."""
        raise NotImplementedError


class GuardedPort(IptablesPort):
    """As Docker publishes, and iptables' earliest chain in front."""

    # As `iptables-save` says them.
    refused = {
        "client": f"-A PREROUTING ! -s {CLIENTS} -p tcp -m tcp --dport {HOST_PORT} -j DROP",
        "new": f"-A PREROUTING -p tcp -m tcp --dport {LIMITED_PORT} -j DROP",
        "vxlan": f"-A PREROUTING ! -s {PEER}/32 -p udp -m udp --dport {VXLAN_PORT} -j DROP",
    }
    let_in = f"-A PREROUTING -p tcp -m tcp --dport {LIMITED_PORT} -m limit --limit 1/s --limit-burst 1 -j ACCEPT"

    def _publish(self, host, published):
        super()._publish(host, [*published, ("tcp", LIMITED_PORT, IPV4.first, LIMITED_PORT)])
        self.host = host
        for rule in (self.let_in, *self.refused.values()):
            host.run("iptables", "-t", "raw", *rule.split())


class RawTable(Flooded):
    def _make_victim(self, lab):
        victim = GuardedPort(self.name, self.label)
        path = victim.build(lab)
        self.host = victim.host
        return path

    def dropped(self, kind):
        return rule_packets(self.host, GuardedPort.refused[kind])


class DropAll(RawTable):
    """XDP_DROP without a look: the least that a drop can cost."""

    program = "xdp_drop"

    def dropped(self, kind):
        return None


class Ours(Flooded):
    hook = "uplink"

    def _make_victim(self, lab):
        cnet = CnetHost(self._bin, label=self.name)
        cnet.start(lab)
        self.host, self.daemon = cnet.host, cnet.daemon
        spec = f"{HOST_PORT}:{SERVER_PORT}"
        self.daemon.cli("port", "unpublish", "first", spec)
        self.daemon.cli("port", "publish", "first", spec, "--allow-from", CLIENTS)
        self.daemon.cli("port", "publish", "first", f"{LIMITED_PORT}:{LIMITED_PORT}", "--new-rate", 1)
        self.daemon.cli("network", "create", "over", "--vni", VNI, "--subnet", "10.99.0.0/24")
        self.daemon.cli("peer", "add", PEER)
        return Path(cnet.outside, cnet.first, IPV4.host, HOST_PORT, SERVER_PORT)

    def dropped(self, kind):
        return self.daemon.packets((self.hook, REASONS[kind]))


class OursXdp(Ours):
    hook = "uplink_xdp"

    def build(self, lab):
        path = super().build(lab)
        self.daemon.cli("uplink", "set", UPLINK, "--xdp", "native")
        self.pin = self.daemon.root / "bpf" / "progs" / "cnet_uplink_xdp"
        return path


class Sender:
    """flood.cpp, on the CPU of everything else."""

    def __init__(self, program, cpu):
        self._program, self._cpu = program, cpu

    def start(self, contender, kind, seconds, rate):
        words = contender.pin, contender.ifindex, self._cpu, seconds, rate, contender.frames[kind]
        return contender.host.spawn(
            self._program, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self, process, contender, kind, before, seconds):
        """The flood's own figures; BenchError unless each packet was dropped where it should be."""
        sent = json.loads(finish(process, "flood", seconds + GRACE_S))
        spared = AT_ONCE * (2 + seconds) if kind == "new" else 0
        if before is not None and contender.dropped(kind) - before < sent["packets"] - spared:
            raise BenchError(f"{sent['packets']} packets, and not all of them were dropped there")
        return {"per_second": sent["packets"] / sent["cpu_seconds"], **sent}

    def run(self, contender, kind, seconds):
        before = contender.dropped(kind)
        return self.finish(self.start(contender, kind, seconds, 0), contender, kind, before, seconds)


def contenders(bin_dir):
    return [
        DropAll("xdp-drop", "XDP_DROP, unseen", bin_dir),
        RawTable("raw", "iptables, raw table", bin_dir),
        Ours(US, "cnet-bpf", bin_dir),
        OursXdp(f"{US}-xdp", "cnet-bpf, --xdp native", bin_dir),
    ]


def run(options, everything, bin_dir, say):
    del everything
    contest = Contest("flood", [one for one in contenders(bin_dir) if one.name not in options.skip])
    sender = Sender(bin_dir / "cnet-bench-flood", options.cpu)
    worker = Worker(bin_dir / "cnet-bench-worker", options.cpu, options.nice)
    offered = QUICK_OFFERED if options.quick else OFFERED
    with Lab() as lab:
        contest.build(lab, say)
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            drop(contest, sender, options.seconds)
            keep(contest, sender, worker, options.seconds)
            for kind in BESIDE:
                for rate in offered:
                    keep(contest, sender, worker, options.seconds, kind, rate)
    return Result(
        [drops_table(contest), *(kept_table(contest, kind, offered) for kind in BESIDE)],
        contest.all_samples(),
        errors=contest.all_errors(),
    )


def drop(contest, sender, seconds):
    for kind in KINDS:
        for contender, _ in contest.running():
            with contest.blaming(contender):
                contest.add(contender, kind, {"kind": kind, **sender.run(contender, kind, seconds)})


def keep(contest, sender, worker, seconds, kind=None, rate=0):
    """The connection's requests a second beside a flood of this kind and rate, or alone."""
    whole_s = seconds + MARGIN_S
    for contender, path in contest.running():
        with contest.blaming(contender):
            before = contender.dropped(kind) if kind else None
            flood = sender.start(contender, kind, whole_s, rate) if kind else None
            try:
                sample = worker.run(path, MODE, seconds)
            finally:
                if flood:
                    sender.finish(flood, contender, kind, before, whole_s)
            contest.add(contender, (kind, rate), {"beside": kind, "offered": rate, **sample})


def drops_table(contest):
    rows = []
    for contender, _ in contest.running():
        spreads = [contest.spread(contender, kind, "per_second") for kind in KINDS]
        cells = [f"{one.median / 1e6:.2f} ({one.low / 1e6:.2f}..{one.high / 1e6:.2f})" for one in spreads]
        rows.append([contender.label, *cells])
    columns = ["million drops a second", *KINDS.values()]
    return Table(columns[0], columns, rows)


def kept_table(contest, kind, offered):
    rows = []
    for contender, _ in contest.running():
        kept = [contest.share(contender, (kind, rate), (None, 0)) for rate in offered]
        rows.append([contender.label, *(f"{one.median:.2f} ({one.low:.2f}..{one.high:.2f})" for one in kept)])
    columns = [f"kept of {MODE}: {KINDS[kind]}", *(f"beside {rate:,} a second" for rate in offered)]
    return Table(columns[0], columns, rows)
