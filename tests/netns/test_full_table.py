"""A connection table of full size: the daemon stays there for everybody while it walks, lists, collects and flushes it.

    [alpha] [beta] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]

CNET_FULL_TABLE is its size in entries; tools/test --long makes it a million.
"""

import contextlib
import ipaddress
import os
import socket
import struct
import threading
import time

import pytest

from harness import world as outside
from harness.bpf_map import PinnedMap
from harness.host import SLOWNESS, UNDER_ASAN
from harness.sockets import SILENCE, UdpServer, udp_connect, udp_echo_once, udp_talk
from harness.wait import wait_until

ENTRIES = int(os.environ.get("CNET_FULL_TABLE", "40000"))
FLOWS = ENTRIES // 2 - 8  # room for a few real ones
PORT = 40000  # outside, of every flow that is filled in
UDP_SLOTS = 1 << 16  # where UDP's begin in cnet_slot
BATCH = 5000
# No small request waits longer for the daemon, whatever else it does, on a machine that is busy otherwise; and no
# command that concerns each entry takes longer.
RESPONSIVE_S = 5 * SLOWNESS
COMMAND_S = (5 + ENTRIES / 20000) * SLOWNESS


def mapped(address):
    return b"\0" * 10 + b"\xff\xff" + ipaddress.IPv4Address(address).packed


def key(src, sport, dst, dport, zone):
    return struct.pack("=16s16s2s2sIB3x", src, dst, struct.pack("!H", sport), struct.pack("!H", dport), zone, 17)


def entry(kind, other, network, last_seen_ns):
    return struct.pack(
        "=QBBBB44sIIQ16sQII", last_seen_ns, kind, 1, 1, 0, other, 0, 0, 0, b"", last_seen_ns, 0, network
    )


class Table:
    """The table of a host, with flows of a container in it that nobody sent a packet for."""

    def __init__(self, host, container):
        self.host = host
        self.source = mapped(container.address)
        self.network = host.cli("network", "show", container.network.name)["id"]

    def pin(self, name):
        return PinnedMap(os.path.join(self.host.root, "bpf", "maps", name))

    def fill(self, count, idle_s=-3600):
        """Flows as the programs would have made them, slot included. A full table has no patience with flows that are
        idle, and filling it takes a while: they were seen last an hour from now.
        """
        seen_ns = max(time.monotonic_ns() - int(idle_s * 1e9), 1)  # not before the machine was started
        host = mapped(outside.HOST)
        with self.pin("cnet_ct") as ct, self.pin("cnet_slot") as slots:
            slots.update(struct.pack("=I", UDP_SLOTS | PORT), struct.pack("=II", 0, count))
            for first in range(0, count, BATCH):
                keys, values = [], []
                for number in range(first, min(first + BATCH, count)):
                    remote = ipaddress.IPv4Address("203.0.0.1") + number // 60000
                    forward = key(self.source, PORT, mapped(remote), 1000 + number % 60000, self.network)
                    reverse = key(mapped(remote), 1000 + number % 60000, host, PORT, 0)
                    keys += [forward, reverse]
                    values += [
                        entry(1, reverse, self.network, seen_ns),
                        entry(2, forward, self.network, seen_ns),
                    ]
                ct.update_batch(keys, values)


@contextlib.contextmanager
def daemon_stays_there(host):
    """Asks for something small all the time, and checks that no answer came late."""
    slowest, done = [0.0], threading.Event()

    def ask():
        while not done.is_set():
            began = time.monotonic()
            assert host.api("GET", "/v1/networks")[0] == 200
            slowest[0] = max(slowest[0], time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    print(f"slowest answer meanwhile: {slowest[0]:.3f} s")
    assert slowest[0] < RESPONSIVE_S


@contextlib.contextmanager
def within(seconds, what):
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    print(f"{what}: {took:.2f} s")
    assert took < seconds, f"{what} took {took:.2f} s"


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


@pytest.fixture
def scene(make_host, make_world):
    """(host, world, alpha, beta, alpha's table), swept every second."""
    host = make_host(f"[maps]\ncnet_ct = {ENTRIES}\n[reconcile]\nsweep_period_s = 1\n")
    world = make_world(host)
    red = host.network("red", "10.88.1.0/24")
    alpha, beta = host.container(red, "alpha"), host.container(red, "beta")
    return host, world, alpha, beta, Table(host, alpha)


def test_full(scene):
    """New flows are refused and counted, old ones live; sweeps go on, and keep what is alive."""
    host, world, alpha, beta, table = scene
    with UdpServer(world.near, 7000), udp_connect(beta.namespace, outside.NEAR, 7000, 4001) as old:
        assert udp_echo_once(old)
        with daemon_stays_there(host):
            table.fill(FLOWS)
            before = host.drops("ct_full")
            wait_until(
                lambda: udp_talk(alpha.namespace, outside.NEAR, 7000, timeout=SILENCE) == "silent",
                what="the table being full",
            )
            assert host.drops("ct_full") > before
            for _ in range(5):
                assert udp_echo_once(old)
                time.sleep(1)  # a sweep each
            assert host.cli("ct", "count")["flows"] >= FLOWS


def test_listed_and_flushed(scene):
    """Listing takes memory for a piece at a time; a filter and a flush take a bounded time."""
    host, world, alpha, beta, table = scene
    with UdpServer(world.near, 7000), udp_connect(beta.namespace, outside.NEAR, 7000, 4001) as old:
        assert udp_echo_once(old)
        table.fill(FLOWS)
        pid = int(host.daemon.pid)
        before_kib = resident_kib(pid)
        with daemon_stays_there(host):
            with within(COMMAND_S, "a list with a filter"):
                (flow,) = host.cli("ct", "list", "sport", "4001")
            assert flow["src"] == beta.address
            with within(COMMAND_S, "the whole list"):
                status, rows = host.api("GET", "/v1/ct")
            assert status == 200 and len(rows) >= FLOWS
        grown_kib = resident_kib(pid) - before_kib
        print(f"cnetd grew by {grown_kib} KiB from {before_kib}")
        assert UNDER_ASAN or grown_kib < 30000  # ASan keeps what was freed for a while
        with within(COMMAND_S, "a flush by endpoint"):
            assert host.cli("ct", "flush", "endpoint", "alpha")["flushed"] >= FLOWS
        assert udp_echo_once(old)
        assert len(host.cli("ct", "list")) == 1


def test_purged_with_its_endpoint(scene):
    host, world, alpha, beta, table = scene
    with UdpServer(world.near, 7000), udp_connect(beta.namespace, outside.NEAR, 7000, 4001) as old:
        assert udp_echo_once(old)
        table.fill(FLOWS)
        with within(COMMAND_S, "deleting the endpoint"):
            host.cli("endpoint", "delete", "alpha")
        assert [flow["src"] for flow in host.cli("ct", "list")] == [beta.address]
        assert udp_echo_once(old)


def test_collected_when_idle(scene):
    """All idle at once: gone within a few sweeps, and the daemon answers meanwhile."""
    host, world, alpha, beta, table = scene
    with UdpServer(world.near, 7000), udp_connect(beta.namespace, outside.NEAR, 7000, 4001) as old:
        assert udp_echo_once(old)
        with daemon_stays_there(host):
            table.fill(FLOWS, idle_s=1000)
            with within(COMMAND_S, "collecting"):
                wait_until(lambda: host.cli("ct", "count")["flows"] == 1, 600, "idle flows gone")
        assert udp_echo_once(old)
