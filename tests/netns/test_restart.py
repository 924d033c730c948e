"""The daemon dies and comes back; packets and connections must not notice.

    [alpha] [beta] --- network red --- the host --- 198.18.0.1 --- 198.18.0.2 [near]
"""

import contextlib
import glob
import os
import re
import select
import signal

import pytest

from harness import world as outside
from harness.bpf_map import set_maps_version
from harness.icmp import lost, ping
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


@pytest.fixture
def red(host, world):
    del world
    return host.network("red", "10.88.1.0/24")


@pytest.fixture
def pair(host, red):
    return [host.container(red, name) for name in ("alpha", "beta")]


@contextlib.contextmanager
def _three_streams(host, world, pair):
    """Between containers, out through the masquerade and in through a published port; byte for byte, in the end."""
    alpha, beta = pair
    host.publish(alpha, 8080, 80)
    with TcpServer(beta.namespace, handler=hash_back) as sibling, TcpServer(
        world.near, handler=hash_back
    ) as abroad, TcpServer(alpha.namespace, 80, handler=hash_back):
        streams = [
            Stream(alpha.namespace, beta.address, sibling.port, 20_000_000),
            Stream(alpha.namespace, outside.NEAR, abroad.port, 20_000_000),
            Stream(world.near, outside.HOST, 8080, 20_000_000),
        ]
        yield streams
        for stream in streams:
            stream.stop()


def test_streams_survive_kill_and_restart(host, world, pair):
    with _three_streams(host, world, pair) as streams:
        for _ in range(4):
            host.kill9()
            _progress(streams)  # while it is dead
            host.start()
            _progress(streams)  # while it reconciles, and after


def _progress(streams):
    """Waits until every stream has moved on."""
    before = [stream.sent for stream in streams]
    wait_until(
        lambda: all(stream.sent > start for stream, start in zip(streams, before)),
        what="every stream moving on",
    )


class Pings:
    """A ping(8) every 10 ms until stop(), which answers how many were lost."""

    def __init__(self, namespace, address, path):
        self._path = path
        with open(path, "w", encoding="ascii") as file:
            self._process = namespace.spawn("ping", "-n", "-i", "0.01", address, stdout=file)

    def go_on(self):
        """Waits for ten more."""
        before = len(self._text().splitlines())
        wait_until(lambda: len(self._text().splitlines()) > before + 10, what="the ping going on")

    def stop(self):
        assert self._process.poll() is None, f"it ended by itself: {self._text()}"
        self._process.signal(signal.SIGINT)
        self._process.wait()
        return lost(self._text())

    def _text(self):
        return self._path.read_text(encoding="ascii")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.close()


def test_no_ping_is_lost(host, world, pair, tmp_path):
    """On each kind of path, through three kills and restarts."""
    alpha, beta = pair
    assert world.near
    paths = [
        (alpha.namespace, beta.address),
        (alpha.namespace, outside.NEAR),
        (alpha.namespace, alpha.network.gateway),
        (host.namespace, alpha.address),
    ]
    for namespace, address in paths:
        assert ping(namespace, address) == "reply"
    with contextlib.ExitStack() as running:
        pings = [
            running.enter_context(Pings(namespace, address, tmp_path / str(number)))
            for number, (namespace, address) in enumerate(paths)
        ]
        for _ in range(3):
            host.restart()
            for one in pings:
                one.go_on()
        assert [one.stop() for one in pings] == [0] * len(pings)


