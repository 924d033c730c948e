"""Connections that come and go: what is over, or was never begun in earnest, makes room, in the table and within an
endpoint's quota.

    [alpha] [beta] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]
"""

import pytest

from harness import world as outside
from harness.frames import Tap, forged_syns
from harness.sockets import SILENCE, TcpServer, echo_once, tcp_connect, tcp_talk
from harness.wait import wait_until

# Each holds 100 of alpha's connections; what is over would stay for four minutes.
ROOM = 100
FILLED = {
    "table": f"[maps]\ncnet_ct = {2 * ROOM}\n[conntrack]\nendpoint_flows = 0\n",
    "quota": f"[conntrack]\nendpoint_flows = {ROOM}\n",
}


@pytest.mark.parametrize("filled", FILLED)
def test_connections_that_are_over_make_room(make_host, make_world, filled):
    """Three times as many as there is room for, one after the other: a SYN that met a full table is sent again."""
    host = make_host(FILLED[filled] + "[reconcile]\nsweep_period_s = 1\n")
    world = make_world(host)
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    with TcpServer(world.near, 7000), tcp_connect(alpha.namespace, outside.NEAR, 7000) as living:
        assert echo_once(living)
        for _ in range(3 * ROOM):
            assert tcp_talk(alpha.namespace, outside.NEAR, 7000) == "echoed"
        assert echo_once(living)


def test_syns_that_nobody_stands_behind_make_room(make_host, make_world):
    """The endpoint answers each; from forged sources nobody acknowledges that. A table full of them is soon usable."""
    host = make_host(FILLED["table"] + "[reconcile]\nsweep_period_s = 1\n")
    world = make_world(host)
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    host.publish(alpha, 8080, 80)
    with TcpServer(alpha.namespace, 80), tcp_connect(world.near, outside.HOST, 8080) as living:
        assert echo_once(living)
        with Tap(world.near, "wire0") as tap:
            for syn in forged_syns(outside.IPV4, host.namespace.mac(outside.UPLINK), 8080, 3 * ROOM):
                tap.send(syn)
        wait_until(lambda: host.drops("ct_full"), what="a full table")
        half_open = host.cli("ct", "list", "dport", "8080", "state", "new")
        assert len(half_open) > ROOM / 2 and all(flow["src"].startswith("203.0.113.") for flow in half_open)
        wait_until(lambda: tcp_talk(world.near, outside.HOST, 8080, timeout=SILENCE) == "echoed", 60, "room for a client")
        assert echo_once(living)
