"""`cnet-bpf adopt docker`: Docker's own bridges, with Debian's dockerd.

One dockerd with rules of its own, one without; what a test makes it takes away.
"""

import pytest

from harness import adopted_docker as adopted
from harness import docker as engine
from harness import world as outside
from harness.adopted_docker import Requests, closed, page, serves
from harness.sockets import TcpServer, tcp_talk
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))


plain_running = adopted.dockerd_of_module(adopted.NO_RULES)
ruled_running = adopted.dockerd_of_module({})


@pytest.fixture
def plain(plain_running):
    """Without rules of Docker's."""
    plain_running.follows()
    yield plain_running
    plain_running.clean()


@pytest.fixture
def ruled(ruled_running):
    """With Docker's defaults."""
    ruled_running.follows()
    yield ruled_running
    ruled_running.clean()


def test_what_is_there_is_adopted(plain):
    row = plain.bridge("bridge")
    assert row["bridge"] == "docker0" and row["state"] == "adopted" and row["masquerade"] is True
    plain.docker.serve("web")
    plain.docker.serve("app")
    plain.serves("bridge", 2)
    assert plain.talks("app", "web") > 0


def test_networks_come_and_go(plain):
    plain.docker.run("network", "create", "front")
    wait_until(lambda: plain.bridge("front"), what="the network being adopted")
    plain.docker.run("network", "create", "-o", "com.docker.network.bridge.name=lab7", "named")
    wait_until(lambda: plain.bridge("named"), what="the network being adopted")
    assert plain.bridge("named")["bridge"] == "lab7"
    plain.docker.run("network", "rm", "front", "named")
    wait_until(lambda: set(plain.bridges()) == {"bridge"}, what="the networks being forgotten")


def test_life_of_containers(plain):
    plain.docker.run("network", "create", "front")
    plain.docker.serve("web", "--network", "front")
    plain.docker.serve("app")
    plain.serves("front", 1)
    plain.serves("bridge", 1)
    plain.docker.run("network", "connect", "front", "app")
    plain.serves("front", 2)
    assert plain.talks("app", "web", "front") > 0
    for change in (("rename", "web", "www"), ("pause", "app"), ("unpause", "app")):
        plain.docker.run(*change)
    plain.docker.run("restart", "www")
    plain.serves("front", 2)
    assert page(plain.docker.inside_of("app"), plain.address("www", "front")) == "web"
    plain.docker.run("network", "disconnect", "front", "app")
    plain.serves("front", 1)
    plain.docker.run("stop", "app")
    plain.serves("bridge", 0)
    plain.docker.run("start", "app")
    plain.serves("bridge", 1)


def test_out_of_a_network_without_rules(plain):
    """Both kinds of network; an internal one has no way out."""
    plain.docker.run("network", "create", "front")
    plain.docker.run("network", "create", "--internal", "back")
    plain.docker.serve("app", "--network", "front")
    plain.docker.serve("web")
    plain.serves("front", 1)
    plain.serves("bridge", 1)
    assert plain.bridge("back")["masquerade"] is False
    with TcpServer(plain.world.near) as server:
        for name in ("app", "web"):
            assert tcp_talk(plain.docker.inside_of(name), outside.NEAR, server.port) == "echoed"
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
    assert page(plain.world.near, outside.HOST, 8081) == ""
    # From another network by the host's address alone, from its own network too.
    inside = plain.docker.inside_of("app")
    assert page(inside, outside.HOST, 8080) == "web"
    assert page(inside, plain.address("web", "front")) == ""
    assert page(plain.docker.inside_of("web"), outside.HOST, 8080) == "web"
    assert {row["reservation"] for row in plain.host.cli("port", "list")} == {"publisher"}
    plain.host.restart()
    serves(plain.world.near, "web", outside.HOST, 8080)
    plain.docker.run("rm", "-f", "web")
    wait_until(lambda: not any(one[2] == 8080 for one in ports(plain)), what="the port's end")
    plain.docker.serve("www", "-p", "8080:80")
    serves(plain.world.near, "www", outside.HOST, 8080)


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
    assert page(inside["app"], plain.address("web", "noicc")) == ""
    assert plain.talks("db", "cache", "back") > 0
    assert page(inside["web"], plain.address("db", "back")) == ""
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


