"""`docker network create -d cnet`, with Debian's dockerd.

    [near] 198.18.0.2 --- 198.18.0.1 the host, dockerd, cnetd --- networks of type cnet --- [containers]

One dockerd for all tests; what a test makes it takes away, as users do.
"""

import pytest

from harness import dns
from harness import docker as engine
from harness import host as hosts
from harness import underlay as segment
from harness import world as outside
from harness.adopted_docker import closed, serves
from harness.driven_docker import DrivenDocker
from harness.icmp import ping
from harness.sockets import TcpServer, UdpServer, tcp_talk, udp_talk
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))


@pytest.fixture(scope="module")
def running():
    made = DrivenDocker()
    yield made
    made.close()


@pytest.fixture
def one(running, request):
    """The engine; after a test that passed, nothing of it is left."""
    yield running
    if request.node.report_call.passed:
        assert running.docker.run("ps", "-aq") == "", "containers were left behind"
        for noun in ("networks", "endpoints", "ports"):
            assert running.host.api("GET", f"/v1/{noun}")[1] == [], f"{noun} were left behind"
        assert running.host.our_devices() == []
        return
    for name in running.docker.run("ps", "-aq").split():
        running.docker.run("rm", "-f", name)
    for name in running.docker.run("network", "ls", "-q", "--filter", "driver=cnet").split():
        running.docker.raw("network", "rm", name)


def answers(namespace, server, name, tcp=False):
    """The addresses that the server has for the name; None: nobody is there."""
    try:
        return dns.ask(namespace, server, name, tcp=tcp, timeout=1).records
    except OSError:
        return None


def test_two_containers_and_the_world(one):
    one.network("net", "--subnet", "172.30.0.0/24", "-o", "com.docker.network.driver.mtu=1400")
    one.docker.serve("web", "--network", "net", "-p", "8080:80", "--network-alias", "www")
    # Docker's own resolver knows both; the data path carries what they say.
    said = one.docker.run("run", "--rm", "--network", "net", "box", "wget", "-qO-", "http://web/")
    assert said == "web"
    assert one.docker.run("run", "--rm", "--network", "net", "box", "wget", "-qO-", "http://www/")
    inside = one.docker.inside_of("web").links()["eth0"]
    assert inside["mtu"] == 1400 and inside["address"] == "02:42:ac:1e:00:02"
    serves(one.world.near, "web", outside.HOST, 8080)
    serves(one.host.namespace, "web", "172.30.0.2", 80)
    serves(one.host.namespace, "web", "127.0.0.1", 8080)
    out = one.docker.raw("exec", "web", "ping", "-c1", "-W2", outside.NEAR)
    assert out.returncode == 0, out.stdout
    row = one.endpoint("172.30.0.2")
    assert row["state"] == "up" and row["ifname"] == "eth0"
    assert row["ports"] == ["0.0.0.0:8080->80/tcp"]
    one.remove("web")
    assert closed(one.world.near, outside.HOST, 8080)
    one.docker.run("network", "rm", "net")


def test_names_are_dockers(one):
    """Nobody answers for names on the gateway of a network of Docker's; somebody does on one of ours."""
    one.network("net", "--subnet", "172.30.0.0/24")
    one.docker.serve("web", "--network", "net")
    ours = one.host.network("ours", "172.31.0.0/24")
    box = one.host.container(ours, "box").namespace
    wait_until(lambda: answers(box, "172.31.0.1", "box") == ["172.31.0.2"], what="names on our own network")
    inside = one.docker.inside_of("web")
    assert answers(inside, "127.0.0.11", "web") == ["172.30.0.2"]
    for tcp in (False, True):
        assert answers(inside, "172.30.0.1", "web", tcp) is None
    one.remove("web")
    one.docker.run("network", "rm", "net")
    one.host.cli("endpoint", "delete", "box")
    one.host.cli("network", "delete", "ours")


