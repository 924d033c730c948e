"""The programs with which one looks for a fault on the way, and the rarer ICMP errors.

    [alpha] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near] --- 198.18.1.3 [far]
"""

import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6ParamProblem, IPv6
from scapy.layers.l2 import Ether

from harness.frames import Tap, containing
from harness.sockets import TcpServer, icmp_error_of, open_socket, udp_connect

pytestmark = pytest.mark.usefixtures("family")

# Of IPv6, an IPv6 option or a next header that the receiver does not know.
PARAMETER_PROBLEM = {False: (12, 0), True: (4, 1)}


@pytest.fixture
def alpha(backend, outside):
    del outside
    return backend.container(backend.network("red", "10.88.1.0/24"), "alpha")


def _hops(output):
    """[(hop, address)] of traceroute's or tracepath's lines."""
    found = re.findall(r"^ *(\d+)\??: +([0-9a-f.:]+) |^ *(\d+) +([0-9a-f.:]+) ", output, re.M)
    return [(int(line[0] or line[2]), line[1] or line[3]) for line in found]


@pytest.mark.parametrize("kind", ["udp", "icmp", "tcp"])
def test_traceroute_program(family, outside, alpha, kind, agrees):
    with TcpServer(outside.far) as server:
        options = {"udp": [], "icmp": ["-I"], "tcp": ["-T", "-p", str(server.port)]}[kind]
        command = ["traceroute", "-n", "-q", "1", "-N", "1", "-m", "5", *options, family.far]
        output = alpha.namespace.run(*command).stdout
    agrees(
        {"hops": _hops(output)},
        {"hops": [(1, alpha.network.gateway), (2, family.near), (3, family.far)]},
    )


def test_tracepath_program(family, outside, alpha, agrees):
    """It finds the smaller MTU behind the router."""
    outside.far.ip("link set wire1 mtu 1300")
    outside.near.ip("link set wire1 mtu 1300")
    output = alpha.namespace.run("tracepath", "-n", "-m", "5", family.far).stdout
    resume = re.search(r"Resume: (pmtu \d+ hops \d+ back \d+)", output)
    agrees(
        {"hops": sorted(set(_hops(output))), "resume": resume and resume.group(1)},
        {
            # At the third it hears of the MTU from the router first.
            "hops": [
                (1, alpha.network.gateway),
                (2, family.near),
                *sorted([(3, family.near), (3, family.far)]),
            ],
            "resume": "pmtu 1300 hops 3 back 3",
        },
    )


def _complain(tap, family, sender_mac, source, question):
    """Answers the next frame that carries `question` with a parameter problem from `source`."""
    received = Ether(tap.sees(containing(question)))
    packet = received.payload
    kind, code = PARAMETER_PROBLEM[family.v6]
    if family.v6:
        error = IPv6(src=source, dst=packet.src) / ICMPv6ParamProblem(type=kind, code=code, ptr=6) / bytes(packet)
    else:
        error = IP(src=source, dst=packet.src) / ICMP(type=kind, code=code, ptr=20) / bytes(packet)
    tap.send(Ether(src=sender_mac, dst=received.src) / error)


def _error_seen(sock, tap, family, sender_mac, source):
    """Sends a question on the socket, lets `source` complain at the tap: what the socket is told."""
    question = b"a question that is complained of"
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(icmp_error_of, sock, question)
        _complain(tap, family, sender_mac, source, question)
        return told.result()[:3]


def test_parameter_problem_from_outside(family, outside, alpha, agrees):
    """About a packet of a masqueraded flow."""
    mac = outside.near.mac("wire0")
    with Tap(outside.near, "wire0") as tap, udp_connect(alpha.namespace, family.near, 9) as sock:
        with open_socket(outside.near, socket.SOCK_DGRAM, family.near, 9):
            told = _error_seen(sock, tap, family, mac, family.near)
    agrees({"told": told}, {"told": (*PARAMETER_PROBLEM[family.v6], family.near)})


def test_parameter_problem_from_a_container(family, backend, outside, alpha, agrees):
    """About a packet to a published port: it comes from the host's address."""
    backend.publish(alpha, 8053, 53, "udp")
    with Tap(alpha.namespace) as tap, udp_connect(outside.near, family.host, 8053) as sock:
        with open_socket(alpha.namespace, socket.SOCK_DGRAM, alpha.address, 53):
            told = _error_seen(sock, tap, family, alpha.mac, alpha.address)
    agrees({"told": told}, {"told": (*PARAMETER_PROBLEM[family.v6], family.host)})
