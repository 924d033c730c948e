"""cnetd's client of etcd against the real thing: harness/etcd.py draws the cluster."""

import threading

import pytest

from harness.etcd import PASSWORD, USER
from harness.etcd_client import Refused
from harness.wait import wait_until

PREFIX = "/cnet/t/"


@pytest.fixture
def single(make_etcd):
    return make_etcd(1)


@pytest.fixture
def cluster(make_etcd):
    return make_etcd(3)


def refused(call, *words, **options):
    with pytest.raises(Refused) as caught:
        call(*words, **options)
    return caught.value


def test_transactions(single, make_client):
    client = make_client(single)
    create = {"if": [["absent", PREFIX + "a"]], "then": [["put", PREFIX + "a", "1"]],
              "else": [["get", PREFIX + "a"], ["get", PREFIX, "/cnet/u"]]}
    first = client.ask("txn", **create)
    assert first["succeeded"] and first["gets"] == []
    again = client.ask("txn", **create)
    assert not again["succeeded"] and again["revision"] == first["revision"]
    (kv,), (same,) = again["gets"]
    assert kv == same == {"key": PREFIX + "a", "value": "1", "create_revision": first["revision"],
                          "mod_revision": first["revision"], "version": 1, "lease": 0}
    odd = "\x00\x01 \"\\ü\n"
    client.put(PREFIX + "a", odd)
    assert client.get(PREFIX + "a")[0]["value"] == odd
    stale = {"if": [["unchanged", PREFIX + "a", first["revision"]]], "then": [["delete", PREFIX + "a"]]}
    assert not client.ask("txn", **stale)["succeeded"]
    present = {"if": [["exists", PREFIX + "a"]], "then": [["delete", PREFIX, "/cnet/u"]]}
    assert client.ask("txn", **present)["succeeded"]
    assert client.get(PREFIX + "a") == []
    twice = refused(client.ask, "txn", then=[["put", "a", "1"], ["put", "a", "2"]])
    assert (twice.kind, twice.text) == (
        "invalid", f"etcd at {single.endpoints[0]}: etcdserver: duplicate key given in txn request")


def test_a_range_of_many_pages_is_of_one_revision(single, make_client):
    client, writer = make_client(single), make_client(single)
    for first in range(0, 1200, 100):
        client.ask("txn", then=[["put", f"{PREFIX}{n:04}", str(n)] for n in range(first, first + 100)])
    client.put("/cnet/u", "beyond the prefix")
    before = single.revision()
    ended = threading.Event()

    def churn():
        while not ended.is_set():
            writer.put(PREFIX + "0700", "changed")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        whole = client.range(PREFIX)
    finally:
        ended.set()
        thread.join()
    assert [kv["key"] for kv in whole["kvs"]] == [f"{PREFIX}{n:04}" for n in range(1200)]
    assert max(kv["mod_revision"] for kv in whole["kvs"]) <= whole["revision"]
    past = client.range(PREFIX, before)
    assert past["kvs"][700]["value"] == "700" and past["revision"] == before
    single.compact()
    assert refused(client.range, PREFIX, before).kind == "not_found"


def test_leases(single, make_client):
    client = make_client(single)
    lease = client.ask("grant", ttl=60)["value"]
    client.put(PREFIX + "host", "here", lease)
    assert client.ask("keep_alive", lease=lease)["value"] == 60
    client.ask("revoke", lease=lease)
    assert client.get(PREFIX + "host") == []
    assert client.ask("keep_alive", lease=lease)["value"] == 0
    client.ask("revoke", lease=lease)
    assert refused(client.put, PREFIX + "host", "here", lease).kind == "not_found"
    brief = client.ask("grant", ttl=1)["value"]
    client.put(PREFIX + "host", "here", brief)
    wait_until(lambda: client.get(PREFIX + "host") == [], what="the key going with its lease")


def test_a_watch_delivers_what_was_and_what_comes(single, make_client):
    client, watcher = make_client(single), make_client(single, watch_silence_ms=600_000)
    first = client.put(PREFIX + "a", "1")
    client.put("/cnet/u", "beyond the prefix")
    watch = watcher.watch(PREFIX, first)
    assert watch.events(1) == [["put", PREFIX + "a", "1", first]]
    both = client.ask("txn", then=[["put", PREFIX + "b", "2"], ["delete", PREFIX + "a"]])["revision"]
    assert watch.events(2) == [["put", PREFIX + "b", "2", both], ["delete", PREFIX + "a", "", both]]
    assert watch.revision == both
    assert watch.stop()["end"] == "stopped"


def test_a_watch_catches_up_with_thousands_of_revisions(single, make_client):
    """etcd sends a thousand revisions a message, each saying that the store is at the newest."""
    client, watcher = make_client(single), make_client(single)
    first = client.put(PREFIX + "k", "0")
    for n in range(1, 2500):
        client.put(PREFIX + "k", str(n))
    watch = watcher.watch(PREFIX, first)
    seen = []
    while len(seen) < 2500:
        seen += watch.events(1)
        assert watch.revision == seen[-1][3]
    assert [int(event[2]) for event in seen] == list(range(2500))


