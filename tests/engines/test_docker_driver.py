"""`docker network create -d cnet`, with Debian's dockerd.

    [near] 198.18.0.2 --- 198.18.0.1 the host, dockerd, cnetd --- networks of type cnet --- [containers]

One dockerd for all tests; what a test makes it takes away, as users do.
"""

import json
import os

import pytest

from harness import docker as engine
from harness import host as hosts
from harness import world as outside
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))

CONFIG = "[docker]\nforget_after_s = 2\n[reconcile]\nsweep_period_s = 1\n"
OPTIONS = {"bridge": "none", "iptables": False, "ip6tables": False, "userland-proxy": False}


class Engine:
    def __init__(self):
        self.host = hosts.CnetHost(CONFIG)
        self.world = outside.World(self.host.namespace)
        wait_until(lambda: self.host.has_uplink(outside.UPLINK), what="the uplink being found")
        self.docker = engine.Dockerd(
            self.host.namespace, OPTIONS, plugins=os.path.join(self.host.root, "run", "docker")
        )

    def network(self, name, *options):
        self.docker.run("network", "create", "-d", "cnet", *options, name)

    def endpoint(self, address):
        """The endpoint with this address, as cnet-bpf lists it."""
        rows = self.host.cli("endpoint", "list")
        return next(row for row in rows if any(a.startswith(address + "/") for a in row["addresses"]))

    def remove(self, *containers):
        self.docker.run("rm", "-f", *containers)

    def close(self):
        self.docker.close()
        self.world.close()
        self.host.abandon()


@pytest.fixture(scope="module")
def running():
    made = Engine()
    yield made
    made.close()


@pytest.fixture
def one(running, request):
    """The engine; after a test that passed, nothing of it is left."""
    yield running
    if request.node.report_call.passed:
        assert running.docker.run("ps", "-aq") == "", "containers were left behind"
        for noun in ("networks", "endpoints", "ports"):
            assert running.host.api("GET", f"/v1/{noun}")[1] == [], f"{noun} were left behind"
        assert running.host.our_devices() == []
        return
    for name in running.docker.run("ps", "-aq").split():
        running.docker.run("rm", "-f", name)
    for name in running.docker.run("network", "ls", "-q", "--filter", "driver=cnet").split():
        running.docker.raw("network", "rm", name)


def page(namespace, host, port):
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    return namespace.run("curl", "-s", "-m", "2", url, check=False).stdout.strip()


def serves(namespace, name, host, port):
    wait_until(lambda: page(namespace, host, port) == name, what=f"{name} on {host}:{port}")


def test_two_containers_and_the_world(one):
    one.network("net", "--subnet", "172.30.0.0/24", "-o", "com.docker.network.driver.mtu=1400")
    one.docker.serve("web", "--network", "net", "-p", "8080:80", "--network-alias", "www")
    # Docker's own resolver knows both; the data path carries what they say.
    said = one.docker.run("run", "--rm", "--network", "net", "box", "wget", "-qO-", "http://web/")
    assert said == "web"
    assert one.docker.run("run", "--rm", "--network", "net", "box", "wget", "-qO-", "http://www/")
    inside = one.docker.inside_of("web").links()["eth0"]
    assert inside["mtu"] == 1400 and inside["address"] == "02:42:ac:1e:00:02"
    serves(one.world.near, "web", outside.HOST, 8080)
    serves(one.host.namespace, "web", "172.30.0.2", 80)
    serves(one.host.namespace, "web", "127.0.0.1", 8080)
    out = one.docker.raw("exec", "web", "ping", "-c1", "-W2", outside.NEAR)
    assert out.returncode == 0, out.stdout
    row = one.endpoint("172.30.0.2")
    assert row["state"] == "up" and row["ifname"] == "eth0"
    assert row["ports"] == ["0.0.0.0:8080->80/tcp"]
    one.remove("web")
    assert page(one.world.near, outside.HOST, 8080) == ""
    one.docker.run("network", "rm", "net")
