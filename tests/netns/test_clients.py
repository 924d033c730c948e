"""Real protocols through the NAT: out of a container, and in to its published ports, in both families.

    [alpha] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]
"""

import ftplib
import hashlib
import json
import os
import socket
import struct

import pytest

from harness.services import (
    DNS_TEXTS,
    DnsOverUdp,
    FtpServer,
    Ssh,
    dns_over_tcp,
    dns_question,
    http_files,
)
from harness.sockets import (
    TcpServer,
    UdpServer,
    echo_once,
    open_socket,
    receive_exactly,
    tcp_connect,
    udp_connect,
    udp_echo_once,
)
from harness.wait import wait_until
from harness.world import IPV4, IPV6

# 1 GB with --long.
FILE_SIZE = int(os.environ.get("CNET_FILE_SIZE", "50000000"))
MEGABYTE = 1_000_000
TRANSFER_TIMEOUT = 120 + FILE_SIZE // MEGABYTE
IPERF = ((5201, "tcp"), (5201, "udp"))
CONFIG = "[reconcile]\nsweep_period_s = 1\n[conntrack]\nudp_new_s = 2\n"


@pytest.fixture(params=[IPV4, IPV6], ids=str)
def family(request):
    return request.param


@pytest.fixture
def scene(family, make_host, make_world):
    """alpha with published ports, and the world with both families."""
    host = make_host(CONFIG)
    host.v6 = family.v6
    world = make_world(host)
    world.learn_ipv6()
    wait_until(
        lambda: any(IPV6.host in str(row) for row in host.cli("uplink", "list")), what="the uplink"
    )
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    for port, protocol in ((22, "tcp"), (80, "tcp"), (53, "tcp"), (53, "udp"), (7000, "tcp"), (7000, "udp"), *IPERF):
        host.publish(alpha, port + 8000, port, protocol)
    return host, world, alpha


@pytest.fixture
def ssh(tmp_path):
    return Ssh(tmp_path / "ssh")


@pytest.fixture(params=["out", "in"])
def way(request, family, scene):
    """(client's namespace, server's namespace, address to dial, what to add to its ports)."""
    _, world, alpha = scene
    if request.param == "out":
        return alpha.namespace, world.near, family.near, 0
    return world.near, alpha.namespace, family.host, 8000


def _url(address, port, path):
    return f"http://[{address}]:{port}/{path}" if ":" in address else f"http://{address}:{port}/{path}"


@pytest.fixture
def large_file(tmp_path):
    """A file, and where its copy should go; both are gone after the test."""
    source, copy = tmp_path / "file", tmp_path / "copy"
    piece = os.urandom(MEGABYTE)
    with open(source, "wb") as file:
        for _ in range(FILE_SIZE // MEGABYTE):
            file.write(piece)
    yield source, copy
    for path in (source, copy):
        path.unlink(missing_ok=True)


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _assert_same(source, copy):
    assert _digest(copy) == _digest(source), "the file changed on the way"


def test_curl(way, large_file):
    client, server, address, offset = way
    source, copy = large_file
    with http_files(server, source.parent):
        url = _url(address, 80 + offset, "file")
        client.run("curl", "-sSf", "-o", str(copy), url, timeout=TRANSFER_TIMEOUT)
    _assert_same(source, copy)


def test_scp(way, large_file, ssh):
    """Both directions of one ssh connection's protocol: the file to the server, and back."""
    client, server, address, offset = way
    source, copy = large_file
    with ssh.server(server, 22):
        remote = f"[{address}]:{copy}"
        ssh.copy(client, 22 + offset, source, remote, TRANSFER_TIMEOUT)
        _assert_same(source, copy)
        back = source.with_name("back")
        ssh.copy(client, 22 + offset, remote, back, TRANSFER_TIMEOUT)
    _assert_same(source, back)
    back.unlink()


def test_dns(way):
    """The answer does not fit into UDP, so the client asks again over TCP."""
    client, server, address, offset = way
    question = dns_question("long.example.org", 77)
    with DnsOverUdp(server, 53), TcpServer(server, 53, handler=dns_over_tcp):
        with udp_connect(client, address, 53 + offset) as sock:
            sock.send(question)
            cut = sock.recv(512)
        assert cut[:2] == question[:2] and cut[2] & 2, "not the truncated answer"
        with tcp_connect(client, address, 53 + offset) as sock:
            sock.sendall(struct.pack("!H", len(question)) + question)
            (size,) = struct.unpack("!H", receive_exactly(sock, 2))
            answer = receive_exactly(sock, size)
    assert answer[:2] == question[:2] and all(text in answer for text in DNS_TEXTS)


def test_moving_source_port(way):
    """As QUIC does when a client's own NAT rebinds: one conversation, from port after port."""
    client, server, address, offset = way
    with UdpServer(server, 7000) as service:
        for number, port in enumerate(range(4001, 4021)):
            with udp_connect(client, address, 7000 + offset, port) as sock:
                assert udp_echo_once(sock, b"packet %d" % number)
    ports = [port for _, port in service.peers]
    assert ports == list(range(4001, 4021)), "a free port was not kept"


def _iperf3(client, server, address, offset, *options):
    with server.spawn("iperf3", "-s", "-1"):
        wait_until(lambda: ":5201" in server.run("ss", "-Hltn").stdout, what="iperf3 listening")
        done = client.run(
            "iperf3", "-J", "-c", address, "-p", str(5201 + offset), *options
        )
    return json.loads(done.stdout)["end"]


def test_iperf3(way):
    """TCP and UDP, either end sending; so slow that a busy machine's buffers hold half a second of it."""
    for reverse in ([], ["-R"]):
        tcp = _iperf3(*way, "-n", "100M", *reverse)
        assert tcp["sum_received"]["bytes"] > 90_000_000, tcp
        udp = _iperf3(*way, "-u", "-b", "3M", "-t", "1", *reverse)["sum"]
        assert udp["packets"] > 100 and udp["lost_percent"] < 1, udp


def test_idle_connection(scene, way):
    """Longer idle than a UDP flow lives without an answer; the connection stays, that flow goes."""
    host, _, _ = scene
    client, server, address, offset = way

    def unanswered():
        return [flow for flow in host.cli("ct", "list") if flow["protocol"] == "udp"]

    with TcpServer(server, 7000), tcp_connect(client, address, 7000 + offset, 4001) as sock:
        assert echo_once(sock)
        with open_socket(server, socket.SOCK_DGRAM, "::", 7000), udp_connect(
            client, address, 7000 + offset, 4002
        ) as silent:
            silent.send(b"nobody answers")
            wait_until(unanswered, what="the unanswered flow")
        wait_until(lambda: not unanswered(), 60, "the unanswered flow being collected")
        assert echo_once(sock, b"still there?")
        established = [flow["state"] for flow in host.cli("ct", "list")]
    assert established == ["established"]


def test_ftp_passive(family, scene):
    """Out of the container: the second connection is one like any other."""
    _, world, alpha = scene
    content = os.urandom(2_000_000)
    received = []
    with FtpServer(world.near, family.near, content), alpha.namespace.entered():
        with ftplib.FTP(timeout=30) as client:
            client.connect(family.near)
            client.login()
            client.retrbinary("RETR file", received.append)
    assert b"".join(received) == content