def test_a_watch_takes_messages_longer_than_a_request(single, make_client):
    """They come in fragments; and a line is longer than what one read of the socket gives."""
    client, watcher = make_client(single), make_client(single)
    value = "v" * 400_000
    first = client.put(PREFIX + "0", value)
    for n in range(1, 12):
        client.put(f"{PREFIX}{n}", value)
    watch = watcher.watch(PREFIX, first)
    events = watch.events(12)
    assert [event[1] for event in events] == [f"{PREFIX}{n}" for n in range(12)]
    assert all(event[2] == value for event in events)
    assert watch.revision == first + 11


def test_a_watch_from_before_a_compaction_says_so(single, make_client):
    client, watcher = make_client(single), make_client(single)
    first = client.put(PREFIX + "a", "1")
    for n in range(20):
        client.put(PREFIX + "a", str(n))
    compacted = single.compact()
    single.defrag()
    end = watcher.watch(PREFIX, first).ends()
    assert (end["end"], end["compact_revision"], end["revision"]) == ("compacted", compacted, first - 1)
    whole = watcher.range(PREFIX)
    watch = watcher.watch(PREFIX, whole["revision"] + 1)
    client.put(PREFIX + "b", "on")
    assert watch.events(1)[0][1] == PREFIX + "b"


def test_a_quiet_watch_goes_from_member_to_member_and_misses_nothing(cluster, make_client):
    client, watcher = make_client(cluster), make_client(cluster, watch_silence_ms=100)
    first = client.put(PREFIX + "0", "0")
    watch = watcher.watch(PREFIX, first)
    for _ in range(5):  # each time that it begins anew it says so
        assert watcher.hear() is not None
    for n in range(1, 100):
        client.put(f"{PREFIX}{n}", str(n))
    assert [event[2] for event in watch.events(99)][-99:] == [str(n) for n in range(1, 100)]
    assert watch.stop()["end"] == "stopped"


def test_progress_is_reported_without_events(make_etcd, make_client):
    single = make_etcd(1, options=("--experimental-watch-progress-notify-interval", "1s"))
    client, watcher = make_client(single), make_client(single)
    first = client.put(PREFIX + "a", "1")
    watch = watcher.watch(PREFIX, first)
    watch.events(1)
    elsewhere = client.put("/cnet/u", "beyond the prefix")
    wait_until(lambda: watcher.hear()["revision"] == elsewhere, what="progress to the newest revision")


def test_the_leader_is_killed(cluster, make_client):
    """Reads and writes go on as soon as there is another; what is unknown was done or not."""
    client, watcher = make_client(cluster), make_client(cluster)
    first = client.put(PREFIX + "0", "before")
    watch = watcher.watch(PREFIX, first)
    watch.events(1)
    dead = cluster.kill_leader()
    written = []
    for n in range(1, 30):
        try:
            client.ask("txn", **{"if": [["absent", f"{PREFIX}{n}"]], "then": [["put", f"{PREFIX}{n}", "x"]]})
            written.append(f"{PREFIX}{n}")
        except Refused as error:
            assert error.kind in ("unknown", "unavailable"), error
    assert len(written) >= 25, "calls wait for an election"
    keys = {kv["key"] for kv in client.range(PREFIX)["kvs"]}
    assert set(written) <= keys
    cluster.restart(dead)
    client.put(PREFIX + "last", "after")


def test_a_member_without_the_others_is_passed_over(cluster, make_client):
    """It still takes connections, and has no leader: it ends watches and refuses."""
    lonely = next(member for member in cluster.members if member is not cluster.leader())
    others = [member.endpoint for member in cluster.members if member is not lonely]
    client = make_client(cluster, endpoints=[lonely.endpoint, *others])
    watcher = make_client(cluster, endpoints=[lonely.endpoint, *others], watch_silence_ms=600_000)
    first = client.put(PREFIX + "a", "1")
    watch = watcher.watch(PREFIX, first)
    watch.events(1)
    cluster.partition(lonely)
    end = watch.ends(60)
    assert end["end"] == "broken" and end["message"].startswith(f"etcd at {lonely.endpoint}: "), end
    second = client.put(PREFIX + "b", "2")
    assert watcher.watch(PREFIX, end["revision"] + 1).events(1) == [["put", PREFIX + "b", "2", second]]
    alone = make_client(cluster, endpoints=[lonely.endpoint], request_timeout_ms=1500)
    assert refused(alone.put, PREFIX + "c", "3").kind == "unavailable"
    cluster.heal(lonely)
    patient = make_client(cluster, endpoints=[lonely.endpoint], request_timeout_ms=25_000)
    assert patient.get(PREFIX + "b")[0]["value"] == "2", "it waits until the member has a leader"


