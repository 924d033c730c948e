"""How many connections to a published port may begin: a flood beside those that stand, and what stays of a limit.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network red --- [alpha]
"""

import contextlib
import json
import os
import socket
import struct
import threading
import time

import pytest
from harness import backlog
from harness import world as outside
from harness.bpf_map import PinnedMap
from harness.frames import Tap, forged_syns
from harness.sockets import (
    PATIENCE,
    TcpServer,
    UdpServer,
    echo_once,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_echo_once,
)
from harness.wait import wait_until

RATE = 20
FLOOD_FLOWS = 3000
# Half of the ring that a veth has before XDP, then who empties it gets the CPU, be the machine as slow as it may: TCP that
# loses most of its segments waits ever longer.
BURST, PAUSE_S = 128, 0.002
BINDING = struct.Struct("=16s16s16s8sIIQ")  # struct cnet_binding, the limit's three fields apart
TCP_INFO_RETRANS = 100  # tcpi_total_retrans in <linux/tcp.h>


@pytest.fixture
def dual(host, world):
    """An endpoint of both families."""
    world.learn_ipv6()
    alpha = host.container(host.network("red", "10.88.1.0/24", options=("--subnet", "fd00:88:1::/64")), "alpha")
    wait_until(lambda: outside.IPV6.host in str(host.cli("uplink", "list")), what="the uplink's IPv6 address")
    return alpha.namespace


def retransmitted(sock):
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_RETRANS + 4)
    return struct.unpack_from("=I", info, TCP_INFO_RETRANS)[0]


def dropped_on_the_way(near):
    """Before any program of ours: by a CPU's backlog, or by the ring of 256 packets that a veth has before XDP."""
    (wire,) = json.loads(near.run("ip", "-j", "-s", "link", "show", "wire0").stdout)
    return backlog.dropped() + wire["stats64"]["tx"]["dropped"]


def answered(datagrams):
    try:
        return udp_echo_once(datagrams)
    except TimeoutError:
        return "silent"


class Flood:
    """SYNs from everywhere, in bursts."""

    def __init__(self, namespace, device, family, mac, port):
        self._frames = forged_syns(family, mac, port, FLOOD_FLOWS)
        self._tap = Tap(namespace, device)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.sent = 0

    def _run(self):
        while not self._over.is_set():
            for number, frame in enumerate(self._frames):
                with contextlib.suppress(OSError):  # no buffer is free
                    self._tap.send(frame)
                    self.sent += 1
                if number % BURST == BURST - 1:
                    self._over.wait(PAUSE_S)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(PATIENCE)
        self._tap.close()


def begun(host, port, client):
    """Flows of others than this client."""
    return sum(flow["src"] != client for flow in host.cli("ct", "list", "type", "dnat", "dport", str(port)))


