"""A bridge that somebody else made, gone past by what its ports send each other.

    [alpha] [beta] [gamma]
        \\     |     /
      lab0, a bridge of the kernel's: 10.77.0.1 is the host's
"""

import re
import signal

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Dot1Q, Ether

from harness.frames import Tap, containing, marked_frame
from harness.host import pins
from harness.icmp import ping
from harness.linux_bridge import LinuxBridge
from harness.sockets import TcpServer, hash_back, send_and_compare, tcp_talk
from harness.wait import wait_until


@pytest.fixture
def lab(host):
    for family in ("iptables", "ip6tables", "arptables"):
        host.namespace.sysctl(f"net/bridge/bridge-nf-call-{family}", 0)
    with LinuxBridge(host) as bridge:
        yield bridge


@pytest.fixture
def alpha(lab):
    return lab.machine("alpha")


@pytest.fixture
def beta(lab, alpha):
    del alpha
    return lab.machine("beta")


@pytest.fixture
def gamma(lab, beta):
    del beta
    return lab.machine("gamma")


@pytest.fixture
def adopted(host, lab, gamma):
    del gamma
    return host.cli("adopt", lab.name)


def bridge_of(host):
    (row,) = host.cli("adopt")
    return row


def left(host):
    """Port to why it is left to the bridge."""
    return {port["device"]: port["left"] for port in bridge_of(host)["ports"]}


def switched(host, hook="bridge_port"):
    return host.drops("switched", hook)


def learned_at(host, mac):
    return next((row["device"] for row in host.cli("fdb", "show") if row["mac"] == mac), None)


def goes_past(host, source, target):
    """Whether an echo request or its reply goes past the bridge; there is a reply in any case."""
    before = switched(host)
    assert ping(source.namespace, target.address) == "reply"
    return switched(host) > before


class Pings:
    """Echo requests, one every few milliseconds; stop() says how many were lost. Nobody reads a line of each."""

    def __init__(self, namespace, address):
        self._process = namespace.spawn("ping", "-q", "-n", "-i", "0.004", "-W", "2", address)

    def stop(self):
        self._process.signal(signal.SIGINT)
        text = self._process.output()
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", text).groups())
        # The last one may be on its way.
        return max(0, sent - received - 1), sent


def test_known_unicast_goes_past_the_bridge(host, lab, alpha, beta, adopted):
    assert adopted["state"] == "adopted" and adopted["warnings"] == []
    assert {port["device"]: port["left"] for port in adopted["ports"]} == dict.fromkeys(("valpha", "vbeta", "vgamma"))
    assert ping(alpha.namespace, beta.address) == "reply"
    assert goes_past(host, alpha, beta)
    assert learned_at(host, alpha.mac) == "valpha"
    assert {row["network"] for row in host.cli("fdb", "show", lab.name)} == {lab.name}
    with TcpServer(beta.namespace, handler=hash_back) as server:
        before = host.drops("to_bridge", "bridge_port")
        send_and_compare(alpha.namespace, beta.address, server.port, 8 << 20)
        assert host.drops("to_bridge", "bridge_port") - before < 50
    with TcpServer(host.namespace) as server:
        assert tcp_talk(alpha.namespace, lab.address, server.port) == "echoed"
    argv, done = host.cli_raw("adopt", json_output=False)
    assert re.search(r"lab0 +adopted +3", done.stdout), (argv, done.stdout)


def _pins_without_programs(host):
    """Those for bridges stay loaded, once one has been adopted."""
    return [pin for pin in pins(host) if not pin.startswith("progs/")]


def _with_qdiscs(host, lab):
    """Below tcx, the kernel drops what a device sends while it is given its first clsact qdisc or loses it (qdisc_graft()
    of net/sched/sch_api.c deactivates the device meanwhile). One that is there before is used, and stays.
    """
    if host.cli("status")["attach"] == "clsact":
        for machine in lab.machines:
            host.namespace.run("tc", "qdisc", "add", "dev", machine.device, "clsact")


