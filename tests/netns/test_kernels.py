"""What tools/vmtest sees of every kernel: the programs of this build load, are attached where they
belong in the kernel's best way, and each kind of path works.

    [alpha] [beta] --- network red --- the host --- 198.18.0.1 --- 198.18.0.2 [near] --- [far]

One host for all tests, since a daemon's start is what takes longest on an emulated processor.
"""

import json
import os
import pathlib
import re
import socket

import pytest

from harness import cgroup as own_cgroup
from harness import verifier_budget
from harness import world as outside
from harness.host import REPOSITORY, CnetHost
from harness.icmp import ping
from harness.linux_bridge import LinuxBridge
from harness.netns import Namespace
from harness.sockets import (
    TcpServer,
    UdpServer,
    echo_once,
    hash_back,
    open_socket,
    send_and_compare,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_icmp_error,
    udp_talk,
)
from harness.tun import TunWire
from harness.wait import wait_until

pytestmark = pytest.mark.vm

PROGRAM = re.compile(r'^SEC\("(?!license)[^"]+"\)\s+int (cnet_\w+)\(', re.MULTILINE)
TCX_SINCE = (6, 6)


@pytest.fixture(scope="module")
def scene():
    """(host, world, alpha, beta); alpha's port 80 is published as 8080."""
    host = CnetHost(start=False)
    world = outside.World(host.namespace)
    try:
        host.start()
        wait_until(lambda: host.has_uplink(outside.UPLINK), what="the uplink being found")
        red = host.network("red", "10.88.1.0/24")
        alpha, beta = host.container(red, "alpha"), host.container(red, "beta")
        host.publish(alpha, 8080, 80)
        host.cli(*"network create over --vni 300 --subnet 10.99.0.0/24".split())
        host.cli("uplink", "set", outside.UPLINK, "--xdp", "native")
        yield host, world, alpha, beta
        host.close()
    finally:
        host.abandon()
        world.close()


@pytest.fixture(scope="module")
def lab(scene):
    """A bridge of somebody else's with two machines, adopted."""
    host, *_ = scene
    with LinuxBridge(host) as bridge:
        bridge.machine("one"), bridge.machine("two")
        host.cli("adopt", bridge.name)
        yield bridge
        host.cli("release", bridge.name)


@pytest.fixture(scope="module")
def tunnel(scene):
    """An uplink without Ethernet headers."""
    host, world, *_ = scene
    with TunWire(host.namespace, world.near, "tun0"):
        host.namespace.ip("addr add 198.18.7.1/30 dev tun0")
        host.namespace.ip("route add 198.18.8.0/24 via 198.18.7.2")
        wait_until(lambda: host.has_uplink("tun0"), what="the tunnel being found")
        yield


def programs_of_the_source():
    sources = pathlib.Path(REPOSITORY, "bpf").glob("*.bpf.c")
    return {name for path in sources for name in PROGRAM.findall(path.read_text(encoding="utf-8"))}


def test_every_program_loads_and_is_attached(scene, lab, tunnel, record_property):
    """The properties are what tools/vmtest makes its table of, and what is recorded as a budget."""
    del lab, tunnel
    host, *_ = scene
    programs = {row["name"]: row for row in host.cli("prog", "list")}
    record_property("kernel", verifier_budget.kernel())
    record_property("compiler", verifier_budget.compiler())
    for name, row in sorted(programs.items()):
        record_property(f"verified_instructions:{name}", row["instructions"])
    assert set(programs) == programs_of_the_source()
    assert all(row["instructions"] > 0 for row in programs.values())

    kernel = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    best = "tcx" if kernel >= TCX_SINCE else "clsact"
    assert host.cli("status")["attach"] == best
    for name, row in programs.items():
        if row["hook"] == "sock":
            assert [cgroup["path"] for cgroup in row["cgroups"]] == [own_cgroup.path()], name
        elif row["hook"]:
            way = "xdp" if row["hook"] == "uplink_xdp" else best
            assert {device["attach"] for device in row["devices"]} == {way}, name


