"""What both kinds of host hand out: networks, containers and published ports."""

import ipaddress
from dataclasses import dataclass

from .netns import Namespace


@dataclass
class Network:
    name: str
    subnet: str
    gateway: str = ""
    mtu: int = 1500

    def __post_init__(self):
        if not self.gateway:
            self.gateway = str(ipaddress.ip_network(self.subnet)[1])

    def address(self, number):
        return str(ipaddress.ip_network(self.subnet)[number])

    @property
    def prefix_length(self):
        return ipaddress.ip_network(self.subnet).prefixlen

    @property
    def broadcast(self):
        return str(ipaddress.ip_network(self.subnet).broadcast_address)


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
