"""Builds what the chosen suites need, runs them and sums up.

A suite is a list of commands that each leave a JUnit file (GoogleTest and pytest both can), or whose exit status is
one test's result. Everything they print goes to build/test-logs.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

from suite_list import SUITES, TOGETHER

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = "/usr/bin/python3"
BUILD = ROOT / os.environ.get("CNET_BUILD_DIR", "build")
LOGS = BUILD / "test-logs"
SHOWN_FAILURES = 10
SHOWN_LINES = 30
PROGRAM_NS = "program_ns:"  # a test's property of that name is shown in the end


class Interrupted(Exception):
    """Nothing is started any more."""


class Processes:
    """What builds and tests, each in a process group of its own, so that an end by Ctrl-C reaches all of it."""

    def __init__(self):
        self._lock = threading.Lock()  # no process starts while the others are being ended
        self._running = set()
        self._interrupted = False

    @contextlib.contextmanager
    def started(self, command, **options):
        with self._lock:
            if self._interrupted:
                raise Interrupted
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
            self._running.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._running.discard(process)

    def interrupt(self):
        with self._lock:
            self._interrupted = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)


@dataclasses.dataclass
class Case:
    name: str
    outcome: str  # "passed", "failed" or "skipped"
    detail: str = ""


def build_dir(variant):
    return BUILD if not variant else BUILD.with_name(f"{BUILD.name}-{variant}")


def build_options(variant):
    if variant.startswith("bpf-"):
        return ["--bpf-clang", variant.removeprefix("bpf-")]
    return {"": [], "asan": ["--sanitize"], "clang": ["--clang"], "fuzz": ["--fuzz"]}[variant]


class Builds:
    """Builds each variant with the targets of all suites that want it: one variant after the other, while
    suites of those that are done run. Suites mostly wait, and a niced build takes what they leave.
    """

    def __init__(self, suites, processes):
        self._processes = processes
        wanted = {}
        for suite in suites:
            if suite.kind != "lint":
                wanted.setdefault((suite.build, suite.built_later), set()).update(suite.targets)
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._built = {key: self._pool.submit(self._build, key[0], sorted(targets))
                       for key, targets in wanted.items()}

    def _build(self, variant, targets):
        with self._processes.started(["nice", ROOT / "tools/build", *build_options(variant), *targets]) as process:
            return process.wait() == 0

    def have(self, suite):
        """Waits for what the suite tests; False when it does not build."""
        return suite.kind == "lint" or self._built[suite.build, suite.built_later].result()

    def wait(self):
        concurrent.futures.wait(self._built.values())


def run(command, log, limit_s, env, processes):
    """Runs a command in a process group of its own; what outlives the limit is killed as a whole."""
    log.write(f"$ {' '.join(str(word) for word in command)}\n")
    log.flush()
    with processes.started(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=env) as process:
        try:
            return process.wait(timeout=limit_s), ""
        except subprocess.TimeoutExpired:
            # pytest and the tests clean up on SIGINT; SIGKILL is for what does not.
            for number in (signal.SIGINT, signal.SIGKILL):
                os.killpg(process.pid, number)
                try:
                    process.wait(timeout=30)
                    break
                except subprocess.TimeoutExpired:
                    continue
            return None, f"killed after {limit_s} s"


def junit_cases(path):
    cases = []
    for element in ElementTree.parse(path).iter("testcase"):
        name = f"{element.get('classname', '')}.{element.get('name', '')}"
        failure = element.find("failure")
        if failure is None:
            failure = element.find("error")
        skipped = element.find("skipped")
        if failure is not None:
            detail = failure.text or failure.get("message") or ""
            cases.append(Case(name, "failed", detail))
        elif skipped is not None:
            cases.append(Case(name, "skipped", skipped.get("message") or skipped.text or ""))
        elif element.get("status") == "notrun":
            cases.append(Case(name, "skipped", "disabled"))
        else:
            cases.append(Case(name, "passed"))
    return cases


def result_of(name, status, note, xml, log_path):
    """One command's cases. A non-zero exit without a failed case is a failure too: a crash, a leak at exit."""
    cases = []
    if xml.exists():
        try:
            cases = junit_cases(xml)
        except ElementTree.ParseError as error:
            note = note or f"unreadable result file: {error}"
    failed = any(case.outcome == "failed" for case in cases)
    if note or (status != 0 and not failed):
        cases.append(Case(name, "failed", f"{note or f'exit status {status}'}\n{tail(log_path)}"))
    elif not cases:
        cases.append(Case(name, "passed"))
    return cases


def tail(path):
    return "\n".join(path.read_text(errors="replace").splitlines()[-SHOWN_LINES:])


def environment(suite):
    env = {**os.environ, **suite.env}
    env["CNET_BIN"] = str(build_dir(suite.build) / "bin")
    if suite.build == "asan":
        env["CNET_ASAN"] = "1"
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


def ctest_commands(suite):
    found = subprocess.run(["ctest", "--test-dir", build_dir(suite.build), "--show-only=json-v1"],
                           stdout=subprocess.PIPE, check=True)
    for test in json.loads(found.stdout)["tests"]:
        left_out = test["name"].startswith(suite.without)
        if test["name"].startswith(suite.select) and not left_out and "command" in test:
            yield test["name"], test["command"]


def share_of_netns(number, count):
    """Every count-th file from the number-th on: those of one kind, which take alike, are neighbours by name."""
    files = sorted((ROOT / "tests/netns").rglob("test_*.py"))
    return [path.relative_to(ROOT) for path in files[number - 1::count]]


