"""No address is ever given twice, whatever happens to etcd: hosts contend for few addresses while
leaders die, members are parted from the others, history is compacted and hosts are killed.

Two judges. Of every host what it believed and when, by one clock: no two may have had one address
at one time. And etcd's history from its first revision on, by a watch.
"""

import itertools
import json
import os
import random
import subprocess
import threading
from collections import defaultdict

import pytest

from harness.host import BIN, SLOWNESS
from harness.wait import wait_until

ROOT = "/cnet/v1/"
VNI = 4096
CLAIMS = f"{ROOT}addresses/{VNI}/"
NETWORK = {"v": 1, "vni": VNI, "subnets": [{"prefix": "10.0.0.0/24", "gateway": "10.0.0.254"}]}
HOSTS, ADDRESSES, HOLD = 5, 24, 8
ENDLESS = float("inf")


class ChurningHost:
    """A name, and one process after the other that bears it."""

    def __init__(self, cluster, name):
        self._cluster, self.name = cluster, name
        self.said = []
        self._process = self._reader = None
        self.start()

    def start(self):
        endpoints = random.sample(self._cluster.endpoints, len(self._cluster.endpoints))
        config = {"endpoints": endpoints, "prefix": "/cnet/", "host": self.name, "lease_s": 10,
                  "network": "over", "vni": VNI, "addresses": ADDRESSES, "hold": HOLD}
        with self._cluster.client.entered():
            self._process = subprocess.Popen([os.path.join(BIN, "cnet-cluster-churn"), json.dumps(config)],
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def _read(self, lines):
        for line in lines:
            if line.endswith("\n"):
                self.said.append(line.split())

    def _await_end(self):
        self._reader.join(60)
        assert not self._reader.is_alive(), f"{self.name} does not end"
        self._process.wait()
        self._process.stdout.close()

    def kill(self):
        self._process.kill()
        self._await_end()
        self._process.stdin.close()

    def finish(self):
        self._process.stdin.close()
        self._await_end()
        assert self._process.returncode == 0
        assert self.said[-1][0] == "end", self.said[-1]

    def close(self):
        if self._process.poll() is None:
            self.kill()

    def count(self, what):
        return sum(words[0] == what for words in list(self.said))

    def times(self):
        """(address, from, to) of each time that it had an address, as it believed."""
        had, times = {}, []
        for words in self.said:
            if words[0] == "begin":  # whatever it had before, it has no longer
                times += [(address, since, int(words[1])) for address, since in had.items()]
                had.clear()
            elif words[0] == "have":
                assert words[1] not in had
                had[words[1]] = int(words[2])
            elif words[0] == "leave":
                times.append((words[1], had.pop(words[1]), int(words[2])))
        return times + [(address, since, ENDLESS) for address, since in had.items()]

    def still_has(self):
        return {address for address, _, until in self.times() if until == ENDLESS}


def given_twice(hosts):
    """Pairs of hosts that had one address at one time."""
    by_address = defaultdict(list)
    for host in hosts:
        for address, since, until in host.times():
            by_address[address].append((since, until, host.name))
    return [
        (address, one, other)
        for address, times in by_address.items()
        for one, other in itertools.pairwise(sorted(times))
        if other[0] < one[1]
    ]


class History:
    """etcd's own, from its first revision on; what is compacted must have been read before."""

    def __init__(self, client):
        self._client = client
        self._watch = client.watch(ROOT, 1)
        self.revision, self.faults, self.puts = 0, [], 0
        self._holder = {}

    def read_to(self, revision):
        while self.revision < revision:
            said = self._client.hear(60)
            assert said is not None, f"history stays at {self.revision}, etcd is at {revision}"
            if "end" in said:
                assert said["end"] != "compacted", said
                self._client.say(op="stop")
                self._watch = self._client.watch(ROOT, said["revision"] + 1)
                continue
            for event in said["events"]:
                if event[1].startswith(CLAIMS):
                    self._take(*event)
            self.revision = said["revision"]

    def _take(self, what, key, value, revision):
        if what == "delete":
            if not self._holder.pop(key, None):
                self.faults.append(f"{revision}: {key} was given back by nobody")
            return
        self.puts += 1
        if key in self._holder:
            self.faults.append(f"{revision}: {key} of {self._holder[key]} given to {value}")
        self._holder[key] = value

    def holders(self):
        return {key.removeprefix(CLAIMS): json.loads(value)["host"] for key, value in self._holder.items()}


@pytest.fixture
def churn(make_etcd, make_client):
    cluster = make_etcd(3)
    history, writer = History(make_client(cluster)), make_client(cluster)
    writer.ask("txn", then=[["put", f"{ROOT}networks/over", json.dumps(NETWORK)], ["put", f"{ROOT}vnis/{VNI}", "over"]])
    hosts = []
    try:
        hosts += [ChurningHost(cluster, f"h{number}") for number in range(HOSTS)]
        yield cluster, hosts, history
    finally:
        for host in hosts:
            host.close()


def goes_on(hosts, more=15):
    """Every host gets further addresses."""
    before = {host: host.count("have") for host in hosts}
    wait_until(lambda: all(host.count("have") >= had + more for host, had in before.items()),
               timeout=90 * SLOWNESS, what="all hosts getting addresses")


def forget_history(cluster, history):
    """But for what the judge has read."""
    history.read_to(cluster.revision())
    cluster.compact(history.revision)


def some_leader(cluster):
    return wait_until(cluster.leader, timeout=60, what="a leader")


def test_no_address_is_given_twice(churn):
    cluster, hosts, history = churn
    goes_on(hosts)
    dead = cluster.kill_leader()
    goes_on(hosts)
    cluster.restart(dead)
    forget_history(cluster, history)

    leader = some_leader(cluster)
    cluster.partition(leader)
    goes_on(hosts)
    hosts[0].kill()
    goes_on(hosts[1:])
    cluster.heal(leader)
    hosts[0].start()
    forget_history(cluster, history)
    cluster.defrag()

    follower = next(member for member in cluster.members if member is not some_leader(cluster))
    cluster.isolate(follower)
    goes_on(hosts)
    cluster.heal(follower)
    frozen = some_leader(cluster)
    frozen.freeze()
    goes_on(hosts)
    frozen.thaw()
    goes_on(hosts)

    for host in hosts:
        host.finish()
    assert given_twice(hosts) == []
    history.read_to(cluster.revision())
    assert history.faults == []
    assert history.puts >= sum(host.count("have") for host in hosts) > HOSTS * 60
    holders = history.holders()
    for host in hosts:
        assert {holders.get(address) for address in host.still_has()} <= {host.name}


def test_a_host_keeps_its_lease_while_a_member_hangs(make_cluster, make_client):
    """The shortest lease too: it is renewed at another member in time."""
    etcd, _ = make_cluster(1, members=3, lease_s=5)
    hung, *others = etcd.members  # the first is asked first
    if some_leader(etcd) is hung:
        successor = etcd.status(others[0])["header"]["member_id"]
        etcd.ctl("move-leader", f"{successor:x}", members=[hung])
    client = make_client(etcd, endpoints=[member.endpoint for member in others])
    (alive,) = wait_until(lambda: client.get(f"{ROOT}alive/h1"), what="the host being there")
    hung.freeze()
    try:
        for _ in range(3):
            await_renewal(etcd, others, alive["lease"])
        assert client.get(f"{ROOT}alive/h1") == [alive]
    finally:
        hung.thaw()


def await_renewal(etcd, members, lease):
    left = []

    def has_grown():
        said = json.loads(etcd.ctl("lease", "timetolive", f"{lease:x}", "-w", "json", members=members))
        assert said["ttl"] >= 0, f"the lease has ended; it had {left}"
        left.append(said["ttl"])
        return left[-1] > min(left)

    wait_until(has_grown, what="the lease being renewed")
