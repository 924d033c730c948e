"""Who has which address, in either family."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Family:
    subnet: str  # of the containers
    gateway: str
    first: str
    second: str
    host: str  # at its uplink
    outside: str  # of the host beyond it
    bits: int  # of a prefix, of both segments
    longest: int  # bits of an address
    loopback: str
    forwarding: str  # the sysctl

    def on_link(self, address):
        """As `ip addr add` takes it."""
        return f"{address}/{self.bits}"

    def at_port(self, address, port):
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


IPV4 = Family(
    subnet="10.88.0.0/24",
    gateway="10.88.0.1",
    first="10.88.0.2",
    second="10.88.0.3",
    host="198.18.0.1",
    outside="198.18.0.2",
    bits=24,
    longest=32,
    loopback="127.0.0.0/8",
    forwarding="net/ipv4/ip_forward",
)
IPV6 = Family(
    subnet="fd00:88::/64",
    gateway="fd00:88::1",
    first="fd00:88::2",
    second="fd00:88::3",
    host="2001:db8:18::1",
    outside="2001:db8:18::2",
    bits=64,
    longest=128,
    loopback="::1/128",
    forwarding="net/ipv6/conf/all/forwarding",
)
