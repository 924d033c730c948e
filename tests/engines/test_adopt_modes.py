"""What containers and networks may be besides: host, none and container modes, gateway modes, host_ipv4.

Docker 20.10 keeps options that it does not know, and does nothing about them.
"""

import pytest

from harness import docker as engine
from harness import world as outside
from harness.adopted_docker import closed, page, serves
from harness.icmp import ping
from harness.sockets import SILENCE, TcpServer, UdpServer, echo_once, tcp_connect, tcp_talk, udp_talk
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))


def beside(one, name):
    """A container in web's namespace that serves its own name on port 81."""
    script = f"echo {name} >/www/index.html; exec httpd -f -p 81 -h /www"
    one.docker.run("run", "-d", "--name", name, "--network", "container:web", "box", "sh", "-c", script)


def test_two_containers_in_one_namespace(each):
    """They are one port of the bridge, and its published port leads to whichever listens."""
    each.docker.serve("web", "-p", "8080:80", "-p", "8081:81")
    beside(each, "side")
    each.docker.serve("app")
    each.serves("bridge", 2)
    inside = each.docker.inside_of("app")
    assert each.docker.run("exec", "web", "wget", "-qO-", "http://127.0.0.1:81/") == "side"
    assert each.talks("app", "web") > 0
    assert page(inside, each.address("web"), 81) == "side"
    serves(each.world.near, "web", outside.HOST, 8080)
    serves(each.world.near, "side", outside.HOST, 8081)
    each.docker.run("rm", "-f", "side")
    each.serves("bridge", 2)
    assert page(each.world.near, outside.HOST, 8080) == "web"
    beside(each, "next")
    serves(each.world.near, "next", outside.HOST, 8081)
    # The port is web's, and ends with it.
    each.docker.run("rm", "-f", "web")
    each.serves("bridge", 1)
    assert closed(each.docker.inside_of("app"), outside.HOST, 8081)
    assert each.docker.run("exec", "next", "wget", "-qO-", "http://127.0.0.1:81/") == "next"


def test_host_mode(each):
    """Its ports are the host's: whoever publishes one of them is told so."""
    busy = "echo host >/www/index.html; exec httpd -f -p 8080 -h /www"
    each.docker.run("run", "-d", "--name", "hosts", "--network", "host", "box", "sh", "-c", busy)
    serves(each.world.near, "host", outside.HOST, 8080)
    each.docker.fails("address already in use", "run", "--name", "web", "-p", "8080:80", "box", "true")
    each.docker.run("rm", "-f", "web")
    each.docker.serve("web")
    each.serves("bridge", 1)
    target = f"docker0/{each.address('web')}"
    each.host.cli_fails(2, "address already in use", "port", "publish", target, "8080:80")
    assert page(each.docker.inside_of("web"), outside.HOST, 8080) == "host"
    each.docker.run("rm", "-f", "hosts")
    each.docker.serve("www", "-p", "8080:80")
    serves(each.world.near, "www", outside.HOST, 8080)


def test_none_mode(each):
    """A container without a network is given an endpoint of ours."""
    each.host.cli("network", "create", "red", "--subnet", "10.88.0.0/24")
    each.docker.serve("alone", "--network", "none")
    inside = each.docker.inside_of("alone")
    assert set(inside.links()) == {"lo"}
    each.host.cli("endpoint", "create", "red", "alone", "--netns", inside.path, "--ip", "10.88.0.2")
    each.host.cli("port", "publish", "alone", "8080:80")
    serves(each.world.near, "alone", outside.HOST, 8080)
    each.docker.serve("app")
    assert page(each.docker.inside_of("app"), outside.HOST, 8080) == "alone"
    assert each.docker.raw("exec", "alone", "ping", "-c1", "-W2", outside.NEAR).returncode == 0
    each.docker.run("rm", "-f", "alone")
    wait_until(lambda: each.host.cli("endpoint", "list")[0]["state"] != "up", what="the container's end")
    each.host.cli("endpoint", "delete", "alone")
    each.host.cli("network", "delete", "red")


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


def test_source_of_masquerade(each):
    """host_ipv4: an address that the network's packets have outside."""
    each.host.namespace.ip(f"addr add 198.18.0.77/24 dev {outside.UPLINK}")
    inside, _ = network(each, "front", "10.91.0.0/24", "com.docker.network.host_ipv4=198.18.0.77")
    assert each.bridge("front")["snat"] == ([] if each.has_rules else ["198.18.0.77"])
    with TcpServer(each.world.near) as server, UdpServer(each.world.near) as udp:
        assert tcp_talk(inside, outside.NEAR, server.port) == "echoed"
        assert udp_talk(inside, outside.NEAR, udp.port) == "echoed"
        # What the kernel forwards, as it does with fragments, too.
        assert ping(inside, outside.NEAR, size=4000) == "reply"
        assert {peer[0] for peer in (*server.peers, *udp.peers)} == {"198.18.0.77"}
    each.host.namespace.ip(f"addr del 198.18.0.77/24 dev {outside.UPLINK}")


def test_host_binding(each):
    network(each, "front", "10.91.0.0/24", f"{BRIDGE}host_binding_ipv4=127.0.0.1")
    each.docker.serve("web", "--network", "front", "-p", "8080:80")
    serves(each.host.namespace, "web", "127.0.0.1", 8080)
    assert closed(each.world.near, outside.HOST, 8080)


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
    """With `--internal`; a newer Docker gives the bridge no address, 20.10 does. A mode that nobody knows is left."""
    for name, mode in (("back", "isolated"), ("odd", "sideways")):
        plain.docker.run("network", "create", "--internal", "-o", f"{BRIDGE}gateway_mode_ipv4={mode}", name)
    plain.leaves("odd", "nobody knows its gateway_mode")
    for name in ("db", "cache"):
        plain.docker.serve(name, "--network", "back")
    plain.serves("back", 2)
    assert plain.talks("db", "cache", "back") > 0
    inside, before = plain.docker.inside_of("db"), plain.host.drops("internal", "bridge_port")
    assert ping(inside, outside.NEAR, timeout=0.5) == "silent"
    assert plain.host.drops("internal", "bridge_port") > before


def test_release_names_what_ends(plain):
    """A connection that cnetd translates; one that nothing is translated in goes on."""
    inside, _ = network(plain, "front", "10.91.0.0/24")
    plain.docker.serve("web", "--network", "front")
    plain.serves("front", 2)
    web, address = plain.docker.inside_of("web"), plain.address("web", "front")
    with TcpServer(plain.world.near) as server, TcpServer(web) as sibling:
        with tcp_connect(inside, outside.NEAR, server.port) as out, tcp_connect(inside, address, sibling.port) as stays:
            assert echo_once(out) and echo_once(stays)
            before = [row["src_port"] for row in plain.host.cli("ct", "list", "dport", str(server.port))]
            assert before == [out.getsockname()[1]]
            said = plain.host.cli_raw("release", "docker", json_output=False)[1].stdout
            title, row = said.splitlines()
            assert title.startswith("connections that end") and f":{before[0]} -> {outside.NEAR}" in row
            assert echo_once(stays)
            out.settimeout(SILENCE)
            with pytest.raises(TimeoutError):
                echo_once(out)
    assert plain.host.cli("adopt", "docker")["state"] == "following"
