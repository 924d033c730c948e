"""cnetd killed before each step of each command that changes something: what follows is as if the command had not been
given, or as if it had been done, and nothing else.

    [alpha] [box] --- red --- the host --- 198.18.0.2 [near], a peer
                               |
                             lan0, and br-lab, a bridge of the kernel's, which an engine calls its own

A step is a system call that changes what outlives the daemon, or that answers whoever asked (tests/faults/step.cpp).
CNET_CRASH=long, which is tools/test --long, takes all commands; without it those that have most parts.
"""

import contextlib
import os
import pathlib
import re

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from harness import api
from harness import world as outside
from harness.crash import Command, cli, kill_at_every_step, picture
from harness.fake_engine import FakeEngine
from harness.frames import BROADCAST, Tap
from harness.host import REPOSITORY
from harness.linux_bridge import LinuxBridge
from harness.netns import Namespace
from harness.sockets import udp_connect
from harness.wait import wait_until

LONG = os.environ.get("CNET_CRASH") == "long"


def docker(call, driver="NetworkDriver", **body):
    """A request as Docker makes it; "ROOT" in it is where the host's files are."""

    def ask(host):
        whole = {key: value.replace("ROOT", host.root) if isinstance(value, str) else value for key, value in body.items()}
        status, answer = api.request(f"{host.root}/run/docker/cnet.sock", "POST", f"/{driver}.{call}", whole)
        return status == 200 and not answer.get("Err") and not answer.get("Error")

    return ask


def ipam(call, **body):
    return docker(call, "IpamDriver", **body)


NETWORK = "network create blue --subnet 10.89.0.0/24 --subnet fd00:89::/64"
OVERLAY = "network create over --subnet 10.90.0.0/24 --vni 4242"
ENDPOINT = "endpoint create red box --netns box --ip 10.88.1.9 --ip fd00:88:1::9 --mac 02:00:00:00:00:09"
RANGE = "9000-9049:9000-9049/udp"
STATED = "02:00:00:55:55:55"
PEER = f"peer add {outside.NEAR}"
IN_DOCKER = docker("CreateNetwork", NetworkID="n1", Options={}, IPv6Data=[],
                   IPv4Data=[{"AddressSpace": "x", "Pool": "172.31.0.0/24", "Gateway": "172.31.0.1/24"}])
OUT_OF_DOCKER = docker("DeleteNetwork", NetworkID="n1")
DOCKERS = docker("CreateEndpoint", NetworkID="n1", EndpointID="e1",
                 Interface={"Address": "172.31.0.2/24", "AddressIPv6": "", "MacAddress": "02:00:00:00:00:0a"}, Options={})
NOT_DOCKERS = docker("DeleteEndpoint", NetworkID="n1", EndpointID="e1")
PLACED = docker("Join", NetworkID="n1", EndpointID="e1", SandboxKey="ROOT/run/netns/alpha", Options={})
ON_DOCKERS = [IN_DOCKER, DOCKERS, PLACED]


def opened(*ports):
    entries = [{"Proto": 6, "IP": "", "Port": 80, "HostIP": "", "HostPort": port, "HostPortEnd": port} for port in ports]
    return docker("ProgramExternalConnectivity", NetworkID="n1", EndpointID="e1",
                  Options={"com.docker.network.portmap": entries})


SHUT = docker("RevokeExternalConnectivity", NetworkID="n1", EndpointID="e1")
LEFT = docker("Leave", NetworkID="n1", EndpointID="e1")
POOL = ipam("RequestPool", AddressSpace="cnetlocal", Pool="10.78.0.0/24", SubPool="", Options={}, V6=False)
NO_POOL = ipam("ReleasePool", PoolID="10.78.0.0/24")
ADDRESS = ipam("RequestAddress", PoolID="10.78.0.0/24", Address="10.78.0.9", Options=None)
NO_ADDRESS = ipam("ReleaseAddress", PoolID="10.78.0.0/24", Address="10.78.0.9")
SET = "network set red --nat {} --learning {} --ageing {} --mac-limit {} --flood-limit {} --names {} --allow-spoofing {}"
LIMITED = "port set alpha 8080:80 --allow-from {} --new-rate {}"
RATES = "--ingress-rate 80000000 --ingress-burst 800000 --egress-rate 40000000 --egress-burst 400000 --alias www --alias web"
LEARNED = "02:00:00:66:66:66"
ENGINE = ({"Name": "lab", "Id": "d" * 64, "Driver": "bridge", "Internal": False,
           "Options": {"com.docker.network.bridge.name": "br-lab"}},)
