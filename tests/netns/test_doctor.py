"""What `doctor` finds, with what is wrong made on purpose, and what `dump` takes along.

    [alpha] --- red --- the host --- [near]
"""

import contextlib
import errno
import io
import json
import os
import subprocess
import tarfile
import threading

import pytest

from harness import bpf_map
from harness import world as outside
from harness.doctor import WARNINGS, complaints, examine, found
from harness.host import BIN, pins
from harness.sockets import TcpServer, UdpServer, tcp_talk, udp_connect, udp_echo_once
from harness.wait import wait_until

SELDOM = "[reconcile]\nperiod_s = 3600\n"

@pytest.fixture
def red(host, world):
    del world
    return host.network("red", "10.88.1.0/24")


def test_all_is_well(host, red, alpha):
    assert complaints(host) == []
    found(host, "ok", "cnetd", "pid")
    found(host, "ok", "kernel", "attached by")
    found(host, "ok", "pins", "maps")
    _, done = host.cli_raw("doctor", json_output=False)
    assert done.stdout.splitlines()[-1].startswith("problems: 0, ")


def test_cnetd_dead(host, red, alpha):
    host.kill9()
    found(host, "problem", "cnetd", "cnetd.sock")
    found(host, "ok", "pins", "programs")
    assert [one["area"] for one in complaints(host)] == ["cnetd"]


def test_from_another_namespace(host, red, alpha):
    _, answer = examine(host, inside=False)
    areas = [one["area"] for one in answer["findings"] if one["severity"] == "warning"]
    assert "namespace" in areas and "cnetd" in areas


def test_programs_of_others(host, red, alpha):
    device = host.cli("endpoint", "show", "alpha")["host_ifname"]
    host.namespace.run("tc", "qdisc", "replace", "dev", device, "clsact")
    host.namespace.run("tc", "filter", "add", "dev", device, "ingress", "protocol", "ip", "prio", "5", "bpf", "da",
                       "bytecode", "1,6 0 0 0,")
    found(host, "warning", "programs", f"tc filter on {device} ingress")


@pytest.mark.parametrize("first, where, advice", [(True, "before ours", "never ours"), (False, "after ours", "passes on alone")])
def test_tcx_of_others(host, red, alpha, first, where, advice):
    device = host.cli("endpoint", "show", "alpha")["host_ifname"]
    try:
        with bpf_map.tcx_of_others(host.namespace, device, "other_tcx", first):
            one = found(host, "warning", "programs", f"is on {device} ingress {where}")
            assert "other_tcx" in one["what"] and advice in one["advice"]
    except OSError as failure:
        if failure.errno == errno.EINVAL:
            pytest.skip("this kernel has no tcx")
        raise
    assert complaints(host) == []


def pin_of(host, device):
    """Where the link that holds our program on that device is pinned; None: a kernel without tcx."""
    ifindex = host.namespace.links()[device]["ifindex"]
    paths = [path for path in pins(host) if path.startswith("links/") and path.endswith(f"-{ifindex}")]
    return os.path.join(host.root, "bpf", paths[0]) if paths else None


def detach(host, device):
    """What we attached, and nobody tells cnetd."""
    if pin := pin_of(host, device):
        bpf_map.detach(pin)
    else:
        host.namespace.run("tc", "qdisc", "del", "dev", device, "clsact")


@pytest.mark.parametrize("hook", ["endpoint", "uplink"])
def test_detached_behind_our_back(make_host, make_world, hook):
    host = make_host(SELDOM)
    host.container(host.network("red", "10.88.1.0/24"), "alpha")
    make_world(host)
    device = outside.UPLINK if hook == "uplink" else host.cli("endpoint", "show", "alpha")["host_ifname"]
    assert complaints(host) == []
    detach(host, device)
    found(host, "problem", "programs", f"{device} has no program of ours on its hook {hook}")
    host.kill9()
    found(host, "problem", "programs", f"{device} has no program of ours on its hook {hook}")
    host.start()
    assert complaints(host) == []


def test_dead_pins(host, red, alpha):
    device = host.cli("endpoint", "show", "alpha")["host_ifname"]
    ifindex = host.namespace.links()[device]["ifindex"]
    host.kill9()
    host.namespace.ip(f"link del {device}")
    found(host, "warning", "pins", f"hook endpoint is pinned for device #{ifindex}, which is gone")
    host.start()
    wait_until(lambda: complaints(host) == [], 60, "cnetd removing the pin")


