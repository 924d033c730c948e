"""Debian's dockerd, in the network namespace it is given and in mount and PID namespaces of its own.

    holder: PID 1 of the namespaces; it outlives dockerd, and everything inside ends with it
      dockerd, its containerd, the containers: below one temporary directory

The machine's own dockerd, containerd, bridges and rules are neither seen nor touched. Containers'
network namespaces can be entered from outside: their mount points propagate. The image `box` is
made of busybox alone.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile

from .chroot import why_no_exec
from .netns import PREFIX, Namespace, Process
from .engine import why_missing
from .wait import wait_until

DOCKER = "/usr/bin/docker"  # another client may come first on PATH
DOCKERD = "/usr/sbin/dockerd"
CGROUPS = "/sys/fs/cgroup"

# bash, since PID 1 has to reap. What is mounted here stays here, but for what cnetd has to see as well;
# what is unmounted outside goes here too, or this copy would keep others' namespaces alive.
HOLDER = """
set -e
read -r pid _ </proc/self/stat
while read -r _ _ _ _ target _; do
    case "$target" in "$1"/exec/netns) ;; *) mount --make-slave "$target" 2>/dev/null || true ;; esac
done </proc/self/mountinfo
mount -t proc proc /proc
mkdir -p "$1/keep"
mount --rbind /sys/fs/cgroup "$1/keep"
mount -t sysfs sysfs /sys
mount --rbind "$1/keep" /sys/fs/cgroup
mount -t tmpfs none /run
mkdir -p /run/docker/plugins
[ -z "$2" ] || mount --bind "$2" /run/docker/plugins
mount -t tmpfs none /etc/cni 2>/dev/null || true
echo "$pid" >"$1/holder.new"
mv "$1/holder.new" "$1/holder"
while sleep 1000; do :; done
"""


def missing():
    """Why dockerd cannot run here, or None."""
    programs = (DOCKER, DOCKERD, "containerd", "runc", "busybox")
    if reason := why_no_exec() or why_missing(*programs):
        return reason
    with open("/proc/filesystems", encoding="ascii") as file:
        if "\toverlay\n" not in file.read():
            return "the kernel has no overlayfs"
    return None


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(one) for one in file.read().split()]


class Dockerd:
    """options: keys of daemon.json. plugins: a directory that dockerd sees as /run/docker/plugins.
    """

    def __init__(self, namespace, options=None, plugins=None, start=True):
        self.namespace = namespace
        self.options = dict(options or {})
        self.directory = tempfile.mkdtemp(prefix=PREFIX)
        self.log_path = os.path.join(self.directory, "dockerd.log")
        self.cgroup = "/" + os.path.basename(self.directory)
        self.environment = {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.directory}/docker.sock",
            "DOCKER_CONFIG": os.path.join(self.directory, "client"),
        }
        self._process = None
        self._holder = None
        try:
            self._hold(plugins or "")
            if start:
                self.start()
                self._import_image()
        except BaseException:
            self.close()
            raise

    def _hold(self, plugins):
        shared = os.path.join(self.directory, "exec", "netns")
        os.makedirs(shared)
        subprocess.run(["mount", "--bind", shared, shared], check=True)
        subprocess.run(["mount", "--make-shared", shared], check=True)
        log = os.path.join(self.directory, "holder.log")
        with open(log, "w", encoding="utf-8") as file:
            self._holder = self.namespace.spawn(
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("--propagation", "unchanged", "bash", "-c", HOLDER, "holder"),
                *(self.directory, plugins),
                stdout=file,
            )
        ready = os.path.join(self.directory, "holder")

        def held():
            with open(log, encoding="utf-8") as file:
                assert self._holder.poll() is None, f"dockerd's holder ended: {file.read()}"
            return os.path.exists(ready)

        wait_until(held, what="dockerd's namespaces")
        with open(ready, encoding="ascii") as file:
            self.holder_pid = int(file.read())

    # ---- the daemon ----

    def start(self):
        """Returns when it answers. Changed `options` count from here on."""
        self.spawn()
        wait_until(self._answers, 60, "dockerd answering on its socket")

    def spawn(self):
        config = {
            "data-root": f"{self.directory}/data",
            "exec-root": f"{self.directory}/exec",
            "pidfile": f"{self.directory}/docker.pid",
            "hosts": [self.environment["DOCKER_HOST"]],
            "deprecated-key-path": f"{self.directory}/key.json",
            "storage-driver": "overlay2",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": self.cgroup,
            **self.options,
        }
        path = os.path.join(self.directory, "daemon.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        with open(self.log_path, "a", encoding="utf-8") as log:
            self._process = Process(
                [*self.inside(), DOCKERD, "--config-file", path],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def inside(self):
        """What begins a command that runs where dockerd does; --root, since these tests may run in
        a chroot, out of which a change of the mount namespace would lead.
        """
        kinds = ("mount", "root", "pid", "net")
        return ["nsenter", "-t", str(self.holder_pid), *(f"--{kind}" for kind in kinds)]

    def _answers(self):
        assert self._process.poll() is None, f"dockerd ended:\n{self.log()[-4000:]}"
        return self.raw("version").returncode == 0

    def signal(self, number):
        """To dockerd itself: nsenter stays as its parent."""
        for pid in _children(self._process.pid):
            os.kill(pid, number)

    def stop(self):
        """SIGTERM. Containers end as well, unless there is live-restore."""
        self.signal(signal.SIGTERM)
        self._ended()

    def kill9(self):
        self.signal(signal.SIGKILL)
        self._ended()
        # Its number may be another process's by the next start.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.directory}/docker.pid")

    def _ended(self):
        self._process.wait(90)
        self._process = None

    def restart(self):
        self.stop()
        self.start()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- talking to it ----

    def raw(self, *arguments, timeout=120, **options):
        return self.namespace.run(
            DOCKER, *arguments, check=False, timeout=timeout, env=self.environment, **options
        )

    def run(self, *arguments, **options):
        """What `docker ARGUMENTS` prints; it has to succeed."""
        done = self.raw(*arguments, **options)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def begin(self, *arguments):
        """The same, going on in the background."""
        return self.namespace.spawn(DOCKER, *arguments, env=self.environment)

    def end_containers(self):
        """Ends them and removes their namespaces behind dockerd's back; it must not run."""
        for top in self._cgroups():
            for path, _, _ in os.walk(top):
                with open(os.path.join(path, "cgroup.procs"), encoding="ascii") as file:
                    for pid in file.read().split():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(int(pid), signal.SIGKILL)
        directory = os.path.join(self.directory, "exec", "netns")
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            subprocess.run(["umount", path], check=False, capture_output=True)
            os.unlink(path)

    def serve(self, name, *flags):
        """A container that serves its own name by HTTP. It ends at once when it is told to."""
        script = f"echo {name} >/www/index.html; exec httpd -f -p 80 -h /www"
        quick = ("--stop-signal", "KILL")
        return self.run("run", "-d", "--name", name, *quick, *flags, "box", "sh", "-c", script)

    def fails(self, text, *arguments):
        done = self.raw(*arguments)
        assert done.returncode != 0, f"docker {' '.join(arguments)}: not refused"
        assert text in done.stderr, f"{text!r} is not in {done.stderr!r}"

    def inspect(self, name):
        """Of a container, network or image."""
        return json.loads(self.run("inspect", name))[0]

    def inside_of(self, container):
        """The network namespace of a running container."""
        key = self.inspect(container)["NetworkSettings"]["SandboxKey"]
        return Namespace.existing(os.path.join(self.directory, "exec/netns", os.path.basename(key)))

    def _import_image(self):
        applets = subprocess.run(
            ["busybox", "--list"], capture_output=True, text=True, check=True
        ).stdout.split()
        path = os.path.join(self.directory, "image.tar")
        with tarfile.open(path, "w") as image:
            image.add(os.path.realpath(shutil.which("busybox")), "bin/busybox")
            for applet in applets:
                if applet != "busybox":
                    link = tarfile.TarInfo(f"bin/{applet}")
                    link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                    image.addfile(link)
            for name in ("etc", "proc", "sys", "dev", "tmp", "www"):
                directory = tarfile.TarInfo(name)
                directory.type, directory.mode = tarfile.DIRTYPE, 0o755
                image.addfile(directory)
        self.run("import", "--change", "ENV PATH=/bin", path, "box")

    # ---- the end ----

    def close(self):
        """Everything inside dies with PID 1 of the namespaces."""
        if self._holder:
            self._holder.close()
        if self._process:
            self._process.close()
        with open("/proc/self/mounts", encoding="utf-8") as file:
            points = [line.split()[1] for line in file]
        for point in reversed([one for one in points if one.startswith(self.directory + "/")]):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        self._remove_cgroups()

    def _cgroups(self):
        """Its containers', in each hierarchy there is."""
        tops = [f"{CGROUPS}{self.cgroup}"]
        if os.path.isdir(CGROUPS):
            tops += [f"{CGROUPS}/{name}{self.cgroup}" for name in os.listdir(CGROUPS)]
        return [top for top in tops if os.path.isdir(top)]

    def _remove_cgroups(self):
        for top in self._cgroups():
            for directory, _, _ in os.walk(top, topdown=False):
                wait_until(lambda one=directory: _removed(one), what=f"removal of {directory}")


def _removed(cgroup):
    """Its last processes may still be on their way out."""
    with contextlib.suppress(OSError):
        os.rmdir(cgroup)
    return not os.path.isdir(cgroup)
