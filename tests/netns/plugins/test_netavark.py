"""The netavark plugin, called as netavark calls its plugins: a verb, JSON in, JSON out.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network nav --- [containers]
"""

import json
import os

import pytest

from harness import dns
from harness import world as outside
from harness.host import BIN
from harness.icmp import ping
from harness.netns import Namespace
from harness.sockets import TcpServer, UdpServer, tcp_talk, udp_talk
from harness.wait import wait_until

ID = "53ce4390f2adb1681eb1a90ec8b48c49c015e0a8d336c197637e7f65e365fa9e"
SUBNET = {"subnet": "10.91.0.0/24", "gateway": "10.91.0.1"}


class PluginError(AssertionError):
    """What the plugin said with a status other than 0."""


class Netavark:
    def __init__(self, host):
        self.host = host

    def run(self, *arguments, given=""):
        text = given if isinstance(given, str) else json.dumps(given)
        done = self.host.namespace.run(
            os.path.join(BIN, "cnet-netavark"),
            *arguments,
            input=text,
            env={**os.environ, "CNET_ROOT": self.host.root},
            check=False,
        )
        answer = json.loads(done.stdout) if done.stdout else None
        if done.returncode != 0:
            assert done.returncode == 1 and list(answer) == ["error"], done
            raise PluginError(answer["error"])
        return answer

    def create(self, **keys):
        return self.run("create", given=network(**keys))

    def setup(self, pod, **keys):
        return self.run("setup", pod.path, given=attachment(**keys))

    def teardown(self, path, **keys):
        assert self.run("teardown", path, given=attachment(**keys)) is None


def network(name="nav", **keys):
    """As podman 4.5 gives it."""
    return {
        "name": name,
        "id": ID,
        "driver": "cnet",
        "created": "2023-04-18T10:00:00.000000000+02:00",
        "subnets": [SUBNET],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": True,
        "ipam_options": {"driver": "host-local"},
        **keys,
    }


def attachment(container="0c1172003d79ad65", name="front", ports=None, options=None, **keys):
    given = {"interface_name": "eth0", "static_ips": ["10.91.0.7"], "aliases": ["web", "0c1172003d79"]}
    return {
        "container_id": container,
        "container_name": name,
        "port_mappings": ports,
        "network": network(**keys),
        "network_options": {**given, **(options or {})},
    }


@pytest.fixture
def plugin(host):
    return Netavark(host)


def fails(text, call, *arguments, **keys):
    with pytest.raises(PluginError) as failure:
        call(*arguments, **keys)
    assert text in str(failure.value), failure.value


def endpoints(host):
    return [one["name"] for one in host.cli("endpoint", "list")]


def test_what_it_is(plugin):
    info = plugin.run("info")
    assert info["api_version"] == "1.0.0" and info["version"]


def test_networks(host, plugin):
    made = plugin.create()
    there = host.cli("network", "show", "nav")
    assert made == {**network(), "network_interface": there["host_port"]}
    assert (there["subnets"], there["gateways"]) == (["10.91.0.0/24"], ["10.91.0.1"])
    # podman tells nobody that a network is deleted.
    assert plugin.create() == made
    fails("network delete nav", plugin.create, subnets=[{"subnet": "10.92.0.0/24"}])
    fails("network delete nav", plugin.create, internal=True)
    other = plugin.create(name="own", subnets=None, options={"mtu": "1400", "isolate": "true"})
    there = host.cli("network", "show", "own")
    assert other["subnets"] == [{"subnet": there["subnets"][0], "gateway": there["gateways"][0]}]
    assert there["mtu"] == 1400
    assert {key: other[key] for key in ("name", "id", "driver")} == {
        "name": "own",
        "id": ID,
        "driver": "cnet",
    }


@pytest.mark.parametrize(
    "text, keys",
    [
        ("unknown option vlan", {"options": {"vlan": "5"}}),
        ("not a number", {"options": {"mtu": "large"}}),
        ("neither true nor false", {"options": {"icc": "maybe"}}),
        ("mode", {"options": {"mode": "bridge"}}),
        ("must be a string", {"options": {"mtu": 1400}}),
        ("dhcp is not supported", {"ipam_options": {"driver": "dhcp"}}),
        ("cannot be a network's name", {"name": "a/b"}),
        ("subnets.subnet", {"subnets": [{"subnet": "10.91.0.0"}]}),
        ("must be a list", {"subnets": 5}),
    ],
)
def test_networks_that_are_refused(host, plugin, text, keys):
    fails(text, plugin.create, **keys)
    assert host.cli("network", "list") == []


