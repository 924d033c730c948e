"""A wire between two namespaces whose ends are tun devices: packets without link-layer headers, as a VPN has them."""

import fcntl
import os
import select
import struct
import threading

# <linux/if_tun.h>
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LARGEST = 65536


def _open(namespace, device):
    with namespace.entered():
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    namespace.ip(f"link set {device} up")  # the fd of one that is down is an error to read
    return fd


class TunWire:
    """Both ends are up. Carries packets by a thread until close(), which takes the devices away."""

    def __init__(self, left, right, device):
        self._ends = _open(left, device), _open(right, device)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self):
        other = dict(zip(self._ends, reversed(self._ends)))
        while True:
            ready, _, _ = select.select([*self._ends, self._stop], [], [])
            if self._stop in ready:
                return
            for end in ready:
                os.write(other[end], os.read(end, LARGEST))

    def close(self):
        os.close(self._stopped)
        self._thread.join()
        for fd in (*self._ends, self._stop):
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
