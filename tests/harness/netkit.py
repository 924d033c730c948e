"""Pairs of netkit devices, which iproute2 of Debian 12 cannot make."""

import os
import socket
import struct

from .lan import Lan

RTM_NEWLINK, NLM_F_REQUEST_ACK_CREATE_EXCL = 16, 0x605
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND, IFLA_INFO_DATA = 3, 18, 1, 2
IFLA_NETKIT_PEER_INFO, IFLA_NETKIT_MODE, NETKIT_L2 = 1, 5, 0
IFINFOMSG = bytes(16)


def _attribute(kind, content):
    length = 4 + len(content)
    return struct.pack("=HH", length, kind) + content + bytes(-length % 4)


def add_pair(namespace, name, peer):
    """Two ends in this namespace, with Ethernet headers. OSError where the kernel has no netkit."""
    ends = [_attribute(IFLA_IFNAME, end.encode() + b"\0") for end in (name, peer)]
    mode = _attribute(IFLA_NETKIT_MODE, struct.pack("=I", NETKIT_L2))
    data = mode + _attribute(IFLA_NETKIT_PEER_INFO, IFINFOMSG + ends[1])
    info = _attribute(IFLA_INFO_KIND, b"netkit\0") + _attribute(IFLA_INFO_DATA, data)
    body = IFINFOMSG + ends[0] + _attribute(IFLA_LINKINFO, info)
    header = struct.pack("=IHHII", 16 + len(body), RTM_NEWLINK, NLM_F_REQUEST_ACK_CREATE_EXCL, 1, 0)
    with namespace.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        asked.send(header + body)
        (error,) = struct.unpack_from("=i", asked.recv(4096), 16)
    if error:
        raise OSError(-error, os.strerror(-error))


class NetkitLan(Lan):
    """A machine behind a netkit device."""

    def _wire(self, host, mtu):
        far = f"{self.device}far"
        add_pair(host.namespace, self.device, far)
        host.namespace.ip(
            f"link set {far} netns {self.namespace.path} name eth0 mtu {mtu}",
            f"link set {self.device} mtu {mtu} up",
        )
        self.namespace.ip("link set eth0 up")
