"""`cnet-bpf monitor`: drops, flows, learned MACs and packets as they happen.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network red --- [alpha] [beta]
"""

import json
import os
import signal
import subprocess

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from harness import world as outside
from harness.frames import Tap
from harness.host import REPOSITORY
from harness.icmp import ping
from harness.sockets import TcpServer, echo_once, tcp_connect
from harness.wait import wait_until


class Monitor:
    """Events as they come, from when the programs know of the watcher."""

    def __init__(self, host, *words):
        self.path = os.path.join(host.root, f"monitor{len(os.listdir(host.root))}")
        before = host.watchers()
        with open(self.path, "w", encoding="utf-8") as out:
            self.process = host.namespace.spawn(
                *host.command("-j", "monitor", *words), stdout=out, stderr=subprocess.STDOUT, text=False)
        wait_until(lambda: self.process.poll() is not None or host.watchers() > before, what="a watcher")

    def events(self):
        with open(self.path, encoding="utf-8") as file:
            return [json.loads(line) for line in file.read().splitlines()]

    def sees(self, **wanted):
        def found():
            return [one for one in self.events()
                    if all(one.get(key) == value for key, value in wanted.items())]

        wait_until(found, what=f"an event with {wanted}")
        return found()

    def close(self, how=signal.SIGTERM):
        self.process.signal(how)
        self.process.wait()
        self.process.close()


def documented():
    """The example of docs/cli.md."""
    with open(os.path.join(REPOSITORY, "docs/cli.md"), encoding="utf-8") as file:
        text = file.read().split("## monitor", 1)[1]
    return json.JSONDecoder().raw_decode(text.split("```json\n", 1)[1])[0]


@pytest.fixture
def monitor(host):
    made = []

    def make(*words):
        made.append(Monitor(host, *words))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.close()


def spoofed(alpha, beta, port=9):
    return Ether(src=alpha.mac, dst=beta.mac) / IP(src="10.88.1.99", dst=beta.address) / UDP(sport=5, dport=port)


def test_drops_of_two_watchers(host, alpha, beta, monitor):
    everything, some, other = monitor("drops"), monitor("drops", "endpoint", "alpha", "port", "77"), monitor(
        "drops", "endpoint", "beta")
    with Tap(alpha.namespace) as tap:
        tap.send(spoofed(alpha, beta))
        tap.send(spoofed(alpha, beta, 77))
    (drop, _) = everything.sees(reason="spoofed_ip")[:2]
    assert drop["events"] == ["drop"] and drop["class"] == "drop"
    assert (drop["endpoint"], drop["network"], drop["protocol"]) == ("alpha", "red", "udp")
    assert drop["packet"] == {"src": "10.88.1.99", "src_port": 5, "dst": beta.address, "dst_port": 9}
    (one,) = some.sees(reason="spoofed_ip")
    assert one["packet"]["dst_port"] == 77
    assert other.events() == []


def test_flows(host, world, alpha, monitor):
    del host
    watch = monitor("flows", "addr", outside.NEAR, "port", "443")
    with TcpServer(world.near, 443), tcp_connect(alpha.namespace, outside.NEAR, 443, 40123) as stream:
        assert echo_once(stream)
        (begun,) = watch.sees(events=["flow_new"])
        assert begun["reason"] == "snat" and begun["endpoint"] == "alpha"
        assert begun["becomes"] == {"src": outside.HOST, "src_port": 40123, "dst": outside.NEAR, "dst_port": 443}
        assert watch.events() == [begun]
        assert begun.keys() == documented().keys()
    watch.sees(events=["flow_end"])
    assert len(watch.events()) == 2


