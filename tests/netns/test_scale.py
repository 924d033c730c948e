"""Two hundred endpoints in twenty networks on one host, all at once.

    network n0 .. n19, 10.100.<n>.0/24, ten sandboxes in each
"""

import time

from harness.icmp import Pinger
from harness.netns import Namespace
from harness.sockets import SILENCE, TcpServer, tcp_talk

NETWORKS, PER_NETWORK = 20, 10


def _create(host):
    """{(network, number): namespace}, and the seconds that the endpoints took."""
    spaces, seconds = {}, 0
    for net in range(NETWORKS):
        host.cli("network", "create", f"n{net}", "--subnet", f"10.100.{net}.0/24")
        for number in range(PER_NETWORK):
            name = f"e{net}-{number}"
            status, sandbox = host.api("POST", "/v1/sandboxes", {"name": name})
            assert status == 201, sandbox
            begin = time.monotonic()
            status, made = host.api(
                "POST",
                "/v1/endpoints",
                {
                    "network": f"n{net}",
                    "name": name,
                    "netns": name,
                    "ips": [f"10.100.{net}.{number + 2}"],
                },
            )
            seconds += time.monotonic() - begin
            assert status == 201, made
            spaces[net, number] = Namespace.existing(sandbox["path"])
    return spaces, seconds


def _ping_all(pairs, timeout):
    """One request on every (namespace, address) at once; the outcomes in order."""
    pingers = [Pinger(space, identifier=number) for number, (space, _) in enumerate(pairs)]
    try:
        for pinger, (_, address) in zip(pingers, pairs):
            assert pinger.send(address)
        deadline = time.monotonic() + timeout
        return [pinger.result(max(0, deadline - time.monotonic())).outcome for pinger in pingers]
    finally:
        for pinger in pingers:
            pinger.close()


def test_two_hundred_endpoints(host, capsys):
    spaces, seconds = _create(host)
    with capsys.disabled():
        print(f"\n{len(spaces)} endpoints: {seconds * 1000 / len(spaces):.1f} ms each")
    assert host.cli("status")["endpoints"] == NETWORKS * PER_NETWORK

    within = [
        (space, f"10.100.{net}.{(number + 1) % PER_NETWORK + 2}")
        for (net, number), space in spaces.items()
    ]
    assert set(_ping_all(within, 60)) == {"reply"}
    gateways = [(space, f"10.100.{net}.1") for (net, _), space in spaces.items()]
    assert set(_ping_all(gateways, 60)) == {"reply"}
    across = [
        (space, f"10.100.{(net + 1) % NETWORKS}.{number + 2}")
        for (net, number), space in spaces.items()
    ]
    assert set(_ping_all(across, SILENCE)) == {"silent"}

    with TcpServer(spaces[7, 3]) as server:
        for number in (0, 9):
            assert tcp_talk(spaces[7, number], "10.100.7.5", server.port) == "echoed"

    host.restart()
    assert set(_ping_all(within, 60)) == {"reply"}
    assert host.cli("status")["endpoints"] == NETWORKS * PER_NETWORK
