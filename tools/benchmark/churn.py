"""Connections that come and go through a published port, faster than those that are over are forgotten."""

from .cnet_paths import CnetHost, CnetPort
from .kernel_paths import IptablesPort, NftablesPort, Routed
from .lab import BenchError, Lab
from .many_flows import FIRST_SOURCE, SOURCES, limit_note
from .scenarios import US
from .study import Contest, Curves, Result, Table
from .work import Worker

TITLE = "connections that come and go"
ABOUT = (
    "Connect, one byte there, one byte back, FIN from both, one after the other and each from another address: what tracks "
    "them has to remember each for minutes after its end, and its table is full within seconds. A connection whose SYN is not "
    "answered within 200 ms counts as lost."
)
SECONDS, QUICK_SECONDS = 30, 1
ADDRESSES = 1_000_000
AT_ENDS = 5  # seconds at the beginning and at the end that are compared
# What the table's defaults are to others': as many flows as the kernel tracks by default.
LARGE_TABLE = 2 * 262_144
LARGE = f"{US}-large"


def contenders(bin_dir):
    large = CnetHost(bin_dir, label="churn-large", settings=f"[maps]\ncnet_ct = {LARGE_TABLE}\n")
    return [
        Routed("routed", "routed, no NAT"),
        IptablesPort("iptables", "iptables-nft as Docker"),
        NftablesPort("nftables", "nftables map"),
        CnetPort(US, "cnet-bpf, 131,072 flows", CnetHost(bin_dir, label="churn")),
        CnetPort(LARGE, "cnet-bpf, 262,144 flows", large),
    ]


def run(options, everything, bin_dir, say):
    worker = Worker(bin_dir / "cnet-bench-worker", options.cpu, options.nice)
    contest = Contest("churn", [one for one in contenders(bin_dir) if one.name not in options.skip])
    seconds = QUICK_SECONDS if options.quick else SECONDS
    with Lab() as lab:
        contest.build(lab, say)
        for contender, path in contest.running():
            say(f"{seconds} s of connections: {contender.label}")
            with contest.blaming(contender):
                path.client.ip(f"route add local {SOURCES} dev lo")
                contest.add(contender, "churn", measure(worker, path, seconds))
        notes = [limit_note(contest)]
    samples = {one.label: contest.samples[one.name, "churn"][0] for one, _ in contest.running()}
    return Result(
        [table(samples)], contest.all_samples(), [curves(samples)], contest.all_errors(), notes
    )


def measure(worker, path, seconds):
    sample = worker.run(path, "churn", seconds, "--flows", ADDRESSES, "--sources", FIRST_SOURCE)
    if not sample["transactions"]:
        raise BenchError("no connection was answered")
    return sample


def table(samples):
    rows = []
    for label, sample in samples.items():
        whole = sample["by_second"][: int(sample["seconds"])]
        ends = (sum(part) / len(part) for part in (whole[:AT_ENDS], whole[-AT_ENDS:]))
        cells = [f"{rate:,.0f}" for rate in ends]
        rows.append([label, *cells, f"{min(whole):,}", f"{sample['lost']:,}", f"{sample['p99_us']:.0f}"])
    columns = ["connections a second", "first 5 s", "last 5 s", "worst second", "lost", "p99 µs"]
    return Table(columns[0], columns, rows)


def curves(samples):
    lines = {
        label: [(second + 1, count / 1e3) for second, count in enumerate(sample["by_second"])]
        for label, sample in samples.items()
    }
    return Curves("churn", TITLE, "seconds", "thousand a second", lines)
