"""What an overlay puts on the wire, as tcpdump reads it, and what becomes of frames from devices that
nobody stated, of endpoints that move, and of those that the control plane tells of.

    [alpha] --- over --- host 1 --- underlay --- host 2 --- over --- [beta]
"""

import contextlib
import os
import re
import sqlite3
import time

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import PcapWriter

from harness.frames import Tap, arp_ask
from harness.icmp import ping
from harness.netns import Namespace, wire
from harness.sockets import SILENCE, TcpServer, UdpServer, hash_back, send_and_compare, udp_talk
from harness.underlay import Plain, address, reaches, talks
from harness.wait import wait_until

LAN, LAN6 = "10.99.0.150", "fd00:99::150"
MOVING, MOVING6 = "10.99.0.77", "fd00:99::77"


@contextlib.contextmanager
def lan_behind(host, device="lan0"):
    """A machine behind a device of the host, on the network over."""
    with Namespace("lan") as machine:
        wire(host.namespace, device, None, machine, "eth0", None)
        machine.ip(
            f"addr add {LAN}/24 dev eth0", f"addr add {LAN6}/64 dev eth0 nodad", "link set eth0 mtu 1430"
        )
        host.cli("network", "attach", "over", device)
        yield Plain(machine)


@pytest.mark.parametrize("outer6", [False, True], ids=["underlay4", "underlay6"])
def test_tcpdump_has_nothing_to_complain_of(make_overlay, endpoint, tmp_path, outer6):
    one, two = make_overlay(v6=outer6)
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    # Or the sums inside are left to a device, which a veth is not.
    alpha.namespace.run("ethtool", "-K", "eth0", "tx", "off")
    with Tap(two.namespace, "under0") as wire_tap:
        for v6 in (False, True):
            reaches(alpha, beta, v6)
            with UdpServer(beta.namespace, 4242, address=beta.at(v6)):
                assert udp_talk(alpha.namespace, beta.at(v6), 4242) == "echoed"
            with TcpServer(beta.namespace, 7002, address=beta.at(v6), handler=hash_back):
                send_and_compare(alpha.namespace, beta.at(v6), 7002, 50_000)
        with PcapWriter(str(tmp_path / "wire.pcap"), linktype=1) as file:
            for frame in wire_tap.frames(SILENCE):
                file.write(Ether(frame))
    read = ("tcpdump", "-r", str(tmp_path / "wire.pcap"), "-nn", "-vv", "udp port 4789")
    text = two.namespace.run(*read).stdout
    if outer6:
        # To tcpdump none is a bad one over IPv6 (RFC 6935 came later), and the device's own is left
        # to be computed by an underlay that is no device either.
        text = re.sub(r"\[bad udp cksum 0x\w+ -> 0x\w+!\] VXLAN", "VXLAN", text)
    assert text.count("VXLAN, flags [I] (0x08), vni 300") > 20, text
    for kind in ("ICMP echo request", "ICMP6, echo request", "Request who-has", "Flags [S]", "UDP"):
        assert kind in text, kind
    # Words, for there are numbers like 0xbad1.
    assert not re.search(r"\b(bad|incorrect|wrong|invalid|truncated|malformed)\b|\[\|", text), text


def test_a_machine_behind_a_device(make_overlay, endpoint):
    """Nobody stated its addresses: the other host learns its MAC from what it sends."""
    one, two = make_overlay()
    beta = endpoint(two, "beta")
    with lan_behind(one) as lan:
        for v6 in (False, True):
            reaches(beta, lan, v6)
            reaches(lan, beta, v6)
            talks(lan, beta, v6)
            talks(beta, lan, v6)
        (row,) = [row for row in two.cli("fdb", "show", "over") if row["mac"] == lan.mac]
        assert (row["type"], row["peer"]) == ("learned", address(1))


@pytest.mark.parametrize("same_mac", [False, True], ids=["other-mac", "same-mac"])
def test_an_endpoint_that_moves_is_followed(make_overlay, endpoint, make_namespace, same_mac):
    """From host 2 to host 3, with its address: it announces itself there."""
    one, two, three = make_overlay(3)
    alpha = endpoint(one, "alpha")

    def create(host, number):
        mac = "02:99:00:00:00:77" if same_mac else f"02:99:00:00:07:{number:02x}"
        host.cli(
            *("endpoint", "create", "over", "moving", "--netns", make_namespace("moving").path),
            *("--ip", MOVING, "--ip", MOVING6, "--mac", mac),
        )

    create(two, 2)
    # As the neighbour tables of a container that has talked for a while: each entry is a second
    # old, and so open to who announces himself.
    for there in (MOVING, MOVING6):
        wait_until(lambda there=there: ping(alpha.namespace, there) == "reply", what="an answer")
    time.sleep(1)
    two.cli("endpoint", "delete", "moving")
    create(three, 3)
    begun = time.monotonic()
    for there in (MOVING, MOVING6):
        left = begun + 1 - time.monotonic()
        wait_until(
            lambda there=there: ping(alpha.namespace, there, timeout=0.05) == "reply",
            left,
            f"{there} being followed",
        )


def test_told_endpoints(make_overlay, endpoint):
    """What a control plane would have told each host of the other's endpoints: nothing is learned,
    and nobody has to ask over the wire."""
    one, two = make_overlay(options=("--peer-learning", "off"))
    alpha, beta = endpoint(one, "alpha"), endpoint(two, "beta")
    assert ping(alpha.namespace, beta.address, timeout=SILENCE) == "reply", "by flooding"
    for host, there in ((one, beta), (two, alpha)):
        tell(host, there)
    with Tap(two.namespace, "under0") as on_the_wire:
        assert arp_ask(alpha.namespace, "eth0", beta.address, source_ip=alpha.address) == beta.mac
        assert on_the_wire.never_sees(lambda frame: b"\x08\x06\x00\x01" in frame)
    for v6 in (False, True):
        reaches(alpha, beta, v6)
        talks(alpha, beta, v6)
        talks(beta, alpha, v6)
    (row,) = [row for row in one.cli("neigh", "show", "over") if row["address"] == beta.address]
    assert (row["endpoint"], row["peer"], row["mac"]) == ("beta", address(2), beta.mac)
    (row,) = [row for row in one.cli("fdb", "show", "over") if row["mac"] == beta.mac]
    assert (row["endpoint"], row["peer"], row["type"]) == ("beta", address(2), "static")
    assert ping(one.namespace, beta.address, timeout=SILENCE) != "reply"
    assert one.drops("gateway_local", "hostport") > 0


def tell(host, there):
    """Writes to the store, while cnetd is away, what its peer 1 has."""
    host.stop()
    with contextlib.closing(sqlite3.connect(os.path.join(host.root, "lib/cnetd.sqlite"))) as store:
        store.execute("INSERT INTO remotes VALUES (1, ?, 1, ?)", (there.name, there.mac))
        for position, one in enumerate((there.address, there.address6)):
            store.execute(
                "INSERT INTO remote_addresses VALUES (1, ?, ?, ?)", (there.name, position, one)
            )
        store.commit()
    host.start()
