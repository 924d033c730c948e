"""From processes of the host to published ports: connect, sendmsg, recvmsg and getpeername, with no
proxy process.

    processes of the host --- 127.0.0.1, ::1, 198.18.0.1 (uplink), 10.88.1.1 (gateway)
                              network red 10.88.1.0/24, fd00:88:1::/64 --- [alpha: published] [beta]
"""

import contextlib
import errno
import os
import select
import socket
import struct

import pytest

from harness import cgroup
from harness import world as outside
from harness.host import pins
from harness.netns import Namespace
from harness.sockets import (
    SILENCE,
    TcpServer,
    UdpServer,
    echo_once,
    open_socket,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_echo_once,
    udp_talk,
)
from harness.topology import Network
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(not cgroup.cgroup2(), reason="this machine has no cgroup2")

GATEWAY = "10.88.1.1"
GATEWAY6 = "fd00:88:1::1"
ALPHA = "10.88.1.2"
ALPHA6 = "fd00:88:1::2"
V4_LOCAL = ("127.0.0.1", "127.9.8.7", outside.HOST, GATEWAY)
IP_PKTINFO = 8


@pytest.fixture
def red(host, world):
    del world
    host.cli(
        "network", "create", "red", "--subnet", "10.88.1.0/24", "--subnet", "fd00:88:1::/64"
    )
    return Network("red", "10.88.1.0/24")


@pytest.fixture
def alpha(host, red):
    """On both families, both services on both: TCP 80 and UDP 53 echo."""
    namespace = Namespace("alpha")
    host.cli(
        *("endpoint", "create", "red", "alpha", "--netns", namespace.path),
        *("--ip", ALPHA, "--ip", ALPHA6),
    )
    yield namespace
    namespace.close()


@pytest.fixture
def alpha4(host, red):
    """On IPv4 alone."""
    return host.container(host.network("blue", "10.88.2.0/24"), "four").namespace


@pytest.fixture
def services(alpha):
    with TcpServer(alpha, 80, "::") as tcp, UdpServer(alpha, 53, "::") as udp:
        yield tcp, udp


def mapped(address):
    return f"::ffff:{address}"


def udp_socket(host, family, address="", port=0):
    sock = open_socket(host.namespace, socket.SOCK_DGRAM, address, port, family)
    sock.settimeout(SILENCE * 5)
    return sock


def unconnected_echo(sock, address, port, payload=b"who are you?"):
    """Who seems to answer a datagram from an unconnected socket."""
    sock.sendto(payload, (address, port))
    data, peer = sock.recvfrom(2048)
    assert data == payload
    return peer[:2]


def error_of(call):
    with pytest.raises(OSError) as caught:
        call()
    return errno.errorcode[caught.value.errno]


ROWS = [(socket.AF_INET, address) for address in V4_LOCAL]
ROWS += [(socket.AF_INET6, mapped(address)) for address in V4_LOCAL]
ROWS += [(socket.AF_INET6, "::1"), (socket.AF_INET6, GATEWAY6)]


def test_every_way_to_a_wildcard(host, services):
    """TCP, connected and unconnected UDP, to every address of the host and of both families; each
    sees what it dialled, the container sees the gateway's address.
    """
    tcp, udp = services
    host.cli("port", "publish", "alpha", "8080:80")
    host.cli("port", "publish", "alpha", "8053:53/udp")
    for family, address in ROWS:
        with tcp_connect(host.namespace, address, 8080) as sock:
            assert sock.family == family
            assert echo_once(sock), address
            assert sock.getpeername()[:2] == (address, 8080)
            assert sock.getsockname()[0] in (GATEWAY, mapped(GATEWAY), GATEWAY6)
        with udp_connect(host.namespace, address, 8053) as sock:
            assert udp_echo_once(sock), address
            assert sock.getpeername()[:2] == (address, 8053)
            sock.send(b"again")
            assert sock.recvfrom(2048)[1][:2] == (address, 8053)
        with udp_socket(host, family) as sock:
            assert unconnected_echo(sock, address, 8053) == (address, 8053)
    sources = {peer[0] for peer in tcp.peers + udp.peers}
    assert sources == {GATEWAY, GATEWAY6}
    assert len(tcp.peers) == len(ROWS) and len(udp.peers) == 3 * len(ROWS)
    assert host.drops("sock_dialled", "sock") == 3 * len(ROWS)
    assert host.drops("sock_shown", "sock") >= 4 * len(ROWS)