def commands(suite, xml_of):
    """(test's name, command, its JUnit file)"""
    if suite.kind == "lint":
        for path in sorted((ROOT / "tools/lint").iterdir()):
            if path.is_file() and os.access(path, os.X_OK):
                yield path.name, [path], xml_of(path.name)
    elif suite.kind == "pytest":
        if (ROOT / suite.select).exists():
            xml = xml_of("pytest")
            left_out = [f"--ignore={path}" for path in suite.without]
            yield suite.name, [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-ra", "-v", *left_out,
                               "-o", "junit_family=xunit1", f"--junitxml={xml}", suite.select], xml
    elif suite.kind == "vm":
        for kernel in suite.select.split():
            xml = xml_of(f"linux-{kernel}")
            words = ["--long", *share_of_netns(*suite.share)] if suite.share else []
            yield f"linux-{kernel}", [PYTHON, ROOT / "tools/lib/vm", "--kernel", kernel, "--junit", xml, *words], xml
    else:
        valgrind = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full"]
        for name, command in ctest_commands(suite):
            xml = xml_of(name)
            prefix = valgrind if suite.valgrind else []
            yield name, [*prefix, *command], xml


def program_times(xml):
    """(work and program, nanoseconds a run) that a test has measured."""
    with contextlib.suppress(ElementTree.ParseError):
        for element in ElementTree.parse(xml).iter("property"):
            if element.get("name").startswith(PROGRAM_NS):
                yield element.get("name").removeprefix(PROGRAM_NS), element.get("value")


def show_program_times(suites):
    """Reported, and nothing more: what is gated is the verifier's instructions."""
    times = [time for suite in suites for xml in sorted((LOGS / suite.name).glob("*.xml")) for time in program_times(xml)]
    if times:
        print("\nnanoseconds that BPF programs took a run, beside whatever else ran")
    for what, nanoseconds in times:
        print(f"{what:40}{nanoseconds:>6}")


def run_suite(suite, processes):
    print(f"== {suite.name}: {suite.what}", flush=True)
    log_path = LOGS / f"{suite.name}.log"
    xml_dir = LOGS / suite.name
    shutil.rmtree(xml_dir, ignore_errors=True)
    xml_dir.mkdir(parents=True)
    cases = []
    with open(log_path, "w") as log:
        for name, command, xml in commands(suite, lambda name: xml_dir / f"{name}.xml"):
            # Not by an argument: some tests are not GoogleTest's.
            env = {**environment(suite), "GTEST_OUTPUT": f"xml:{xml}"}
            status, note = run(command, log, suite.limit_s, env, processes)
            cases += result_of(name, status, note, xml, log_path)
    return cases or [Case(suite.name, "failed", "the suite ran no test")]


def counts(cases):
    outcomes = [case.outcome for case in cases]
    return ", ".join(f"{outcomes.count(kind)} {kind}" for kind in ("passed", "failed", "skipped"))


def show(suite, cases, seconds):
    print(f"{suite.name:17} {counts(cases)}, {seconds:.0f} s", flush=True)
    for case in cases:
        if case.outcome == "skipped":
            print(f"    skipped {case.name}: {' '.join(case.detail.split())}")
    failed = [case for case in cases if case.outcome == "failed"]
    for case in failed[:SHOWN_FAILURES]:
        print(f"    FAILED {case.name}")
        for line in case.detail.splitlines()[-SHOWN_LINES:]:
            print(f"        {line}")
    if failed:
        print(f"    whole log: {os.path.relpath(LOGS / suite.name, ROOT)}.log", flush=True)


def choose(names, long):
    known = {suite.name: suite for suite in SUITES}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"test: no suite {', '.join(unknown)}; there are: {', '.join(known)}")
    if names:
        return [known[name] for name in names]
    return [suite for suite in SUITES if long or not suite.long_only]


def run_timed(suite, builds, processes):
    """(suite, its cases, seconds)"""
    if not builds.have(suite):
        return suite, [Case(suite.name, "failed", "what it tests does not build")], 0
    began = time.monotonic()
    cases = run_suite(suite, processes)
    return suite, cases, time.monotonic() - began


def run_together(suites, at_a_time, builds, processes):
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        try:
            if at_a_time < TOGETHER:
                builds.wait()
            running = [pool.submit(run_timed, suite, builds, processes) for suite in suites]
            for done in concurrent.futures.as_completed(running):
                show(*done.result())
        except BaseException:
            processes.interrupt()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [done.result() for done in running]


def run_all(suites):
    """Most suites wait most of the time, so they run in threes; beside the others no build runs either."""
    processes = Processes()
    builds = Builds(suites, processes)
    return [result for at_a_time, some in itertools.groupby(suites, lambda suite: suite.at_a_time)
            for result in run_together(some, at_a_time, builds, processes)]


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description="Runs the tests.")
    parser.add_argument("--long", action="store_true", help="the slow suites too")
    parser.add_argument("--list", action="store_true", help="list the suites and stop")
    parser.add_argument("suite", nargs="*", help="only these suites")
    args = parser.parse_args()
    if args.list:
        for suite in SUITES:
            print(f"{suite.name:17} {suite.what}{' (--long)' if suite.long_only else ''}")
        return 0

    # Whoever limits the time ends this by SIGTERM: nothing of it may go on, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    suites = choose(args.suite, args.long)
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        results = run_all(suites)
    except KeyboardInterrupt:
        print("test: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT

    show_program_times([suite for suite, _, seconds in results if seconds])
    print("\n== summary")
    for suite, cases, seconds in results:
        print(f"{suite.name:17} {counts(cases)}, {seconds:.0f} s")
    print(f"took {(time.monotonic() - started) / 60:.1f} min; logs in {os.path.relpath(LOGS, ROOT)}/")
    everything = [case for _, cases, _ in results for case in cases]
    print(counts(everything))
    return 1 if any(case.outcome == "failed" for case in everything) else 0


if __name__ == "__main__":
    sys.exit(main())
