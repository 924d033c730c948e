"""Raw Ethernet frames: sending and seeing them at a device inside a namespace."""

import mmap
import select
import socket
import struct
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from .sockets import PATIENCE, SILENCE

ETH_P_ALL = 3
PACKET_OUTGOING = 4
BROADCAST = "ff:ff:ff:ff:ff:ff"


class Tap:
    """Sees every frame that arrives at a device (not those it sends) from the moment it is made."""

    def __init__(self, namespace, device="eth0"):
        with namespace.entered():
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._sock.bind((device, ETH_P_ALL))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)

    def send(self, frame):
        self._sock.send(bytes(frame))

    def frames(self, timeout):
        """Frames as bytes, as they come, until the time is over."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0, deadline - time.monotonic())
            if not select.select([self._sock], [], [], left)[0]:
                return
            data, address = self._sock.recvfrom(65536)
            if address[2] != PACKET_OUTGOING:
                yield data

    def sees(self, matches, timeout=PATIENCE):
        """The first frame for which matches(bytes) is true; None when none came in time."""
        for frame in self.frames(timeout):
            if matches(frame):
                return frame
        return None

    def never_sees(self, matches, timeout=SILENCE):
        return self.sees(matches, timeout) is None

    def close(self):
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# <linux/if_packet.h>
SOL_PACKET, PACKET_VERSION, PACKET_TX_RING, PACKET_VNET_HDR = 263, 10, 13, 15
TPACKET_V2, TP_STATUS_SEND_REQUEST, TPACKET2_DATA = 1, 1, 32
PAGE = 4096


def send_in_pieces(namespace, device, frame, linear):
    """Sends a frame of which the kernel has only the first `linear` bytes in one piece."""
    with namespace.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with sock:
        sock.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
        sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sock.setsockopt(SOL_PACKET, PACKET_TX_RING, struct.pack("4I", PAGE, 1, PAGE, 1))
        sock.bind((device, ETH_P_ALL))
        data = struct.pack("=BBHHHH", 0, 0, linear, 0, 0, 0) + frame  # struct virtio_net_hdr
        with mmap.mmap(sock.fileno(), PAGE) as ring:
            ring[TPACKET2_DATA : TPACKET2_DATA + len(data)] = data
            ring[4:8] = struct.pack("=I", len(data))
            ring[0:4] = struct.pack("=I", TP_STATUS_SEND_REQUEST)
            sock.send(b"")


def containing(marker):
    """A condition for Tap.sees: the frame carries these bytes."""
    return lambda frame: marker in frame


def marked_frame(source, destination, marker, protocol=0x88B5):
    """A frame of a local experimental EtherType (IEEE 802) with `marker` as payload."""
    return bytes(Ether(src=source, dst=destination, type=protocol) / marker.ljust(46, b"\0"))


def forged_syns(family, mac, port, count):
    """SYNs to a port of the host, each of another connection, from addresses behind nobody."""
    layer, prefix = (IPv6, "2001:db8:66::") if family.v6 else (IP, "203.0.113.")
    ether = Ether(src="02:00:00:00:07:77", dst=mac)
    return [
        bytes(
            ether
            / layer(src=f"{prefix}{1 + number % 250}", dst=family.host)
            / TCP(sport=1024 + number, dport=port, flags="S")
        )
        for number in range(count)
    ]


def arp_ask(namespace, device, address, source_mac=None, source_ip="0.0.0.0", timeout=PATIENCE):
    """Who has `address`? The MAC that answers, or "silent". From 0.0.0.0 it is a probe (RFC 5227)."""
    mac = source_mac or namespace.mac(device)
    request = Ether(src=mac, dst=BROADCAST) / ARP(op=1, hwsrc=mac, psrc=source_ip, pdst=address)
    with Tap(namespace, device) as tap:
        tap.send(request)
        for frame in tap.frames(timeout):
            packet = Ether(frame)
            if ARP in packet and packet[ARP].op == 2 and packet[ARP].psrc == address:
                return packet[ARP].hwsrc
    return "silent"


def nd_ask(container, address, timeout=PATIENCE):
    """Which MAC advertises this IPv6 address to the container, or "silent"."""
    packed = socket.inet_pton(socket.AF_INET6, address)
    group = socket.inet_ntop(socket.AF_INET6, b"\xff\x02" + bytes(9) + b"\x01\xff" + packed[13:])
    request = (
        Ether(src=container.mac, dst=f"33:33:ff:{packed[13:].hex(':')}")
        / IPv6(src=container.address, dst=group, hlim=255)
        / ICMPv6ND_NS(tgt=address)
        / ICMPv6NDOptSrcLLAddr(lladdr=container.mac)
    )
    with Tap(container.namespace) as tap:
        tap.send(request)
        for frame in tap.frames(timeout):
            packet = Ether(frame)
            if ICMPv6ND_NA in packet and packet[ICMPv6ND_NA].tgt == address:
                return packet.src
    return "silent"