def test_connections_survive(host, world, pair):
    """TCP and UDP flows through NAT are the same flows after a restart, and still listed."""
    alpha, _ = pair
    host.publish(alpha, 8080, 80)
    with TcpServer(world.near, 7000), UdpServer(world.near, 7000), TcpServer(
        alpha.namespace, 80
    ), tcp_connect(alpha.namespace, outside.NEAR, 7000, 4001) as out, udp_connect(
        alpha.namespace, outside.NEAR, 7000, 4002
    ) as datagrams, tcp_connect(
        world.near, outside.HOST, 8080, 4003
    ) as back:
        assert echo_once(out) and udp_echo_once(datagrams) and echo_once(back)
        before = _tuples(host)
        for _ in range(3):
            host.kill9()
            assert echo_once(out) and udp_echo_once(datagrams) and echo_once(back)
            host.start()
            assert echo_once(out) and udp_echo_once(datagrams) and echo_once(back)
        assert _tuples(host) == before and len(before) == 3


def test_maps_of_another_version_are_taken_along(host, world, pair):
    """An upgrade and a downgrade to another layout, under traffic: streams go on, flows stay known, nothing is left."""
    with _three_streams(host, world, pair) as streams:
        _progress(streams)
        flows = _tuples(host)
        for migrated, version in enumerate((1, 999), 1):
            host.kill9()
            set_maps_version(host, version)
            host.start()
            assert host.log().count("connections were taken along") == migrated
            _progress(streams)
            assert _tuples(host) == flows and len(flows) == 2
    assert not os.path.exists(os.path.join(host.root, "bpf", "maps_aside"))


def test_a_full_table_is_made_larger_and_not_too_small(make_host, make_world):
    """`[maps]` changes a map that exists, at the next start and under traffic; not where that would lose entries."""
    # A table that fills up forgets answered datagrams after 30 s: on a slow machine while it is being filled.
    host = make_host("[maps]\ncnet_ct = 64\n[conntrack]\nendpoint_flows = 0\n[reconcile]\nsweep_period_s = 3600\n")
    world = make_world(host)
    red = host.network("red", "10.88.1.0/24")
    pair = [host.container(red, name) for name in ("alpha", "beta")]
    with _three_streams(host, world, pair) as streams, UdpServer(world.near, 7000), contextlib.ExitStack() as held:
        sockets = []
        while not host.drops("ct_full"):
            assert len(sockets) <= 64, "more flows than the table can hold"
            sockets.append(held.enter_context(udp_connect(pair[0].namespace, outside.NEAR, 7000)))
            sockets[-1].send(b"refused, or the first of a flow")
            wait_until(lambda: _has_answer(sockets[-1]) or host.drops("ct_full"), what="an answer, or a drop")
        for size, becomes in ((4096, 4096), (16, 4096)):
            host.kill9()
            _set_map_size(host, size)
            host.start()
            assert host.cli("ct", "count")["max_entries"] == becomes
            _progress(streams)
            assert all(udp_echo_once(sock) for sock in sockets)
        assert "maps keep their sizes, cnet_ct 4096 entries instead of 16" in host.log()


def _has_answer(sock):
    """And takes it."""
    return bool(select.select([sock], [], [], 0)[0]) and bool(sock.recv(100))


def _set_map_size(host, size):
    with open(host.config_path, encoding="utf-8") as file:
        text = file.read()
    with open(host.config_path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"cnet_ct = \d+", f"cnet_ct = {size}", text))


def _tuples(host):
    return sorted(
        tuple(flow[key] for key in ("protocol", "type", "src", "src_port", "dst", "dst_port"))
        for flow in host.cli("ct", "list")
    )


def test_works_while_the_daemon_is_dead(host, world, pair):
    """New connections of every kind begin without a daemon, and the CLI says what it cannot do."""
    alpha, beta = pair
    host.publish(alpha, 8080, 80)
    host.kill9()
    with TcpServer(world.near, 7000), TcpServer(alpha.namespace, 80):
        assert tcp_talk(alpha.namespace, outside.NEAR, 7000) == "echoed"
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
        assert ping(alpha.namespace, beta.address) == "reply"
        assert ping(host.namespace, alpha.address) == "reply"
    host.cli_fails(4, "cnetd", "network", "list")
    assert {row["name"] for row in host.cli("map", "list")} >= {"cnet_fdb", "cnet_ct", "cnet_port"}
    assert host.cli("prog", "list")