def test_macs_and_packets(host, alpha, lan, monitor):
    macs, packets = monitor("macs"), monitor("packets", "proto", "icmp", "network", "red")
    # Its first frames may have come before somebody looked.
    host.cli("fdb", "flush", "red")
    assert ping(lan.namespace, alpha.address) == "reply"
    (learned,) = macs.sees(events=["mac_new"])[:1]
    assert learned["device"] == lan.device and learned["endpoint"] is None
    assert {one["hook"] for one in packets.sees(reason="switched")} == {"endpoint"}


def test_who_is_killed_is_forgotten(host, alpha, beta, monitor):
    watchers = [monitor("packets") for _ in range(4)]
    host.cli_fails(2, "4 are watching already", "monitor")
    traffic = alpha.namespace.spawn("ping", "-i", "0.05", beta.address, stdout=subprocess.DEVNULL)
    try:
        watchers[0].sees(reason="switched")
        watchers[0].close(signal.SIGKILL)
        # Its place is free again once its lease has ended.
        wait_until(
            lambda: host.cli_raw("monitor", "packets", "--count", "1")[1].returncode == 0,
            what="its place being free",
        )
        for one in watchers[1:]:
            seen = len(one.events())
            wait_until(lambda one=one, seen=seen: len(one.events()) > seen, what="events going on")
    finally:
        traffic.close()


def test_topology_says_why_a_rate_is_unknown(host, monitor):
    """Those of other hosts are a watcher's."""
    host.cli("peer", "add", "198.18.0.9")
    for _ in range(4):
        monitor("drops")
    _, done = host.cli_raw("topology", json_output=False)
    assert "peer 198.18.0.9  198.18.0.9 static  rate unknown: 4 are watching already" in done.stdout
    assert "rate" not in host.cli("topology")["peers"][0]


def test_it_outlives_the_daemon(host, alpha, beta, monitor):
    watch = monitor("drops", "reason", "spoofed_ip")
    host.restart()
    with Tap(alpha.namespace) as tap:
        tap.send(spoofed(alpha, beta))
    watch.sees(reason="spoofed_ip")
    watch.close()
    assert host.watchers() == 0, "what it took it gave back"


def test_a_storm_is_limited_and_told(host, alpha, beta, monitor):
    watch = monitor("packets", "proto", "udp")
    sender = ("import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
              f"[s.sendto(b'x',('{beta.address}',9)) for _ in range(100000)]")
    alpha.namespace.run("/usr/bin/python3", "-c", sender)
    wait_until(lambda: any("lost" in one for one in watch.events()), what="lost events being told")
    assert host.drops("switched", "endpoint") >= 100000, "and every packet went its way"


def test_a_sample_of_a_storm(host, alpha, beta, monitor):
    """One in 1,000 of 100,000 and more, from beginning to end, though the limit would be passed many times over."""
    watch = monitor("packets", "proto", "udp", "--sample", "1000")
    sender = ("import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
              f"[s.sendto(b'x',('{beta.address}',9)) for _ in range(100000)]")
    before = host.drops("switched", "endpoint")
    alpha.namespace.run("/usr/bin/python3", "-c", sender)
    packets = host.drops("switched", "endpoint") - before
    assert packets >= 100000
    cpus = os.cpu_count()
    wait_until(lambda: len(watch.events()) >= 100000 // 1000 - cpus, what="the sample")
    assert all(one.get("reason") == "switched" for one in watch.events()), "and nothing is lost"
    assert len(watch.events()) <= packets // 1000 + cpus


def test_words(host, alpha):
    del alpha
    host.cli_fails(1, "no filter 'nonsense'", "monitor", "nonsense")
    host.cli_fails(1, "no reason", "monitor", "reason", "weather")
    host.cli_fails(1, "is no port", "monitor", "port", "0")
    host.cli_fails(1, "needs a value", "monitor", "addr")
    host.cli_fails(1, "--sample is 1 to", "monitor", "packets", "--sample", "0")
    host.cli_fails(1, "which are not asked for", "monitor", "drops", "--sample", "10")
    host.cli_fails(3, "no endpoint is named", "monitor", "endpoint", "nobody")
