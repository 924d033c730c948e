"""Keys of daemon.json that shape the default bridge, with `cnet-bpf adopt docker`.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- docker0 10.201.0.1 --- [containers] 10.201.7.x
                                                     |
                                        [router] 10.201.0.254, their way out
"""

import pytest

from harness import adopted_docker as adopted
from harness import docker as engine
from harness import world as outside
from harness.adopted_docker import closed, page, serves
from harness.icmp import ping
from harness.netns import Namespace, wire
from harness.sockets import TcpServer, hash_back, send_and_compare, tcp_talk
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))

BRIDGE, ROUTER = "10.201.0.1", "10.201.0.254"
BRIDGE6, ROUTER6 = "2001:db8:d0::1", "2001:db8:d0::fe"
BEHIND, BEHIND6 = outside.IPV4.anywhere, outside.IPV6.anywhere  # the router's own
SETTINGS = {
    **adopted.NO_RULES,
    "bip": f"{BRIDGE}/16",
    "fixed-cidr": "10.201.7.0/24",
    "ipv6": True,
    "fixed-cidr-v6": "2001:db8:d0::/64",
    "mtu": 1400,
    "default-gateway": ROUTER,
    "default-gateway-v6": ROUTER6,
    "ip": outside.HOST,
    "default-address-pools": [{"base": "10.210.0.0/16", "size": 24}],
}

shaped_running = adopted.running_dockerd(SETTINGS)
ruled_running = adopted.running_dockerd({key: SETTINGS[key] for key in SETTINGS if key not in adopted.NO_RULES})


# Without rules of Docker's, and with them.
shaped, ruled = adopted.lent("shaped_running"), adopted.lent("ruled_running")


@pytest.fixture(params=["shaped", "ruled"])
def each(request):
    return request.getfixturevalue(request.param)


def join(one, bridge, label, device, *addresses):
    """Another machine on the bridge, by a wire as from a NIC."""
    machine = Namespace(label)
    wire(one.host.namespace, device, None, machine, "eth0", None)
    one.host.namespace.ip(f"link set {device} master {bridge}")
    machine.ip(*(f"addr add {address} dev eth0" for address in addresses))
    return machine


def past(one, action):
    """Whether what the action sends goes past the bridge; it answers whether it went well."""
    before = one.past()
    assert action()
    return one.past() > before


def test_bip_and_fixed_cidr(each):
    """Addresses are Docker's to choose; what is elsewhere in the subnet is reached on the bridge."""
    for name in ("web", "app"):
        each.docker.serve(name)
        assert each.address(name).startswith("10.201.7.")
        assert each.address6(name).startswith("2001:db8:d0::")
    each.serves("bridge", 2)
    inside = each.docker.inside_of("app")
    assert each.talks("app", "web") > 0
    assert past(each, lambda: page(inside, each.address6("web")) == "web")
    assert ping(inside, BRIDGE) == "reply" and ping(inside, BRIDGE6) == "reply"
    with join(each, "docker0", "other", "other0", "10.201.99.9/16") as other:
        each.serves("bridge", 3)
        assert page(other, each.address("web")) == "web"
        assert past(each, lambda: ping(other, each.address("web")) == "reply")


def test_mtu(each):
    each.docker.serve("web")
    each.docker.serve("app")
    each.serves("bridge", 2)
    inside = {name: each.docker.inside_of(name) for name in ("web", "app")}
    assert {one.links()["eth0"]["mtu"] for one in inside.values()} == {1400}
    with TcpServer(inside["web"], handler=hash_back) as server:
        assert past(each, lambda: ping(inside["app"], each.address("web"), size=1372) == "reply")
        before = each.past()
        send_and_compare(inside["app"], each.address("web"), server.port, 1_000_000)
        send_and_compare(inside["app"], each.address6("web"), server.port, 1_000_000)
        assert each.past() > before + 10


