"""A subnet of one pool for each host of a cluster, routed between them as flannel's vxlan backend does it.

    [alpha 10.244.0.x] -- pods -- h1 -- cnvt... --+-- underlay --+-- cnvt... -- h2 -- pods -- [beta 10.244.1.x]
                                                  +-- flannel.1 -- host 9, all Linux, by hand
"""

import ipaddress
import json

import pytest

from harness.flannel import FlannelHost, add_other, subnet, vtep_mac
from harness.sockets import TcpServer, tcp_talk
from harness.underlay import address, reaches, talks
from harness.wait import wait_until

POOL = "10.244.0.0/16"
OPTIONS = ("--vni", "1", "--mode", "routed", "--subnet", POOL, "--host-prefix", "24")


def share(host, *options):
    return host.cli("network", "create", "pods", *OPTIONS, *options)


def pods(host):
    """None while the host does not have it."""
    rows = [row for row in host.cli("network", "list") if row["name"] == "pods"]
    return rows[0] if rows else None


def knows(host, count):
    def row_with_all():
        row = pods(host)
        return row if row and len(row["host_subnets"]) == count else None

    return wait_until(row_with_all, what=f"{count} other hosts' subnets being known")


def vtep(host):
    return f"cnvt{pods(host)['id']:x}"


def ways(host):
    """{subnet: (next hop's MAC, where that is)} as the kernel has it; None unless it has one route, one neighbour and one
    FDB entry for each.
    """
    def shown(*words):
        return json.loads(host.namespace.run(*words, "show", "dev", vtep(host), check=False).stdout or "[]")

    neighbours = {row["dst"]: row["lladdr"] for row in shown("ip", "-4", "-j", "neigh") if "lladdr" in row}
    fdb = {row["mac"]: row["dst"] for row in shown("bridge", "-j", "fdb")}
    routes = {row["dst"]: row["gateway"] for row in shown("ip", "-4", "-j", "route")}
    if not len(routes) == len(neighbours) == len(fdb):
        return None
    return {to: (neighbours.get(by), fdb.get(neighbours.get(by))) for to, by in routes.items()}


def stated(host):
    return {row["subnet"]: (row["mac"], row["vtep"]) for row in pods(host)["host_subnets"]}


def wait_for_ways(host):
    wait_until(lambda: ways(host) == stated(host), timeout=60, what="the kernel having the ways to all subnets")


@pytest.fixture
def two(make_cluster, endpoint):
    """(etcd, h1, h2, alpha on h1, beta on h2)"""
    etcd, (one, two) = make_cluster(config="[reconcile]\nperiod_s = 2\n")
    share(one)
    knows(one, 1)
    knows(two, 1)
    return etcd, one, two, endpoint(one, "alpha", "pods"), endpoint(two, "beta", "pods")


def test_every_host_has_a_part(two):
    etcd, one, two, alpha, beta = two
    parts = []
    for host, end in ((one, alpha), (two, beta)):
        row = pods(host)
        assert (row["pool"], row["host_prefix"], row["scope"], row["mode"]) == (POOL, 24, "cluster", "routed")
        (part,) = row["subnets"]
        assert ipaddress.ip_network(part).subnet_of(ipaddress.ip_network(POOL)) and part.endswith("/24")
        assert ipaddress.ip_address(end.address) in ipaddress.ip_network(part)
        parts.append(part)
        wait_for_ways(host)
    assert len(set(parts)) == 2
    assert list(stated(one)) == parts[1:] and list(stated(two)) == parts[:1]
    for source, target in ((alpha, beta), (beta, alpha)):
        reaches(source, target)
        reaches(source, target, size=1450 - 28)
        talks(source, target)
        with TcpServer(target.namespace, 7003, address=target.address) as listening:
            assert tcp_talk(source.namespace, target.address, 7003) == "echoed"
            assert listening.peers[0][0] == source.address, "nobody is masqueraded"
    one.cli_fails(2, f"the pool {POOL} of network pods", "network", "create", "other", "--subnet", "10.244.77.0/24")
    one.cli_fails(2, "its mode is routed", "network", "set", "pods", "--mode", "nat")


