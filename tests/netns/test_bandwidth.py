"""Endpoints with a limit, by CNI's `bandwidth`: whoever sends, and wherever to.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network net --- [slow] [other]
"""

import time

import pytest

from harness import world as outside
from harness.cni import OWN, fails
from harness.host import elapsed
from harness.sockets import TcpServer, hash_back, send_and_compare, tcp_talk
from harness.wait import wait_until

# A second for 2.5 MB, of which 0.25 MB go at once.
RATE, BURST, SIZE = 20_000_000, 2_000_000, 2_500_000
LEAST_SECONDS = (SIZE * 8 - BURST) / RATE * 0.9
CAPABLE = {**OWN, "capabilities": {"portMappings": True, "bandwidth": True}}
PORTS = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]


@pytest.fixture
def pods(host, world, make_cni, make_namespace):
    """`slow` has a limit for the direction it is asked for, `other` none."""
    del host, world
    cni, (slow, other) = make_cni(CAPABLE), (make_namespace(), make_namespace())
    slow.address, other.address = "10.88.7.2", "10.88.7.3"

    def make(direction):
        limits = {f"{direction}Rate": RATE, f"{direction}Burst": BURST}
        cni.add(slow, "slow", bandwidth=limits, portMappings=PORTS)
        cni.add(other, "other")
        cni.check(slow, "slow")
        return slow, other

    return make


def seconds(sender, receiver, address, port):
    with TcpServer(receiver, 80, handler=hash_back):
        start = time.monotonic()
        send_and_compare(sender, address, port, SIZE)
        return elapsed(start)


def has_no_limit(sender, receiver, address):
    """A machine with other work may need more than one try."""
    return any(seconds(sender, receiver, address, 80) < LEAST_SECONDS for _ in range(5))


def test_what_it_is_sent(host, world, pods):
    """By a sibling, from outside and by the host: every one goes through the queue."""
    slow, other = pods("ingress")
    assert seconds(other, slow, slow.address, 80) > LEAST_SECONDS
    assert seconds(world.near, slow, outside.HOST, 8080) > LEAST_SECONDS
    assert seconds(host.namespace, slow, slow.address, 80) > LEAST_SECONDS
    # The other way there is no limit, nor for its sibling.
    assert has_no_limit(slow, other, other.address)


def test_what_it_sends(world, pods):
    slow, other = pods("egress")
    assert seconds(slow, other, other.address, 80) > LEAST_SECONDS
    assert seconds(slow, world.near, outside.NEAR, 80) > LEAST_SECONDS
    assert has_no_limit(other, slow, slow.address)


def test_a_limit_outlives_the_daemon(host, pods):
    slow, other = pods("ingress")
    host.restart()
    shown = host.cli("endpoint", "list")[0]
    assert (shown["ingress_rate"], shown["ingress_burst"]) == (RATE, BURST)
    # Somebody deletes the device; the daemon makes it anew, and as slow.
    host.namespace.run("ip", "link", "delete", shown["host_ifname"])
    with TcpServer(slow, 80):
        wait_until(
            lambda: "eth0" in slow.links() and tcp_talk(other, slow.address, 80) == "echoed",
            what="the endpoint's return",
        )
    assert seconds(other, slow, slow.address, 80) > LEAST_SECONDS


def test_limits_that_are_refused(host, make_cni, make_namespace):
    cni, pod = make_cni(CAPABLE), make_namespace()
    limits = {"ingressRate": RATE, "ingressBurst": 1000}
    fails(7, "less than one packet", cni.add, pod, "one", bandwidth=limits)
    assert host.cli("endpoint", "list") == [] and "eth0" not in pod.links()
