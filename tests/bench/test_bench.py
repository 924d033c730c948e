"""tools/bench as a whole: it measures every contender and leaves nothing behind, however it ends."""

import collections
import gzip
import json
import os
import shutil
import signal
import subprocess

import pytest

from benchmark import dockerd
from harness.host import BIN, REPOSITORY
from harness.wait import wait_until

BENCH = os.path.join(REPOSITORY, "tools", "bench")
STATISTICS = "/proc/sys/kernel/bpf_stats_enabled"


def environment(**changes):
    return {**os.environ, "CNET_BIN": BIN, **changes}


def bench(*words, **changes):
    return subprocess.run(
        [BENCH, *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment(**changes),
    )


def leftovers(pid):
    """Directories and processes of that run."""
    found = [name for name in os.listdir("/tmp") if name.startswith(f"cnet-bench-{pid}-")]
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0].startswith(BIN.encode()) and f"cnet-bench-{pid}-".encode() in b" ".join(words):
            found.append(b" ".join(words).decode())
    return found


def test_measures_ipv6(tmp_path):
    figures_file = tmp_path / "figures.json"
    names = ["same-host6", "published6", "uplink6", "overlay6"]
    done = bench(*names, "--rounds", "1", "--seconds", "0.05", "--json", str(figures_file))
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(figures_file.read_text())
    assert figures["errors"] == [] and set(figures["scenarios"]) == set(names)
    for modes in figures["scenarios"].values():
        assert set(modes) == {"rr", "crr", "stream"}
        assert all("cnet" in contenders and len(contenders) > 2 for contenders in modes.values())


