"""What breaks below a running daemon: it goes on with what it has, repairs what it can once it can, and says so.

    [alpha] [beta] --- network red --- the host --- 198.18.0.1 --- 198.18.0.2 [near]

docs/testing.md has the whole list of faults, and where each is tested.
"""

import contextlib
import os
import resource
import shutil
import signal
import struct
import subprocess

import pytest

from harness import cgroup, world as outside
from harness.bpf_map import PinnedMap
from harness.crash import difference, mended, picture, settled, standing
from harness.dhcp import send_answer
from harness.doctor import PROBLEMS, complaints, examine
from harness.exposition import link_lists
from harness.host import BIN, UNDER_ASAN, pins
from harness.icmp import ping
from harness.lan import Lan
from harness.sockets import TcpServer, UdpServer, tcp_talk, udp_connect, udp_echo_once
from harness.wait import wait_until

OFTEN = "[reconcile]\nperiod_s = 1\n"
SELDOM = "[reconcile]\nperiod_s = 3600\n"
PATIENCE = 60


@pytest.fixture
def scene(make_host, make_world):
    """Makes (host, world, alpha, beta); alpha's port 80 is published as 8080."""

    def make(config=OFTEN, before_start=lambda host: None):
        host = make_host(config, start=False)
        before_start(host)
        host.start()
        world = make_world(host)
        red = host.network("red", "10.88.1.0/24")
        alpha, beta = host.container(red, "alpha"), host.container(red, "beta")
        host.publish(alpha, 8080, 80)
        return host, world, alpha, beta

    return make


def works(world, alpha, beta):
    """Each kind of path, again once what was broken is repaired."""

    def all_paths():
        return (
            ping(alpha.namespace, beta.address, timeout=1) == "reply"
            and ping(alpha.namespace, outside.NEAR, timeout=1) == "reply"
            and tcp_talk(world.near, outside.HOST, 8080, timeout=2) == "echoed"
        )

    with TcpServer(alpha.namespace, 80):
        wait_until(all_paths, PATIENCE, "every path working")


def is_well(host):
    wait_until(lambda: complaints(host) == [], PATIENCE, "doctor being content")


@contextlib.contextmanager
def full(folder):
    """The file system of `folder` has no block left."""
    path = os.path.join(folder, "ballast")
    with open(path, "wb", buffering=0) as ballast:
        with contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(4096))
    try:
        yield
    finally:
        os.unlink(path)


def test_disk_full(scene):
    """What cannot be stored is refused and changes nothing; a daemon starts on such a disk with all that it had."""

    def small_disk(host):
        folder = os.path.join(host.root, "lib")
        os.makedirs(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)

    host, world, alpha, beta = scene(before_start=small_disk)
    folder, empty = os.path.join(host.root, "lib"), standing(host)
    with full(folder):
        before, number = picture(host), 0
        while host.cli_raw("sandbox", "create", f"filler{number}")[1].returncode == 0:
            before, number = picture(host), number + 1
            assert number < 500, "the disk is never full"
        host.cli_fails(2, "the disk that holds the state is full", "sandbox", "create", "one-more")
        assert difference(before, picture(host)) == {}
        works(world, alpha, beta)
        assert complaints(host) == []
        host.restart()
        works(world, alpha, beta)
        assert difference(before["api"], picture(host)["api"]) == {}
    host.cli("sandbox", "create", "after")
    assert complaints(host) == []
    for row in host.cli("sandbox", "list"):
        host.cli("sandbox", "delete", row["name"])
    settled(host, empty)


def forget_pins(host):
    """As `rm -r` does: what hangs by a pin alone goes with it."""
    for folder in {os.path.dirname(name) for name in pins(host)} - {""}:
        shutil.rmtree(os.path.join(host.root, "bpf", folder))


def forget_bpffs(host):
    subprocess.run(["umount", "-l", os.path.join(host.root, "bpf")], check=True)


