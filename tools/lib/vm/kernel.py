"""Debian's kernels, out of their packages and not installed: found, downloaded and unpacked below the build directory.

What comes from where is apt's business: a series that no source of this machine's apt offers is Unavailable.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile

# What a guest needs that runs containers on a file system of its host's; the rest of a package is drivers.
MODULES = re.compile(r"(arch/x86|crypto|fs|lib|net|drivers/(net(?!/(ethernet|wireless|usb|phy)/)|virtio|char))/")
APT = ["apt-get", "-q", "-o", "APT::Sandbox::User=root"]


class Unavailable(Exception):
    """No kernel of this series for this machine; the text says why."""


class Kernel:
    """An unpacked package: `image` to boot, modules below `directory`/lib/modules/`release`."""

    def __init__(self, directory):
        self.directory = directory
        self.image = directory / "vmlinuz"
        (modules,) = (directory / "lib/modules").iterdir()
        self.release = modules.name


def _versioned(name):
    return [int(number) for number in re.findall(r"\d+", name)]


def _offered(series):
    """The newest package of this series that apt knows, or None."""
    pattern = rf"^linux-image-{re.escape(series)}\.[0-9]+([-+][0-9a-z+.~]+)?-amd64$"
    done = subprocess.run(["apt-cache", "search", "--names-only", pattern], capture_output=True, text=True,
                          check=False)
    names = [line.split()[0] for line in done.stdout.splitlines() if line]
    names = [name for name in names if not re.search(r"-(cloud|rt)-amd64$", name)]
    return max(names, key=_versioned, default=None)


def _last_words(done):
    return ((done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"])[-1]


def _download(package, directory):
    done = subprocess.run([*APT, "download", package], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"apt-get download {package} failed: {_last_words(done)}")
    (found,) = directory.glob("*.deb")
    return found


def _wanted(name):
    """Where a member of the package goes, or None."""
    if re.match(r"(\./)?boot/vmlinuz-", name):
        return "vmlinuz"
    modules = re.match(r"(?:\./)?(?:usr/)?(lib/modules/[^/]+/)(.+)", name)
    if not modules:
        return None
    inside = modules[2].removeprefix("kernel/")
    if inside.startswith("modules.") or MODULES.match(inside):
        return modules[1] + modules[2]
    return None


def _unpack(package, directory):
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                where = _wanted(member.name)
                if where and member.isfile():
                    path = directory / where
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with open(path, "wb") as file:
                        shutil.copyfileobj(archive.extractfile(member), file)
    if process.returncode != 0:
        raise Unavailable(f"dpkg-deb cannot read {package.name}")
    for release in os.listdir(directory / "lib/modules"):
        subprocess.run(["depmod", "-b", directory, release], check=True)


def _install(package, directory):
    """Whole or not at all: what a killed run has left is no kernel."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as temporary:
        temporary = pathlib.Path(temporary)
        (temporary / "kernel").mkdir()
        _unpack(_download(package, temporary), temporary / "kernel")
        (temporary / "kernel").rename(directory)


def obtain(series, cache):
    """The newest kernel of a series ("6.1"). One from an earlier run is good enough while apt has nothing newer."""
    if not shutil.which("apt-cache") or not shutil.which("dpkg-deb"):
        raise Unavailable("there is no apt and dpkg here")
    package = _offered(series)
    if package and (cache / package).is_dir():
        return Kernel(cache / package)
    kept = sorted(cache.glob(f"linux-image-{series}.*"), key=lambda path: _versioned(path.name))
    if package is None:
        # Lists that were never fetched, or cleaned away as container images do.
        subprocess.run([*APT, "update"], capture_output=True, check=False)
        package = _offered(series)
    if package is None:
        if kept:
            return Kernel(kept[-1])
        raise Unavailable(f"apt's sources on this machine offer no linux-image-{series}.*-amd64")
    try:
        _install(package, cache / package)
    except Unavailable:
        if kept:
            return Kernel(kept[-1])
        # The lists may be older than the archive.
        subprocess.run([*APT, "update"], capture_output=True, check=False)
        package = _offered(series) or package
        _install(package, cache / package)
    for old in kept:
        shutil.rmtree(old, ignore_errors=True)
    return Kernel(cache / package)
