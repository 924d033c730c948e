"""`cnet-bpf adopt docker`: Docker's own bridges, with Debian's dockerd.

One dockerd with rules of its own, one without; what a test makes it takes away.
"""

import pytest

from harness import docker as engine
from harness import world as outside
from harness.adopted_docker import Requests, closed, page, serves
from harness.icmp import ping
from harness.sockets import TcpServer, UdpServer, tcp_talk, udp_talk
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))


def test_what_is_there_is_adopted(plain):
    row = plain.bridge("bridge")
    assert row["bridge"] == "docker0" and row["state"] == "adopted" and row["masquerade"] is True
    plain.docker.serve("web")
    plain.docker.serve("app")
    plain.serves("bridge", 2)
    assert plain.talks("app", "web") > 0


def test_networks_come_and_go(each):
    each.docker.run("network", "create", "front")
    each.serves("front", 0)
    each.docker.run("network", "create", "-o", "com.docker.network.bridge.name=lab7", "named")
    each.serves("named", 0)
    assert each.bridge("named")["bridge"] == "lab7"
    each.docker.run("network", "rm", "front", "named")
    wait_until(lambda: set(each.bridges()) == {"bridge"}, what="the networks being forgotten")


def test_life_of_containers(each):
    each.docker.run("network", "create", "front")
    each.docker.serve("web", "--network", "front")
    each.docker.serve("app")
    each.serves("front", 1)
    each.serves("bridge", 1)
    each.docker.run("network", "connect", "front", "app")
    each.serves("front", 2)
    assert each.talks("app", "web", "front") > 0
    each.docker.run("rename", "web", "www")
    assert each.talks("app", "www", "front", says="web") > 0
    each.docker.run("pause", "app")
    # Its processes stand still; its device is a port as before.
    inside, before = each.docker.inside_of("www"), each.past()
    assert ping(inside, each.address("app", "front")) == "reply" and each.past() > before
    assert closed(inside, each.address("app", "front"))
    each.serves("front", 2)
    each.docker.run("unpause", "app")
    assert each.talks("www", "app", "front") > 0
    each.docker.run("restart", "www")
    each.serves("front", 2)
    assert each.talks("app", "www", "front", says="web") > 0
    each.docker.run("network", "disconnect", "front", "app")
    each.serves("front", 1)
    each.docker.run("stop", "app")
    each.serves("bridge", 0)
    each.docker.run("start", "app")
    each.serves("bridge", 1)


def test_out_of_a_network(each):
    """Both kinds of network; an internal one has no way out."""
    each.docker.run("network", "create", "front")
    each.docker.run("network", "create", "--internal", "back")
    each.docker.serve("app", "--network", "front")
    each.docker.serve("web")
    each.serves("front", 1)
    each.serves("bridge", 1)
    each.docker.serve("db", "--network", "back")
    assert each.bridge("back")["masquerade"] is False
    inside = each.docker.inside_of("db")
    with TcpServer(each.world.near) as server:
        for name in ("app", "web"):
            assert tcp_talk(each.docker.inside_of(name), outside.NEAR, server.port) == "echoed"
        assert tcp_talk(inside, outside.NEAR, server.port, timeout=0.5) == "silent"
        assert {peer[0] for peer in server.peers} == {outside.HOST}


def ports(one):
    """(who, host address, host port) of each that is published."""
    return {(row["endpoint"], row["host_ip"], row["host_port"]) for row in one.host.cli("port", "list")}


def test_published_ports_without_rules(plain):
    """Docker holds them and shows them; cnetd serves them."""
    host = plain.host.namespace
    plain.docker.run("network", "create", "front")
    plain.docker.serve("web", "--network", "front", "-p", "8080:80")
    plain.docker.serve("app", "-p", "127.0.0.1:8081:80")
    assert "8080->80/tcp" in plain.docker.run("ps", "--format", "{{.Ports}}", "--filter", "name=web")
    serves(plain.world.near, "web", outside.HOST, 8080)
    serves(host, "web", outside.HOST, 8080)
    serves(host, "app", "127.0.0.1", 8081)
    assert closed(plain.world.near, outside.HOST, 8081)
    # From another network by the host's address alone, from its own network too.
    inside = plain.docker.inside_of("app")
    serves(inside, "web", outside.HOST, 8080)
    assert closed(inside, plain.address("web", "front"))
    assert page(plain.docker.inside_of("web"), outside.HOST, 8080) == "web"
    assert {row["reservation"] for row in plain.host.cli("port", "list")} == {"publisher"}
    plain.host.restart()
    serves(plain.world.near, "web", outside.HOST, 8080)
    plain.docker.run("rm", "-f", "web")
    wait_until(lambda: not any(one[2] == 8080 for one in ports(plain)), what="the port's end")
    plain.docker.serve("www", "-p", "8080:80")
    serves(plain.world.near, "www", outside.HOST, 8080)


