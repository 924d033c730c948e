"""Containers with an address from a DHCP server: what they may send follows their lease.

    [alpha] [beta]     [lan] eth0 10.88.1.50, dnsmasq --- lan0
        \\     |         |
         network red 10.88.1.0/24 --- the host --- 198.18.0.1 --- 198.18.0.2 [near]
"""

import signal

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from harness import world as outside
from harness.dhcp import addresses_of, dhcp_client, dhcp_server, is_in_range, lease_of, send_answer
from harness.frames import Tap
from harness.icmp import ping
from harness.lan import Lan
from harness.sockets import SILENCE
from harness.wait import wait_until


def lease(host, name="alpha"):
    return host.cli("endpoint", "show", name)["lease"]


def wait_for_lease(host, address, name="alpha"):
    """None: for its end."""
    wait_until(
        lambda: (lease(host, name) or {}).get("address") == address,
        60,
        f"{name}'s lease being {address}",
    )


def may_send_from(host, container, address, to):
    """Does a packet from this address get away? The counter of spoofed ones tells when not."""
    before = host.drops("spoofed_ip", "endpoint"), host.drops("switched", "endpoint")
    with Tap(container.namespace) as out:
        out.send(
            Ether(src=container.mac, dst=to.mac) / IP(src=address, dst=to.address) / UDP(sport=9, dport=9) / b"hello"
        )
    wait_until(
        lambda: host.drops("spoofed_ip", "endpoint") > before[0]
        or host.drops("switched", "endpoint") > before[1],
        60,
        "the packet being counted",
    )
    return host.drops("spoofed_ip", "endpoint") == before[0]


def test_dhcp_client_behind_us(host, red, world, alpha, lan, tmp_path):
    """A container gets its lease from a real server on an attached device. From then on it sends
    from that address, is reached by it, and by no other of its neighbours'.
    """
    beta = host.container(red, "beta")
    first, last = red.address(100), red.address(110)
    alpha.namespace.ip("addr flush dev eth0 scope global")
    for address in (first, last, beta.address, red.gateway):
        assert not may_send_from(host, alpha, address, lan)
    with dhcp_server(lan.namespace, tmp_path, first, last):
        (address,) = lease_of(alpha.namespace, tmp_path)
    assert is_in_range(address, first, last)
    wait_for_lease(host, address)
    assert 3000 < lease(host)["ends_in_s"] <= 3600
    (row,) = [row for row in host.cli("neigh", "show", "red") if row["address"] == address]
    assert row["endpoint"] == "alpha" and row["type"] == "dhcp" and row["ends_in_s"] > 3000
    assert ping(alpha.namespace, lan.address) == "reply"
    assert ping(beta.namespace, address) == "reply"
    assert ping(host.namespace, address) == "reply"
    del world
    alpha.namespace.ip(f"route add default via {red.gateway}")
    assert ping(alpha.namespace, outside.NEAR) == "reply"
    for other in {first, last, red.address(105), beta.address, red.gateway} - {address}:
        assert not may_send_from(host, alpha, other, lan)
    _, done = host.cli_raw("endpoint", "show", "alpha", json_output=False)
    assert address in done.stdout

    # The endpoint's own address needs no lease.
    alpha.namespace.ip("addr flush dev eth0 scope global")
    (tmp_path / "leases").unlink()
    reserved = f"--dhcp-host={alpha.mac},{alpha.address}"
    with dhcp_server(lan.namespace, tmp_path, first, last, reserved):
        assert lease_of(alpha.namespace, tmp_path) == [alpha.address]
    wait_for_lease(host, None)
    assert ping(alpha.namespace, lan.address) == "reply"
    assert not may_send_from(host, alpha, address, lan)


