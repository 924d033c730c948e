"""What the figures depend on: kernel, processor, and what the hypervisor took meanwhile."""

import os
import pathlib
import platform
import time


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def is_virtual():
    return " hypervisor" in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")


def describe():
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "virtual": is_virtual(),
        "load": round(os.getloadavg()[0], 2),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


class Stolen:
    """The share of a CPU's time that the hypervisor gave to others since this was made."""

    def __init__(self, cpu):
        self._cpu = cpu
        self._before = self._read()

    def _read(self):
        for line in pathlib.Path("/proc/stat").read_text(encoding="ascii").splitlines():
            if line.startswith(f"cpu{self._cpu} "):
                fields = [int(field) for field in line.split()[1:9]]
                return fields[7], sum(fields)
        raise ValueError(f"no CPU {self._cpu} in /proc/stat")

    def share(self):
        stolen, total = (now - before for now, before in zip(self._read(), self._before))
        return stolen / total if total else 0.0
