"""Small datagrams, one way, at rising rates: how many arrive. What one costs, and a byte of a stream."""

from .lab import Lab
from .machine import Busy
from .scenarios import US
from .study import Contest, Curves, Result, Table
from .work import Worker

TITLE = "small datagrams at a rising rate"
ABOUT = (
    "56 bytes of UDP's content and headers, sent at a steady rate in bursts of 250 µs, counted by the receiver. Both ends "
    "share one CPU: what the path costs is missing to them. The CPU's time is that of both ends and of the path, whatever "
    "else the machine does on that CPU included."
)
RATES = (25_000, 50_000, 75_000, 100_000, 150_000, 200_000)
CONTENDERS = {
    "same-host": ("veth", "veth-again", "bridge", "bridge-nf", US),
    "published": ("routed", "iptables", "nftables", US),
    "overlay": ("hosts", "vxlan", "vxlan-nf", "flow-vxlan", US),
}
BLOCK_KIB = 4096  # of a stream's transaction
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
    rates = RATES[::3] if options.quick else RATES
    with Lab() as lab:
        for contest in found:
            contest.build(lab, say)
        for number in range(rounds):
            for contest in found:
                for rate in rates:
                    say(f"round {number + 1} of {rounds}: {contest.scenario} {rate:,} a second")
                    measure(contest, worker, rate, options)
                say(f"round {number + 1} of {rounds}: {contest.scenario} stream")
                measure_stream(contest, worker, options)
    return Result(
        [table(contest, rates) for contest in found] + [cpu_table(contest, rates[0]) for contest in found],
        [sample for contest in found for sample in contest.all_samples()],
        [curves(contest, rates) for contest in found],
        [error for contest in found for error in contest.all_errors()],
    )


def measure(contest, worker, rate, options):
    for contender, path in contest.running():
        with contest.blaming(contender):
            busy = Busy(options.cpu)
            sample = worker.run(path, "udp", options.seconds, "--rate", rate)
            sample["cpu_us"] = busy.share() * sample["seconds"] * 1e6 / max(sample["sent"], 1)
            sample["loss"] = sample["lost"] / max(sample["sent"], 1)
            contest.add(contender, rate, sample)


def measure_stream(contest, worker, options):
    for contender, path in contest.running():
        with contest.blaming(contender):
            busy = Busy(options.cpu)
            sample = worker.run(path, "stream", options.seconds)
            # The share of the whole, since the ends need a while to start and to part.
            kib = sample["transactions"] * BLOCK_KIB
            sample["ns_a_kib"] = busy.share() * sample["seconds"] * 1e9 / kib
            contest.add(contender, "stream", sample)


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
        rows.append([contender.label, *cells])
    columns = ["thousand a second arrived, of", *(f"{rate // 1000}" for rate in rates)]
    return Table(f"{contest.scenario}: {columns[0]}", columns, rows)


def cpu_table(contest, rate):
    rows = []
    limit = next(iter(contenders_of(contest)), None)
    for contender in contenders_of(contest):
        cells = []
        for key, what, digits in ((rate, "cpu_us", 2), ("stream", "ns_a_kib", 0)):
            ratio = contest.ratio(contender, limit, key, what)
            cells += [f"{contest.spread(contender, key, what).median:.{digits}f}", f"{ratio.median:.3f}"]
        rows.append([contender.label, *cells])
    columns = ["CPU", f"µs a datagram at {rate:,} a second", "of the first", "ns a KiB of a stream", "of the first"]
    return Table(f"{contest.scenario}: CPU", columns, rows)


def curves(contest, rates):
    lines = {
        contender.label: [
            (rate / 1e3, contest.spread(contender, rate, "per_second").median / 1e3) for rate in rates
        ]
        for contender in contenders_of(contest)
    }
    title = f"{contest.scenario}: datagrams that arrive"
    return Curves(f"udp-{contest.scenario}", title, "thousand a second offered", "thousand a second", lines)
