"""Connections that come and go: what is over makes room, in the table and within an endpoint's quota.

    [alpha] [beta] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]
"""

import pytest

from harness import world as outside
from harness.sockets import TcpServer, echo_once, tcp_connect, tcp_talk

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
