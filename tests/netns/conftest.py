"""Fixtures of several files: a network with a container, attached machines, the CNI plugin, and of networks across hosts, which harness/underlay.py draws."""

import pytest

from harness import world as outside
from harness.cni import Cni
from harness.etcd import Cluster
from harness.etcd_client import EtcdClient
from harness.lan import Lan
from harness.linux_bridge import LinuxBridge
from harness.netns import Namespace
from harness.wait import wait_until
from harness.underlay import Endpoint, Underlay, address, overlay_network, wait_for_vtep


@pytest.fixture
def red(host):
    return host.network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(host, red):
    return host.container(red, "alpha")


@pytest.fixture
def beta(host, red, alpha):
    del alpha
    return host.container(red, "beta")


@pytest.fixture
def lan(host, red):
    """A machine on an attached device."""
    with Lan(host, red) as machine:
        host.attach(red, machine.device)
        yield machine


@pytest.fixture
def lab(host, world):
    """A bridge of somebody else's with two machines, in a host that forwards both families."""
    world.learn_ipv6()
    wait_until(lambda: outside.IPV6.host in str(host.cli("uplink", "list")), what="the uplink's IPv6 address")
    for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        host.namespace.sysctl(f"net/{key}", 1)
    with LinuxBridge(host) as bridge:
        bridge.machine("one")
        bridge.machine("two")
        yield bridge


@pytest.fixture
def adopted(host, lab):
    return host.cli("adopt", lab.name, "--masquerade", "on")


@pytest.fixture
def make_cni(host):
    made = []

    def make(*plugins, **keys):
        made.append(Cni(host, *plugins, **keys))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def make_namespace():
    made = []

    def make(label="pod"):
        made.append(Namespace(label))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def underlay():
    made = Underlay()
    yield made
    made.close()


@pytest.fixture
def endpoint():
    made = []

    def make(host, name, network="over", options=()):
        made.append(Endpoint(host, name, network, options))
        return made[-1]

    yield make
    for one in made:
        one.namespace.close()


@pytest.fixture
def make_overlay(make_host, underlay):
    """Hosts 1 to `count`, each knowing the others, with the network on all of them."""

    def make(count=2, v6=False, options=(), config=""):
        hosts = []
        for number in range(1, count + 1):
            host = make_host(config)
            underlay.connect(host.namespace, number)
            wait_for_vtep(host, number)
            hosts.append(host)
        for number, host in enumerate(hosts, 1):
            for other in range(1, count + 1):
                if other != number:
                    host.cli("peer", "add", address(other, v6))
            overlay_network(host, number=number, options=options)
        return hosts

    return make


@pytest.fixture
def make_etcd(request):
    """Makes real clusters of etcd; their logs' ends go with a failure."""
    made = []

    def make(*words, **options):
        made.append(Cluster(*words, **options))
        return made[-1]

    yield make
    for one in made:
        report = getattr(request.node, "report_call", None)  # none: another fixture failed
        if not report or not report.passed:
            print(one.log())
        one.close()


@pytest.fixture
def make_cluster(make_host, make_etcd, underlay):
    """Hosts h1 to h`count` on one underlay, around one etcd; every one has seen all others."""
    made = []

    def make(count=2, members=1, lease_s=5, config="", **options):
        etcd = make_etcd(members, underlay=underlay, **options)
        hosts = []
        for number in range(1, count + 1):
            endpoints = ", ".join(f'"{one}"' for one in etcd.endpoints)
            settings = f'[cluster]\netcd = [{endpoints}]\nhost = "h{number}"\nlease_s = {lease_s}\n{config}'
            host = make_host(settings)
            underlay.connect(host.namespace, number)
            hosts.append(host)
        made.extend(hosts)
        for host in hosts:
            wait_until(lambda host=host: len(host.cli("peer", "list")) == count - 1,
                       timeout=60, what="every host knowing the others")
        return etcd, hosts

    yield make
    # A network of the cluster goes after every host's endpoints.
    for host in made:
        for row in host.cli("endpoint", "list"):
            host.cli("endpoint", "delete", row["name"])
    for row in made[0].cli("network", "list") if made else []:
        if row["scope"] == "cluster":
            # The test may have left etcd without a leader for a moment. 3: it is gone.
            wait_until(lambda name=row["name"]: made[0].cli_raw("network", "delete", name)[1].returncode in (0, 3),
                       timeout=60, what="the network being deleted")
    for host in made:
        wait_until(lambda host=host: all(row["scope"] == "host" for row in host.cli("network", "list")),
                   what="the networks going everywhere")


@pytest.fixture
def make_client():
    made = []

    def make(cluster, **options):
        made.append(EtcdClient(cluster, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
