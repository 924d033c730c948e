"""The world outside a host.

    host                     near                           far
    uplink 198.18.0.1/24 --- 198.18.0.2/24 (a router)
                             198.18.1.2/24 ---------------- 198.18.1.3/24

`near` shares the host's segment and is its default gateway; `far` is one router hop further.
Neither knows a route to any container network.
"""

from dataclasses import dataclass

from .netns import Namespace, wire

HOST = "198.18.0.1"
NEAR = "198.18.0.2"
FAR = "198.18.1.3"
UPLINK = "uplink0"


@dataclass(frozen=True)
class Family:
    """What the world's places are called in IPv4 or IPv6, and what ICMP says there (type, code)."""

    v6: bool
    host: str
    near: str
    far: str
    anywhere: str  # an address that nobody has
    any: str  # to bind to
    loopback: str
    hops_exceeded: tuple = (11, 0)
    port_unreachable: tuple = (3, 3)
    too_big: tuple = (3, 4)
    full_datagram: int = 1472  # bytes of UDP payload that fill 1500

    def __str__(self):
        return "IPv6" if self.v6 else "IPv4"


IPV4 = Family(False, HOST, NEAR, FAR, "203.0.113.9", "0.0.0.0", "127.0.0.1")
IPV6 = Family(
    *(True, "2001:db8:18::1", "2001:db8:18::2", "2001:db8:19::3", "2001:db8:99::9", "::", "::1"),
    hops_exceeded=(3, 0),
    port_unreachable=(1, 4),
    too_big=(2, 0),
    full_datagram=1452,
)


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
        self.near.ip(f"route add {subnet} via {IPV6.host if ':' in subnet else HOST}")

    def learn_ipv6(self):
        """Gives every place its IPv6 address too."""
        self.host.ip(
            f"addr add {IPV6.host}/64 dev {UPLINK} nodad", f"route add default via {IPV6.near}"
        )
        self.near.ip(f"addr add {IPV6.near}/64 dev wire0 nodad")
        self.far.ip(
            f"addr add {IPV6.far}/64 dev wire1 nodad", "route add default via 2001:db8:19::2"
        )
        self.near.ip("addr add 2001:db8:19::2/64 dev wire1 nodad")
        self.near.sysctl("net/ipv6/conf/all/forwarding", 1)

    def close(self):
        self.near.close()
        if self._far:
            self._far.close()