def test_xdp_of_others(host, red, alpha, world, tmp_path):
    uplink = host.cli("uplink", "list")[0]["device"]
    source, compiled = tmp_path / "x.c", tmp_path / "x.o"
    source.write_text('__attribute__((section("xdp"), used)) int other_xdp(void *ctx) { return 2; }\n'
                      '__attribute__((section("license"), used)) char gpl[] = "GPL";\n')
    subprocess.run(["clang-16", "-target", "bpf", "-O2", "-g", "-c", source, "-o", compiled], check=True)
    host.namespace.run("ip", "link", "set", "dev", uplink, "xdpgeneric", "obj", str(compiled), "sec", "xdp")
    assert "xdp off" in found(host, "warning", "programs", f"is on {uplink}")["advice"]


def test_mtu(host, red, alpha, world):
    uplink = host.cli("uplink", "list")[0]["device"]
    host.namespace.ip(f"link set {uplink} mtu 1400")
    assert "--mtu 1400" in found(host, "warning", "mtu", "network red has an MTU of 1500")["advice"]


def test_route_beside_a_network(host, red, alpha, world):
    uplink = host.cli("uplink", "list")[0]["device"]
    host.namespace.ip(f"route add 10.88.1.128/25 dev {uplink}")
    found(host, "warning", "routes", "10.88.1.128/25")


def test_leaked_device(host, red, alpha):
    host.kill9()
    host.namespace.ip("link add cnetffff type veth peer name ghost")
    host.namespace.run("ip", "link", "set", "cnetffff", "alias", "cnet-bpf endpoint ghost")
    found(host, "warning", "leaked", "cnetffff")
    host.start()
    wait_until(lambda: "cnetffff" not in host.namespace.links(), 60, "cnetd removing what belongs to nothing")
    assert complaints(host) == []


def test_namespace_gone(host, red, make_namespace):
    gone = make_namespace("gone")
    host.cli("endpoint", "create", "red", "lost", "--netns", gone.path)
    gone.close()
    wait_until(lambda: host.cli("endpoint", "show", "lost")["state"] == "netns-gone", 60, "cnetd seeing it")
    assert "endpoint delete lost" in found(host, "problem", "endpoint", "lost is netns-gone")["advice"]


def test_map_full(make_host, make_world):
    host = make_host("[maps]\ncnet_ct = 2\n")
    red = host.network("red", "10.88.1.0/24")
    alpha = host.container(red, "alpha")
    make_world(host)
    alpha.namespace.run("bash", "-c", "for p in 1 2 3 4 5 6; do echo x >/dev/udp/198.18.0.2/$p; done", check=False)
    found(host, "problem", "maps", "cnet_ct has 2 of at most 2")
    found(host, "warning", "limits", "ct_full was counted")


def test_map_nearly_full(make_host, make_world):
    host = make_host("[maps]\ncnet_ct = 10\n[conntrack]\nendpoint_flows = 0\n[reconcile]\nsweep_period_s = 3600\n")
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    world = make_world(host)
    with UdpServer(world.near, 7000), contextlib.ExitStack() as flows:
        for port in range(4001, 4005):
            assert all("maps" != one["area"] for one in complaints(host))
            assert udp_echo_once(flows.enter_context(udp_connect(alpha.namespace, outside.NEAR, 7000, port)))
        one = found(host, "warning", "maps", "cnet_ct has 8 of at most 10 entries")
        assert "ct list" in one["advice"] and examine(host)[0] == WARNINGS


def test_port_of_a_process(make_host, make_world):
    """It was faster than cnetd, which never takes it away; once it goes the port is ours again."""
    host = make_host("[reconcile]\nperiod_s = 1\n")
    world = make_world(host)
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    host.publish(alpha, 8080, 80)
    host.kill9()
    with TcpServer(host.namespace, 8080):
        host.start()
        (port,) = host.cli("port", "list")
        assert port["reservation"] == "none"
        one = found(host, "problem", "port", "port 8080/tcp of alpha is a process's of the host by now")
        assert "ss -lnp 'sport = :8080'" in one["advice"]
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
    wait_until(lambda: complaints(host) == [], 60, "cnetd reserving the port")


