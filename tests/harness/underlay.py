"""Several hosts on one segment, and a plain Linux host with a bridge and a vxlan device beside them.

    host 1  under0 198.19.0.1/24, 2001:db8:19f::1/64 ---+
    host 2  under0 198.19.0.2/24, 2001:db8:19f::2/64 ---+--- bridge in a namespace of its own
    ...
"""

from .icmp import ping
from .netns import Namespace
from .sockets import TcpServer, UdpServer, hash_back, send_and_compare, tcp_talk, udp_talk
from .wait import wait_until

DEVICE = "under0"
VNI = 300
PORT = 4789


def address(number, v6=False):
    return f"2001:db8:19f::{number:x}" if v6 else f"198.19.0.{number}"


class Underlay:
    def __init__(self, mtu=1500):
        self.mtu = mtu
        self.switch = Namespace("underlay")
        self.switch.ip("link add br0 type bridge", f"link set br0 mtu {mtu} up")
        self._plain = []

    def connect(self, namespace, number):
        """Gives the namespace a device on the segment, with an address of each family."""
        port = f"port{number}"
        self.switch.ip(
            f"link add {port} mtu {self.mtu} type veth peer name {DEVICE} mtu {self.mtu}"
            f" netns {namespace.name}",
            f"link set {port} master br0 up",
        )
        namespace.ip(
            f"addr add {address(number)}/24 dev {DEVICE}",
            f"addr add {address(number, v6=True)}/64 dev {DEVICE} nodad",
            f"link set {DEVICE} up",
        )

    def plain_host(self, number, remotes, **options):
        made = PlainHost(self, number, remotes, **options)
        self._plain.append(made)
        return made

    def close(self):
        for host in self._plain:
            host.close()
        self.switch.close()


class PlainHost:
    """Linux as it is: containers on a bridge with a vxlan device. `remotes` are VTEP addresses."""

    def __init__(self, underlay, number, remotes, vni=VNI, v6=False, learning=True, options=""):
        self.namespace = Namespace("plain")
        self.number, self.v6 = number, v6
        self._containers = []
        underlay.connect(self.namespace, number)
        mtu = underlay.mtu - (70 if v6 else 50)
        self.mtu = mtu
        self.namespace.ip(
            f"link add br0 mtu {mtu} type bridge",
            f"link add vx0 mtu {mtu} type vxlan id {vni} dstport {PORT} "
            f"local {address(number, v6)} {'learning' if learning else 'nolearning'} {options}",
            "link set vx0 master br0",
            "link set br0 up",
            "link set vx0 up",
        )
        for remote in remotes:
            self.namespace.run(
                *f"bridge fdb append 00:00:00:00:00:00 dev vx0 dst {remote}".split()
            )

    def fdb(self):
        return self.namespace.run("bridge", "fdb", "show", "dev", "vx0").stdout

    def state_mac(self, mac, remote):
        self.namespace.run(*f"bridge fdb append {mac} dev vx0 dst {remote}".split())

    def container(self, name, *addresses):
        made = Namespace(name)
        self._containers.append(made)
        number = len(self._containers)
        self.namespace.ip(
            f"link add v{number} mtu {self.mtu} type veth peer name eth0 mtu {self.mtu}"
            f" netns {made.name}",
            f"link set v{number} master br0 up",
        )
        for one in addresses:
            made.ip(f"addr add {one} dev eth0{' nodad' if ':' in one else ''}")
        made.ip("link set eth0 up")
        return made

    def close(self):
        for container in self._containers:
            container.close()
        self.namespace.close()


class Endpoint:
    """A container of an overlay network, of either family."""

    def __init__(self, host, name, network="over", options=()):
        self.namespace = Namespace(name)
        made = host.cli("endpoint", "create", network, name, "--netns", self.namespace.path, *options)
        addresses = [one.split("/")[0] for one in made["addresses"]]
        self.address = next(one for one in addresses if ":" not in one)
        self.address6 = next((one for one in addresses if ":" in one), None)
        self.mac, self.name = made["mac"], name

    def at(self, v6):
        return self.address6 if v6 else self.address


class Plain:
    """An end that nobody of ours has made."""

    def __init__(self, namespace, device="eth0"):
        self.namespace = namespace
        link = namespace.links()[device]
        self.mac = link["address"]
        self.addresses = [one["local"] for one in link["addr_info"] if one["scope"] == "global"]

    def at(self, v6):
        return next(one for one in self.addresses if (":" in one) == v6)

    @property
    def address(self):
        return self.at(False)


def reaches(source, target, v6=False, size=56):
    answer = ping(source.namespace, target.at(v6), size=size)
    assert answer == "reply", answer


def talks(source, target, v6=False, size=300_000):
    """Both transports, and a stream whose packets are aggregates on the way."""
    there = target.at(v6)
    with TcpServer(target.namespace, 7000, address=there):
        assert tcp_talk(source.namespace, there, 7000) == "echoed"
    with UdpServer(target.namespace, 7001, address=there):
        assert udp_talk(source.namespace, there, 7001) == "echoed"
    with TcpServer(target.namespace, 7002, address=there, handler=hash_back):
        send_and_compare(source.namespace, there, 7002, size)


def overlay_network(host, name="over", vni=VNI, number=1, options=()):
    """The same network on each host: 10.99.0.0/24, of which each gives out 32 addresses."""
    return host.cli(
        *("network", "create", name, "--vni", str(vni)),
        *("--subnet", "10.99.0.0/24", "--subnet", "fd00:99::/64"),
        *("--ip-range", f"10.99.0.{32 * number}/27", "--ip-range", f"fd00:99::{number:x}:0/112"),
        *options,
    )


def has_vtep(host, number):
    return any(
        row["device"] == DEVICE and len(row["addresses"]) == 2
        for row in host.cli("uplink", "list")
    )


def wait_for_vtep(host, number):
    wait_until(lambda: has_vtep(host, number), what="the uplink being found")