def test_nothing_is_lost_on_the_way_in_and_out(host, lab, alpha, beta, gamma):
    """Before, across adopting, a daemon killed and started, and releasing."""
    wait_until(lambda: host.has_uplink(lab.name), what="the bridge, with its address, being an uplink")
    _with_qdiscs(host, lab)
    before = _pins_without_programs(host)
    flows = [Pings(alpha.namespace, beta.address), Pings(host.namespace, gamma.address),
             Pings(gamma.namespace, alpha.address)]
    wait_until(lambda: alpha.mac in lab.learned() and gamma.mac in lab.learned(), what="the bridge learning")
    for _ in range(3):
        host.cli("adopt", lab.name)
        wait_until(lambda: switched(host) > 100 and switched(host, "bridge") > 20, what="frames past the bridge")
        host.kill9()
        host.start()
        host.cli("release", lab.name)
        host.cli("drops", "reset")
    for flow in flows:
        lost, sent = flow.stop()
        assert lost == 0 and sent > 100, f"{lost} of {sent} lost"
    assert _pins_without_programs(host) == before
    assert host.cli("adopt") == [] and host.cli("fdb", "show") == []
    assert not any(row["hook"] in ("bridge", "bridge_port") and row["devices"] for row in host.cli("prog", "list"))


def test_the_host_does_not_flood(host, lab, alpha, beta, gamma, adopted):
    """The bridge sees none of what goes past it, and forgets; the host's frames still go to one port."""
    del adopted, beta
    assert ping(host.namespace, alpha.address) == "reply"
    with Tap(gamma.namespace) as tap:
        lab.forget(alpha)
        assert alpha.mac not in lab.learned()
        before = switched(host, "bridge")
        assert ping(host.namespace, alpha.address) == "reply"
        assert switched(host, "bridge") > before
        assert tap.never_sees(lambda frame: Ether(frame).dst == alpha.mac, timeout=0.3)


def test_ports_are_followed(host, lab, alpha, beta, adopted):
    """What joins is a port, what leaves is none; each setting that the bridge minds is minded."""
    del adopted
    delta = lab.machine("delta")
    wait_until(lambda: left(host).get("vdelta", "?") is None, what="the new port")
    assert goes_past(host, delta, alpha)
    for words, undo, why in (
        (("isolated", "on"), ("isolated", "off"), "it is isolated"),
        (("learning", "off"), ("learning", "on"), "it has learning off"),
        (("state", "0"), ("state", "3"), "the bridge does not forward there"),
    ):
        lab.set_port(delta, *words)
        wait_until(lambda why=why: left(host)["vdelta"] == why, what=f"port left: {why}")
        lab.set_port(delta, *undo)
        wait_until(lambda: left(host)["vdelta"] is None, what="port served again")
    assert goes_past(host, delta, alpha)
    # Where the bridge sends nothing, nothing of ours arrives either.
    lab.set_port(delta, "state", "0")
    wait_until(lambda: left(host)["vdelta"], what="the port being left")
    with Tap(alpha.namespace) as sender, Tap(delta.namespace) as blocked:
        blocked.send(marked_frame(delta.mac, alpha.mac, b"from the blocked port"))
        wait_until(lambda: learned_at(host, delta.mac) == "vdelta", what="its MAC being learned")
        sender.send(marked_frame(alpha.mac, delta.mac, b"to the blocked port"))
        assert blocked.never_sees(containing(b"to the blocked port"), timeout=0.3)
    host.namespace.ip("link set vdelta nomaster")
    wait_until(lambda: "vdelta" not in left(host), what="the port being gone")
    assert learned_at(host, delta.mac) is None
    assert not any("vdelta" in str(row["devices"]) for row in host.cli("prog", "list"))
    assert goes_past(host, alpha, beta)


