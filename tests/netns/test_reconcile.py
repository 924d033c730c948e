"""What others break is repaired, or at least told.

    [alpha] [beta] --- network red --- the host --- 198.18.0.1 --- 198.18.0.2 [near]
"""

import json
import os
import subprocess

import pytest

from harness import world as outside
from harness.crash import mended
from harness.exposition import link_lists
from harness.icmp import ping
from harness.netns import Namespace
from harness.sockets import TcpServer, tcp_talk
from harness.wait import wait_until

# Netlink events are answered at once; what has no event is found by the periodic round.
OFTEN = "[reconcile]\nperiod_s = 1\n"
ROUND = 60


@pytest.fixture
def host(make_host):
    return make_host(OFTEN)


@pytest.fixture
def red(host, world):
    del world
    return host.network("red", "10.88.1.0/24")


@pytest.fixture
def pair(host, red):
    return [host.container(red, name) for name in ("alpha", "beta")]


def replies(namespace, address):
    return lambda: ping(namespace, address, timeout=1) == "reply"


def device_of(host, container):
    return host.cli("endpoint", "show", container.name)["host_ifname"]


def test_veth_deleted(host, world, pair):
    """The endpoint comes back with its MAC, its address and its published port."""
    alpha, beta = pair
    host.publish(alpha, 8080, 80)
    device = device_of(host, alpha)
    with mended(host, f"create veth {device}"):
        host.namespace.ip(f"link del {device}")
        wait_until(replies(alpha.namespace, beta.address), ROUND, "the deleted veth being made anew")
        assert alpha.namespace.mac("eth0") == alpha.mac
        wait_until(replies(beta.namespace, alpha.address), ROUND, "the other direction")
        with TcpServer(alpha.namespace, 80):
            wait_until(
                lambda: tcp_talk(world.near, outside.HOST, 8080, timeout=2) == "echoed",
                ROUND,
                "the published port working again",
            )
    assert host.cli("status")["reconcile"]["repairs"] >= 1


def test_device_set_down(host, pair):
    alpha, beta = pair
    with mended(host, "configure eth0 in"):
        host.namespace.ip(f"link set {device_of(host, alpha)} down")
        wait_until(replies(alpha.namespace, beta.address), ROUND, "the device being set up again")


def test_gateway_address_removed(host, red, pair):
    alpha, _ = pair
    port = host.cli("network", "show", "red")["host_port"]
    with mended(host, f"bring up host port {port}"):
        host.namespace.ip(f"addr del {red.gateway}/24 dev {port}")
        wait_until(replies(alpha.namespace, red.gateway), ROUND, "the gateway address coming back")


def test_host_port_deleted(host, red, pair):
    alpha, beta = pair
    port = host.cli("network", "show", "red")["host_port"]
    with mended(host, f"create veth {port}"):
        host.namespace.ip(f"link del {port}")
        wait_until(replies(alpha.namespace, red.gateway), ROUND, "the host port being made anew")
        wait_until(replies(host.namespace, beta.address), ROUND, "host to container")
        wait_until(replies(beta.namespace, outside.NEAR), ROUND, "container to outside")


@pytest.mark.parametrize("family", [outside.IPV4, outside.IPV6], ids=str)
def test_forwarding_switched_off(make_host, make_world, family):
    """A sysctl of the whole host takes forwarding from our ports too: they get it back at once."""
    host = make_host("[reconcile]\nperiod_s = 3600\n")
    make_world(host).learn_ipv6()
    wait_until(lambda: outside.IPV6.host in str(host.cli("uplink", "list")), what="the uplink's IPv6 address")
    host.v6 = family.v6
    red = host.network("red", "10.88.1.0/24")
    alpha = host.container(red, "alpha")
    of_family = f"net/{'ipv6' if family.v6 else 'ipv4'}/conf"
    with mended(host, "bring up host port"):
        for value in (1, 0):
            host.namespace.sysctl(f"{of_family}/all/forwarding", value)
        wait_until(replies(alpha.namespace, family.near), 30, "the way out being open again")
    assert host.namespace.run("cat", f"/proc/sys/{of_family}/all/forwarding").stdout == "0\n"


def bpftool(host, *args):
    return subprocess.run(
        ["bpftool", "-j", *args], check=True, capture_output=True, text=True, cwd=host.root
    ).stdout


@pytest.mark.parametrize("name", ["cnet_fdb", "cnet_neigh", "cnet_port", "cnet_flood"])
def test_map_emptied(host, pair, name):
    """Entries that somebody deleted from a map are written again."""
    alpha, beta = pair
    (path,) = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(os.path.join(host.root, "bpf"))
        if name in names
    ]
    entries = json.loads(bpftool(host, "map", "dump", "pinned", path))
    assert entries
    with mended(host, f"write {name} entry"):
        for entry in entries:
            key = (byte.removeprefix("0x") for byte in entry["key"])
            bpftool(host, "map", "delete", "pinned", path, "key", "hex", *key)
        alpha.namespace.run("ip", "neigh", "flush", "dev", "eth0")
        wait_until(replies(alpha.namespace, beta.address), ROUND, f"{name} being filled again")
        wait_until(
            lambda: len(json.loads(bpftool(host, "map", "dump", "pinned", path))) >= len(entries),
            ROUND,
            "every entry being back",
        )


