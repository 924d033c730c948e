"""A network on two hosts: what a bridge with a vxlan device sends to the other host, and what we do.

    [alpha] --- near: Linux, or cnetd --- underlay --- far: Linux --- [beta]

The far host is Linux as it is for both, so it sees what either sends: inside its vxlan device, at
[beta], and on the wire.
"""

import contextlib
import socket
import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether

from harness.frames import BROADCAST, Tap, marked_frame
from harness.netns import Namespace
from harness.sockets import (
    IP_MTU_DISCOVER,
    PATIENCE,
    SILENCE,
    TcpServer,
    UdpServer,
    hash_back,
    icmp_error_of,
    open_socket,
    send_and_compare,
    udp_connect,
    udp_echo_once,
)
from harness.underlay import (
    DEVICE,
    PORT,
    VNI,
    Plain,
    Underlay,
    address,
    overlay_network,
    reaches,
    wait_for_vtep,
)
from harness.wait import wait_until

ALPHA, ALPHA6, ALPHA_MAC = "10.99.0.40", "fd00:99::40", "02:99:00:00:00:40"
BETA, BETA6 = "10.99.0.200", "fd00:99::200"
IP_PMTUDISC_DONT = 0  # <linux/in.h>
UDP_SEGMENT = 103  # <linux/udp.h>
# What both underlays leave to both families when their route to the peer takes 1370 bytes.
NARROW = 1370


class LinuxNear:
    kind = "bridge"

    def __init__(self, underlay, outer6):
        made = underlay.plain_host(1, [address(2, outer6)], v6=outer6, options="udp6zerocsumrx")
        self.namespace = made.namespace
        self.alpha = made.container("alpha", f"{ALPHA}/24", f"{ALPHA6}/64")
        self.alpha.ip(f"link set eth0 address {ALPHA_MAC}", f"addr replace {ALPHA6}/64 dev eth0 nodad")


class CnetNear:
    kind = "cnet"

    def __init__(self, host, underlay, outer6, make_namespace):
        self.namespace = host.namespace
        underlay.connect(host.namespace, 1)
        wait_for_vtep(host, 1)
        host.cli("peer", "add", address(2, outer6))
        overlay_network(host)
        self.alpha = make_namespace("alpha")
        host.cli(
            *("endpoint", "create", "over", "alpha", "--netns", self.alpha.path),
            *("--ip", ALPHA, "--ip", ALPHA6, "--mac", ALPHA_MAC),
        )


@pytest.fixture
def underlay():
    made = Underlay()
    yield made
    made.close()


@pytest.fixture(params=[False, True], ids=["underlay4", "underlay6"])
def outer6(request):
    return request.param


@pytest.fixture(params=["bridge", "cnet"])
def backend(request, underlay, outer6):
    if request.param == "bridge":
        return LinuxNear(underlay, outer6)
    make_namespace = request.getfixturevalue("make_namespace")
    return CnetNear(request.getfixturevalue("host"), underlay, outer6, make_namespace)


@pytest.fixture
def make_namespace():
    with contextlib.ExitStack() as stack:
        yield lambda label: stack.enter_context(Namespace(label))


@pytest.fixture
def far(backend, underlay, outer6):
    del backend  # the near host is there first
    return underlay.plain_host(2, [address(1, outer6)], v6=outer6, options="udp6zerocsumrx")


@pytest.fixture
def beta(backend, far):
    made = Plain(far.container("beta", f"{BETA}/24", f"{BETA6}/64"))
    for v6 in (False, True):
        reaches(Plain(backend.alpha), made, v6)
    return made


def decapsulated(frame):
    """The frame inside, or None; the outer headers must be what RFC 7348 has them to be."""
    outer = Ether(frame)
    if UDP not in outer or outer[UDP].dport != PORT:
        return None
    payload = bytes(outer[UDP].payload)
    assert payload[:8] == struct.pack("!II", 0x08000000, VNI << 8)
    return payload[8:]


def frames_to(mac):
    """One of each kind that leaves a container as it is, with the name that its payload bears."""
    to_beta, to_all = Ether(src=ALPHA_MAC, dst=mac), Ether(src=ALPHA_MAC, dst=BROADCAST)
    ip, ip6 = IP(src=ALPHA, dst=BETA), IPv6(src=ALPHA6, dst=BETA6)
    group = Ether(src=ALPHA_MAC, dst="01:00:5e:00:00:fb")
    group6 = Ether(src=ALPHA_MAC, dst="33:33:00:00:00:fb")
    nobody = ARP(op=1, hwsrc=ALPHA_MAC, psrc=ALPHA, pdst="10.99.0.99")
    answer = ARP(op=2, hwsrc=ALPHA_MAC, psrc=ALPHA, hwdst=mac, pdst=BETA)
    packets = {
        "udp": to_beta / ip / UDP(sport=4000, dport=9),
        "udp6": to_beta / ip6 / UDP(sport=4000, dport=9),
        "marked": to_beta / IP(src=ALPHA, dst=BETA, tos=0xBA) / UDP(sport=4000, dport=9),
        "tcp": to_beta / ip / TCP(sport=4000, dport=9, flags="R"),
        "tcp6": to_beta / ip6 / TCP(sport=4000, dport=9, flags="R"),
        "echo": to_beta / ip / ICMP(type=0),
        "echo6": to_beta / ip6 / ICMPv6EchoRequest(),
        "fragment": to_beta / IP(src=ALPHA, dst=BETA, flags="MF", proto=17),
        "other protocol": to_beta / IP(src=ALPHA, dst=BETA, proto=253),
        "broadcast": to_all / IP(src=ALPHA, dst="10.99.0.255") / UDP(sport=4000, dport=9),
        "multicast": group / IP(src=ALPHA, dst="224.0.0.251") / UDP(sport=4000, dport=5353),
        "multicast6": group6 / IPv6(src=ALPHA6, dst="ff02::fb") / UDP(sport=4000, dport=5353),
        "arp request": to_all / nobody,
        "arp reply": to_beta / answer,
    }
    frames = {name: bytes(packet / f"<{name}>".encode().ljust(48)) for name, packet in packets.items()}
    frames["not ip"] = marked_frame(ALPHA_MAC, mac, b"<not ip>")
    frames["not ip to all"] = marked_frame(ALPHA_MAC, BROADCAST, b"<not ip to all>")
    return frames