def test_beside_a_host_by_hand(two, underlay):
    etcd, one, two, alpha, beta = two
    plain = FlannelHost(underlay, 9)
    try:
        for host, number in ((one, 1), (two, 2)):
            (part,) = pods(host)["subnets"]
            base = part.split("/")[0]
            mac = next(row["address"] for name, row in host.namespace.links().items() if name == vtep(host))
            add_other(plain.namespace, base, mac, address(number))
        key = f"/cnet/v1/subnets/1/{subnet(9)}-24"
        etcd.ctl("put", key, json.dumps({"v": 1, "host": "plain", "vtep": address(9), "mac": vtep_mac(9)}))
        for host in (one, two):
            knows(host, 2)
            wait_for_ways(host)
        for end in (alpha, beta):
            for source, target, at, seen in ((end.namespace, plain.pod, plain.pod_address, end.address),
                                             (plain.pod, end.namespace, end.address, plain.pod_address)):
                with TcpServer(target, 7003, address=at) as listening:
                    assert tcp_talk(source, at, 7003) == "echoed"
                    assert listening.peers[0][0] == seen
        reaches(alpha, beta)
        for end in (alpha, beta):
            host = one if end is alpha else two
            host.cli("endpoint", "delete", end.name)
        one.cli_fails(2, "is host plain's", "network", "delete", "pods")
        etcd.ctl("del", key)
        for host in (one, two):
            knows(host, 1)
            wait_for_ways(host)
    finally:
        plain.close()


def test_etcd_away_and_killed(two, endpoint):
    etcd, one, two, alpha, beta = two
    (member,) = etcd.members
    member.kill()
    for host in (one, two):
        wait_until(lambda host=host: not host.cli("status")["cluster"]["connected"], timeout=60, what="the loss being noticed")
    more = endpoint(one, "more", "pods")
    for host in (one, two):
        host.kill9()
        host.start()
        wait_for_ways(host)
    for host in (one, two):
        host.reconciled()
    reaches(more, beta)
    talks(beta, alpha)
    etcd.restart(member)
    for host in (one, two):
        wait_until(lambda host=host: host.cli("status")["cluster"]["connected"], timeout=60, what="the cluster being there again")
    assert len(ways(one)) == len(ways(two)) == 1
    reaches(alpha, beta)


def test_what_is_broken_is_repaired(two):
    etcd, one, two, alpha, beta = two
    device = vtep(one)
    wait_for_ways(one)
    namespace = one.namespace
    for break_it in (f"link del {device}", f"link set {device} down", f"route flush dev {device}", f"neigh flush dev {device} nud permanent",
                     f"addr flush dev {device}", f"link set {device} mtu 1300"):
        namespace.ip(break_it)
        wait_for_ways(one)
        wait_until(lambda: namespace.links()[device]["mtu"] == 1450, what="the device being as it was")
        reaches(alpha, beta)
    for old, new in ((address(1), address(77)), (address(77), address(1))):
        namespace.ip(f"addr del {old}/24 dev under0", f"addr add {new}/24 dev under0")
        wait_until(lambda new=new: {row["vtep"] for row in pods(two)["host_subnets"]} == {new}, timeout=90,
                   what="the new address being told")
        wait_for_ways(one)
        wait_for_ways(two)
        reaches(alpha, beta)


def test_a_host_that_is_forgotten(two, endpoint):
    etcd, one, two, alpha, beta = two
    (part,) = pods(two)["subnets"]
    two.kill9()
    wait_until(lambda: [row["origin"] for row in one.cli("peer", "list")] == ["gone"], timeout=60, what="h2 being gone")
    reaches(alpha, beta)  # its containers still run
    one.cli("endpoint", "delete", "alpha")
    one.cli_fails(2, "is host h2's", "network", "delete", "pods")
    one.cli("peer", "delete", address(2))
    knows(one, 0)
    wait_for_ways(one)
    two.start()
    assert [row["subnet"] for row in knows(one, 1)["host_subnets"]] == [part], "it takes its subnet again"
    again = endpoint(one, "again", "pods")
    wait_for_ways(one)
    reaches(again, beta)
    two.cli("endpoint", "delete", "beta")
    one.cli("endpoint", "delete", "again")
    device = vtep(two)
    one.cli("network", "delete", "pods")
    wait_until(lambda: pods(two) is None and device not in two.namespace.links(), what="the network going everywhere")
    wait_until(lambda: not etcd.ctl("get", "--prefix", "/cnet/v1/subnets/", "--keys-only").split(), what="the parts being given back")
