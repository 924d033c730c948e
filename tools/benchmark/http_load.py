"""HTTP through a published port: wrk outside, a server of the benchmark's own in the container."""

import json
import secrets
import shutil

from .lab import BenchError, Lab
from .scenarios import US
from .study import Contest, Result, Table
from .work import Worker, finish

TITLE = "HTTP through a published port"
ABOUT = (
    "wrk with 16 kept connections and one thread asks for 1 KiB again and again; wrk and the server share one CPU. The "
    "server counts the requests that name this run, and so does wrk."
)
CONNECTIONS = 16
SECONDS = 1  # wrk's least
ROUNDS = 7
NAMES = ("routed", "routed-again", "iptables-legacy", "iptables", "nftables", US)

# What wrk says in the end, for programs.
SCRIPT = """
done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        'JSON {"transactions": %d, "seconds": %f, "bytes": %d, "failed": %d, "p50_us": %d, "p99_us": %d, "p999_us": %d}\\n',
        summary.requests, summary.duration / 1e6, summary.bytes,
        e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""


def run(options, everything, bin_dir, say):
    if not shutil.which("wrk"):
        say("no HTTP: the package wrk is not installed")
        return Result([], [], notes=["not measured: the package wrk is not installed"])
    published = next((one for one in everything if one.name == "published"), None)
    if not published:
        raise BenchError("HTTP needs the scenario published")
    kept = [one for one in published.contenders if one.name in set(NAMES) - set(options.skip)]
    contest = Contest("published", kept)
    worker = Worker(bin_dir / "cnet-bench-worker", options.cpu, options.nice)
    rounds = min(options.rounds, ROUNDS)
    with Lab() as lab:
        script = lab.directory / "wrk.lua"
        script.write_text(SCRIPT, encoding="ascii")
        contest.build(lab, say)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: HTTP")
            for contender, path in contest.running():
                with contest.blaming(contender):
                    contest.add(contender, "http", load(worker, path, script, options))
    return Result([table(contest)], contest.all_samples(), errors=contest.all_errors())


def load(worker, path, script, options):
    """One run of wrk; BenchError unless both ends counted the same."""
    token = secrets.token_hex(8)
    url = f"http://{path.address}:{path.port}/{token}"
    words = ["taskset", "-c", options.cpu, "nice", "-n", options.nice, "wrk", "-t", 1, "-c", CONNECTIONS]
    with worker.serve(path, "http", token) as server:
        if server.stdout.readline().strip() != "ready":
            raise BenchError(f"the server did not start: {server.communicate()[1].strip()}")
        printed = path.client.run(*words, "-d", SECONDS, "-s", script, url)
        server.terminate()
        answered = json.loads(finish(server, "server", 10))["answered"]
    said = [line[5:] for line in printed.splitlines() if line.startswith("JSON ")]
    if not said:
        raise BenchError(f"wrk said nothing of use: {' '.join(printed.split())}")
    sample = json.loads(said[0])
    if sample["failed"]:
        raise BenchError(f"wrk: {sample['failed']} requests failed")
    # Answers may be on their way when wrk stops counting, one a connection.
    if not 0 <= answered - sample["transactions"] <= CONNECTIONS:
        raise BenchError(f"wrk counted {sample['transactions']} answers, the server {answered}")
    sample["per_second"] = sample["transactions"] / sample["seconds"]
    return sample


def table(contest):
    rows = []
    limit = next((one for one, _ in contest.running()), None)
    for contender, _ in contest.running():
        rate, *times = (
            contest.spread(contender, "http", what).median
            for what in ("per_second", "p50_us", "p99_us", "p999_us")
        )
        ratio = contest.ratio(contender, limit, "http")
        cells = (f"{one:,.0f}" for one in (rate, *times))
        rows.append([contender.label, *cells, f"{ratio.median:.3f} ({ratio.low:.3f}..{ratio.high:.3f})"])
    columns = ["HTTP", "requests a second", "p50 µs", "p99 µs", "p99.9 µs", f"of {limit.label if limit else ''}"]
    return Table("HTTP", columns, rows)
