"""Names of endpoints, asked of the gateway.

    [near] 198.18.0.2, the host's resolver --- 198.18.0.1 the host --- networks --- [endpoints]
"""

import os
import random
import resource
import socket
import struct
import threading
import time

import pytest

from harness import dns
from harness import world as outside
from harness.cni import OWN
from harness.dns import ask
from harness.netns import Namespace
from harness.sockets import open_socket, receive_exactly, tcp_connect
from harness.wait import wait_until

CONFIG = f'[names]\nresolvers = ["{outside.NEAR}"]'
GATEWAY, GATEWAY6 = "10.88.1.1", "fd00:88:1::1"
DUAL = ("--subnet", "10.88.1.0/24", "--subnet", "fd00:88:1::/64")
OUTSIDE = {"www.example.org": ["203.0.113.7"], "big.example.org": [f"203.0.113.{n}" for n in range(250)]}


@pytest.fixture
def named(make_host):
    return make_host(CONFIG)


@pytest.fixture
def near(named, make_world):
    return make_world(named).near


@pytest.fixture
def resolver(near):
    with dns.Resolver(near, outside.NEAR, dict(OUTSIDE)) as made:
        yield made


@pytest.fixture
def add(named, make_namespace):
    """Makes an endpoint; its namespace."""

    def make(network, name, *options):
        pod = make_namespace(name)
        named.cli("endpoint", "create", network, name, "--netns", pod.path, *options)
        return pod

    return make


def answers(pod, server=GATEWAY):
    """Whether somebody listens there: the thread that does may be a moment behind."""
    try:
        return ask(pod, server, "nobody.invalid", timeout=0.5)
    except OSError:
        return None


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def known(pod, name, addresses, server=GATEWAY):
    wait_until(
        lambda: answers(pod, server) and ask(pod, server, name).records == addresses,
        what=f"{name} being {addresses}",
    )


@pytest.mark.usefixtures("resolver")
def test_names_of_a_network(named, add):
    named.cli("network", "create", "red", *DUAL)
    named.cli("network", "create", "blue", "--subnet", "10.88.2.0/24")
    one = add("red", "one", "--alias", "db")
    two = add("red", "Two", "--alias", "db", "--alias", "cache_1")
    three = add("blue", "three")
    known(one, "two", ["10.88.1.3"])
    for tcp in (False, True):
        for server in (GATEWAY, GATEWAY6):
            assert ask(one, server, "ONE", tcp=tcp).records == ["10.88.1.2"]
            assert ask(one, server, "two.red", "AAAA", tcp=tcp).records == ["fd00:88:1::3"]
            assert ask(one, server, "db", tcp=tcp).records == ["10.88.1.2", "10.88.1.3"]
            assert len(ask(one, server, "db", "ANY", tcp=tcp).records) == 4
    # A name that is there, and has nothing of that kind.
    answer = ask(three, "10.88.2.1", "three", "AAAA")
    assert (answer.rcode, answer.records) == (dns.DONE, [])
    assert ask(two, GATEWAY, "2.1.88.10.in-addr.arpa", "PTR").records == ["db.red"]
    reverse = ".".join(reversed("fd000088000100000000000000000003")) + ".ip6.arpa"
    assert ask(two, GATEWAY6, reverse, "PTR").records == ["db.red"]
    assert ask(two, GATEWAY, "9.1.88.10.in-addr.arpa", "PTR").rcode == dns.NO_SUCH_NAME
    # Each network has its own.
    assert ask(one, GATEWAY, "three").rcode == dns.NO_SUCH_NAME
    assert ask(three, "10.88.2.1", "one").rcode == dns.NO_SUCH_NAME
    named.cli("endpoint", "delete", "one")
    known(two, "db", ["10.88.1.3"])
    named.restart()
    known(two, "db", ["10.88.1.3"])


