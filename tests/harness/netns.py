"""Network namespaces, the wires between them and the processes inside.

A socket belongs for life to the namespace of the thread that made it, and a child process inherits
its parent thread's. So the test process itself steps into a namespace for the moment of making a
socket or starting a command (`with ns.entered():`) and everything else is ordinary Python. Nothing
here touches the machine's own namespace.

Names begin with cnt<pid of the test run>-; whatever a test forgets is removed when the run ends,
and what a run that was killed left behind is removed by the next one.
"""

import atexit
import contextlib
import ctypes
import itertools
import json
import os
import re
import signal
import subprocess

from .wait import wait_until

CLONE_NEWNET = 0x40000000
NETNS_DIR = "/run/netns"
PREFIX = f"cnt{os.getpid()}-"

_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count(1)
_namespaces = {}
_processes = set()


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns: " + os.strerror(ctypes.get_errno()))


class CommandFailed(AssertionError):
    """A command inside a namespace ended with a status other than 0."""


class Process:
    """A process that this test run started; close() ends it, by its pid, if it still runs."""

    def __init__(self, argv, **popen):
        self.argv = argv
        self._popen = subprocess.Popen(argv, **popen)
        self.pid = self._popen.pid
        self.stdout = self._popen.stdout
        _processes.add(self)

    def poll(self):
        return self._popen.poll()

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout=60):
        """The exit status; negative is the signal that ended it."""
        status = self._popen.wait(timeout)
        _processes.discard(self)
        return status

    def output(self, timeout=60):
        """Waits for the end and returns everything printed on stdout."""
        text, _ = self._popen.communicate(timeout=timeout)
        _processes.discard(self)
        return text

    def close(self):
        if self.poll() is None:
            self.signal(signal.SIGKILL)
        self.wait()
        if self.stdout:
            self.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Namespace:
    """A network namespace with lo up. Use as a context manager, or call close()."""

    def __init__(self, label):
        self.name = f"{PREFIX}{next(_serial)}-{label}"
        self.path = f"{NETNS_DIR}/{self.name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        _namespaces[self.name] = self
        self._owned = True
        self._prepare()

    @classmethod
    def existing(cls, path):
        """One that somebody else made and will delete."""
        self = cls.__new__(cls)
        self.name, self.path, self._owned = os.path.basename(path), path, False
        return self

    def _prepare(self):
        # No duplicate address detection, no router solicitations: addresses work at once and the
        # wires are quiet.
        for key in ("accept_dad", "router_solicitations"):
            self.sysctl(f"net/ipv6/conf/default/{key}", 0)
        self.run("ip", "link", "set", "lo", "up")

    @contextlib.contextmanager
    def entered(self):
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(there)
            finally:
                os.close(there)
            try:
                yield self
            finally:
                _setns(back)
        finally:
            os.close(back)

    def run(self, *argv, check=True, timeout=120, **options):
        """Runs a command inside to its end; the result has stdout, stderr and returncode."""
        with self.entered():
            done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **options)
        if check and done.returncode != 0:
            raise CommandFailed(
                f"{' '.join(argv)} in {self.name}: status {done.returncode}\n"
                f"{done.stdout}{done.stderr}"
            )
        return done

    def spawn(self, *argv, **options):
        """Starts a command inside; the caller closes it."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.STDOUT)
        options.setdefault("text", True)
        with self.entered():
            return Process(argv, stdin=subprocess.DEVNULL, **options)

    def ip(self, *lines):
        """Lines of ip(8) without the word `ip`, in one batch."""
        self.run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def sysctl(self, key, value):
        with self.entered(), open(f"/proc/sys/{key}", "w", encoding="ascii") as file:
            file.write(str(value))

    def links(self):
        """Device name to what `ip -j -d addr` says about it."""
        return {
            link["ifname"]: link
            for link in json.loads(self.run("ip", "-j", "-d", "addr").stdout or "[]")
            if link
        }

    def mac(self, device):
        return self.links()[device]["address"]

    def close(self):
        if self._owned and _namespaces.pop(self.name, None):
            subprocess.run(["ip", "netns", "del", self.name], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wire(left, left_device, left_address, right, right_device, right_address, mtu=1500):
    """A veth pair between two namespaces, both ends up and addressed ("198.18.0.1/24"; None: no
    address).
    """
    left.ip(
        f"link add {left_device} mtu {mtu} type veth"
        f" peer name {right_device} mtu {mtu} netns {right.name}"
    )
    for namespace, device, address in (
        (left, left_device, left_address),
        (right, right_device, right_address),
    ):
        lines = [f"addr add {address} dev {device}"] if address else []
        namespace.ip(*lines, f"link set {device} up")


def _is_stale(name):
    match = re.match(r"cnt(\d+)-", name)
    return bool(match) and not os.path.exists(f"/proc/{match.group(1)}")


def remove_stale_namespaces():
    """Deletes what test runs that no longer live have left behind."""
    names = os.listdir(NETNS_DIR) if os.path.isdir(NETNS_DIR) else []
    for name in filter(_is_stale, names):
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def namespace_is_gone(namespace):
    wait_until(lambda: not os.path.exists(namespace.path), what=f"removal of {namespace.name}")


@atexit.register
def _clean_up():
    for process in list(_processes):
        process.close()
    for namespace in list(_namespaces.values()):
        namespace.close()
