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

from .docker_rules import docker_rules
from .lab import wire
from .path import Contender, Path

SUBNET, GATEWAY, FIRST, SECOND = "10.88.0.0/24", "10.88.0.1", "10.88.0.2", "10.88.0.3"
HOST, OUTSIDE = "198.18.0.1", "198.18.0.2"
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
        wire(client, "eth0", f"{FIRST}/24", server, "eth0", f"{SECOND}/24")
        return Path(client, server, SECOND, SERVER_PORT, SERVER_PORT)


def add_container(lab, host, port, address):
    """A container on the bridge of this host, as an engine makes one."""
    container = lab.namespace("container")
    wire(host, port, None, container, "eth0", f"{address}/24")
    host.ip(f"link set {port} master {BRIDGE}")
    container.ip(f"route add default via {GATEWAY}")
    return container


def bridge_host(lab, netfilter):
    host = lab.namespace("host")
    host.sysctl("net/bridge/bridge-nf-call-iptables", int(netfilter))
    host.sysctl("net/ipv4/ip_forward", 1)
    host.ip(
        f"link add {BRIDGE} type bridge forward_delay 0",
        f"addr add {GATEWAY}/24 dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )
    return host


class Bridge(Contender):
    """Two containers on a bridge, with `others` more beside them."""

    def __init__(self, name, label, others=0):
        super().__init__(name, label)
        self._others = others

    def build(self, lab):
        return self._build(lab, bridge_host(lab, netfilter=False))

    def _build(self, lab, host):
        client = add_container(lab, host, "veth1", FIRST)
        server = add_container(lab, host, "veth2", SECOND)
        if self._others:
            self._crowd(host, lab.namespace("others"))
        return Path(client, server, SECOND, SERVER_PORT, SERVER_PORT)

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
        self._host.run("iptables-restore", given=docker_rules(BRIDGE, SUBNET))
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
        host, outside = wired_host(lab, lab.namespace("host"))
        return Path(host, outside, OUTSIDE, SERVER_PORT, SERVER_PORT)


def wired_host(lab, host):
    outside = lab.namespace("outside")
    wire(host, UPLINK, f"{HOST}/24", outside, "eth0", f"{OUTSIDE}/24")
    host.ip(f"route add default via {OUTSIDE}")
    return host, outside


def add_macvlan(lab, host, address):
    container = lab.namespace("container")
    host.ip(f"link add eth0 link {UPLINK} netns {container.path} type macvlan mode bridge")
    container.ip(f"addr add {address}/24 dev eth0", "link set eth0 up")
    return container


class Macvlan(Contender):
    def build(self, lab):
        host, _ = wired_host(lab, lab.namespace("host"))
        client, server = (add_macvlan(lab, host, address) for address in (FIRST, SECOND))
        return Path(client, server, SECOND, SERVER_PORT, SERVER_PORT)


class Routed(Contender):
    def build(self, lab):
        host, outside = wired_host(lab, lab.namespace("host"))
        host.sysctl("net/ipv4/ip_forward", 1)
        container = lab.namespace("container")
        wire(host, "veth1", f"{GATEWAY}/24", container, "eth0", f"{FIRST}/24")
        container.ip(f"route add default via {GATEWAY}")
        outside.ip(f"route add {SUBNET} via {HOST}")
        return Path(outside, container, FIRST, SERVER_PORT, SERVER_PORT)


class PublishedPort(Contender):
    """A port of a container on a bridge; `others` more ports are published beside it."""

    def __init__(self, name, label, others=0):
        super().__init__(name, label)
        self._others = others

    def build(self, lab):
        host, outside = wired_host(lab, bridge_host(lab, netfilter=False))
        container = add_container(lab, host, "veth1", FIRST)
        others = [
            ("tcp", OTHER_PORTS_FROM + number, SECOND, 1 + number)
            for number in range(self._others)
        ]
        # UDP comes last: no packet of TCP walks over it.
        own = [(protocol, HOST_PORT, FIRST, SERVER_PORT) for protocol in ("tcp", "udp")]
        self._publish(host, [*others, *own])
        return Path(outside, container, HOST, HOST_PORT, SERVER_PORT)

    def _publish(self, host, published):
        raise NotImplementedError


class IptablesPort(PublishedPort):
    tool = "iptables-nft-restore"

    def _publish(self, host, published):
        host.run(self.tool, given=docker_rules(BRIDGE, SUBNET, published))


class LegacyIptablesPort(IptablesPort):
    tool = "iptables-legacy-restore"


class NftablesPort(PublishedPort):
    def _publish(self, host, published):
        elements = ", ".join(
            f"{protocol} . {host_port} : {address} . {port}"
            for protocol, host_port, address, port in published
        )
        host.run(
            "nft",
            "-f",
            "-",
            given=f"""
            table ip published {{
                map ports {{
                    type inet_proto . inet_service : ipv4_addr . inet_service
                    elements = {{ {elements} }}
                }}
                chain prerouting {{
                    type nat hook prerouting priority dstnat
                    fib daddr type local dnat ip to meta l4proto . th dport map @ports
                }}
                chain output {{
                    type nat hook output priority -100
                    fib daddr type local dnat ip to meta l4proto . th dport map @ports
                }}
                chain postrouting {{
                    type nat hook postrouting priority srcnat
                    ip saddr {SUBNET} oifname != "{BRIDGE}" masquerade
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
