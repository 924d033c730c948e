"""The switch: sandboxes of one network on one host, watched closely with counters and tables.

    [alpha] [beta] [gamma]
        \\     |     /
       network red 10.88.1.0/24
             |
         the host
"""

import os
import time

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from harness.frames import BROADCAST, Tap, containing, marked_frame
from harness.icmp import ping
from harness.netns import Namespace
from harness.sockets import SILENCE, TcpServer, UdpServer, hash_back, send_and_compare, tcp_talk, udp_talk
from harness.wait import wait_until


@pytest.fixture
def pair(host, red):
    return [host.container(red, name) for name in ("alpha", "beta")]


@pytest.fixture
def open_pair(host):
    """Two endpoints of a network that allows any source and learns."""
    green = host.network("green", "10.88.3.0/24", allow_spoofing=True)
    return [host.container(green, name) for name in ("galpha", "gbeta")]


def learned(host):
    return {entry["mac"]: entry for entry in host.cli("fdb", "show") if entry["type"] == "learned"}


def test_sandboxes(host, red):
    """Namespaces that cnetd owns: made, used through `sandbox exec`, removed with their endpoints."""
    spaces = {}
    for number, name in enumerate(("alpha", "beta"), 2):
        spaces[name] = Namespace.existing(host.cli("sandbox", "create", name)["path"])
        host.cli(
            "endpoint",
            "create",
            red.name,
            f"{name}-eth",
            "--netns",
            name,
            "--ip",
            red.address(number),
        )
    assert [row["name"] for row in host.cli("sandbox", "list")] == ["alpha", "beta"]
    assert ping(spaces["alpha"], red.address(3)) == "reply"
    with TcpServer(spaces["beta"]) as tcp, UdpServer(spaces["beta"]) as udp:
        assert tcp_talk(spaces["alpha"], red.address(3), tcp.port) == "echoed"
        assert udp_talk(spaces["alpha"], red.address(3), udp.port) == "echoed"
    _, done = host.cli_raw(
        "sandbox", "exec", "alpha", "--", "ip", "-o", "addr", "show", "eth0", json_output=False
    )
    assert red.address(2) in done.stdout, done.stderr
    paths = [space.path for space in spaces.values()]
    for name in spaces:
        host.cli("sandbox", "delete", name)
    assert host.cli("endpoint", "list") == []
    assert not any(os.path.exists(path) for path in paths)


def test_what_the_tables_show(host, red, pair):
    alpha, beta = pair
    fdb = {entry["mac"]: entry for entry in host.cli("fdb", "show", "red")}
    assert fdb[alpha.mac]["endpoint"] == "alpha" and fdb[alpha.mac]["type"] == "static"
    assert fdb[host.gateway_mac(red)]["type"] == "host"
    neigh = {entry["address"]: entry for entry in host.cli("neigh", "show", "red")}
    assert neigh[beta.address]["mac"] == beta.mac and neigh[beta.address]["endpoint"] == "beta"
    assert neigh[red.gateway]["type"] == "gateway"
    shown = host.cli("endpoint", "show", "alpha")
    assert shown["addresses"] == [f"{alpha.address}/24"] and shown["state"] == "up"
    assert shown["host_ifname"] in host.namespace.links()


def test_learning_and_move(host, open_pair):
    """A source MAC is learned at its port, moves with its frames, and `fdb flush` forgets it."""
    alpha, beta = open_pair
    wanderer = "02:00:00:77:77:77"
    devices = {one.name: host.cli("endpoint", "show", one.name)["host_ifname"] for one in open_pair}
    for sender, watcher in ((alpha, beta), (beta, alpha)):
        with Tap(watcher.namespace) as tap, Tap(sender.namespace) as out:
            out.send(marked_frame(wanderer, BROADCAST, sender.name.encode()))
            assert tap.sees(containing(sender.name.encode()))
        assert learned(host)[wanderer]["device"] == devices[sender.name]
    assert host.cli("fdb", "flush", "green")["flushed"] >= 1
    assert wanderer not in learned(host)


def test_ageing(make_host):
    """An address that falls silent is forgotten."""
    host = make_host("[reconcile]\nsweep_period_s = 1\n")
    green = host.network("green", "10.88.3.0/24", allow_spoofing=True, options=("--ageing", "1"))
    alpha, beta = host.container(green, "galpha"), host.container(green, "gbeta")
    with Tap(beta.namespace) as tap, Tap(alpha.namespace) as out:
        out.send(marked_frame("02:00:00:77:77:77", BROADCAST, b"only once"))
        assert tap.sees(containing(b"only once"))
    wait_until(lambda: "02:00:00:77:77:77" not in learned(host), 120, "the learned MAC ageing out")


