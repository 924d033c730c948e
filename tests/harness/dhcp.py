"""Real DHCP servers and clients in namespaces, and messages that no real one would send."""

import contextlib
import ipaddress

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from .frames import Tap

LEASE = """#!/bin/sh
case $1 in
bound|renew) ip addr flush dev $interface scope global; ip addr add $ip/$mask dev $interface ;;
esac
echo $1 >> $(dirname $0)/events
"""


def dhcp_server(namespace, directory, first, last, *options, device="eth0"):
    """A real dnsmasq on a device of a namespace, which has an address already."""
    return namespace.spawn(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-"),
        *("--port=0", f"--interface={device}", "--bind-interfaces", "--user=root", "--pid-file="),
        *(f"--dhcp-range={first},{last},1h", f"--dhcp-leasefile={directory}/leases"),
        *("--log-dhcp", *options),
    )


def _client(directory, *options):
    script = directory / "udhcpc.sh"
    script.write_text(LEASE)
    script.chmod(0o755)
    return ["busybox", "udhcpc", "-i", "eth0", "-s", str(script), "-t", "10", "-T", "1", *options]


def lease_of(namespace, directory):
    """What a DHCP client in a namespace is given: it asks once, and sets the address."""
    namespace.run(*_client(directory, "-n", "-q"))
    return addresses_of(namespace)


@contextlib.contextmanager
def dhcp_client(namespace, directory):
    """One that stays: SIGUSR1 renews, SIGUSR2 releases. `events` in the directory has a word for each
    thing that it has done ("bound", "renew").
    """
    with namespace.spawn(*_client(directory, "-f")) as client:
        yield client


def addresses_of(namespace):
    return [
        entry["local"]
        for entry in namespace.links()["eth0"]["addr_info"]
        if entry["family"] == "inet"
    ]


def send_answer(namespace, client_mac, kind, address="0.0.0.0", seconds=3600, server=None, **how):
    """A server's ack or nak from eth0 of a namespace, as itself unless `how` says otherwise."""
    mac = how.get("source_mac") or namespace.mac("eth0")
    server = server or addresses_of(namespace)[0]
    options = [("message-type", kind), ("server_id", server)]
    if kind == "ack":
        options += [("lease_time", seconds), ("subnet_mask", "255.255.255.0")]
    frame = (
        Ether(src=mac, dst=how.get("destination_mac") or client_mac)
        / IP(src=server, dst="255.255.255.255")
        / UDP(sport=67, dport=68)
        / BOOTP(op=2, yiaddr=address, chaddr=bytes.fromhex(client_mac.replace(":", "")), xid=1)
        / DHCP(options=options + ["end"])
    )
    with Tap(namespace) as tap:
        tap.send(frame)


def is_in_range(address, first, last):
    return (
        ipaddress.ip_address(first) <= ipaddress.ip_address(address) <= ipaddress.ip_address(last)
    )
