"""One network on several hosts: VXLAN with static peers.

    [alpha] --- over --- host 1 --- underlay --- host 2 --- over --- [beta]
"""

import os
import subprocess

import pytest

from harness.icmp import Pinger, ping
from harness.netns import Namespace
from harness.sockets import (
    SILENCE,
    Stream,
    TcpServer,
    hash_back,
    send_and_compare,
    tcp_talk,
    udp_connect,
)
from harness.tun import TunWire
from harness.underlay import Plain, address, overlay_network, reaches, talks, wait_for_vtep
from harness.wait import wait_until


# Neighbour discovery aside, without which no IPv6 packet leaves.
FIREWALL = (
    "add chain inet fw input { type filter hook input priority 0; policy drop; };"
    "add rule inet fw input icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
)


@pytest.mark.parametrize("outer6", [False, True], ids=["underlay4", "underlay6"])
def test_two_hosts(make_overlay, endpoint, outer6):
    one, two = make_overlay(v6=outer6)
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    for v6 in (False, True):
        reaches(alpha, beta, v6)
        talks(alpha, beta, v6)
        talks(beta, alpha, v6)
    assert one.drops("vxlan_sent", "endpoint") > 0
    assert two.drops("vxlan_received", "uplink") > 0, "plain packets are taken out by us"
    assert two.drops("vxlan_received", "vxlan") > 0, "aggregates come by the device"
    for host in (one, two):
        for reason in ("vxlan_stranger", "vxlan_bad", "vxlan_vni", "peer_unreachable"):
            assert host.drops(reason) == 0, reason


def test_three_hosts_and_what_each_learns(make_overlay, endpoint):
    hosts = make_overlay(3)
    ends = [endpoint(host, f"end{number}") for number, host in enumerate(hosts, 1)]
    for source in ends:
        for target in ends:
            if source is not target:
                reaches(source, target)
    for number, host in enumerate(hosts, 1):
        rows = {row["mac"]: row for row in host.cli("fdb", "show", "over")}
        for other, end in enumerate(ends, 1):
            row = rows[end.mac]
            if other == number:
                assert row["type"] == "static" and row["peer"] is None, row
            else:
                assert (row["type"], row["peer"]) == ("learned", address(other)), row
    gateways = {host.cli("network", "show", "over")["gateway_mac"] for host in hosts}
    assert len(gateways) == 1, "an endpoint that moves keeps its gateway"


def test_rates_of_other_hosts(make_overlay, endpoint):
    """A hundred pings a second, of 1,242 bytes each way."""
    one, two = make_overlay()
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    reaches(alpha, beta)
    pings = alpha.namespace.spawn("ping", "-q", "-i", "0.01", "-s", "1200", beta.address, stdout=subprocess.DEVNULL)
    try:
        for host, other in ((one, 2), (two, 1)):
            (peer,) = host.cli("topology")["peers"]
            assert peer["name"] == address(other)
            for direction in ("in_bps", "out_bps"):
                assert 100_000 < peer["rate"][direction] < 1_500_000, peer
    finally:
        pings.close()
    (peer,) = one.cli("topology")["peers"]
    assert max(peer["rate"].values()) < 20_000, "nothing but what neighbours ask each other"


def test_stated_macs_without_learning(make_overlay, endpoint):
    one, two = make_overlay(options=("--peer-learning", "off"))
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    one.cli("fdb", "add", "over", beta.mac, "peer", address(2))
    two.cli("fdb", "add", "over", alpha.mac, "peer", address(1))
    reaches(alpha, beta)
    talks(alpha, beta)
    types = {row["mac"]: row["type"] for row in one.cli("fdb", "show", "over")}
    assert types[beta.mac] == "static" and "learned" not in types.values()
    one.cli("peer", "delete", address(2))
    assert beta.mac not in {row["mac"] for row in one.cli("fdb", "show", "over")}
    assert ping(alpha.namespace, beta.address, timeout=SILENCE) != "reply"


@pytest.mark.parametrize("outer6", [False, True], ids=["underlay4", "underlay6"])
@pytest.mark.parametrize("learning", [True, False], ids=["learning", "stated"])
def test_a_plain_linux_host_on_the_other_side(make_overlay, underlay, endpoint, outer6, learning):
    options = () if learning else ("--peer-learning", "off")
    (one,) = make_overlay(1, options=options)
    one.cli("peer", "add", address(9, outer6))
    plain = underlay.plain_host(
        9,
        [address(1, outer6)],
        v6=outer6,
        learning=learning,
        options="udp6zerocsumrx" if outer6 else "",
    )
    alpha = endpoint(one, "alpha")
    beta = Plain(plain.container("beta", "10.99.0.200/24", "fd00:99::200/64"))
    if not learning:
        one.cli("fdb", "add", "over", beta.mac, "peer", address(9, outer6))
        plain.state_mac(alpha.mac, address(1, outer6))
    for v6 in (False, True):
        reaches(alpha, beta, v6)
        reaches(beta, alpha, v6)
        talks(alpha, beta, v6)
        talks(beta, alpha, v6)
    if learning:
        assert alpha.mac in plain.fdb()
    assert one.drops("vxlan_sent", "endpoint") > 0