def copies(tap, frames, inside=lambda frame: frame):
    """How often each of the frames came, to the byte, and how often changed."""
    seen = dict.fromkeys(frames, (0, 0))
    for frame in map(inside, tap.frames(SILENCE)):
        for name, sent in frames.items():
            if frame and f"<{name}>".encode() in frame:
                same, other = seen[name]
                seen[name] = (same + 1, other) if frame == sent else (same, other + 1)
    return seen


def test_the_same_frames_arrive(backend, far, beta, agrees):
    """Each once and to the byte, on the wire and in the container."""
    frames = frames_to(beta.mac)
    with Tap(beta.namespace) as inside, Tap(far.namespace, DEVICE) as wire, Tap(backend.alpha) as out:
        for frame in frames.values():
            out.send(frame)
        seen = {"beta": copies(inside, frames), "wire": copies(wire, frames, decapsulated)}
    once = dict.fromkeys(frames, (1, 0))
    agrees(seen, {"beta": once, "wire": once})


def test_streams_and_segments(backend, beta, agrees):
    """With and without segmentation offload: every byte arrives, and datagrams keep their sizes."""
    seen = {}
    for offload in ("on", "off"):
        backend.alpha.run("ethtool", "-K", "eth0", "tso", offload, "gso", offload, "gro", offload)
        for v6 in (False, True):
            there = beta.at(v6)
            with TcpServer(beta.namespace, 7000, address=there, handler=hash_back):
                send_and_compare(backend.alpha, there, 7000, 3_000_000)
            with TcpServer(backend.alpha, 7000, address=ALPHA6 if v6 else ALPHA, handler=hash_back):
                send_and_compare(beta.namespace, ALPHA6 if v6 else ALPHA, 7000, 3_000_000)
            seen[f"datagrams, offload {offload}, {there}"] = segmented(backend.alpha, beta, v6)
    agrees(seen, dict.fromkeys(seen, [1000] * 9 + [500]))


def segmented(alpha, beta, v6):
    """Sizes of what arrives of one send that the kernel cuts into datagrams (UDP GSO)."""
    sizes = []
    with open_socket(beta.namespace, socket.SOCK_DGRAM, beta.at(v6), 7003) as server:
        with udp_connect(alpha, beta.at(v6), 7003) as sock:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
            sock.send(b"x" * 9500)
            while sum(sizes) < 9500:
                sizes.append(len(server.recv(65536)))
    return sizes


def told(alpha, beta, v6, size):
    """What comes of a datagram that may not be fragmented: "echoed", or the ICMP error."""
    with UdpServer(beta.namespace, 7006, address=beta.at(v6)) as server:
        with udp_connect(alpha, beta.at(v6), server.port) as sock:
            sock.settimeout(SILENCE)
            try:
                return icmp_error_of(sock, b"x" * size, dont_fragment=True)
            except AssertionError:  # an answer in place of an error
                return "echoed"


def test_what_does_not_fit(backend, beta, outer6, agrees):
    """To the byte: what the route takes arrives, and one more is told from whom and how much."""
    room = NARROW - (70 if outer6 else 50)
    backend.namespace.ip(f"route add {address(2, outer6)} dev {DEVICE} mtu lock {NARROW}")
    seen, expected = {}, {}
    for v6, headers in ((False, 28), (True, 48)):
        wait_until(
            lambda v6=v6, headers=headers: told(backend.alpha, beta, v6, room - headers + 1)
            != "echoed",
            what="the route being asked anew",
        )
        seen[v6] = [told(backend.alpha, beta, v6, room - headers + more) for more in (0, 1)]
        expected[v6] = ["echoed", (*((2, 0) if v6 else (3, 4)), beta.at(v6), room)]
    with UdpServer(beta.namespace, 7005, address=BETA) as server:
        with udp_connect(backend.alpha, BETA, 7005) as sock:
            for end in (server.sock, sock):
                end.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
            sock.settimeout(PATIENCE)
            for size in (room - 27, 1430 - 28, 4000):
                seen[f"{size} without DF"] = udp_echo_once(sock, b"x" * size)
                expected[f"{size} without DF"] = True
    agrees(seen, expected)
