"""The CNI plugin, called as libcni calls it.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network net --- [containers]
"""

import json
import os

import pytest

from harness import world as outside
from harness.cni import (
    DEBIAN_PLUGINS,
    OWN,
    PORTS,
    SUBNET,
    VERSIONS,
    endpoint_names,
    fails,
)
from harness.icmp import ping
from harness.sockets import TcpServer, UdpServer, tcp_talk, udp_talk


def host_local(directory, **keys):
    """What a configuration of the bridge plugin looks like, its type changed."""
    return {
        "type": "cnet",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(directory),
            "ranges": [[{"subnet": SUBNET}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
        **keys,
    }


needs_host_local = pytest.mark.skipif(
    not os.path.exists(f"{DEBIAN_PLUGINS}/host-local"),
    reason="the package containernetworking-plugins is not installed",
)


def addresses(namespace, device="eth0"):
    return sorted(
        f"{one['local']}/{one['prefixlen']}"
        for one in namespace.links()[device]["addr_info"]
        if one["scope"] == "global"
    )


def routes(namespace):
    return {
        (route["dst"], route.get("gateway"), route["dev"])
        for route in json.loads(namespace.run("ip", "-j", "route").stdout)
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_life_of_an_attachment(host, world, make_cni, make_namespace, version):
    cni, pod = make_cni(OWN, version=version), make_namespace()
    result = cni.add(pod, "0c1172003d79ad65e0c6fb2a80fe0816")
    network, endpoint = host.cli("network", "list")[0], host.cli("endpoint", "list")[0]

    assert result["cniVersion"] == version
    bridge, host_side, inside = result["interfaces"]
    assert (bridge["name"], bridge["mac"]) == (network["host_port"], network["gateway_mac"])
    assert (host_side["name"], host_side["mac"]) == (
        endpoint["host_ifname"],
        host.namespace.mac(endpoint["host_ifname"]),
    )
    assert (inside["name"], inside["mac"], inside["sandbox"]) == ("eth0", pod.mac("eth0"), pod.path)
    assert ("mtu" in inside) == (version == "1.1.0")
    (address,) = result["ips"]
    assert (address["address"], address["gateway"]) == ("10.88.7.2/24", "10.88.7.1")
    assert address["interface"] == 2
    assert address.get("version") == (None if version >= "1.0.0" else "4")
    assert result["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.88.7.1"}]
    assert addresses(pod) == ["10.88.7.2/24"]
    assert ("default", "10.88.7.1", "eth0") in routes(pod)
    with TcpServer(world.near, 80) as server:
        assert tcp_talk(pod, outside.NEAR, 80) == "echoed"
    assert {peer for peer, _ in server.peers} == {outside.HOST}

    if version == "0.3.1":
        fails(1, "CHECK", cni.check, pod, "0c1172003d79ad65e0c6fb2a80fe0816")
    else:
        cni.check(pod, "0c1172003d79ad65e0c6fb2a80fe0816")
    cni.delete(pod, "0c1172003d79ad65e0c6fb2a80fe0816")
    assert "eth0" not in pod.links() and endpoint_names(host) == []
    cni.delete(pod, "0c1172003d79ad65e0c6fb2a80fe0816")
    cni.delete(None, "0c1172003d79ad65e0c6fb2a80fe0816")
    cni.delete(None, "never-added")
    # Like a bridge, the network outlives its last container.
    assert [one["name"] for one in host.cli("network", "list")] == ["net"]


def test_added_twice(host, make_cni, make_namespace):
    cni, pod = make_cni(OWN), make_namespace()
    cni.add(pod, "one")
    before = host.state()
    fails(100, "already", cni.add, pod, "one")
    assert host.state() == before
    # Another container's, in the same namespace.
    fails(100, "eth0", cni.add, pod, "two")
    assert host.state() == before and addresses(pod) == ["10.88.7.2/24"]


def test_port_mappings(host, world, make_cni, make_namespace):
    cni, pod = make_cni(OWN), make_namespace()
    mappings = [
        *({"hostPort": 8080 + n, "containerPort": 80 + n, "protocol": "tcp"} for n in range(3)),
        {"hostPort": 5353, "containerPort": 53, "protocol": "UDP", "hostIP": ""},
        {"hostPort": 9000, "containerPort": 90, "protocol": "tcp", "hostIP": "127.0.0.1"},
    ]
    cni.add(pod, "one", portMappings=mappings)
    assert sorted(host.cli("endpoint", "list")[0]["ports"]) == [
        "0.0.0.0:5353->53/udp",
        "0.0.0.0:8080-8082->80-82/tcp",
        "127.0.0.1:9000->90/tcp",
    ]
    cni.check(pod, "one")
    with TcpServer(pod, 82), UdpServer(pod, 53), TcpServer(pod, 90):
        assert tcp_talk(world.near, outside.HOST, 8082) == "echoed"
        assert udp_talk(world.near, outside.HOST, 5353) == "echoed"
        assert tcp_talk(world.near, outside.HOST, 9000) != "echoed"
        # Taken: nothing is left of the second container.
        other = make_namespace()
        fails(100, "port is already allocated", cni.add, other, "two", portMappings=mappings[:1])
        assert "eth0" not in other.links() and len(endpoint_names(host)) == 1
        cni.delete(None, "two")
        cni.delete(pod, "one")
        assert tcp_talk(world.near, outside.HOST, 8082) != "echoed"
    cni.add(other, "two", portMappings=mappings)


def test_what_check_finds(host, make_cni, make_namespace):
    cni, pod = make_cni(OWN), make_namespace()
    cni.add(
        pod, "one", portMappings=[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    )
    cni.check(pod, "one")
    pod.ip("route del default")
    fails(103, "lost the route", cni.check, pod, "one")
    pod.ip("addr flush dev eth0")
    fails(103, "lost the address 10.88.7.2/24", cni.check, pod, "one")
    host.cli("port", "unpublish", endpoint_names(host)[0], "8080:80")
    pod.ip("addr add 10.88.7.2/24 dev eth0", "route add default via 10.88.7.1")
    fails(103, "8080:80/tcp is not published", cni.check, pod, "one")
    host.cli("endpoint", "delete", endpoint_names(host)[0])
    fails(103, "no endpoint", cni.check, pod, "one")


@needs_host_local
def test_host_local(host, world, make_cni, make_namespace, tmp_path):
    cni, pod = make_cni(host_local(tmp_path, **PORTS), name="probe"), make_namespace()
    # As podman 4.3 has it.
    args = "IgnoreUnknown=1;K8S_POD_NAME=pc1;MAC=02:00:00:00:00:51;IP=10.88.7.5"
    result = cni.add(pod, "one", args=args)
    assert [(ip["address"], ip["gateway"]) for ip in result["ips"]] == [
        ("10.88.7.5/24", "10.88.7.1")
    ]
    assert result["routes"] == [{"dst": "0.0.0.0/0"}]
    assert result["interfaces"][2]["mac"] == pod.mac("eth0") == "02:00:00:00:00:51"
    assert addresses(pod) == ["10.88.7.5/24"]
    network = host.cli("network", "show", "cni0")
    assert (network["subnets"], network["mode"], network["masquerade"]) == ([SUBNET], "nat", True)
    with TcpServer(world.near, 80):
        assert tcp_talk(pod, outside.NEAR, 80) == "echoed"
    cni.check(pod, "one")

    leases = tmp_path / "probe"
    # A second ADD must not release the first one's address.
    fails(100, "already", cni.add, pod, "one")
    assert (leases / "10.88.7.5").exists()
    # An ADD that fails after the address was given gives it back.
    other = make_namespace()
    taken = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    with TcpServer(host.namespace, 8080):
        fails(100, "8080", cni.add, other, "two", portMappings=taken)
    assert sorted(leases.glob("10.*")) == [leases / "10.88.7.5"]
    cni.delete(None, "one")
    assert list(leases.glob("10.*")) == [] and "eth0" not in pod.links()
    # The IPAM plugin's own error and code.
    fails(999, "host-local", cni.add, pod, "three", args="IP=192.0.2.7")


@needs_host_local
def test_static_addresses_and_routes(host, make_cni, make_namespace):
    ipam = {
        "type": "static",
        "addresses": [
            {"address": "10.88.7.9/24", "gateway": "10.88.7.254"},
            {"address": "fd00:88:7::9/64", "gateway": "fd00:88:7::1"},
        ],
        "routes": [{"dst": "192.0.2.0/24"}, {"dst": "198.51.100.0/24", "gw": "10.88.7.77"}],
        "dns": {"nameservers": ["192.0.2.53"]},
    }
    cni, pod = make_cni({"type": "cnet", "isGateway": True, "ipam": ipam}), make_namespace()
    result = cni.add(pod, "one")
    assert host.cli("network", "show", "net")["gateways"] == ["10.88.7.254", "fd00:88:7::1"]
    assert host.cli("network", "show", "net")["mode"] == "routed"
    assert addresses(pod) == ["10.88.7.9/24", "fd00:88:7::9/64"]
    assert routes(pod) == {
        ("10.88.7.0/24", None, "eth0"),
        ("192.0.2.0/24", "10.88.7.254", "eth0"),
        ("198.51.100.0/24", "10.88.7.77", "eth0"),
    }
    assert result["dns"] == {"nameservers": ["192.0.2.53"]}
    cni.check(pod, "one")
    pod.ip("route del 192.0.2.0/24")
    fails(103, "lost the route to 192.0.2.0/24", cni.check, pod, "one")


def test_own_addresses(host, make_cni, make_namespace):
    """ips and mac by capability, args and CNI_ARGS; dual stack; routes; dns of the runtime."""
    plugin = {
        "type": "cnet",
        "mtu": 1400,
        "capabilities": {"ips": True, "mac": True, "dns": True, "aliases": True},
        "ipam": {
            "ranges": [
                [{"subnet": SUBNET, "gateway": "10.88.7.9"}],
                [{"subnet": "fd00:88:7::/64"}],
            ],
            "routes": [{"dst": "192.0.2.0/24", "gw": "10.88.7.8"}],
        },
    }
    cni = make_cni(plugin, version="1.1.0")
    pods = [make_namespace() for _ in range(3)]
    result = cni.add(
        pods[0],
        "one",
        ips=["10.88.7.20/24", "fd00:88:7::20/64"],
        mac="02:00:00:00:00:52",
        dns={"servers": ["192.0.2.53"], "searches": ["example.org"]},
        aliases={"net": ["web"]},
    )
    assert addresses(pods[0]) == ["10.88.7.20/24", "fd00:88:7::20/64"]
    assert pods[0].mac("eth0") == "02:00:00:00:00:52"
    assert pods[0].links()["eth0"]["mtu"] == 1400
    assert result["dns"] == {"nameservers": ["192.0.2.53"], "search": ["example.org"]}
    assert {route["dst"] for route in result["routes"]} == {"192.0.2.0/24", "0.0.0.0/0", "::/0"}
    cni.check(pods[0], "one")
    cni.plugins[0]["args"] = {"cni": {"ips": ["10.88.7.21"], "mac": "02:00:00:00:00:53"}}
    cni.add(pods[1], "two")
    assert "10.88.7.21/24" in addresses(pods[1]) and pods[1].mac("eth0") == "02:00:00:00:00:53"
    del cni.plugins[0]["args"]
    fails(100, "10.88.7.21", cni.add, pods[2], "three", args="IP=10.88.7.21")
    assert ping(pods[0], "10.88.7.21") == "reply" and ping(pods[1], "fd00:88:7::20") == "reply"


def test_modes(host, make_cni, make_namespace):
    """isGateway, ipMasq and icc as they were written; a network that is there is not bent."""
    for name, keys, mode in (
        ("quiet", {"isGateway": False}, "isolated"),
        ("open", {"ipMasq": False}, "routed"),
        ("whole", {"ingressPolicy": "open"}, "nat"),
    ):
        pod = make_namespace(name)
        result = make_cni({"type": "cnet", **keys}, name=name).add(pod, f"in-{name}")
        assert host.cli("network", "show", name)["mode"] == mode
        has_default = any(route[0] == "default" for route in routes(pod))
        assert has_default == (mode != "isolated") == bool(result.get("routes"))
    pods = [make_namespace() for _ in range(2)]
    apart = make_cni({"type": "cnet", "ingressPolicy": "isolated"}, name="apart")
    for number, pod in enumerate(pods):
        apart.add(pod, f"apart{number}")
    assert ping(pods[0], addresses(pods[1])[0].split("/")[0], timeout=1) != "reply"
    for keys, text in (
        ({"bridge": "whole", "ipMasq": False}, "masquerades"),
        ({"bridge": "quiet", "isGateway": True}, "isolated"),
        ({"bridge": "whole", "mtu": 1400}, "mtu 1500"),
        ({"bridge": "whole", "ipam": {"subnet": "10.99.0.0/24"}}, "10.99.0.0/24"),
        ({"bridge": "whole", "portIsolation": True}, "talk to each other"),
    ):
        fails(7, text, make_cni({"type": "cnet", **keys}).add, make_namespace(), "bent")
    assert len(endpoint_names(host)) == 5


def test_two_networks_in_one_container(make_cni, make_namespace):
    pod = make_namespace()
    first, second = make_cni(OWN), make_cni({"type": "cnet"}, name="second", version="1.1.0")
    first.add(pod, "one")
    result = second.add(pod, "one", ifname="eth1")
    # The first way out wins, and the second result does not claim one.
    assert ("default", "10.88.7.1", "eth0") in routes(pod) and "routes" not in result
    second.check(pod, "one", "eth1")
    # Each collects its own.
    second.collect()
    assert "eth1" not in pod.links() and "eth0" in pod.links()


def test_chain(host, make_cni, make_namespace):
    cni, pod = make_cni({"type": "fake"}, OWN, {"type": "fake"}), make_namespace()
    result = cni.add(pod, "one")
    assert [one["name"] for one in result["interfaces"]][0] == "fake0"
    assert result["interfaces"][3]["name"] == "eth0" and result["ips"][0]["interface"] == 3
    cni.check(pod, "one")
    handed_on = cni.fake_calls()[1]["config"]["prevResult"]
    assert handed_on["ips"] == result["ips"]
    cni.delete(pod, "one")
    # A plugin behind us fails: DEL takes ours away.
    cni.plugins[2]["fail"] = True
    fails(123, "told to fail", cni.add, pod, "one")
    assert "eth0" in pod.links()
    cni.delete(pod, "one")
    assert "eth0" not in pod.links() and endpoint_names(host) == []


@needs_host_local
def test_in_front_of_the_tuning_plugin(make_cni, make_namespace):
    tuning = {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}}
    cni, pod = make_cni(OWN, tuning), make_namespace()
    result = cni.add(pod, "one")
    assert [one["name"] for one in result["interfaces"]][2] == "eth0"
    assert pod.run("sysctl", "-n", "net.core.somaxconn").stdout.strip() == "500"
    cni.check(pod, "one")
    cni.delete(pod, "one")
