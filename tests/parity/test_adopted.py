"""A bridge with Docker's rules: the same traffic before it is adopted, while it is, and after.

    [alpha] [beta]
        \\     |
       br-red --- the host, iptables --- uplink --- [near] --- [far]
"""

import pytest
from scapy.layers.l2 import Dot1Q, Ether

from harness.bridge_host import BridgeHost
from harness.frames import BROADCAST, Tap, containing, marked_frame
from harness.icmp import ping
from harness.sockets import TcpServer, UdpServer, hash_back, send_and_compare, tcp_talk, udp_icmp_error, udp_talk
from harness.world import IPV4


@pytest.fixture
def docker(host):
    made = BridgeHost(host.namespace)
    yield made
    made.close()


@pytest.fixture
def red(docker):
    return docker.network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(docker, red):
    return docker.container(red, "alpha")


@pytest.fixture
def beta(docker, red, alpha):
    del alpha
    return docker.container(red, "beta")


def arrives(sender, receiver, frame, marker):
    with Tap(sender.namespace) as source, Tap(receiver.namespace) as sink:
        source.send(frame)
        return sink.sees(containing(marker)) is not None


def between_containers(alpha, beta):
    with TcpServer(beta.namespace, handler=hash_back) as stream, UdpServer(beta.namespace) as udp:
        send_and_compare(alpha.namespace, beta.address, stream.port, 4 << 20)
        return {
            "ping": ping(alpha.namespace, beta.address).outcome,
            "large": ping(alpha.namespace, beta.address, size=4000).outcome,
            "udp": udp_talk(alpha.namespace, beta.address, udp.port, source_port=4002).outcome,
            "udp source": udp.peers,
            "broadcast": arrives(alpha, beta, marked_frame(alpha.mac, BROADCAST, b"to all"), b"to all"),
            "unknown": arrives(alpha, beta, marked_frame(alpha.mac, "02:00:00:00:77:07", b"to whom?"), b"to whom?"),
            "tagged": arrives(alpha, beta, Ether(src=alpha.mac, dst=beta.mac) / Dot1Q(vlan=7) / b"tagged, long enough",
                              b"tagged, long enough"),
            "other protocol": arrives(alpha, beta, marked_frame(alpha.mac, beta.mac, b"no IP"), b"no IP"),
        }


def with_the_rest(host, world, red, alpha, beta):
    with TcpServer(host.namespace) as server, TcpServer(beta.namespace) as inside, TcpServer(world.far) as outside:
        return {
            "to the host": tcp_talk(alpha.namespace, red.gateway, server.port).outcome,
            "from the host": tcp_talk(host.namespace, beta.address, inside.port).outcome,
            "to the world": tcp_talk(alpha.namespace, IPV4.far, outside.port).outcome,
            "seen there": {peer for peer, _ in outside.peers},
            "published": tcp_talk(world.near, IPV4.host, 8080).outcome,
            "not published": tcp_talk(world.near, beta.address, inside.port, timeout=0.5).outcome,
        }


def test_before_during_after(host, world, docker, red, alpha, beta):
    world.knows_route(red.subnet)
    with TcpServer(beta.namespace, port=80):
        docker.publish(beta, 8080, 80)

        def seen():
            return between_containers(alpha, beta) | with_the_rest(host, world, red, alpha, beta)

        before = seen()
        assert before["to the world"] == before["published"] == "echoed" and before["not published"] == "silent"
        host.cli("adopt", "br-red")
        assert seen() == before
        assert host.drops("switched", "bridge_port") > 100 and host.drops("switched", "bridge") > 0
        host.restart()
        assert seen() == before
        host.cli("release", "br-red")
        assert seen() == before


def out(world, red, alpha, family):
    with TcpServer(world.far) as tcp, UdpServer(world.near) as udp:
        return {
            "ping": ping(alpha.namespace, family.far).outcome,
            "large": ping(alpha.namespace, family.far, size=4000).outcome,
            "tcp": tcp_talk(alpha.namespace, family.far, tcp.port, source_port=4001).outcome,
            "udp": udp_talk(alpha.namespace, family.near, udp.port, source_port=4002).outcome,
            "peers": (set(tcp.peers), set(udp.peers)),
            "hops": udp_icmp_error(alpha.namespace, family.far, 33434, 1),
            "closed": udp_icmp_error(alpha.namespace, family.far, 33434, 9),
            "gateway": ping(alpha.namespace, red.gateway).outcome,
            "from outside": tcp_talk(world.near, alpha.address, 80, timeout=0.5).outcome,
        }


def test_masquerade_in_place_of_rules(host, world, docker, red, alpha):
    """Docker's rules, and then ours alone with `--masquerade on`."""
    world.knows_route(red.subnet)
    before = out(world, red, alpha, IPV4)
    assert before["from outside"] == "silent"
    assert before["peers"] == ({(IPV4.host, 4001)}, {(IPV4.host, 4002)})
    for table in ("raw", "nat", "filter"):
        host.namespace.run("iptables", "-t", table, "-F")
    host.namespace.run("iptables", "-P", "FORWARD", "ACCEPT")
    host.cli("adopt", "br-red", "--masquerade", "on")
    assert out(world, red, alpha, IPV4) == before


def reached(host, world, docker, alpha, beta, other):
    """8080 leads to beta's 80; who gets there, and as whom beta sees it."""
    seen = {}
    clients = {"near": world.near, "far": world.far, "host": host.namespace, "sibling": alpha.namespace,
               "itself": beta.namespace, "another network": other.namespace}
    with TcpServer(beta.namespace, 80) as tcp, UdpServer(beta.namespace, 53) as udp:
        for name, client in clients.items():
            for server, talk, port in ((tcp, tcp_talk, 8080), (udp, udp_talk, 8053)):
                server.peers.clear()
                outcome = talk(client, IPV4.host, port).outcome
                seen[name, port] = outcome, {peer[0] for peer in server.peers}
        seen["loopback"] = tcp_talk(host.namespace, "127.0.0.1", 8080).outcome
        seen["direct"] = tcp_talk(world.near, beta.address, 80, timeout=0.5).outcome
        seen["other direct"] = tcp_talk(other.namespace, beta.address, 80, timeout=0.5).outcome
    seen["closed"] = tcp_talk(world.near, IPV4.host, 8080).outcome
    seen["not published"] = tcp_talk(world.near, IPV4.host, 8099).outcome
    return seen


def test_published_in_place_of_rules(host, world, docker, red, alpha, beta):
    """Docker's rules for published ports and between networks, and then ours alone."""
    other = docker.container(docker.network("blue", "10.88.2.0/24"), "other")
    docker.publish(beta, 8080, 80)
    docker.publish(beta, 8053, 53, "udp")
    world.knows_route(red.subnet)
    before = reached(host, world, docker, alpha, beta, other)
    for table in ("raw", "nat", "filter"):
        host.namespace.run("iptables", "-t", table, "-F")
    host.namespace.run("iptables", "-P", "FORWARD", "ACCEPT")
    for bridge in ("br-red", "br-blue"):
        host.cli("adopt", bridge, "--masquerade", "on")
    host.cli("port", "publish", f"br-red/{beta.address}", "8080:80")
    host.cli("port", "publish", f"br-red/{beta.address}", "8053:53/udp")
    after = reached(host, world, docker, alpha, beta, other)
    # Shown as it is, where Docker masquerades within a bridge or between two: docs/differences.md.
    for key in list(before):
        if key[0] in ("another network", "sibling"):
            assert before.pop(key)[0] == after.pop(key)[0] == "echoed"
    assert after == before