def test_what_it_does_not_know(named, resolver, add):
    """The host's resolver is asked: by UDP, by TCP for what UDP does not hold; nothing is made up."""
    named.cli("network", "create", "red", *DUAL)
    one = add("red", "one")
    known(one, "one", ["10.88.1.2"])
    assert ask(one, GATEWAY, "www.example.org").records == OUTSIDE["www.example.org"]
    assert ask(one, GATEWAY, "www.example.org", tcp=True).records == OUTSIDE["www.example.org"]
    assert ask(one, GATEWAY, "no.example.org").rcode == dns.NO_SUCH_NAME
    for edns in (None, 100, 1232, 65535):
        cut = ask(one, GATEWAY, "big.example.org", edns=edns)
        assert cut.cut and cut.records == [] and cut.size <= (512 if edns is None else 1232)
    whole = ask(one, GATEWAY, "big.example.org", tcp=True)
    assert len(whole.records) == 250 and not whole.cut
    assert "one" not in resolver.asked


@pytest.mark.usefixtures("resolver")
def test_answers_that_are_long(named, add):
    """A name of many: cut at what the client takes, whole by TCP."""
    named.cli("network", "create", "red", "--subnet", "10.88.1.0/24")
    one = add("red", "one", "--alias", "all")
    known(one, "all", ["10.88.1.2"])
    pod = Namespace("many")
    try:
        for number in range(40):
            options = ("--ifname", f"e{number}", "--alias", "all", "--default-route", "off")
            named.cli("endpoint", "create", "red", f"n{number}", "--netns", pod.path, *options)
        wait_until(lambda: len(ask(one, GATEWAY, "all", tcp=True).records) == 41, what="all of them")
        short, longer = ask(one, GATEWAY, "all"), ask(one, GATEWAY, "all", edns=1232)
        assert short.cut and short.size <= 512 and short.records and not short.has_opt
        assert not longer.cut and len(longer.records) == 41 and longer.has_opt
    finally:
        for number in range(40):
            named.cli("endpoint", "delete", f"n{number}")
        pod.close()


def test_resolvers_that_are_silent(named, near, add):
    """They delay nobody but those who ask for them, and those get an answer that says so."""
    with open_socket(near, socket.SOCK_DGRAM, outside.NEAR, 53):
        named.cli("network", "create", "red", "--subnet", "10.88.1.0/24")
        named.cli("network", "create", "blue", "--subnet", "10.88.2.0/24")
        one, other = add("red", "one"), add("blue", "other")
        wait_until(lambda: ask(one, GATEWAY, "one").records, what="its own name")
        with open_socket(one, socket.SOCK_DGRAM, family=socket.AF_INET) as sock:
            sock.connect((GATEWAY, 53))
            packets = [dns.question(f"n{number}.example.org") for number in range(400)]
            for packet in packets:
                sock.send(packet)
            # More than one network may have out at a time: the rest is told at once.
            sock.settimeout(10)
            first = sock.recv(65536)
            assert first[3] & 0xF == dns.SERVER_FAILURE
            assert ask(one, GATEWAY, "one", timeout=2).records == ["10.88.1.2"]
            assert ask(one, GATEWAY, "one", tcp=True, timeout=2).records == ["10.88.1.2"]
            assert ask(other, "10.88.2.1", "other", timeout=2).records == ["10.88.2.2"]
            assert len(named.cli("endpoint", "list")) == 2
        assert ask(one, GATEWAY, "n.example.org", timeout=20).rcode == dns.SERVER_FAILURE


def test_a_resolver_that_is_the_gateway_itself(make_host, make_world, make_namespace):
    host = make_host(f'[names]\nresolvers = ["{GATEWAY}"]')
    make_world(host)
    host.cli("network", "create", "red", "--subnet", "10.88.1.0/24")
    pod = make_namespace()
    host.cli("endpoint", "create", "red", "one", "--netns", pod.path)
    known(pod, "one", ["10.88.1.2"])
    # At once: nobody is asked, and so nobody is waited for.
    assert ask(pod, GATEWAY, "www.example.org", timeout=1).rcode == dns.SERVER_FAILURE


