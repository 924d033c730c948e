"""Years in a minute: endpoints, ports, networks, daemons and their programs come and go under traffic.

    [alpha] [beta] [box0] [box1] ... --- network red --- the host --- 198.18.0.1 --- 198.18.0.2 [near]

CNET_SOAK_S is how long, in seconds; tools/test --long makes it half an hour. Each start of a daemon replaces every program
by bpf_link update, as an upgrade does, and every fifth finds maps of another version, an earlier one or a later one.
"""

import contextlib
import os
import re
import time

from harness import world as outside
from harness.bpf_map import set_maps_version
from harness.crash import difference, picture
from harness.doctor import complaints
from harness.host import UNDER_ASAN
from harness.netns import Namespace
from harness.sockets import (
    Stream,
    TcpServer,
    UdpServer,
    echo_once,
    hash_back,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_echo_once,
)
from harness.wait import wait_until

SECONDS = float(os.environ.get("CNET_SOAK_S", "60"))
BOXES = 4
RATE = 4_000_000  # bytes a second of each stream: what counts is that none breaks
TAKEN = re.compile(r"its (\d+) entries of connections were taken along")
GROWTH_KIB = 5000  # what an allocator keeps, and no leak of five KiB a round in the long run


def resident_kib(host):
    with open(f"/proc/{host.daemon.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


class Traffic:
    """Connections of each kind that are there from beginning to end, some busy and some idle."""

    flows = 5  # of those that are translated

    def __init__(self, host, world, alpha, beta):
        self._open = contextlib.ExitStack()
        enter = self._open.enter_context
        sibling, abroad = (enter(TcpServer(one, handler=hash_back)) for one in (beta.namespace, world.near))
        enter(TcpServer(alpha.namespace, 80, handler=hash_back))
        enter(TcpServer(alpha.namespace, 81))
        enter(TcpServer(world.near, 7000))
        enter(UdpServer(world.near, 7000))
        host.publish(alpha, 8080, 80)
        host.publish(alpha, 8081, 81)
        self.streams = [
            Stream(alpha.namespace, beta.address, sibling.port, RATE),
            Stream(alpha.namespace, outside.NEAR, abroad.port, RATE),
            Stream(world.near, outside.HOST, 8080, RATE),
        ]
        self._tcp = [enter(tcp_connect(beta.namespace, outside.NEAR, 7000)),
                     enter(tcp_connect(world.near, outside.HOST, 8081))]
        self._udp = enter(udp_connect(beta.namespace, outside.NEAR, 7000))
        self.check()

    def check(self):
        assert all(echo_once(one) for one in self._tcp) and udp_echo_once(self._udp)

    def moves(self):
        before = [stream.sent for stream in self.streams]
        wait_until(lambda: all(now.sent > then for now, then in zip(self.streams, before)), what="every stream moving on")

    def close(self):
        for stream in self.streams:
            stream.stop()
        self._open.close()


def churn(host, near, number):
    """A command of each kind, and its opposite."""
    name, port = f"box{number % BOXES}", 9000 + number % BOXES
    inside = Namespace.existing(host.cli("sandbox", "create", name)["path"])
    host.cli("network", "create", "passing", "--subnet", "10.89.0.0/24")
    host.cli("endpoint", "create", "red", name, "--netns", name)
    host.cli("endpoint", "create", "passing", f"{name}-too", "--netns", name, "--ifname", "eth1", "--default-route", "off")
    host.cli("port", "publish", name, f"{port}:80")
    host.cli("port", "publish", name, f"{20000 + 100 * (number % 10)}-{20049 + 100 * (number % 10)}:1-50/udp")
    host.cli("network", "set", "red", "--icc", "off")
    host.cli("network", "set", "red", "--icc", "on")
    with TcpServer(inside, 80):
        assert tcp_talk(near, outside.HOST, port) == "echoed"
    host.cli("port", "unpublish", name, f"{port}:80")
    host.cli("endpoint", "delete", f"{name}-too")
    host.cli("endpoint", "delete", name)
    host.cli("network", "delete", "passing")
    host.cli("sandbox", "delete", name)


def restarts(host, near, traffic, until):
    """A daemon that is killed, stopped and started in turn, with a few changes in each life."""
    rounds = migrations = 0
    while time.monotonic() < until or rounds <= 3:
        churn(host, near, rounds)
        if rounds % 2:
            host.kill9()
        else:
            host.stop()
        traffic.moves()
        traffic.check()
        if rounds % 5 == 1:
            set_maps_version(host, 1 if migrations % 2 else 999)
            migrations += 1
        host.start()
        taken = [int(entries) for entries in TAKEN.findall(host.log())]
        assert len(taken) == migrations and all(entries >= 2 * traffic.flows for entries in taken)
        rounds += 1
    assert migrations
    return rounds


def one_life(host, near, traffic, until):
    """One daemon that has done this a while is as large as before."""
    for number in range(10):
        churn(host, near, number)
        traffic.check()  # every time: a server ends what it has not heard of for long
    before_kib, rounds = resident_kib(host), 0
    while time.monotonic() < until or rounds <= 10:
        churn(host, near, rounds)
        traffic.check()
        rounds += 1
        if rounds % 10 == 0:
            traffic.moves()
    grown_kib = resident_kib(host) - before_kib
    print(f"cnetd grew by {grown_kib} KiB from {before_kib} in {rounds} rounds")
    assert UNDER_ASAN or grown_kib < GROWTH_KIB  # ASan keeps what was freed for a while
    return rounds


def test_soak(host, world):
    red = host.network("red", "10.88.1.0/24")
    alpha, beta = host.container(red, "alpha"), host.container(red, "beta")
    traffic = Traffic(host, world, alpha, beta)
    host.restart()
    before = picture(host)
    began = time.monotonic()
    lives = restarts(host, world.near, traffic, began + SECONDS / 2)
    assert difference(before, picture(host)) == {}
    rounds = one_life(host, world.near, traffic, began + SECONDS)
    assert complaints(host) == []
    host.restart()
    assert difference(before, picture(host)) == {}
    traffic.close()
    print(f"{lives} daemons, {rounds} rounds of one, {sum(stream.sent for stream in traffic.streams) >> 20} MiB")
    wait_until(lambda: len(host.cli("ct", "list")) < 100, what="few flows")
