"""A published port of UDP under many flows: begin each of them, then ask them again in no order."""

from .cnet_paths import CnetHost, CnetPort
from .kernel_paths import IptablesPort, NftablesPort, Routed
from .lab import BenchError, Lab
from .scenarios import US
from .study import Contest, Curves, Result, Table
from .work import Worker

TITLE = "many flows through a published port"
ABOUT = (
    "Request and answer, a datagram each, every time of another flow: the outside host has a million addresses. First each "
    "flow begins; then all are asked again in an order that no cache foresees. The tables fill meanwhile and are never "
    "emptied. Where not all of the last got an answer, it says how many did. cnet_ct has 4 Mi entries, two a flow, and its default "
    "of 262,144 for the contender that meets the last of these alone."
)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK_SIZES = SIZES[:2]
SOURCES, FIRST_SOURCE = "10.192.0.0/12", "10.192.0.0"
DEFAULT_SIZE = f"{US}-default"  # is filled once, by the last
LARGE_TABLE = 4 << 20
# Of those that take no longer than others' runs.
ROUNDS, SMALL = 3, 100_000
# A request without an answer counts as lost after a tenth of a second; twenty end the run.
LONGEST_S = 120


def contenders(bin_dir):
    large = CnetHost(bin_dir, label="flows-large", settings=f"[maps]\ncnet_ct = {LARGE_TABLE}\n")
    return [
        Routed("routed", "routed, no NAT"),
        IptablesPort("iptables", "iptables-nft as Docker"),
        NftablesPort("nftables", "nftables map"),
        CnetPort(US, "cnet-bpf", large),
        CnetPort(DEFAULT_SIZE, "cnet-bpf, default size", CnetHost(bin_dir, label="flows")),
    ]


def run(options, everything, bin_dir, say):
    worker = Worker(bin_dir / "cnet-bench-worker", options.cpu, options.nice)
    contest = Contest("flows", [one for one in contenders(bin_dir) if one.name not in options.skip])
    sizes = QUICK_SIZES if options.quick else SIZES
    with Lab() as lab:
        contest.build(lab, say)
        for _, path in contest.running():
            path.client.ip(f"route add local {SOURCES} dev lo")
        notes = [limit_note(contest)]
        for size in sizes:
            rounds = min(options.rounds, ROUNDS) if size <= SMALL else 1
            for number in range(rounds):
                say(f"round {number + 1} of {rounds}: {size:,} flows")
                measure(contest, worker, size, options, size == sizes[-1])
    return Result(
        [table(contest, sizes, "begun"), table(contest, sizes, "again")],
        contest.all_samples(),
        [curves(contest, sizes, "begun", "begin"), curves(contest, sizes, "again", "are asked again")],
        contest.all_errors(),
        notes,
    )


def limit_note(contest):
    """The kernel's limit is the machine's, and not ours to change."""
    with open("/proc/sys/net/netfilter/nf_conntrack_max", encoding="ascii") as file:
        return f"the kernel's connection tracking takes {int(file.read()):,} flows here"


def measure(contest, worker, size, options, last):
    for contender, path in contest.running():
        if contender.name == DEFAULT_SIZE and not last:
            continue
        with contest.blaming(contender):
            words = ["--flows", size, "--sources", FIRST_SOURCE]
            sample = worker.run(path, "flows", options.seconds, *words, limit_s=LONGEST_S)
            if not sample["begun"]["answered"]:
                raise BenchError(f"no answer to any of {size:,} flows")
            contest.add(contender, size, sample)


def _median(contest, contender, size, part, what):
    samples = contest.samples.get((contender.name, size), [])
    values = sorted(sample[part][what] for sample in samples)
    return values[len(values) // 2] if values else None


def table(contest, sizes, part):
    rows = []
    for contender, _ in contest.running():
        cells = []
        for size in sizes:
            rate = _median(contest, contender, size, part, "per_second")
            if rate is None:
                cells.append("-")
                continue
            lost = _median(contest, contender, size, part, "lost")
            answered = _median(contest, contender, size, part, "answered")
            cells.append(f"{rate:,.0f}" + (f" ({answered:,} answered)" if lost else ""))
        p99 = _median(contest, contender, sizes[-1], part, "p99_us")
        rows.append([contender.label, *cells, f"{p99:.0f}"])
    what = "begun" if part == "begun" else "asked again"
    columns = [f"flows {what} a second, of", *(f"{size:,}" for size in sizes), "p99 µs"]
    return Table(columns[0], columns, rows)


def curves(contest, sizes, part, verb):
    lines = {
        contender.label: [
            (size, _median(contest, contender, size, part, "per_second") / 1e3) for size in sizes
        ]
        for contender, _ in contest.running()
        if contender.name != DEFAULT_SIZE
    }
    title = f"flows that {verb}"
    return Curves(f"flows-{part}", title, "flows", "thousand a second", lines, x_steps=True)
