"""The command line of tools/bench."""

import argparse
import json
import os
import pathlib
import signal
import sys

from . import attach, churn, control, docker_times, flood, http_load, machine, many_flows, programs, report, study, udp
from .lab import BenchError, Lab
from .measure import Measurement
from .publish import publish
from .report_html import as_html
from .scenarios import MODES, US, scenarios
from .work import Worker

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
QUICK = {"rounds": 3, "seconds": 0.12, "endpoints": 100}
DEFAULT = {"rounds": 9, "seconds": 0.5, "endpoints": 1000}
HIGHEST_PRIORITY = -20

PROGRAMS = (
    "empty", "redirect", "redirect_out", "nat_in", "nat_out", "vxlan_in", "vxlan_out", "vxlan_neigh_out", "flow_vxlan_out",
    "xdp_drop", "xdp_pass", "sockmap",
)

STUDIES = {
    "udp": udp,
    "http": http_load,
    "flows": many_flows,
    "churn": churn,
    "flood": flood,
    "prog": programs,
    "add": attach,
    "control": control,
    "docker": docker_times,
}
# What says nothing without us, and what takes minutes.
OF_OURS, ONLY_BY_NAME = ("prog", "control", "docker"), ("churn", "flood", "docker")


def bin_dir():
    return pathlib.Path(
        os.environ.get("CNET_BIN") or ROOT / os.environ.get("CNET_BUILD_DIR", "build") / "bin"
    ).resolve()


def add_outputs(parser):
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="FILE", help="write every sample there too"
    )
    parser.add_argument(
        "--html", type=pathlib.Path, metavar="FILE", help="write a page with plots there too"
    )
    parser.add_argument(
        "--publish",
        type=pathlib.Path,
        metavar="DIR",
        help="write tables in Markdown, plots and every sample there too, and the aims into DIR.md and ../README.md of it",
    )


def make_parser():
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures the same work on several data paths, side by side.",
        epilog="studies:\n"
        + "".join(f"  {name:9}{one.TITLE}\n" for name, one in STUDIES.items())
        + "tools/bench --list: the scenarios and their contenders.\n"
        "docs/bench.md explains the figures.",
    )
    parser.add_argument(
        "scenario", nargs="*", help="only these; scenarios and studies (default: all that take no minutes)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK['rounds']} rounds of {QUICK['seconds']} s: under three minutes",
    )
    parser.add_argument(
        "--full", action="store_true", help="what to publish: those of minutes too, 40 of them"
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
        "--endpoints",
        type=int,
        metavar="N",
        help=f"of `control` (default {DEFAULT['endpoints']})",
    )
    parser.add_argument("--cpu", type=int, help="run on this CPU (default: the last one)")
    parser.add_argument(
        "--nice",
        type=int,
        default=HIGHEST_PRIORITY,
        help="priority of client and server (default %(default)s: above what else runs)",
    )
    add_outputs(parser)
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
    options.endpoints = options.endpoints or preset["endpoints"]
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
    """The measurement and what to note about it."""
    worker = Worker(bin_dir() / "cnet-bench-worker", options.cpu, options.nice)
    measurement = Measurement(chosen, options.modes)
    with Lab() as lab:
        measurement.build(lab, say)
        stolen = machine.Stolen(options.cpu)
        daemon_before = cnet.cpu_seconds() if cnet.running else 0.0
        measurement.run(worker, options.rounds, options.seconds, say)
        notes = [*report.noise_notes(measurement), *report.retransmit_notes(measurement)]
        if cnet.running:
            notes.append(
                f"cnetd used {cnet.cpu_seconds() - daemon_before:.2f} s of CPU time meanwhile"
            )
        notes.append(f"the hypervisor took {stolen.share():.1%} of CPU {options.cpu}")
    return measurement, notes


def run_studies(options, names, where):
    """(study, result) of each; one that cannot be measured has an error in place of tables."""
    for name in names:
        say(f"study {name}: {STUDIES[name].TITLE}")
        # Contenders are built once: each study has its own.
        _, everything = scenarios(bin_dir(), options.others)
        chosen = choose(everything, where, options.skip)
        try:
            yield STUDIES[name], STUDIES[name].run(options, chosen, bin_dir(), say)
        except BenchError as error:
            yield STUDIES[name], study.Result([], [], errors=[str(error)])


def write(options, description, measurement, notes, studies):
    """Everything that was asked for."""
    settings = {
        name: getattr(options, name)
        for name in ("rounds", "seconds", "cpu", "nice", "modes", "others")
    }
    told = (measurement, description, settings, notes)
    if measurement:
        print(report.as_text(*told), end="")
    for one, result in studies:
        print("\n" + study.as_text(one.TITLE, result), end="")
    if options.html:
        options.html.write_text(as_html(*told, studies), encoding="utf-8")
    figures = report.as_json(*told) if measurement else {"machine": description, "settings": settings}
    names = {one: name for name, one in STUDIES.items()}
    figures["studies"] = {names[one]: result.as_json() for one, result in studies}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.publish:
        publish(options.publish, *told, studies, figures)


def list_all(everything):
    for scenario in everything:
        names = ", ".join(one.name for one in scenario.contenders)
        print(f"{scenario.name:12} {scenario.title}: {names}")
    for name, one in STUDIES.items():
        print(f"{name:12} {one.TITLE}")


def check_programs(options):
    if os.geteuid() != 0:
        raise BenchError("run this as root: it makes network namespaces and loads BPF programs")
    need(bin_dir(), "cnet-bench-worker", "cnet-bench-flood", *(f"bench_{name}.bpf.o" for name in PROGRAMS))
    if US not in options.skip:
        need(bin_dir(), "cnetd", "cnet-bpf", "cnet-cni")


def run(arguments):
    options = parse(arguments)
    cnet, everything = scenarios(bin_dir(), options.others)
    if options.list:
        list_all(everything)
        return 0
    check_programs(options)
    names = [name for name in options.scenario if name in STUDIES]
    where = [name for name in options.scenario if name not in STUDIES]
    chosen = choose(everything, where, options.skip, options.full)
    description = machine.describe(ROOT)
    measurement, notes = None, []
    if not names:
        measurement, notes = compare(options, cnet, chosen)
    if not options.scenario:
        names = [name for name in STUDIES if options.full or name not in ONLY_BY_NAME]
        if US in options.skip:
            names = [name for name in names if name not in OF_OURS]
    studies = []
    try:
        for found in run_studies(options, names, where):
            studies.append(found)
    finally:
        # What took half an hour is worth having, however it ends.
        write(options, description, measurement, notes, studies)
    failed = (measurement and measurement.errors) or any(result.errors for _, result in studies)
    return 1 if failed else 0


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