CONTAINERS = ({"Id": "c" * 64, "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8085, "Type": "tcp"}],
               "NetworkSettings": {"Networks": {"lab": {"NetworkID": "d" * 64, "IPAddress": "10.77.0.2"}}}},)


def inside(host):
    return Namespace.existing(f"{host.root}/run/netns/alpha")


def begin_flow(host):
    with udp_connect(inside(host), outside.NEAR, 7000, 4001) as flow:
        flow.send(b"begin")
    return wait_until(lambda: flows(host), what="the flow")


def flows(host):
    return [(row["src"], row["dst"]) for row in host.cli("ct", "list", "sport", "4001")]


def teach(host):
    with Tap(host.namespace, "lan1") as lan:
        lan.send(Ether(src=LEARNED, dst=BROADCAST) / IP(src="10.88.1.77", dst="10.88.1.78") / UDP())
    return wait_until(lambda: learned(host), what="the MAC address")


def learned(host):
    return [row["device"] for row in host.cli("fdb", "show", "red") if row["mac"] == LEARNED]


def spoof(host):
    with Tap(inside(host)) as tap:
        tap.send(Ether(src="02:00:00:00:00:02", dst=BROADCAST) / IP(src="10.88.1.99", dst="10.88.1.1") / UDP())
    return wait_until(lambda: spoofed(host), what="the drop")


def spoofed(host):
    return host.drops("spoofed_ip") > 0


def follow_docker(word, state):
    """It is done when the daemon says so; what it does then, by what Docker answers, has steps as well."""

    def ask(host):
        done = cli(word, "docker")(host)
        with contextlib.suppress(OSError):
            wait_until(lambda: host.api("GET", "/v1/adopted/docker")[1]["state"] == state, what=f"{state} Docker")
        return done

    return ask


FOLLOWED, FORGOTTEN = follow_docker("adopt", "following"), follow_docker("release", "off")

