"""A host with Debian's dockerd and a cnetd that adopts what it makes.

    [near] 198.18.0.2 --- 198.18.0.1 the host, dockerd, cnetd --- docker0, br-... --- [containers]
"""

import contextlib
import threading

import pytest

from . import docker as engine
from . import host as hosts
from . import world as outside
from .backlog import unless_dropped
from .wait import wait_until

# Without rules of its own, as docs/docker.md has it.
NO_RULES = {"iptables": False, "ip6tables": False, "userland-proxy": False}


class AdoptedDocker:
    def __init__(self, options):
        self.host = hosts.CnetHost(start=False)
        self.world = outside.World(self.host.namespace)
        self.docker = engine.Dockerd(self.host.namespace, options)
        with open(self.host.config_path, encoding="utf-8") as file:
            self._config = file.read()
        self.configure()
        self.host.start()
        wait_until(lambda: self.host.has_uplink(outside.UPLINK), what="the uplink being found")
        self.host.cli("adopt", "docker")

    @property
    def has_rules(self):
        """Of Docker's."""
        return self.docker.options.get("iptables", True)

    def configure(self, *adopt):
        """For the next start of cnetd: lines of [adopt]."""
        with open(self.host.config_path, "w", encoding="utf-8") as file:
            socket = f'docker_socket = "{self.docker.directory}/docker.sock"'
            file.write("\n".join([self._config, "[adopt]", socket, *adopt, ""]))

    @contextlib.contextmanager
    def settings(self, options):
        """Another daemon.json for a while. Containers end, since there is no live-restore."""
        before = self.docker.options
        self._restart_with(options)
        try:
            yield self
            self.clean()
        finally:
            self._restart_with(before)

    def _restart_with(self, options):
        self.docker.stop()
        self.docker.options = options
        self.docker.start()
        self.follows()

    # ---- what is seen ----

    def bridges(self):
        """By Docker's name of the network."""
        return {row["docker_network"]: row for row in self.host.cli("adopt") if row["docker_network"]}

    def bridge(self, network):
        return self.bridges().get(network)

    def serves(self, network, ports):
        """Waits until the network is adopted and that many of its bridge's ports are gone past, and no more."""

        def served():
            row = self.bridge(network)
            return row and row["state"] == "adopted" and [port["left"] for port in row["ports"]] == [None] * ports

        wait_until(served, what=f"{ports} ports of {network} being served")

    def leaves(self, network, why):
        """Waits until the network is left to its bridge, for this reason: of rules nothing tells, so for the next look."""
        wait_until(
            lambda: why in ((self.bridge(network) or {}).get("left") or ""),
            timeout=60,
            what=f"{network} being left because of {why}",
        )

    def past(self):
        """Frames that went past bridges."""
        return self.host.drops("switched", "bridge_port")

    def state(self):
        return self.host.api("GET", "/v1/adopted/docker")[1]["state"]

    def follows(self):
        wait_until(lambda: self.state() == "following", what="Docker being followed")

    # ---- containers ----

    def address(self, container, network="bridge", key="IPAddress"):
        return self.docker.inspect(container)["NetworkSettings"]["Networks"][network][key]

    def address6(self, container, network="bridge"):
        return self.address(container, network, "GlobalIPv6Address")

    def talks(self, client, server, network="bridge", says=None):
        """Asserts that the server's page comes, and answers how many frames went past bridges."""
        before = self.past()
        said = page(self.docker.inside_of(client), self.address(server, network))
        assert said == (says or server)
        return self.past() - before

    # ---- the end ----

    def clean(self):
        for name in self.docker.run("ps", "-aq").split():
            self.docker.run("rm", "-f", name)
        self.docker.run("network", "prune", "-f")

    def close(self):
        self.docker.close()
        self.world.close()
        self.host.abandon()


def running_dockerd(options, scope="module"):
    """A fixture: one for all tests of that scope."""

    @pytest.fixture(scope=scope)
    def running():
        made = AdoptedDocker(options)
        yield made
        made.close()

    return running


def lent(running):
    """A fixture: the one of that fixture's name for one test, which leaves it as it was."""

    @pytest.fixture
    def one(request):
        made = request.getfixturevalue(running)
        made.follows()
        yield made
        made.clean()

    return one


def page(namespace, host, port=80, seconds=5):
    """What it says, or "" when none comes."""
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    curl = ("curl", "-s", "-m", str(seconds), url)
    said = unless_dropped(lambda: namespace.run(*curl, check=False).stdout.strip() or "silent")
    return "" if said == "silent" else said


def closed(namespace, host, port=80):
    """No page comes, nor would it."""
    return page(namespace, host, port, 1) == ""


def serves(namespace, name, host, port):
    wait_until(lambda: page(namespace, host, port) == name, what=f"{name} on {host}:{port}")


class Requests:
    """Asks for a page again and again until stop(), and counts those that did not come."""

    def __init__(self, name, namespace, host, port=80):
        self.name = name
        self.done, self.failed = 0, 0
        self._where = (namespace, host, port)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping.is_set():
            if page(*self._where) == self.name:
                self.done += 1
            else:
                self.failed += 1

    def goes_on(self, requests=5):
        """Waits for so many more."""
        target = self.done + requests
        wait_until(lambda: self.done >= target, what=f"requests to {self.name}")

    def stop(self):
        self._stopping.set()
        self._thread.join(60)
        assert self.failed == 0, f"{self.failed} of {self.failed + self.done} requests to {self.name} failed"