def test_ipv6_without_rules(plain):
    """Published ports, the way out, and what stays closed."""
    plain.world.learn_ipv6()
    for network, subnet in (("front", "fd00:91::/64"), ("back", "fd00:92::/64")):
        plain.docker.run("network", "create", "--ipv6", "--subnet", subnet, network)
    plain.docker.serve("web", "--network", "front", "-p", "8080:80")
    plain.docker.serve("app", "--network", "front")
    plain.docker.serve("db", "--network", "back")
    near, host = plain.world.near, outside.IPV6.host
    inside = {name: plain.docker.inside_of(name) for name in ("web", "app", "db")}
    serves(near, "web", host, 8080)
    serves(plain.host.namespace, "web", outside.IPV6.loopback, 8080)
    for name, asks in inside.items():
        assert page(asks, host, 8080) == "web", f"from {name}"
    with TcpServer(near) as server, UdpServer(near) as udp:
        for asks in inside.values():
            assert tcp_talk(asks, outside.IPV6.near, server.port) == "echoed"
            assert udp_talk(asks, outside.IPV6.near, udp.port) == "echoed"
        assert {peer[0] for peer in (*server.peers, *udp.peers)} == {host}
    plain.world.knows_route("fd00:91::/64")
    address = plain.address6("web", "front")
    assert page(inside["app"], address) == "web"
    assert closed(near, address) and closed(inside["db"], address)
    near.ip("route del fd00:91::/64")


def test_a_port_follows_its_container(plain):
    """To the address that it has after a restart."""
    plain.docker.serve("web", "-p", "8080:80")
    serves(plain.world.near, "web", outside.HOST, 8080)
    before = plain.address("web")
    plain.docker.run("stop", "web")
    wait_until(lambda: not ports(plain), what="the port's end")
    plain.docker.serve("other")
    plain.docker.run("start", "web")
    assert plain.address("web") != before
    serves(plain.world.near, "web", outside.HOST, 8080)
    assert ports(plain) == {(f"docker0/{plain.address('web')}", "0.0.0.0", 8080)}
    plain.host.cli("release", "docker")
    assert ports(plain) == set()
    plain.host.cli("adopt", "docker")
    serves(plain.world.near, "web", outside.HOST, 8080)