COMMANDS = [
    Command("network create", NETWORK, ["network delete blue"]),
    Command("network delete", "network delete blue", [NETWORK], [NETWORK]),
    Command("network create, overlay", OVERLAY, ["network delete over"], [PEER]),
    Command("network delete, overlay", "network delete over", [OVERLAY], [PEER, OVERLAY]),
    Command("network create, layer 2", "network create flat --layer2", ["network delete flat"]),
    Command("network set", "network set red --mtu 1400 --icc off", ["network set red --mtu 1500 --icc on"]),
    Command("network set, mode", "network set red --mode routed", ["network set red --mode nat"]),
    Command("network set, isolated", "network set red --mode isolated", ["network set red --mode nat"]),
    Command("network set, of IPv6", "network set red --mode6 routed-published", ["network set red --mode6 none"]),
    Command("network set, masquerade", "network set red --masquerade off", ["network set red --masquerade on"]),
    Command("network set, all else", SET.format("endpoint-independent", "on", 100, 50, 500, "off", "on"),
            [SET.format("symmetric", "off", 300, 1024, 0, "on", "off")]),
    Command("sandbox create", "sandbox create bag", ["sandbox delete bag"]),
    Command("sandbox delete", "sandbox delete bag", ["sandbox create bag"], ["sandbox create bag"]),
    Command("endpoint create", ENDPOINT, ["endpoint delete box"], ["sandbox create box"], often=True),
    Command("endpoint create, rates", f"{ENDPOINT} {RATES}", ["endpoint delete box"], ["sandbox create box"]),
    Command("endpoint delete, rates", "endpoint delete box", [f"{ENDPOINT} {RATES}"],
            ["sandbox create box", f"{ENDPOINT} {RATES}"]),
    Command("endpoint create, layer 2", "endpoint create flat box --netns box --layer2 --disabled", ["endpoint delete box"],
            ["sandbox create box", "network create flat --layer2"]),
    Command("endpoint delete", "endpoint delete box",
            [ENDPOINT, "port publish box 8081:81", f"fdb add red {STATED} endpoint box"],
            ["sandbox create box", ENDPOINT, "port publish box 8081:81", f"fdb add red {STATED} endpoint box"]),
    Command("port publish", "port publish alpha 8080:80 --allow-from 10.0.0.0/8", ["port unpublish alpha 8080:80"],
            often=True),
    Command("port set", LIMITED.format("10.0.0.0/8", 100), [LIMITED.format("none", 0)],
            ["port publish alpha 8080:80", LIMITED.format("none", 0)]),
    Command("port unpublish", "port unpublish alpha 8080:80", ["port publish alpha 8080:80"],
            ["port publish alpha 8080:80"]),
    Command("port publish, range", f"port publish alpha 127.0.0.1:{RANGE}", [f"port unpublish alpha 127.0.0.1:{RANGE}"]),
    Command("port unpublish, range", f"port unpublish alpha {RANGE}", [f"port publish alpha {RANGE}"],
            [f"port publish alpha {RANGE}"]),
    Command("uplink add", "uplink add lan0", ["uplink delete lan0"]),
    Command("uplink delete", "uplink delete lan0", ["uplink add lan0"], ["uplink add lan0"]),
    Command("uplink set, native", f"uplink set {outside.UPLINK} --xdp native", [f"uplink set {outside.UPLINK} --xdp off"]),
    Command("uplink set, off", f"uplink set {outside.UPLINK} --xdp off", [f"uplink set {outside.UPLINK} --xdp native"],
            [f"uplink set {outside.UPLINK} --xdp native"]),
    Command("network attach", "network attach red lan0", ["network detach red lan0"]),
    Command("network detach", "network detach red lan0", ["network attach red lan0"], ["network attach red lan0"]),
    Command("peer add", PEER, [f"peer delete {outside.NEAR}"], [OVERLAY]),
    Command("peer delete", f"peer delete {outside.NEAR}", [PEER, f"fdb add over {STATED} peer {outside.NEAR}"],
            [PEER, OVERLAY, f"fdb add over {STATED} peer {outside.NEAR}"]),
    Command("fdb add", f"fdb add red {STATED} endpoint alpha", [f"fdb delete red {STATED}"]),
    Command("fdb delete", f"fdb delete red {STATED}", [f"fdb add red {STATED} endpoint alpha"],
            [f"fdb add red {STATED} endpoint alpha"]),
    Command("fdb flush", "fdb flush red", [teach], ["network attach red lan0", teach], traffic=learned),
    Command("ct flush", "ct flush", [begin_flow], [begin_flow], traffic=flows),
    Command("drops reset", "drops reset", [spoof], [spoof], traffic=spoofed, stride=400),
    Command("adopt", "adopt br-lab", ["release br-lab"], loads=True),
    Command("adopt, changed", "adopt br-lab --masquerade on --icc off", ["adopt br-lab --masquerade off --icc on"],
            ["adopt br-lab"]),
    Command("release", "release br-lab", ["adopt br-lab"], ["adopt br-lab"], loads=True),
    Command("adopt docker", FOLLOWED, [FORGOTTEN], loads=True),
    Command("release docker", FORGOTTEN, [FOLLOWED], [FOLLOWED], loads=True),
    Command("Docker's CreateNetwork", IN_DOCKER, [OUT_OF_DOCKER]),
    Command("Docker's DeleteNetwork", OUT_OF_DOCKER, [IN_DOCKER], [IN_DOCKER]),
    Command("Docker's DeleteNetwork, with an endpoint", OUT_OF_DOCKER, [IN_DOCKER, DOCKERS], [IN_DOCKER, DOCKERS],
            between=[NOT_DOCKERS]),
    Command("Docker's CreateEndpoint", DOCKERS, [NOT_DOCKERS], [IN_DOCKER]),
    Command("Docker's DeleteEndpoint", NOT_DOCKERS, [DOCKERS], [IN_DOCKER, DOCKERS]),
    Command("Docker's Join", PLACED, [NOT_DOCKERS, DOCKERS], [IN_DOCKER, DOCKERS]),
    Command("Docker's ProgramExternalConnectivity", opened(8080, 8081), [SHUT], ON_DOCKERS, between=[opened(8080)]),
    Command("Docker's RevokeExternalConnectivity", SHUT, [opened(8080)], [*ON_DOCKERS, opened(8080)]),
    Command("Docker's Leave", LEFT, [opened(8080)], [*ON_DOCKERS, opened(8080)]),
    Command("Docker's RequestPool", POOL, [NO_POOL]),
    Command("Docker's ReleasePool", NO_POOL, [POOL, ADDRESS], [POOL, ADDRESS]),
    Command("Docker's RequestAddress", ADDRESS, [NO_ADDRESS], [POOL]),
    Command("Docker's ReleaseAddress", NO_ADDRESS, [ADDRESS], [POOL, ADDRESS]),
]
CONFIG = "[docker]\nforget_after_s = 3600\n[conntrack]\nudp_new_s = 3600\n[adopt]\ndocker_socket = "
# Objects and verbs of the command line, and calls of Docker's, that change nothing.
ONLY_TELL = {"status", "version", "neigh", "nat", "map", "prog", "metrics", "doctor", "dump", "completion", "explain",
             "topology", "monitor", "capture"}