def test_mac_limit(host):
    """Beyond the limit nothing is learned, yet frames still pass; the counter tells."""
    green = host.network("green", "10.88.3.0/24", allow_spoofing=True, options=("--mac-limit", "4"))
    alpha, beta = host.container(green, "galpha"), host.container(green, "gbeta")
    host.cli("fdb", "flush", "green")
    with Tap(beta.namespace) as tap, Tap(alpha.namespace) as out:
        for number in range(20):
            out.send(
                marked_frame(
                    f"02:00:00:77:00:{number:02x}", BROADCAST, b"from number %02d" % number
                )
            )
            assert tap.sees(containing(b"from number %02d" % number))
    assert 1 <= len(learned(host)) <= 4
    assert host.drops("mac_limit") >= 16


def test_flood_limit(host, red):
    """A port floods a second's worth at once and no more; what is not flooded passes all the while,
    and so do the floods of others. The limit is changed under the endpoints.
    """
    alpha, beta, gamma = (host.container(red, name) for name in ("alpha", "beta", "gamma"))
    host.cli("network", "set", "red", "--flood-limit", "20")
    assert host.cli("network", "show", "red")["flood_limit"] == 20

    def flood(sender, count):
        """How many of the sender's broadcasts reach gamma."""
        before = host.drops("flooded", "endpoint") + host.drops("flood_limit", "endpoint")
        with Tap(gamma.namespace) as tap, Tap(sender.namespace) as out:
            for _ in range(count):
                out.send(
                    Ether(src=sender.mac, dst=BROADCAST)
                    / IP(src=sender.address, dst=red.address(255))
                    / UDP(sport=7, dport=7)
                    / b"storm"
                )
            wait_until(
                lambda: host.drops("flooded", "endpoint") + host.drops("flood_limit", "endpoint")
                >= before + count,
                60,
                "every frame having been counted",
            )
            return sum(b"storm" in frame for frame in tap.frames(SILENCE))

    began = time.monotonic()
    got = flood(alpha, 200)
    took = time.monotonic() - began
    # Some of the first second's went to what a kernel sends when its device comes up.
    assert 10 <= got <= 20 + 20 * took + 1
    assert host.drops("flood_limit", "endpoint") >= 175 - 20 * took
    assert flood(beta, 2) == 2
    assert ping(alpha.namespace, beta.address) == "reply"
    host.cli("network", "set", "red", "--flood-limit", "0")
    limited = host.drops("flood_limit", "endpoint")
    assert flood(alpha, 50) == 50
    assert host.drops("flood_limit", "endpoint") == limited


def _spoofs(alpha, beta):
    """Frames that alpha may not send, each with the reason that counts it."""
    eth = {"dst": beta.mac, "type": 0x0800}
    forged = "02:00:00:66:66:66"
    fake_ip = (
        IP(src=alpha.network.address(99), dst=beta.address) / UDP(sport=1, dport=9) / b"spoofed"
    )
    own_ip = IP(src=alpha.address, dst=beta.address) / UDP(sport=1, dport=9) / b"spoofed"
    return [
        ("spoofed_mac", Ether(src=forged, **eth) / own_ip),
        ("spoofed_mac", Ether(src=beta.mac, **eth) / own_ip),
        ("spoofed_ip", Ether(src=alpha.mac, **eth) / fake_ip),
        (
            "spoofed_ip",
            Ether(src=alpha.mac, dst=BROADCAST)
            / ARP(
                op=2, hwsrc=alpha.mac, psrc=alpha.network.gateway, hwdst=beta.mac, pdst=beta.address
            ),
        ),
        (
            "spoofed_ip",
            Ether(src=alpha.mac, dst=BROADCAST)
            / ARP(op=1, hwsrc=forged, psrc=alpha.address, pdst=alpha.network.address(77)),
        ),
        ("multicast_source", Ether(src="03:00:00:00:00:01", **eth) / own_ip),
    ]


def test_spoofed_frames_are_dropped_and_counted(host, pair):
    alpha, beta = pair
    with Tap(beta.namespace) as tap, Tap(alpha.namespace) as out:
        for reason, frame in _spoofs(alpha, beta):
            before = host.drops(reason, "endpoint")
            raw = bytes(frame).ljust(60, b"\0")
            out.send(raw)
            wait_until(
                lambda reason=reason, before=before: host.drops(reason, "endpoint") == before + 1,
                what=f"{reason} counting {frame.summary()}",
            )
        # Whatever had slipped through would come before this.
        out.send(marked_frame(alpha.mac, beta.mac, b"the honest one"))
        seen = []
        assert tap.sees(lambda frame: seen.append(frame) or b"the honest one" in frame)
        assert not any(b"spoofed" in frame or frame[12:14] == b"\x08\x06" for frame in seen)


def test_sources_that_are_allowed(pair):
    """An ARP probe and a DHCP request come from 0.0.0.0."""
    alpha, beta = pair
    probe = Ether(src=alpha.mac, dst=BROADCAST) / ARP(
        op=1, hwsrc=alpha.mac, psrc="0.0.0.0", pdst=alpha.network.address(77)
    )
    dhcp = (
        Ether(src=alpha.mac, dst=BROADCAST)
        / IP(src="0.0.0.0", dst="255.255.255.255")
        / UDP(sport=68, dport=67)
        / b"an address, please"
    )
    with Tap(beta.namespace) as tap, Tap(alpha.namespace) as out:
        out.send(probe)
        assert tap.sees(
            lambda frame: frame[12:14] == b"\x08\x06"
            and frame[6:12] == bytes.fromhex(alpha.mac.replace(":", ""))
        )
        out.send(dhcp)
        assert tap.sees(containing(b"an address, please"))


