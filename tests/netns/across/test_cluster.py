"""Hosts that share networks through a real etcd.

    [alpha] --- over --- h1 --+-- underlay --+-- h2 --- over --- [beta]
                              etcd members
"""

import threading
import time

import pytest

from harness.doctor import found
from harness.etcd import PASSWORD, USER
from harness.host import SLOWNESS
from harness.icmp import Pinger, ping
from harness.sockets import SILENCE
from harness.underlay import Endpoint, address, reaches, talks
from harness.wait import together, wait_until

SUBNETS = ("--subnet", "10.99.0.0/24", "--subnet", "fd00:99::/64")


def share(host, name="over", *options):
    return host.cli("network", "create", name, "--vni", "auto", *(options or SUBNETS))


def knows_network(host, name="over"):
    wait_until(lambda: name in {row["name"] for row in host.cli("network", "list")}, what=f"network {name} being there")


def row_of(host, end):
    rows = [row for row in host.cli("fdb", "show", "over") if row["mac"] == end.mac]
    return rows[0] if rows else None


def knows(host, end):
    wait_until(lambda: row_of(host, end), what=f"{end.name} being known")


def forgets(host, end, timeout=30):
    wait_until(lambda: not row_of(host, end), timeout=timeout, what=f"{end.name} being forgotten")


def cluster_status(host):
    return host.cli("status")["cluster"]


def is_away(host):
    return not cluster_status(host)["connected"]


def claims(etcd):
    return [line for line in etcd.ctl("get", "--prefix", "/cnet/v1/addresses/", "--keys-only").split() if line]


def test_a_network_of_one_is_on_all(make_cluster, endpoint):
    _, (one, two) = make_cluster()
    made = share(one)
    assert (made["vni"], made["scope"], made["peer_learning"]) == (4096, "cluster", False)
    alpha = endpoint(one, "alpha")
    knows_network(two)
    beta = endpoint(two, "beta")
    knows(one, beta)
    knows(two, alpha)
    for host, number, end in ((one, 2, beta), (two, 1, alpha)):
        row = row_of(host, end)
        assert (row["type"], row["peer"]) == ("static", address(number)), row
        (peer,) = host.cli("peer", "list")
        assert (peer["name"], peer["origin"]) == (f"h{number}", "cluster")
    for v6 in (False, True):
        reaches(alpha, beta, v6)
        talks(alpha, beta, v6)
        talks(beta, alpha, v6)
    two.cli_fails(2, "has 1 endpoint", "network", "delete", "over")
    one.cli("endpoint", "delete", "alpha")
    forgets(two, alpha)
    one.cli_fails(2, "endpoint beta of host h2", "network", "delete", "over")
    two.cli("endpoint", "delete", "beta")
    one.cli("network", "delete", "over")
    wait_until(lambda: two.cli("network", "list") == [], what="the network going everywhere")


def test_addresses_and_vnis_are_given_once(make_cluster, endpoint):
    etcd, hosts = make_cluster(3)
    made = together(**{f"n{number}": lambda host=host, number=number: share(host, f"net{number}", "--subnet", f"10.9{number}.0.0/24")
                       for number, host in enumerate(hosts)})
    assert sorted(network["vni"] for network in made.values()) == [4096, 4097, 4098]
    share(hosts[0], "over", "--subnet", "10.99.0.0/28")
    given = []

    def fill(number, host):
        knows_network(host)
        for index in range(4):
            host.cli("sandbox", "create", f"s{number}{index}")
            row = host.cli("endpoint", "create", "over", f"e{number}{index}", "--netns", f"s{number}{index}")
            given.append(row["addresses"][0])

    together(**{f"h{number}": lambda number=number, host=host: fill(number, host) for number, host in enumerate(hosts)})
    assert len(set(given)) == 12 and len(claims(etcd)) == 12
    taken = given[0].split("/")[0]
    hosts[0].cli("sandbox", "create", "more")
    for host in hosts[:1]:
        host.cli_fails(2, f"address {taken} is", "endpoint", "create", "over", "more", "--netns", "more", "--ip", taken)
    for number, host in enumerate(hosts):
        for index in range(4):
            host.cli("endpoint", "delete", f"e{number}{index}")
    wait_until(lambda: claims(etcd) == [], what="every address being given back")


def test_a_host_that_is_gone(make_cluster, endpoint):
    etcd, (one, two, three) = make_cluster(3)
    share(one)
    alpha = endpoint(one, "alpha")
    knows_network(two)
    beta = endpoint(two, "beta")
    knows(one, beta)
    two.kill9()
    reaches(alpha, beta)  # the data path of a host needs no daemon
    forgets(one, beta)
    (gone,) = [row for row in one.cli("peer", "list") if row["origin"] == "gone"]
    assert (gone["name"], gone["address"]) == ("h2", address(2))
    assert f"peer delete {address(2)}" in found(one, "warning", "peer", f"host h2 ({address(2)}) is gone")["advice"]
    knows_network(three)
    three.cli("sandbox", "create", "heir")
    create = ("endpoint", "create", "over", "heir", "--netns", "heir", "--ip", beta.address)
    three.cli_fails(2, "endpoint beta of host h2 already", *create)
    two.start()
    knows(one, beta)
    reaches(alpha, beta)
    two.kill9()
    forgets(three, beta)
    three.cli("peer", "delete", address(2))
    assert three.cli(*create)["addresses"][0].startswith(beta.address)
    two.start()
    wait_until(lambda: any("heir of host h3" in text for text in cluster_status(two)["conflicts"]),
               what="the host being told that its address is another's")
    assert row_of(one, beta) is None


