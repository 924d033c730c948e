"""What both kinds of host hand out: networks, containers and published ports."""

import ipaddress
from dataclasses import dataclass

from .netns import Namespace


@dataclass
class Network:
    """With `subnet6` it has both families; `v6` says whose addresses it, and its containers, hand out."""

    name: str
    subnet: str
    gateway: str = ""
    mtu: int = 1500
    subnet6: str = ""
    v6: bool = False

    def __post_init__(self):
        if not self.gateway:
            self.gateway = self.address(1)

    def address(self, number, v6=None):
        six = self.v6 if v6 is None else v6
        return str(ipaddress.ip_network(self.subnet6 if six else self.subnet)[number])

    @property
    def prefix_length(self):
        return ipaddress.ip_network(self.subnet).prefixlen

    @property
    def of_family(self):
        """The subnet whose addresses it hands out."""
        return self.subnet6 if self.v6 else self.subnet

    @property
    def broadcast(self):
        return str(ipaddress.ip_network(self.subnet).broadcast_address)


def subnet6_of(subnet):
    """The IPv6 subnet that goes with 10.88.N.0/24."""
    return f"fd00:88:{subnet.split('.')[2]}::/64"


@dataclass
class Container:
    name: str
    network: Network
    address: str
    mac: str
    namespace: Namespace
    device: str = "eth0"

    @property
    def mac_bytes(self):
        return bytes.fromhex(self.mac.replace(":", ""))


@dataclass
class Published:
    """HOST_PORT on the host to PORT of the container."""

    container: Container
    host_port: int
    port: int
    protocol: str = "tcp"
    host_ip: str = ""

    @property
    def spec(self):
        prefix = f"{self.host_ip}:" if self.host_ip else ""
        return f"{prefix}{self.host_port}:{self.port}/{self.protocol}"
