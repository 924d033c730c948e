"""`cnet-bpf explain`: what it says of a packet comes true, and saying it changes nothing.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network red --- [alpha] [beta]
                                              --- network blue --- [gamma]
"""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from harness import world as outside
from harness.frames import Tap
from harness.sockets import TcpServer, tcp_connect, echo_once
from harness.underlay import reaches
from harness.wait import wait_until

OUTSIDE_MAC = "02:00:00:00:00:01"


def explain(host, words):
    return host.cli("explain", *words.split())


def step(answer, name):
    found = [one for one in answer["steps"] if one["step"] == name]
    assert found, f"no step {name}: {answer}"
    return found[0]


def ends(answer, verdict, reason):
    assert (answer["verdict"], answer["reason"]) == (verdict, reason), answer
    assert (answer["hint"] is None) == (verdict != "drop"), answer


def comes_true(host, answer, tap, frame):
    """The same frame, really sent, counts the reason that was said."""
    before = host.drops(answer["reason"], answer["hook"])
    tap.send(frame)
    wait_until(
        lambda: host.drops(answer["reason"], answer["hook"]) > before,
        what=f"one packet more under {answer['reason']}",
    )


def everything(host):
    """All that a packet could change, and nothing that time does."""
    rows = {name: host.cli("map", "dump", name)
            for name in ("ct", "fdb", "fdb_count", "neigh", "slot", "frag", "flood_rate", "icmp_rate", "quota")}
    return rows, host.cli("drops", "show")


def leaves_alone(host, words):
    before = everything(host)
    explain(host, words)
    return everything(host) == before


def test_masquerade_new_and_known(host, world, alpha):
    words = f"from alpha tcp {outside.NEAR}:443 sport 40123"
    with Tap(world.near, "wire0") as seen:
        # Neighbour discovery of its own may come in between, but not every time.
        wait_until(lambda: leaves_alone(host, words), what="nothing changing meanwhile")
        answer = explain(host, words)
        assert seen.never_sees(lambda frame: IP in Ether(frame) and Ether(frame)[IP].dst == outside.NEAR)
    ends(answer, "forward", "snat")
    assert answer["packet"]["src"] == alpha.address and answer["packet"]["dst_port"] == 443
    assert step(answer, "new_flow")["becomes"]["src"] == outside.HOST
    assert [one["step"] for one in answer["steps"]] == [
        "port", "source", "gateway", "route", "new_flow", "route", "send"]
    assert step(answer, "port")["endpoint"] == "alpha"

    with TcpServer(world.near, 443), tcp_connect(alpha.namespace, outside.NEAR, 443, 40123) as stream:
        assert echo_once(stream)
        answer = explain(host, words + " flags ack")
    ends(answer, "forward", "snat")
    flow = step(answer, "flow")
    assert (flow["type"], flow["state"], flow["reply"]) == ("snat", "established", False)
    assert flow["becomes"]["src"] == outside.HOST


def test_switched_drops_and_hints(host, world, alpha, beta):
    del world
    gateway = host.gateway_mac(alpha.network)
    with Tap(alpha.namespace) as tap:
        answer = explain(host, f"from alpha udp {beta.address}:9 sport 4000")
        ends(answer, "forward", "switched")
        assert step(answer, "fdb")["endpoint"] == "beta" and step(answer, "send")["endpoint"] == "beta"
        frame = Ether(src=alpha.mac, dst=beta.mac) / IP(src=alpha.address, dst=beta.address) / UDP(sport=4000, dport=9)
        comes_true(host, answer, tap, frame)

        answer = explain(host, f"from alpha tcp {beta.address}:9 src 10.88.1.99")
        ends(answer, "drop", "spoofed_ip")
        assert "--allow-spoofing" in answer["hint"]
        frame = Ether(src=alpha.mac, dst=beta.mac) / IP(src="10.88.1.99", dst=beta.address) / TCP(dport=9)
        comes_true(host, answer, tap, frame)

        answer = explain(host, "from alpha tcp 224.0.0.9:5 mac " + gateway)
        ends(answer, "drop", "broadcast_l3")

        host.cli("network", "set", "red", "--icc", "off")
        answer = explain(host, f"from alpha udp {beta.address}:9")
        ends(answer, "drop", "icc_off")
        frame = Ether(src=alpha.mac, dst=beta.mac) / IP(src=alpha.address, dst=beta.address) / UDP(dport=9)
        comes_true(host, answer, tap, frame)


