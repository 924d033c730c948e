"""Two hosts with a container each, on one network: a bridge with a vxlan device on both, as Docker
Swarm and flannel build it, and cnetd on both.
"""

from .addresses import IPV4, IPV6
from .bpf import Program
from .cnet_paths import NETWORK, Cnetd
from .docker_rules import docker_rules
from .kernel_paths import (
    BRIDGE,
    SERVER_PORT,
    UPLINK,
    add_container,
    add_macvlan,
    bridge_host,
    rule_packets,
)
from .lab import BenchError, poll, wire
from .path import Contender, Path
from .redirect_path import FIRST_INDEX, IN, SECOND_INDEX, container_at

VNI, PORT = 300, 4789
MTU = {IPV4: 1450, IPV6: 1430}  # what the wire leaves


def two_hosts(lab, make, family=IPV4):
    """Hosts on one wire: (namespace, its address, the other's, its container's address) of each."""
    left, right = make(), make()
    wire(left, UPLINK, family.on_link(family.host), right, UPLINK, family.on_link(family.outside))
    return (left, family.host, family.outside, family.first), (right, family.outside, family.host, family.second)


class Vxlan(Contender):
    """`netfilter`: what is bridged passes the host's rules, as with Docker's icc off, Kubernetes."""

    def __init__(self, name, label, netfilter=False, family=IPV4):
        super().__init__(name, label, family)
        self._netfilter = netfilter

    def build(self, lab):
        self._hosts, containers = [], []
        mtu = MTU[self.family]
        for host, own, other, address in two_hosts(
            lab, lambda: bridge_host(lab, self._netfilter, self.family), self.family
        ):
            host.ip(
                f"link add vx0 mtu {mtu} type vxlan id {VNI} dstport {PORT} local {own} nolearning",
                f"link set vx0 master {BRIDGE} up",
            )
            host.run(*f"bridge fdb append 00:00:00:00:00:00 dev vx0 dst {other}".split())
            container = add_container(lab, host, "veth1", address, self.family)
            container.ip(f"link set eth0 mtu {mtu}")
            if self._netfilter:
                host.run("iptables-restore", given=docker_rules(BRIDGE, self.family))
            self._hosts.append(host)
            containers.append(container)
        return Path(*containers, self.family.second, SERVER_PORT, SERVER_PORT)

    def carried(self):
        if not self._netfilter:
            return None
        return min(rule_packets(host, "-A DOCKER-CT ") for host in self._hosts)


class FlowVxlan(Contender):
    """A vxlan device that is told for each packet where to, by a program at the container's veth;
    what comes out of it goes by bpf_redirect_peer: the textbook's overlay in BPF."""

    def __init__(self, name, label, bin_dir):
        super().__init__(name, label)
        self._out, self._in = bin_dir / "bench_flow_vxlan_out.bpf.o", bin_dir / IN

    def build(self, lab):
        hosts = two_hosts(lab, lambda: lab.namespace("host"))
        to_device = Program(lab, hosts[0][0], self._out)
        to_container = Program(lab, hosts[0][0], self._in)
        containers = []
        for host, _, _, address in hosts:
            host.ip(
                f"link add vx0 index {SECOND_INDEX} mtu {MTU[IPV4]} type vxlan dstport {PORT} external",
                "link set vx0 up",
            )
            container, port = container_at(lab, host, FIRST_INDEX, address)
            container.ip(f"link set eth0 mtu {MTU[IPV4]}")
            to_device.attach(host, port)
            to_container.attach(host, "vx0")
            containers.append(container)
        return Path(*containers, IPV4.second, SERVER_PORT, SERVER_PORT)


class MacvlanAcross(Contender):
    """Macvlan devices on two hosts' uplinks: a flat network, nothing around the packets."""

    def build(self, lab):
        hosts = two_hosts(lab, lambda: lab.namespace("host"))
        containers = [add_macvlan(lab, host, address) for host, _, _, address in hosts]
        return Path(*containers, IPV4.second, SERVER_PORT, SERVER_PORT)


class CnetOverlay(Contender):
    def __init__(self, name, label, bin_dir, family=IPV4):
        super().__init__(name, label, family)
        self._bin, self._daemons = bin_dir, []

    def build(self, lab):
        try:
            return self._build(lab)
        except BenchError as error:
            raise (self._daemons[-1].explained(error) if self._daemons else error) from None

    def _build(self, lab):
        containers = []
        for host, _, other, address in two_hosts(lab, lambda: lab.namespace("host"), self.family):
            daemon = Cnetd(lab, self._bin, host, host.name)
            self._daemons.append(daemon)
            daemon.ensure_uplink()
            daemon.cli("peer", "add", other)
            daemon.cli("network", "create", NETWORK, "--vni", VNI, "--subnet", self.family.subnet)
            containers.append(daemon.container(lab, "container", address))
        for daemon in self._daemons:
            poll(lambda daemon=daemon: daemon.cli("peer", "list")[0]["local"], 60, "a way to the peer")
        return Path(*containers, self.family.second, SERVER_PORT, SERVER_PORT)

    def carried(self):
        return sum(daemon.packets(("endpoint", "vxlan_sent")) for daemon in self._daemons)

    def program_runs(self):
        """Of both hosts together."""
        runs = {}
        for daemon in self._daemons:
            for key, (count, time_ns) in daemon.program_runs().items():
                so_far = runs.get(key, (0, 0))
                runs[key] = so_far[0] + count, so_far[1] + time_ns
        return runs

    def verified(self):
        return self._daemons[0].verified()
