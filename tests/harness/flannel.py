"""A host that is all Linux, as flannel's vxlan backend sets it up: a subnet on a bridge, and for each other host one
route, one neighbour and one FDB entry; learning is off.

    [pod 10.244.9.2] -- cni0 -- host 9 -- flannel.1 -- underlay
"""

from .netns import Namespace
from .underlay import DEVICE, address

VNI, PORT = 1, 8472


def subnet(number):
    return f"10.244.{number}.0"


def vtep_mac(number):
    return f"0a:58:0a:f4:{number:02x}:00"


def make_backend(namespace, number, mtu=1450):
    namespace.ip(
        f"link add flannel.1 address {vtep_mac(number)} mtu {mtu} type vxlan id {VNI} local {address(number)}"
        f" dev {DEVICE} dstport {PORT} nolearning",
        f"addr add {subnet(number)}/32 dev flannel.1",
        "link set flannel.1 up",
    )


def add_other(namespace, its_subnet, mac, at):
    """The way to another host's subnet, "10.244.1.0"."""
    namespace.ip(
        f"route add {its_subnet}/24 via {its_subnet} dev flannel.1 onlink",
        f"neigh add {its_subnet} lladdr {mac} dev flannel.1 nud permanent",
    )
    namespace.run(*f"bridge fdb add {mac} dev flannel.1 dst {at}".split())


class FlannelHost:
    def __init__(self, underlay, number, mtu=1450):
        self.number = number
        self.namespace, self.pod = Namespace("plain"), Namespace("other")
        underlay.connect(self.namespace, number)
        make_backend(self.namespace, number, mtu)
        self.namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        first = subnet(number).removesuffix("0")
        self.pod_address = first + "2"
        self.namespace.ip(
            f"link add cni0 mtu {mtu} type bridge", f"addr add {first}1/24 dev cni0", "link set cni0 up",
            f"link add v0 mtu {mtu} type veth peer name eth0 mtu {mtu} netns {self.pod.name}",
            "link set v0 master cni0 up",
        )
        self.pod.ip(f"addr add {self.pod_address}/24 dev eth0", "link set eth0 up", f"route add default via {first}1")

    def close(self):
        for namespace in (self.pod, self.namespace):
            namespace.close()