def test_addresses_and_both_families(one):
    one.network(
        "six", *("--ipv6", "--subnet", "172.32.0.0/24", "--subnet", "fd00:32::/64"),
        *("--gateway", "172.32.0.254", "-o", "com.docker.network.container_iface_prefix=net"),
    )
    one.world.learn_ipv6()
    one.docker.serve(
        "web", *("--network", "six", "--ip", "172.32.0.77", "--ip6", "fd00:32::77"),
        *("--mac-address", "02:11:22:33:44:55", "-p", "8080:80"),
    )
    inside = one.docker.inside_of("web")
    link = inside.links()["net0"]
    assert link["address"] == "02:11:22:33:44:55"
    addresses = {row["local"] for row in link["addr_info"] if row["scope"] == "global"}
    assert addresses == {"172.32.0.77", "fd00:32::77"}
    assert "via 172.32.0.254" in inside.run("ip", "route").stdout
    serves(one.world.near, "web", outside.HOST, 8080)
    serves(one.world.near, "web", outside.IPV6.host, 8080)
    one.docker.fails("Address already in use", "run", "--rm", "--network", "six", "--ip",
                     "172.32.0.77", "box", "true")
    one.remove("web")
    one.docker.run("network", "rm", "six")


def test_ports(one):
    one.network("net", "--subnet", "172.30.0.0/24")
    one.docker.serve(
        "web", *("--network", "net", "-p", "9000-9002:80-82", "-p", "127.0.0.1:7000:80"),
        *("-p", "5353:53/udp", "-p", "8000-8009:80", "--expose", "90", "-P"),
    )
    ports = one.endpoint("172.30.0.2")["ports"]
    assert {"0.0.0.0:9000-9002->80-82/tcp", "127.0.0.1:7000->80/tcp", "0.0.0.0:5353->53/udp",
            "0.0.0.0:8000->80/tcp"} <= set(ports)
    assert any(port.endswith("->90/tcp") for port in ports), ports
    keys = ("protocol", "host_ip", "host_port", "host_port_end", "port")
    shown = {tuple(row[key] for key in keys) for row in one.host.cli("port", "list")}
    fixed = {("tcp", "0.0.0.0", 9000, 9002, 80), ("tcp", "127.0.0.1", 7000, 7000, 80),
             ("udp", "0.0.0.0", 5353, 5353, 53), ("tcp", "0.0.0.0", 8000, 8000, 80)}
    ((_, _, chosen, _, of_p),) = shown - fixed
    assert fixed < shown and of_p == 90 and chosen >= 32768, shown
    assert one.docker.run("port", "web") == "", "Docker keeps those of another driver to itself"
    serves(one.world.near, "web", outside.HOST, 9000)
    serves(one.world.near, "web", outside.HOST, 8000)
    serves(one.host.namespace, "web", "127.0.0.1", 7000)
    assert closed(one.world.near, outside.HOST, 7000)
    with UdpServer(one.docker.inside_of("web"), 53) as udp:
        assert udp_talk(one.world.near, outside.HOST, 5353) == "echoed"
        assert udp_talk(one.host.namespace, "127.0.0.1", 5353) == "echoed"
        assert udp.peers[0][0] == outside.NEAR
    one.docker.fails("Bind for 0.0.0.0:9001 failed: port is already allocated",
                     "run", "--name", "two", "--network", "net", "-p", "9001:80", "box", "true")
    one.docker.run("rm", "two")
    assert len(one.host.cli("endpoint", "list")) == 1
    one.remove("web")
    one.docker.run("network", "rm", "net")


def test_connect_disconnect_and_the_way_out(one):
    one.network("net", "--subnet", "172.30.0.0/24")
    one.network("alt", "--subnet", "172.31.0.0/24")
    one.network("in", "--subnet", "172.33.0.0/24", "--internal")
    one.docker.serve("web", "--network", "net", "-p", "8080:80")
    one.docker.run("network", "connect", "--ip", "172.31.0.9", "alt", "web")
    one.docker.run("network", "connect", "in", "web")
    one.docker.serve("far", "--network", "in")
    inside = one.docker.inside_of("web")
    assert set(inside.links()) == {"lo", "eth0", "eth1", "eth2"}
    assert one.docker.run("exec", "web", "wget", "-qO-", "http://far/") == "far"
    assert one.docker.raw("exec", "far", "ping", "-c1", "-W1", outside.NEAR).returncode != 0
    # The published port moves with the way out.
    def way_out():
        return inside.run("ip", "route", "show", "default").stdout.split()[2]

    before = way_out()
    assert before in ("172.30.0.1", "172.31.0.1")
    serves(one.world.near, "web", outside.HOST, 8080)
    one.docker.run("network", "disconnect", "net" if before == "172.30.0.1" else "alt", "web")
    assert way_out() == ("172.31.0.1" if before == "172.30.0.1" else "172.30.0.1")
    serves(one.world.near, "web", outside.HOST, 8080)
    assert len(one.host.cli("endpoint", "list")) == 3
    one.remove("web", "far")
    one.docker.run("network", "rm", "net", "alt", "in")