def test_cnetd_killed(plain):
    """Docker goes on meanwhile."""
    plain.docker.serve("web")
    plain.docker.serve("app")
    plain.docker.run("network", "create", "gone")
    wait_until(lambda: plain.bridge("gone"), what="the network being adopted")
    plain.serves("bridge", 2)
    requests = Requests("web", plain.docker.inside_of("app"), plain.address("web"))
    requests.goes_on()
    plain.host.kill9()
    plain.docker.run("network", "rm", "gone")
    plain.docker.run("network", "create", "front")
    plain.docker.serve("later")
    requests.goes_on()
    plain.host.start()
    wait_until(lambda: set(plain.bridges()) == {"bridge", "front"}, what="both networks")
    plain.serves("bridge", 3)
    assert plain.talks("later", "web") > 0
    requests.goes_on()
    requests.stop()


def test_dockerd_killed_with_live_restore(plain):
    plain.docker.options["live-restore"] = True
    plain.docker.restart()
    plain.follows()
    plain.docker.serve("web")
    plain.docker.serve("app")
    plain.serves("bridge", 2)
    inside = plain.docker.inside_of("app")
    requests = Requests("web", inside, plain.address("web"))
    requests.goes_on()
    for end in (plain.docker.stop, plain.docker.kill9):
        end()
        wait_until(lambda: plain.state() == "away", what="Docker being away")
        before = plain.past()
        requests.goes_on()
        assert plain.past() > before
        plain.docker.start()
        plain.follows()
    # A cnetd that starts while Docker is away keeps what it had.
    plain.docker.stop()
    plain.host.restart()
    plain.serves("bridge", 2)
    assert plain.state() in ("asking", "away")
    requests.goes_on()
    requests.stop()
    del plain.docker.options["live-restore"]
    plain.docker.start()
    plain.follows()


def test_dockerd_restarts_without_it(plain):
    plain.docker.run("network", "create", "front")
    plain.docker.serve("web", "--network", "front", "--restart", "always")
    plain.serves("front", 1)
    plain.docker.restart()
    plain.follows()
    plain.serves("front", 1)
    plain.docker.serve("app", "--network", "front")
    plain.serves("front", 2)
    assert plain.talks("app", "web", "front") > 0


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


def test_overlays_are_left_alone(plain):
    """Swarm's, and the bridge that belongs to them."""
    plain.docker.run("swarm", "init", "--advertise-addr", outside.HOST)
    try:
        plain.docker.run("network", "create", "-d", "overlay", "--attachable", "wide")
        plain.docker.run("run", "-d", "--name", "app", "--network", "wide", "box", "sleep", "1000")
        plain.docker.run("network", "create", "front")
        wait_until(lambda: plain.bridge("front"), what="the network being adopted")
        assert "docker_gwbridge" in plain.host.namespace.links()
        assert set(plain.bridges()) == {"bridge", "front"}
    finally:
        plain.docker.raw("rm", "-f", "app")
        plain.docker.raw("network", "rm", "wide")
        plain.docker.raw("swarm", "leave", "--force")


def rule(one, *arguments):
    one.host.namespace.run("iptables", *arguments)


