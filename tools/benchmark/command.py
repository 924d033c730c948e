"""The command line of tools/bench."""

import argparse
import json
import os
import pathlib
import signal
import sys

from . import attach, control, machine, programs, report
from .lab import BenchError, Lab
from .measure import Measurement
from .report_html import as_html
from .scenarios import MODES, US, scenarios
from .work import Worker

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
QUICK = {"rounds": 9, "seconds": 0.15}
DEFAULT = {"rounds": 15, "seconds": 1.0}
HIGHEST_PRIORITY = -20

PROGRAMS = ("empty", "redirect", "redirect_out", "vxlan_in", "vxlan_out")


def bin_dir():
    return pathlib.Path(
        os.environ.get("CNET_BIN") or ROOT / os.environ.get("CNET_BUILD_DIR", "build") / "bin"
    ).resolve()


def make_parser():
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures the same work on several data paths, side by side.",
        epilog="tools/bench prog: nanoseconds a packet of each BPF program.\n"
        "tools/bench add: how long a container waits for its network, by CNI.\n"
        "tools/bench control: endpoints and ports made, a daemon started, memory.\n"
        "tools/bench --list: the scenarios and their contenders.\n"
        "docs/bench.md explains the figures.",
    )
    parser.add_argument(
        "scenario",
        nargs="*",
        help="only these; `prog` for the cost of each BPF program, `add` for CNI, `control` for cnetd",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK['rounds']} rounds of {QUICK['seconds']} s: under a minute",
    )
    parser.add_argument(
        "--full", action="store_true", help="what to publish: every scenario, those of minutes too"
    )
    parser.add_argument("--rounds", type=int, help=f"how many (default {DEFAULT['rounds']})")
    parser.add_argument("--seconds", type=float, help=f"of each run (default {DEFAULT['seconds']:g})")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this work")
    parser.add_argument(
        "--skip", action="append", default=[], metavar="CONTENDER", help="leave this one out"
    )
    parser.add_argument(
        "--others",
        type=int,
        default=0,
        metavar="N",
        help="publish N more ports beside the measured one",
    )
    parser.add_argument(
        "--endpoints", type=int, default=1000, metavar="N", help="of `control` (default %(default)s)"
    )
    parser.add_argument("--cpu", type=int, help="run on this CPU (default: the last one)")
    parser.add_argument(
        "--nice",
        type=int,
        default=HIGHEST_PRIORITY,
        help="priority of client and server (default %(default)s: above what else runs)",
    )
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="FILE", help="write every figure there too"
    )
    parser.add_argument(
        "--html", type=pathlib.Path, metavar="FILE", help="write a page with plots there too"
    )
    parser.add_argument(
        "--list", action="store_true", help="list scenarios and contenders, and stop"
    )
    return parser


def parse(arguments):
    parser = make_parser()
    options = parser.parse_args(arguments)
    preset = QUICK if options.quick else DEFAULT
    options.rounds = options.rounds or preset["rounds"]
    options.seconds = options.seconds or preset["seconds"]
    options.modes = options.mode or list(MODES)
    allowed = sorted(os.sched_getaffinity(0))
    options.cpu = allowed[-1] if options.cpu is None else options.cpu
    if options.cpu not in allowed:
        parser.error(f"CPU {options.cpu} is not one of {allowed}")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("at least one round of more than 0 seconds")
    return options


def choose(everything, names, skipped, full=False):
    known = {scenario.name: scenario for scenario in everything}
    contenders = {contender.name for scenario in everything for contender in scenario.contenders}
    for kind, wanted, there in (("scenario", names, known), ("contender", skipped, contenders)):
        unknown = sorted(set(wanted) - set(there))
        if unknown:
            raise BenchError(
                f"no {kind} {', '.join(unknown)}; there are: {', '.join(sorted(there))}"
            )
    chosen = [
        scenario.without(skipped)
        for scenario in everything
        if scenario.name in names or (not names and (full or not scenario.only_by_name))
    ]
    return [scenario for scenario in chosen if scenario.contenders]


def need(directory, *names):
    for name in names:
        if not (directory / name).is_file():
            raise BenchError(f"{directory / name} is missing: run tools/build first")


def say(text):
    end = "\r\033[K" if sys.stderr.isatty() else "\n"
    print(f"bench: {text}", end=end, file=sys.stderr, flush=True)


def compare(options, cnet, chosen):
    worker = Worker(bin_dir() / "cnet-bench-worker", options.cpu, options.nice)
    measurement = Measurement(chosen, options.modes)
    with Lab() as lab:
        measurement.build(lab, say)
        description, stolen = machine.describe(), machine.Stolen(options.cpu)
        daemon_before = cnet.cpu_seconds() if cnet.running else 0.0
        measurement.run(worker, options.rounds, options.seconds, say)
        notes = [*report.noise_notes(measurement), *report.retransmit_notes(measurement)]
        if cnet.running:
            notes.append(
                f"cnetd used {cnet.cpu_seconds() - daemon_before:.2f} s of CPU time meanwhile"
            )
        notes.append(f"the hypervisor took {stolen.share():.1%} of CPU {options.cpu}")
    settings = {
        name: getattr(options, name)
        for name in ("rounds", "seconds", "cpu", "nice", "modes", "others")
    }
    print(report.as_text(measurement, description, settings, notes), end="")
    if options.html:
        page = as_html(measurement, description, settings, notes)
        options.html.write_text(page, encoding="utf-8")
    if options.json:
        figures = report.as_json(measurement, description, settings, notes)
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if measurement.errors else 0


def run(arguments):
    options = parse(arguments)
    cnet, everything = scenarios(bin_dir(), options.others)
    if options.list:
        for scenario in everything:
            names = ", ".join(one.name for one in scenario.contenders)
            print(f"{scenario.name:12} {scenario.title}: {names}")
        return 0
    if os.geteuid() != 0:
        raise BenchError("run this as root: it makes network namespaces and loads BPF programs")
    need(bin_dir(), "cnet-bench-worker", *(f"bench_{name}.bpf.o" for name in PROGRAMS))
    if US not in options.skip:
        need(bin_dir(), "cnetd", "cnet-bpf")
    if options.scenario == ["control"]:
        return control.run(options, bin_dir(), say)
    if options.scenario == ["add"]:
        need(bin_dir(), "cnet-cni")
        return attach.run(options, bin_dir(), say)
    if options.scenario[:1] == ["prog"]:
        chosen = choose(everything, options.scenario[1:], [])
        return programs.run(options, chosen, bin_dir(), say)
    chosen = choose(everything, options.scenario, options.skip, options.full)
    return compare(options, cnet, chosen)


def interrupted(number, _):
    raise SystemExit(128 + number)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupted)
    try:
        sys.exit(run(sys.argv[1:]))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