def test_options(one):
    one.docker.fails('option "foo" is not one that cnet knows',
                     "network", "create", "-d", "cnet", "--subnet", "172.30.0.0/24", "-o", "foo=bar", "net")
    one.docker.fails("overlaps with", "network", "create", "-d", "cnet", "--subnet", "198.18.0.0/24",
                     "net")
    one.network("net", *("--subnet", "172.30.0.0/24", "-o", "cnet.name=shop", "-o", "cnet.icc=off"),
                *("-o", "com.docker.network.bridge.host_binding_ipv4=127.0.0.1"))
    shop = one.host.cli("network", "show", "shop")
    assert shop["icc"] is False and shop["docker_id"] == one.docker.inspect("net")["Id"]
    one.docker.serve("web", "--network", "net", "-p", "8080:80")
    one.docker.serve("two", "--network", "net")
    assert one.endpoint("172.30.0.2")["ports"] == ["127.0.0.1:8080->80/tcp"]
    assert one.docker.raw("exec", "two", "ping", "-c1", "-W1", "172.30.0.2").returncode != 0
    one.remove("web", "two")
    one.docker.run("network", "rm", "net")


def test_routed(one):
    """As Docker has it since 27: the published ports of a container, at its own address, and ICMP."""
    one.network("net", "--subnet", "172.30.0.0/24", "-o", "com.docker.network.bridge.gateway_mode_ipv4=routed")
    one.docker.serve("web", "--network", "net", "-p", "8080:80", "-p", "8081:80")
    assert one.endpoint("172.30.0.2")["ports"] == ["80/tcp"]
    one.world.near.ip(f"route add 172.30.0.0/24 via {outside.HOST}")
    with TcpServer(one.docker.inside_of("web"), 81), TcpServer(one.world.near) as far:
        serves(one.world.near, "web", "172.30.0.2", 80)
        assert ping(one.world.near, "172.30.0.2") == "reply"
        assert tcp_talk(one.world.near, "172.30.0.2", 81, timeout=0.5) == "silent"
        assert closed(one.world.near, outside.HOST, 8080)
        serves(one.host.namespace, "web", "172.30.0.2", 80)
        assert tcp_talk(one.host.namespace, "172.30.0.2", 81) == "echoed"
        assert tcp_talk(one.docker.inside_of("web"), outside.NEAR, far.port) == "echoed"
        assert far.peers[0][0] == "172.30.0.2"
    one.docker.run("restart", "-t", "0", "web")
    serves(one.world.near, "web", "172.30.0.2", 80)
    one.docker.fails("nothing is published on 127.0.0.1", "run", "--name", "two", "--network", "net",
                     "-p", "127.0.0.1:80:80", "box", "true")
    one.world.near.ip("route del 172.30.0.0/24")
    one.remove("two", "web")
    one.docker.run("network", "rm", "net")