def test_etcd_away(make_cluster, endpoint):
    etcd, (one, two) = make_cluster(config="[reconcile]\nperiod_s = 2\n")
    share(one)
    alpha, spare = endpoint(one, "alpha"), endpoint(one, "spare")
    knows_network(two)
    beta = endpoint(two, "beta")
    knows(one, beta)
    knows(two, alpha)
    (member,) = etcd.members
    member.kill()
    for host in (one, two):
        wait_until(lambda host=host: is_away(host), timeout=60, what="the loss being noticed")
    reaches(alpha, beta)
    one.cli("network", "create", "local", "--subnet", "10.77.0.0/24")
    one.cli("sandbox", "create", "box")
    one.cli("endpoint", "create", "local", "box", "--netns", "box")
    one.cli("port", "publish", "alpha", "8080:80")
    began = time.monotonic()
    one.cli_fails(2, "the cluster cannot be asked", "network", "create", "more", "--vni", "auto")
    one.cli_fails(2, "the cluster cannot be asked", "endpoint", "create", "over", "more", "--netns", "box", "--ifname", "eth1")
    assert time.monotonic() - began < 10, "what is known to fail fails at once"
    one.cli("endpoint", "delete", "spare")
    for host in (one, two):
        host.kill9()
        host.start()
    for host in (one, two):
        host.reconciled()
    assert row_of(one, beta) and row_of(two, alpha), "what is known of others is kept"
    reaches(alpha, beta)
    talks(beta, alpha)
    etcd.restart(member)
    wait_until(lambda: not is_away(one) and not is_away(two), timeout=60, what="the cluster being there again")
    wait_until(lambda: len(claims(etcd)) == 4, what="the deletion being told")
    forgets(two, spare)
    reaches(alpha, beta)


def test_an_endpoint_moves_with_its_address(make_cluster, endpoint):
    _, (one, two, three) = make_cluster(3)
    share(one)
    knows_network(two)
    knows_network(three)
    client = endpoint(one, "client")
    mover = endpoint(two, "mover")
    knows(one, mover)
    knows(three, client)
    reaches(client, mover)
    reaches(mover, client)
    two.cli("endpoint", "delete", "mover")
    three.cli("sandbox", "create", "new")
    three.cli("endpoint", "create", "over", "mover", "--netns", "new", "--ip", mover.address, "--ip", mover.address6)
    began = time.monotonic()
    # With another MAC than the client remembers.
    wait_until(lambda: ping(client.namespace, mover.address, timeout=0.1) == "reply", what="traffic following")
    assert time.monotonic() - began < 1.5


def test_killed_under_traffic(make_cluster, endpoint):
    _, (one, two) = make_cluster(lease_s=5 * SLOWNESS)  # a host is back before others take it for gone
    share(one)
    alpha = endpoint(one, "alpha")
    knows_network(two)
    beta = endpoint(two, "beta")
    knows(one, beta)
    knows(two, alpha)
    reaches(alpha, beta)
    stop, lost, sent = threading.Event(), [], []

    def flood():
        while not stop.is_set():
            answer = ping(alpha.namespace, beta.address)
            sent.append(answer)
            if answer != "reply":
                lost.append(answer)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for host in (one, two, one, two):
            host.kill9()
            host.start()
            wait_until(lambda host=host: not is_away(host), what="the host being back")
    finally:
        stop.set()
        thread.join()
    assert sent and not lost
    assert row_of(one, beta) and row_of(two, alpha)


def test_news_that_were_compacted_away(make_cluster, endpoint):
    etcd, (one, two) = make_cluster(lease_s=60)
    (member,) = etcd.members
    share(one)
    knows_network(two)
    etcd.underlay.switch.ip("link set port2 down")
    alpha = endpoint(one, "alpha")
    for number in range(20):
        share(one, f"n{number}", "--subnet", f"10.60.{number}.0/24")
    for number in range(19):
        one.cli("network", "delete", f"n{number}")
    etcd.compact()
    etcd.underlay.switch.ip("link set port2 up")
    wait_until(lambda: {row["name"] for row in two.cli("network", "list")} == {"over", "n19"},
               timeout=120, what="the host having caught up")
    knows(two, alpha)


def test_leader_killed_and_a_member_cut_off(make_cluster, endpoint):
    etcd, (one, two) = make_cluster(members=3)
    share(one)
    knows_network(two)
    leader = etcd.kill_leader()
    alpha = endpoint(one, "alpha")
    knows(two, alpha)
    etcd.restart(leader)
    follower = next(member for member in etcd.members if member is not etcd.leader())
    etcd.partition(follower)
    beta = endpoint(two, "beta")
    knows(one, beta)
    reaches(alpha, beta)
    etcd.heal(follower)


@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
def test_tls_and_password(make_host, make_etcd, underlay, tmp_path, wrong):
    etcd = make_etcd(1, underlay=underlay, tls=True)
    etcd.enable_authentication()
    secret = tmp_path / "password"
    secret.write_text("wrong" if wrong else PASSWORD)
    secret.chmod(0o600)
    files = etcd.certificates
    host = make_host(
        f'[cluster]\netcd = ["{etcd.endpoints[0]}"]\nhost = "h1"\nca = "{files.path("ca.pem")}"\n'
        f'cert = "{files.path("client.pem")}"\nkey = "{files.path("client.key")}"\n'
        f'user = "{USER}"\npassword_file = "{secret}"\n')
    underlay.connect(host.namespace, 1)
    if wrong:
        wait_until(lambda: "authentication" in (cluster_status(host)["error"] or ""), what="the refusal being told")
    else:
        wait_until(lambda: not is_away(host), what="the cluster being joined")
        assert share(host)["vni"] == 4096
        host.cli("network", "delete", "over")
