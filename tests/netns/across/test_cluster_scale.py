"""Fifty hosts of twenty endpoints each, of which etcd says all there is, and one real host among them.

    [alpha] --- over --- real, 198.19.0.1 --+-- underlay --+-- crowd: 198.19.0.10 and on, a VTEP for each host
                                            etcd
"""

import json
import socket

import pytest

from harness.netns import Namespace
from harness.sockets import open_socket
from harness.underlay import PORT, Endpoint, address, wait_for_vtep
from harness.wait import wait_until

ROOT = "/cnet/v1/"
HOSTS, ENDPOINTS = 50, 20
FIRST_VTEP = 10
# Of 128 operations that etcd takes in a transaction, an endpoint needs three.
TOGETHER = 40


class SimulatedHost:
    """Its records, under a lease of its own."""

    def __init__(self, client, number, vni):
        self.client, self.name = client, f"sim{number}"
        self.vtep = address(FIRST_VTEP + number)
        self.lease = client.ask("grant", ttl=600)["value"]
        self.endpoints = {}
        writes = [self._put(f"hosts/{self.name}", {"id": self.name, "vteps": [self.vtep]}),
                  ["put", f"{ROOT}alive/{self.name}", self.name, self.lease]]
        for index in range(ENDPOINTS):
            mac, ip = f"02:00:00:00:{number:02x}:{index:02x}", f"10.99.{number + 1}.{index + 1}"
            claim = {"host": self.name, "endpoint": f"e{index}"}
            record = {"mac": mac, "addresses": [ip], "aliases": [f"alias{index}"]}
            writes += [self._put(f"addresses/{vni}/{ip}", claim), self._put(f"macs/{vni}/{mac}", claim),
                       self._put(f"endpoints/{vni}/{self.name}/e{index}", record, self.lease)]
            self.endpoints[mac] = ip
        for first in range(0, len(writes), TOGETHER):
            client.ask("txn", then=writes[first:first + TOGETHER])

    @staticmethod
    def _put(key, record, lease=0):
        return ["put", ROOT + key, json.dumps({"v": 1, **record}), lease]

    def die(self):
        self.client.ask("revoke", lease=self.lease)


@pytest.fixture
def crowd(underlay):
    """A machine that has the VTEPs of all simulated hosts."""
    with Namespace("crowd") as namespace:
        underlay.connect(namespace, FIRST_VTEP)
        namespace.ip(*(f"addr add {address(FIRST_VTEP + number)}/24 dev under0" for number in range(1, HOSTS)))
        yield namespace


def known(host):
    """MAC to VTEP, of endpoints elsewhere."""
    return {row["mac"]: row["peer"] for row in host.cli("fdb", "show", "over") if row.get("peer")}


def test_fifty_hosts(make_host, make_etcd, make_client, underlay, crowd):
    etcd = make_etcd(1, underlay=underlay)
    host = make_host(f'[cluster]\netcd = ["{etcd.endpoints[0]}"]\nhost = "real"\n')
    underlay.connect(host.namespace, 1)
    wait_for_vtep(host, 1)
    wait_until(lambda: host.cli("status")["cluster"]["connected"], what="the cluster being joined")
    vni = host.cli("network", "create", "over", "--vni", "auto", "--subnet", "10.99.0.0/16", "--subnet", "fd00:99::/64")["vni"]
    alpha = Endpoint(host, "alpha")
    client = make_client(etcd)
    hosts = [SimulatedHost(client, number, vni) for number in range(HOSTS)]
    expected = {mac: one.vtep for one in hosts for mac in one.endpoints}
    wait_until(lambda: known(host) == expected, timeout=60, what="every endpoint being known at its host")
    peers = host.cli("peer", "list")
    assert {row["address"] for row in peers} == {one.vtep for one in hosts}
    assert {row["origin"] for row in peers} == {"cluster"}
    assert host.cli("status")["cluster"]["hosts"] == HOSTS + 1

    for one in hosts[::7]:
        arrives(alpha, crowd, one, vni)
    hosts[3].die()
    left = {mac: vtep for mac, vtep in expected.items() if vtep != hosts[3].vtep}
    wait_until(lambda: known(host) == left, what="the endpoints of a host that is gone being withdrawn")
    arrives(alpha, crowd, hosts[4], vni)
    host.cli("endpoint", "delete", "alpha")
    alpha.namespace.close()
    for one in hosts:
        one.die()
    client.ask("txn", then=[["delete", f"{ROOT}addresses/", f"{ROOT}addresses0"]])
    wait_until(lambda: known(host) == {}, what="all hosts being gone")
    host.cli("network", "delete", "over")


def arrives(source, crowd, one, vni):
    """A packet for its last endpoint comes to its VTEP, in the network's VXLAN, with the endpoint's MAC: nobody was asked."""
    mac, ip = list(one.endpoints.items())[-1]
    with open_socket(crowd, socket.SOCK_DGRAM, one.vtep, PORT) as vtep:
        vtep.settimeout(30)
        with open_socket(source.namespace, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", (ip, 7))
        packet = vtep.recv(2048)
    assert packet[:8] == bytes([8, 0, 0, 0]) + vni.to_bytes(3, "big") + b"\0", packet[:8]
    assert packet[8:14] == bytes.fromhex(mac.replace(":", ""))
    assert packet.endswith(b"hello")
