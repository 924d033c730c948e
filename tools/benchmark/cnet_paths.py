"""Our own contenders: one host with cnetd and its defaults, with two containers on a network, a
published port and an uplink.
"""

import json
import os
import subprocess

from .addresses import IPV4
from .api import Api
from .kernel_paths import BRIDGE, HOST_PORT, SERVER_PORT, UPLINK, add_container, bridge_host, wired_host
from .lab import BenchError, poll
from .path import Contender, Path

NETWORK = "bench"
OTHER_PORTS_FROM = 20000
PORTS_AT_ONCE = 100
CROWDED_SUBNET = "10.88.0.0/16"


class Cnetd:
    """A running cnetd with its root directory in the lab."""

    def __init__(self, lab, bin_dir, host, label, settings=""):
        self._bin, self.host = bin_dir, host
        self.root = lab.directory / label
        self._log = lab.directory / f"{label}.log"
        # No process of the host dials a published port here, and others' processes are left alone.
        (self.root / "etc").mkdir(parents=True)
        (self.root / "etc" / "cnetd.toml").write_text(f"[sock]\nenabled = false\n{settings}")
        self._lab = lab
        self.start()

    def start(self):
        program = self._bin / "cnetd"
        self._process = self._lab.daemon(self.host, program, "--root", self.root, log=self._log)
        try:
            poll(self._answers, 60, "an answer of cnetd")
        except BenchError as error:
            raise self.explained(error) from None

    def kill(self):
        self._process.kill()
        self._process.wait()

    @property
    def pid(self):
        return self._process.pid

    def explained(self, error):
        """The error, with what cnetd said last."""
        said = self._log.read_text(errors="replace").splitlines()[-5:]
        return BenchError(f"{error}; cnetd's log ends: {' | '.join(said) or '(empty)'}")

    def cli(self, *args):
        printed = self.host.run(self._bin / "cnet-bpf", "--root", self.root, "-j", *args)
        return json.loads(printed) if printed.strip() else None

    def api(self):
        return Api(self.root / "run" / "cnetd.sock")

    def container(self, lab, name, address):
        namespace = lab.namespace(name)
        self.cli("endpoint", "create", NETWORK, name, "--netns", namespace.path, "--ip", address)
        return namespace

    def ensure_uplink(self):
        if UPLINK not in [uplink["device"] for uplink in self.cli("uplink", "list")]:
            self.cli("uplink", "add", UPLINK)

    def packets(self, *reasons):
        """Packets counted for these (hook, reason) pairs."""
        return sum(
            row["packets"]
            for row in self.cli("drops", "show")
            if (row["hook"], row["reason"]) in reasons
        )

    def program_runs(self):
        """(hook, name) -> (runs, nanoseconds)"""
        rows = self.cli("prog", "list")
        return {(row["hook"], row["name"]): (row["runs"], row["run_time_ns"]) for row in rows}

    def verified(self):
        """name -> instructions that the verifier walked when the program was loaded"""
        return {row["name"]: row["instructions"] for row in self.cli("prog", "list")}

    def cpu_seconds(self):
        """CPU time that cnetd has used."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _answers(self):
        status = self._process.poll()
        if status is not None:
            raise BenchError(f"cnetd ended with status {status}")
        return (
            self.host.spawn(
                self._bin / "cnet-bpf",
                "--root",
                self.root,
                "status",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ).wait()
            == 0
        )


class CnetHost:
    """Built at first use and shared by the contenders below. `others` more ports are published,
    `crowd` more endpoints made; `settings` are more of cnetd.toml."""

    def __init__(self, bin_dir, others=0, label="cnet", crowd=0, settings="", family=IPV4):
        self._bin, self._others, self._label, self.family = bin_dir, others, label, family
        self._crowd, self._settings = crowd, settings
        self.daemon = self._failure = None

    @property
    def running(self):
        return self.daemon is not None

    def cpu_seconds(self):
        return self.daemon.cpu_seconds()

    def start(self, lab):
        if self._failure:
            raise self._failure
        if self.running:
            return
        try:
            self._start(lab)
        except BenchError as error:
            self._failure = self.daemon.explained(error) if self.running else error
            raise self._failure from None

    def _start(self, lab):
        self.host, self.outside = wired_host(lab, lab.namespace("host"), self.family)
        self.daemon = Cnetd(lab, self._bin, self.host, self._label, self._settings)
        subnet = CROWDED_SUBNET if self._crowd else self.family.subnet
        self.daemon.cli("network", "create", NETWORK, "--subnet", subnet, "--gateway", self.family.gateway)
        self.first = self.daemon.container(lab, "first", self.family.first)
        self.second = self.daemon.container(lab, "second", self.family.second)
        self.daemon.ensure_uplink()
        # One by one takes a process each; to a packet a port of a range is as any other.
        for first in range(0, self._others, PORTS_AT_ONCE):
            last = min(first + PORTS_AT_ONCE, self._others) - 1
            host_ports = f"{OTHER_PORTS_FROM + first}-{OTHER_PORTS_FROM + last}"
            self.daemon.cli("port", "publish", "second", f"{host_ports}:{1 + first}-{1 + last}")
        for protocol in ("tcp", "udp"):
            self.daemon.cli("port", "publish", "first", f"{HOST_PORT}:{SERVER_PORT}/{protocol}")
        api = self.daemon.api()
        for number in range(self._crowd):
            netns = str(lab.namespace("other").path)
            body = {"network": NETWORK, "name": f"other{number}", "netns": netns}
            api.ask("POST", "/v1/endpoints", body)
        api.close()


class CnetContender(Contender):
    """`ways` are the (hook, reason) counters that every packet of the work has to move."""

    ways = ()

    def __init__(self, name, label, cnet):
        super().__init__(name, label, cnet.family)
        self._cnet = cnet

    def build(self, lab):
        self._cnet.start(lab)
        return self._path(self._cnet)

    def _path(self, cnet):
        raise NotImplementedError

    def carried(self):
        return self._cnet.daemon.packets(*self.ways)

    def program_runs(self):
        return self._cnet.daemon.program_runs()

    def verified(self):
        return self._cnet.daemon.verified()


class CnetSwitched(CnetContender):
    ways = (("endpoint", "switched"),)

    def _path(self, cnet):
        return Path(cnet.first, cnet.second, cnet.family.second, SERVER_PORT, SERVER_PORT)


class CnetPort(CnetContender):
    ways = (("uplink", "dnat"), ("endpoint", "dnat_reply"))

    def _path(self, cnet):
        return Path(cnet.outside, cnet.first, cnet.family.host, HOST_PORT, SERVER_PORT)


class CnetUplink(CnetContender):
    ways = (("uplink", "not_ours"), ("uplink_egress", "not_ours"))

    def _path(self, cnet):
        return Path(cnet.host, cnet.outside, cnet.family.outside, SERVER_PORT, SERVER_PORT)


class CnetMasquerade(CnetContender):
    """A container's own connection to outside."""

    ways = (("endpoint", "snat"), ("uplink", "snat_reply"))

    def _path(self, cnet):
        return Path(cnet.first, cnet.outside, cnet.family.outside, SERVER_PORT, SERVER_PORT)


