"""Published ports that lead to addresses behind adopted bridges.

    [one] [two]     [other]      [alpha]
        \\ |            |            |
       lab0           lab1      network red
          \\____________ | ___________/
                     the host --- uplink --- [near] --- [far]
"""

import pytest

from harness import cgroup
from harness import world as outside
from harness.icmp import ping
from harness.linux_bridge import LinuxBridge
from harness.sockets import TcpServer, UdpServer, hash_back, send_and_compare, tcp_talk, udp_talk
from harness.wait import wait_until

FAMILIES = pytest.mark.parametrize("family", (outside.IPV4, outside.IPV6), ids=str)


def address_of(machine, family):
    return machine.address6 if family.v6 else machine.address


def publish(host, machine, spec, *options):
    """Both families of the machine."""
    return [
        host.cli("port", "publish", f"lab0/{address}", spec, *options)
        for address in (machine.address, machine.address6)
    ]


def straight(host, action):
    """Whether what came in went into a container past the bridge's device, but for the host's own neighbour discovery."""

    def counts():
        return host.drops("dnat"), host.drops("switched", "bridge") + host.drops("to_bridge", "bridge")

    before = counts()
    action()
    came, by_device = (after - old for after, old in zip(counts(), before))
    return came > 10 and by_device < came / 3


@FAMILIES
def test_from_everywhere(host, world, lab, adopted, red, alpha, family):
    """The world, the host, the same bridge, the very machine, another bridge, a network of ours."""
    del adopted, red
    one, two = lab.machines
    publish(host, one, "8080:80")
    publish(host, one, "8053:53/udp")
    with LinuxBridge(host, "lab1", "10.77.1") as second, TcpServer(one.namespace, 80) as tcp, UdpServer(
        one.namespace, 53
    ) as udp:
        other = second.machine("other")
        host.cli("adopt", "lab1", "--masquerade", "on")
        gateway = lab.address6 if family.v6 else lab.address
        clients = [
            (world.near, family.near),
            (world.far, family.far),
            (two.namespace, address_of(two, family)),
            (one.namespace, gateway),
            (other.namespace, address_of(other, family)),
        ]
        if not family.v6:
            clients.append((alpha.namespace, alpha.address))
        for client, seen in clients:
            tcp.peers.clear()
            udp.peers.clear()
            assert tcp_talk(client, family.host, 8080) == "echoed"
            assert udp_talk(client, family.host, 8053) == "echoed"
            assert {peer[0] for peer in (*tcp.peers, *udp.peers)} == {seen}
        if cgroup.cgroup2():
            for address in (family.host, "::1" if family.v6 else "127.0.0.1", gateway):
                assert tcp_talk(host.namespace, address, 8080) == "echoed"
                assert udp_talk(host.namespace, address, 8053) == "echoed"
        assert {row["network"] for row in host.cli("ct", "list", "dport", "8080")} == {"lab0"}
        host.cli("release", "lab1")


@FAMILIES
def test_data_and_the_short_way(host, world, lab, adopted, family):
    """Into the container by redirect_peer, once its MAC and neighbour are known."""
    del adopted
    one, _ = lab.machines
    publish(host, one, "8080:80")
    with TcpServer(one.namespace, 80, handler=hash_back):
        send_and_compare(world.near, family.host, 8080, 200_000)
        assert straight(host, lambda: send_and_compare(world.near, family.host, 8080, 1_000_000))
        host.restart()
        send_and_compare(world.far, family.host, 8080, 200_000)
        lab.set_port(one, "isolated", "on")
        wait_until(lambda: host.cli("adopt")[0]["ports"][0]["left"], what="the port being left")
        send_and_compare(world.near, family.host, 8080, 200_000)