def test_nothing_dialled_is_loopback(host, services):
    """0.0.0.0 and :: mean this host, as they do to the kernel."""
    host.cli("port", "publish", "alpha", "8080:80")
    host.cli("port", "publish", "alpha", "8053:53/udp")
    for family, address, shown in (
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET6, "::", "::1"),
        (socket.AF_INET6, mapped("0.0.0.0"), mapped("127.0.0.1")),
    ):
        with tcp_connect(host.namespace, address, 8080) as sock:
            assert echo_once(sock) and sock.getpeername()[:2] == (shown, 8080)
        with udp_socket(host, family) as sock:
            assert unconnected_echo(sock, address, 8053) == (shown, 8053)


@pytest.mark.parametrize(
    "host_ip, reached",
    [
        ("127.0.0.1", {"127.0.0.1"}),
        (outside.HOST, {outside.HOST}),
        ("[::1]", {"::1"}),
    ],
)
def test_single_address(host, services, host_ip, reached):
    """Published on one address, a port is no port of the others, loopback included."""
    host.cli("port", "publish", "alpha", f"{host_ip}:8080:80")
    host.cli("port", "publish", "alpha", f"{host_ip}:8053:53/udp")
    reached = reached | {mapped(address) for address in reached if ":" not in address}
    for family, address in ROWS:
        expected = "echoed" if address in reached else "refused"
        assert tcp_talk(host.namespace, address, 8080) == expected, address
        assert udp_talk(host.namespace, address, 8053) == expected, address
        if expected == "echoed":
            with udp_socket(host, family) as sock:
                assert unconnected_echo(sock, address, 8053) == (address, 8053)


def test_range_and_the_hosts_own_ports(host, services):
    """A port of a range keeps its distance; servers of the host beside it are its own."""
    host.cli("port", "publish", "alpha", "9000-9003:78-81")
    assert tcp_talk(host.namespace, "127.0.0.1", 9002) == "echoed"
    with TcpServer(host.namespace) as own, UdpServer(host.namespace) as own_udp:
        assert tcp_talk(host.namespace, "127.0.0.1", own.port) == "echoed"
        assert udp_talk(host.namespace, outside.HOST, own_udp.port) == "echoed"
        assert own.peers[0][0] == "127.0.0.1"
    tcp, _ = services
    assert len(tcp.peers) == 1


def test_endpoint_without_ipv6(host, alpha4):
    """::1 reaches it over IPv4, but for a datagram from an unconnected socket, which the kernel
    cannot send to another family: that is refused, and counted.
    """
    host.cli("port", "publish", "four", "8080:80")
    host.cli("port", "publish", "four", "8053:53/udp")
    with TcpServer(alpha4, 80), UdpServer(alpha4, 53):
        with tcp_connect(host.namespace, "::1", 8080) as sock:
            assert echo_once(sock) and sock.getpeername()[:2] == ("::1", 8080)
        with udp_connect(host.namespace, "::1", 8053) as sock:
            assert udp_echo_once(sock) and sock.getpeername()[:2] == ("::1", 8053)
        with udp_socket(host, socket.AF_INET6) as sock:
            assert error_of(lambda: sock.sendto(b"?", ("::1", 8053))) == "ECONNREFUSED"
            assert unconnected_echo(sock, mapped("127.0.0.1"), 8053)
    assert host.drops("sock_no_target", "sock") == 1


def test_bound_before(host, services):
    """From an address of the host the container sees that address; from loopback nothing can be
    reached, and the process is told so at once.
    """
    tcp, udp = services
    host.cli("port", "publish", "alpha", "8080:80")
    host.cli("port", "publish", "alpha", "8053:53/udp")
    with tcp_connect(host.namespace, "127.0.0.1", 8080, source=outside.HOST) as sock:
        assert echo_once(sock)
    assert tcp.peers[-1][0] == outside.HOST
    for source, address in (
        ("127.0.0.1", "127.0.0.1"),
        (mapped("127.0.0.1"), mapped("127.0.0.1")),
        ("::1", "::1"),
    ):
        call = lambda: tcp_connect(host.namespace, address, 8080, source=source)
        assert error_of(call) == "EADDRNOTAVAIL", source
        with udp_socket(host, socket.AF_INET, source) as sock:
            assert error_of(lambda: sock.sendto(b"?", (address, 8053))) == "EADDRNOTAVAIL"
            assert error_of(lambda: sock.connect((address, 8053))) == "EADDRNOTAVAIL"
    assert udp.peers == []
    assert host.drops("sock_loopback_source", "sock") == 9