class CnetFromHost(CnetContender):
    """A process of the host and a container."""

    ways = (("hostport", "switched"),)

    def _path(self, cnet):
        return Path(cnet.host, cnet.first, cnet.family.first, SERVER_PORT, SERVER_PORT)


class CnetPortByXdp(CnetPort):
    """A published port behind an uplink with XDP, which passes what is not refused."""

    def _path(self, cnet):
        cnet.daemon.cli("uplink", "set", UPLINK, "--xdp", "native")
        return super()._path(cnet)


class CnetAdopted(Contender):
    """Two containers on a bridge that somebody else made; `from_host`: the host and one of them."""

    def __init__(self, name, label, bin_dir, from_host=False):
        super().__init__(name, label)
        self._bin, self._from_host = bin_dir, from_host

    def build(self, lab):
        host, _ = wired_host(lab, bridge_host(lab, netfilter=False))
        ends = [add_container(lab, host, f"veth{number}", address) for number, address in enumerate((IPV4.first, IPV4.second))]
        self._daemon = Cnetd(lab, self._bin, host, self.name)
        self._daemon.cli("adopt", BRIDGE)
        return Path(host if self._from_host else ends[0], ends[1], IPV4.second, SERVER_PORT, SERVER_PORT)

    def program_runs(self):
        return self._daemon.program_runs()

    def verified(self):
        return self._daemon.verified()
