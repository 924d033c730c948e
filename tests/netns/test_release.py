"""`cnetd --release`: the host is as it was.

    [alpha] [box, a sandbox] --- red, over (a VNI) --- the host --- [near]
"""

import os
import subprocess

from harness.host import BIN, pins
from harness.icmp import ping
from harness.wait import wait_until


def release(host):
    return host.namespace.run(f"{BIN}/cnetd", "--root", host.root, "--release", check=False)


def addresses(host):
    return host.namespace.run("ip", "-o", "address").stdout, host.namespace.run("ip", "route", "show", "table", "all").stdout


def test_nothing_is_left_and_all_comes_back(make_host, make_world):
    host = make_host()
    make_world(host)
    before = host.namespace.links()
    red = host.network("red", "10.88.1.0/24")
    alpha = host.container(red, "alpha")
    host.cli("network", "create", "over", "--subnet", "10.88.2.0/24", "--vni", "4242")
    host.cli("sandbox", "create", "box")
    host.cli("endpoint", "create", "over", "boxed", "--netns", "box")
    host.publish(alpha, 8080, 80)
    host.namespace.ip("link add lan0 type veth peer name lan1")
    host.namespace.ip("link set lan0 up")
    host.attach(red, "lan0")
    wait_until(lambda: "cnvxin" in host.namespace.links(), 60, "the overlay's devices")
    state = host.state()

    refused = release(host)
    assert refused.returncode == 1 and "stop cnetd before its release" in refused.stderr
    assert ping(alpha.namespace, red.gateway, timeout=10) == "reply"

    host.stop()
    done = release(host)
    assert done.returncode == 0, done.stderr
    assert sorted(host.namespace.links()) == sorted([*before, "lan0", "lan1"])
    assert not os.path.ismount(os.path.join(host.root, "bpf")) and pins(host) == []
    assert not os.path.isdir(host.root + "/run/netns") or os.listdir(host.root + "/run/netns") == []
    assert "10.88." not in "".join(addresses(host))
    for device in ("lan0", "uplink0"):
        shown = subprocess.run(["nsenter", f"--net=/run/netns/{host.namespace.name}", "tc", "filter", "show", "dev", device,
                                "ingress"], capture_output=True, text=True, check=False)
        assert "cnet" not in shown.stdout
    assert release(host).returncode == 0, "there is nothing left to release"

    host.start()
    assert ping(alpha.namespace, red.gateway, timeout=20) == "reply"
    again = host.state()
    for row in (*state["endpoints"], *again["endpoints"], *state["networks"][0]["devices"]):
        row.pop("ifindex", None)
    assert again["endpoints"] == state["endpoints"] and again["ports"] == state["ports"]
    host.namespace.ip("link del lan0")


def test_from_another_namespace(host, red, alpha):
    host.stop()
    done = subprocess.run([f"{BIN}/cnetd", "--root", host.root, "--release"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "another network namespace" in done.stderr
    host.start()
    assert ping(alpha.namespace, red.gateway, timeout=20) == "reply"
