"""Options of a network changed under traffic: connections go on as they began.

    [alpha: port 80 published] [beta] --- network red --- the host --- 198.18.0.1 --- 198.18.0.2 [near]
"""

import contextlib

import pytest

from harness.sockets import Stream, TcpServer, hash_back, tcp_talk
from harness.wait import wait_until
from harness.world import HOST, NEAR

SECOND = "198.18.0.77"
RATE = 10_000_000  # bytes a second: a full-speed stream would only measure the machine
ENOUGH = 500_000  # bytes that must get through after a change

CHANGES = {
    "mtu": (["--mtu", "1400"], ["--mtu", "9000"], ["--mtu", "1500"]),
    "icc": (["--icc", "off"], ["--icc", "on"]),
    "learning": (["--learning", "on"], ["--learning", "off"]),
    "masquerade": (["--masquerade", "off"], ["--masquerade", "on"]),
    "snat": (["--snat", SECOND], ["--snat", "none"]),
    "nat": (["--nat", "endpoint-independent"], ["--nat", "symmetric"]),
    "mode": (["--mode", "routed"], ["--mode", "nat"]),
    "allow-spoofing": (["--allow-spoofing", "on"], ["--allow-spoofing", "off"]),
}


@pytest.fixture
def containers(host, world):
    host.namespace.ip(f"addr add {SECOND}/24 dev uplink0")
    wait_until(lambda: SECOND in str(host.cli("uplink", "list")), what="the second address")
    red = host.network("red", "10.88.1.0/24")
    alpha, beta = host.container(red, "alpha"), host.container(red, "beta")
    host.publish(alpha, 8080, 80)
    del world
    return alpha, beta


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_connections_go_on(host, world, containers, changes):
    """Out, in by a published port, and to a sibling, but for `--icc off`, which is about siblings."""
    alpha, beta = containers
    with contextlib.ExitStack() as stack:
        outside = stack.enter_context(TcpServer(world.near, handler=hash_back))
        stack.enter_context(TcpServer(alpha.namespace, 80, handler=hash_back))
        sibling = stack.enter_context(TcpServer(beta.namespace, handler=hash_back))
        ways = {
            "out": (alpha.namespace, NEAR, outside.port),
            "in": (world.near, HOST, 8080),
            "sibling": (alpha.namespace, beta.address, sibling.port),
        }
        if "--icc" in changes[0]:
            del ways["sibling"]
        streams = {name: Stream(*way, RATE) for name, way in ways.items()}
        for change in changes:
            host.cli("network", "set", "red", *change)
            before = {name: stream.sent for name, stream in streams.items()}
            wait_until(
                lambda: all(one.sent > before[name] + ENOUGH for name, one in streams.items()),
                60,
                f"every stream going on after {change}",
            )
        for stream in streams.values():
            stream.stop()


def test_new_connections_have_the_new_address(host, world, containers):
    """While the one that is there keeps its own."""
    alpha, _ = containers
    with TcpServer(world.near, handler=hash_back) as old, TcpServer(world.near) as new:
        stream = Stream(alpha.namespace, NEAR, old.port, RATE)
        wait_until(lambda: old.peers, what="the connection that keeps its address")
        host.cli("network", "set", "red", "--snat", SECOND)
        assert tcp_talk(alpha.namespace, NEAR, new.port) == "echoed"
        stream.stop()
        assert [old.peers[0][0], new.peers[0][0]] == [HOST, SECOND]
