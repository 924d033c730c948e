"""What the control plane takes: endpoints made and deleted one by one, a range of ports published, a daemon that starts
with many endpoints, and what it and the maps hold in memory then. Asked on the API's socket, as plugins do.
"""

import dataclasses
import time

from .attach import SHARES, percentile
from .cnet_paths import NETWORK, Cnetd
from .kernel_paths import wired_host
from .lab import Lab
from .machine import priority
from .study import Curves, Result, Table

TITLE = "the control plane"
ABOUT = (
    "cnetd asked on its socket: an endpoint made and deleted, veth pair and all, with no other there; a range of ports; many "
    "endpoints made, each in a namespace of its own; the daemon killed and started with them."
)

ENDPOINTS_A_SECOND = 20  # of --seconds
RANGE = 10000
FIRST_PORT = 20000


@dataclasses.dataclass
class Taken:
    what: str
    milliseconds: float


def fill_name(many):
    return f"endpoint create, up to {many}"


class Host:
    """One host with cnetd and a network."""

    def __init__(self, lab, bin_dir):
        host, _ = wired_host(lab, lab.namespace("host"))
        self._lab, self._pod = lab, lab.namespace("pod")
        self._daemon = Cnetd(lab, bin_dir, host, "cnet")
        self._daemon.cli("network", "create", NETWORK, "--subnet", "10.88.0.0/16")
        self._api = self._daemon.api()
        self.taken = []

    def _timed(self, what, *request):
        start = time.perf_counter()
        answer = self._api.ask(*request)
        self.taken.append(Taken(what, (time.perf_counter() - start) * 1e3))
        return answer

    def create(self, number, what, pod=None):
        netns = str((pod or self._pod).path)
        body = {"network": NETWORK, "name": f"e{number}", "netns": netns}
        self._timed(what, "POST", "/v1/endpoints", body)

    def create_and_delete(self, number):
        self.create(number, "endpoint create")
        self._timed("endpoint delete", "DELETE", f"/v1/endpoints/e{number}")

    def publish_range(self):
        spec = f"{FIRST_PORT}-{FIRST_PORT + RANGE - 1}:1-{RANGE}/tcp"
        port = {"endpoint": "e0", "spec": spec}
        self.create(0, "endpoint create")
        self._timed(f"publish {RANGE} ports", "POST", "/v1/ports", port)
        self._timed(f"unpublish {RANGE} ports", "DELETE", "/v1/ports", port)
        self._api.ask("DELETE", "/v1/endpoints/e0")

    def fill(self, many):
        for number in range(1, many + 1):
            self.create(number, fill_name(many), self._lab.namespace("pod"))

    def restart(self, what):
        """Killed, and started again with all that it had, until it answers."""
        self._api.close()
        self._daemon.kill()
        start = time.perf_counter()
        self._daemon.start()
        self.taken.append(Taken(what, (time.perf_counter() - start) * 1e3))

    def memory(self):
        """(resident bytes of cnetd, bytes of all maps)"""
        with open(f"/proc/{self._daemon.pid}/status", encoding="ascii") as file:
            (resident,) = (line.split()[1] for line in file if line.startswith("VmRSS:"))
        maps = self._daemon.cli("map", "list")
        return int(resident) * 1024, sum(one["memory_bytes"] or 0 for one in maps)


def table(taken):
    rows = []
    for what in dict.fromkeys(one.what for one in taken):
        values = [one.milliseconds for one in taken if one.what == what]
        shares = (f"{percentile(values, share):.1f}" for share in SHARES)
        rows.append([what, *shares, str(len(values))])
    return Table("milliseconds", ["milliseconds", "median", "90 %", "99 %", "longest", "times"], rows)


def growth(taken, many):
    """The median of a creation by how many endpoints there are, in twenty steps."""
    values = [one.milliseconds for one in taken if one.what == fill_name(many)]
    step = max(1, many // 20)
    line = [
        (first + step, percentile(values[first : first + step], 0.5))
        for first in range(0, len(values) - step + 1, step)
    ]
    return Curves("control-growth", "an endpoint made", "endpoints there are", "milliseconds", {"cnet-bpf": line})


def run(options, everything, bin_dir, say):
    # The daemon inherits it.
    with priority(options.nice), Lab() as lab:
        host = Host(lab, bin_dir)
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for _ in range(max(1, int(options.seconds * ENDPOINTS_A_SECOND))):
                host.create_and_delete(0)
            host.publish_range()
        say(f"creating {options.endpoints} endpoints")
        host.fill(options.endpoints)
        for number in range(options.rounds):
            say(f"start {number + 1} of {options.rounds}")
            host.restart(f"start with {options.endpoints} endpoints")
        resident, maps = host.memory()
    note = (
        f"with {options.endpoints} endpoints: cnetd {resident / 2**20:.1f} MiB resident,"
        f" maps {maps / 2**20:.1f} MiB"
    )
    runs = [dataclasses.asdict(one) for one in host.taken]
    facts = {"resident_bytes": resident, "map_bytes": maps}
    curves = [growth(host.taken, options.endpoints)]
    return Result([table(host.taken)], runs, curves, notes=[note], facts=facts)
