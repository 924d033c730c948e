"""A host that runs cnetd: a network namespace, a --root directory below the temporary directory, a
daemon inside.

close() is a test of its own: everything is deleted and nothing may be left, then the daemon has to
end with status 0. After a failed test abandon() tears down without asking.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import api, cgroup
from .netns import PREFIX, Namespace
from .topology import Container, Network, Published, subnet6_of
from .wait import wait_until

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("CNET_BIN", os.path.join(REPOSITORY, "build", "bin"))
UNDER_ASAN = os.environ.get("CNET_ASAN") == "1"
SLOWNESS = 10 if UNDER_ASAN or os.environ.get("CNET_EMULATED") == "1" else 1  # of all that takes a CPU's time
START_TIMEOUT = 120 if UNDER_ASAN else 60
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "runtime error:")

# What failing tests append to their report: hosts that live now.
live_hosts = []


class CliFailed(AssertionError):
    def __init__(self, argv, done):
        super().__init__(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        self.status, self.text = done.returncode, done.stderr


class CnetHost:
    kind = "cnet"
    v6 = None  # in parity: networks have both families, and hand out the addresses of this one

    def __init__(self, config="", start=True):
        self.namespace = Namespace("host")
        self.root = tempfile.mkdtemp(prefix=PREFIX)
        self.log_path = os.path.join(self.root, "cnetd.log")
        self.socket = os.path.join(self.root, "run", "cnetd.sock")
        self.daemon = None
        self.environment = {}  # what the daemon gets beside the test's own
        self._containers = []
        self._namespaces = []
        if "[sock]" not in config:
            config = f"{config}\n{cgroup.config()}"
        os.makedirs(os.path.join(self.root, "etc"))
        self.config_path = os.path.join(self.root, "etc", "cnetd.toml")
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(config)
        live_hosts.append(self)
        if start:
            self.start()

    # ---- the daemon ----

    def spawn_daemon(self):
        """Starts a cnetd and returns at once; its log is appended to log_path."""
        with open(self.log_path, "a", encoding="utf-8") as log:
            return self.namespace.spawn(
                os.path.join(BIN, "cnetd"),
                "--root",
                self.root,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=False,
                env={**os.environ, **self.environment},
            )

    def start(self):
        self.daemon = self.spawn_daemon()
        wait_until(self._answers, START_TIMEOUT, "cnetd answering on its socket")

    def _answers(self):
        status = self.daemon.poll()
        if status is not None:
            raise AssertionError(f"cnetd ended with status {status} at start:\n{self.log()}")
        try:
            return api.request(self.socket, "GET", "/v1/status")[0] == 200
        except OSError:
            return False

    def kill9(self):
        self.daemon.signal(signal.SIGKILL)
        self.daemon.wait()

    def restart(self):
        self.kill9()
        self.start()

    def stop(self):
        """SIGTERM; the daemon has to end with status 0."""
        self.daemon.signal(signal.SIGTERM)
        status = self.daemon.wait()
        assert status == 0, f"cnetd ended with status {status} on SIGTERM:\n{self.log()}"
        self._check_sanitizers()

    def reconciled(self, rounds=2, timeout=30):
        """Waits until all was compared so often from now on."""
        before = self.cli("status")["reconcile"]["runs"]
        wait_until(lambda: self.cli("status")["reconcile"]["runs"] >= before + rounds, timeout, f"{rounds} rounds")

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def traffic(self):
        """What the maps say of packets and flows, whatever the daemon's state; for whoever looks for a fault."""
        said = ""
        for words in (["drops", "show"], ["ct", "list"], ["fdb", "list"]):
            done = self.namespace.run(*self.command(*words), check=False, timeout=60)
            said += f"{' '.join(words)}\n{done.stdout}{done.stderr}\n"
        return said

    def _check_sanitizers(self):
        if UNDER_ASAN:
            log = self.log()
            assert not any(word in log for word in SANITIZER_WORDS), log

    # ---- talking to it ----

    def cli_raw(self, *args, json_output=True, timeout=120):
        argv = [
            os.path.join(BIN, "cnet-bpf"),
            "--root",
            self.root,
            *(["-j"] if json_output else []),
            *args,
        ]
        return argv, self.namespace.run(*argv, check=False, timeout=timeout)

    def command(self, *args):
        return [os.path.join(BIN, "cnet-bpf"), "--root", self.root, *args]

    def cli(self, *args):
        """What `cnet-bpf -j ARGS` prints, decoded (None when nothing); CliFailed unless its status
        is 0.
        """
        argv, done = self.cli_raw(*args)
        if done.returncode != 0:
            raise CliFailed(argv, done)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def cli_fails(self, status, text, *args):
        """Asserts that the command is refused with this exit status and one sentence that contains
        `text`.
        """
        argv, done = self.cli_raw(*args)
        said = done.stderr.strip()
        assert (
            done.returncode == status
        ), f"{' '.join(argv)}: status {done.returncode}, not {status}: {said}"
        assert said and "\n" not in said, f"not one line on stderr: {said!r}"
        assert text in said, f"{text!r} is not in {said!r}"
        assert done.stdout == "", f"refused, yet it printed {done.stdout!r}"

    def api(self, method, url, body=None):
        return api.request(self.socket, method, url, body)

    def network(
        self,
        name,
        subnet,
        internal=False,
        icc=True,
        allow_spoofing=False,
        mtu=1500,
        mode="nat",
        mode6=None,
        masquerade=True,
        options=(),
    ):
        flags = [
            *("--mode", mode),
            *(["--mode6", mode6] if mode6 else []),
            *([] if masquerade else ["--masquerade", "off"]),
            *("--mtu", str(mtu)),
            *(["--internal"] if internal else []),
            *([] if icc else ["--icc", "off"]),
            *(["--allow-spoofing"] if allow_spoofing else []),
            *options,
        ]
        if self.v6 is None:
            network = Network(name, subnet, mtu=mtu)
        else:
            network = Network(name, subnet, mtu=mtu, subnet6=subnet6_of(subnet), v6=self.v6)
            flags += ["--subnet", network.subnet6]
        self.cli("network", "create", name, "--subnet", subnet, *flags)
        return network

    def container(self, network, name):
        """An endpoint in a namespace of its own; addresses .2, .3 ... in order."""
        number = 2 + sum(one.network is network for one in self._containers)
        namespace = Namespace(name)
        self._namespaces.append(namespace)
        made = self.cli(
            "endpoint",
            "create",
            network.name,
            name,
            "--netns",
            namespace.path,
            *("--ip", network.address(number, v6=False)),
            *(["--ip", network.address(number, v6=True)] if network.subnet6 else []),
        )
        addresses = [address.split("/")[0] for address in made["addresses"]]
        assert network.address(number) in addresses, addresses
        container = Container(name, network, network.address(number), made["mac"], namespace)
        self._containers.append(container)
        return container

    def attach(self, network, device):
        self.cli("network", "attach", network.name, device)

    def publish(self, container, host_port, port, protocol="tcp", host_ip=""):
        published = Published(container, host_port, port, protocol, host_ip)
        self.cli("port", "publish", container.name, published.spec)
        return published

    def has_uplink(self, device):
        return any(
            row["device"] == device and row["addresses"] for row in self.cli("uplink", "list")
        )

    def gateway_mac(self, network):
        return self.cli("network", "show", network.name)["gateway_mac"]

    def drops(self, reason, hook=None):
        """Packets counted under this reason."""
        return sum(
            row["packets"]
            for row in self.cli("drops", "show")
            if row["reason"] == reason and hook in (None, row["hook"])
        )

    def watchers(self):
        """How many hold a ring of events."""
        (rings,) = [one for one in self.cli("map", "list") if one["name"] == "cnet_rings"]
        return rings["entries"] or 0

    def state(self):
        """Everything that users asked for and see, to compare before and after."""
        keep = {}
        for noun in ("networks", "sandboxes", "endpoints", "ports", "uplinks", "fdb", "neigh", "adopted"):
            keep[noun] = self.api("GET", f"/v1/{noun}")[1]
        for entry in keep["fdb"]:
            entry.pop("age_s", None)
        return keep

    # ---- the end ----

    def delete_everything(self):
        for row in self.api("GET", "/v1/adopted")[1]:
            status, answer = self.api("DELETE", f"/v1/adopted/{row['bridge']}")
            assert status == 200, f"releasing {row['bridge']}: {answer}"
        for network in self.api("GET", "/v1/networks")[1]:
            for row in network["devices"]:
                url = f"/v1/networks/{network['name']}/detach"
                status, answer = self.api("POST", url, {"device": row["device"]})
                assert status == 200, f"detaching {row['device']}: {answer}"
        for noun in ("endpoints", "sandboxes", "networks"):
            for one in self.api("GET", f"/v1/{noun}")[1]:
                status, answer = self.api("DELETE", f"/v1/{noun}/{one['name']}")
                assert status == 200, f"deleting {one['name']}: {answer}"

    def our_devices(self):
        return sorted(
            name
            for name in self.namespace.links()
            if name.startswith(("cnet", "cng", "cnhp", "cnep"))
        )

    def _check_nothing_left(self):
        assert self.our_devices() == [], "devices were left behind"
        for noun in ("networks", "endpoints", "sandboxes", "ports", "neigh", "fdb", "adopted"):
            assert self.api("GET", f"/v1/{noun}")[1] == [], f"{noun} were left behind"
        flows = [flow for flow in self.cli("ct", "list") if flow["type"] != "host"]
        assert flows == [], "flows of endpoints were left behind"
        netns = os.path.join(self.root, "run", "netns")
        assert not os.path.isdir(netns) or os.listdir(netns) == [], "namespaces were left behind"

    def close(self):
        """Deletes everything, checks that nothing is left and that the daemon ends well."""
        try:
            if self.daemon.poll() is not None:
                self.start()
            self.delete_everything()
            self._check_nothing_left()
            self.stop()
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n--- log of cnetd\n{self.log()[-20000:]}") from failure
        finally:
            self.abandon()

    def abandon(self):
        """Takes everything down as it is."""
        if self in live_hosts:
            live_hosts.remove(self)
        if self.daemon:
            self.daemon.close()
        self._unmount()
        for namespace in (self.namespace, *self._namespaces):
            namespace.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def _unmount(self):
        """Sandboxes' namespaces and the bpffs are mounts below the root directory."""
        with open("/proc/self/mounts", encoding="utf-8") as file:
            points = [line.split()[1] for line in file]
        for point in reversed([point for point in points if point.startswith(self.root + "/")]):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)


def pins(host):
    """Paths of everything pinned by that host, relative to its bpffs."""
    top = os.path.join(host.root, "bpf")
    return sorted(
        os.path.relpath(os.path.join(folder, name), top)
        for folder, _, names in os.walk(top)
        for name in names
    )


def elapsed(since):
    return time.monotonic() - since
