"""Boots kernels and runs marked tests inside; see tools/vmtest --help."""

import argparse
import contextlib
import fcntl
import os
import pathlib
import platform
import shlex
import shutil
import sys
import time

import kernel as kernels
import machine
import report

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / os.environ.get("CNET_BUILD_DIR", "build")
SERIES = ("6.1", "6.12")
# Comes first: when the programs do not load nothing else is worth its time.
KERNELS = ROOT / "tests/netns/test_kernels.py"
MARK = "pytest.mark.vm"
LIMIT_S, LONG_LIMIT_S = 600, 21600
# What a kernel should take; how long it may take on a busy machine is the limit above.
AIM_S = 180

EPILOG = """Kernels are Debian's, downloaded by apt, unpacked below build/vm/kernels and not installed; one that apt's
sources do not offer is skipped. The guest's root file system is this machine's, read-only. Without KVM a kernel takes
one to three minutes. Results are in build/vm/KERNEL/: console.log, dmesg, pytest.xml."""


def marked_files():
    """Not the directory: to import the others takes a guest as long as a test."""
    files = [path for path in sorted((ROOT / "tests/netns").glob("test_*.py")) if MARK in path.read_text()]
    return [str(path.relative_to(ROOT)) for path in sorted(files, key=lambda path: path != KERNELS)]


def guest_command(series, args):
    chosen = [] if args.long or args.tests else ["-m", "vm"]
    paths = args.tests or (["tests/netns"] if args.long else marked_files())
    limit = (LONG_LIMIT_S if args.long else LIMIT_S) - 60
    words = ["timeout", "--signal=INT", "--kill-after=30", str(limit), "/usr/bin/python3", "-m", "pytest",
             "-p", "no:cacheprovider", "-o", "junit_family=xunit1", "-ra", "-v",
             "--tb=short", "--durations=0", *([] if args.long else ["--maxfail=3"]), *chosen,
             "--junitxml=/run/vmtest/pytest.xml", f"--junit-prefix=linux-{series}", *paths]
    binaries = os.environ.get("CNET_BIN", str(BUILD / "bin"))
    return (f"cd {shlex.quote(str(ROOT))} || exit\n"
            f"export PYTHONDONTWRITEBYTECODE=1 CNET_EMULATED=1 CNET_BIN={shlex.quote(binaries)}\n"
            f"{shlex.join(words)}\n")


@contextlib.contextmanager
def alone_with(series):
    """Its directory is one guest's at a time; another waits."""
    (BUILD / "vm").mkdir(parents=True, exist_ok=True)
    with open(BUILD / "vm" / f"{series}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"vmtest: {series}: waiting for the end of another run", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_kernel(series, args):
    """One kernel's report."""
    began = time.monotonic()
    shared = BUILD / "vm" / series
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir(parents=True)
    try:
        kernel = kernels.obtain(series, BUILD / "vm" / "kernels")
    except kernels.Unavailable as reason:
        return report.Report(series).skip(str(reason))
    print(f"vmtest: {series}: booting Linux {kernel.release}", flush=True)
    result = report.Report(series)
    try:
        status = machine.run(kernel, guest_command(series, args), shared, LONG_LIMIT_S if args.long else LIMIT_S,
                             lambda line: print(line, flush=True))
        result.take(shared / "pytest.xml", status)
    except machine.Broken as failure:
        result.fail("boot", str(failure))
    result.seconds = time.monotonic() - began
    result.passed("boot")
    return result


def impossible():
    """Why no guest can run here, or None."""
    if platform.machine() != "x86_64":
        return f"the guests are x86-64 and this machine is {platform.machine()}"
    missing = machine.missing()
    return f"not installed: {', '.join(missing)} (tools/setup installs them)" if missing else None


def main():
    parser = argparse.ArgumentParser(
        prog="tools/vmtest", epilog=EPILOG,
        description="Boots other kernels under QEMU; in each every BPF program has to load and to be attached, and"
                    " the tests marked `vm` have to pass.")
    parser.add_argument("--kernel", action="append", choices=SERIES, help="only this one; may be repeated")
    parser.add_argument("--long", action="store_true", help="all of tests/netns; takes a good while")
    parser.add_argument("--junit", metavar="FILE", help="write the results there too")
    parser.add_argument("tests", nargs="*", metavar="TEST",
                        help="pytest paths to run in place of the marked tests (tests/netns/test_nat.py)")
    args = parser.parse_args()

    os.environ["PATH"] += ":/usr/sbin:/sbin"  # depmod and modprobe, for who has no login shell's
    reason = impossible()
    reports = []
    for series in args.kernel or SERIES:
        with alone_with(series):
            one = report.Report(series).skip(reason) if reason else run_kernel(series, args)
        reports.append(one)
        one.show()
        if one.seconds > AIM_S and not args.long:
            print(f"vmtest: {series}: that was more than the {AIM_S} s it should take")
    report.show_verifier(reports)
    if args.junit:
        report.write(args.junit, reports)
    return 1 if any(one.failed for one in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
