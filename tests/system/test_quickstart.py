"""What a new user runs first."""

import contextlib
import glob
import os
import re
import subprocess

import pytest

from harness import docker as engine

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def demonstrate(*options):
    """Runs tools/quickstart to its end; nothing of it is left."""
    process = subprocess.Popen(
        ["tools/quickstart", *options], cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    try:
        said, _ = process.communicate(timeout=300)
    finally:
        if process.poll() is None:  # its trap removes what it has made
            process.terminate()
            process.wait(timeout=60)
    assert process.returncode == 0, said
    assert "All of it worked" in said and "cleaned up" in said, said
    assert left_by(process.pid) == []
    return said


def left_by(number):
    """Namespaces, directories, mounts, cgroups and processes of that run."""
    directory = f"/run/cnet-quickstart-{number}"
    cgroup = f"cnetq[ds]-{number}"  # in the one hierarchy, or in each
    where = (directory, f"/run/netns/cnetqs-{number}-*", f"/sys/fs/cgroup/{cgroup}", f"/sys/fs/cgroup/*/{cgroup}")
    left = [path for pattern in where for path in glob.glob(pattern)]
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        left += [line for line in file if f" {directory}/" in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            command = file.read()
            left += [f"{pid}: {command}"] if f"{directory}/" in command else []
    return left


def test_one_host():
    said = demonstrate()
    assert "no bridge, no iptables rule, no nftables rule" in said


def test_three_hosts():
    said = demonstrate("--hosts", "3")
    assert "with its container and its address" in said
    assert "is endpoint c1 of host h1 already" in said


@pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))
def test_docker():
    said = demonstrate("--docker")
    before, after, past = map(int, re.search(r"(\d+) before, (\d+) after; (\d+) frames went past", said).groups())
    assert before > 0 and after > 0 and past > after, "each request is at least a frame, for two seconds"
    assert "Docker's bridge does it again" in said
