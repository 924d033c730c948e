"""A cgroup of this test run's own, for the programs that hosts attach to one: they see the sockets of
this process and its children, and of nobody else on the machine.

path() makes it and moves this process into it; both are undone when the run ends. All hosts of a run
share it, each acting only for its own network namespace. What a run that was killed left behind is
removed by the next one.
"""

import atexit
import contextlib
import errno
import os
import re

from .wait import wait_until

_made = None


def cgroup2():
    """Where cgroup2 is mounted; None when it is not."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return next((line.split()[1] for line in file if line.split()[2] == "cgroup2"), None)


def memory_controller():
    """Where groups with a limit of their own can be made, and the limit's file there; None where they cannot: cgroup2 as
    systemd leaves it, or the memory controller of cgroup v1.
    """
    if cgroup2():
        with open(os.path.join(cgroup2(), "cgroup.subtree_control"), encoding="ascii") as file:
            if "memory" in file.read().split():
                return cgroup2(), "memory.max"
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounted = [line.split() for line in file]
    return next(((where, "memory.limit_in_bytes") for _, where, kind, options, *_ in mounted
                 if kind == "cgroup" and "memory" in options.split(",")), None)


@contextlib.contextmanager
def memory_limit(pid, limit_bytes):
    """What the process takes from now on, in user space and for it in the kernel, is `limit_bytes` at most: what it has is
    not counted. Yields a function: has the kernel decided to end it?
    """
    parent, limit = memory_controller()
    directory = os.path.join(parent, f"cnt{os.getpid()}memory")
    os.mkdir(directory)
    try:
        with open(os.path.join(directory, limit), "w", encoding="ascii") as file:
            file.write(str(limit_bytes))
        _enter(directory, pid)
        yield lambda: _oom_kills(directory) > 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            _enter(parent, pid)
        wait_until(lambda: _remove_if_empty(directory), what="the end of what is in the group")


def _oom_kills(directory):
    """As cgroup2 says it, or v1."""
    path = os.path.join(directory, "memory.events")
    with open(path if os.path.exists(path) else os.path.join(directory, "memory.oom_control"), encoding="ascii") as file:
        return int(re.search(r"^oom_kill (\d+)$", file.read(), re.MULTILINE)[1])


def _remove_if_empty(directory):
    """False while a process is in it, were it on its way out."""
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _enter(directory, pid):
    with open(os.path.join(directory, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(str(pid))


def _current():
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("0::"))
    return os.path.join(cgroup2(), line.strip()[4:])


def path():
    """The directory, with this process in it; None where there is no cgroup2."""
    global _made
    if _made is None and cgroup2():
        home = _current()
        _made = os.path.join(cgroup2(), f"cnt{os.getpid()}")
        os.mkdir(_made)
        _enter(_made, os.getpid())
        atexit.register(_remove, _made, home)
    return _made


def _remove(top, home):
    """With what was made below it, by a test or by systemd-nspawn. Processes that outlive the run,
    which are mistakes of their own, do not keep it here.
    """
    for directory, _, _ in os.walk(top, topdown=False):
        with open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as file:
            pids = file.read().split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                _enter(home, pid)
        os.rmdir(directory)


def config():
    """The section of cnetd.toml that keeps a daemon away from the machine's processes."""
    return f'[sock]\ncgroup = "{path()}"\n' if path() else "[sock]\nenabled = false\n"


def remove_stale():
    """Deletes what test runs that no longer live have left behind."""
    for name in os.listdir(cgroup2()) if cgroup2() else []:
        match = re.fullmatch(r"cnt(\d+)", name)
        if match and not os.path.exists(f"/proc/{match.group(1)}"):
            # Another run may be at it as well, or it belongs to one in another PID namespace, where
            # its number means a process that lives: that one's processes keep it.
            with contextlib.suppress(FileNotFoundError), contextlib.suppress(OSError):
                _remove_empty(os.path.join(cgroup2(), name))


def _remove_empty(top):
    for directory, _, _ in os.walk(top, topdown=False):
        os.rmdir(directory)
