"""`cnet-bpf adopt docker` with Docker's defaults: rules of its own, br_netfilter, docker-proxy."""

import pytest

from harness import docker as engine
from harness import world as outside
from harness.adopted_docker import Requests, closed, page
from harness.sockets import Stream, TcpServer, hash_back, tcp_talk
from harness.wait import together, wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))

BR_NETFILTER = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
DOCKERS = "172.16.0.0/12"  # where its networks are
SINK = 9000
MOVED = 16 << 20  # bytes; at most a quarter of it waits to be acknowledged (net.ipv4.tcp_wmem)


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
        assert closed(ruled.docker.inside_of("app"), ruled.address("web"))
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
    assert closed(ruled.docker.inside_of("app"), ruled.address("web", "noicc"))
    said = ruled.host.cli_raw("adopt", json_output=False)[1].stdout
    assert "icc is off" in said and "noicc" in said


def test_without_br_netfilter_rules_do_not_matter(ruled):
    def br_netfilter(value):
        for key in BR_NETFILTER:
            ruled.host.namespace.sysctl(key, value)

    ruled.docker.run("network", "create", "--internal", "back")
    for name in ("db", "cache"):
        ruled.docker.serve(name, "--network", "back")
    ruled.leaves("back", "DOCKER-ISOLATION-STAGE-1")
    assert ruled.talks("db", "cache", "back") == 0
    br_netfilter(0)
    try:
        ruled.docker.run("network", "create", "front")
        ruled.serves("back", 2)
        assert ruled.talks("db", "cache", "back") > 0
    finally:
        br_netfilter(1)
    ruled.docker.run("network", "rm", "front")
    ruled.leaves("back", "DOCKER-ISOLATION-STAGE-1")


class Composed:
    """A page for the world, and what is behind it on two networks; `far` is on the default one."""

    def __init__(self, one):
        self._one = one
        for network in ("front", "back"):
            one.docker.run("network", "create", network)
        one.docker.serve("web", "--network", "front", "-p", "8080:80", "-p", f"{SINK}:{SINK}")
        one.docker.run("network", "connect", "back", "web")
        one.docker.serve("app", "--network", "front", "-p", "8081:80")
        for name, network in (("db", "back"), ("cache", "back"), ("far", "bridge")):
            one.docker.serve(name, "--network", network)
        self.inside = {name: one.docker.inside_of(name) for name in ("web", "app", "db", "cache", "far")}
        self.db, self.app = one.address("db", "back"), one.address("app", "front")
        self._sinks = [TcpServer(self.inside[name], SINK, handler=hash_back) for name in ("web", "db")]
        self._requests = [
            Requests("web", one.world.near, outside.HOST, 8080),
            *(Requests(name, self.inside["web"], one.address(name, "back")) for name in ("db", "cache")),
        ]
        self._streams = []

    def begin_streams(self):
        """Between two containers, and from outside by the published port."""
        for source, target in ((self.inside["cache"], self.db), (self._one.world.near, outside.HOST)):
            self._streams.append(Stream(source, target, SINK, bytes_per_second=20 << 20))

    def goes_on(self):
        for one in self._requests:
            one.goes_on()
        before = [one.sent for one in self._streams]
        wait_until(
            lambda: all(now.sent > then + MOVED for now, then in zip(self._streams, before)),
            what="every stream going on",
        )

    def is_as_docker_has_it(self):
        near, host = self._one.world.near, self._one.host.namespace
        for name, asks in {**self.inside, "outside": near, "host": host}.items():
            assert page(asks, outside.HOST, 8080) == "web", f"by the published port from {name}"
        assert page(host, "127.0.0.1", 8080) == "web"
        # Straight to an address: not from another network, and from outside what is published.
        inside = self.inside
        assert page(near, self.app) == "app"
        assert together(
            outside=lambda: closed(near, self.db),
            front=lambda: closed(inside["app"], self.db),
            back=lambda: closed(inside["db"], self.app),
            default=lambda: closed(inside["far"], self.app),
        ) == dict.fromkeys(("outside", "front", "back", "default"), True)
        with TcpServer(near) as server:
            assert tcp_talk(inside["db"], outside.NEAR, server.port) == "echoed"
            assert {peer[0] for peer in server.peers} == {outside.HOST}

    def end(self):
        for one in (*self._requests, *self._streams):
            one.stop()
        for one in self._sinks:
            one.close()


def bytes_past(one):
    """That went past bridges."""
    rows = [row for row in one.host.cli("drops", "show") if (row["hook"], row["reason"]) == ("bridge_port", "switched")]
    return sum(row["bytes"] for row in rows)


def test_composed(ruled):
    """Before, during and after: no request fails, connections go on, those that began meanwhile too, and all is as
    Docker's rules have it.
    """
    for key in BR_NETFILTER:
        assert ruled.host.namespace.run("sysctl", "-n", key).stdout.strip() == "1"
    ruled.host.cli("release", "docker")
    ruled.world.knows_route(DOCKERS)
    composed = Composed(ruled)
    composed.begin_streams()
    composed.goes_on()
    composed.is_as_docker_has_it()
    ruled.host.cli("adopt", "docker")
    ruled.serves("back", 3)
    ruled.serves("front", 2)
    composed.begin_streams()
    before = bytes_past(ruled)
    composed.goes_on()
    assert bytes_past(ruled) > before + MOVED
    composed.is_as_docker_has_it()
    assert ruled.docker.run("exec", "web", "wget", "-qO-", "http://db/") == "db"
    assert ruled.host.cli("release", "docker")["ended"] == []
    composed.goes_on()
    composed.is_as_docker_has_it()
    composed.end()
    ruled.world.near.ip(f"route del {DOCKERS}")
    ruled.host.cli("adopt", "docker")
