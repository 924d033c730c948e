"""The Debian package by apt, in a root of Debian 12 that has nothing but apt: what it depends on is in Debian's archive, is
enough to run, and goes with it.

The root comes from the archive that the machine's own apt is set to, by that one's way to it. Nothing is installed on the
machine, and what runs in the root has a network and a bpffs of its own, apt's downloads apart.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from machine import forget_nspawn, nspawn
from test_package import package  # noqa: F401

# What apt and dpkg keep of any package that ever was, and what they compute from those that are there.
KEPT = re.compile(r"/(var/(lib/(dpkg|apt|systemd)|cache|log)/|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|etc/ld\.so\.cache$|"
                  r"etc/(resolv\.conf|machine-id)$|(run|tmp|dev|proc|sys)/|etc/\.)")
DAEMON = """
cnetd >&2 &
daemon=$!
for _ in $(seq 600); do cnet-bpf status >/dev/null 2>&1 && break; sleep 0.1; done
cnet-bpf network create web --subnet 10.77.0.0/24 >&2
cnet-bpf -j network list
kill $daemon && wait $daemon
cnetd --release >&2
"""


class Root:
    """A fresh Debian 12."""

    def __init__(self, directory, archive):
        self.directory, self.name = directory / "root", f"cnta{os.getpid()}"
        self.bpffs = directory / "bpf"
        self.bpffs.mkdir()
        sites, suites = zip(*((line.split()[0], line) for line in archive))
        done = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", self.directory, sites[0]],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        apt = self.directory / "etc/apt"
        (apt / "sources.list").write_text("".join(f"deb {suite}\n" for suite in suites))
        ways = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
        (apt / "apt.conf.d/00test").write_text(ways)
        shutil.copy("/etc/resolv.conf", self.directory / "etc/resolv.conf")
        subprocess.run(["mount", "-t", "bpf", "bpf", self.bpffs], check=True)

    def attempt(self, *argv, network=False, timeout=600):
        apart = [] if network else ["--private-network"]
        return subprocess.run(
            nspawn(self.name, self.directory, self.bpffs, *apart, "--as-pid2", "--pipe", "--resolv-conf=off",
                   "--setenv=DEBIAN_FRONTEND=noninteractive", "--", *argv),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)

    def run(self, *argv, **options):
        done = self.attempt(*argv, **options)
        assert done.returncode == 0, f"{' '.join(argv)}: status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def packages(self):
        return set(self.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n").splitlines())

    def files(self):
        found = {f"/{path.relative_to(self.directory)}" for path in self.directory.rglob("*")
                 if path.is_symlink() or not path.is_dir()}
        return {path for path in found if not KEPT.match(path)}

    def close(self):
        subprocess.run(["umount", "-l", self.bpffs], check=False)
        forget_nspawn(self.name)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    for needed in ("debootstrap", "systemd-nspawn"):
        if not shutil.which(needed):
            pytest.skip(f"{needed} is not installed")
    archive = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
                              "Origin: Debian"], capture_output=True, text=True, check=True).stdout.splitlines()
    archive = [line for line in archive if line.split()[1].startswith("bookworm")]
    if not archive:
        pytest.skip("apt is not set to Debian 12's archive")
    directory = tmp_path_factory.mktemp("apt")
    made = Root(directory, archive)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def before(root):
    root.run("apt-get", "update", "-q", network=True)
    return root.files(), root.packages()


def test_install_brings_all_that_it_needs(root, package, before):  # noqa: F811
    del before
    shutil.copy(package, root.directory / "cnet-bpf.deb")
    words = ["apt-get", "install", "-qy", "--no-install-recommends", "/cnet-bpf.deb"]
    root.run(*words, "--download-only", network=True)
    root.run(*words)
    for program in ("cnetd", "cnet-bpf", "/usr/lib/cni/cnet", "/usr/lib/netavark/cnet"):
        missing = root.run("sh", "-c", f"cat $(command -v {program}) >/dev/null && /lib64/ld-linux-x86-64.so.2 --list $(command -v {program})")
        assert "not found" not in missing, missing
    assert root.run("cnet-bpf", "--version")


def test_it_runs(root):
    (network,) = json.loads(root.run("sh", "-ec", DAEMON))
    assert network["name"] == "web"
    assert "cnet" not in os.listdir(root.bpffs)


def test_purge_takes_along_what_came_with_it(root, before):
    root.run("apt-get", "purge", "-qy", "--autoremove", "cnet-bpf")
    (root.directory / "cnet-bpf.deb").unlink()
    files, packages = before
    assert root.packages() == packages
    assert root.files() == files
    assert "cnet" not in pathlib.Path(root.directory, "etc/group").read_text()
