"""How long a runtime waits for a container's network: one CNI ADD with a published port, by our
plugin and by the reference plugins, one after the other.
"""

import dataclasses
import json
import os
import subprocess
import time

from .cnet_paths import Cnetd
from .lab import BenchError, Lab
from .kernel_paths import wired_host
from .machine import priority
from .study import Result, Table

TITLE = "one container's network by CNI"
ABOUT = (
    "An ADD with a published port and the DEL after it: processes from start to end, as a runtime waits for them. `bridge` is "
    "the reference plugins bridge, host-local and portmap."
)
SHARES = (0.5, 0.9, 0.99, 1)

REFERENCE = "/usr/lib/cni"
ATTACHMENTS_A_SECOND = 20  # of --seconds
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


@dataclasses.dataclass
class Taken:
    """One verb of one contender."""

    contender: str
    verb: str
    milliseconds: float


class Chain:
    """A list of plugins, run as libcni does."""

    def __init__(self, name, host, plugins, environment):
        self.name, self._host, self._environment = name, host, environment
        self._plugins = plugins  # (executable, configuration)

    def _call(self, executable, verb, config, container):
        environment = {
            **os.environ,
            **self._environment,
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "bench",
            "CNI_NETNS": str(container.path),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": REFERENCE,
        }
        with self._host.entered():
            done = subprocess.run(
                [executable], input=json.dumps(config), env=environment, capture_output=True,
                text=True, check=False,
            )
        if done.returncode != 0:
            raise BenchError(f"{verb} by {executable}: {' '.join(done.stdout.split())}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def attach(self, container):
        """Milliseconds of an ADD, and of the DEL that follows."""
        result = None
        start = time.perf_counter()
        for executable, config in self._plugins:
            previous = {"prevResult": result} if result else {}
            result = self._call(executable, "ADD", {**config, **previous}, container)
        added = time.perf_counter()
        for executable, config in reversed(self._plugins):
            self._call(executable, "DEL", {**config, "prevResult": result}, container)
        return (added - start) * 1e3, (time.perf_counter() - added) * 1e3


def config(name, kind, **keys):
    return {"cniVersion": "1.0.0", "name": name, "type": kind, **keys}


def ours(lab, bin_dir):
    host, _ = wired_host(lab, lab.namespace("host"))
    daemon = Cnetd(lab, bin_dir, host, "cnet")
    plugin = config(
        "cnet", "cnet", ipam={"type": "cnet", "subnet": "10.88.0.0/16"}, runtimeConfig=PORTS,
        capabilities={"portMappings": True},
    )
    return Chain("cnet", host, [(bin_dir / "cnet-cni", plugin)], {"CNET_ROOT": str(daemon.root)})


def reference(lab):
    host, _ = wired_host(lab, lab.namespace("bridge"))
    addresses = {
        "type": "host-local",
        "dataDir": str(lab.directory / "addresses"),
        "ranges": [[{"subnet": "10.88.0.0/16"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = config("bridge", "bridge", bridge="cni0", isGateway=True, ipMasq=True, ipam=addresses)
    ports = config("bridge", "portmap", runtimeConfig=PORTS, capabilities={"portMappings": True})
    plugins = [(f"{REFERENCE}/bridge", bridge), (f"{REFERENCE}/portmap", ports)]
    return Chain("bridge", host, plugins, {})


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(taken):
    rows = []
    for contender, verb in dict.fromkeys((one.contender, one.verb) for one in taken):
        values = [
            one.milliseconds
            for one in taken
            if (one.contender, one.verb) == (contender, verb)
        ]
        shares = (f"{percentile(values, share):.1f}" for share in SHARES)
        rows.append([f"{contender} {verb}", *shares])
    return Table("milliseconds", ["milliseconds", "median", "90 %", "99 %", "longest"], rows)


def run(options, everything, bin_dir, say):
    taken, notes = [], []
    # The daemon inherits it.
    with priority(options.nice), Lab() as lab:
        chains = [] if "cnet" in options.skip else [ours(lab, bin_dir)]
        if "bridge" not in options.skip:
            if os.access(f"{REFERENCE}/portmap", os.X_OK):
                chains.append(reference(lab))
            else:
                notes.append("no bridge: the package containernetworking-plugins is not installed")
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}: CNI")
            for _ in range(max(1, int(options.seconds * ATTACHMENTS_A_SECOND))):
                for chain in chains:
                    add, delete = chain.attach(lab.namespace("pod"))
                    taken += [Taken(chain.name, "ADD", add), Taken(chain.name, "DEL", delete)]
    if not taken:
        raise BenchError("there is nothing to measure")
    return Result([table(taken)], [dataclasses.asdict(one) for one in taken], notes=notes)