def test_strangers_and_other_networks(make_overlay, underlay, endpoint):
    one, two = make_overlay()
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    reaches(alpha, beta)
    stranger = underlay.plain_host(9, [address(1), address(2)])
    other = Plain(stranger.container("stranger", "10.99.0.201/24", "fd00:99::201/64"))
    assert ping(other.namespace, alpha.address, timeout=SILENCE) != "reply"
    assert one.drops("vxlan_stranger") > 0
    one.cli("peer", "add", address(9))
    wrong = underlay.plain_host(10, [address(1)], vni=301)
    one.cli("peer", "add", address(10))
    fourth = Plain(wrong.container("fourth", "10.99.0.202/24", "fd00:99::202/64"))
    assert ping(fourth.namespace, alpha.address, timeout=SILENCE) != "reply"
    assert one.drops("vxlan_vni") > 0
    reaches(other, alpha)  # a peer now


def test_an_endpoint_cannot_forge_vxlan(make_overlay, endpoint):
    one, two = make_overlay()
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    reaches(alpha, beta)
    with udp_connect(alpha.namespace, address(2), 4789) as sock:
        sock.send(b"\x08\0\0\0\0\x01\x2c\0" + b"\xff" * 12 + b"\x08\x06" + bytes(46))
    wait_until(lambda: one.drops("vxlan_forged") == 1, what="the forgery being dropped")
    # To this very host: it arrives by the host port, from an address that is no peer's.
    with udp_connect(alpha.namespace, address(1), 4789) as sock:
        sock.send(b"\x08\0\0\0\0\x01\x2c\0" + b"\xff" * 12 + b"\x08\x06" + bytes(46))
    wait_until(lambda: one.drops("vxlan_stranger", "vxlan") == 1, what="it being dropped")


def test_a_tunnel_inside(make_overlay, endpoint):
    one, two = make_overlay()
    ends = endpoint(one, "alpha"), endpoint(two, "beta")
    for number, end in enumerate(ends, 1):
        remote = ends[2 - number].address
        end.namespace.ip(
            f"link add in0 type vxlan id 5 dstport 4789 remote {remote} local {end.address}",
            f"addr add 10.55.0.{number}/24 dev in0",
            "link set in0 mtu 1400 up",
        )
    inner = Plain(ends[0].namespace, "in0"), Plain(ends[1].namespace, "in0")
    answer = ping(inner[0].namespace, "10.55.0.2")
    assert answer == "reply", answer
    with TcpServer(inner[1].namespace, 7002, address="10.55.0.2", handler=hash_back):
        send_and_compare(inner[0].namespace, "10.55.0.2", 7002, 300_000)


def test_isolation_holds_across_hosts(make_overlay, endpoint):
    one, two = make_overlay(options=("--icc", "off"))
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    assert ping(alpha.namespace, beta.address, timeout=SILENCE) != "reply"
    two.cli("network", "set", "over", "--icc", "on")
    assert ping(beta.namespace, alpha.address, timeout=SILENCE) != "reply", "either side forbids it"
    one.cli("network", "set", "over", "--icc", "on")
    wait_until(lambda: ping(alpha.namespace, beta.address) == "reply", what="an answer")


def test_ports_and_the_way_out_stay_with_each_host(make_overlay, endpoint, underlay):
    one, two = make_overlay()
    alpha = endpoint(one, "alpha")
    outside = Namespace("outside")
    try:
        underlay.connect(outside, 20)
        with TcpServer(outside, 7000) as server:
            assert tcp_talk(alpha.namespace, address(20), 7000) == "echoed"
            assert server.peers[-1][0] == address(1)
        one.cli("port", "publish", "alpha", "8080:80")
        with TcpServer(alpha.namespace, 80):
            assert tcp_talk(outside, address(1), 8080) == "echoed"
            beta = endpoint(two, "beta")
            assert tcp_talk(beta.namespace, address(1), 8080) == "echoed"
    finally:
        outside.close()
    # The host itself reaches its own endpoints; others' gateway is not its own.
    beta = endpoint(two, "gamma")
    assert ping(one.namespace, alpha.address) == "reply"
    assert ping(one.namespace, beta.address, timeout=SILENCE) != "reply"


@pytest.mark.parametrize("outer6", [False, True], ids=["underlay4", "underlay6"])
def test_a_firewall_that_lets_nothing_in(make_overlay, endpoint, outer6):
    """What peers send is not the INPUT chain's to judge, one packet or an aggregate."""
    one, two = make_overlay(v6=outer6)
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    for host in (one, two):
        host.namespace.run("nft", "add table inet fw")
        host.namespace.run("nft", FIREWALL)
        assert host.has_uplink("under0")
    for v6 in (False, True):
        reaches(alpha, beta, v6)
        talks(alpha, beta, v6)
        talks(beta, alpha, v6)
    assert two.drops("vxlan_received", "uplink") > 0, "plain packets are taken out by us"
    assert two.drops("vxlan_received", "vxlan") > 0, "aggregates come by the device"
    # The host's own services are the firewall's as before.
    answer = ping(one.namespace, address(2, outer6), timeout=SILENCE)
    assert answer != "reply", answer