def test_ipam(one):
    one.network("auto", "--ipam-driver", "cnet")
    one.network("fixed", "--ipam-driver", "cnet", "--subnet", "10.77.0.0/24", "--ip-range",
                "10.77.0.64/26", "--aux-address", "mine=10.77.0.65")
    one.docker.fails("overlaps with pool 10.77.0.0/24", "network", "create", "-d", "cnet",
                     "--ipam-driver", "cnet", "--subnet", "10.77.0.0/25", "third")
    one.docker.serve("web", "--network", "fixed")
    one.docker.serve("two", "--network", "fixed", "--ip", "10.77.0.9")
    networks = one.docker.inspect("web")["NetworkSettings"]["Networks"]
    assert networks["fixed"]["IPAddress"] == "10.77.0.64"
    assert one.docker.run("exec", "two", "wget", "-qO-", "http://web/") == "web"
    subnet = one.docker.inspect("auto")["IPAM"]["Config"][0]["Subnet"]
    assert subnet.startswith("172.") and subnet.endswith("/16")
    one.remove("web", "two")
    one.docker.fails('option "k" is not one that cnet knows', "network", "create", "-d", "cnet",
                     "--ipam-driver", "cnet", "--ipam-opt", "k=v", "net")
    # One of ours, with an endpoint that Docker knows nothing of.
    one.host.cli("network", "create", "mine", "--subnet", "10.78.0.0/24")
    one.network("ours", *("--ipam-driver", "cnet", "--subnet", "10.78.0.0/24"),
                *("-o", "cnet.network=mine"))
    box = one.host.container(hosts.Network("mine", "10.78.0.0/24"), "box")
    one.docker.serve("web", "--network", "ours")
    serves(box.namespace, "web", "10.78.0.3", 80)
    one.remove("web")
    one.docker.run("network", "rm", "auto", "fixed", "ours")
    one.host.cli("endpoint", "delete", "box")
    one.host.cli("network", "delete", "mine")


def test_what_cnetd_refuses(one):
    """What is made is rolled back; what is to go is gone for Docker, whatever cnetd says."""
    one.network("net", "--subnet", "172.30.0.0/24", "-o", "cnet.name=shop")
    box = one.host.container(hosts.Network("shop", "172.30.0.0/24"), "box")
    before = one.host.cli("endpoint", "list")
    one.docker.fails("address 172.30.0.2 is endpoint box", "run", "--name", "web", "--network", "net", "--ip",
                     box.address, "box", "true")
    one.docker.run("rm", "web")
    one.docker.serve("web", "--network", "net", "--ip", "172.30.0.9")
    one.network("alt", "--subnet", "172.31.0.0/24")
    one.docker.fails('option "foo" is not one that cnet knows', "network", "connect", "--driver-opt", "foo=bar", "alt",
                     "web")
    assert set(one.docker.inside_of("web").links()) == {"lo", "eth0"}
    assert len(one.host.cli("endpoint", "list")) == 2
    serves(one.host.namespace, "web", "172.30.0.9", 80)
    one.remove("web")
    assert one.host.cli("endpoint", "list") == before
    one.docker.run("network", "rm", "net", "alt")
    assert [row["name"] for row in one.host.cli("network", "list")] == ["shop"], "somebody else is on it"
    one.host.cli("endpoint", "delete", "box")
    one.host.cli("network", "delete", "shop")


def test_overlay(one, make_host):
    """With another host, and an endpoint there that Docker knows nothing of."""
    other = make_host()
    underlay = segment.Underlay()
    try:
        for number, host in enumerate((one.host, other), 1):
            underlay.connect(host.namespace, number)
            wait_until(lambda host=host: host.has_uplink(segment.DEVICE), what="the uplink")
            host.cli("peer", "add", segment.address(3 - number))
        one.network("wide", *("--subnet", "10.99.0.0/24", "--ip-range", "10.99.0.64/26"),
                    *("-o", "cnet.vni=5000"))
        other.cli("network", "create", "wide", "--subnet", "10.99.0.0/24", "--vni", "5000")
        box = other.container(hosts.Network("wide", "10.99.0.0/24"), "box")
        one.docker.serve("web", "--network", "wide")
        network = one.docker.inspect("web")["NetworkSettings"]["Networks"]["wide"]
        serves(box.namespace, "web", network["IPAddress"], 80)
        assert one.docker.inside_of("web").links()["eth0"]["mtu"] == 1450
        assert one.docker.raw("exec", "web", "ping", "-c1", "-W2", box.address).returncode == 0
        one.remove("web")
        one.docker.run("network", "rm", "wide")
        one.host.cli("peer", "delete", segment.address(2))
    finally:
        underlay.close()


# ---- the restart table of docs/docker.md ----


