"""Devices that somebody else made, as ports of a network.

    [alpha] [beta]     [lan] eth0 10.88.1.50 --- lan0
        \\     |         |
         network red 10.88.1.0/24 --- the host --- 198.18.0.1 --- 198.18.0.2 [near]
"""

from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from harness import world as outside
from harness.dhcp import dhcp_server, lease_of
from harness.frames import BROADCAST, Tap, containing, marked_frame
from harness.icmp import ping
from harness.lan import Lan, TapDevice
from harness.sockets import SILENCE, TcpServer, hash_back, send_and_compare, tcp_talk
from harness.wait import wait_until


def device_of(host, network="red"):
    (row,) = host.cli("network", "show", network)["devices"]
    return row


def learned_at(host, mac):
    return next(
        (row["device"] for row in host.cli("fdb", "show") if row["mac"] == mac and row["age_s"] is not None),
        None,
    )


def replies(namespace, address):
    return lambda: ping(namespace, address, timeout=1) == "reply"


def test_attached_device_is_shown_and_learned(host, red, alpha, lan):
    assert device_of(host)["device"] == "lan0" and device_of(host)["state"] == "up"
    assert ping(lan.namespace, alpha.address) == "reply"
    assert learned_at(host, lan.mac) == "lan0"
    (row,) = [row for row in host.cli("fdb", "show", "red") if row["mac"] == lan.mac]
    assert row["endpoint"] is None and row["type"] == "learned"
    assert "lan0" not in [row["device"] for row in host.cli("uplink", "list")]
    argv, done = host.cli_raw("network", "show", "red", json_output=False)
    assert "lan0" in done.stdout, (argv, done.stdout)


def test_attach_refused(host, red, world):
    """One sentence each, and nothing is changed."""
    del world
    gateway = host.cli("network", "show", "red")["host_port"]
    host.namespace.ip(
        "link add addr0 type veth peer name far0",
        "addr add 192.0.2.7/24 dev addr0",
        "link add small0 mtu 1400 type veth peer name far1",
        "link add bridge0 type bridge",
        "link add slave0 type veth peer name far2",
        "link set slave0 master bridge0",
        "link add added0 type veth peer name far3",
        "tuntap add tun0 mode tun",
    )
    host.cli("uplink", "add", "added0")
    for device, status, text in (
        ("lo", 2, "is the loopback device"),
        (gateway, 2, "belongs to one of our networks"),
        ("addr0", 2, "has the host's address 192.0.2.7/24"),
        ("small0", 2, "has an MTU of 1400, network red one of 1500"),
        ("bridge0", 2, "is a bridge"),
        ("slave0", 2, "is a port of another device already"),
        ("added0", 2, "is an uplink"),
        ("tun0", 2, "has no Ethernet header"),
        ("nowhere0", 3, 'there is no device "nowhere0"'),
    ):
        host.cli_fails(status, text, "network", "attach", "red", device)
    host.cli_fails(3, 'there is no network "blue"', "network", "attach", "blue", "small0")
    host.cli_fails(3, "there is no device attached", "network", "detach", "red", "small0")
    assert host.cli("network", "show", "red")["devices"] == []


def test_attached_network_cannot_be_deleted(host, red, lan):
    host.cli_fails(2, "device lan0 is attached to network red", "network", "delete", "red")
    host.cli_fails(2, "is attached to network red already", "network", "attach", "red", "lan0")
    host.cli_fails(2, "is attached to network red", "uplink", "add", "lan0")
    host.cli("network", "detach", "red", lan.device)
    host.cli("network", "delete", "red")


def test_detach_gives_the_device_back(host, red, alpha, lan):
    """The host's own stack has it again; what was learned behind it is forgotten."""
    assert ping(alpha.namespace, lan.address) == "reply"
    host.cli("network", "detach", "red", "lan0")
    assert learned_at(host, lan.mac) is None
    assert ping(alpha.namespace, lan.address, timeout=SILENCE) == "silent"
    host.namespace.ip("addr add 192.0.2.1/24 dev lan0")
    lan.namespace.ip("addr add 192.0.2.2/24 dev eth0")
    assert ping(lan.namespace, "192.0.2.1") == "reply"
    assert not any("lan0" in str(row["devices"]) for row in host.cli("prog", "list") if row["hook"] == "endpoint")


