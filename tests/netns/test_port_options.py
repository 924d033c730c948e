"""Whom a port is open to, how one is chosen, and which flows end with it.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network red --- [alpha] [beta]
"""

import pytest

from harness import world as outside
from harness.sockets import UdpServer, udp_connect, udp_echo_once
from harness.wait import wait_until


@pytest.fixture
def alpha(host, world):
    del world
    return host.container(host.network("red", "10.88.1.0/24"), "alpha")


def allowed(host):
    return {
        (entry["key"]["list"], entry["key"]["prefix"], entry["value"]["allowed"])
        for entry in host.cli("map", "dump", "allow")
    }


def bindings(host):
    return {
        entry["key"]["binding"]: entry["value"]["allow_list"]
        for entry in host.cli("map", "dump", "binding")
    }


def test_allow_list(host, alpha):
    """As the maps have it; a list goes with its port, and survives the daemon."""
    options = ("--allow-from", "198.18.0.0/24", "--allow-from", "::/0")
    port = host.cli("port", "publish", alpha.name, "8080:80", *options)
    number = port["id"]
    assert port["allow_from"] == ["198.18.0.0/24", "::/0"]
    expected = {(number, "198.18.0.0/24", True), (number, "::/0", True), (number, "0.0.0.0/0", False)}
    assert allowed(host) == expected and bindings(host) == {number: number}
    host.restart()
    assert allowed(host) == expected
    host.cli("port", "set", alpha.name, "8080:80", "--allow-from", "10.0.0.0/8")
    assert allowed(host) == {(number, "10.0.0.0/8", True)}
    host.cli("port", "set", alpha.name, "8080:80", "--allow-from", "none")
    assert allowed(host) == set() and bindings(host) == {number: None}
    host.cli_fails(2, "host bits", "port", "publish", "alpha", "81", "--allow-from", "10.1.2.3/8")
    host.cli_fails(2, "", "port", "publish", "alpha", "81", "--allow-from", "everybody")
    assert len(host.cli("port", "list")) == 1


def test_a_client_that_is_shut_out(host, world, alpha):
    """Its flow ends with the list that it was on."""
    host.cli("port", "publish", "alpha", "8053:53/udp")
    with UdpServer(alpha.namespace, 53), udp_connect(
        world.near, outside.HOST, 8053, 4002
    ) as client:
        assert udp_echo_once(client)
        assert len(host.cli("ct", "list", "type", "dnat", "proto", "udp")) == 1
        assert host.cli("ct", "list", "type", "snat") == []
        host.cli("port", "set", "alpha", "8053:53/udp", "--allow-from", f"{outside.NEAR}/32")
        assert len(host.cli("ct", "list", "type", "dnat")) == 1
        host.cli("port", "set", "alpha", "8053:53/udp", "--allow-from", "203.0.113.0/24")
        assert host.cli("ct", "list", "type", "dnat") == []
    assert host.cli("ct", "list", "type", "kernel", "proto", "17") == []
    host.cli_fails(2, "none of snat, dnat", "ct", "list", "type", "nat")


def test_udp_follows_a_port_published_anew(host, world, alpha):
    """A client that never stops meets the new target: no flow of the old one lives on."""
    beta = host.container(alpha.network, "beta")
    host.publish(alpha, 8053, 53, "udp")
    with UdpServer(alpha.namespace, 53) as old, UdpServer(beta.namespace, 53) as new:
        with udp_connect(world.near, outside.HOST, 8053, 4002) as client:
            assert udp_echo_once(client)
            host.cli("port", "unpublish", "alpha", "8053:53/udp")
            host.publish(beta, 8053, 53, "udp")
            assert udp_echo_once(client)
        assert (len(old.peers), len(new.peers)) == (1, 1)


def test_flows_of_a_lost_uplink_address_go(host, world, alpha):
    """As when a lease ends: what was masqueraded to the address is of no use to anybody."""
    with UdpServer(world.near, 53), udp_connect(
        alpha.namespace, outside.NEAR, 53, 4002
    ) as client:
        assert udp_echo_once(client)
        assert len(host.cli("ct", "list", "type", "snat", "proto", "udp")) == 1
        host.namespace.ip(f"addr add 198.18.0.77/24 dev {outside.UPLINK}")
        host.namespace.ip(f"addr del {outside.HOST}/24 dev {outside.UPLINK}")
        wait_until(
            lambda: host.cli("ct", "list", "type", "snat") == [], what="the flow's end"
        )


def test_one_of_a_range(host, alpha):
    chosen = [
        host.cli("port", "publish", alpha.name, f"8000-8001:{port}")["host_port"]
        for port in (80, 81)
    ]
    assert chosen == [8000, 8001]
    host.cli_fails(2, "all ports are allocated", "port", "publish", "alpha", "8000-8001:82")


def test_reserved_ports_are_not_chosen(host, alpha):
    for name, value in (("port_range", "40000 40009"), ("reserved_ports", "40000-40003,40005")):
        host.namespace.run("sysctl", "-q", "-w", f"net.ipv4.ip_local_{name}={value}")
    assert host.cli("port", "publish", alpha.name, ":80")["host_port"] == 40004
    first = host.cli("port", "publish", alpha.name, "90-92")
    assert (first["host_port"], first["host_port_end"]) == (40006, 40008)
    assert host.cli("port", "publish", alpha.name, "81")["host_port"] == 40009
    host.cli_fails(2, "all ports are allocated", "port", "publish", "alpha", "82")


def test_sctp_says_how_it_is_held(host, alpha):
    port = host.cli("port", "publish", alpha.name, "8080:80/sctp")
    assert (port["protocol"], port["reservation"]) in {("sctp", "socket"), ("sctp", "store")}
    host.cli_fails(2, "already allocated", "port", "publish", "alpha", "8080:81/sctp")
    assert host.cli("port", "list")[0]["reservation"] == port["reservation"]


def test_one_port_on_two_families(host):
    """Different endpoints, different addresses; a process may have neither."""
    subnets = ("--subnet", "10.88.1.0/24", "--subnet", "fd00:88:1::/64")
    host.cli("network", "create", "dual", *subnets)
    for name in ("one", "two"):
        host.cli("sandbox", "create", name)
        host.cli("endpoint", "create", "dual", name, "--netns", name)
    host.cli("port", "publish", "one", "127.0.0.1:8080:80")
    host.cli("port", "publish", "two", "[::1]:8080:80")
    host.cli_fails(
        2, "Bind for [::1]:8080 failed: port is already", "port", "publish", "one", "[::1]:8080:80"
    )
    host.cli_fails(2, "already allocated", "port", "publish", "one", "8080:80")
    host.cli("port", "publish", "one", "8081:80")
    listeners = host.namespace.run("ss", "-Htln").stdout
    assert "127.0.0.1:8080" in listeners and "[::1]:8080" in listeners and "*:8081" in listeners
