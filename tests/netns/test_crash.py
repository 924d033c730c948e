"""cnetd killed before each step of each command that changes something: what follows is as if the command had not been
given, or as if it had been done, and nothing else.

    [alpha] [box] --- red --- the host --- 198.18.0.2 [near], a peer
                               |
                             lan0, and lab0, a bridge of the kernel's

A step is a system call that changes what outlives the daemon, or that answers whoever asked (tests/faults/step.cpp).
CNET_CRASH=long, which is tools/test --long, takes all commands; without it the one that has most parts.
"""

import os
from dataclasses import dataclass, field

import pytest

from harness import api
from harness import world as outside
from harness.crash import KillAt, difference, picture
from harness.doctor import complaints
from harness.linux_bridge import LinuxBridge
from harness.wait import wait_until

LONG = os.environ.get("CNET_CRASH") == "long"
SETTLED_S = 30


def docker(call, **body):
    """A request as Docker makes it."""

    def ask(host):
        status, answer = api.request(f"{host.root}/run/docker/cnet.sock", "POST", f"/NetworkDriver.{call}", body)
        return status == 200 and not answer.get("Err")

    return ask


def cli(*words):
    def ask(host):
        return host.cli_raw(*words)[1].returncode == 0

    return ask


def told(host, command):
    """True: the daemon said that it is done."""
    try:
        return (cli(*command.split()) if isinstance(command, str) else command)(host)
    except OSError:  # it is gone
        return False


@dataclass
class Command:
    name: str
    do: object  # words of cnet-bpf, or what asks
    undo: list  # what brings back what was before
    given: list = field(default_factory=list)
    often: bool = False  # in the short run too


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

COMMANDS = [
    Command("network create", NETWORK, ["network delete blue"]),
    Command("network delete", "network delete blue", [NETWORK], [NETWORK]),
    Command("network create, overlay", OVERLAY, ["network delete over"], [PEER]),
    Command("network delete, overlay", "network delete over", [OVERLAY], [PEER, OVERLAY]),
    Command("network set", "network set red --mtu 1400 --icc off", ["network set red --mtu 1500 --icc on"]),
    Command("sandbox create", "sandbox create bag", ["sandbox delete bag"]),
    Command("sandbox delete", "sandbox delete bag", ["sandbox create bag"], ["sandbox create bag"]),
    Command("endpoint create", ENDPOINT, ["endpoint delete box"], ["sandbox create box"], often=True),
    Command("endpoint delete", "endpoint delete box",
            [ENDPOINT, "port publish box 8081:81", f"fdb add red {STATED} endpoint box"],
            ["sandbox create box", ENDPOINT, "port publish box 8081:81", f"fdb add red {STATED} endpoint box"]),
    Command("port publish", "port publish alpha 8080:80 --allow-from 10.0.0.0/8", ["port unpublish alpha 8080:80"]),
    Command("port unpublish", "port unpublish alpha 8080:80", ["port publish alpha 8080:80"],
            ["port publish alpha 8080:80"]),
    Command("port publish, range", f"port publish alpha 127.0.0.1:{RANGE}", [f"port unpublish alpha 127.0.0.1:{RANGE}"]),
    Command("port unpublish, range", f"port unpublish alpha {RANGE}", [f"port publish alpha {RANGE}"],
            [f"port publish alpha {RANGE}"]),
    Command("uplink add", "uplink add lan0", ["uplink delete lan0"]),
    Command("uplink delete", "uplink delete lan0", ["uplink add lan0"], ["uplink add lan0"]),
    Command("network attach", "network attach red lan0", ["network detach red lan0"]),
    Command("network detach", "network detach red lan0", ["network attach red lan0"], ["network attach red lan0"]),
    Command("peer add", PEER, [f"peer delete {outside.NEAR}"], [OVERLAY]),
    Command("peer delete", f"peer delete {outside.NEAR}", [PEER, f"fdb add over {STATED} peer {outside.NEAR}"],
            [PEER, OVERLAY, f"fdb add over {STATED} peer {outside.NEAR}"]),
    Command("fdb add", f"fdb add red {STATED} endpoint alpha", [f"fdb delete red {STATED}"]),
    Command("fdb delete", f"fdb delete red {STATED}", [f"fdb add red {STATED} endpoint alpha"],
            [f"fdb add red {STATED} endpoint alpha"]),
    Command("adopt", "adopt lab0", ["release lab0"]),
    Command("release", "release lab0", ["adopt lab0"], ["adopt lab0"]),
    Command("Docker's CreateNetwork", IN_DOCKER, [OUT_OF_DOCKER]),
    Command("Docker's CreateEndpoint", DOCKERS, [NOT_DOCKERS], [IN_DOCKER]),
    Command("Docker's DeleteEndpoint", NOT_DOCKERS, [DOCKERS], [IN_DOCKER, DOCKERS]),
]


@pytest.fixture
def scene(host, world):
    """A host with a bit of everything, so that what a command must leave alone is there."""
    del world
    host.cli(*"network create red --subnet 10.88.1.0/24 --subnet fd00:88:1::/64".split())
    host.cli("sandbox", "create", "alpha")
    host.cli(*"endpoint create red alpha --netns alpha --ip 10.88.1.2 --mac 02:00:00:00:00:02".split())
    for family in ("iptables", "ip6tables", "arptables"):
        host.namespace.sysctl(f"net/bridge/bridge-nf-call-{family}", 0)
    host.namespace.ip("link add lan0 type veth peer name lan1", "link set lan0 up", "link set lan1 up")
    with LinuxBridge(host) as bridge:
        bridge.machine("lab")
        yield host
        host.namespace.ip("link del lan0", "link del lab0")


def do_all(host, commands):
    for command in commands:
        assert told(host, command), command


def settled(host, *expected):
    """The picture, once it is one of those that there may be."""
    seen = []

    def is_expected():
        seen[:] = [picture(host)]
        return seen[0] in expected

    try:
        wait_until(is_expected, SETTLED_S)
    except AssertionError:
        differences = [difference(one, seen[0]) for one in expected]
        raise AssertionError(f"neither: {differences}") from None
    return seen[0]


def survive(host, command, step, before, after):
    """The command, cut short before this step, and what can be done then. False: it has no such step."""
    with KillAt(host, step) as fault:
        acknowledged = told(host, command.do)
        killed = fault.finish()
    if not killed:
        assert acknowledged
        settled(host, after)
        return False
    host.daemon.wait()
    host.start()
    found = settled(host, before, after)
    assert found == after or not acknowledged, "it was acknowledged, and is gone"
    assert complaints(host) == []
    if found == before:
        assert told(host, command.do), "it cannot be done again"
        settled(host, after)
    do_all(host, command.undo)
    settled(host, before)
    return True


@pytest.mark.parametrize("command", [one for one in COMMANDS if LONG or one.often], ids=lambda one: one.name)
def test_killed_at_every_step(scene, command):
    host = scene
    do_all(host, command.given)
    do_all(host, [command.do, *command.undo])
    host.restart()
    before = picture(host)
    do_all(host, [command.do])
    host.restart()
    after = picture(host)
    assert before != after
    do_all(host, command.undo)
    host.restart()
    settled(host, before)

    step = 1
    while survive(host, command, step, before, after):
        step += 1
    print(f"{command.name}: {step - 1} steps")
    assert step > 3, "a step for the store, one for the kernel and one for the answer at least"