@pytest.mark.parametrize("forget", [forget_pins, forget_bpffs])
@pytest.mark.parametrize("alive", [True, False], ids=["alive", "dead"])
def test_pins_gone(scene, forget, alive):
    """Pins and bpffs come back, at the next round or with the next daemon, and so does everything that they held."""
    host, world, alpha, beta = scene()
    with mended(host, *(("attach endpoint to", "pins below") if alive else ("write cnet_flood entry",))):
        if not alive:
            host.kill9()
        forget(host)
        if not alive:
            host.start()
        is_well(host)
        works(world, alpha, beta)
        host.restart()
        is_well(host)
        works(world, alpha, beta)


def test_uplink_renamed(scene):
    host, world, alpha, beta = scene(SELDOM)
    with mended(host, "reconcile: "):
        for old, new in ((outside.UPLINK, "other0"), ("other0", outside.UPLINK)):
            host.namespace.ip(f"link set {old} down", f"link set {old} name {new}", f"link set {new} up",
                              f"route add default via {outside.NEAR}")
            wait_until(lambda new=new: host.has_uplink(new), PATIENCE, "the uplink under its new name")
            assert not host.has_uplink(old)
            works(world, alpha, beta)
            is_well(host)


def test_uplink_removed_and_added_again(scene):
    """A flow that lived goes on over the new device: the host's address is the same."""
    host, world, alpha, beta = scene(SELDOM)
    with mended(host, "remove cnet_uplinks entry"), UdpServer(world.near, 7000), udp_connect(
        alpha.namespace, outside.NEAR, 7000, 4001
    ) as flow:
        assert udp_echo_once(flow)
        for _ in range(3):
            host.namespace.ip(f"link del {outside.UPLINK}")
            wait_until(lambda: not host.has_uplink(outside.UPLINK), PATIENCE, "the uplink being gone")
            assert ping(alpha.namespace, beta.address) == "reply"
            host.namespace.ip(f"link add {outside.UPLINK} type veth peer name wire0 netns {world.near.name}")
            world.near.ip(f"addr add {outside.NEAR}/24 dev wire0", "link set wire0 up")
            host.namespace.ip(f"addr add {outside.HOST}/24 dev {outside.UPLINK}", f"link set {outside.UPLINK} up",
                              f"route add default via {outside.NEAR}")
            wait_until(lambda: host.has_uplink(outside.UPLINK), PATIENCE, "the uplink being back")
            works(world, alpha, beta)
            wait_until(lambda: udp_echo_once(flow), PATIENCE, "the flow going on")
    is_well(host)


def test_more_news_than_fit(scene):
    """Netlink's notifications are lost while the daemon does not read: what they were about is found all the same."""
    host, world, alpha, beta = scene(SELDOM)
    device = host.cli("endpoint", "show", "alpha")["host_ifname"]
    repairs, lists = host.cli("status")["reconcile"]["repairs"], link_lists(host)
    with mended(host, f"create veth {device}"):
        host.namespace.ip("link add noise0 type veth peer name noise1")
        host.daemon.signal(signal.SIGSTOP)
        host.namespace.ip(*[f"link set noise0 {state}" for _ in range(1500) for state in ("up", "down")])
        host.namespace.ip(f"link del {device}", "link del noise0")
        host.daemon.signal(signal.SIGCONT)
        works(world, alpha, beta)
    assert host.cli("status")["reconcile"]["repairs"] > repairs
    assert link_lists(host) > lists, "nothing was lost"
    is_well(host)