def test_measures_every_contender(tmp_path):
    figures_file = tmp_path / "figures.json"
    page = tmp_path / "page.html"
    words = ["--quick", "--rounds", "1", "--seconds", "0.05", "--endpoints", "5"]
    words += ["--html", str(page), "--publish", str(tmp_path / "published")]
    done = bench(*words, "--json", str(figures_file))
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(figures_file.read_text())
    assert figures["errors"] == []
    assert set(figures["scenarios"]) == {"same-host", "published", "uplink", "overlay"}
    for modes in figures["scenarios"].values():
        assert set(modes) == {"rr", "crr", "stream", "streams"}
        for contenders in modes.values():
            assert "cnet" in contenders
            assert all(one["per_second"]["median"] > 0 for one in contenders.values())
    assert len(figures["aims"]) == 10
    assert "what we aim for" in done.stdout
    assert set(figures["studies"]) == {"udp", "http", "flows", "prog", "add", "control"}
    for study in figures["studies"].values():
        assert study["errors"] == []
        assert study["runs"] or "not installed" in study["notes"][0]
    assert page.read_text().count("<svg") > 20
    assert len(list((tmp_path / "published").glob("*.svg"))) > 20
    assert json.loads(gzip.decompress((tmp_path / "published" / "samples.json.gz").read_bytes())) == figures
    head = subprocess.run(["git", "-C", REPOSITORY, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode == 0:
        assert figures["machine"]["commit"][:12] == head.stdout[:12]


def test_measures_what_is_asked_for():
    words = ["--rounds", "1", "--seconds", "0.05", "--mode", "rr", "--skip", "cnet"]
    done = bench(*words, "uplink")
    assert done.returncode == 0, done.stderr
    assert "no programs, again" in done.stdout
    assert "crr" not in done.stdout
    assert "cnet-bpf  " not in done.stdout


def study(name, tmp_path, *words):
    """What a study wrote as JSON, nothing having failed."""
    figures = tmp_path / "figures.json"
    done = bench(name, "--rounds", "1", "--seconds", "0.05", "--json", str(figures), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(figures.read_text())["studies"][name]


def test_datagrams(tmp_path):
    figures = study("udp", tmp_path)
    streams = [run for run in figures["runs"] if "offered" not in run]
    assert all(run["ns_a_kib"] > 0 for run in streams)
    assert len(streams) == sum(len(table["rows"]) for table in figures["tables"]) // 2
    runs = [run for run in figures["runs"] if "offered" in run]
    rates = {run["offered"] for run in runs if run["contender"] == "cnet"}
    assert len(rates) == 6
    for run in runs:
        assert 0 < run["transactions"] <= run["sent"]
        assert run["sent"] - run["transactions"] == run["lost"]
    assert all(run["loss"] < 0.5 for run in runs if run["offered"] == min(rates))


def test_flows(tmp_path):
    runs = study("flows", tmp_path, "--quick")["runs"]
    assert {run["contender"] for run in runs} == {"routed", "iptables", "nftables", "cnet", "cnet-default"}
    for run in runs:
        assert run["begun"]["answered"] in (1000, 10000) and run["begun"]["lost"] == 0
        assert run["again"]["answered"] > 0


def test_churn(tmp_path):
    runs = study("churn", tmp_path, "--quick")["runs"]
    assert {run["contender"] for run in runs} == {"routed", "iptables", "nftables", "cnet", "cnet-large"}
    assert all(run["transactions"] == sum(run["by_second"]) > 0 for run in runs)


def test_flood(tmp_path):
    runs = study("flood", tmp_path, "--quick")["runs"]
    assert {run["contender"] for run in runs} == {"xdp-drop", "raw", "cnet", "cnet-xdp"}
    drops = [run for run in runs if "kind" in run]
    assert {run["kind"] for run in drops} == {"client", "new", "vxlan"}
    assert all(run["packets"] >= 4096 and run["per_second"] > 0 for run in drops)
    beside = {(run["beside"], run["offered"]) for run in runs if "offered" in run}
    assert beside == {(None, 0), ("client", 200_000), ("new", 200_000)}


@pytest.mark.skipif(not shutil.which("wrk"), reason="no wrk")
def test_http(tmp_path):
    runs = study("http", tmp_path)["runs"]
    assert {run["contender"] for run in runs} >= {"routed", "iptables", "iptables-legacy", "nftables", "cnet"}
    assert all(run["per_second"] > 0 and run["failed"] == 0 for run in runs)


def test_many_endpoints():
    large = ["bridge", "bridge-100", "cnet", "cnet-100"]
    words = [word for name in large for word in ("--skip", name)]
    done = bench("endpoints", "--rounds", "1", "--seconds", "0.05", "--mode", "rr", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cnet-bpf, 10 others" in done.stdout and "bridge, 10 others" in done.stdout


@pytest.mark.skipif(dockerd.missing() is not None, reason="no dockerd")
def test_dockerd(tmp_path):
    runs = study("docker", tmp_path)["runs"]
    verbs = {run["verb"] for run in runs if run["contender"] == "cnet"}
    assert verbs == {run["verb"] for run in runs if run["contender"] == "bridge"}
    assert {"connect", "disconnect", "start, 100 ports"} <= verbs


def test_control_plane(tmp_path):
    figures = study("control", tmp_path, "--endpoints", "20")
    times = collections.Counter(run["what"] for run in figures["runs"])
    assert times == {
        "endpoint create": 2,
        "endpoint delete": 1,
        "publish 10000 ports": 1,
        "unpublish 10000 ports": 1,
        "endpoint create, up to 20": 20,
        "start with 20 endpoints": 1,
    }
    assert all(run["milliseconds"] > 0 for run in figures["runs"])
    assert figures["resident_bytes"] > 1 << 20 and figures["map_bytes"] > 1 << 20


def test_many_ports():
    words = ["--rounds", "1", "--seconds", "0.05", "--mode", "rr", "--others", "150"]
    done = bench("ports", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cnet-bpf, beside 150" in done.stdout


def test_costs_of_programs(tmp_path, record_property):
    """The properties are what tools/test shows: nobody's limit, since time is the machine's."""
    with open(STATISTICS, encoding="ascii") as file:
        before = file.read()
    runs = study("prog", tmp_path, "--seconds", "0.1", "--mode", "rr")["runs"]
    for run in runs:
        record_property(f"program_ns:{run['scenario']} {run['mode']} {run['program']}", round(run["own_ns"]))
    assert {(run["scenario"], run["program"]) for run in runs} == {
        ("same-host", "cnet_endpoint"),
        ("published", "cnet_endpoint"),
        ("published", "cnet_uplink"),
        ("published", "cnet_uplink_egress"),
        ("uplink", "cnet_uplink"),
        ("uplink", "cnet_uplink_egress"),
        ("overlay", "cnet_endpoint"),
        ("overlay", "cnet_uplink"),
        ("overlay", "cnet_uplink_egress"),
        ("masquerade", "cnet_endpoint"),
        ("masquerade", "cnet_uplink"),
        ("masquerade", "cnet_uplink_egress"),
        ("from-host", "cnet_endpoint"),
        ("from-host", "cnet_hostport"),
        ("published-xdp", "cnet_endpoint"),
        ("published-xdp", "cnet_uplink"),
        ("published-xdp", "cnet_uplink_egress"),
        ("published-xdp", "cnet_uplink_xdp"),
        ("adopted", "cnet_bridgeport"),
        ("adopted-host", "cnet_bridge"),
        ("adopted-host", "cnet_bridgeport"),
    }
    for run in runs:
        per_transaction = 2 if run["scenario"] in ("same-host", "overlay", "adopted") else 1
        assert run["runs_per_transaction"] == pytest.approx(per_transaction, rel=0.1)
        assert run["instructions"] > 1000
    with open(STATISTICS, encoding="ascii") as file:
        assert file.read() == before


@pytest.mark.skipif(not os.path.exists("/usr/lib/cni/portmap"), reason="no reference CNI plugins")
def test_attachments(tmp_path):
    runs = study("add", tmp_path, "--rounds", "2", "--seconds", "0.2")["runs"]
    kinds = {(run["contender"], run["verb"]) for run in runs}
    assert kinds == {(who, verb) for who in ("cnet", "bridge") for verb in ("ADD", "DEL")}
    assert len(runs) == 2 * 4 * len(kinds)


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_leaves_nothing_behind(number, status):
    words = ["--rounds", "1", "--seconds", "60", "--mode", "rr", "uplink"]
    with subprocess.Popen(
        [BENCH, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        for line in process.stderr:
            if "round 1" in line:
                break
        assert leftovers(process.pid)
        process.send_signal(number)
        process.stderr.read()
        assert process.wait(timeout=60) == status
        # Nobody can remove the mount point's empty directory after SIGKILL.
        kept = 1 if number == signal.SIGKILL else 0
        wait_until(lambda: len(leftovers(process.pid)) == kept, what="the end of every process")
        for name in leftovers(process.pid):
            os.rmdir(os.path.join("/tmp", name))


@pytest.mark.parametrize(
    "words, changes, said",
    [
        ([], {"CNET_BIN": "/nonexistent"}, "run tools/build first"),
        (["nowhere"], {}, "no scenario nowhere"),
        (["--skip", "nobody"], {}, "no contender nobody"),
    ],
)
def test_says_what_is_wrong(words, changes, said):
    done = bench(*words, **changes)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