NONSENSE = {
    "nothing": b"",
    "short": b"\0\1\1\0\0\1",
    "an answer": b"\0\1\x81\x80\0\1\0\0\0\0\0\0\1a\0\0\1\0\1",
    "no question": b"\0\1\1\0\0\0\0\0\0\0\0\0",
    "two questions": b"\0\1\1\0\0\2\0\0\0\0\0\0" + b"\1a\0\0\1\0\1" * 2,
    "a pointer to itself": b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1",
    "a label past the end": b"\0\1\1\0\0\1\0\0\0\0\0\0\x3fa",
    "a long name": b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",
    "a dot in a label": b"\0\1\1\0\0\1\0\0\0\0\0\0\3a.b\0\0\1\0\1",
    "records missing": b"\0\1\1\0\0\1\0\0\0\0\0\5\1a\0\0\1\0\1",
    "an update": b"\0\1\x28\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1",
    "EDNS twice": dns.question("a", edns=512, number=1)[:11] + b"\2" + dns.question("a", edns=512)[12:]
    + b"\0\0\x29\2\0\0\0\0\0\0\0",
}


@pytest.mark.usefixtures("resolver")
def test_nonsense(named, add):
    """Each gets a refusal or silence, and the next question its answer."""
    named.cli("network", "create", "red", "--subnet", "10.88.1.0/24")
    one = add("red", "one")
    known(one, "one", ["10.88.1.2"])
    seed = int(os.environ.get("CNET_HOSTILE_SEED", "7"))
    chance = random.Random(seed)
    with open_socket(one, socket.SOCK_DGRAM, family=socket.AF_INET) as sock:
        sock.connect((GATEWAY, 53))
        sock.settimeout(0.05)
        for what, packet in NONSENSE.items():
            sock.send(packet)
            try:
                refused = sock.recv(65536)
            except TimeoutError:
                assert what in ("nothing", "short", "an answer"), f"{what}: silence"
            else:
                assert refused[3] & 0xF in (dns.FORMAT_ERROR, dns.NOT_IMPLEMENTED), what
        valid = dns.question("one", edns=1232)
        for _ in range(3000):
            packet = bytearray(valid if chance.random() < 0.8 else chance.randbytes(60))
            for _ in range(chance.randrange(1, 5)):
                packet[chance.randrange(len(packet))] = chance.randrange(256)
            sock.send(bytes(packet[: chance.randrange(1, len(packet) + 1)]))
    wait_until(lambda: answers(one), what=f"an answer after seed {seed}")
    assert ask(one, GATEWAY, "one").records == ["10.88.1.2"]
    with tcp_connect(one, GATEWAY, 53) as sock:
        sock.sendall(struct.pack("!H", 65535) + b"x" * 100)
        assert ask(one, GATEWAY, "one", tcp=True).records == ["10.88.1.2"]
    with tcp_connect(one, GATEWAY, 53) as sock:
        packet = dns.question("one")
        for byte in struct.pack("!H", len(packet)) + packet:
            sock.sendall(bytes([byte]))
        size = struct.unpack("!H", receive_exactly(sock, 2))[0]
        assert dns.decode(receive_exactly(sock, size), packet).records == ["10.88.1.2"]
    assert named.daemon.poll() is None


