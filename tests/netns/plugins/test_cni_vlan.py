"""The key `vlan`, of the reference's bridge plugin and of ours: a segment for each VLAN of a bridge.

    [a] [b]       [c]         [d] [e]
    vlan 5       vlan 6     none  vlan 1
       \\ |          |          |  |
     bridge br0 --- the host --- br0.5, br0.6; or the networks br0.5, br0.6 and br0
"""

import contextlib
import os

import pytest

from harness.cni import DEBIAN_PLUGINS, OWN, Cni, endpoint_names, fails
from harness.frames import BROADCAST, Tap, marked_frame
from harness.icmp import ping
from harness.netns import Namespace, wire
from harness.sockets import SILENCE
from harness.wait import wait_until

VLANS = {"a": 5, "b": 5, "c": 6, "d": None, "e": 1}

def config_of(plugin, vlan, directory):
    subnet = f"10.88.{vlan or 1}.0/24"
    ipam = {"type": "host-local", "dataDir": str(directory), "ranges": [[{"subnet": subnet}]]}
    config = {"type": plugin, "bridge": "br0", "isGateway": True, "ipam": ipam}
    return config if vlan is None else {**config, "vlan": vlan}


def address_of(result):
    return result["ips"][0]["address"].split("/")[0]


def can_make(*words):
    """Whether the kernel has such devices."""
    with Namespace("trial") as trial:
        trial.ip("link add trial0 type veth peer name trial1")
        return trial.run("ip", "link", "add", *words, check=False).returncode == 0


def heard(tap, marks, expected):
    """Which of the marks arrive: those that are to come are waited for, others for a moment."""
    seen = set()

    def collect(timeout=0.1):
        for frame in tap.frames(timeout):
            seen.update(mark for mark in marks if mark in frame)
        return expected <= seen

    wait_until(collect, what=f"{expected} being heard")
    collect(SILENCE)
    return seen


@pytest.mark.skipif(
    not os.path.exists(f"{DEBIAN_PLUGINS}/host-local"),
    reason="the package containernetworking-plugins is not installed",
)
def test_a_segment_for_each(place, make_namespace, tmp_path):
    plugin, host = place
    if plugin == "bridge" and not can_make("br0", "type", "bridge", "vlan_filtering", "1"):
        pytest.skip("the kernel has no bridges that filter VLANs, which the reference needs")
    pods, results = {}, {}
    for name, vlan in VLANS.items():
        pods[name] = make_namespace(name)
        # One list of leases for a subnet.
        with contextlib.closing(Cni(host, config_of(plugin, vlan, tmp_path), name=f"vlan{vlan or 1}")) as cni:
            results[name] = cni.add(pods[name], name)
    assert ping(pods["a"], address_of(results["b"])) == "reply"
    assert ping(pods["d"], address_of(results["e"])) == "reply"
    for name, vlan in VLANS.items():
        assert ping(pods[name], f"10.88.{vlan or 1}.1") == "reply", name
    macs = {name: pod.mac("eth0") for name, pod in pods.items()}
    to_everybody = {name: f"from {name} to everybody".encode() for name in pods}
    astray = b"from a to the MAC of c"
    with contextlib.ExitStack() as stack:
        taps = {name: stack.enter_context(Tap(pod)) for name, pod in pods.items()}
        for name, mark in to_everybody.items():
            taps[name].send(marked_frame(macs[name], BROADCAST, mark))
        taps["a"].send(marked_frame(macs["a"], macs["c"], astray))
        # The reference leaves its ports in the default VLAN as well: they hear what is sent there.
        default = {to_everybody["d"], to_everybody["e"]}
        leak = default if plugin == "bridge" else set()
        for name, expected in {
            "a": {to_everybody["b"]} | leak,
            "b": {to_everybody["a"], astray} | leak,  # a MAC that nobody in the segment has
            "c": leak,
            "d": {to_everybody["e"]},
            "e": {to_everybody["d"]},
        }.items():
            assert heard(taps[name], {astray, *to_everybody.values()}, expected) == expected, name


def test_life_in_a_vlan(host, make_cni, make_namespace):
    """Its network is found again by CHECK, DEL and GC, by a second container, and after a restart."""
    cni = make_cni({**OWN, "bridge": "br0", "vlan": 4094, "preserveDefaultVlan": False}, version="1.1.0")
    pods = [make_namespace() for _ in range(3)]
    result = cni.add(pods[0], "one", portMappings=[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])
    (network,) = host.cli("network", "list")
    assert (network["name"], network["mode"]) == ("br0.4094", "nat")
    assert result["interfaces"][0]["name"] == network["host_port"]
    host.restart()
    cni.check(pods[0], "one")
    cni.add(pods[1], "two")
    assert ping(pods[1], address_of(result)) == "reply"
    cni.collect(("one", "eth0"))
    assert "eth0" not in pods[1].links() and len(endpoint_names(host)) == 1
    # The same container, and another VLAN meanwhile.
    cni.plugins[0]["vlan"] = 5
    fails(103, "is in network br0.4094, not br0.5", cni.check, pods[0], "one")
    cni.delete(pods[0], "one")
    assert endpoint_names(host) == []
    # Other addresses than the VLAN has.
    bent = {**OWN, "bridge": "br0", "vlan": 4094, "ipam": {"subnet": "10.99.0.0/24"}}
    fails(7, "10.99.0.0/24", make_cni(bent).add, pods[2], "three")


def test_tagged_on_a_wire(host, make_cni, make_namespace):
    """A VLAN device on the host's NIC, attached: what the reference does with a port of the bridge."""
    if not can_make("link", "trial0", "name", "trial0.5", "type", "vlan", "id", "5"):
        pytest.skip("the kernel has no VLAN devices")
    pod = make_namespace()
    cni = make_cni({**OWN, "bridge": "br0", "vlan": 5})
    address = address_of(cni.add(pod, "one"))
    with Namespace("switch") as switch:
        wire(host.namespace, "nic0", None, switch, "eth0", None)
        host.namespace.ip("link add link nic0 name nic0.5 type vlan id 5", "link set nic0.5 up")
        switch.ip(
            "link add link eth0 name eth0.5 type vlan id 5",
            "addr add 10.88.7.50/24 dev eth0.5",
            "link set eth0.5 up",
        )
        host.cli("network", "attach", "br0.5", "nic0.5")
        assert ping(switch, address) == "reply"
        assert ping(pod, "10.88.7.50") == "reply"
