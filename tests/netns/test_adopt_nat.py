"""An adopted bridge that we masquerade for, as with Docker's "iptables": false: no rule of netfilter is there.

    [one] [two]            [alpha]
        \\ |                  |
       lab0 --- the host --- network red
                    |
                 uplink --- [near] --- [far]
"""

import socket

import pytest

from harness import world as outside
from harness.icmp import ping
from harness.linux_bridge import LinuxBridge
from harness.sockets import (
    Stream,
    TcpServer,
    UdpServer,
    echo_once,
    hash_back,
    open_socket,
    send_and_compare,
    tcp_connect,
    tcp_talk,
    udp_icmp_error,
    udp_talk,
)
from harness.wait import wait_until


def flows(host):
    return [row for row in host.cli("ct", "list") if row["network"] == "lab0"]


@pytest.mark.parametrize("family", (outside.IPV4, outside.IPV6), ids=str)
def test_out_and_back(host, world, lab, adopted, family):
    assert adopted["masquerade"] is True
    one, two = lab.machines
    with TcpServer(world.far, handler=hash_back) as tcp, UdpServer(world.near) as udp:
        send_and_compare(one.namespace, family.far, tcp.port, 1_000_000)
        assert udp_talk(two.namespace, family.near, udp.port) == "echoed"
        assert {peer[0] for peer in (*tcp.peers, *udp.peers)} == {family.host}
    assert ping(one.namespace, family.far) == "reply"
    assert host.drops("snat", "bridge_port") > 10 and host.drops("snat", "uplink_egress") == 0
    assert {row["type"] for row in flows(host)} == {"snat"} and len(flows(host)) == 3
    own = lab.address6 if family.v6 else lab.address
    assert ping(one.namespace, own) == "reply"
    assert ping(one.namespace, two.address6 if family.v6 else two.address) == "reply"
    with TcpServer(host.namespace) as server:
        assert tcp_talk(one.namespace, own, server.port) == "echoed"
        assert tcp_talk(one.namespace, family.host, server.port) == "echoed"


def test_what_the_kernel_forwards_is_masqueraded_too(host, world, lab, adopted):
    """Fragments, and what comes from a port that is left to the bridge."""
    del adopted
    one, two = lab.machines
    assert ping(one.namespace, outside.FAR, size=4000) == "reply"
    with UdpServer(world.near) as udp:
        with open_socket(one.namespace, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.sendto(b"x" * 5000, (outside.NEAR, udp.port))
            assert len(sock.recv(9000)) == 5000
        lab.set_port(two, "isolated", "on")
        wait_until(lambda: host.cli("adopt")[0]["ports"][1]["left"], what="the port being left")
        assert udp_talk(two.namespace, outside.NEAR, udp.port) == "echoed"
        assert {peer[0] for peer in udp.peers} == {outside.HOST}
    assert host.drops("snat", "uplink_egress") > 3


def test_errors_come_back(world, lab, adopted):
    del adopted
    assert world.far
    one, _ = lab.machines
    errors = [udp_icmp_error(one.namespace, outside.FAR, 33434, ttl) for ttl in (1, 2, 3)]
    assert errors == [(11, 0, lab.address), (11, 0, outside.NEAR), (3, 3, outside.FAR)]


def test_running_connections_stay_with_the_kernel(host, world, lab):
    one, two = lab.machines
    host.namespace.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", f"{lab.prefix}.0/24", "!", "-o", lab.name,
                       "-j", "MASQUERADE")
    with TcpServer(world.far, handler=hash_back) as server, TcpServer(world.far) as another:
        stream = Stream(one.namespace, outside.FAR, server.port, bytes_per_second=2 << 20)
        before = stream.sent
        wait_until(lambda: stream.sent > before, what="the stream")
        host.cli("adopt", lab.name, "--masquerade", "on")
        begun = tcp_connect(two.namespace, outside.FAR, another.port)
        assert echo_once(begun)
        host.restart()
        before = stream.sent
        wait_until(lambda: stream.sent > before + (1 << 20), what="the stream going on")
        assert {row["src"] for row in flows(host)} == {two.address}
        ended = [(row["src"], row["src_port"]) for row in host.cli("release", lab.name)["ended"]]
        assert ended == [(two.address, begun.getsockname()[1])]
        stream.stop()
        begun.close()
    assert ping(one.namespace, outside.FAR) == "reply"
    assert host.cli("ct", "list") == []


def answered(*pairs):
    return all(ping(source.namespace, address) == "reply" for source, address in pairs)


