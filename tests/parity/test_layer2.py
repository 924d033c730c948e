"""Between containers of one network.

    [alpha] [beta] [gamma]      [other]
        \\     |     /              |
       network red               network blue
               \\                 /
                 the host
"""

import socket

import pytest
from scapy.layers.l2 import Ether

from harness.frames import BROADCAST, Tap, arp_ask, containing, marked_frame
from harness.icmp import ping
from harness.sockets import (
    SILENCE,
    TcpServer,
    UdpServer,
    open_socket,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_talk,
)
from harness.wait import wait_until


@pytest.fixture
def red(backend):
    return backend.network("red", "10.88.1.0/24")


@pytest.fixture
def three(backend, red):
    return [backend.container(red, name) for name in ("alpha", "beta", "gamma")]


def test_arp(backend, red, three, agrees):
    """Who answers for a sibling, for the gateway, for an address nobody has, for the asker's own"""
    alpha, beta, _ = three
    names = {beta.mac: "beta", backend.gateway_mac(red): "gateway", alpha.mac: "alpha"}

    def ask(address, **options):
        answer = arp_ask(alpha.namespace, "eth0", address, source_ip=alpha.address, **options)
        return names.get(answer, answer)

    probe = arp_ask(alpha.namespace, "eth0", beta.address, source_ip="0.0.0.0")
    agrees(
        {
            "sibling": ask(beta.address),
            "gateway": ask(red.gateway),
            "probe": names.get(probe, probe),
            "nobody": ask(red.address(200), timeout=SILENCE),
            "myself": ask(alpha.address, timeout=SILENCE),
        },
        {
            "sibling": "beta",
            "gateway": "gateway",
            "probe": "beta",
            "nobody": "silent",
            "myself": "silent",
        },
    )


def test_ping(red, three, agrees):
    alpha, beta, _ = three
    small, large = ping(alpha.namespace, beta.address), ping(
        alpha.namespace, beta.address, size=1400
    )
    fragments = ping(alpha.namespace, beta.address, size=4000)
    nobody = ping(alpha.namespace, red.address(200), timeout=SILENCE)
    agrees(
        {
            "small": (small.outcome, small.source, small.ttl),
            "large": large.outcome,
            "fragments": fragments.outcome,
            "nobody": nobody.outcome,
        },
        {
            "small": ("reply", beta.address, 64),
            "large": "reply",
            "fragments": "reply",
            "nobody": "silent",
        },
    )


def test_tcp_and_udp(three, agrees):
    """Open and closed ports; the source seen is the sibling itself."""
    alpha, beta, _ = three
    with TcpServer(beta.namespace) as tcp, UdpServer(beta.namespace) as udp:
        seen = {
            "tcp": tcp_talk(alpha.namespace, beta.address, tcp.port, source_port=4001).outcome,
            "udp": udp_talk(alpha.namespace, beta.address, udp.port, source_port=4002).outcome,
            "tcp source": tcp.peers,
            "udp source": udp.peers,
        }
    seen["tcp closed"] = tcp_talk(alpha.namespace, beta.address, 9).outcome
    seen["udp closed"] = udp_talk(alpha.namespace, beta.address, 9).outcome
    agrees(
        seen,
        {
            "tcp": "echoed",
            "udp": "echoed",
            "tcp source": [(alpha.address, 4001)],
            "udp source": [(alpha.address, 4002)],
            "tcp closed": "refused",
            "udp closed": "refused",
        },
    )


