"""The benchmark's own use of BPF: load a small program, attach it, count its runs."""

import contextlib
import ctypes
import json
import os
import platform
import struct

from .lab import BenchError

SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_OBJ_GET, BPF_LINK_CREATE, BPF_ENABLE_STATS = 7, 28, 32
BPF_STATS_RUN_TIME = 0
BPF_TCX_INGRESS = 46

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes, attempted):
    """bpf(2); the descriptor that it answers."""
    number = SYS_BPF.get(platform.machine())
    if number is None:
        raise BenchError(f"the number of bpf(2) on {platform.machine()} is not known here")
    fd = _libc.syscall(number, command, attributes, len(attributes))
    if fd < 0:
        raise BenchError(f"{attempted}: {os.strerror(ctypes.get_errno())}")
    return fd


@contextlib.contextmanager
def statistics_on():
    """Like sysctl kernel.bpf_stats_enabled, but ended by the kernel with this process."""
    fd = _bpf(BPF_ENABLE_STATS, struct.pack("=I", BPF_STATS_RUN_TIME), "BPF_ENABLE_STATS")
    try:
        yield
    finally:
        os.close(fd)


class Program:
    """A tc program from an object file, for as long as the lab lasts."""

    def __init__(self, lab, namespace, object_file):
        self._namespace = namespace
        directory = lab.bpf_directory()
        # Several contenders may load the same file.
        pin = directory / f"{len(list(directory.iterdir()))}_{object_file.name.replace('.', '_')}"
        namespace.run("bpftool", "prog", "load", object_file, pin, "type", "classifier")
        self._pin = ctypes.create_string_buffer(bytes(pin))
        where = struct.pack("=QII", ctypes.addressof(self._pin), 0, 0)
        self._fd = _bpf(BPF_OBJ_GET, where, f"open {pin}")
        self._path = pin

    def attach(self, namespace, device):
        """At the ingress of a device, until this process ends."""
        with namespace.entered():
            index = _libc.if_nametoindex(device.encode())
            wanted = struct.pack("=IIII", self._fd, index, BPF_TCX_INGRESS, 0)
            _bpf(BPF_LINK_CREATE, wanted, f"attach a program to {device} by tcx")

    def statistics(self):
        """(runs, nanoseconds)"""
        shown = json.loads(
            self._namespace.run("bpftool", "-j", "prog", "show", "pinned", self._path)
        )
        return shown.get("run_cnt", 0), shown.get("run_time_ns", 0)
