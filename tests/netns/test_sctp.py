"""SCTP, where the kernel has it: what its packets tell of an association.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network red --- [alpha]
"""

import contextlib
import socket
import struct

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkCookieEcho, SCTPChunkData, SCTPChunkInit, SCTPChunkInitAck

from harness import world as outside
from harness.frames import Tap
from harness.sockets import PATIENCE
from harness.wait import wait_until

pytestmark = pytest.mark.vm
PORT, HOST_PORT = 9900, 3868
# Long enough to be looked at.
CONFIG = "[conntrack]\nsctp_new_s = 300\nsctp_closing_s = 300\n"
FORGED = "203.0.113.9"


def sctp_socket(namespace):
    with namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    sock.settimeout(PATIENCE)
    return sock


@contextlib.contextmanager
def association(client, server, address, port):
    """(the client's socket, the server's) of an association to `address`, which leads to the server's PORT."""
    with sctp_socket(server) as listener, sctp_socket(client) as dialled:
        listener.bind(("0.0.0.0", PORT))
        listener.listen(8)
        dialled.connect((address, port))
        accepted, _ = listener.accept()
        with accepted:
            yield dialled, accepted


@pytest.fixture
def host(make_host):
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP))
        except OSError as error:
            pytest.skip(f"no SCTP here: {error}")
    return make_host(CONFIG)


@pytest.fixture
def alpha(host, world):
    del world
    return host.container(host.network("red", "10.88.1.0/24"), "alpha")


def states(host, source):
    """(type, state) of this source's associations."""
    return [(flow["type"], flow["state"]) for flow in host.cli("ct", "list", "proto", "sctp") if flow["src"] == source]


def becomes(host, source, kind, state):
    wait_until(lambda: states(host, source) == [(kind, state)], what=f"an association that is {state}")


def says(one, other):
    one.sendall(b"over here")
    assert other.recv(64) == b"over here"


def test_published_and_shut_down(host, world, alpha):
    host.publish(alpha, HOST_PORT, PORT, "sctp")
    with association(world.near, alpha.namespace, outside.HOST, HOST_PORT) as (client, server):
        becomes(host, outside.NEAR, "dnat", "established")
        says(client, server)
        says(server, client)
    becomes(host, outside.NEAR, "dnat", "closed")


def test_masqueraded_and_aborted(host, world, alpha):
    with association(alpha.namespace, world.near, outside.NEAR, PORT) as (client, server):
        becomes(host, alpha.address, "snat", "established")
        says(client, server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    becomes(host, alpha.address, "snat", "closed")


def test_inits_that_nobody_stands_behind(host, world, alpha):
    """The container's kernel answers each; a cookie that was made up it does not, and data of no association it aborts."""
    host.publish(alpha, HOST_PORT, PORT, "sctp")
    ether = Ether(src="02:00:00:00:07:77", dst=host.namespace.mac(outside.UPLINK)) / IP(src=FORGED, dst=outside.HOST)

    def forged(chunk, tag):
        return bytes(ether / SCTP(sport=4000, dport=HOST_PORT, tag=tag) / chunk)

    with sctp_socket(alpha.namespace) as listener, Tap(world.near, "wire0") as tap:
        listener.bind(("0.0.0.0", PORT))
        listener.listen(8)
        tap.send(forged(SCTPChunkInit(init_tag=7, a_rwnd=65536, n_out_streams=1, n_in_streams=1, init_tsn=1), tag=0))
        assert tap.sees(lambda frame: SCTPChunkInitAck in Ether(frame))
        tap.send(forged(SCTPChunkCookieEcho(cookie=b"made up " * 8), tag=9))
        becomes(host, FORGED, "dnat", "new")
        tap.send(forged(SCTPChunkData(data=b"of nobody", tsn=1), tag=9))
        becomes(host, FORGED, "dnat", "closed")