def test_default_gateway(each):
    """One that is not the bridge is reached past the bridge, and what goes there is its business."""
    with join(each, "docker0", "router", "router0", f"{ROUTER}/16", f"{ROUTER6}/64") as router:
        router.ip(f"addr add {BEHIND}/32 dev lo", f"addr add {BEHIND6}/128 dev lo")
        each.docker.serve("web")
        each.serves("bridge", 2)
        inside = each.docker.inside_of("web")
        for address in (BEHIND, BEHIND6):
            assert ping(inside, address) == "reply"
            assert past(each, lambda address=address: ping(inside, address) == "reply")
        with TcpServer(router) as server:
            assert tcp_talk(inside, BEHIND, server.port) == "echoed"
            assert {peer[0] for peer in server.peers} == {each.address("web")}
        assert each.host.cli("ct", "list") == []


def test_ip(shaped):
    """Where ports of the default bridge are published that name no address. Answers to others than the host would take
    the default gateway.
    """
    host = shaped.host.namespace
    shaped.docker.serve("web", "-p", "8080:80")
    assert shaped.docker.run("port", "web") == f"80/tcp -> {outside.HOST}:8080"
    serves(host, "web", outside.HOST, 8080)
    assert closed(host, "127.0.0.1", 8080) and closed(host, BRIDGE, 8080)
    assert {row["host_ip"] for row in shaped.host.cli("port", "list")} == {outside.HOST}


def test_default_address_pools(shaped):
    made = [("front", "10.210.0."), ("back", "10.210.1.")]
    for network, prefix in made:
        shaped.docker.run("network", "create", network)
        shaped.docker.serve(f"on-{network}", "--network", network)
        assert shaped.address(f"on-{network}", network).startswith(prefix)
        shaped.serves(network, 1)
    inside = shaped.docker.inside_of("on-back")
    with TcpServer(shaped.world.near) as server:
        assert tcp_talk(inside, outside.NEAR, server.port) == "echoed"
        assert {peer[0] for peer in server.peers} == {outside.HOST}
    assert closed(inside, shaped.address("on-front", "front"))


def test_icc_and_links(ruled):
    """Containers may talk as far as --link says, by rules of Docker's."""
    with ruled.settings({"icc": False}) as one:
        one.leaves("bridge", "icc is off")
        one.docker.serve("db", "--expose", "80")
        one.docker.serve("web", "--link", "db")
        one.docker.serve("app")
        before = one.past()
        assert page(one.docker.inside_of("web"), one.address("db")) == "db"
        assert closed(one.docker.inside_of("app"), one.address("db"))
        assert closed(one.docker.inside_of("web"), one.address("app"))
        assert one.past() == before, "nothing goes past it"


def test_a_bridge_of_ones_own(shaped):
    """`-b` with a bridge that has a physical port, for which a wire stands."""
    host = shaped.host.namespace
    host.ip("link add lan0 type bridge forward_delay 0", "addr add 10.66.0.1/24 dev lan0", "link set lan0 up")
    options = {
        **adopted.NO_RULES,
        "bridge": "lan0",
        "fixed-cidr": "10.66.0.128/25",
        "default-gateway": "10.66.0.254",
    }
    with join(shaped, "lan0", "lan", "nic0", "10.66.0.254/24") as lan:
        lan.ip(f"addr add {BEHIND}/32 dev lo")
        with shaped.settings(options) as one:
            one.leaves("bridge", "it is an uplink")
            one.docker.serve("web")
            inside = one.docker.inside_of("web")
            assert page(lan, one.address("web")) == "web"
            assert ping(inside, BEHIND) == "reply"
            # It is no way out, but one more of Docker's.
            one.host.cli("uplink", "delete", "lan0")
            one.docker.serve("app", "-p", "8080:80")
            one.serves("bridge", 3)
            assert one.talks("app", "web") > 0
            assert page(lan, one.address("app")) == "app"
            assert past(one, lambda: page(lan, one.address("app")) == "app")
            assert past(one, lambda: ping(inside, BEHIND) == "reply")
            serves(lan, "app", "10.66.0.1", 8080)
            assert page(inside, "10.66.0.1", 8080) == "app"
        host.ip("link del lan0")
        wait_until(lambda: set(shaped.bridges()) == {"bridge"}, what="the bridge being forgotten")