def _broadcast(container, address, port):
    with open_socket(container.namespace, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(b"broadcast", (address, port))


def test_ip_broadcast(backend, red, three, agrees):
    """A UDP broadcast reaches the siblings and the host, and no other network."""
    alpha, beta, gamma = three
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    places = {
        "beta": beta.namespace,
        "gamma": gamma.namespace,
        "other": other.namespace,
        "host": backend.namespace,
    }
    for kind, address in (("subnet", red.broadcast), ("limited", "255.255.255.255")):
        sockets = {
            name: open_socket(space, socket.SOCK_DGRAM, "0.0.0.0", 4010)
            for name, space in places.items()
        }
        if kind == "limited":
            alpha.namespace.ip("route add 255.255.255.255/32 dev eth0")
        _broadcast(alpha, address, 4010)
        seen = {}
        for name, sock in sockets.items():
            sock.settimeout(SILENCE if name == "other" else 30)
            with sock:
                try:
                    seen[name] = sock.recvfrom(100)[1][0]
                except TimeoutError:
                    seen[name] = "nothing"
        agrees(
            seen,
            {
                "beta": alpha.address,
                "gamma": alpha.address,
                "host": alpha.address,
                "other": "nothing",
            },
        )


def test_flooding(backend, three, agrees):
    """Broadcast, multicast and unknown unicast frames reach the siblings unchanged, and no other
    network.
    """
    alpha, beta, gamma = three
    other = backend.container(backend.network("blue", "10.88.2.0/24"), "other")
    kinds = {
        "broadcast": BROADCAST,
        "ip multicast": "01:00:5e:01:02:03",
        "ipv6 multicast": "33:33:00:00:12:34",
        "unknown unicast": "02:de:ad:00:00:01",
    }
    seen = {}
    with Tap(beta.namespace) as at_beta, Tap(gamma.namespace) as at_gamma, Tap(
        other.namespace
    ) as at_other, Tap(alpha.namespace) as sender:
        for kind, destination in kinds.items():
            frame = marked_frame(alpha.mac, destination, b"for everybody: " + kind.encode())
            sender.send(frame)
            seen[kind] = [
                tap.sees(containing(b"for everybody")) == frame for tap in (at_beta, at_gamma)
            ]
        seen["crossed"] = at_other.sees(containing(b"for everybody"), SILENCE) is not None
    agrees(seen, {**{kind: [True, True] for kind in kinds}, "crossed": False})


@pytest.mark.parametrize(
    "destination", ["01:80:c2:00:00:00", "01:80:c2:00:00:0e", "01:80:c2:00:00:03"]
)
def test_link_local_multicast_stays(three, destination, agrees):
    """Pause frames, LLDP and BPDUs. A broadcast sent after them shows that they would have come."""
    alpha, beta, _ = three
    with Tap(beta.namespace) as at_beta, Tap(alpha.namespace) as sender:
        sender.send(marked_frame(alpha.mac, destination, b"one hop only"))
        sender.send(marked_frame(alpha.mac, BROADCAST, b"the end"))
        first = at_beta.sees(lambda frame: b"one hop only" in frame or b"the end" in frame)
    bpdu = destination.endswith("00")
    agrees(
        {"forwarded": b"one hop only" in first},
        {"forwarded": bpdu},
        {"forwarded": (False, "BPDUs are never forwarded")} if bpdu else None,
    )


def test_mac_move(backend, agrees):
    """A MAC that is first heard behind one port and then behind another is found at the second."""
    green = backend.network("green", "10.88.3.0/24", allow_spoofing=True)
    alpha, beta, gamma = (backend.container(green, name) for name in ("galpha", "gbeta", "ggamma"))
    wanderer = "02:00:00:77:77:77"
    seen = []
    with Tap(alpha.namespace) as at_alpha, Tap(beta.namespace) as at_beta, Tap(
        gamma.namespace
    ) as at_gamma:
        taps = {"alpha": at_alpha, "beta": at_beta}
        for place in ("alpha", "beta"):
            hello = b"I am at " + place.encode()
            taps[place].send(marked_frame(wanderer, BROADCAST, hello))
            assert at_gamma.sees(containing(hello)), "the announcement never arrived"
            call = b"are you at " + place.encode()
            at_gamma.send(marked_frame(gamma.mac, wanderer, call))
            # The marker that ends the wait travels behind the call on every path.
            at_gamma.send(marked_frame(gamma.mac, BROADCAST, b"end of " + call))
            for name, tap in taps.items():
                first = tap.sees(lambda frame, call=call: call in frame)
                if not first.count(b"end of "):
                    seen.append((place, name))
    agrees({"heard": seen}, {"heard": [("alpha", "alpha"), ("beta", "beta")]})


@pytest.mark.parametrize("checked", [True, False], ids=["source checked", "allow-spoofing"])
def test_vlan_tagged_frames(backend, checked, agrees):
    """A tag is carried like any payload. A broadcast sent after it ends the wait."""
    green = backend.network("green", "10.88.3.0/24", allow_spoofing=not checked)
    alpha, beta = backend.container(green, "alpha"), backend.container(green, "beta")
    header = bytes(Ether(src=alpha.mac, dst=beta.mac, type=0x8100))
    with Tap(beta.namespace) as at_beta, Tap(alpha.namespace) as sender:
        sender.send(header + b"\x00\x05\x88\xb5" + b"tagged".ljust(46))
        sender.send(marked_frame(alpha.mac, beta.mac, b"the end"))
        first = at_beta.sees(lambda frame: b"tagged" in frame or b"the end" in frame)
    agrees(
        {"arrived": b"tagged" in first},
        {"arrived": True},
        {"arrived": (False, "VLAN tags are dropped where the source is checked")}
        if checked
        else None,
    )


def test_ipv6_between_siblings(three, agrees):
    """Neighbour discovery and echo on link-local addresses."""
    alpha, beta, _ = three

    def link_local():
        addresses = beta.namespace.links()["eth0"]["addr_info"]
        return next(
            (
                one["local"]
                for one in addresses
                if one["family"] == "inet6"
                and one["scope"] == "link"
                and not one.get("tentative")
            ),
            None,
        )

    target = wait_until(link_local, what="an IPv6 link-local address")
    done = alpha.namespace.run("ping", "-6", "-c", "1", "-W", "20", f"{target}%eth0", check=False)
    agrees({"replied": done.returncode == 0}, {"replied": True})


def test_large_datagrams(red, three, agrees):
    """Fragments of UDP datagrams pass between siblings."""
    alpha, beta, _ = three
    with UdpServer(beta.namespace) as server, udp_connect(
        alpha.namespace, beta.address, server.port
    ) as sock:
        agrees({"echoed": udp_echo_once(sock, b"x" * 8000)}, {"echoed": True})