def test_an_underlay_without_ethernet(make_host, endpoint):
    """What comes out of a VPN's device is the host's stack's to receive."""
    hosts = make_host(), make_host()
    with TunWire(hosts[0].namespace, hosts[1].namespace, "tun0"):
        for number, host in enumerate(hosts, 1):
            host.namespace.ip(f"addr add 198.19.2.{number}/24 dev tun0")
        for number, host in enumerate(hosts, 1):
            wait_until(lambda host=host: host.has_uplink("tun0"), what="the uplink being found")
            host.cli("peer", "add", f"198.19.2.{3 - number}")
            overlay_network(host, number=number)
        alpha, beta = endpoint(hosts[0], "alpha"), endpoint(hosts[1], "beta")
        for v6 in (False, True):
            reaches(alpha, beta, v6)
            talks(alpha, beta, v6)
        assert hosts[1].drops("vxlan_received", "vxlan") > 0


def test_killed_under_traffic(make_overlay, endpoint):
    one, two = make_overlay()
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    reaches(alpha, beta)

    def goes_on(stream, what):
        before = stream.sent
        wait_until(lambda: stream.sent > before + (1 << 20), what=what)

    with TcpServer(beta.namespace, 7000, address=beta.address, handler=hash_back):
        stream = Stream(alpha.namespace, beta.address, 7000)
        with Pinger(alpha.namespace) as pinger:
            for host in (one, two):
                host.kill9()
            for host in (one, two):
                pinger.send(beta.address)
                assert pinger.result() == "reply"
                goes_on(stream, "the stream going on without cnetd")
                host.start()
                pinger.send(beta.address)
                assert pinger.result() == "reply"
            goes_on(stream, "the stream going on")
        stream.stop()
    for host in (one, two):
        assert "reconcile: " not in host.log().rsplit("is ready", 1)[1], host.log()


def test_the_kept_device_comes_and_goes(make_host, underlay):
    host = make_host()
    underlay.connect(host.namespace, 1)
    wait_for_vtep(host, 1)
    host.cli("peer", "add", address(2))
    assert "cnvxlan" not in host.namespace.links()
    overlay_network(host)
    assert host.namespace.links()["cnvxlan"]["operstate"] != "DOWN"
    host.namespace.ip("link del cnvxlan")
    wait_until(lambda: "cnvxlan" in host.namespace.links(), what="it being made again")
    host.namespace.ip("link del cnvxin")
    wait_until(lambda: "cnvxin" in host.namespace.links(), what="its other half being made again")
    before = host.namespace.links()["cnvxrx"]["ifindex"]
    host.namespace.run("umount", os.path.join(host.root, "run/netns/cnvxlan"))
    wait_until(
        lambda: host.namespace.links().get("cnvxrx", {"ifindex": before})["ifindex"] != before,
        what="all of it being made again",
    )
    host.cli("network", "delete", "over")
    assert not {"cnvxlan", "cnvxrx", "cnvxin"} & host.namespace.links().keys()


def test_refusals(make_host, underlay):
    host = make_host()
    underlay.connect(host.namespace, 1)
    wait_for_vtep(host, 1)
    host.cli_fails(2, "needs a subnet", "network", "create", "a", "--vni", "5")
    host.cli_fails(
        2, "out of range", *"network create a --vni 16777216 --subnet 10.99.0.0/24".split()
    )
    overlay_network(host)
    host.cli_fails(2, "already", *"network create b --vni 300 --subnet 10.98.0.0/24".split())
    host.cli_fails(2, "this host's own", "peer", "add", address(1))
    host.cli_fails(2, "another host", "peer", "add", "224.0.0.1")
    host.cli("peer", "add", address(2), "--name", "two")
    host.cli_fails(2, "exists already", "peer", "add", address(2))
    host.cli_fails(2, "has the name", "peer", "add", address(3), "--name", "two")
    host.cli_fails(3, "no peer", "peer", "delete", address(3))
    host.cli_fails(3, "no peer", *f"fdb add over 02:00:00:00:00:77 peer {address(3)}".split())
    host.cli("network", "create", "local", "--subnet", "10.97.0.0/24")
    host.cli_fails(2, "no segment across hosts", *f"fdb add local 02:00:00:00:00:77 peer {address(2)}".split())
    (peer,) = host.cli("peer", "list")
    assert peer == {"id": 1, "name": "two", "address": address(2), "local": address(1), "origin": "static"}
    host.cli("peer", "delete", address(2))
    assert host.cli("peer", "list") == []


def test_port_and_address_are_settings(make_overlay, endpoint):
    one, two = make_overlay(config="[overlay]\nport = 8472\n")
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    reaches(alpha, beta)
    talks(alpha, beta)
    detail = one.namespace.links()["cnvxlan"]["linkinfo"]["info_data"]
    assert detail["port"] == 8472
