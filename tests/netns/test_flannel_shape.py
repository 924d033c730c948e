"""A subnet for each host, routed: what flannel's vxlan backend sets up on a host, with a routed network of ours in place
of its bridge, beside a host that is all Linux.

    [pod 10.244.1.x] -- pods (routed) -- host 1 -- flannel.1 --+-- underlay --+-- flannel.1 -- host 9 -- cni0 -- [pod 10.244.2.x]

On each: one route, one neighbour and one FDB entry for the other; learning is off.
"""

import pytest

from harness.icmp import ping
from harness.netns import Namespace
from harness.sockets import TcpServer, UdpServer, hash_back, send_and_compare, tcp_talk, udp_talk
from harness.underlay import DEVICE, address
from harness.wait import wait_until

OVERHEAD = 50
VTEP_MAC = {1: "0a:58:0a:f4:01:00", 9: "0a:58:0a:f4:09:00"}


def subnet(number):
    return f"10.244.{number}.0"


def backend(namespace, number, other, mtu=1450):
    """As flanneld's vxlan backend does it."""
    namespace.ip(
        f"link add flannel.1 address {VTEP_MAC[number]} mtu {mtu} type vxlan id 1 local {address(number)}"
        f" dev {DEVICE} dstport 8472 nolearning",
        f"addr add {subnet(number)}/32 dev flannel.1",
        "link set flannel.1 up",
        f"route add {subnet(other)}/24 via {subnet(other)} dev flannel.1 onlink",
        f"neigh add {subnet(other)} lladdr {VTEP_MAC[other]} dev flannel.1 nud permanent",
    )
    namespace.run(*f"bridge fdb add {VTEP_MAC[other]} dev flannel.1 dst {address(other)}".split())


@pytest.fixture
def hosts(make_host, underlay):
    """Ours with a pod, Linux with a pod: (host, our pod's namespace, its address, their pod's namespace)."""
    host = make_host()
    underlay.connect(host.namespace, 1)
    backend(host.namespace, 1, 9)
    host.namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1")  # as on every host that routes
    host.cli("network", "create", "pods", "--mode", "routed", "--subnet", f"{subnet(1)}/24", "--mtu", "1450")
    pod = Namespace("pod")
    address_of_pod = host.cli("endpoint", "create", "pods", "pod", "--netns", pod.path)["addresses"][0].split("/")[0]
    wait_until(lambda: "flannel.1" in {row["device"] for row in host.cli("uplink", "list")},
               what="flannel.1 being an uplink")

    plain, other = Namespace("plain"), Namespace("other")
    underlay.connect(plain, 9)
    backend(plain, 9, 1)
    plain.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    plain.ip(
        "link add cni0 mtu 1450 type bridge", f"addr add 10.244.9.1/24 dev cni0", "link set cni0 up",
        f"link add v0 mtu 1450 type veth peer name eth0 mtu 1450 netns {other.name}", "link set v0 master cni0 up",
    )
    other.ip("addr add 10.244.9.2/24 dev eth0", "link set eth0 up", "route add default via 10.244.9.1")
    yield host, pod, address_of_pod, other
    for namespace in (other, plain, pod):
        namespace.close()


def test_pods_of_both_hosts_talk(hosts):
    host, pod, ours, other = hosts
    for source, target in ((pod, "10.244.9.2"), (other, ours)):
        assert ping(source, target) == "reply"
        assert ping(source, target, size=1450 - 28) == "reply", "the largest packet passes whole"
    for source, server, target in ((pod, other, "10.244.9.2"), (other, pod, ours)):
        with TcpServer(server, 7000, address=target):
            assert tcp_talk(source, target, 7000) == "echoed"
        with UdpServer(server, 7001, address=target):
            assert udp_talk(source, target, 7001) == "echoed"
        with TcpServer(server, 7002, address=target, handler=hash_back):
            send_and_compare(source, target, 7002, 2_000_000)


def test_nobody_is_masqueraded(hosts):
    host, pod, ours, other = hosts
    for source, server, target, seen in ((pod, other, "10.244.9.2", ours), (other, pod, ours, "10.244.9.2")):
        with TcpServer(server, 7000, address=target) as listening:
            assert tcp_talk(source, target, 7000) == "echoed"
            assert listening.peers[0][0] == seen
