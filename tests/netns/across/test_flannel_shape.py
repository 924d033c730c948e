"""A subnet for each host, routed: what flannel's vxlan backend sets up on a host, with a routed network of ours in place
of its bridge, beside a host that is all Linux.

    [pod 10.244.1.x] -- pods (routed) -- host 1 -- flannel.1 --+-- underlay --+-- flannel.1 -- host 9 -- cni0 -- [pod 10.244.9.2]
"""

import pytest

from harness.flannel import FlannelHost, add_other, make_backend, subnet, vtep_mac
from harness.icmp import ping
from harness.netns import Namespace
from harness.sockets import TcpServer, UdpServer, hash_back, send_and_compare, tcp_talk, udp_talk
from harness.underlay import address
from harness.wait import wait_until


@pytest.fixture
def hosts(make_host, underlay):
    """Ours with a pod, Linux with a pod: (our pod's namespace, its address, their pod's namespace, its address)."""
    host = make_host()
    underlay.connect(host.namespace, 1)
    make_backend(host.namespace, 1)
    add_other(host.namespace, subnet(9), vtep_mac(9), address(9))
    host.namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1")  # as on every host that routes
    host.cli("network", "create", "pods", "--mode", "routed", "--subnet", f"{subnet(1)}/24", "--mtu", "1450")
    pod = Namespace("pod")
    address_of_pod = host.cli("endpoint", "create", "pods", "pod", "--netns", pod.path)["addresses"][0].split("/")[0]
    wait_until(lambda: "flannel.1" in {row["device"] for row in host.cli("uplink", "list")},
               what="flannel.1 being an uplink")
    plain = FlannelHost(underlay, 9)
    add_other(plain.namespace, subnet(1), vtep_mac(1), address(1))
    yield pod, address_of_pod, plain.pod, plain.pod_address
    plain.close()
    pod.close()


def test_pods_of_both_hosts_talk(hosts):
    pod, ours, other, theirs = hosts
    for source, target in ((pod, theirs), (other, ours)):
        assert ping(source, target) == "reply"
        assert ping(source, target, size=1450 - 28) == "reply", "the largest packet passes whole"
    for source, server, target in ((pod, other, theirs), (other, pod, ours)):
        with TcpServer(server, 7000, address=target):
            assert tcp_talk(source, target, 7000) == "echoed"
        with UdpServer(server, 7001, address=target):
            assert udp_talk(source, target, 7001) == "echoed"
        with TcpServer(server, 7002, address=target, handler=hash_back):
            send_and_compare(source, target, 7002, 2_000_000)


def test_nobody_is_masqueraded(hosts):
    pod, ours, other, theirs = hosts
    for source, server, target, seen in ((pod, other, theirs, ours), (other, pod, ours, theirs)):
        with TcpServer(server, 7000, address=target) as listening:
            assert tcp_talk(source, target, 7000) == "echoed"
            assert listening.peers[0][0] == seen