def test_without_masquerade(host, world, lab):
    """Whoever made the bridge masquerades; its ports are ours all the same."""
    one, two = lab.machines
    host.namespace.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", f"{lab.prefix}.0/24", "!", "-o", lab.name,
                       "-j", "MASQUERADE")
    host.cli("adopt", lab.name)
    publish(host, one, "8080:80")
    with TcpServer(one.namespace, 80) as server, UdpServer(world.near) as udp:
        for client in (world.near, two.namespace):
            assert tcp_talk(client, outside.HOST, 8080) == "echoed"
        assert {peer[0] for peer in server.peers} == {outside.NEAR, two.address}
        assert udp_talk(two.namespace, outside.NEAR, udp.port) == "echoed"
        assert {peer[0] for peer in udp.peers} == {outside.HOST}
        assert host.drops("snat") == 0
        lab.set_port(one, "isolated", "on")
        wait_until(lambda: host.cli("adopt")[0]["ports"][0]["left"], what="the port being left")
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"


def test_options_and_what_stays_closed(host, world, lab, adopted):
    del adopted
    one, two = lab.machines
    target = f"lab0/{one.address}"
    host.cli("port", "publish", target, "8080:80")
    host.cli("port", "publish", target, "127.0.0.1:8081:80")
    host.cli("port", "publish", target, "8082:80", "--allow-from", f"{outside.FAR}/32")
    world.near.ip(f"route add {lab.prefix}.0/24 via {outside.HOST}")
    with TcpServer(one.namespace, 80) as server:
        host.cli("adopt", lab.name, "--icc", "off")
        assert ping(two.namespace, one.address, timeout=0.5) == "silent"
        assert tcp_talk(two.namespace, outside.HOST, 8080) == "echoed", "a published port, icc off"
        host.cli("adopt", lab.name, "--icc", "on")
        assert tcp_talk(world.near, outside.HOST, 8081, timeout=0.5) != "echoed"
        if cgroup.cgroup2():
            assert tcp_talk(host.namespace, "127.0.0.1", 8081) == "echoed"
        assert tcp_talk(world.near, outside.HOST, 8082, timeout=0.5) == "silent"
        assert tcp_talk(world.far, outside.HOST, 8082) == "echoed"
        # Straight to the container, past what is published.
        with UdpServer(one.namespace) as udp:
            assert tcp_talk(world.near, one.address, server.port, timeout=0.5) == "silent"
            assert udp_talk(world.near, one.address, udp.port, timeout=0.5) == "silent"
            assert ping(world.near, one.address, timeout=0.5) == "silent"
            assert host.drops("direct_routing", "bridge") == 3
            assert udp_talk(host.namespace, one.address, udp.port) == "echoed"
        assert tcp_talk(host.namespace, one.address, server.port) == "echoed"


def test_conflicts_and_the_end(host, world, lab, adopted):
    del adopted
    one, two = lab.machines
    target = f"lab0/{one.address}"
    shown = publish(host, one, "8080:80")
    assert [row["host_ip"] for row in shown] == ["0.0.0.0", "::"] and shown[0]["endpoint"] == target
    host.cli_fails(2, "Bind for 0.0.0.0:8080 failed: port is already allocated",
                   *("port", "publish", f"lab0/{two.address}", "8080:80"))
    with TcpServer(host.namespace) as process:
        host.cli_fails(2, f"failed to bind host port 0.0.0.0:{process.port}/tcp: address already in use",
                       *("port", "publish", target, f"{process.port}:80"))
    host.cli_fails(3, 'there is no adopted bridge "lab7"', "port", "publish", "lab7/10.0.0.1", "80:80")
    host.cli_fails(2, "unpublish it first", "adopt", lab.name, "--internal", "on")
    with TcpServer(one.namespace, 80):
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
        host.cli("port", "unpublish", target, "8080:80")
        assert tcp_talk(world.near, outside.HOST, 8080) == "refused"
        assert [row["endpoint"] for row in host.cli("port", "list")] == [f"lab0/{one.address6}"]
        host.cli("port", "publish", target, "8080:80")
        host.cli("release", lab.name)
        assert host.cli("port", "list") == []
        assert tcp_talk(world.near, outside.HOST, 8080) == "refused"