def test_isolated_ports_stay_so(host, lab, alpha, beta, gamma, adopted):
    del adopted
    for one, other in ((alpha, beta), (alpha, gamma), (beta, gamma)):
        assert ping(one.namespace, other.address) == "reply"
    for one in (alpha, beta):
        lab.set_port(one, "isolated", "on")
    wait_until(lambda: left(host)["valpha"] and left(host)["vbeta"], what="both being left")
    for one, other, outcome in ((alpha, beta, "silent"), (beta, alpha, "silent"), (alpha, gamma, "reply")):
        assert ping(one.namespace, other.address, timeout=0.5) == outcome
    # A MAC that moves to a port which is left to the bridge is found there.
    marker = b"to the one that moved"
    with Tap(gamma.namespace) as sender, Tap(alpha.namespace) as mover, Tap(beta.namespace) as old:
        mac = "02:00:00:00:77:01"
        lab.set_port(beta, "isolated", "off")
        wait_until(lambda: left(host)["vbeta"] is None, what="a port served again")
        old.send(marked_frame(mac, gamma.mac, b"here first"))
        wait_until(lambda: learned_at(host, mac) == "vbeta", what="the MAC being learned")
        mover.send(marked_frame(mac, gamma.mac, b"there now"))
        wait_until(lambda: learned_at(host, mac) == "valpha", what="the MAC having moved")
        sender.send(marked_frame(gamma.mac, mac, marker))
        assert mover.sees(containing(marker)) and old.never_sees(containing(marker))


def test_frames_for_others_behind_a_port(host, lab, alpha, beta, adopted):
    """Only a far end's own MAC is handed over as its own: a nested bridge, a VIP, a VLAN."""
    del adopted, lab
    behind = "02:00:00:00:77:02"
    request = Ether(src=alpha.mac, dst=behind) / IP(src=alpha.address, dst=beta.address) / ICMP(id=77)
    with Tap(alpha.namespace) as left_end, Tap(beta.namespace) as right_end:
        right_end.send(marked_frame(behind, alpha.mac, b"I am behind beta"))
        assert left_end.sees(containing(b"I am behind beta"))
        wait_until(lambda: learned_at(host, behind) == "vbeta", what="the MAC behind being learned")
        left_end.send(request / b"for the one behind")
        assert right_end.sees(containing(b"for the one behind"))
        # Beta's stack must not take it for its own: no reply.
        assert left_end.never_sees(lambda frame: Ether(frame).src == beta.mac and ICMP in Ether(frame), timeout=0.3)
        tagged = Ether(src=alpha.mac, dst=beta.mac) / Dot1Q(vlan=5) / b"tagged as it was, and long enough to go"
        left_end.send(tagged)
        assert right_end.sees(containing(b"tagged as it was"))


def test_mtu_and_shaped_ports(host, lab, alpha, beta, adopted):
    del adopted, lab
    host.namespace.ip("link set vbeta mtu 1000")
    assert ping(alpha.namespace, beta.address, size=900) == "reply"
    assert ping(alpha.namespace, beta.address, size=1200, timeout=0.5) == "silent"
    host.namespace.ip("link set vbeta mtu 1500")
    host.namespace.run("tc", "qdisc", "add", "dev", "vbeta", "root", "tbf", "rate", "1gbit", "burst", "1m",
                       "latency", "50ms")

    def shaped():
        before = sent_by(host, "vbeta")
        assert goes_past(host, alpha, beta)
        return sent_by(host, "vbeta") > before

    wait_until(shaped, what="frames going through the queueing discipline")


def sent_by(host, device):
    text = host.namespace.run("tc", "-s", "qdisc", "show", "dev", device).stdout
    return int(re.search(r"Sent \d+ bytes (\d+) pkt", text).group(1))


