"""The CNI plugin and its surroundings: at once, without a daemon, after a reboot, given nonsense."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from harness.cni import OWN, VERSIONS, endpoint_names, fails
from harness.host import SLOWNESS, elapsed
from harness.icmp import ping
from harness.netns import Namespace
from harness.wait import wait_until


def namespace_is_down(host):
    """The kernel takes devices down some time after the namespace's name is gone."""
    wait_until(
        lambda: host.cli("endpoint", "list")[0]["state"] == "netns-gone",
        what="the endpoint's device being gone",
    )


def test_twenty_at_once(host, make_cni, make_namespace):
    """No network yet: one of them makes it, and all are on it."""
    cni = make_cni(OWN)
    pods = [make_namespace(f"p{number}") for number in range(20)]
    with ThreadPoolExecutor(max_workers=20) as pool:
        results = list(pool.map(lambda n: cni.add(pods[n], f"pod{n}"), range(20)))
    given = {result["ips"][0]["address"] for result in results}
    assert len(given) == 20 and len(host.cli("network", "list")) == 1
    assert ping(pods[0], results[19]["ips"][0]["address"].split("/")[0]) == "reply"
    with ThreadPoolExecutor(max_workers=20) as pool:
        list(pool.map(lambda n: cni.delete(pods[n], f"pod{n}"), range(20)))
    assert endpoint_names(host) == []


def test_an_attachment_is_quick(host, make_cni, make_namespace):
    """The best of ten, so that other work on the machine does not count. 20 ms is what it takes;
    the limit is for something that went wrong.
    """
    cni, pod = make_cni(OWN), make_namespace()
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    times = []
    for _ in range(10):
        start = time.monotonic()
        cni.add(pod, "one", portMappings=ports)
        times.append(elapsed(start))
        cni.delete(pod, "one")
    assert min(times) < 0.1 * SLOWNESS, times


def test_daemon_killed_in_between(host, make_cni, make_namespace):
    """Containers come and go while cnetd is killed again and again: each ADD works, once."""
    cni, pods = make_cni(OWN), [make_namespace(f"p{number}") for number in range(3)]
    rounds, stop = [0] * len(pods), threading.Event()

    def come_and_go(number):
        while not stop.is_set():
            cni.add(pods[number], f"pod{number}")
            cni.delete(pods[number], f"pod{number}")
            rounds[number] += 1

    def all_went_on_since(then):
        return all(map(int.__gt__, rounds, then)) or any(future.done() for future in futures)

    with ThreadPoolExecutor(max_workers=3) as pool:
        futures = [pool.submit(come_and_go, number) for number in range(3)]
        try:
            for _ in range(5):
                host.restart()
                wait_until(partial(all_went_on_since, rounds.copy()), timeout=60, what="each container's next ADD")
        finally:
            stop.set()
        for future in futures:
            future.result()
    assert endpoint_names(host) == []


def test_daemon_down(host, make_cni, make_namespace):
    cni, pod = make_cni(OWN, version="1.1.0"), make_namespace()
    cni.status()
    cni.add(pod, "one")
    host.stop()
    fails(50, "cannot connect", cni.status)
    fails(11, "cannot connect", cni.delete, pod, "one")
    assert cni.call("cnet", "VERSION", {"cniVersion": "1.1.0"})["supportedVersions"] == list(
        VERSIONS
    )
    host.start()
    cni.delete(pod, "one")
    assert endpoint_names(host) == []


def test_garbage_collection(host, make_cni, make_namespace):
    cni, pods = make_cni(OWN, version="1.1.0"), [make_namespace() for _ in range(3)]
    for number, pod in enumerate(pods):
        cni.add(pod, f"pod{number}")
    red = host.network("red", "10.88.1.0/24")
    host.container(red, "mine")
    cni.collect(("pod1", "eth0"))
    assert ["eth0" in pod.links() for pod in pods] == [False, True, False]
    assert len(endpoint_names(host)) == 2 and "mine" in endpoint_names(host)
    cni.collect()
    assert endpoint_names(host) == ["mine"]
    fails(7, "valid-attachments", cni.call, "cnet", "GC", cni.config_of(OWN))
    cni.version = "1.0.0"
    fails(1, "GC", cni.collect)


