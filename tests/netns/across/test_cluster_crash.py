"""A member of a cluster killed before each step of each command that changes what the cluster has, requests to etcd among them:
on this host, on another one and in etcd it is as before or as after.

    [box] --- over --- h1 --+-- underlay --+-- h2
                            etcd
"""

import os
import re

import pytest

from harness.crash import Command, kill_at_every_step, picture, plain

LONG = os.environ.get("CNET_CRASH") == "long"
NETWORK = "network create over --vni auto --subnet 10.99.0.0/24 --subnet fd00:99::/64"
ENDPOINT = ("endpoint create over box --netns box --ip 10.99.0.9 --ip fd00:99::9 --mac 02:00:00:00:00:09 --alias www "
            "--alias web")

COMMANDS = [
    Command("network create", NETWORK, ["network delete over"]),
    Command("network delete", "network delete over", [NETWORK], [NETWORK]),
    Command("network set", "network set over --icc off --ageing 50", ["network set over --icc on --ageing 300"], [NETWORK]),
    Command("endpoint create", ENDPOINT, ["endpoint delete box"], [NETWORK], often=True),
    Command("endpoint delete", "endpoint delete box", [ENDPOINT], [NETWORK, ENDPOINT]),
    Command("network attach", "network attach over lan0", ["network detach over lan0"], [NETWORK]),
    Command("network detach", "network detach over lan0", ["network attach over lan0"], [NETWORK, "network attach over lan0"]),
]


def of_cluster(etcd):
    """What stands there, but for what the host says of itself while it lives."""
    said = etcd.ctl("get", "--prefix", "/cnet/v1/").splitlines()
    return sorted(pair for pair in zip(said[::2], said[1::2]) if not re.match(r"/cnet/v1/(alive|hosts)/", pair[0]))


def of_other(host):
    """What a host has of the cluster."""
    state = host.state()
    fdb = [row for row in state["fdb"] if row["type"] == "static"]
    return {"networks": plain(state["networks"]), "fdb": fdb, "peers": [row["name"] for row in host.cli("peer", "list")]}


@pytest.mark.parametrize("command", [one for one in COMMANDS if LONG or one.often], ids=lambda one: one.name)
def test_member_killed_at_every_step(make_cluster, command):
    etcd, (one, two) = make_cluster()
    one.cli("sandbox", "create", "box")
    one.namespace.ip("link add lan0 type veth peer name lan1", "link set lan0 up", "link set lan1 up")

    def look(host):
        # Connections to etcd come and go.
        seen = {key: value for key, value in picture(host).items() if key != "descriptors"}
        return seen | {"cluster": of_cluster(etcd), "two": of_other(two), "connected": host.cli("status")["cluster"]["connected"]}

    kill_at_every_step(one, command, look, lambda seen: seen["connected"] and seen["two"]["peers"] == ["h1"])
    # What the command that was not killed has done.
    for words in ("endpoint delete box", "network detach over lan0"):
        one.cli_raw(*words.split())
    one.cli("sandbox", "delete", "box")
