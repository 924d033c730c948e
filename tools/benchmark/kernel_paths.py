"""Contenders of the kernel, each built as the real products build it.

    loopback     one namespace, no device but lo: what two network stacks in one cost
    wire, veth   two namespaces and a veth pair: the least that two namespaces can cost
    bridge       what a Docker network is by default: a bridge, br_netfilter off, so that Docker's
                 rules do not see what containers send each other
    bridge-nf    the same with br_netfilter on (Docker with icc=false or without its proxy,
                 Kubernetes): Docker's rules and connection tracking see every packet
    macvlan      devices of their own on the host's uplink, switched by it; no NAT, no isolation
    routed       outside - host - container, forwarded without any rule: the least that a
                 published port can cost
    iptables     a published port as Docker 28 shapes it, by nf_tables or by the old ip_tables
    nftables     a published port as somebody who knows nftables would write it: one map for the
                 translation, one verdict map for the filter
"""

import os
import pathlib
import subprocess

from .addresses import IPV4, IPV6
from .docker_rules import docker_rules
from .lab import BenchError, wire
from .path import Contender, Path

LOAD_BR_NETFILTER = pathlib.Path(__file__).resolve().parent.parent / "lib/br_netfilter"
BRIDGE, UPLINK = "docker0", "uplink0"
HOST_PORT, SERVER_PORT = 8080, 5201
OTHER_PORTS_FROM = 20000


class Loopback(Contender):
    def build(self, lab):
        alone = lab.namespace("alone")
        return Path(alone, alone, "127.0.0.1", SERVER_PORT, SERVER_PORT)


class BareVeth(Contender):
    def build(self, lab):
        client, server = lab.namespace("client"), lab.namespace("server")
        first, second = (self.family.on_link(one) for one in (self.family.first, self.family.second))
        wire(client, "eth0", first, server, "eth0", second)
        return Path(client, server, self.family.second, SERVER_PORT, SERVER_PORT)


def add_container(lab, host, port, address, family=IPV4):
    """A container on the bridge of this host, as an engine makes one."""
    container = lab.namespace("container")
    wire(host, port, None, container, "eth0", family.on_link(address))
    host.ip(f"link set {port} master {BRIDGE}")
    container.ip(f"route add default via {family.gateway}")
    return container


