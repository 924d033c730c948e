"""A place of its own for everything that a measurement makes.

The driver moves into a private mount namespace and keeps its network namespaces, and cnetd's
root directory, on a tmpfs that only it sees; its children die with it. So whatever way it ends,
Ctrl-C and SIGKILL included, the kernel takes it all down, and nothing outside ever sees a name.
"""

import contextlib
import ctypes
import errno
import os
import pathlib
import signal
import subprocess
import tempfile
import time

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """What stops a measurement, in one sentence."""


def _check(result, attempted):
    if result != 0:
        raise BenchError(f"{attempted}: {os.strerror(ctypes.get_errno())}")


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def poll(condition, seconds, what):
    """Waits until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise BenchError(f"{what} did not come within {seconds} s")
        time.sleep(0.005)
    return value


class Namespace:
    """A network namespace of a lab, with lo up. `path` is a file that others can enter it by."""

    def __init__(self, path):
        self.name, self.path = path.name, path
        self.cgroup = None  # of what is started inside; else this process's
        path.touch()
        with self._back_home():
            _check(_libc.unshare(CLONE_NEWNET), "unshare a network namespace")
            _check(
                _libc.mount(b"/proc/thread-self/ns/net", bytes(path), None, MS_BIND, None),
                f"mount {path}",
            )
        self.ip("link set lo up")

    @staticmethod
    @contextlib.contextmanager
    def _back_home():
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield
        finally:
            _check(_libc.setns(home, CLONE_NEWNET), "setns")
            os.close(home)

    @contextlib.contextmanager
    def entered(self):
        """Sockets made and commands started inside belong to the namespace."""
        with self._back_home():
            there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _check(_libc.setns(there, CLONE_NEWNET), "setns")
            finally:
                os.close(there)
            yield

    def _prepare_child(self):
        _die_with_parent()
        if self.cgroup:
            (self.cgroup / "cgroup.procs").write_text("0")

    def spawn(self, *argv, **options):
        """Starts a command inside; it dies with this process and does not see Ctrl-C."""
        with self.entered():
            return subprocess.Popen(
                [str(word) for word in argv],
                start_new_session=True,
                preexec_fn=self._prepare_child,
                **options,
            )

    def run(self, *argv, given=None):
        """Runs a command inside to its end and returns what it printed."""
        process = self.spawn(
            *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        out, err = process.communicate(given)
        if process.returncode != 0:
            said = " ".join((err or out).split())
            raise BenchError(
                f"{' '.join(map(str, argv))}: exit status {process.returncode}: {said}"
            )
        return out

    def ip(self, *lines):
        """Lines of ip(8) without the word `ip`."""
        self.run("ip", "-batch", "-", given="\n".join(lines) + "\n")

    def sysctl(self, key, value):
        with self.entered(), open(f"/proc/sys/{key}", "w", encoding="ascii") as file:
            file.write(str(value))

    def retransmits(self):
        """TCP segments sent again since the namespace was made."""
        with self.entered(), open("/proc/thread-self/net/snmp", encoding="ascii") as file:
            names, values = [line.split() for line in file if line.startswith("Tcp:")]
        return int(values[names.index("RetransSegs")])


class Lab:
    """Use as a context manager; makes namespaces, starts daemons, and ends all of them."""

    def __init__(self):
        self._exit = contextlib.ExitStack()
        self._serial = 0

    def __enter__(self):
        _check(_libc.unshare(CLONE_NEWNS), "unshare a mount namespace")
        _check(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")
        directory = tempfile.mkdtemp(prefix=f"cnet-bench-{os.getpid()}-")
        self._exit.callback(os.rmdir, directory)
        _check(
            _libc.mount(b"cnet-bench", directory.encode(), b"tmpfs", 0, None), f"mount {directory}"
        )
        self._exit.callback(
            lambda: _check(_libc.umount2(directory.encode(), 2), f"unmount {directory}")
        )
        self.directory = pathlib.Path(directory)
        (self.directory / "netns").mkdir()
        return self

    def __exit__(self, *exception):
        return self._exit.__exit__(*exception)

    def bpf_directory(self):
        """A bpffs of the lab's own."""
        directory = self.directory / "bpf"
        if not directory.exists():
            directory.mkdir()
            mounted = _libc.mount(b"bpf", bytes(directory), b"bpf", 0, None)
            _check(mounted, f"mount {directory}")
        return directory

    def cgroup(self, name):
        """A cgroup for what a contender runs, gone with the lab."""
        top = self.directory / "cgroup"
        if not top.exists():
            top.mkdir()
            _check(_libc.mount(b"cgroup2", bytes(top), b"cgroup2", 0, None), f"mount {top}")
        cgroup = top / f"cnet-bench-{os.getpid()}-{name}"
        cgroup.mkdir()
        self._exit.callback(poll, lambda: _removed(cgroup), 20, f"the end of what runs in {cgroup.name}")
        return cgroup

    def namespace(self, label):
        self._serial += 1
        return Namespace(self.directory / "netns" / f"{self._serial}-{label}")

    def daemon(self, namespace, *argv, log):
        """A long-running process, ended with the lab."""
        with open(log, "ab") as output:
            process = namespace.spawn(
                *argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        self._exit.callback(end, process)
        return process


def _removed(cgroup):
    """False while a process is in it."""
    try:
        cgroup.rmdir()
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def end(process):
    """SIGTERM, and SIGKILL for what does not heed it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def wire(left, left_device, left_address, right, right_device, right_address):
    """A veth pair between two namespaces; an address of None leaves that end without one."""
    left.ip(f"link add {left_device} type veth peer name {right_device} netns {right.path}")
    for namespace, device, address in (
        (left, left_device, left_address),
        (right, right_device, right_address),
    ):
        # Nobody waits for duplicates of an IPv6 address to be looked for.
        at_once = " nodad" if address and ":" in address else ""
        addresses = [f"addr add {address} dev {device}{at_once}"] if address else []
        namespace.ip(*addresses, f"link set {device} up")