def test_source_named_for_one_datagram(host, services):
    """IP_PKTINFO with 127.0.0.1 on a socket that is bound to nothing: the gateway's address does."""
    host.cli("port", "publish", "alpha", "8053:53/udp")
    with udp_socket(host, socket.AF_INET) as sock:
        source = struct.pack("=I4s4s", 0, socket.inet_aton("127.0.0.1"), bytes(4))
        sock.sendmsg(
            [b"?"], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, ("127.0.0.1", 8053)
        )
        assert sock.recvfrom(2048) == (b"?", ("127.0.0.1", 8053))


def test_one_socket_to_many_ports(host, alpha):
    """An unconnected socket remembers eight; for a ninth the first is forgotten, and looks like what
    it is until it is dialled again.
    """
    host.cli("port", "publish", "alpha", "9000-9008:5000-5008/udp")
    with contextlib.ExitStack() as stack:
        for port in range(5000, 5009):
            stack.enter_context(UdpServer(alpha, port))
        sock = stack.enter_context(udp_socket(host, socket.AF_INET))
        for port in range(9000, 9008):
            assert unconnected_echo(sock, "127.0.0.1", port) == ("127.0.0.1", port)
        assert host.drops("sock_peers_full", "sock") == 0
        sock.sendto(b"first", ("127.0.0.1", 9000))
        wait_until(lambda: select.select([sock], [], [], 0)[0], what="the answer of the first")
        sock.sendto(b"ninth", ("127.0.0.1", 9008))
        assert host.drops("sock_peers_full", "sock") == 1
        seen = {sock.recvfrom(2048) for _ in range(2)}
        assert seen == {(b"first", (ALPHA, 5000)), (b"ninth", ("127.0.0.1", 9008))}
        assert unconnected_echo(sock, "127.0.0.1", 9000) == ("127.0.0.1", 9000)


def test_endpoint_dialled_itself(host, services):
    """What was dialled before does not stick to an address that is dialled for its own sake."""
    host.cli("port", "publish", "alpha", "8053:53/udp")
    with udp_socket(host, socket.AF_INET) as sock:
        assert unconnected_echo(sock, "127.0.0.1", 8053) == ("127.0.0.1", 8053)
        assert unconnected_echo(sock, ALPHA, 53) == (ALPHA, 53)
        assert unconnected_echo(sock, outside.HOST, 8053) == (outside.HOST, 8053)
        sock.connect((ALPHA, 53))
        assert sock.getpeername() == (ALPHA, 53)
        sock.connect(("127.0.0.1", 8053))
        assert sock.getpeername() == ("127.0.0.1", 8053)


def test_memory_for_sockets_is_used_up(host, services):
    """A connection works all the same; the process sees the endpoint."""
    host.cli("port", "publish", "alpha", "8080:80")
    try:
        host.namespace.sysctl("net/core/optmem_max", 1)
    except FileNotFoundError:
        pytest.skip("optmem_max is the whole machine's before kernel 6.7")
    with tcp_connect(host.namespace, "127.0.0.1", 8080) as sock:
        assert echo_once(sock) and sock.getpeername() == (ALPHA, 80)
    assert host.drops("sock_no_memory", "sock") == 1


def test_containers_are_not_concerned(host, alpha, services):
    """Their processes, this one in their namespace, are in the same cgroup: loopback is their own,
    and the host's address leads through the hairpin.
    """
    host.cli("port", "publish", "alpha", "8080:80")
    host.cli("port", "publish", "alpha", "8053:53/udp")
    assert tcp_talk(alpha, "127.0.0.1", 8080) == "refused"
    assert tcp_talk(alpha, "::1", 8080) == "refused"
    assert udp_talk(alpha, "127.0.0.1", 8053) == "refused"
    with tcp_connect(alpha, outside.HOST, 8080) as sock:
        assert echo_once(sock) and sock.getpeername() == (outside.HOST, 8080)
    assert [row for row in host.cli("drops", "show") if row["hook"] == "sock"] == []


