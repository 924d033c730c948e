"""Debian's containerd in a host's network namespace, with a mount namespace of its own, in which
/etc/cni/net.d and /opt/cni/bin, the places that `ctr run --cni` knows, are the test's. The process
namespace is the machine's: a container's network namespace is /proc/PID/ns/net, which cnetd opens.

Containers run from one directory with busybox: no image, no snapshots.
"""

import json
import os
import shutil

from .netns import PREFIX
from .engine import cni_plugin, why_missing
from .wait import wait_until

APPLETS = ("sh", "sleep", "ip", "wget", "httpd", "nslookup")

# What is unmounted outside goes here too, or this copy would keep others' namespaces alive.
HOLDER = """
set -e
mount -t tmpfs none /opt
mount -t tmpfs none /run
mkdir -p /opt/cni/bin
install -m 755 "$1/plugin" /opt/cni/bin/cnet
mount --bind "$1/cni" /etc/cni
exec containerd --config "$1/config.toml"
"""

CONFIG = """\
version = 2
root = "{0}/lib"
state = "{0}/run"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "{0}/containerd.sock"
[ttrpc]
address = "{0}/ttrpc.sock"
"""


def missing():
    """Why containerd cannot run here, or None."""
    if reason := why_missing("containerd", "ctr", "runc", "busybox"):
        return reason
    # A bind mount needs something to lie on.
    if not os.path.isdir("/etc/cni"):
        return "there is no /etc/cni"
    return None


class Containerd:
    def __init__(self, host, network):
        self.host = host
        self.directory = os.path.join(host.root, "containerd")
        self.rootfs = os.path.join(self.directory, "rootfs")
        os.makedirs(os.path.join(self.directory, "cni", "net.d"))
        self._write("config.toml", CONFIG.format(self.directory))
        self._write("plugin", cni_plugin(host))
        self._write("cni/net.d/50-cnet.conflist", json.dumps(network))
        self._make_rootfs()
        self._running = {}
        self.log = os.path.join(self.directory, "log")
        with open(self.log, "w", encoding="utf-8") as log:
            self._process = host.namespace.spawn(
                *("unshare", "--mount", "--propagation", "slave"),
                *("bash", "-c", HOLDER, "holder", self.directory),
                stdout=log,
            )
        wait_until(self._answers, 60, "containerd answering on its socket")

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(text)

    def _make_rootfs(self):
        for name in ("bin", "proc", "sys", "dev", "tmp", "etc", "www"):
            os.makedirs(os.path.join(self.rootfs, name))
        shutil.copy(shutil.which("busybox"), os.path.join(self.rootfs, "bin", "busybox"))
        for applet in APPLETS:
            os.symlink("busybox", os.path.join(self.rootfs, "bin", applet))

    def _answers(self):
        if self._process.poll() is not None:
            with open(self.log, encoding="utf-8") as file:
                raise AssertionError(f"containerd ended:\n{file.read()}")
        return self.raw("version").returncode == 0

    def _command(self, *arguments):
        """Where containerd is: ctr itself runs the plugins. --root as in docker.py."""
        socket = os.path.join(self.directory, "containerd.sock")
        return (
            *("nsenter", "-t", str(self._process.pid), "--mount", "--root"),
            *("ctr", "-a", socket, *arguments),
        )

    def raw(self, *arguments):
        return self.host.namespace.run(*self._command(*arguments), check=False)

    def run(self, *arguments):
        done = self.raw(*arguments)
        assert done.returncode == 0, f"ctr {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def start(self, name, *command):
        """In the foreground, as it is there that ctr runs the plugin's DEL after the end."""
        # Without a cgroup: there is nothing to limit, nor to clean up.
        flags = ("--rm", "--cni", "--cgroup", "", "--rootfs", self.rootfs)
        with open(self.log, "a", encoding="utf-8") as log:
            self._running[name] = self.host.namespace.spawn(
                *self._command("run", *flags, name, *command), stdout=log
            )
        wait_until(lambda: name in self.tasks(), what=f"the start of {name}")

    def execute(self, name, *command):
        return self.run("tasks", "exec", "--exec-id", f"{PREFIX}exec", name, *command)

    def tasks(self):
        """{name: pid} of what runs."""
        rows = [line.split() for line in self.run("tasks", "ls").splitlines()[1:]]
        return {row[0]: int(row[1]) for row in rows if row[2] == "RUNNING"}

    def remove(self, name):
        self.run("tasks", "kill", "--signal", "KILL", name)
        self._running.pop(name).wait()

    def _shims(self):
        """Our own: they have the socket's path, which is this test's alone, on their command line."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if self.directory.encode() in file.read():
                        found.append(int(entry))
            except OSError:
                continue
        return found

    def close(self):
        for name, process in self._running.items():
            self.raw("tasks", "kill", "--signal", "KILL", name)
            wait_until(lambda one=process: one.poll() is not None, what=f"the end of {name}")
            process.close()
        self._process.close()
        for pid in self._shims():
            os.kill(pid, 9)
        wait_until(lambda: not self._shims(), what="the end of containerd's processes")
