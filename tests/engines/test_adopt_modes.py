"""What containers and networks may be besides: host, none and container modes, gateway modes, host_ipv4.

Docker has no rules. 20.10 keeps options that it does not know, and does nothing about them.
"""

import pytest

from harness import adopted_docker as adopted
from harness import docker as engine
from harness import world as outside
from harness.adopted_docker import closed, page, serves
from harness.icmp import ping
from harness.sockets import TcpServer, UdpServer, tcp_connect, tcp_talk, udp_talk
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))

plain_running = adopted.dockerd_of_module(adopted.NO_RULES)


@pytest.fixture
def plain(plain_running):
    plain_running.follows()
    yield plain_running
    plain_running.clean()


def test_two_containers_in_one_namespace(plain):
    """They are one port of the bridge, and its published port leads to whichever listens."""
    plain.docker.serve("web", "-p", "8080:80", "-p", "8081:81")
    side = "echo side >/www/index.html; exec httpd -f -p 81 -h /www"
    plain.docker.run("run", "-d", "--name", "side", "--network", "container:web", "box", "sh", "-c", side)
    plain.docker.serve("app")
    plain.serves("bridge", 2)
    inside = plain.docker.inside_of("app")
    assert plain.docker.run("exec", "web", "wget", "-qO-", "http://127.0.0.1:81/") == "side"
    assert plain.talks("app", "web") > 0
    assert page(inside, plain.address("web"), 81) == "side"
    serves(plain.world.near, "web", outside.HOST, 8080)
    serves(plain.world.near, "side", outside.HOST, 8081)
    plain.docker.run("rm", "-f", "side")
    plain.serves("bridge", 2)
    assert page(plain.world.near, outside.HOST, 8080) == "web"
    assert closed(plain.world.near, outside.HOST, 8081)


def test_host_mode(plain):
    """Its ports are the host's: whoever publishes one of them is told so."""
    busy = "echo host >/www/index.html; exec httpd -f -p 8080 -h /www"
    plain.docker.run("run", "-d", "--name", "hosts", "--network", "host", "box", "sh", "-c", busy)
    serves(plain.world.near, "host", outside.HOST, 8080)
    plain.docker.fails("address already in use", "run", "--name", "web", "-p", "8080:80", "box", "true")
    plain.docker.run("rm", "-f", "web")
    plain.docker.serve("web")
    plain.serves("bridge", 1)
    target = f"docker0/{plain.address('web')}"
    plain.host.cli_fails(2, "address already in use", "port", "publish", target, "8080:80")
    assert page(plain.docker.inside_of("web"), outside.HOST, 8080) == "host"
    plain.docker.run("rm", "-f", "hosts")
    plain.docker.serve("www", "-p", "8080:80")
    serves(plain.world.near, "www", outside.HOST, 8080)


def test_none_mode(plain):
    """A container without a network is given an endpoint of ours."""
    plain.host.cli("network", "create", "red", "--subnet", "10.88.0.0/24")
    plain.docker.serve("alone", "--network", "none")
    inside = plain.docker.inside_of("alone")
    assert set(inside.links()) == {"lo"}
    plain.host.cli("endpoint", "create", "red", "alone", "--netns", inside.path, "--ip", "10.88.0.2")
    plain.host.cli("port", "publish", "alone", "8080:80")
    serves(plain.world.near, "alone", outside.HOST, 8080)
    plain.docker.serve("app")
    assert page(plain.docker.inside_of("app"), outside.HOST, 8080) == "alone"
    assert plain.docker.raw("exec", "alone", "ping", "-c1", "-W2", outside.NEAR).returncode == 0
    plain.docker.run("rm", "-f", "alone")
    wait_until(lambda: plain.host.cli("endpoint", "list")[0]["state"] != "up", what="the container's end")
    plain.host.cli("endpoint", "delete", "alone")
    plain.host.cli("network", "delete", "red")


BRIDGE = "com.docker.network.bridge."


def network(one, name, subnet, *options, publish=()):
    """Adopted, with a container in it by the name `on-NAME` that serves pages and echoes datagrams."""
    words = [word for option in options for word in ("-o", option)]
    one.docker.run("network", "create", "--subnet", subnet, *words, name)
    wait_until(lambda: one.bridge(name), what="the network being adopted")
    ports = [word for port in publish for word in ("-p", port)]
    one.docker.serve(f"on-{name}", "--network", name, *ports)
    one.serves(name, 1)
    return one.docker.inside_of(f"on-{name}"), one.address(f"on-{name}", name)


def test_source_of_masquerade(plain):
    """host_ipv4: an address that the network's packets have outside."""
    plain.host.namespace.ip(f"addr add 198.18.0.77/24 dev {outside.UPLINK}")
    inside, _ = network(plain, "front", "10.91.0.0/24", "com.docker.network.host_ipv4=198.18.0.77")
    assert plain.bridge("front")["snat"] == ["198.18.0.77"]
    with TcpServer(plain.world.near) as server, UdpServer(plain.world.near) as udp:
        assert tcp_talk(inside, outside.NEAR, server.port) == "echoed"
        assert udp_talk(inside, outside.NEAR, udp.port) == "echoed"
        # What the kernel forwards, as it does with fragments, too.
        assert ping(inside, outside.NEAR, size=4000) == "reply"
        assert {peer[0] for peer in (*server.peers, *udp.peers)} == {"198.18.0.77"}
    plain.host.namespace.ip(f"addr del 198.18.0.77/24 dev {outside.UPLINK}")