@pytest.mark.skipif(UNDER_ASAN, reason="ASan reserves more addresses than any limit leaves")
def test_no_memory(scene):
    """The daemon is refused memory in the middle of its work, whichever command that is: what it acknowledged holds, and
    the next one finds nothing half-done.
    """
    host, world, alpha, beta = scene(SELDOM)
    acknowledged, refused, before = [], 0, standing(host)
    for number in range(8):
        name = f"box{number}"
        with open(f"/proc/{host.daemon.pid}/statm", encoding="ascii") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        resource.prlimit(host.daemon.pid, resource.RLIMIT_DATA, (65536 * number, resource.RLIM_INFINITY))
        resource.prlimit(host.daemon.pid, resource.RLIMIT_AS, (mapped + 65536 * number, resource.RLIM_INFINITY))
        made = all(host.cli_raw(*words)[1].returncode == 0
                   for words in (("sandbox", "create", name), ("endpoint", "create", "red", name, "--netns", name)))
        ports = made and host.cli_raw("port", "publish", name, f"{9000 + 100 * number}-{9099 + 100 * number}:1-100")[1]
        acknowledged += [name] if made else []
        refused += not made or ports.returncode != 0
        works(world, alpha, beta)
        host.restart()
        is_well(host)
        assert not ports or (ports.returncode == 0) <= (name in {row["endpoint"] for row in host.cli("port", "list")})
    names = {row["name"] for row in host.cli("endpoint", "list")}
    assert names >= set(acknowledged)
    assert refused, "there was always enough"
    works(world, alpha, beta)
    for row in host.cli("sandbox", "list"):
        host.cli("sandbox", "delete", row["name"])
    settled(host, before)


@pytest.mark.vm
@pytest.mark.skipif(not cgroup.memory_controller(), reason="no memory controller can be used here")
def test_memory_limit_of_its_group(scene):
    """The kernel ends the daemon in the middle of its work, wherever it happens to pass its group's limit: what it
    acknowledged holds, nothing is half-done, and traffic did not notice.
    """
    host, world, alpha, beta = scene(SELDOM)
    acknowledged, killed, before = [], 0, standing(host)
    for number in range(6):
        name = f"box{number}"
        with cgroup.memory_limit(host.daemon.pid, 65536 << number) as is_ended:
            if all(host.cli_raw(*words)[1].returncode == 0
                   for words in (("sandbox", "create", name), ("endpoint", "create", "red", name, "--netns", name),
                                 ("port", "publish", name, f"{9000 + 100 * number}-{9099 + 100 * number}:1-100"))):
                acknowledged.append(name)
            if is_ended():
                assert wait_until(host.daemon.poll, what="the end of the daemon") == -signal.SIGKILL
                killed += 1
            works(world, alpha, beta)
        host.restart()
        is_well(host)
        assert set(acknowledged) <= {row["endpoint"] for row in host.cli("port", "list")}
    assert killed, "there was always enough"
    works(world, alpha, beta)
    for row in host.cli("sandbox", "list"):
        host.cli("sandbox", "delete", row["name"])
    settled(host, before)


@pytest.mark.skipif(UNDER_ASAN, reason="ASan must be the first library of a process")
def test_clock_stepped(scene, tmp_path):
    """The wall clock goes a day ahead, and two years back: flows, leases and rounds are timed by another one. A daemon that
    starts then believes it, and a lease lasts no longer than it was given for.
    """
    clock = tmp_path / "clock"

    def step(seconds):
        clock.write_text(f"{seconds}\n")

    def fake_clock(host):
        host.environment = {"LD_PRELOAD": f"{BIN}/libcnet-clock.so", "CNET_TEST_CLOCK": str(clock)}

    def lease():
        return host.cli("endpoint", "show", "alpha")["lease"]

    step(0)
    host, world, alpha, beta = scene("[reconcile]\nperiod_s = 1\nsweep_period_s = 1\n", before_start=fake_clock)
    with mended(host), Lan(host, alpha.network) as lan:
        host.attach(alpha.network, lan.device)
        send_answer(lan.namespace, alpha.mac, "ack", alpha.network.address(100), 3600)
        wait_until(lease, PATIENCE, "the lease")
        with UdpServer(world.near, 7000), udp_connect(alpha.namespace, outside.NEAR, 7000, 4001) as flow:
            assert udp_echo_once(flow)
            for seconds in (86400, -63072000):
                step(seconds)
                host.reconciled(4, PATIENCE)
                assert udp_echo_once(flow) and len(host.cli("ct", "list", "sport", "4001")) == 1
                assert 3000 < lease()["ends_in_s"] <= 3600
                works(world, alpha, beta)
            host.restart()
            assert 3000 < lease()["ends_in_s"] <= 3600
            step(86400)
            host.restart()
            assert udp_echo_once(flow)
            wait_until(lambda: lease() is None, PATIENCE, "the end of a lease that is over by the clock")
            works(world, alpha, beta)
        host.cli("network", "detach", "red", lan.device)
    is_well(host)