@pytest.fixture
def pair(one):
    """Two containers on a network whose addresses cnetd gives; one of them is published."""
    one.network("net", "--ipam-driver", "cnet", "--subnet", "10.79.0.0/24")
    one.docker.serve("web", "--network", "net", "-p", "8080:80")
    one.docker.serve("two", "--network", "net")
    serves(one.world.near, "web", outside.HOST, 8080)
    yield one
    one.docker.options.pop("live-restore", None)
    if "web" not in one.docker.run("ps", "-a", "--format", "{{.Names}}"):
        return
    one.remove("web", "two")
    one.docker.run("network", "rm", "net")


def both_work(one):
    serves(one.world.near, "web", outside.HOST, 8080)
    assert one.docker.run("exec", "two", "timeout", "3", "wget", "-qO-", "http://web/") == "web"


def test_cnetd_killed_and_restarted(pair):
    pair.host.kill9()
    serves(pair.world.near, "web", outside.HOST, 8080)
    # Docker tries again for 15 s: a command that comes meanwhile waits.
    waits = pair.docker.begin("run", "--rm", "--network", "net", "box", "wget", "-qO-", "http://web/")
    pair.host.start()
    assert waits.output().strip() == "web"
    both_work(pair)


@pytest.mark.parametrize("end", ["stop", "kill9"])
def test_live_restore(pair, end):
    pair.docker.options["live-restore"] = True
    pair.docker.restart()
    pair.docker.run("start", "web", "two")
    both_work(pair)
    endpoints = pair.host.cli("endpoint", "list")
    getattr(pair.docker, end)()
    serves(pair.world.near, "web", outside.HOST, 8080)
    pair.docker.start()
    assert pair.host.cli("endpoint", "list") == endpoints
    both_work(pair)
    pair.docker.run("restart", "--time", "0", "two")
    both_work(pair)


def test_dockerd_restarts_without_it(pair):
    pair.docker.run("update", "--restart=always", "web", "two")
    pair.docker.restart()
    wait_until(lambda: len(pair.host.cli("endpoint", "list")) == 2, what="both endpoints")
    wait_until(lambda: pair.docker.inspect("two")["State"]["Running"], what="the container")
    both_work(pair)
    pair.docker.kill9()
    pair.docker.start()
    wait_until(lambda: pair.docker.inspect("two")["State"]["Running"], what="the container")
    both_work(pair)
    assert len(pair.host.cli("endpoint", "list")) == 2


def test_what_docker_forgot_is_collected(pair):
    """The container's namespace goes with nobody telling: as when the plugin was away for too long."""
    pair.docker.kill9()
    pair.host.kill9()
    pair.docker.end_containers()
    pair.host.start()
    wait_until(lambda: pair.host.cli("endpoint", "list") == [], what="the endpoints being collected")
    assert pair.host.cli("port", "list") == []
    pair.docker.start()
    pair.docker.run("start", "web", "two")
    both_work(pair)


def test_cnetd_away_for_longer_than_docker_waits(pair):
    """Docker gives up on each call after 15 s: what is to be made is not, what is to go is forgotten."""
    pair.host.kill9()
    new = pair.docker.begin("run", "-d", "--name", "new", "--network", "net", "box", "sleep", "1000")
    pair.docker.run("stop", "web")
    assert new.wait(120) != 0, "a container without its network"
    pair.docker.run("rm", "new")
    # The other one never noticed.
    assert pair.docker.raw("exec", "two", "ping", "-c1", "-W5", "10.79.0.1").returncode == 0
    pair.host.start()
    wait_until(lambda: len(pair.host.cli("endpoint", "list")) == 1, what="web's endpoint being collected")
    assert pair.host.cli("port", "list") == []
    pair.docker.run("start", "web")
    both_work(pair)


def test_dockerd_starts_while_cnetd_is_away(pair):
    """It asks for each pool for 15 s; the containers that it left can be started when cnetd is there."""
    pair.docker.stop()
    pair.host.kill9()
    pair.docker.spawn()
    wait_until(lambda: pair.docker.raw("version").returncode == 0, 120, "dockerd without cnetd")
    pair.docker.raw("start", "web", timeout=180)
    pair.host.start()
    for name in ("web", "two"):
        wait_until(lambda name=name: pair.docker.raw("start", name).returncode == 0, 60, f"{name} being started")
    both_work(pair)