def test_only_processes_of_the_cgroup(make_host, make_world):
    """Elsewhere a published port is one that nobody answers on, and status says which cgroup it is.

    The cgroup is changed by a restart, made anew, and missing.
    """
    inner = os.path.join(cgroup.path(), "inner")
    os.mkdir(inner)
    try:
        host = make_host(f'[sock]\ncgroup = "{inner}"\n[reconcile]\nperiod_s = 1\n')
        make_world(host)
        one = host.container(host.network("red", "10.88.1.0/24"), "one")
        host.publish(one, 8080, 80)
        with TcpServer(one.namespace, 80):
            assert tcp_talk(host.namespace, "127.0.0.1", 8080, timeout=SILENCE) == "silent"
            assert sock_status(host) == {"enabled": True, "cgroup": inner, "error": None}
            os.rmdir(inner)
            wait_until(lambda: sock_status(host)["error"], what="the missing cgroup being noticed")
            assert sock_status(host)["error"] == f"there is no cgroup {inner}"
            assert host.log().count(f"there is no cgroup {inner}") == 1
            os.mkdir(inner)
            wait_until(lambda: sock_status(host)["cgroup"] == inner, what="it being used again")
            configure(host, cgroup.config())
            assert tcp_talk(host.namespace, "127.0.0.1", 8080) == "echoed"
            configure(host, "[sock]\nenabled = false\n")
            assert tcp_talk(host.namespace, "127.0.0.1", 8080, timeout=SILENCE) == "silent"
            assert sock_status(host) == {"enabled": False, "cgroup": None, "error": None}
            assert not [name for name in pins(host) if name.startswith("links/sock")]
    finally:
        os.rmdir(inner)


def sock_status(host):
    return host.cli("status")["sock"]


def configure(host, text):
    with open(host.config_path, "w", encoding="utf-8") as file:
        file.write(text)
    host.restart()


def test_killed_and_restarted(host, services):
    """Between kill -9 and the next start nothing changes for old and new sockets."""
    host.cli("port", "publish", "alpha", "8080:80")
    host.cli("port", "publish", "alpha", "8053:53/udp")
    with tcp_connect(host.namespace, "127.0.0.1", 8080) as old, udp_socket(
        host, socket.AF_INET
    ) as datagrams:
        assert echo_once(old)
        assert unconnected_echo(datagrams, "127.0.0.1", 8053) == ("127.0.0.1", 8053)
        links = [name for name in pins(host) if name.startswith("links/sock")]
        assert len(links) == 8
        for revive in (host.kill9, host.start):
            revive()
            assert echo_once(old) and old.getpeername() == ("127.0.0.1", 8080)
            assert unconnected_echo(datagrams, "127.0.0.1", 8053) == ("127.0.0.1", 8053)
            assert tcp_talk(host.namespace, "::1", 8080) == "echoed"
        assert [name for name in pins(host) if name.startswith("links/sock")] == links
    rows = [row for row in host.cli("prog", "list") if row["hook"] == "sock"]
    assert len(rows) == 8
    assert {row["cgroups"][0]["path"] for row in rows} == {cgroup.path()}


def test_unpublished_and_published_again(host, alpha, services):
    """What is connected stays with the endpoint that it reached; what dials anew finds the new one,
    each datagram of an unconnected socket too.
    """
    beta = Namespace("beta")
    host.cli(
        "endpoint", "create", "red", "beta", "--netns", beta.path, "--ip", "10.88.1.3"
    )
    host.cli("port", "publish", "alpha", "8080:80")
    host.cli("port", "publish", "alpha", "8053:53/udp")
    with tcp_connect(host.namespace, "127.0.0.1", 8080) as tcp, udp_connect(
        host.namespace, "127.0.0.1", 8053
    ) as connected, udp_socket(host, socket.AF_INET) as free, TcpServer(
        beta, 80
    ) as at_beta, UdpServer(beta, 53) as udp_at_beta:
        assert echo_once(tcp) and udp_echo_once(connected)
        host.cli("port", "unpublish", "alpha", "8080:80/tcp")
        host.cli("port", "unpublish", "alpha", "8053:53/udp")
        assert tcp_talk(host.namespace, "127.0.0.1", 8080) == "refused"
        assert udp_talk(host.namespace, "127.0.0.1", 8053) == "refused"
        host.cli("port", "publish", "beta", "8080:80")
        host.cli("port", "publish", "beta", "8053:53/udp")
        assert tcp_talk(host.namespace, "127.0.0.1", 8080) == "echoed"
        assert unconnected_echo(free, "127.0.0.1", 8053) == ("127.0.0.1", 8053)
        assert (len(at_beta.peers), len(udp_at_beta.peers)) == (1, 1)
        assert echo_once(tcp) and udp_echo_once(connected)
        assert tcp.getpeername() == connected.getpeername()[:1] + (8080,)
        assert (len(at_beta.peers), len(udp_at_beta.peers)) == (1, 1)
    host.cli("endpoint", "delete", "beta")
    beta.close()