def test_bridge_changes_goes_and_comes_back(host, lab, alpha, beta, adopted):
    del adopted
    host.namespace.ip(f"link set {lab.name} address 02:00:00:00:77:ff")
    wait_until(lambda: learned_at(host, "02:00:00:00:77:ff") == lab.name, what="the bridge's new MAC being known")
    assert ping(alpha.namespace, lab.address) == "reply"
    host.namespace.ip(f"link set {lab.name} type bridge ageing_time 0")
    wait_until(lambda: bridge_of(host)["state"] == "left", what="the bridge being left alone")
    assert "ageing_time" in bridge_of(host)["left"] and bridge_of(host)["ports"] == []
    assert not goes_past(host, alpha, beta)
    host.namespace.ip(f"link set {lab.name} type bridge ageing_time 30000")
    wait_until(lambda: bridge_of(host)["state"] == "adopted", what="the bridge being adopted again")
    host.namespace.ip(f"link del {lab.name}")
    wait_until(lambda: bridge_of(host)["state"] == "gone", what="the bridge being missed")
    lab.make()
    host.namespace.ip(*(f"link set {one.device} master {lab.name}" for one in (alpha, beta)))
    wait_until(lambda: len(left(host)) == 2, what="its ports")
    wait_until(lambda: goes_past(host, alpha, beta), what="frames past the bridge")


def test_refused(host, lab, red):
    del lab, red
    host.namespace.ip(
        "link add dull0 type bridge ageing_time 0",
        "link add up0 type bridge",
        "link add red type bridge",
        "link add one type veth peer name two",
    )
    host.cli("uplink", "add", "up0")
    host.cli_fails(2, "is an uplink", "adopt", "up0", "--masquerade", "on")
    for name, status, text in (
        ("nowhere0", 3, 'there is no bridge "nowhere0"'),
        ("one", 2, "device one is no bridge"),
        ("dull0", 2, "ageing_time 0"),
        ("red", 2, "there is a network red already"),
    ):
        host.cli_fails(status, text, "adopt", name)
    host.cli_fails(3, 'there is no adopted bridge "lab0"', "release", "lab0")
    host.cli("adopt", "lab0")
    host.cli_fails(2, "is adopted already", "adopt", "lab0")
    host.cli_fails(2, "is adopted: release it first", "uplink", "add", "lab0")
    host.cli_fails(2, "there is an adopted bridge lab0", "network", "create", "lab0", "--subnet", "10.9.0.0/24")


def test_a_way_out_stays_one(host, lab, alpha, beta, red):
    """A bridge that leads out, as with a NIC among its ports: [beta] stands for what is out there."""
    endpoint = host.container(red, "inside")
    host.namespace.sysctl("net/ipv4/ip_forward", 1)
    host.cli("uplink", "add", lab.name)
    host.cli("adopt", lab.name)
    assert lab.name in str(host.cli("uplink", "list"))
    host.cli_fails(2, "is an uplink", "adopt", lab.name, "--icc", "off")
    host.cli_fails(2, "is an uplink", "port", "publish", f"{lab.name}/{alpha.address}", "8080:80")
    assert ping(alpha.namespace, beta.address) == "reply"
    assert goes_past(host, alpha, beta)
    assert ping(host.namespace, beta.address) == "reply"
    published = host.publish(endpoint, 8080, 80)
    with TcpServer(endpoint.namespace, published.port), TcpServer(beta.namespace) as outside:
        assert tcp_talk(beta.namespace, lab.address, 8080) == "echoed"
        assert tcp_talk(endpoint.namespace, beta.address, outside.port) == "echoed"
        assert {peer[0] for peer in outside.peers} == {lab.address}
    host.cli("release", lab.name)
    assert lab.name in str(host.cli("uplink", "list"))


def test_what_is_bypassed_is_said(host, lab):
    host.namespace.sysctl("net/bridge/bridge-nf-call-iptables", 1)
    host.namespace.run("nft", "add", "table", "bridge", "mine")
    said = host.cli("adopt", lab.name)["warnings"]
    assert len(said) == 2 and "br_netfilter" in said[0] and "bridge family" in said[1]