@pytest.mark.parametrize("xdp", [False, True], ids=["tc", "xdp"])
@pytest.mark.parametrize("family", [outside.IPV4, outside.IPV6], ids=str)
def test_a_flood(host, world, dual, family, xdp):
    """What stands loses nothing, another port is as ever, and no more begin than may."""
    near, hook = world.near, "uplink_xdp" if xdp else "uplink"
    host.cli("port", "publish", "alpha", "8080:80", "--new-rate", str(RATE))
    host.cli("port", "publish", "alpha", "8081:80")
    host.cli("port", "publish", "alpha", "8053:53/udp", "--new-rate", "1")
    if xdp:
        host.cli("uplink", "set", outside.UPLINK, "--xdp", "native")
    mac = host.namespace.mac(outside.UPLINK)
    with TcpServer(dual, 80), UdpServer(dual, 53), tcp_connect(near, family.host, 8080) as stream, udp_connect(
        near, family.host, 8053
    ) as datagrams:
        assert echo_once(stream) and udp_echo_once(datagrams)
        lost, since = dropped_on_the_way(near), time.monotonic()
        with Flood(near, "wire0", family, mac, 8080) as flood:
            wait_until(lambda: host.drops("new_limit", hook) > 1000, what="a flood that is refused")
            for _ in range(300):
                assert echo_once(stream)
                assert backlog.unless_dropped(lambda: answered(datagrams), lambda: dropped_on_the_way(near)) is True
            for _ in range(20):
                assert tcp_talk(near, family.host, 8081) == "echoed"
            whole = begun(host, 8080, family.near)
            seconds = time.monotonic() - since
        assert retransmitted(stream) == 0 or dropped_on_the_way(near) > lost
        assert RATE <= whole <= RATE * (1 + seconds) + 1 < flood.sent / 10
        refused = {name: host.drops("new_limit", name) for name in ("uplink", "uplink_xdp")}
        arrived = flood.sent - (dropped_on_the_way(near) - lost)
        assert sum(refused.values()) > arrived * (1 - whole / FLOOD_FLOWS) / 2
        assert refused["uplink_xdp"] == 0 if not xdp else refused["uplink_xdp"] > 100 * refused["uplink"]
        if xdp:
            answer = host.cli("explain", "in", outside.UPLINK, "tcp",
                              f"[{family.far}]:5555" if family.v6 else f"{family.far}:5555", "to", ":8080")
            assert "new_limit" in answer["steps"][0]["text"]
        # A client below the limit, as soon as it is over.
        for _ in range(RATE // 2):
            assert tcp_talk(near, family.host, 8080) == "echoed"


def test_below_the_limit(host, world, alpha):
    """Nobody waits, however many in the end."""
    host.cli("port", "publish", "alpha", "8080:80", "--new-rate", "1000")
    with TcpServer(alpha.namespace, 80):
        for _ in range(200):
            assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
    assert host.drops("new_limit") == 0


def test_more_connections_than_may_begin(host, world, alpha):
    """One a second: what has begun goes on, what begins beside it does not; until the limit goes."""
    port = host.cli("port", "publish", "alpha", "8053:53/udp", "--new-rate", "1")
    assert (port["new_rate"], port["new_burst"]) == (1, 0)
    host.restart()
    with UdpServer(alpha.namespace, 53), udp_connect(world.near, outside.HOST, 8053) as first:
        assert udp_echo_once(first)

        def refused():
            with udp_connect(world.near, outside.HOST, 8053) as more:
                more.send(b"one more")
            return host.drops("new_limit", "uplink")

        wait_until(refused, what="a connection too many")
        assert udp_echo_once(first)
        (shown,) = host.cli("port", "list")
        assert (shown["new_rate"], shown["new_burst"]) == (1, 0)
        host.cli("port", "set", "alpha", "8053:53/udp", "--new-rate", "0")
        before = refused()
        for _ in range(5):
            with udp_connect(world.near, outside.HOST, 8053) as more:
                assert udp_echo_once(more)
        assert host.drops("new_limit", "uplink") == before
    host.cli_fails(2, "needs a new rate", "port", "set", "alpha", "8053:53/udp", "--new-burst", "2")
    host.cli_fails(1, "nothing to set", "port", "set", "alpha", "8053:53/udp")


def bucket(host, port, full_at_ns=None):
    """(interval, burst, when it is full); another time is put there."""
    with PinnedMap(os.path.join(host.root, "bpf", "maps", "cnet_binding")) as bindings:
        key = struct.pack("=I", port["id"])
        *rest, interval, burst, full = BINDING.unpack(bindings.lookup(key, BINDING.size))
        if full_at_ns is not None:
            bindings.update(key, BINDING.pack(*rest, interval, burst, full_at_ns))
    return interval, burst, full


def test_the_bucket_outlives_the_daemon(host, world, alpha):
    """It is the data path's own: neither a restart nor a repair fills it."""
    never = 1 << 62
    port = host.cli("port", "publish", "alpha", "8080-8089:80-89", "--new-rate", "3", "--new-burst", "7")
    assert bucket(host, port, never) == (333_333_333, 7, 0)
    host.restart()
    words = f"in {outside.UPLINK} tcp {outside.NEAR}:5555 to :8089".split()
    answer = host.cli("explain", *words)
    assert (answer["verdict"], answer["reason"]) == ("drop", "new_limit")
    assert "--new-rate" in str(answer)
    assert bucket(host, port) == (333_333_333, 7, never)
    host.cli("port", "set", "alpha", "8080-8089:80-89", "--new-burst", "0")
    assert bucket(host, port) == (333_333_333, 3, 0)
    for _ in range(5):
        assert host.cli("explain", *words)["reason"] == "dnat", "it takes no token"
    (entry,) = host.cli("map", "dump", "binding")
    assert (entry["value"]["new_interval_ns"], entry["value"]["new_burst"]) == (333_333_333, 3)
    del world