def test_rules_that_can_say_no(ruled):
    ruled.docker.serve("web")
    ruled.docker.serve("app")
    ruled.serves("bridge", 2)
    assert ruled.bridge("bridge")["masquerade"] is False
    assert ruled.talks("app", "web") > 0
    drop = ("DOCKER-USER", "-s", ruled.address("app"), "-j", "DROP")
    rule(ruled, "-I", *drop)
    try:
        # A new network is news, and all is looked at.
        ruled.docker.run("network", "create", "front")
        ruled.leaves("bridge", "-A DOCKER-USER -s")
        assert page(ruled.docker.inside_of("app"), ruled.address("web")) == ""
    finally:
        rule(ruled, "-D", *drop)
    ruled.docker.run("network", "rm", "front")
    ruled.serves("bridge", 2)
    assert ruled.talks("app", "web") > 0


def test_chains_of_nftables_that_can_say_no(ruled):
    """iptables-save does not show them."""
    ruled.docker.serve("web")
    ruled.docker.serve("app")
    ruled.serves("bridge", 2)
    assert ruled.talks("app", "web") > 0
    forward = "type filter hook forward priority 0; policy accept;"
    ruled.host.namespace.run(
        "nft", f"table inet guard {{ chain forward {{ {forward} ip saddr {ruled.address('app')} drop; }}; }}"
    )
    try:
        ruled.leaves("bridge", "chain forward of table guard")
        assert closed(ruled.docker.inside_of("app"), ruled.address("web"))
    finally:
        ruled.host.namespace.run("nft", "delete table inet guard")
    ruled.docker.run("network", "create", "front")  # news, so that it is looked at once
    ruled.serves("bridge", 2)
    assert ruled.talks("app", "web") > 0


def test_networks_that_are_left(ruled):
    ruled.docker.run("network", "create", "--internal", "back")
    ruled.docker.run("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "noicc")
    ruled.leaves("back", "DOCKER-ISOLATION-STAGE-1")
    ruled.leaves("noicc", "icc is off")
    for name in ("web", "app"):
        ruled.docker.serve(name, "--network", "noicc")
    assert page(ruled.docker.inside_of("app"), ruled.address("web", "noicc")) == ""
    said = ruled.host.cli_raw("adopt", json_output=False)[1].stdout
    assert "icc is off" in said and "noicc" in said


def test_without_br_netfilter_rules_do_not_matter(ruled):
    ruled.docker.run("network", "create", "--internal", "back")
    ruled.leaves("back", "DOCKER-ISOLATION-STAGE-1")
    for family in ("", "6"):
        ruled.host.namespace.sysctl(f"net/bridge/bridge-nf-call-ip{family}tables", 0)
    try:
        ruled.docker.run("network", "create", "front")
        ruled.serves("back", 0)
    finally:
        for family in ("", "6"):
            ruled.host.namespace.sysctl(f"net/bridge/bridge-nf-call-ip{family}tables", 1)


def test_composed(ruled):
    """A page for the world, and what is behind it on two networks: before, during and after."""
    ruled.host.cli("release", "docker")
    for network in ("front", "back"):
        ruled.docker.run("network", "create", network)
    ruled.docker.serve("web", "--network", "front", "-p", "8080:80")
    ruled.docker.run("network", "connect", "back", "web")
    ruled.docker.serve("db", "--network", "back")
    ruled.docker.serve("cache", "--network", "back")
    inside = ruled.docker.inside_of("web")
    requests = [
        Requests("web", ruled.world.near, outside.HOST, 8080),
        *(Requests(name, inside, ruled.address(name, "back")) for name in ("db", "cache")),
    ]

    def all_go_on():
        for one in requests:
            one.goes_on()

    all_go_on()
    ruled.host.cli("adopt", "docker")
    ruled.serves("back", 3)
    before = ruled.past()
    all_go_on()
    assert ruled.past() > before
    assert ruled.docker.run("exec", "web", "wget", "-qO-", "http://db/") == "db"
    # No way from one network to the other but the published port.
    assert page(ruled.docker.inside_of("db"), ruled.address("web", "front")) == ""
    ruled.host.cli("release", "docker")
    all_go_on()
    for one in requests:
        one.stop()
    ruled.host.cli("adopt", "docker")
