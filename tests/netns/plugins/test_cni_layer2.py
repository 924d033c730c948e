"""Containers without an address: `"ipam": {}`, and `disableContainerInterface`.

    [one] eth0      eth0 [two]      eth0 10.88.1.50 [lan]
       \\               |                /
        bridge wire0, or network wire0, or network red
"""

import contextlib

import pytest

from harness.cni import OWN, PORTS, Cni, endpoint_names, fails
from harness.dhcp import dhcp_server, is_in_range, lease_of
from harness.frames import BROADCAST, Tap, containing, marked_frame
from harness.icmp import ping
from harness.sockets import SILENCE
from harness.wait import wait_until

WIRE = {"bridge": "wire0", "ipam": {}}


def give_addresses(pods):
    for number, pod in enumerate(pods, 1):
        pod.ip(f"addr add 192.0.2.{number}/24 dev eth0")


def test_whatever_they_give_themselves(place, make_namespace):
    plugin, host = place
    pods = [make_namespace() for _ in range(2)]
    with contextlib.closing(Cni(host, {"type": plugin, "isGateway": True, **WIRE})) as cni:
        for number, pod in enumerate(pods):
            result = cni.add(pod, f"pod{number}")
            assert len(result["interfaces"]) == 3 and "ips" not in result and "routes" not in result
            assert "UP" in pod.links()["eth0"]["flags"]
            assert not [one for one in pod.links()["eth0"]["addr_info"] if one["family"] == "inet"]
        give_addresses(pods)
        assert ping(pods[0], "192.0.2.2") == "reply"
        # A machine of its own behind the container.
        other = "02:00:00:00:0a:01"
        with Tap(pods[0]) as sender, Tap(pods[1]) as at_two:
            sender.send(marked_frame(other, BROADCAST, b"who is there?"))
            assert at_two.sees(containing(b"who is there?"))
            at_two.send(marked_frame(pods[1].mac("eth0"), other, b"somebody"))
            assert sender.sees(containing(b"somebody"))
        cni.delete(pods[0], "pod0")
        assert "eth0" not in pods[0].links()


def test_its_life(host, make_cni, make_namespace):
    cni, pods = make_cni({"type": "cnet", **WIRE}, version="1.1.0"), [make_namespace() for _ in range(2)]
    for number, pod in enumerate(pods):
        cni.add(pod, f"pod{number}")
    (network,) = host.cli("network", "list")
    assert (network["mode"], network["layer2"], network["subnets"]) == ("isolated", True, [])
    assert [row["addresses"] for row in host.cli("endpoint", "list")] == [[], []]
    assert "no addresses" in host.cli_raw("network", "create", "other", "--layer2", json_output=False)[1].stdout
    host.restart()
    give_addresses(pods)
    assert ping(pods[1], "192.0.2.1") == "reply"
    cni.check(pods[0], "pod0")
    pods[0].ip("link set eth0 down")
    fails(103, "is down", cni.check, pods[0], "pod0")
    cni.delete(pods[0], "pod0")
    cni.collect()
    assert endpoint_names(host) == []
    # Who wants an address is on the wrong network.
    fails(7, "has no subnets", make_cni({"type": "cnet", "bridge": "wire0"}).add, pods[0], "three")


def test_a_device_that_stays_down(host, make_cni, make_namespace):
    """Until whoever uses it sets it up: a virtual machine's tap, say."""
    cni = make_cni({"type": "cnet", "disableContainerInterface": True, **WIRE})
    pods = [make_namespace() for _ in range(2)]
    for number, pod in enumerate(pods):
        assert "ips" not in cni.add(pod, f"pod{number}")
        assert "UP" not in pod.links()["eth0"]["flags"]
        cni.check(pod, f"pod{number}")
    host.restart()
    host.namespace.ip(f"link del {host.cli('endpoint', 'list')[0]['host_ifname']}")
    wait_until(lambda: "eth0" in pods[0].links(), what="the device being made anew")
    wait_until(
        lambda: all(row["state"] == "up" for row in host.cli("endpoint", "list")),
        what="the host's side being up",
    )
    assert "UP" not in pods[0].links()["eth0"]["flags"]
    for pod in pods:
        pod.ip("link set eth0 up")
    give_addresses(pods)
    assert ping(pods[0], "192.0.2.2") == "reply"
    cni.delete(pods[0], "pod0")
    assert "eth0" not in pods[0].links()


def test_among_containers_with_addresses(host, make_cni, make_namespace, lan, tmp_path):
    """On a network that checks sources, what a DHCP server gives is what it may send from."""
    pod = make_namespace()
    cni = make_cni({"type": "cnet", "bridge": "red", "ipam": {}})
    cni.add(pod, "one")
    pod.ip("addr add 10.88.1.77/24 dev eth0")
    assert ping(pod, lan.address, timeout=SILENCE) == "silent"
    assert host.drops("spoofed_ip", "endpoint") >= 1
    pod.ip("addr flush dev eth0 scope global")
    with dhcp_server(lan.namespace, tmp_path, "10.88.1.100", "10.88.1.110"):
        (address,) = lease_of(pod, tmp_path)
        assert is_in_range(address, "10.88.1.100", "10.88.1.110")
        (name,) = endpoint_names(host)
        wait_until(lambda: host.cli("endpoint", "show", name)["lease"], what="the lease being heard")
        assert ping(pod, lan.address) == "reply"
        assert ping(lan.namespace, address) == "reply"
    cni.check(pod, "one")
    cni.delete(pod, "one")


@pytest.mark.parametrize(
    "code, text, keys",
    [
        (7, "DisableContainerInterface", {"disableContainerInterface": True, "ipam": OWN["ipam"]}),
        (2, "macspoofchk", {"ipam": {}, "macspoofchk": True}),
        (2, "ips", {"ipam": {}, "args": {"cni": {"ips": ["10.88.7.5"]}}}),
    ],
)
def test_what_goes_with_addresses_alone(host, make_cni, make_namespace, code, text, keys):
    fails(code, text, make_cni({"type": "cnet", **keys}).add, make_namespace(), "one")
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    cni = make_cni({"type": "cnet", "ipam": {}, **PORTS})
    fails(2, "portMappings", cni.add, make_namespace(), "two", portMappings=ports)
    assert host.cli("network", "list") == []