def test_bpdu_is_counted(host, pair):
    alpha, _ = pair
    before = host.drops("link_local_mcast", "endpoint")
    with Tap(alpha.namespace) as out:
        out.send(marked_frame(alpha.mac, "01:80:c2:00:00:00", b"bridge"))
    wait_until(
        lambda: host.drops("link_local_mcast", "endpoint") == before + 1, what="link_local_mcast"
    )


def test_static_fdb_entries(host, pair):
    """A MAC that an operator gave to an endpoint is delivered there, and no more once it is taken
    back.
    """
    alpha, beta = pair
    extra = "02:00:00:55:55:55"
    gamma = host.container(alpha.network, "gamma")
    with Tap(beta.namespace) as at_beta, Tap(gamma.namespace) as at_gamma, Tap(
        alpha.namespace
    ) as out:
        host.cli("fdb", "add", "red", extra, "endpoint", "beta")
        out.send(marked_frame(alpha.mac, extra, b"just for you"))
        out.send(marked_frame(alpha.mac, BROADCAST, b"the end"))
        assert at_beta.sees(containing(b"just for you"))
        first = at_gamma.sees(lambda frame: b"just for you" in frame or b"the end" in frame)
        assert b"the end" in first, "a frame to a known MAC was flooded"
        host.cli("fdb", "delete", "red", extra)
        out.send(marked_frame(alpha.mac, extra, b"anybody?"))
        assert at_gamma.sees(containing(b"anybody?"))


def test_icc_switched_while_running(host, pair):
    alpha, beta = pair
    assert ping(alpha.namespace, beta.address) == "reply"
    host.cli("network", "set", "red", "--icc", "off")
    before = host.drops("icc_off", "endpoint")
    assert ping(alpha.namespace, beta.address, timeout=1.2) == "silent"
    assert host.drops("icc_off", "endpoint") > before
    host.cli("network", "set", "red", "--icc", "on")
    assert ping(alpha.namespace, beta.address) == "reply"


def test_ipv6_link_local(pair):
    """IPv6 is switched: neighbour discovery and ping between link-local addresses."""
    alpha, beta = pair

    def link_local():
        return next(
            (
                entry["local"]
                for entry in beta.namespace.links()["eth0"]["addr_info"]
                if entry["family"] == "inet6" and not entry.get("tentative")
            ),
            None,
        )

    address = wait_until(link_local, 60, "an IPv6 link-local address")
    wait_until(
        lambda: alpha.namespace.run(
            "ping", "-6", "-c1", "-W5", f"{address}%eth0", check=False
        ).returncode
        == 0,
        what="ping6",
    )


@pytest.mark.parametrize("mtu", [1400, 9000])
def test_mtu(host, mtu):
    """Both ends have the network's MTU, the largest packet passes, and its content too."""
    jumbo = host.network("jumbo", "10.88.4.0/24", mtu=mtu)
    alpha, beta = host.container(jumbo, "alpha"), host.container(jumbo, "beta")
    assert alpha.namespace.links()["eth0"]["mtu"] == mtu
    assert ping(alpha.namespace, beta.address, size=mtu - 28) == "reply"
    assert ping(alpha.namespace, jumbo.gateway, size=mtu - 28) == "reply"
    with TcpServer(beta.namespace, handler=hash_back) as server:
        send_and_compare(alpha.namespace, beta.address, server.port, 5_000_000)


def test_stream_content(host, red, pair):
    """50 MB arrive as they were sent, whatever segmentation offload makes of them; the host's side
    too.
    """
    alpha, beta = pair
    with TcpServer(beta.namespace, handler=hash_back) as server:
        send_and_compare(alpha.namespace, beta.address, server.port, 50_000_000)
        send_and_compare(host.namespace, beta.address, server.port, 10_000_000)
    with TcpServer(host.namespace, handler=hash_back) as server:
        send_and_compare(alpha.namespace, red.gateway, server.port, 10_000_000)


def test_several_networks_in_one_namespace(host, red, pair):
    """One namespace with a leg in each of two networks talks in both and joins nothing."""
    alpha, _ = pair
    blue = host.network("blue", "10.88.2.0/24")
    other = host.container(blue, "other")
    host.cli(
        "endpoint",
        "create",
        "blue",
        "alpha-blue",
        "--netns",
        alpha.namespace.path,
        "--ifname",
        "eth1",
        "--ip",
        "10.88.2.50",
        "--default-route",
        "off",
    )
    assert ping(alpha.namespace, other.address) == "reply"
    assert ping(other.namespace, "10.88.2.50") == "reply"
    assert ping(other.namespace, alpha.address, timeout=1.2) == "silent"
    host.cli("endpoint", "delete", "alpha-blue")
    assert "eth1" not in alpha.namespace.links()
    assert ping(alpha.namespace, red.gateway) == "reply"
