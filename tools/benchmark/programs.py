"""What each BPF program costs a packet, from the kernel's run-time statistics, under the same work.

The kernel reads the clock around every run of a program, which costs by itself: a program that
does nothing is measured too and its cost subtracted. What a program asks for and the kernel does
afterwards (bpf_redirect_peer's delivery) is not in these figures.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import platform

from .kernel_paths import BareVeth
from .lab import BenchError, Lab
from .scenarios import US
from .work import Worker

SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_ENABLE_STATS, BPF_STATS_RUN_TIME = 32, 0
EMPTY_OBJECT = "bench_empty.bpf.o"


@contextlib.contextmanager
def statistics_on():
    """Like sysctl kernel.bpf_stats_enabled, but ended by the kernel with this process."""
    number = SYS_BPF.get(platform.machine())
    if number is None:
        raise BenchError(f"the number of bpf(2) on {platform.machine()} is not known here")
    attributes = ctypes.c_uint32(BPF_STATS_RUN_TIME)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, BPF_ENABLE_STATS, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if fd < 0:
        raise BenchError(f"BPF_ENABLE_STATS: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        os.close(fd)


@dataclasses.dataclass
class Cost:
    """One program under one kind of work."""

    work: str
    program: str
    runs_per_transaction: float
    ns_per_run: float


def empty_cost(lab, worker, object_file, seconds):
    """Nanoseconds that the kernel counts for a program that does nothing."""
    path = BareVeth("empty", "a program that does nothing").build(lab)
    path.server.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    path.server.run(
        "tc",
        "filter",
        "add",
        "dev",
        "eth0",
        "ingress",
        "bpf",
        "direct-action",
        "object-file",
        object_file,
        "section",
        "tc",
    )
    filters = json.loads(path.server.run("tc", "-json", "filter", "show", "dev", "eth0", "ingress"))
    number = next(
        one["options"]["prog"]["id"] for one in filters if "prog" in one.get("options", {})
    )

    def read():
        shown = json.loads(path.server.run("bpftool", "--json", "prog", "show", "id", number))
        return shown.get("run_cnt", 0), shown.get("run_time_ns", 0)

    before = read()
    worker.run(path, "rr", seconds)
    runs, time_ns = (now - then for now, then in zip(read(), before))
    if not runs:
        raise BenchError("the empty program did not run")
    return time_ns / runs


def read_programs(cnet):
    """(hook, name) -> (runs, nanoseconds)"""
    return {
        (row["hook"], row["name"]): (row["runs"], row["run_time_ns"])
        for row in cnet.cli("prog", "list")
    }


def costs_of(cnet, worker, path, work, mode, seconds):
    """What every program that ran under this work cost."""
    before = read_programs(cnet)
    transactions = worker.run(path, mode, seconds)["transactions"]
    for key, (runs, time_ns) in read_programs(cnet).items():
        runs, time_ns = runs - before[key][0], time_ns - before[key][1]
        # Fewer than one run in a hundred transactions is other traffic, such as ARP.
        if runs * 100 > transactions:
            yield Cost(work, key[1], runs / transactions, time_ns / runs)


def table(costs, empty_ns):
    lines = [
        f"a program that does nothing: {empty_ns:.0f} ns a run, subtracted below",
        f"{'work':16} {'program':16} {'runs a transaction':>18} {'ns a run':>9}"
        f" {'ns a transaction':>17}",
    ]
    for cost in costs:
        own = cost.ns_per_run - empty_ns
        lines.append(
            f"{cost.work:16} {cost.program:16} {cost.runs_per_transaction:18.2f} {own:9.0f} "
            f"{own * cost.runs_per_transaction:17.0f}"
        )
    return "\n".join(lines)


def run(options, cnet, everything, bin_dir, say):
    worker = Worker(bin_dir / "cnet-bench-worker", options.cpu, options.nice)
    seconds = options.seconds
    costs = []
    with Lab() as lab, statistics_on():
        say("the empty program")
        empty_ns = empty_cost(lab, worker, bin_dir / EMPTY_OBJECT, seconds)
        for scenario in everything:
            path = next(one for one in scenario.contenders if one.name == US).build(lab)
            for mode in options.modes:
                say(f"{scenario.name} {mode}")
                costs += costs_of(cnet, worker, path, f"{scenario.name} {mode}", mode, seconds)
    print(table(costs, empty_ns))
    if options.json:
        rows = [
            {**dataclasses.asdict(cost), "ns_less_empty": cost.ns_per_run - empty_ns}
            for cost in costs
        ]
        options.json.write_text(
            json.dumps({"empty_ns": empty_ns, "programs": rows}, indent=1) + "\n", encoding="utf-8"
        )
    return 0