def test_strict_filter(make_host, make_world):
    """The stricter of the two does not count, the larger number does."""
    host = make_host(SELDOM)
    host.container(host.network("red", "10.88.1.0/24"), "alpha")
    make_world(host)
    device = host.cli("network", "show", "red")["host_port"]
    host.namespace.sysctl("net/ipv4/conf/all/rp_filter", 1)
    assert complaints(host) == []
    host.namespace.sysctl(f"net/ipv4/conf/{device}/rp_filter", 0)
    assert f"{device}.rp_filter=2" in found(host, "warning", "sysctl", f"rp_filter is strict on {device}")["advice"]
    host.namespace.sysctl("net/ipv4/conf/all/rp_filter", 0)
    assert complaints(host) == []


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_host_port_that_does_not_forward(host, world, family):
    """cnetd puts it back at once, so somebody has to clear it all the time."""
    del world
    red = host.network("red", "10.88.1.0/24", options=("--subnet", "fd00:88:1::/64"))
    device = host.cli("network", "show", red.name)["host_port"]
    over = threading.Event()

    def clear():
        while not over.is_set():
            host.namespace.sysctl(f"net/{family}/conf/{device}/forwarding", 0)

    def is_told():
        texts = [one["what"] for one in complaints(host) if one["severity"] == "problem"]
        return any(text.startswith(f"net.{family}.conf.{device}.forwarding is 0") for text in texts)

    somebody = threading.Thread(target=clear)
    somebody.start()
    try:
        wait_until(is_told, 60, "doctor finding it")
    finally:
        over.set()
        somebody.join()
    wait_until(lambda: complaints(host) == [], 60, "cnetd setting it again")


def test_not_forwarding_ipv6(make_host, make_world):
    """Each family for itself, by the mode that it has."""
    host = make_host(SELDOM)
    host.network("red", "10.88.1.0/24", mode="nat", mode6="routed-published", options=("--subnet", "fd00:88:1::/64"))
    make_world(host)
    host.namespace.sysctl(f"net/ipv4/conf/{outside.UPLINK}/forwarding", 0)
    host.namespace.sysctl("net/ipv6/conf/all/forwarding", 0)
    one = found(host, "warning", "sysctl", f"red is open to outside and {outside.UPLINK} does not forward IPv6")
    assert "net.ipv6.conf.all.forwarding=1" in one["advice"] and "ipv4" not in one["advice"]
    host.namespace.sysctl("net/ipv6/conf/all/forwarding", 1)
    assert complaints(host) == []


def test_not_forwarding(make_host, make_world):
    host = make_host("[reconcile]\nperiod_s = 3600\n")
    host.container(host.network("red", "10.88.1.0/24", mode="routed"), "alpha")
    make_world(host)
    uplink = host.cli("uplink", "list")[0]["device"]
    host.namespace.run("sysctl", "-w", f"net.ipv4.conf.{uplink}.forwarding=0")
    found(host, "warning", "sysctl", f"red is open to outside and {uplink} does not forward")


def test_needs_root(host):
    argv = [f"{BIN}/cnet-bpf", "--root", host.root, "doctor"]
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "root" in done.stderr


@pytest.mark.parametrize("alive", [True, False], ids=["cnetd alive", "cnetd dead"])
def test_dump(make_host, tmp_path, alive):
    secret = tmp_path / "password"
    secret.write_text("correct-horse\n")
    host = make_host("[names]\nenabled = true\n")
    host.container(host.network("red", "10.88.1.0/24"), "alpha")
    if not alive:
        host.kill9()
    path = str(tmp_path / "bundle.tar")
    _, done = host.cli_raw("dump", path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"path": path, "bytes": os.path.getsize(path)}
    assert os.stat(path).st_mode & 0o777 == 0o600
    with tarfile.open(path) as bundle:
        files = {name.split("/", 1)[1]: bundle.extractfile(name).read().decode() for name in bundle.getnames()}
    assert subprocess.run(["tar", "-tf", path], capture_output=True, check=False).returncode == 0
    assert "enabled = true" in files["cnetd.toml"]
    assert "no passwords" in files["README.txt"]
    assert bool(json.loads(files["doctor.json"])["problems"]) == (not alive)
    assert "cnet_port" in files["pins/maps.json"] and "cnet" in files["pins/cnet_port.txt"]
    assert "cngw" in files["host/addresses.txt"]
    if alive:
        assert json.loads(files["api/endpoints.json"])[0]["name"] == "alpha"
    else:
        assert "cnetd" in files["api/endpoints.json"]
    assert "correct-horse" not in "".join(files.values())


def test_dump_to_standard_output(host):
    done = subprocess.run(host.command("dump", "-"), capture_output=True, check=False)
    assert done.returncode == 0
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as bundle:
        assert any(name.endswith("/README.txt") for name in bundle.getnames())