@pytest.mark.usefixtures("resolver")
def test_many_at_once(named, add):
    """More connections than there is room for, and questions all the while."""
    named.cli("network", "create", "red", "--subnet", "10.88.1.0/24")
    one = add("red", "one")
    known(one, "one", ["10.88.1.2"])
    idle = [tcp_connect(one, GATEWAY, 53) for _ in range(100)]
    wrong = []

    def questions():
        for number in range(80):
            wanted = ("one", ["10.88.1.2"]) if number % 2 else ("www.example.org", ["203.0.113.7"])
            if ask(one, GATEWAY, wanted[0]).records != wanted[1]:
                wrong.append(wanted[0])

    threads = [threading.Thread(target=questions) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sock in idle:
        sock.close()
    assert not wrong
    assert ask(one, GATEWAY, "one", tcp=True).records == ["10.88.1.2"]


@pytest.mark.usefixtures("resolver")
def test_out_of_descriptors(named, add):
    """No connection can be taken: datagrams are answered, and nobody spins until one can."""
    named.cli("network", "create", "red", "--subnet", "10.88.1.0/24")
    one = add("red", "one")
    known(one, "one", ["10.88.1.2"])
    pid = named.daemon.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        with tcp_connect(one, GATEWAY, 53):
            before = cpu_ticks(pid)
            for _ in range(20):
                assert ask(one, GATEWAY, "one").records == ["10.88.1.2"]
                time.sleep(0.05)
            assert cpu_ticks(pid) - before < os.sysconf("SC_CLK_TCK") / 4
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert ask(one, GATEWAY, "one", tcp=True, timeout=20).records == ["10.88.1.2"]


def test_switched_off(named, resolver, add):
    named.cli("network", "create", "red", "--subnet", "10.88.1.0/24", "--names", "off")
    one = add("red", "one")
    assert answers(one) is None
    named.cli("network", "set", "red", "--names", "on")
    known(one, "one", ["10.88.1.2"])
    named.cli("network", "set", "red", "--names", "off")
    wait_until(lambda: answers(one) is None, what="the end of the answers")
    # No way out means none by questions either.
    named.cli("network", "create", "inner", "--subnet", "10.88.3.0/24", "--internal")
    two = add("inner", "two")
    known(two, "two", ["10.88.3.2"], "10.88.3.1")
    assert ask(two, "10.88.3.1", "www.example.org").rcode == dns.NO_SUCH_NAME
    assert "www.example.org" not in resolver.asked


@pytest.mark.usefixtures("resolver")
def test_nobody_else_is_answered(named, near, add):
    """Neither the world nor another network: the gateway's port 53 is for its own network."""
    named.cli("network", "create", "red", "--subnet", "10.88.1.0/24", "--mode", "routed")
    named.cli("network", "create", "blue", "--subnet", "10.88.2.0/24")
    one, other = add("red", "one"), add("blue", "other")
    known(one, "one", ["10.88.1.2"])
    near.ip(f"route add 10.88.0.0/16 via {outside.HOST}")
    assert answers(near) is None and answers(other) is None
    near.ip(f"route del 10.88.0.0/16 via {outside.HOST}")


@pytest.mark.usefixtures("resolver")
def test_a_host_that_has_the_port(named, add):
    """A resolver of the host's on every address is in the way; it is told, and tried again."""
    with open_socket(named.namespace, socket.SOCK_DGRAM, "0.0.0.0", 53, family=socket.AF_INET):
        named.cli("network", "create", "red", "--subnet", "10.88.1.0/24")
        one = add("red", "one")
        wait_until(lambda: "port 53" in named.log(), what="the warning")
    known(one, "one", ["10.88.1.2"])


@pytest.mark.usefixtures("resolver")
def test_by_cni(named, make_cni, make_namespace):
    """The result says whom to ask; the runtime's names are there."""
    capabilities = {"portMappings": True, "aliases": True, "dns": True}
    cni, pods = make_cni({**OWN, "capabilities": capabilities}), [make_namespace() for _ in range(2)]
    result = cni.add(pods[0], "one", aliases=["web"], args="IgnoreUnknown=1;K8S_POD_NAME=front")
    assert result["dns"] == {"nameservers": ["10.88.7.1"]}
    known(pods[0], "web", ["10.88.7.2"], "10.88.7.1")
    assert ask(pods[0], "10.88.7.1", "front").records == ["10.88.7.2"]
    given = cni.add(pods[1], "two", dns={"servers": ["192.0.2.53"]})
    assert given["dns"] == {"nameservers": ["192.0.2.53"]}


def test_names_of_other_hosts(make_cluster, endpoint):
    _, (one, two) = make_cluster()
    one.cli("network", "create", "over", "--vni", "auto", "--subnet", "10.99.0.0/24", "--subnet", "fd00:99::/64")
    wait_until(lambda: two.cli("network", "list"), what="the network on the other host")
    alpha, beta = (
        endpoint(host, name, options=("--alias", f"{name}-too")) for host, name in ((one, "alpha"), (two, "beta"))
    )
    for asker, other in ((alpha, beta), (beta, alpha)):
        for name in (other.name, f"{other.name}-too"):
            known(asker.namespace, name, [other.address], "10.99.0.1")
    two.cli("endpoint", "delete", "beta")
    for name in ("beta", "beta-too"):
        wait_until(
            lambda name=name: not ask(alpha.namespace, "10.99.0.1", name, timeout=20).records,
            what=f"the end of the name {name}",
        )