def test_maps_of_another_version_that_cannot_be_taken_along(scene):
    """A daemon whose maps have no room for what those of another version hold says so and leaves them alone."""
    host, world, alpha, beta = scene(SELDOM)
    works(world, alpha, beta)
    before = standing(host)
    host.stop()
    with PinnedMap(os.path.join(host.root, "bpf", "maps", "cnet_meta")) as meta:
        made = meta.lookup(struct.pack("=I", 0), 16)
        meta.update(struct.pack("=I", 0), struct.pack("=I", 1) + made[4:])
    with open(host.config_path, encoding="utf-8") as file:
        config = file.read()
    with open(host.config_path, "w", encoding="utf-8") as file:
        file.write(f"{config}\n[maps]\ncnet_ct = 1\n")
    for _ in range(2):
        with host.spawn_daemon() as refused:
            assert refused.wait() == 1
        said = host.log().splitlines()[-1]
        assert "take the entries of map cnet_ct along from the version before" in said and "the map is full" in said
        works(world, alpha, beta)
    with open(host.config_path, "w", encoding="utf-8") as file:
        file.write(config)
    host.start()
    works(world, alpha, beta)
    is_well(host)
    settled(host, before)


def test_programs_of_others_on_our_hooks(scene):
    """They stay where they are, through our restarts and repairs; ours stay as well, once each, and do their work."""
    host, world, alpha, beta = scene()
    device = host.cli("endpoint", "show", "alpha")["host_ifname"]
    # On a kernel without tcx it is there.
    host.namespace.run("tc", "qdisc", "add", "dev", device, "clsact", check=False)
    theirs = ("tc", "filter", "show", "dev", device, "ingress", "pref", "5")
    # One that nothing matches: on clsact what another filter accepts is not ours to see.
    host.namespace.run("tc", "filter", "add", "dev", device, "ingress", "protocol", "ip", "pref", "5", "bpf", "bytecode",
                       "1,6 0 0 0,")
    before = host.namespace.run(*theirs).stdout
    ours = sorted(pins(host))
    assert before
    with mended(host):
        for again in (host.restart, lambda: host.reconciled(timeout=PATIENCE), lambda: (host.stop(), host.start())):
            again()
            works(world, alpha, beta)
            assert host.namespace.run(*theirs).stdout == before and sorted(pins(host)) == ours


def test_port_that_a_process_took(scene):
    """While there was no daemon: the process keeps it, the daemon says so, and has it back once it is free."""
    host, world, alpha, beta = scene()
    before = standing(host)
    host.kill9()
    with TcpServer(host.namespace, 8080) as process, TcpServer(alpha.namespace, 80) as published:
        host.start()
        (row,) = host.cli("port", "list")
        assert row["reservation"] == "none"
        _, shown = host.cli_raw("-s", "port", "list", json_output=False)
        head, line = shown.stdout.splitlines()
        assert line[head.index("RESERVATION"):] == "none"
        status, answer = examine(host)
        (finding,) = [one for one in answer["findings"] if one["area"] == "port"]
        assert (status, finding["severity"]) == (PROBLEMS, "problem")
        assert finding["what"] == "port 8080/tcp of alpha is a process's of the host by now"
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
        assert len(process.peers) == 1 and published.peers == []
    wait_until(lambda: host.cli("port", "list")[0]["reservation"] == "socket", PATIENCE, "the port being ours again")
    works(world, alpha, beta)
    is_well(host)
    settled(host, before)