def test_life_of_a_container(host, world, plugin, make_namespace):
    pod = make_namespace()
    plugin.create()
    ports = [
        {"host_ip": "", "container_port": 80, "host_port": 8080, "range": 2, "protocol": "tcp"},
        {"host_ip": "", "container_port": 53, "host_port": 5300, "range": 1, "protocol": "tcp,udp"},
    ]
    status = plugin.setup(pod, ports=ports, options={"static_mac": "02:00:00:00:00:77"})
    assert status == {
        "dns_search_domains": [],
        "dns_server_ips": ["10.91.0.1"],
        "interfaces": {
            "eth0": {
                "mac_address": "02:00:00:00:00:77",
                "subnets": [{"ipnet": "10.91.0.7/24", "gateway": "10.91.0.1"}],
            }
        },
    }
    assert pod.mac("eth0") == "02:00:00:00:00:77" and ping(pod, outside.NEAR) == "reply"
    for inside, host_port in ((80, 8080), (81, 8081), (53, 5300)):
        with TcpServer(pod, inside):
            assert tcp_talk(world.near, outside.HOST, host_port) == "echoed"
    with UdpServer(pod, 53):
        assert udp_talk(world.near, outside.HOST, 5300) == "echoed"
    for name in ("front", "web", "0c1172003d79"):
        wait_until(
            lambda one=name: dns.ask(pod, "10.91.0.1", one).records == ["10.91.0.7"],
            what=f"the name {name}",
        )
    fails("already", plugin.setup, pod)
    host.restart()
    plugin.teardown(pod.path)
    assert endpoints(host) == [] and "eth0" not in pod.links()
    plugin.teardown(pod.path)
    plugin.teardown("/run/netns/gone")


def test_two_networks_of_a_container(host, plugin, make_namespace):
    """The first is the way out; without static_ips cnetd chooses."""
    pod = make_namespace()
    plugin.setup(pod)
    given = attachment(options={"interface_name": "eth1", "static_ips": None, "aliases": None})
    given["network"] = network("back", subnets=None, dns_enabled=False)
    second = plugin.run("setup", pod.path, given=given)
    there = host.cli("network", "show", "back")
    assert second["dns_server_ips"] == []
    assert second["interfaces"]["eth1"]["subnets"][0]["gateway"] == there["gateways"][0]
    routes = json.loads(pod.run("ip", "-j", "route", "show", "default").stdout)
    assert [route["dev"] for route in routes] == ["eth0"]


def test_what_fails_leaves_nothing(host, plugin, make_namespace):
    pods = [make_namespace() for _ in range(2)]
    ports = [{"host_ip": "", "container_port": 80, "host_port": 8080, "range": 1, "protocol": "tcp"}]
    plugin.setup(pods[0], ports=ports)
    taken = {"options": {"static_ips": ["10.91.0.8"]}, "container": "2", "name": "back"}
    fails("8080", plugin.setup, pods[1], ports=ports, **taken)
    fails("not ports", plugin.setup, pods[1], ports=[{**ports[0], "range": 70000}], **taken)
    fails("not tcp, udp", plugin.setup, pods[1], ports=[{**ports[0], "protocol": "icmp"}], **taken)
    fails("10.91.0.7", plugin.setup, pods[1], container="2")
    fails("unknown option", plugin.setup, pods[1], options={"options": {"colour": "red"}})
    fails("not a device name", plugin.setup, pods[1], options={"interface_name": "a/b"})
    fails("/run/netns/none", plugin.run, "setup", "/run/netns/none", given=attachment())
    assert len(endpoints(host)) == 1 and "eth0" not in pods[1].links()


def test_container_that_went_without_a_word(host, plugin, make_namespace):
    with Namespace("before") as pod:
        plugin.setup(pod)
    wait_until(
        lambda: host.cli("endpoint", "list")[0]["state"] == "netns-gone", what="the device's end"
    )
    plugin.setup(make_namespace(), container="another")
    assert len(endpoints(host)) == 1


@pytest.mark.parametrize(
    "arguments", [(), ("fly",), ("setup",), ("create", "more"), ("teardown", "a", "b")]
)
def test_usage(plugin, arguments):
    fails("usage", plugin.run, *arguments)


def test_nonsense_on_stdin(plugin):
    fails("not JSON", plugin.run, "create", given="{")
    fails("not a JSON object", plugin.run, "setup", "/run/netns/x", given="[]")
    fails("name", plugin.run, "setup", "/run/netns/x", given={"network": 5})