def test_promiscuous_mode_is_put_back(host, red):
    """A device that filters by address is made to take everything, and to filter again in the end."""
    host.namespace.ip("link add under0 type veth peer name under1", "link set under0 up")
    for name, before in (("filter0", "off"), ("open0", "on")):

        def is_promiscuous(name=name):
            return "PROMISC" in host.namespace.links()[name]["flags"]

        host.namespace.ip(
            f"link add link under0 name {name} type macvlan mode bridge",
            f"link set {name} promisc {before} up",
        )
        host.cli("network", "attach", red.name, name)
        assert is_promiscuous()
        host.restart()
        host.namespace.ip(f"link set {name} promisc {before}")
        wait_until(is_promiscuous, what="promiscuous mode being switched on again")
        host.cli("network", "detach", red.name, name)
        assert is_promiscuous() == (before == "on")


def test_device_goes_and_comes_back(host, red, alpha, lan):
    """It is known by its name: another device of that name is the port."""
    assert ping(alpha.namespace, lan.address) == "reply"
    host.namespace.ip("link del lan0")
    wait_until(lambda: device_of(host)["state"] == "gone", what="the device being missed")
    wait_until(lambda: learned_at(host, lan.mac) is None, what="its MACs being forgotten")
    host.kill9()
    with Lan(host, red) as again:
        host.start()
        wait_until(replies(again.namespace, alpha.address), what="the device of that name being a port")
        assert device_of(host)["state"] == "up"


def test_attached_device_needs_no_daemon(host, red, world, alpha, lan):
    """Switching, masquerade and learning go on while cnetd is dead, and after it has come back."""
    assert ping(lan.namespace, outside.NEAR) == "reply"
    host.kill9()
    assert ping(lan.namespace, alpha.address) == "reply"
    assert ping(lan.namespace, outside.NEAR) == "reply"
    host.start()
    assert device_of(host)["state"] == "up"
    with TcpServer(world.near) as server:
        assert tcp_talk(lan.namespace, outside.NEAR, server.port) == "echoed"


def test_streams_through_an_attached_device(host, world, red, alpha, lan):
    """Whatever offloads make of the packets, what arrives is what was sent."""
    for source, target, address in (
        (lan.namespace, alpha.namespace, alpha.address),
        (alpha.namespace, lan.namespace, lan.address),
        (lan.namespace, world.near, outside.NEAR),
        (lan.namespace, host.namespace, red.gateway),
        (host.namespace, lan.namespace, lan.address),
    ):
        with TcpServer(target, handler=hash_back) as server:
            send_and_compare(source, address, server.port, 10_000_000)


def test_unstated_address_of_an_endpoint(host, world):
    """Where spoofing is allowed an endpoint may take another address; answers find it."""
    green = host.network("green", "10.88.3.0/24", allow_spoofing=True)
    alpha = host.container(green, "galpha")
    alpha.namespace.ip("addr add 10.88.3.77/24 dev eth0", "route add 198.18.0.0/24 via 10.88.3.1 src 10.88.3.77")
    assert ping(alpha.namespace, outside.NEAR) == "reply"
    with TcpServer(world.near) as server:
        assert tcp_talk(alpha.namespace, outside.NEAR, server.port) == "echoed"


def test_jumbo_frames(host):
    jumbo = host.network("jumbo", "10.88.4.0/24", mtu=9000)
    alpha = host.container(jumbo, "jalpha")
    with Lan(host, jumbo, "jumbo0") as lan:
        host.attach(jumbo, "jumbo0")
        assert ping(lan.namespace, alpha.address, size=8972) == "reply"
        assert ping(alpha.namespace, lan.address, size=8972) == "reply"
        host.cli_fails(2, "has an MTU of 9000", "network", "set", "jumbo", "--mtu", "9500")
        # Nothing keeps the device's owner from changing it: what it cannot take is counted.
        host.namespace.ip("link set jumbo0 mtu 2000")
        assert ping(alpha.namespace, lan.address, size=4000, timeout=SILENCE) == "silent"
        assert host.drops("port_mtu", "endpoint") >= 1