def test_host_binding(plain):
    network(plain, "front", "10.91.0.0/24", f"{BRIDGE}host_binding_ipv4=127.0.0.1")
    plain.docker.serve("web", "--network", "front", "-p", "8080:80")
    serves(plain.host.namespace, "web", "127.0.0.1", 8080)
    assert closed(plain.world.near, outside.HOST, 8080)


def test_direct_routing(plain):
    """What comes straight to a container's address, in each mode."""
    mode = f"{BRIDGE}gateway_mode_ipv4="
    made = {
        "nat": network(plain, "nat", "10.91.0.0/24"),
        "kept": network(plain, "kept", "10.91.1.0/24", f"{BRIDGE}enable_ip_masquerade=false"),
        "open": network(plain, "open", "10.91.2.0/24", f"{mode}nat-unprotected"),
        "bare": network(
            plain, "bare", "10.91.4.0/24", f"{mode}nat-unprotected", f"{BRIDGE}enable_ip_masquerade=false"
        ),
        "routed": network(plain, "routed", "10.91.3.0/24", f"{mode}routed", publish=["8080:80", "8081:80"]),
    }
    wait_until(lambda: plain.host.cli("port", "list"), what="the routed port being open")
    (row,) = plain.host.cli("port", "list")
    assert (row["host_port"], row["port"], row["reservation"]) == (80, 80, "direct")
    near = plain.world.near
    near.ip(f"route add 10.91.0.0/16 via {outside.HOST}")
    for name, (inside, address) in made.items():
        reached = name in ("open", "bare", "routed")
        with UdpServer(inside) as udp, TcpServer(near) as server:
            assert page(near, address, seconds=5 if reached else 1) == (f"on-{name}" if reached else ""), name
            # Published ports and ICMP, where it is routed.
            assert udp_talk(near, address, udp.port, timeout=0.5) == ("echoed" if name in ("open", "bare") else "silent")
            assert ping(near, address, timeout=0.5) == ("reply" if reached else "silent")
            assert tcp_talk(inside, outside.NEAR, server.port) == "echoed"
            seen = {peer[0] for peer in server.peers}
            assert seen == ({outside.HOST} if name in ("nat", "open") else {address}), name
    assert plain.host.drops("direct_routing", "bridge") > 0
    # Between networks: none but the routed one is reached, and seen is its gateway, or who does not masquerade.
    for source, (inside, _) in made.items():
        for target, (_, address) in made.items():
            if target == "routed" != source:
                assert page(inside, address) == "on-routed", f"from {source}"
                assert tcp_talk(inside, address, 81, timeout=0.5) == "silent", f"from {source}"
            elif source != target:
                assert closed(inside, address), f"{source} to {target}"
    assert closed(near, outside.HOST, 8080), "the host has no port of a routed network"
    near.ip(f"route del 10.91.0.0/16 via {outside.HOST}")


def test_trusted_interfaces(plain):
    """By one of them, what is published is reached at the container's own address, and nothing else."""
    trusts = f"{BRIDGE}trusted_host_interfaces=nowhere0:{outside.UPLINK}"
    inside, address = network(plain, "open", "10.91.0.0/24", trusts, publish=["8080:80", "127.0.0.1:8081:81"])
    _, closed_to = network(plain, "shut", "10.91.1.0/24", f"{BRIDGE}trusted_host_interfaces=nowhere0", publish=["8082:80"])
    assert plain.bridge("open")["trusted"] == ["nowhere0", outside.UPLINK]
    wait_until(lambda: len(plain.host.cli("port", "list")) == 3, what="the ports being served")
    near = plain.world.near
    near.ip(f"route add 10.91.0.0/16 via {outside.HOST}")
    with UdpServer(inside) as udp, TcpServer(inside, 81), TcpServer(near) as server:
        serves(near, "on-open", address, 80)
        serves(near, "on-open", outside.HOST, 8080)
        assert tcp_talk(near, address, 81, timeout=0.5) == "silent", "published on a loopback address"
        assert udp_talk(near, address, udp.port, timeout=0.5) == "silent"
        assert ping(near, address, timeout=0.5) == "silent"
        assert tcp_talk(inside, outside.NEAR, server.port) == "echoed"
        assert {peer[0] for peer in server.peers} == {outside.HOST}
    assert closed(near, closed_to)
    near.ip(f"route del 10.91.0.0/16 via {outside.HOST}")


def test_isolated_gateway_mode(plain):
    """With `--internal`; a newer Docker gives the bridge no address, 20.10 does."""
    plain.docker.run("network", "create", "--internal", "-o", f"{BRIDGE}gateway_mode_ipv4=isolated", "back")
    for name in ("db", "cache"):
        plain.docker.serve(name, "--network", "back")
    plain.serves("back", 2)
    assert plain.talks("db", "cache", "back") > 0
    assert ping(plain.docker.inside_of("db"), outside.NEAR, timeout=0.5) != "reply"


def test_release_names_what_ends(plain):
    """A connection that cnetd translates, and none that nothing is translated in."""
    inside, _ = network(plain, "front", "10.91.0.0/24")
    plain.docker.serve("web", "--network", "front")
    with TcpServer(plain.world.near) as server, tcp_connect(inside, outside.NEAR, server.port) as out:
        with tcp_connect(inside, plain.address("web", "front"), 80):
            before = [row["src_port"] for row in plain.host.cli("ct", "list", "dport", str(server.port))]
            assert before == [out.getsockname()[1]]
            said = plain.host.cli_raw("release", "docker", json_output=False)[1].stdout
            assert said.startswith("connections that end") and f":{before[0]} -> {outside.NEAR}" in said
    assert plain.host.cli("adopt", "docker")["state"] == "following"
