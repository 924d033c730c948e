"""The world outside a host.

    host                     near                           far
    uplink 198.18.0.1/24 --- 198.18.0.2/24 (a router)
                             198.18.1.2/24 ---------------- 198.18.1.3/24

`near` shares the host's segment and is its default gateway; `far` is one router hop further.
Neither knows a route to any container network.
"""

from .netns import Namespace, wire

HOST = "198.18.0.1"
NEAR = "198.18.0.2"
FAR = "198.18.1.3"
UPLINK = "uplink0"


class World:
    def __init__(self, host):
        self.host = host
        self.near = Namespace("near")
        self._far = None
        wire(host, UPLINK, f"{HOST}/24", self.near, "wire0", f"{NEAR}/24")
        host.ip(f"route add default via {NEAR}")

    @property
    def far(self):
        if self._far is None:
            self._far = Namespace("far")
            wire(self.near, "wire1", "198.18.1.2/24", self._far, "wire1", f"{FAR}/24")
            self._far.ip("route add default via 198.18.1.2")
            self.near.sysctl("net/ipv4/ip_forward", 1)
        return self._far

    def knows_route(self, subnet):
        """Lets `near` send straight to a container network through the host."""
        self.near.ip(f"route add {subnet} via {HOST}")

    def close(self):
        self.near.close()
        if self._far:
            self._far.close()