TELLING = {"list", "show", "ls", "count", "exec"}
DOCKER_ASKS = {"Activate", "GetCapabilities", "GetDefaultAddressSpaces", "EndpointOperInfo", "DiscoverNew", "DiscoverDelete",
               "AllocateNetwork", "FreeNetwork"}


@pytest.fixture
def scene(make_host, make_world):
    """A host with a bit of everything, so that what a command must leave alone is there."""
    host = make_host(CONFIG, start=False)
    socket = os.path.join(host.root, "engine.sock")
    config = pathlib.Path(host.config_path)
    config.write_text(config.read_text(encoding="utf-8").replace("docker_socket = ", f'docker_socket = "{socket}"'),
                      encoding="utf-8")
    host.start()
    make_world(host)
    host.cli(*"network create red --subnet 10.88.1.0/24 --subnet fd00:88:1::/64".split())
    host.cli("sandbox", "create", "alpha")
    host.cli(*"endpoint create red alpha --netns alpha --ip 10.88.1.2 --mac 02:00:00:00:00:02".split())
    for family in ("iptables", "ip6tables", "arptables"):
        host.namespace.sysctl(f"net/bridge/bridge-nf-call-{family}", 0)
    for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        host.namespace.sysctl(f"net/{key}", 1)
    host.namespace.ip("link add lan0 type veth peer name lan1", "link set lan0 up", "link set lan1 up")
    with LinuxBridge(host, "br-lab") as bridge, FakeEngine(socket, ENGINE, CONTAINERS):
        bridge.machine("lab")
        yield host
        cli("release", "docker")(host)
        host.namespace.ip("link del lan0", "link del br-lab")


@pytest.mark.parametrize("command", [one for one in COMMANDS if LONG or one.often], ids=lambda one: one.name)
def test_killed_at_every_step(scene, command):
    host = scene

    def look(host):
        seen = picture(host) | {"traffic": command.traffic and command.traffic(host)}
        if command.loads:
            seen["pins"] = [pin for pin in seen["pins"] if not pin.startswith("progs/")]
            seen["descriptors"] = {kind: count for kind, count in seen["descriptors"].items() if "anon_inode:b" not in kind}
        return seen

    kill_at_every_step(host, command, look, lambda seen: seen["docker"]["state"] != "asking")


def test_every_command_that_changes_something_is_killed(host):
    """What the command line has, and what the driver for Docker answers, by themselves."""

    def words(*before):
        _, done = host.cli_raw("__complete", "--", *before, "", json_output=False)
        return set(done.stdout.split())

    here = {one.name.split(",")[0] for one in COMMANDS}
    for one in COMMANDS:
        assert not isinstance(one.do, str) or one.do.startswith(one.name.split(",", maxsplit=1)[0])
    alone = {"adopt", "release"}
    assert alone | {"adopt docker", "release docker"} <= here and ONLY_TELL | alone < words()
    verbs = {f"{noun} {verb}" for noun in words() - ONLY_TELL - alone for verb in words(noun) - TELLING}
    assert verbs - here == set()
    calls = re.findall(r'\{"/\w+\.(\w+)"', pathlib.Path(REPOSITORY, "userspace/docker/plugin.cpp").read_text(encoding="utf-8"))
    assert len(calls) > 15
    assert {f"Docker's {call}" for call in set(calls) - DOCKER_ASKS} - here == set()