def test_clean_stop_leaves_the_data_path(host, pair):
    alpha, beta = pair
    host.stop()
    assert ping(alpha.namespace, beta.address) == "reply"
    host.start()
    assert ping(alpha.namespace, beta.address) == "reply"


def test_state_is_the_same_after_a_restart(host, world, pair):
    del world
    alpha, _ = pair
    host.publish(alpha, 8080, 80)
    host.cli("sandbox", "create", "box")
    host.cli("fdb", "add", "red", "02:00:00:55:55:55", "endpoint", "beta")
    before = host.state()
    links = {name: link["ifindex"] for name, link in host.namespace.links().items()}
    host.restart()
    assert host.state() == before
    host.stop()
    host.start()
    assert host.state() == before
    assert {name: link["ifindex"] for name, link in host.namespace.links().items()} == links


def test_second_daemon_is_refused(host, pair):
    """It says so and leaves the first alone."""
    alpha, beta = pair
    second = host.spawn_daemon()
    with second:
        assert second.wait() != 0
    assert f"is held by process {host.daemon.pid}" in host.log(), host.log()
    assert host.cli("status")["pid"] == host.daemon.pid
    assert ping(alpha.namespace, beta.address) == "reply"


def _store_files(host):
    return [path for path in glob.glob(os.path.join(host.root, "lib", "*")) if os.path.isfile(path)]


def test_store_corrupt(host, pair):
    """A store that cannot be read is a clear error, never an empty start; what runs keeps running."""
    alpha, beta = pair
    host.stop()
    files = _store_files(host)
    assert files
    for path in files:
        with open(path, "r+b") as file:
            file.write(b"this is no database " * 300)
    with host.spawn_daemon() as broken:
        assert broken.wait() not in (0, -signal.SIGABRT, -signal.SIGSEGV)
    last = [line for line in host.log().splitlines() if line.strip()][-1]
    assert os.path.join(host.root, "lib") in last, last
    assert ping(alpha.namespace, beta.address) == "reply"
    for path in files:
        os.unlink(path)


def test_store_missing(host, pair):
    """Without its store a daemon owns nothing: it starts, and what it finds of an earlier life is
    removed.
    """
    alpha, _ = pair
    host.stop()
    for path in _store_files(host):
        os.unlink(path)
    host.start()
    assert host.cli("network", "list") == [] and host.cli("endpoint", "list") == []
    wait_until(lambda: host.our_devices() == [], what="stray devices being removed")
    wait_until(lambda: "eth0" not in alpha.namespace.links(), what="the veth being removed")


def test_killed_in_the_middle_of_changes(host, red):
    """Kill -9 while endpoints come and go: every command that was acknowledged holds, others left
    nothing.
    """
    acknowledged = {}
    for number in range(6):
        name = f"box{number}"
        host.cli("sandbox", "create", name)
        # A client that asks, and a daemon that is killed at some point while it works.
        asking = host.namespace.spawn(
            *host.command("endpoint", "create", red.name, name, "--netns", name)
        )
        if number % 2:
            wait_until(
                lambda name=name, asking=asking: asking.poll() is not None
                or any(link.startswith("cnet") for link in host.namespace.links())
            )
        host.kill9()
        acknowledged[name] = asking.wait() == 0
        asking.close()
        host.start()
    listed = {row["name"]: row for row in host.cli("endpoint", "list")}
    for name, done in acknowledged.items():
        assert not done or name in listed, f"{name} was acknowledged and is gone"
    for name, row in listed.items():
        wait_until(
            lambda name=name: host.cli("endpoint", "show", name)["state"] == "up", what=f"{name} up"
        )
        assert row["host_ifname"] in host.namespace.links()
    devices = [link for link in host.our_devices() if link.startswith("cnet")]
    assert sorted(devices) == sorted(row["host_ifname"] for row in listed.values())