def test_the_verifier_walks_no_more_than_it_did(scene, lab, tunnel):
    """By a tenth: the way to a limit of the verifier is short steps that nobody sees."""
    del lab, tunnel
    host, *_ = scene
    built_by, kernel = verifier_budget.compiler(), verifier_budget.kernel()
    budget = verifier_budget.recorded().get(built_by, {}).get(kernel)
    if budget is None:
        pytest.skip(f"nothing is recorded for {built_by} and Linux {kernel}")
    walked = {row["name"]: row["instructions"] for row in host.cli("prog", "list")}
    assert list(verifier_budget.excess(walked, budget)) == []


def test_switching_by_kernel(scene):
    host, _, alpha, beta = scene
    with TcpServer(beta.namespace, handler=hash_back) as tcp, UdpServer(beta.namespace) as udp:
        send_and_compare(alpha.namespace, beta.address, tcp.port, 1_000_000)
        assert udp_talk(alpha.namespace, beta.address, udp.port) == "echoed"
    assert ping(alpha.namespace, alpha.network.gateway) == "reply"
    assert ping(host.namespace, beta.address) == "reply"


def test_past_a_bridge_by_kernel(scene, lab):
    host, *_ = scene
    one, two = lab.machines
    with TcpServer(two.namespace, handler=hash_back) as tcp, UdpServer(two.namespace) as udp:
        send_and_compare(one.namespace, two.address, tcp.port, 1_000_000)
        assert udp_talk(one.namespace, two.address, udp.port) == "echoed"
    assert ping(host.namespace, one.address) == "reply" and ping(one.namespace, lab.address) == "reply"
    assert host.drops("switched", "bridge_port") > 10 and host.drops("switched", "bridge") > 0


def test_masquerade_by_kernel(scene):
    _, world, alpha, _ = scene
    with TcpServer(world.near, handler=hash_back) as tcp, UdpServer(world.near) as udp:
        send_and_compare(alpha.namespace, outside.NEAR, tcp.port, 1_000_000)
        assert udp_talk(alpha.namespace, outside.NEAR, udp.port) == "echoed"
        assert {peer[0] for peer in (*tcp.peers, *udp.peers)} == {outside.HOST}
    assert ping(alpha.namespace, outside.NEAR) == "reply"


def test_icmp_errors_by_kernel(scene):
    """From the gateway, from a router outside and from the destination."""
    _, world, alpha, _ = scene
    assert world.far
    errors = [udp_icmp_error(alpha.namespace, outside.FAR, 33434, ttl) for ttl in (1, 2, 3)]
    assert errors == [
        (11, 0, alpha.network.gateway),
        (11, 0, outside.NEAR),
        (3, 3, outside.FAR),
    ]


def _published_port_answers(world, alpha, beta):
    with TcpServer(alpha.namespace, 80) as server:
        for client in (world.near, beta.namespace, alpha.namespace):
            assert tcp_talk(client, outside.HOST, 8080) == "echoed"
        assert server.peers[0][0] == outside.NEAR


def test_two_with_the_same_source_port_by_kernel(scene):
    """The second one's is another outside: the first has it, and that is told from a full table."""
    host, world, alpha, beta = scene
    refused = host.drops("ct_full")
    with UdpServer(world.near, 7000) as server, udp_connect(
        alpha.namespace, outside.NEAR, 7000, 4001
    ) as first, udp_connect(beta.namespace, outside.NEAR, 7000, 4001) as second:
        for sock in (first, second, first):
            assert udp_echo_once(sock)
        assert len(set(server.peers)) == 2
    assert host.drops("ct_full") == refused


def test_published_port_by_kernel(scene):
    """From outside, with the client's address, from a sibling and from the container itself."""
    _, world, alpha, beta = scene
    _published_port_answers(world, alpha, beta)


