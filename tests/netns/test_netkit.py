"""Netkit devices, in place of veth pairs, as ports of a network: where the kernel has them, which is from 6.7 on.

    [alpha] --- network red 10.88.1.0/24 --- nk0 --- [machine]
                                         --- nk1 --- [machine]
"""

import pytest

from harness.icmp import ping
from harness.netkit import NetkitLan, add_pair
from harness.netns import Namespace
from harness.sockets import TcpServer, hash_back, send_and_compare

pytestmark = pytest.mark.vm
STREAM_BYTES = 2 << 20


@pytest.fixture
def machines(host, red):
    with Namespace("netkit") as probe:
        try:
            add_pair(probe, "nk0", "nk1")
        except OSError as error:
            pytest.skip(f"no netkit devices here: {error}")
    with NetkitLan(host, red, "nk0", 50) as one, NetkitLan(host, red, "nk1", 51) as other:
        for machine in (one, other):
            host.attach(red, machine.device)
        yield one, other


def test_netkit_devices_as_ports(host, red, alpha, machines):
    one, other = machines
    assert ping(one.namespace, other.address) == "reply"
    assert ping(one.namespace, red.gateway) == "reply"
    before = host.drops("switched", hook="endpoint")
    for client, server in ((one, other), (alpha, one), (other, alpha)):
        with TcpServer(server.namespace, handler=hash_back) as listener:
            send_and_compare(client.namespace, server.address, listener.port, STREAM_BYTES)
    assert host.drops("switched", hook="endpoint") > before
