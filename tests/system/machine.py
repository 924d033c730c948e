"""A machine that boots a real systemd with this project installed: systemd-nspawn on the running system's own /usr,
with the install tree laid over it, an empty /etc and /var, a network, a bpffs and a part of the cgroups of its own.

Needs systemd-nspawn; nothing is installed on, or registered with, the machine that runs the tests.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from harness.wait import wait_until

BUILD = pathlib.Path(os.environ.get("CNET_BIN", pathlib.Path(__file__).parents[2] / "build/bin")).resolve().parent

# Basic system and our socket: no service of the host's /usr beyond what that pulls in.
TARGET = """[Unit]
Requires=basic.target cnetd.socket cnet-docker.socket
After=basic.target cnetd.socket cnet-docker.socket
AllowIsolate=yes
"""


def install(directory):
    """What `cmake --install` would put on a machine, below `directory`."""
    env = dict(os.environ, DESTDIR=str(directory))
    subprocess.run(["cmake", "--install", BUILD], env=env, check=True, stdout=subprocess.DEVNULL)
    return directory


# Asks as Docker does, which leaves the host empty, and prints how often it was answered.
ASK = """
import os, socket, sys
answered = 0
while not os.path.exists(sys.argv[1]):
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(60)
        one.connect("/run/docker/plugins/cnet.sock")
        one.sendall(b"POST /Plugin.Activate HTTP/1.1\\r\\nHost:\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
        answer = b"".join(iter(lambda: one.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200") and b"NetworkDriver" in answer, answer
    answered += 1
print(answered)
"""


class Askers:
    """Processes that ask Docker's socket of a machine again and again, each time by a connection of their own."""

    def __init__(self, machine, count=4):
        self._machine, self._enough = machine, "/run/enough"
        machine.run("rm", "-f", self._enough)
        self._asking = [machine.spawn("/usr/bin/python3", "-c", ASK, self._enough) for _ in range(count)]

    def stop(self):
        """How often all of them were answered; none may have failed."""
        self._machine.run("touch", self._enough)
        said = [one.communicate(timeout=120)[0] for one in self._asking]
        self._machine.run("rm", self._enough)
        assert [one.returncode for one in self._asking] == [0] * len(said), "\n".join(said)
        return sum(int(one) for one in said)


def nspawn(name, directory, bpffs, *words):
    """The command of a container that may load BPF programs, and of which the machine's systemd knows nothing."""
    # Under a systemd of its own the container gets a scope; elsewhere it stays where it is.
    unit = [] if os.path.isdir("/run/systemd/system") else ["--keep-unit"]
    return ["systemd-nspawn", "--quiet", f"--directory={directory}", f"--machine={name}", "--register=no", *unit,
            f"--bind={bpffs}:/sys/fs/bpf", "--capability=all", "--system-call-filter=bpf perf_event_open", *words]


def forget_nspawn(name):
    """nspawn keeps its propagation directory where /run is not a tmpfs."""
    propagate = pathlib.Path("/run/systemd/nspawn/propagate") / name
    if propagate.is_dir() and not os.path.ismount(propagate):
        propagate.rmdir()


class Machine:
    def __init__(self, installed=True):
        """With the install tree, or with nothing of ours and a /usr that can be written to."""
        self.name = f"cnts{os.getpid()}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.stage, self.shared = self.directory / "stage", self.directory / "shared"
        self.shared.mkdir()
        if installed:
            install(self.stage)
            self._mounts = [f"--overlay-ro=/usr:{self.stage}/usr:/usr", f"--bind-ro={self.stage}/etc/cnet:/etc/cnet"]
        else:
            self._mounts = [f"--overlay=/usr:{self.stage}/usr:/usr", f"--bind-ro={self.shared}:/shared"]
            (self.stage / "usr/lib/systemd/system").mkdir(parents=True)
            # The running system may forbid that packages start what they bring; this one is asked.
            policy = self.stage / "usr/sbin/policy-rc.d"
            policy.parent.mkdir()
            policy.write_text("#!/bin/sh\nexit 0\n")
            policy.chmod(0o755)
        self.console = self.directory / "console.log"
        target = TARGET if installed else TARGET.replace(" cnetd.socket cnet-docker.socket", "")
        (self.stage / "usr/lib/systemd/system/cnet-test.target").write_text(target)
        self.bpffs = self.directory / "bpf"
        self.bpffs.mkdir()
        subprocess.run(["mount", "-t", "bpf", "bpf", self.bpffs], check=True)
        self._nspawn = None
        self._leader = None

    def boot(self):
        with open(self.console, "w", encoding="utf-8") as console:
            self._nspawn = subprocess.Popen(
                nspawn(self.name, "/", self.bpffs, "--volatile=yes", "--boot", "--private-network", "--console=pipe",
                       *self._mounts, "--", "systemd.unit=cnet-test.target"),
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        self._leader = wait_until(self._find_leader, 30, "systemd-nspawn starting its init")
        wait_until(lambda: self.run("systemctl", "is-active", "cnet-test.target", check=False) == "active",
                   60, "the machine booting")

    def _find_leader(self):
        if self._nspawn.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended: {self.console.read_text()}")
        # While it sets up, nspawn has helpers as children; the init is the one that is process 1 of its namespace.
        pid = self._nspawn.pid
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            try:
                status = pathlib.Path(f"/proc/{child}/status").read_text()
                program = os.path.basename(os.readlink(f"/proc/{child}/exe"))
            except OSError:
                continue
            if program == "systemd" and re.search(r"^NSpid:.*\t1$", status, re.MULTILINE):
                return child
        return None

    def command(self, *argv):
        # Below a chroot the root of its mount namespace is not where its init is: its root is asked for by name.
        return ["nsenter", "-t", self._leader, "-a", "--root", "--wd", "--", *argv]

    def attempt(self, *argv, timeout=60):
        return subprocess.run(self.command(*argv), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)

    def run(self, *argv, check=True, timeout=60):
        """What it prints on stdout, stripped."""
        done = self.attempt(*argv, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}: status {done.returncode}: {done.stdout}{done.stderr}"
                                 f"\n--- journal\n{self.journal()}")
        return done.stdout.strip()

    def spawn(self, *argv):
        return subprocess.Popen(self.command(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def show(self, unit, field):
        return self.run("systemctl", "show", "--value", f"--property={field}", unit)

    def journal(self):
        return self.attempt("journalctl", "--no-pager", "--unit=cnetd", "--lines=60").stdout

    def drop_in(self, unit, text):
        """Changes a unit until the machine ends."""
        self.run("sh", "-c", f'mkdir -p /run/systemd/system/{unit}.d && printf "%s\\n" "$1" '
                 f">/run/systemd/system/{unit}.d/test.conf && systemctl daemon-reload", "sh", text)

    def close(self):
        if self._nspawn and self._nspawn.poll() is None:
            # The first asks the init to halt, the second does not wait for it.
            for _ in range(2):
                self._nspawn.send_signal(signal.SIGTERM)
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        subprocess.run(["umount", "-l", self.bpffs], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        forget_nspawn(self.name)
