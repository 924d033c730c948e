"""What `doctor` finds, with what is wrong made on purpose, and what `dump` takes along.

    [alpha] --- red --- the host --- [near]
"""

import io
import json
import os
import subprocess
import tarfile

import pytest

from harness.doctor import ALL_WELL, PROBLEMS, WARNINGS, complaints, examine
from harness.host import BIN
from harness.wait import wait_until



@pytest.fixture
def red(host, world):
    del world
    return host.network("red", "10.88.1.0/24")


def found(host, severity, area, text):
    """The finding, which there has to be, with this in its sentence."""
    status, answer = examine(host)
    assert status == (PROBLEMS if answer["problems"] else WARNINGS if answer["warnings"] else ALL_WELL)
    hits = [one for one in answer["findings"]
            if (one["severity"], one["area"]) == (severity, area) and text in one["what"]]
    assert hits, f"no {severity} of {area} with {text!r}: {answer['findings']}"
    assert severity == "ok" or hits[0]["advice"]
    return hits[0]


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