def test_new_connections_are_limited_by_kernel(scene):
    """By the XDP program, which looks, and the other, which counts."""
    host, world, alpha, _ = scene
    host.cli("port", "publish", "alpha", "8054:54/udp", "--new-rate", "1")
    with UdpServer(alpha.namespace, 54), udp_connect(world.near, outside.HOST, 8054) as first:
        assert udp_echo_once(first)

        def refused():
            with udp_connect(world.near, outside.HOST, 8054) as more:
                more.send(b"one more")
            return host.drops("new_limit", "uplink_xdp")

        wait_until(refused, what="a connection too many")
        assert udp_echo_once(first)
    host.cli("port", "unpublish", "alpha", "8054:54/udp")


def test_host_process_by_kernel(scene):
    """connect, sendmsg, recvmsg and getpeername, from sockets of both families."""
    host, _, alpha, _ = scene
    host.publish(alpha, 8053, 53, "udp")
    with TcpServer(alpha.namespace, 80), UdpServer(alpha.namespace, 53):
        for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", outside.HOST):
            with tcp_connect(host.namespace, address, 8080) as sock:
                assert echo_once(sock) and sock.getpeername()[:2] == (address, 8080)
            with udp_connect(host.namespace, address, 8053) as sock:
                assert udp_echo_once(sock) and sock.getpeername()[:2] == (address, 8053)
        with open_socket(host.namespace, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"?", ("127.0.0.1", 8053))
            assert sock.recvfrom(100) == (b"?", ("127.0.0.1", 8053))


def test_overlay_by_kernel(scene):
    """With the kernel's own vxlan device on the other side, plain packets and aggregates."""
    host, world, *_ = scene
    host.cli("peer", "add", outside.NEAR)
    world.near.ip(
        f"link add vx0 mtu 1450 type vxlan id 300 dstport 4789 local {outside.NEAR}"
        f" remote {outside.HOST} noudpcsum",
        "addr add 10.99.0.200/24 dev vx0",
        "link set vx0 up",
    )
    with Namespace("across") as across:
        host.cli("endpoint", "create", "over", "across", "--netns", across.path)
        try:
            assert ping(across, "10.99.0.200") == "reply"
            for client, server, there in (
                (across, world.near, "10.99.0.200"),
                (world.near, across, "10.99.0.2"),
            ):
                with TcpServer(server, handler=hash_back, address=there) as tcp:
                    send_and_compare(client, there, tcp.port, 300_000)
                with UdpServer(server, address=there) as udp:
                    assert udp_talk(client, there, udp.port) == "echoed"
        finally:
            host.cli("endpoint", "delete", "across")
    assert host.drops("vxlan_sent") > 0 and host.drops("vxlan_received", "uplink") > 0


def test_restart_by_kernel(scene):
    """Without a daemon and with its successor everything is as before."""
    host, world, alpha, beta = scene
    host.kill9()
    _published_port_answers(world, alpha, beta)
    host.start()
    _published_port_answers(world, alpha, beta)
    assert ping(alpha.namespace, outside.NEAR) == "reply"
    assert host.drops("none") == 0


def test_explain_by_kernel(scene):
    """The builds that explain load too, and say what happens."""
    host, _, _, beta = scene
    for words, reason in (
        (f"from alpha udp {beta.address}:9", "switched"),
        (f"from alpha tcp {outside.NEAR}:80", "snat"),
        (f"from beta tcp {outside.HOST}:8080", "hairpin"),
        (f"from alpha tcp {beta.address}:9 src 10.88.1.77", "spoofed_ip"),
        (f"in {outside.UPLINK} tcp {outside.NEAR}:5555 to :8080", "dnat"),
    ):
        assert host.cli("explain", *words.split())["reason"] == reason, words


def test_monitor_by_kernel(scene):
    """A ring of the watcher's own, in an array of maps, and the state that all programs share."""
    host, world, alpha, _ = scene
    watch = host.namespace.spawn(
        *host.command("-j", "monitor", "flows", "port", "4433", "--count", "1"))
    wait_until(lambda: host.watchers() == 1, what="a watcher")
    with UdpServer(world.near, 4433), udp_connect(alpha.namespace, outside.NEAR, 4433) as datagrams:
        assert udp_echo_once(datagrams)
        event = json.loads(watch.output())
    assert event["events"] == ["flow_new"] and event["reason"] == "snat"
