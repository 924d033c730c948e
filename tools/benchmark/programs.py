"""What each BPF program costs a packet, from the kernel's run-time statistics, under the same work.

The kernel reads the clock around every run of a program, which costs by itself: a program that
does nothing is measured too and its cost subtracted. What a program asks for and the kernel does
afterwards (bpf_redirect_peer's delivery) is not in these figures.
"""

import dataclasses

from .bpf import Program, statistics_on
from .cnet_paths import CnetAdopted, CnetFromHost, CnetHost, CnetMasquerade, CnetPortByXdp
from .kernel_paths import BareVeth
from .lab import BenchError, Lab
from .ratios import spread
from .scenarios import US
from .study import Result, Table
from .work import Worker

TITLE = "what each BPF program costs"
ABOUT = (
    "Nanoseconds that the kernel counts for a run of the program, under the work of the comparison. What it asks the kernel to "
    "do afterwards, such as the redirect, is not in it. The verifier's instructions are those that it walked, over all ways "
    "through the program, when that was loaded."
)
EMPTY_OBJECT = "bench_empty.bpf.o"


@dataclasses.dataclass
class Cost:
    """One program under one kind of work; `empty_ns` is what an empty one costs under that work."""

    scenario: str
    mode: str
    program: str
    runs_per_transaction: float
    ns_per_run: float
    empty_ns: float
    instructions: int  # that the verifier walked

    @property
    def own_ns(self):
        return self.ns_per_run - self.empty_ns


class EmptyProgram:
    """A program that does nothing, where the server's packets arrive."""

    def __init__(self, lab, object_file):
        self._path = BareVeth("empty", "a program that does nothing").build(lab)
        self._program = Program(lab, self._path.server, object_file)
        self._program.attach(self._path.server, "eth0")

    def cost(self, worker, mode, seconds):
        """Nanoseconds that the kernel counts for one run of it."""
        before = self._program.statistics()
        worker.run(self._path, mode, seconds)
        runs, time_ns = (now - then for now, then in zip(self._program.statistics(), before))
        if not runs:
            raise BenchError("the empty program did not run")
        return time_ns / runs


def costs_of(contender, worker, path, scenario, mode, seconds, empty_ns):
    """What every program that ran under this work cost."""
    before, verified = contender.program_runs(), contender.verified()
    transactions = worker.run(path, mode, seconds)["transactions"]
    for key, (runs, time_ns) in contender.program_runs().items():
        runs, time_ns = runs - before[key][0], time_ns - before[key][1]
        # Fewer than one run in a hundred transactions is other traffic, such as ARP; the collector has a clock.
        if runs * 100 > transactions and key[1] != "cnet_gc":
            yield Cost(
                scenario, mode, key[1], runs / transactions, time_ns / runs, empty_ns, verified[key[1]]
            )


def own_spreads(costs):
    """((scenario, mode, program, instructions), runs a transaction, spread of its own ns a run) of each."""
    groups = {}
    for cost in costs:
        key = cost.scenario, cost.mode, cost.program, cost.instructions
        groups.setdefault(key, []).append(cost)
    for key, group in groups.items():
        runs = spread([cost.runs_per_transaction for cost in group]).median
        yield key, runs, spread([cost.own_ns for cost in group])


def table(costs):
    rows = [
        [
            f"{scenario} {mode}",
            program,
            f"{runs:.2f}",
            f"{own.median * runs:.0f}",
            f"{own.median:.0f} ({own.low:.0f}..{own.high:.0f})",
            f"{instructions:,}",
        ]
        for (scenario, mode, program, instructions), runs, own in own_spreads(costs)
    ]
    columns = ["work", "program", "runs a transaction", "ns a transaction", "ns a run", "verifier's instructions"]
    return Table("work", columns, rows)


def more(bin_dir):
    """Programs that no scenario has: label -> contender."""
    host, by_xdp = CnetHost(bin_dir, label="more"), CnetHost(bin_dir, label="by-xdp")
    contenders = [
        CnetMasquerade("masquerade", "container to outside", host),
        CnetFromHost("from-host", "host to container", host),
        CnetPortByXdp("published-xdp", "published port, XDP on the uplink", by_xdp),
        CnetAdopted("adopted", "on an adopted bridge", bin_dir),
        CnetAdopted("adopted-host", "host to an adopted bridge", bin_dir, from_host=True),
    ]
    return {contender.name: contender for contender in contenders}


def measure(options, lab, everything, bin_dir, say):
    worker = Worker(bin_dir / "cnet-bench-worker", options.cpu, options.nice)
    empty = EmptyProgram(lab, bin_dir / EMPTY_OBJECT)
    ours = {
        scenario.name: next(one for one in scenario.contenders if one.name == US)
        for scenario in everything
    }
    # Not where scenarios were named.
    if len(options.scenario) < 2:
        ours.update(more(bin_dir))
    paths = {scenario: contender.build(lab) for scenario, contender in ours.items()}
    quick = options.quick and not options.mode
    modes = ["rr"] if quick else [mode for mode in options.modes if mode != "streams"]
    for number in range(options.rounds):
        for mode in modes:
            say(f"round {number + 1} of {options.rounds}: programs, {mode}")
            empty_ns = empty.cost(worker, mode, options.seconds)
            for scenario, path in paths.items():
                yield from costs_of(
                    ours[scenario], worker, path, scenario, mode, options.seconds, empty_ns
                )


def run(options, everything, bin_dir, say):
    with Lab() as lab, statistics_on():
        costs = list(measure(options, lab, everything, bin_dir, say))
    empty = spread([cost.empty_ns for cost in costs])
    note = (
        f"medians (lowest..highest) of {options.rounds} rounds of {options.seconds} s; an empty program's"
        f" {empty.median:.0f} ns a run are subtracted"
    )
    runs = [{**dataclasses.asdict(cost), "own_ns": cost.own_ns} for cost in costs]
    return Result([table(costs)], runs, notes=[note])
