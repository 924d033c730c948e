"""Devices of a host that lead to somebody who is no container: what `network attach` is about."""

import fcntl
import os
import select
import struct
import time

from .netns import Namespace, wire
from .sockets import PATIENCE
from .tun import IFF_NO_PI, TUNSETIFF

IFF_TAP = 0x0002  # <linux/if_tun.h>


class Lan:
    """A machine behind a cable: `device` on the host, eth0 in a namespace of its own. It has address
    `number` of the network, and its gateway for what is beyond.
    """

    def __init__(self, host, network, device="lan0", number=50, mtu=None):
        self.device, self.network = device, network
        self.address = network.address(number)
        self.namespace = Namespace(device)
        self._wire(host, mtu or network.mtu)
        self.mac = self.namespace.mac("eth0")
        addresses = [f"addr add {network.address(number, v6=False)}/{network.prefix_length} dev eth0"]
        routes = [f"route add default via {network.address(1, v6=False)}"]
        if network.subnet6:
            addresses.append(f"addr add {network.address(number, v6=True)}/64 dev eth0 nodad")
            routes.append(f"route add default via {network.address(1, v6=True)}")
        self.namespace.ip(*addresses, *routes)

    def _wire(self, host, mtu):
        wire(host.namespace, self.device, None, self.namespace, "eth0", None, mtu=mtu)

    def close(self):
        self.namespace.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class TapDevice:
    """A tap whose far end is this process: frames are written to it and read from it."""

    def __init__(self, namespace, name, mac):
        self.name = name
        request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI)
        with namespace.entered():  # the open file belongs to the namespace, not the request
            self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(self._fd, TUNSETIFF, request)
        namespace.ip(f"link set {name} address {mac} up")

    def send(self, frame):
        os.write(self._fd, bytes(frame))

    def sees(self, matches, timeout=PATIENCE):
        """The first frame for which matches(bytes) is true; None when none came in time."""
        deadline = time.monotonic() + timeout
        while select.select([self._fd], [], [], max(0, deadline - time.monotonic()))[0]:
            frame = os.read(self._fd, 65536)
            if matches(frame):
                return frame
        return None

    def close(self):
        os.close(self._fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