def test_map_entry_changed_while_dead(host, pair):
    """A daemon that starts finds what went wrong while there was none."""
    alpha, beta = pair
    device = device_of(host, alpha)
    with mended(host, f"create veth {device}"):
        host.kill9()
        host.namespace.ip(f"link del {device}")
        host.start()
        wait_until(replies(alpha.namespace, beta.address), ROUND, "the veth being made anew at start")


def test_namespace_vanished(host, red):
    """The endpoint says so, hurts nobody, and can be deleted; its address is free again."""
    host.container(red, "alpha")
    doomed = Namespace("doomed")
    host.cli("endpoint", "create", "red", "doomed", "--netns", doomed.path, "--ip", red.address(50))
    doomed.close()
    wait_until(
        lambda: host.cli("endpoint", "show", "doomed")["state"] == "netns-gone",
        ROUND,
        "the state netns-gone",
    )
    host.cli("endpoint", "delete", "doomed")
    with Namespace("next") as after:
        host.cli(
            "endpoint", "create", "red", "after", "--netns", after.path, "--ip", red.address(50)
        )
        assert ping(after, red.address(2)) == "reply"
        host.cli("endpoint", "delete", "after")


def test_stray_device_of_somebody_else(host, pair):
    """A device that merely has a name like ours is not ours."""
    alpha, beta = pair
    host.namespace.ip("link add cnetffff type veth peer name foreign0", "link set cnetffff up")
    host.restart()
    assert "cnetffff" in host.namespace.links()
    assert ping(alpha.namespace, beta.address) == "reply"
    host.namespace.ip("link del cnetffff")


def test_new_uplink(host, pair):
    """A device that gets an address becomes an uplink by itself, and ceases to be one."""
    alpha, _ = pair
    with Namespace("second") as second:
        host.namespace.ip(f"link add second0 type veth peer name wire0 netns {second.name}")
        second.ip("addr add 203.0.113.2/24 dev wire0", "link set wire0 up")
        host.namespace.ip("addr add 203.0.113.1/24 dev second0", "link set second0 up")
        wait_until(
            lambda: "second0" in {row["device"] for row in host.cli("uplink", "list")},
            ROUND,
            "the new uplink",
        )
        with TcpServer(second) as server:
            wait_until(
                lambda: tcp_talk(alpha.namespace, "203.0.113.2", server.port, timeout=2)
                == "echoed",
                what="traffic over the new uplink",
            )
            assert server.peers[-1][0] == "203.0.113.1"
        host.cli("uplink", "delete", "second0")
        assert "second0" not in {row["device"] for row in host.cli("uplink", "list")}
        host.cli("uplink", "add", "second0")
        host.namespace.ip("link del second0")
        wait_until(
            lambda: "second0" not in {row["device"] for row in host.cli("uplink", "list")},
            ROUND,
            "the uplink going away",
        )


def test_interface_index_used_again(host, red, pair):
    """A device that gets the index of a deleted endpoint's veth is not taken for it."""
    alpha, beta = pair
    index = host.cli("endpoint", "show", "beta")["ifindex"]
    host.cli("endpoint", "delete", "beta")
    with Namespace("stranger") as stranger:
        host.namespace.ip(
            f"link add stray0 index {index} type veth peer name eth0 netns {stranger.name}",
            "link set stray0 up",
        )
        stranger.ip(f"addr add {beta.address}/24 dev eth0", "link set eth0 up")
        assert ping(alpha.namespace, beta.address, timeout=1.2) == "silent"
        assert ping(stranger, alpha.address, timeout=1.2) == "silent"
        assert ping(stranger, red.gateway, timeout=1.2) == "silent"
        host.namespace.ip("link del stray0")


def test_news_of_one_device_are_no_reason_to_read_all(make_host, make_world):
    """What an endpoint costs does not grow with the number of devices: each is followed by what was told of it."""
    host = make_host("[reconcile]\nperiod_s = 3600\n")
    make_world(host)
    red = host.network("red", "10.88.1.0/24")
    before = link_lists(host)
    made = [host.container(red, f"box{number}") for number in range(5)]
    host.cli("endpoint", "delete", "box0")
    made[1].namespace.ip("link del eth0")
    wait_until(replies(made[1].namespace, made[2].address), ROUND, "the deleted veth being made anew")
    host.namespace.ip("link add up0 type veth peer name down0", "link set up0 name up1",
                      "addr add 203.0.113.1/24 dev up1", "link set up1 up")
    wait_until(lambda: host.has_uplink("up1"), ROUND, "the uplink")
    # Linux before 6.2 gives no new name to a device that is up.
    host.namespace.ip("link set up1 down", "link set up1 name up2", "link set up2 up")
    wait_until(lambda: host.has_uplink("up2") and not host.has_uplink("up1"), ROUND, "the uplink under its new name")
    host.namespace.ip("link del up2")
    wait_until(lambda: not host.has_uplink("up2"), ROUND, "the uplink being gone")
    assert link_lists(host) == before
