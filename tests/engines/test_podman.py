"""podman 4.3 with network_backend = "cni" and a network of type cnet.

    [near] 198.18.0.2 --- 198.18.0.1 the host, podman, cnetd --- network web --- [containers]
"""

import json
import os

import pytest

from harness import podman as engine
from harness import world as outside
from harness.adopted_docker import Requests, serves
from harness.chroot import why_no_exec
from harness.cni import DEBIAN_PLUGINS
from harness.wait import wait_until

NETWORK = {
    "cniVersion": "1.0.0",
    "name": "web",
    "plugins": [
        {
            "type": "cnet",
            "ipam": {"subnet": "10.88.9.0/24"},
            # Without "ips", podman forgets the others as soon as there is an --ip.
            "capabilities": {"portMappings": True, "ips": True, "mac": True, "aliases": True},
        }
    ],
}
SERVE = ("box", "/bin/sh", "-c", "echo served >/index.html; exec /bin/httpd -f -p 80")

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))


@pytest.fixture
def podman(host, world):
    del world
    made = engine.Podman(host, NETWORK)
    yield made
    made.close()


def served(namespace, port):
    """Whether a client outside gets the page."""
    url = f"http://{outside.HOST}:{port}/"
    return namespace.run("curl", "-s", "-m", "2", url, check=False).stdout == "served\n"


def endpoints(host):
    return [(one["addresses"], one["mac"], one["state"]) for one in host.cli("endpoint", "list")]


def test_life_of_a_container(host, world, podman):
    assert "web" in podman.run("network", "ls")
    podman.run(
        *("run", "-d", "--name", "one", "-p", "8080:80", "--network", "web"),
        *("--ip", "10.88.9.7", "--mac-address", "02:00:00:00:00:77", *SERVE),
    )
    there = [(["10.88.9.7/24"], "02:00:00:00:00:77", "up")]
    assert endpoints(host) == there
    assert "10.88.9.7/24" in podman.run("exec", "one", "/bin/ip", "addr", "show", "eth0")
    wait_until(lambda: served(world.near, 8080), what="the published port")
    # podman itself has bound the port; a restarted cnetd takes it for no stranger's.
    host.restart()
    assert served(world.near, 8080)
    podman.run("restart", "--time", "0", "one")
    assert endpoints(host) == there
    wait_until(lambda: served(world.near, 8080), what="the port after the restart")
    podman.run("rm", "--force", "--time", "0", "one")
    assert endpoints(host) == [] and not served(world.near, 8080)


def test_port_that_is_taken(host, podman):
    podman.run("run", "-d", "--name", "one", "-p", "8080:80", *SERVE)
    refused = podman.raw("run", "-d", "--name", "two", "-p", "8080:80", *SERVE)
    assert refused.returncode != 0 and "port is already allocated" in refused.stderr
    podman.run("rm", "--force", "--time", "0", "two")
    assert len(endpoints(host)) == 1


@pytest.mark.skipif(why_no_exec() is not None, reason=str(why_no_exec()))
def test_names_of_containers(podman):
    """podman puts the gateway into resolv.conf, and its own names into the network."""
    podman.run("run", "-d", "--name", "front", *SERVE)
    podman.run("run", "-d", "--name", "back", "--network-alias", "db", *SERVE)
    assert "nameserver 10.88.9.1" in podman.run("exec", "front", "/bin/cat", "/etc/resolv.conf")
    for name in ("back", "db"):
        found = podman.run("exec", "front", "/bin/nslookup", "-type=a", name)
        assert "10.88.9.3" in found, found
        assert "served" in podman.run("exec", "front", "/bin/wget", "-q", "-O", "-", f"http://{name}/")


@pytest.mark.skipif(not os.path.exists(f"{DEBIAN_PLUGINS}/portmap"), reason="no reference CNI plugins")
def test_a_bridge_of_podmans_own(host, world, podman):
    """Made by its plugins bridge, portmap and firewall; frames go past it while it is adopted, and no request fails."""
    podman.run("network", "create", "--subnet", "10.88.10.0/24", "own")
    bridge = json.loads(podman.run("network", "inspect", "own"))[0]["network_interface"]
    podman.run("run", "-d", "--name", "one", "--network", "own", *SERVE)
    podman.run("run", "-d", "--name", "two", "--network", "own", "--ip", "10.88.10.7", "-p", "8080:80", *SERVE)
    serves(world.near, "served", outside.HOST, 8080)
    asking = (Requests("served", podman.inside_of("one"), "10.88.10.7"), Requests("served", world.near, outside.HOST, 8080))

    def past():
        """Frames between ports, and from the host, that go past the bridge while both are answered."""
        before = [host.drops("switched", hook) for hook in ("bridge_port", "bridge")]
        for one in asking:
            one.goes_on()
        return [host.drops("switched", hook) - was for hook, was in zip(("bridge_port", "bridge"), before)]

    assert past() == [0, 0]
    made = host.cli("adopt", bridge)
    assert len(made["ports"]) == 2 and not any(port["left"] for port in made["ports"])
    assert all(count > 0 for count in past())
    host.restart()
    assert all(count > 0 for count in past())
    assert host.cli("release", bridge)["ended"] == []
    assert past() == [0, 0] and host.cli("adopt") == []
    for one in asking:
        one.stop()
