"""Small datagrams, one way, at rising rates: how many arrive, and what one costs."""

from .lab import Lab
from .machine import Busy
from .scenarios import US
from .study import Contest, Curves, Result, Table
from .work import Worker

TITLE = "small datagrams at a rising rate"
ABOUT = (
    "56 bytes of UDP's content and headers, sent at a steady rate in bursts of 250 µs, counted by the receiver. Both ends "
    "share one CPU: what the path costs is missing to them. `CPU` is the CPU's time a datagram at the lowest rate, both "
    "ends included."
)
RATES = (25_000, 50_000, 75_000, 100_000, 150_000, 200_000)
CONTENDERS = {
    "same-host": ("veth", "veth-again", "bridge", "bridge-nf", US),
    "published": ("routed", "iptables", "nftables", US),
    "overlay": ("hosts", "vxlan", "vxlan-nf", "flow-vxlan", US),
}
ROUNDS = 5  # at most: of those that have hundreds of runs each


def contests(everything, skipped):
    for scenario in everything:
        names = set(CONTENDERS.get(scenario.name, ())) - set(skipped)
        if names:
            kept = [one for one in scenario.contenders if one.name in names]
            yield Contest(scenario.name, kept)


def run(options, everything, bin_dir, say):
    worker = Worker(bin_dir / "cnet-bench-worker", options.cpu, options.nice)
    found = list(contests(everything, options.skip))
    rounds = min(options.rounds, ROUNDS)
    rates = RATES[::2] if options.quick else RATES
    with Lab() as lab:
        for contest in found:
            contest.build(lab, say)
        for number in range(rounds):
            for contest in found:
                for rate in rates:
                    say(f"round {number + 1} of {rounds}: {contest.scenario} {rate:,} a second")
                    measure(contest, worker, rate, options)
    return Result(
        [table(contest, rates) for contest in found],
        [sample for contest in found for sample in contest.all_samples()],
        [curves(contest, rates) for contest in found],
        [error for contest in found for error in contest.all_errors()],
    )


def measure(contest, worker, rate, options):
    for contender, path in contest.running():
        with contest.blaming(contender):
            busy = Busy(options.cpu)
            sample = worker.run(path, "udp", options.seconds, "--rate", rate)
            sample["cpu_us"] = busy.seconds() * 1e6 / max(sample["sent"], 1)
            sample["loss"] = sample["lost"] / max(sample["sent"], 1)
            contest.add(contender, rate, sample)


def contenders_of(contest):
    return [contender for contender, _ in contest.running()]


def table(contest, rates):
    rows = []
    for contender in contenders_of(contest):
        cells = []
        for rate in rates:
            arrived = contest.spread(contender, rate, "per_second").median
            lost = contest.spread(contender, rate, "loss").median
            cells.append(f"{arrived / 1e3:.0f}" + (f" (-{lost:.0%})" if lost >= 0.005 else ""))
        cpu = contest.spread(contender, rates[0], "cpu_us").median
        rows.append([contender.label, *cells, f"{cpu:.2f}"])
    columns = ["thousand a second arrived, of", *(f"{rate // 1000}" for rate in rates), "CPU µs"]
    return Table(f"{contest.scenario}: {columns[0]}", columns, rows)


def curves(contest, rates):
    lines = {
        contender.label: [
            (rate / 1e3, contest.spread(contender, rate, "per_second").median / 1e3) for rate in rates
        ]
        for contender in contenders_of(contest)
    }
    title = f"{contest.scenario}: datagrams that arrive"
    return Curves(f"udp-{contest.scenario}", title, "thousand a second offered", "thousand a second", lines)