def test_a_member_that_vanishes(cluster, make_client):
    """No packet comes from it any more, and a watch has nothing to send to it."""
    gone = next(member for member in cluster.members if member is not cluster.leader())
    rest = [member.endpoint for member in cluster.members if member is not gone]
    watcher = make_client(cluster, endpoints=[gone.endpoint, *rest], watch_silence_ms=600_000)
    client = make_client(cluster, endpoints=rest)
    watch = watcher.watch(PREFIX, client.put(PREFIX + "a", "1"))
    watch.events(1)
    cluster.isolate(gone)
    hurried = make_client(cluster, endpoints=[gone.endpoint, *rest], request_timeout_ms=1500)
    missed = hurried.put(PREFIX + "b", "2")
    end = watch.ends(60)
    assert end["end"] == "broken" and gone.endpoint in end["message"], end
    assert watcher.watch(PREFIX, end["revision"] + 1).events(1) == [["put", PREFIX + "b", "2", missed]]


def test_a_member_that_hangs(cluster, make_client):
    stuck = cluster.members[0]
    make_client(cluster).put(PREFIX + "a", "1")
    stuck.freeze()
    try:
        # A new client begins with the first member; another may have gone past it, where that was slow.
        client = make_client(cluster, request_timeout_ms=3000)
        assert refused(client.put, PREFIX + "b", "2").kind == "unknown"
        client.put(PREFIX + "b", "2")
        reader = make_client(cluster, request_timeout_ms=3000)
        assert reader.range(PREFIX)["kvs"], "reads are asked of the next member in time"
    finally:
        stuck.thaw()


def test_nobody_answers(cluster, make_client):
    client = make_client(cluster, connect_timeout_ms=300, request_timeout_ms=3000)
    client.put(PREFIX + "a", "1")
    for member in cluster.members:
        member.kill()
    gone = refused(client.get, PREFIX + "a")
    assert gone.kind in ("unavailable", "unknown") and "etcd at http://198.19.0.2" in gone.text
    gone = refused(client.get, PREFIX + "a")
    assert gone.kind == "unavailable", gone
    for member in cluster.members:
        member.start()
    wait_until(cluster.leader, what="the cluster coming back")
    assert client.get(PREFIX + "a")[0]["value"] == "1"


def test_users(make_etcd, make_client):
    cluster = make_etcd(1, options=("--auth-token-ttl", "2", "--log-level", "info"))
    early = make_client(cluster, user=USER, password=PASSWORD)
    early.put("/elsewhere", "while there is no authentication yet")
    cluster.enable_authentication()
    early.put(PREFIX + "a", "1")
    denied = refused(early.put, "/elsewhere", "x")
    assert (denied.kind, denied.text) == (
        "denied", f"etcd at {cluster.endpoints[0]}: etcdserver: permission denied")
    assert early.watch("/elsewhere", 1).ends()["message"].endswith("permission denied")
    assert refused(make_client(cluster).get, PREFIX + "a").text.endswith("it wants a user and a password")
    wrong = make_client(cluster, user=USER, password="guess")
    assert refused(wrong.get, PREFIX + "a").kind == "denied"
    # A token that is not used for two seconds is gone.
    client = make_client(cluster, user=USER, password=PASSWORD)
    client.put(PREFIX + "a", "2")
    wait_until(lambda: lost_token(cluster), what="etcd forgetting the token")
    assert client.get(PREFIX + "a")[0]["value"] == "2"
    # A member that starts anew knows no token.
    cluster.members[0].kill()
    cluster.restart(cluster.members[0])
    watch = client.watch(PREFIX, 1)
    assert watch.events(2)[1][2] == "2"


def lost_token(cluster):
    with open(cluster.members[0].log_path, encoding="utf-8") as log:
        return "deleted a simple token" in log.read()


def test_tls(make_etcd, make_client):
    cluster = make_etcd(1, tls=True)
    client = make_client(cluster)
    first = client.put(PREFIX + "a", "1")
    assert client.watch(PREFIX, first).events(1)[0][2] == "1"
    path = cluster.certificates.path
    files = {"ca": path("ca.pem"), "cert": path("client.pem"), "key": path("client.key")}
    stranger = refused(make_client(cluster, **{**files, "ca": path("stranger.pem")}).get, "a")
    assert stranger.kind == "unavailable" and "certificate" in stranger.text
    anonymous = refused(make_client(cluster, ca=path("ca.pem")).get, "a")
    assert anonymous.kind in ("unavailable", "unknown"), "etcd wants a certificate"
    plain = [cluster.endpoints[0].replace("https", "http")]
    assert refused(make_client(cluster, endpoints=plain, **files).get, "a").kind in ("unavailable", "unknown")
    # The certificate is for the address that it names.
    member = cluster.members[0]
    member.namespace.ip("addr add 198.19.0.240/24 dev under0")
    member.namespace.run("nft", "-f", "-", input=(
        "table ip other {\n chain in {\n type nat hook prerouting priority -100;\n"
        f" ip daddr 198.19.0.240 dnat to {member.address}\n }}\n}}\n"))
    other = ["https://198.19.0.240:2379"]
    mismatch = refused(make_client(cluster, endpoints=other, **files).get, "a")
    assert mismatch.kind == "unavailable" and "subject name" in mismatch.text, mismatch.text