def test_icc_off(host, lab, adopted):
    """No connection between ports, past the bridge, through it, or by the host; on again, all is as before."""
    del adopted
    one, two = lab.machines

    def kept_apart():
        for source, target in ((one, two), (two, one)):
            assert ping(source.namespace, target.address, timeout=0.5) == "silent"
            assert ping(source.namespace, target.address6, timeout=0.5) == "silent"
            assert udp_talk(source.namespace, target.address, udp[target].port, timeout=0.5) == "silent"
        assert answered((one, lab.address), (one, lab.address6), (host, two.address), (host, two.address6),
                        (two, outside.FAR))

    with UdpServer(one.namespace) as first, UdpServer(two.namespace) as second:
        udp = {one: first, two: second}
        assert ping(one.namespace, two.address) == "reply"
        host.cli("adopt", lab.name, "--icc", "off")
        kept_apart()
        assert host.drops("icc_off", "bridge_port") > 0
        one.namespace.ip(f"route add {two.address} via {lab.address}")
        assert ping(one.namespace, two.address, timeout=0.5) == "silent"
        assert host.drops("icc_off", "bridge") > 0
        one.namespace.ip(f"route del {two.address}")
        lab.set_port(two, "isolated", "on")
        wait_until(lambda: host.cli("adopt")[0]["ports"][1]["left"], what="the port being left")
        kept_apart()
        lab.set_port(two, "isolated", "off")
        host.restart()
        kept_apart()
        host.cli("adopt", lab.name, "--icc", "on")
        for pair in ((one, two.address), (two, one.address), (one, two.address6)):
            # Neighbour discovery that has failed rests for a moment.
            wait_until(lambda pair=pair: answered(pair), what="the ports reaching each other again")


def test_internal(host, world, lab, adopted):
    del adopted
    assert world.far
    one, two = lab.machines
    world.near.ip(f"route add {lab.prefix}.0/24 via {outside.HOST}")
    with TcpServer(one.namespace) as server:
        host.cli("adopt", lab.name, "--internal", "on")
        assert answered((one, two.address), (one, lab.address), (host, one.address))
        for target in (outside.FAR, outside.IPV6.far):
            assert ping(one.namespace, target, timeout=0.5) == "silent"
        assert tcp_talk(world.near, one.address, server.port, timeout=0.5) == "silent"
        assert host.drops("internal", "bridge_port") > 0 and host.drops("internal", "bridge") > 0
        host.cli("adopt", lab.name, "--internal", "off")
        assert ping(one.namespace, outside.FAR) == "reply"


def test_isolation_between_adopted_bridges(host, lab, adopted):
    """Of two that we do NAT for neither reaches the other; one that others look after is theirs."""
    del adopted
    one, _ = lab.machines
    with LinuxBridge(host, "lab1", "10.77.1") as second:
        other = second.machine("other")
        host.cli("adopt", "lab1")
        assert answered((one, other.address), (one, other.address6))
        host.cli("adopt", "lab1", "--masquerade", "on")
        for source, target in ((one, other), (other, one)):
            assert ping(source.namespace, target.address, timeout=0.5) == "silent"
            assert ping(source.namespace, target.address6, timeout=0.5) == "silent"
            assert ping(source.namespace, outside.FAR) == "reply"
        assert ping(one.namespace, second.address) == "reply", "the host's own address"
        assert host.drops("other_network", "bridge") > 0
        host.cli("adopt", "lab1", "--masquerade", "off")
        assert ping(one.namespace, other.address) == "reply"
        host.cli("release", "lab1")


def test_running_datagrams_stay_with_the_kernel(host, world, lab):
    """UDP flows that its rules translate, out and in, by the port that they have; new ones are ours."""
    one, two = lab.machines
    rules = host.namespace
    rules.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", f"{lab.prefix}.0/24", "!", "-o", lab.name, "-p", "udp",
              "-j", "MASQUERADE", "--to-ports", "40000-40010")
    rules.run("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "udp", "--dport", "8053", "-j", "DNAT",
              "--to-destination", f"{two.address}:53")
    with UdpServer(world.near) as server, UdpServer(two.namespace, 53), open_socket(
        one.namespace, socket.SOCK_DGRAM, port=5000
    ) as out, open_socket(world.near, socket.SOCK_DGRAM) as into:
        out.connect((outside.NEAR, server.port))
        into.connect((outside.HOST, 8053))
        for sock in (out, into):
            sock.settimeout(20)

        def both_answer():
            for sock in (out, into):
                sock.send(b"still there?")
                assert sock.recv(99) == b"still there?"

        both_answer()
        host.cli("adopt", lab.name, "--masquerade", "on")
        assert {row["type"] for row in flows(host)} == {"kernel"} and len(flows(host)) == 2
        both_answer()
        assert len(set(server.peers)) == 1 and 40000 <= server.peers[0][1] <= 40010
        assert udp_talk(one.namespace, outside.NEAR, server.port, source_port=5001) == "echoed"
        assert server.peers[-1] == (outside.HOST, 5001)
        both_answer()
        host.cli("release", lab.name)
        both_answer()
    assert flows(host) == []


def test_isolation_between_networks(host, lab, adopted, red, alpha):
    """To each other neither way, but for a published port."""
    del adopted, red
    one, _ = lab.machines
    with TcpServer(alpha.namespace, port=80), TcpServer(one.namespace, port=81):
        host.publish(alpha, 8080, 80)
        assert tcp_talk(one.namespace, alpha.address, 80, timeout=0.5) == "silent"
        assert tcp_talk(alpha.namespace, one.address, 81, timeout=0.5) == "silent"
        assert tcp_talk(one.namespace, outside.HOST, 8080) == "echoed"
        assert tcp_talk(one.namespace, lab.address, 8080) == "echoed"
    assert host.drops("other_network") > 0