def test_lease_outlives_the_daemon(host, red, alpha, lan, tmp_path):
    alpha.namespace.ip("addr flush dev eth0 scope global")
    with dhcp_server(lan.namespace, tmp_path, red.address(100), red.address(110)):
        (address,) = lease_of(alpha.namespace, tmp_path)
    wait_for_lease(host, address)
    host.restart()
    assert lease(host)["address"] == address and 3000 < lease(host)["ends_in_s"] <= 3600
    assert ping(alpha.namespace, lan.address) == "reply"
    assert ping(host.namespace, address) == "reply"
    # Nobody else is given the address, by us or by a server.
    _, done = host.cli_raw(
        "endpoint", "create", "red", "thief", "--netns", alpha.namespace.name, "--ifname", "eth9", "--ip", address
    )
    assert done.returncode != 0 and "alpha" in done.stderr, done.stderr
    beta = host.container(red, "beta")
    send_answer(lan.namespace, beta.mac, "ack", address)
    send_answer(lan.namespace, beta.mac, "ack", red.address(120))
    wait_for_lease(host, red.address(120), "beta")
    assert lease(host)["address"] == address


def test_lease_is_released(host, red, alpha, lan, tmp_path):
    alpha.namespace.ip("addr flush dev eth0 scope global")
    with dhcp_server(lan.namespace, tmp_path, red.address(100), red.address(110)):
        with dhcp_client(alpha.namespace, tmp_path) as client:
            wait_until(lambda: lease(host), 60, "a lease")
            address = lease(host)["address"]
            events = tmp_path / "events"
            wait_until(lambda: "bound" in events.read_text(), 60, "the address")
            assert addresses_of(alpha.namespace) == [address]
            client.signal(signal.SIGUSR1)
            wait_until(lambda: "renew" in events.read_text(), 60, "the lease being renewed")
            assert ping(alpha.namespace, lan.address) == "reply"
            client.signal(signal.SIGUSR2)
            wait_for_lease(host, None)
    assert not may_send_from(host, alpha, address, lan)


def test_lease_ends(make_host, tmp_path):
    """By itself, or because the server takes it back."""
    host = make_host("[reconcile]\nsweep_period_s = 1\n")
    red = host.network("red", "10.88.1.0/24")
    alpha = host.container(red, "alpha")
    with Lan(host, red) as lan:
        host.attach(red, lan.device)
        send_answer(lan.namespace, alpha.mac, "ack", red.address(100), 2)
        wait_for_lease(host, red.address(100))
        wait_for_lease(host, None)
        assert not may_send_from(host, alpha, red.address(100), lan)
        send_answer(lan.namespace, alpha.mac, "ack", red.address(100))
        wait_for_lease(host, red.address(100))
        assert may_send_from(host, alpha, red.address(100), lan)
        send_answer(lan.namespace, alpha.mac, "ack", red.address(101))
        wait_for_lease(host, red.address(101))
        assert not may_send_from(host, alpha, red.address(100), lan)
        send_answer(lan.namespace, alpha.mac, "nak", destination_mac="ff:ff:ff:ff:ff:ff")
        wait_for_lease(host, None)
        assert not may_send_from(host, alpha, red.address(101), lan)


def test_forged_answers(host, red, alpha, lan):
    """What a container says as a server is not believed, nor what would give somebody's address."""
    beta = host.container(red, "beta")
    send_answer(beta.namespace, alpha.mac, "ack", red.address(130))
    send_answer(alpha.namespace, alpha.mac, "ack", red.address(131), destination_mac=lan.mac)
    for taken in (red.gateway, beta.address, red.address(0), red.address(255), "127.0.0.1", "224.0.0.5"):
        send_answer(lan.namespace, alpha.mac, "ack", taken)
    # Read in order: this one is the last, and the only one that is believed.
    send_answer(lan.namespace, beta.mac, "ack", red.address(140))
    wait_for_lease(host, red.address(140), "beta")
    assert lease(host) is None
    assert not may_send_from(host, alpha, red.address(130), lan)
    # What went before it is kept when a lease goes with its endpoint.
    host.cli("endpoint", "delete", "beta")
    assert not [row for row in host.cli("neigh", "show", "red") if row["address"] == red.address(140)]


def test_server_on_the_host(host, red, alpha, tmp_path):
    """dnsmasq on the gateway's device, as libvirt has it."""
    alpha.namespace.ip("addr flush dev eth0 scope global")
    gateway = host.cli("network", "show", "red")["host_port"]
    with dhcp_server(
        host.namespace, tmp_path, red.address(100), red.address(110), device=gateway
    ):
        (address,) = lease_of(alpha.namespace, tmp_path)
    wait_for_lease(host, address)
    assert ping(alpha.namespace, red.gateway) == "reply"
    assert ping(host.namespace, address) == "reply"
