"""What the figures depend on: kernel, processor, and what the hypervisor took meanwhile."""

import contextlib
import os
import pathlib
import platform
import subprocess
import time


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def is_virtual():
    return " hypervisor" in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")


def commit(tree):
    """What is checked out there, and whether it was changed since; empty where git does not say."""
    asked = ["git", "-C", str(tree), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=, changed"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe(tree):
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "virtual": is_virtual(),
        "load": round(os.getloadavg()[0], 2),
        "commit": commit(tree),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def cpu_times(cpu):
    """Ticks: user, nice, system, idle, waiting for a disk, interrupts, softirqs, stolen."""
    for line in pathlib.Path("/proc/stat").read_text(encoding="ascii").splitlines():
        if line.startswith(f"cpu{cpu} "):
            return [int(field) for field in line.split()[1:9]]
    raise ValueError(f"no CPU {cpu} in /proc/stat")


class Stolen:
    """The share of a CPU's time that the hypervisor gave to others since this was made."""

    def __init__(self, cpu):
        self._cpu = cpu
        self._before = self._read()

    def _read(self):
        fields = cpu_times(self._cpu)
        return fields[7], sum(fields)

    def share(self):
        stolen, total = (now - before for now, before in zip(self._read(), self._before))
        return stolen / total if total else 0.0


class Busy:
    """The share of a CPU's time that it has worked since this was made, whoever for. Its idle time is exact to a tick of 10 ms."""

    def __init__(self, cpu):
        self._cpu = cpu
        self._start, self._idle = time.monotonic(), self._read()

    def _read(self):
        fields = cpu_times(self._cpu)
        return (fields[3] + fields[4] + fields[7]) / os.sysconf("SC_CLK_TCK")

    def share(self):
        took = time.monotonic() - self._start
        return min(1.0, max(0.0, 1 - (self._read() - self._idle) / took))


@contextlib.contextmanager
def priority(nice):
    """Of this process and those that it starts: what is measured is how long they take, not who else has the CPU."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)
