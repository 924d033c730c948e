"""A dockerd in a namespace of a lab, with mount and PID namespaces of its own, asked on its socket. The machine's own
dockerd, its bridges and rules are neither seen nor touched; what would be left of it are empty cgroups, and only after
SIGKILL.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile

from .api import Api
from .lab import BenchError, end, poll

DOCKERD = "/usr/sbin/dockerd"
CGROUPS = "/sys/fs/cgroup"
NEEDS = (DOCKERD, "containerd", "runc", "busybox")

# PID 1 of the namespaces. A sysfs of this network namespace, the cgroups as they were, a /run of its own.
HOLDER = """
set -e
mount -t proc proc /proc
mkdir -p "$1/keep"
mount --rbind /sys/fs/cgroup "$1/keep"
mount -t sysfs sysfs /sys
mount --rbind "$1/keep" /sys/fs/cgroup
mount -t tmpfs none /run
mkdir -p /run/docker/plugins
mount --bind "$2" /run/docker/plugins
exec dockerd --config-file "$1/daemon.json"
"""


def missing():
    """The first program that is not installed, or None."""
    return next((name for name in NEEDS if not shutil.which(name)), None)


class Dockerd:
    def __init__(self, lab, host, plugins):
        self._directory = lab.directory / "docker"
        self._directory.mkdir()
        self._cgroup = f"cnet-bench-{os.getpid()}"
        keys = {
            "data-root": f"{self._directory}/data",
            "exec-root": f"{self._directory}/exec",
            "pidfile": f"{self._directory}/docker.pid",
            "hosts": [f"unix://{self._directory}/docker.sock"],
            "deprecated-key-path": f"{self._directory}/key.json",
            "storage-driver": "overlay2",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{self._cgroup}",
            "userland-proxy": False,
        }
        (self._directory / "daemon.json").write_text(json.dumps(keys), encoding="ascii")
        self._log = self._directory / "log"
        with open(self._log, "wb") as log:
            self._process = host.spawn(
                *"unshare --mount --pid --fork --kill-child --propagation unchanged bash -c".split(),
                *(HOLDER, "holder", self._directory, plugins),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.api = Api(self._directory / "docker.sock")

    def __enter__(self):
        try:
            poll(self._answers, 60, "an answer of dockerd")
            self._import_image()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _answers(self):
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace").splitlines()[-3:]
            raise BenchError(f"dockerd ended: {' | '.join(said)}")
        with contextlib.suppress(BenchError):
            self.api.ask("GET", "/version")
            return True
        return False

    def _import_image(self):
        """Of busybox alone, named box."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as image:
            image.add(os.path.realpath(shutil.which("busybox")), "bin/busybox")
        self.api.request("POST", "/images/create?fromSrc=-&repo=box", content.getvalue())
        said = self.api.getresponse()
        text = said.read().decode()
        if said.status != 200 or '"error"' in text:
            raise BenchError(f"docker import: {text}")

    def close(self):
        """Everything inside dies with PID 1 of the namespaces."""
        self.api.close()
        end(self._process)
        for top in [CGROUPS, *(f"{CGROUPS}/{name}" for name in os.listdir(CGROUPS))]:
            if os.path.isdir(f"{top}/{self._cgroup}"):
                poll(lambda top=top: self._removed(f"{top}/{self._cgroup}"), 20, "the end of dockerd's cgroups")

    @staticmethod
    def _removed(top):
        """Its last processes may still be on their way out."""
        with contextlib.suppress(OSError):
            for directory, _, _ in os.walk(top, topdown=False):
                os.rmdir(directory)
        return not os.path.isdir(top)