def bridge_host(lab, netfilter, family=IPV4):
    host = lab.namespace("host")
    if netfilter and subprocess.run([LOAD_BR_NETFILTER], check=False).returncode != 0:
        raise BenchError("br_netfilter cannot be loaded")
    if os.path.isdir("/proc/sys/net/bridge"):  # else no bridge of this kernel hands anything to iptables
        for tool in ("iptables", "ip6tables"):
            host.sysctl(f"net/bridge/bridge-nf-call-{tool}", int(netfilter))
    host.sysctl(family.forwarding, 1)
    host.ip(
        f"link add {BRIDGE} type bridge forward_delay 0",
        f"addr add {family.on_link(family.gateway)} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )
    return host


class Bridge(Contender):
    """Two containers on a bridge, with `others` more beside them."""

    def __init__(self, name, label, others=0, family=IPV4):
        super().__init__(name, label, family)
        self._others = others

    def build(self, lab):
        return self._build(lab, bridge_host(lab, netfilter=False, family=self.family))

    def _build(self, lab, host):
        client = add_container(lab, host, "veth1", self.family.first, self.family)
        server = add_container(lab, host, "veth2", self.family.second, self.family)
        if self._others:
            self._crowd(host, lab.namespace("others"))
        return Path(client, server, self.family.second, SERVER_PORT, SERVER_PORT)

    def _crowd(self, host, pod):
        """One namespace for all: to the bridge each is a port as any other."""
        # What a thousand new devices announce would meet each other for minutes.
        pod.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        numbers = range(self._others)
        pairs = (
            f"link add p{number} type veth peer name eth{number} netns {pod.path}"
            for number in numbers
        )
        ports = (f"link set p{number} master {BRIDGE} up" for number in numbers)
        host.ip(*pairs, *ports)
        pod.ip(*(f"link set eth{number} up" for number in numbers))


class NetfilterBridge(Bridge):
    def build(self, lab):
        self._host = bridge_host(lab, netfilter=True)
        self._host.run("iptables-restore", given=docker_rules(BRIDGE, self.family))
        return self._build(lab, self._host)

    def carried(self):
        return rule_packets(self._host, "-A DOCKER-CT ")


def rule_packets(host, beginning):
    """What iptables has counted for the rules that begin so."""
    counted = 0
    for line in host.run("iptables-save", "--counters").splitlines():
        counters, _, rule = line.partition(" ")
        if rule.startswith(beginning):
            counted += int(counters.strip("[]").split(":")[0])
    return counted


class Wire(Contender):
    """A host and an outside host on one segment: the host's own traffic."""

    def build(self, lab):
        host, outside = wired_host(lab, lab.namespace("host"), self.family)
        return Path(host, outside, self.family.outside, SERVER_PORT, SERVER_PORT)


def wired_host(lab, host, family=IPV4):
    outside = lab.namespace("outside")
    wire(host, UPLINK, family.on_link(family.host), outside, "eth0", family.on_link(family.outside))
    host.ip(f"route add default via {family.outside}")
    return host, outside


def add_macvlan(lab, host, address):
    container = lab.namespace("container")
    host.ip(f"link add eth0 link {UPLINK} netns {container.path} type macvlan mode bridge")
    container.ip(f"addr add {address}/24 dev eth0", "link set eth0 up")
    return container


class Macvlan(Contender):
    def build(self, lab):
        host, _ = wired_host(lab, lab.namespace("host"))
        client, server = (add_macvlan(lab, host, address) for address in (IPV4.first, IPV4.second))
        return Path(client, server, IPV4.second, SERVER_PORT, SERVER_PORT)


class Routed(Contender):
    def build(self, lab):
        family = self.family
        host, outside = wired_host(lab, lab.namespace("host"), family)
        host.sysctl(family.forwarding, 1)
        container = lab.namespace("container")
        wire(host, "veth1", family.on_link(family.gateway), container, "eth0", family.on_link(family.first))
        container.ip(f"route add default via {family.gateway}")
        outside.ip(f"route add {family.subnet} via {family.host}")
        return Path(outside, container, family.first, SERVER_PORT, SERVER_PORT)


class PublishedPort(Contender):
    """A port of a container on a bridge; `others` more ports are published beside it."""

    def __init__(self, name, label, others=0, family=IPV4):
        super().__init__(name, label, family)
        self._others = others

    def build(self, lab):
        family = self.family
        host, outside = wired_host(lab, bridge_host(lab, netfilter=False, family=family), family)
        container = add_container(lab, host, "veth1", family.first, family)
        others = [
            ("tcp", OTHER_PORTS_FROM + number, family.second, 1 + number)
            for number in range(self._others)
        ]
        # UDP comes last: no packet of TCP walks over it.
        own = [(protocol, HOST_PORT, family.first, SERVER_PORT) for protocol in ("tcp", "udp")]
        self._publish(host, [*others, *own])
        return Path(outside, container, family.host, HOST_PORT, SERVER_PORT)

    def _publish(self, host, published):
        raise NotImplementedError


class IptablesPort(PublishedPort):
    tools = {IPV4: "iptables-nft-restore", IPV6: "ip6tables-nft-restore"}

    def _publish(self, host, published):
        host.run(self.tools[self.family], given=docker_rules(BRIDGE, self.family, published))


class LegacyIptablesPort(IptablesPort):
    tools = {IPV4: "iptables-legacy-restore"}


class NftablesPort(PublishedPort):
    def _publish(self, host, published):
        ip = "ip" if self.family == IPV4 else "ip6"
        elements = ", ".join(
            f"{protocol} . {host_port} : {address} . {port}"
            for protocol, host_port, address, port in published
        )
        host.run(
            "nft",
            "-f",
            "-",
            given=f"""
            table {ip} published {{
                map ports {{
                    type inet_proto . inet_service : {"ipv4" if ip == "ip" else "ipv6"}_addr . inet_service
                    elements = {{ {elements} }}
                }}
                chain prerouting {{
                    type nat hook prerouting priority dstnat
                    fib daddr type local dnat {ip} to meta l4proto . th dport map @ports
                }}
                chain output {{
                    type nat hook output priority -100
                    fib daddr type local dnat {ip} to meta l4proto . th dport map @ports
                }}
                chain postrouting {{
                    type nat hook postrouting priority srcnat
                    {ip} saddr {self.family.subnet} oifname != "{BRIDGE}" masquerade
                }}
                chain forward {{
                    type filter hook forward priority filter; policy drop
                    ct state vmap {{ established : accept, related : accept, invalid : drop }}
                    iifname "{BRIDGE}" accept
                    ct status dnat accept
                }}
            }}
            """,
        )
