"""`cnet-bpf capture`: what the programs see, as a file for others.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network red --- [alpha] [beta]
"""

import os
import signal
import subprocess

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness import pcapng
from harness import world as outside
from harness.frames import Tap
from harness.sockets import TcpServer, echo_once, tcp_connect
from harness.wait import wait_until

class Capture:
    def __init__(self, host, *words):
        self.path = os.path.join(host.root, "taken.pcapng")
        self.process = host.namespace.spawn(*host.command("capture", "-w", self.path, *words))
        wait_until(lambda: self.process.poll() is not None or host.watchers(), what="a watcher")

    def packets(self):
        return pcapng.read(self.path)

    def close(self, how=signal.SIGINT):
        self.process.signal(how)
        self.process.wait()
        self.process.close()


@pytest.fixture
def capture(host):
    made = []

    def make(*words):
        made.append(Capture(host, *words))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.close()


def dumped(path):
    return subprocess.run(
        ["tcpdump", "-nn", "-r", path], check=True, capture_output=True, text=True, timeout=60
    ).stdout.splitlines()


def test_both_directions_of_a_flow(host, world, alpha, capture):
    """As they go on, so with the addresses that they get."""
    device = host.cli("endpoint", "show", "alpha")["host_ifname"]
    taken = capture("proto", "tcp", "port", "443")
    with TcpServer(world.near, 443), tcp_connect(alpha.namespace, outside.NEAR, 443, 40123) as stream:
        assert echo_once(stream)

        def seen():
            frames = [(one, Ether(one.frame)) for one in taken.packets()]
            return {(one.device, one.about, one.direction, frame[IP].src, frame[IP].dst) for one, frame in frames}

        wanted = {
            (device, "alpha", pcapng.INBOUND, outside.HOST, outside.NEAR),
            (outside.UPLINK, "", pcapng.INBOUND, outside.NEAR, alpha.address),
        }
        wait_until(lambda: wanted <= seen(), what="both directions in the file")
    taken.close()
    packets = taken.packets()
    began = f"flow_new  snat  tcp {alpha.address}:40123 -> {outside.NEAR}:443  becomes {outside.HOST}:40123"
    assert began in packets[0].comment
    assert len(dumped(taken.path)) == len(packets) > 4


def test_a_drop_is_taken_whole_and_cut(host, alpha, beta, capture):
    frame = (
        Ether(src=alpha.mac, dst=beta.mac) / IP(src="10.88.1.99", dst=beta.address) / UDP(sport=5, dport=9) / Raw(b"x" * 900)
    )
    for words, length in (((), 942), (("--snaplen", "60"), 60)):
        taken = capture("drops", "--count", "1", *words)
        with Tap(alpha.namespace) as tap:
            tap.send(frame)
        taken.process.wait()
        (got,) = taken.packets()
        assert (got.frame, got.wire_bytes) == (bytes(frame)[:length], 942)
        assert "spoofed_ip" in got.comment
        assert "1 packets captured, 0 lost" in taken.process.stdout.read()


def test_into_a_pipe(host, alpha, beta):
    """What tcpdump reads of it while it runs; it ends with it, though no more packets come."""
    piped = host.namespace.spawn(
        "bash", "-c", f"{' '.join(host.command('capture', 'proto', 'icmp', '-w', '-'))} | tcpdump -nn -l -c 1 -r -",
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    traffic = alpha.namespace.spawn("ping", "-i", "0.1", beta.address, stdout=subprocess.DEVNULL)
    try:
        assert "ICMP echo" in piped.stdout.readline()
        traffic.close()
        wait_until(lambda: not host.watchers(), what="the end of a capture that nobody reads")
    finally:
        traffic.close()
        piped.close()


def test_what_cannot_be_written(host, alpha):
    del alpha
    host.cli_fails(1, "--snaplen is 1 to 2048", "capture", "--snaplen", "5000", "-w", "x")
    host.cli_fails(2, "No such file or directory", "capture", "-w", "/nowhere/x")
    host.cli_fails(2, "No space left on device", "capture", "-w", "/dev/full")