def test_other_network_and_arp(host, world, alpha, beta):
    del world
    gamma = host.container(host.network("blue", "10.88.2.0/24"), "gamma")
    answer = explain(host, f"from alpha tcp {gamma.address}:80")
    ends(answer, "drop", "other_network")
    with Tap(alpha.namespace) as tap:
        frame = Ether(src=alpha.mac, dst=host.gateway_mac(alpha.network)) / IP(
            src=alpha.address, dst=gamma.address) / TCP(sport=40000, dport=80)
        comes_true(host, answer, tap, frame)
    ends(explain(host, f"from alpha arp {beta.address}"), "forward", "arp_reply")
    # Nobody has it: whoever wants to reach it asks, and hears nothing.
    answer = explain(host, "from alpha tcp 10.88.1.200:80")
    ends(answer, "forward", "flooded")
    assert step(answer, "copy")["endpoint"] in ("beta", None)


def test_published(host, world, alpha):
    host.publish(alpha, 8080, 80)
    answer = explain(host, f"in {outside.UPLINK} tcp {outside.NEAR}:5555 to :8080")
    ends(answer, "forward", "dnat")
    assert step(answer, "binding")["endpoint"] == "alpha"
    assert step(answer, "new_flow")["becomes"]["dst"] == alpha.address
    assert step(answer, "send")["endpoint"] == "alpha"
    ends(explain(host, f"in {outside.UPLINK} tcp {outside.NEAR}:5555 to :8081"), "punt", "not_ours")
    # An endpoint that dials the host's address.
    beta = host.container(alpha.network, "beta")
    answer = explain(host, f"from beta tcp {outside.HOST}:8080")
    ends(answer, "forward", "hairpin")
    assert step(answer, "new_flow")["becomes"]["dst"] == alpha.address
    with TcpServer(alpha.namespace, 80), tcp_connect(beta.namespace, outside.HOST, 8080) as stream:
        assert echo_once(stream)
    with TcpServer(alpha.namespace, 80), tcp_connect(world.near, outside.HOST, 8080, 5555) as stream:
        assert echo_once(stream)
        answer = explain(host, f"in {outside.UPLINK} tcp {outside.NEAR}:5555 to :8080 flags ack")
        assert step(answer, "flow")["state"] == "established"


def test_no_route_and_echo(host, alpha, world):
    del world
    answer = explain(host, f"from alpha icmp {outside.NEAR} ttl 1")
    ends(answer, "forward", "icmp_error_sent")
    assert step(answer, "icmp_error")["reason"] == "ttl_expired"
    ends(explain(host, f"from alpha icmp {outside.NEAR}"), "forward", "snat")
    ends(explain(host, "from alpha icmp 10.88.1.1"), "punt", "to_host")


def test_overlay(make_overlay, endpoint):
    one, two = make_overlay()
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    reaches(alpha, beta)
    answer = explain(one, f"from alpha tcp {beta.address}:80 mac {beta.mac}")
    ends(answer, "forward", "vxlan_sent")
    encap = step(answer, "encap")
    assert encap["vni"] == one.cli("network", "show", "over")["vni"] and encap["peer"] == one.cli("peer", "list")[0]["address"]


def test_a_capture(host, world, alpha, beta, tmp_path):
    del world
    file = str(tmp_path / "three.pcap")
    frames = [
        Ether(src=alpha.mac, dst=beta.mac) / IP(src=alpha.address, dst=beta.address) / UDP(dport=9),
        Ether(src=OUTSIDE_MAC, dst=beta.mac) / IP(src=alpha.address, dst=beta.address) / ICMP(),
        Ether(src=alpha.mac, dst=beta.mac) / IP(src=beta.address, dst=beta.address) / ICMP(),
    ]
    wrpcap(file, frames)
    answers = host.cli("explain", "--pcap", file, "from", "alpha")
    assert [answer["reason"] for answer in answers] == ["switched", "spoofed_mac", "spoofed_ip"]


def test_words(host, world, alpha):
    del world, alpha
    text = host.cli_raw("explain", "from", "alpha", "tcp", f"{outside.NEAR}:443", json_output=False)[1]
    assert text.returncode == 0 and "endpoint alpha" in text.stdout, text
    assert text.stdout.splitlines()[-1].startswith("forward: snat, ")
    host.cli_fails(1, "begins with", "explain", "alpha", "tcp")
    host.cli_fails(1, "is no address", "explain", "from", "alpha", "tcp", "nowhere")
    host.cli_fails(1, "is no part of a packet", "explain", "from", "alpha", "tcp", "1.2.3.4:5", "x", "y")
    host.cli_fails(3, "no endpoint", "explain", "from", "nobody", "tcp", "1.2.3.4:5")
    host.cli_fails(3, "is no uplink", "explain", "in", "lo", "tcp", "1.2.3.4:5")
    host.cli_fails(2, "protocol must be", "explain", "from", "alpha", "gre", "1.2.3.4")
    host.cli_fails(2, "not of one family", "explain", "from", "alpha", "tcp", "1.2.3.4:5", "src", "fd00::1")
