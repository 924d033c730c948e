"""Both families and the modes of a network, as the kernel shows them: addresses, sysctls, routes, maps.

    network dual, 10.88.1.0/24 and fd00:88:1::/64 --- [alpha]
"""

import json

import pytest

from harness.netns import Namespace
from harness.wait import wait_until

SUBNETS = ("--subnet", "10.88.1.0/24", "--subnet", "fd00:88:1::/64")
GATEWAYS = {"10.88.1.1/24", "fd00:88:1::1/64"}


def addresses(namespace, device):
    (link,) = json.loads(namespace.run("ip", "-j", "addr", "show", "dev", device).stdout)
    return {
        f"{one['local']}/{one['prefixlen']}": one
        for one in link["addr_info"]
        if one["scope"] == "global"
    }


def default_routes(namespace):
    return {
        route["gateway"]
        for family in ("-4", "-6")
        for route in json.loads(
            namespace.run("ip", "-j", family, "route", "show", "default").stdout or "[]"
        )
    }


def sysctl(namespace, name, device):
    path = f"/proc/sys/net/ipv6/conf/{device}/{name}"
    return namespace.run("cat", path).stdout.strip()


def set_sysctl(namespace, name, value):
    namespace.run("sysctl", "-q", "-w", f"net.ipv6.conf.{name}={value}")


def mtu(namespace, device):
    (link,) = json.loads(namespace.run("ip", "-j", "link", "show", "dev", device).stdout)
    return link["mtu"]


def port_flags(host):
    """By device, decoded from the pinned map."""
    return {
        entry["key"]["device"]: set(entry["value"]["flags"])
        for entry in host.cli("map", "dump", "port")
    }


@pytest.fixture
def inside():
    namespace = Namespace("alpha")
    yield namespace
    namespace.close()


def create(host, inside, *options):
    host.cli("network", "create", "dual", *SUBNETS, *options)
    host.cli("endpoint", "create", "dual", "alpha", "--netns", inside.path)


def test_dual_stack_where_the_distribution_disables_ipv6(host, inside):
    """Addresses at once, no DAD and no RA, forwarding on the host's port alone."""
    for namespace in (host.namespace, inside):
        set_sysctl(namespace, "default.disable_ipv6", 1)
        set_sysctl(namespace, "default.accept_ra", 2)
    create(host, inside)
    at_host, at_alpha = addresses(host.namespace, "cngw1"), addresses(inside, "eth0")
    assert set(at_host) == GATEWAYS
    assert set(at_alpha) == {"10.88.1.2/24", "fd00:88:1::2/64"}
    assert not any(one.get("tentative") for one in (*at_host.values(), *at_alpha.values()))
    assert default_routes(inside) == {"10.88.1.1", "fd00:88:1::1"}
    assert sysctl(host.namespace, "forwarding", "cngw1") == "1"
    assert sysctl(host.namespace, "forwarding", "all") == "0"
    assert sysctl(host.namespace, "accept_ra", "cngw1") == "0"
    assert sysctl(inside, "accept_ra", "eth0") == "0"
    (port,) = (
        entry["value"]
        for entry in host.cli("map", "dump", "port")
        if entry["key"]["device"] == "cnet1"
    )
    assert (port["address6"], port["gateway6"]) == ("fd00:88:1::2", "fd00:88:1::1")


def test_modes_change_under_an_endpoint(host, inside):
    create(host, inside)
    assert port_flags(host)["cnet1"] == {"peer", "check_source", "masquerade"}
    host.cli("network", "set", "dual", "--mode", "routed")
    flags = port_flags(host)
    assert flags["cnet1"] == {"peer", "check_source", "routed"}
    assert flags["cngw1"] == flags["cnhp1"] == {"host", "routed", "dhcp"}
    host.cli("network", "set", "dual", "--mode", "isolated")
    assert addresses(host.namespace, "cngw1") == {} and default_routes(inside) == set()
    assert "isolated" in port_flags(host)["cnet1"]
    assert inside.run("ping", "-c1", "-W1", "10.88.1.1", check=False).returncode != 0
    host.cli_fails(2, "is isolated", "port", "publish", "alpha", "8080:80")
    host.restart()
    assert host.cli("network", "show", "dual")["mode"] == "isolated"
    host.cli("network", "set", "dual", "--mode", "nat")
    assert set(addresses(host.namespace, "cngw1")) == GATEWAYS
    assert default_routes(inside) == {"10.88.1.1", "fd00:88:1::1"}
    # The first may still be behind the resolution that nobody answered.
    wait_until(
        lambda: inside.run("ping", "-c1", "-W5", "10.88.1.1", check=False).returncode == 0,
        30,
        "an answer of the gateway",
    )
    assert host.cli("status")["reconcile"]["last_error"] is None


def test_a_network_with_published_ports_is_not_isolated(host, inside):
    create(host, inside)
    host.cli("port", "publish", "alpha", "8080:80")
    host.cli_fails(2, "unpublish it first", "network", "set", "dual", "--mode", "isolated")
    assert host.cli("network", "show", "dual")["mode"] == "nat"


def test_mtu_inside_follows(host, inside):
    create(host, inside)
    for size in (9000, 1400):
        host.cli("network", "set", "dual", "--mtu", str(size))
        assert mtu(inside, "eth0") == size
        assert mtu(host.namespace, "cnet1") == mtu(host.namespace, "cngw1") == size
    host.cli_fails(2, "1280 to 65535 with IPv6", "network", "set", "dual", "--mtu", "1279")


def test_snat_a_family(host, inside):
    create(host, inside, "--snat", "192.0.2.9", "--snat", "2001:db8::9")
    network = host.cli("network", "show", "dual")
    assert (network["snat"], network["snat6"]) == ("192.0.2.9", "2001:db8::9")
    host.cli("network", "set", "dual", "--snat", "2001:db8::8")
    network = host.cli("network", "show", "dual")
    assert (network["snat"], network["snat6"]) == ("192.0.2.9", "2001:db8::8")
    host.cli("network", "set", "dual", "--snat", "none")
    network = host.cli("network", "show", "dual")
    assert (network["snat"], network["snat6"]) == (None, None)
    host.cli_fails(
        1, "one address a family", "network", "set", "dual", "--snat", "::1", "--snat", "::2"
    )