def test_what_docker_forbids_without_rules(plain):
    """icc and internal, and no way from one network to another."""
    plain.docker.run("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "noicc")
    plain.docker.run("network", "create", "--internal", "back")
    for network, names in (("noicc", ("web", "app")), ("back", ("db", "cache"))):
        for name in names:
            plain.docker.serve(name, "--network", network)
        plain.serves(network, 2)
    assert plain.bridge("noicc")["icc"] is False and plain.bridge("back")["internal"] is True
    inside = {name: plain.docker.inside_of(name) for name in ("web", "app", "db", "cache")}
    assert closed(inside["app"], plain.address("web", "noicc"))
    assert plain.talks("db", "cache", "back") > 0
    assert closed(inside["web"], plain.address("db", "back"))
    with TcpServer(plain.world.near) as server:
        assert tcp_talk(inside["web"], outside.NEAR, server.port) == "echoed"


def test_adopted_and_released_under_traffic(plain):
    plain.host.cli("release", "docker")
    assert plain.host.cli("adopt") == [] and plain.state() == "off"
    plain.docker.serve("web")
    plain.docker.serve("app")
    requests = Requests("web", plain.docker.inside_of("app"), plain.address("web"))
    requests.goes_on()
    made = plain.host.cli("adopt", "docker")
    assert [row["bridge"] for row in made["bridges"]] == ["docker0"]
    plain.serves("bridge", 2)
    before = plain.past()
    requests.goes_on()
    assert plain.past() > before
    plain.host.cli("release", "docker")
    requests.goes_on()
    plain.host.cli("adopt", "docker")
    requests.goes_on()
    requests.stop()
    plain.host.cli_fails(2, "docker is adopted already", "adopt", "docker")
    plain.host.cli_fails(2, "release docker", "release", "docker0")


def test_what_was_adopted_by_name_stays(plain):
    plain.host.cli("release", "docker")
    plain.host.cli("adopt", "docker0")
    assert plain.host.cli("adopt", "docker")["bridges"] == []
    plain.host.cli("release", "docker")
    assert [row["bridge"] for row in plain.host.cli("adopt")] == ["docker0"]
    plain.host.cli("release", "docker0")
    plain.host.cli("adopt", "docker")
    plain.serves("bridge", 0)


def test_cnetd_killed(each):
    """Docker goes on meanwhile."""
    each.docker.serve("web")
    each.docker.serve("app")
    each.docker.run("network", "create", "gone")
    wait_until(lambda: each.bridge("gone"), what="the network being adopted")
    each.serves("bridge", 2)
    requests = Requests("web", each.docker.inside_of("app"), each.address("web"))
    requests.goes_on()
    each.host.kill9()
    each.docker.run("network", "rm", "gone")
    each.docker.run("network", "create", "front")
    each.docker.serve("later")
    requests.goes_on()
    each.host.start()
    wait_until(lambda: set(each.bridges()) == {"bridge", "front"}, what="both networks")
    each.serves("bridge", 3)
    assert each.talks("later", "web") > 0
    requests.goes_on()
    requests.stop()


def test_dockerd_killed_with_live_restore(each):
    each.docker.options["live-restore"] = True
    each.docker.restart()
    each.follows()
    each.docker.serve("web")
    each.docker.serve("app")
    each.serves("bridge", 2)
    inside = each.docker.inside_of("app")
    requests = Requests("web", inside, each.address("web"))
    requests.goes_on()
    for end in (each.docker.stop, each.docker.kill9):
        end()
        wait_until(lambda: each.state() == "away", what="Docker being away")
        before = each.past()
        requests.goes_on()
        assert each.past() > before
        each.docker.start()
        each.follows()
    # A cnetd that starts while Docker is away keeps what it had.
    each.docker.stop()
    each.host.restart()
    each.serves("bridge", 2)
    assert each.state() in ("asking", "away")
    requests.goes_on()
    requests.stop()
    del each.docker.options["live-restore"]
    each.docker.start()
    each.follows()


def started(one):
    """When each of the containers that run has been."""
    states = [one.docker.inspect(name)["State"] for name in ("web", "app")]
    return {state["StartedAt"] for state in states if state["Running"]}


def test_dockerd_restarts_without_it(each):
    """Containers end with it, or as it starts again after it was killed, and those that shall are started."""
    each.docker.run("network", "create", "front")
    for name in ("web", "app"):
        each.docker.serve(name, "--network", "front", "--restart", "always")
    for end in (each.docker.stop, each.docker.kill9):
        each.serves("front", 2)
        before = started(each)
        end()
        wait_until(lambda: each.state() == "away", what="Docker being away")
        each.docker.start()
        each.follows()
        wait_until(lambda before=before: len(started(each) - before) == 2, what="the containers being started again")
        each.serves("front", 2)
        assert each.talks("app", "web", "front") > 0


def test_by_configuration(plain):
    plain.host.cli("release", "docker")
    plain.configure("docker = true")
    plain.host.restart()
    plain.serves("bridge", 0)
    plain.host.cli_fails(2, "cnetd.toml says so", "release", "docker")
    plain.configure()
    plain.host.restart()
    assert plain.host.cli("adopt") == [] and plain.state() == "off"
    plain.host.cli("adopt", "docker")


def test_overlays_are_left_alone(each):
    """Swarm's, and the bridge that belongs to them."""
    each.docker.run("swarm", "init", "--advertise-addr", outside.HOST)
    try:
        each.docker.run("network", "create", "-d", "overlay", "--attachable", "wide")
        each.docker.run("run", "-d", "--name", "app", "--network", "wide", "box", "sleep", "1000")
        each.docker.run("network", "create", "front")
        wait_until(lambda: each.bridge("front"), what="the network being adopted")
        assert "docker_gwbridge" in each.host.namespace.links()
        assert set(each.bridges()) == {"bridge", "front"}
    finally:
        each.docker.raw("rm", "-f", "app")
        each.docker.raw("network", "rm", "wide")
        each.docker.raw("swarm", "leave", "--force")