def test_vlan_tags_pass(host, red, lan):
    """Tagged frames leave an attached device as they came in by another, one tag or two."""
    far_mac = "02:00:00:00:0a:01"
    with TapDevice(host.namespace, "tap0", "02:00:00:00:0a:ff") as tap, Tap(lan.namespace) as at_lan:
        host.attach(red, "tap0")
        for tags in (Dot1Q(vlan=42, prio=5), Dot1Q(vlan=42, type=0x8100) / Dot1Q(vlan=7)):
            payload = tags / IP(src="192.0.2.1", dst="192.0.2.2") / ICMP() / (b"tagged" * 200)
            out = bytes(Ether(src=lan.mac, dst=far_mac) / payload)
            at_lan.send(out)
            assert tap.sees(containing(b"tagged")) == out
            tap.send(Ether(src=far_mac, dst=lan.mac) / payload)
            # A packet socket sees the outer tag beside the frame.
            assert at_lan.sees(containing(b"tagged"))[12:] == bytes(payload)[2:]


def test_tap(host, red, alpha):
    """A process that speaks raw frames: ARP, ping, a broadcast, a stated MAC."""
    mac, address = "02:00:00:00:0a:01", red.address(60)
    with TapDevice(host.namespace, "tap0", "02:00:00:00:0a:ff") as tap:
        host.attach(red, "tap0")
        tap.send(Ether(src=mac, dst=BROADCAST) / ARP(op=1, hwsrc=mac, psrc=address, pdst=alpha.address))
        answer = Ether(tap.sees(lambda frame: frame[12:14] == b"\x08\x06"))
        assert answer[ARP].op == 2 and answer[ARP].hwsrc == alpha.mac
        echo = IP(src=address, dst=alpha.address) / ICMP(id=7) / b"are you there?"
        tap.send(Ether(src=mac, dst=alpha.mac) / echo)
        # alpha has heard who asked, so it answers him at once.
        assert Ether(tap.sees(containing(b"are you there?")))[ICMP].type == 0
        stated = "02:00:00:00:0a:77"
        host.cli("fdb", "add", "red", stated, "device", "tap0")
        with Tap(alpha.namespace) as out:
            out.send(marked_frame(alpha.mac, stated, b"to a stated MAC"))
            assert tap.sees(containing(b"to a stated MAC"))
            out.send(marked_frame(alpha.mac, BROADCAST, b"to everybody"))
            assert tap.sees(containing(b"to everybody"))
    wait_until(lambda: device_of(host)["state"] == "gone", what="the tap going with its process")


def test_mac_limit_behind_a_device(host):
    net = host.network("few", "10.88.6.0/24", options=("--mac-limit", "3"))
    alpha = host.container(net, "falpha")
    with Lan(host, net, "few0") as lan, Tap(alpha.namespace) as tap, Tap(lan.namespace) as out:
        host.attach(net, "few0")
        for number in range(10):
            marker = b"from number %02d" % number
            out.send(marked_frame(f"02:00:00:77:00:{number:02x}", BROADCAST, marker))
            assert tap.sees(containing(marker))
        learned = [row for row in host.cli("fdb", "show", "few") if row["type"] == "learned"]
        assert len(learned) == 3 and host.drops("mac_limit") >= 7


def test_managed_addresses_cannot_be_taken(host, red, alpha, lan):
    """A frame from behind a device with an endpoint's or the gateway's MAC as its source."""
    with Tap(alpha.namespace) as tap, Tap(lan.namespace) as out:
        for forged in (alpha.mac, host.gateway_mac(red)):
            before = host.drops("spoofed_mac", "endpoint")
            out.send(marked_frame(forged, BROADCAST, b"forged"))
            wait_until(lambda before=before: host.drops("spoofed_mac", "endpoint") == before + 1, what="the forged frame being counted")
        out.send(marked_frame(lan.mac, BROADCAST, b"honest"))
        seen = []
        assert tap.sees(lambda frame: seen.append(frame) or b"honest" in frame)
        assert not any(b"forged" in frame for frame in seen)


def test_dhcp_server_behind_us(host, red, alpha, lan, tmp_path):
    """A machine on an attached device gets its lease from a container, and reaches it."""
    lan.namespace.ip("addr flush dev eth0 scope global")
    with dhcp_server(alpha.namespace, tmp_path, red.address(100), red.address(110)):
        (address,) = lease_of(lan.namespace, tmp_path)
    assert address in {red.address(number) for number in range(100, 111)}, address
    assert ping(lan.namespace, alpha.address) == "reply"
    assert ping(alpha.namespace, address) == "reply"
    assert ping(host.namespace, address) == "reply"