def test_what_a_reboot_leaves_behind(host, make_cni, make_namespace):
    """Containers that ended without a DEL are in nobody's way: their name, address and port go to
    whoever asks.
    """
    plugin = {**OWN, "capabilities": {"portMappings": True, "ips": True}}
    cni = make_cni(plugin)
    wishes = {
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
        "ips": ["10.88.7.7"],
    }
    with Namespace("before") as pod:
        cni.add(pod, "one", **wishes)
    namespace_is_down(host)
    pods = [make_namespace() for _ in range(2)]
    cni.add(pods[0], "one", **wishes)
    fails(100, "10.88.7.7", cni.add, pods[1], "two", **wishes)
    pods[0].close()
    namespace_is_down(host)
    cni.add(pods[1], "two", **wishes)
    assert len(endpoint_names(host)) == 1


@pytest.mark.parametrize(
    "code, text, config",
    [
        (1, "incompatible", {"cniVersion": "0.2.0"}),
        (1, "incompatible", {"cniVersion": "2.0.0"}),
        (2, "vlanTrunk", {"vlanTrunk": [{"id": 100}]}),
        (7, "invalid VLAN ID 4095 (must be between 0 and 4094)", {"vlan": 4095}),
        (7, "both a rate", {"runtimeConfig": {"bandwidth": {"ingressRate": 1000}}}),
        (7, "less than one packet", {"ingressRate": 1000, "ingressBurst": 1000}),
        (7, "ingressPolicy", {"ingressPolicy": "closed"}),
        (6, "isGateway must be", {"isGateway": "yes"}),
        (6, "not JSON", "{"),
        (6, "not a JSON object", "[]"),
        (7, "name", {"name": "../etc"}),
        (7, "cannot be a network's name", {"bridge": "a/b"}),
        (7, "not a port", {"runtimeConfig": {"portMappings": [{"hostPort": 0}]}}),
        (7, "exclude each other", {"hairpinMode": True, "promiscMode": True}),
        (7, "no directory of CNI_PATH", {"ipam": {"type": "nosuch"}}),
        (7, "outside of network", {"args": {"cni": {"ips": ["192.0.2.1"]}}}),
    ],
)
def test_refused_configurations(host, make_cni, make_namespace, code, text, config):
    cni, pod = make_cni(), make_namespace()
    if isinstance(config, dict):
        config = {"cniVersion": "1.0.0", "name": "net", "type": "cnet", **config}
    error = fails(
        code, text, cni.call, "cnet", "ADD", config, container="one", netns=pod.path, ifname="eth0"
    )
    assert error["cniVersion"] in VERSIONS
    assert "eth0" not in pod.links() and endpoint_names(host) == []


@pytest.mark.parametrize(
    "code, text, environment",
    [
        (3, "/run/netns/none", {"netns": "/run/netns/none"}),
        (4, "CNI_NETNS", {"netns": ""}),
        (4, "CNI_CONTAINERID", {"container": ""}),
        (4, "CNI_CONTAINERID", {"container": "../x"}),
        (4, "CNI_IFNAME", {"ifname": "sixteencharacters"}),
        (4, "unknown args [COLOUR]", {"args": "COLOUR=red"}),
        (4, "not KEY=VALUE", {"args": "red"}),
        (7, "MAC address", {"args": "MAC=red"}),
    ],
)
def test_refused_environments(host, make_cni, make_namespace, code, text, environment):
    cni, pod = make_cni(OWN), make_namespace()
    given = {"container": "one", "netns": pod.path, "ifname": "eth0", **environment}
    fails(code, text, cni.call, "cnet", "ADD", cni.config_of(OWN), **given)
    assert "eth0" not in pod.links() and endpoint_names(host) == []
    fails(4, "unknown CNI_COMMAND", cni.call, "cnet", "FLY", cni.config_of(OWN))


def test_without_a_verb(make_cni):
    cni = make_cni()
    environment = cni.environment("")
    done = cni.host.namespace.run(f"{cni.directory}/cnet", env=environment)
    assert done.stdout == "" and all(version in done.stderr for version in VERSIONS)
