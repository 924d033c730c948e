"""A host as Docker 28 sets it up with iptables and without the user-space proxy: the reference for
parity.

Linux bridges, ports in hairpin mode, br_netfilter on, and Docker's chains in their order (raw:
direct access dropped; nat: DOCKER, masquerade, hairpin; filter: DOCKER-FORWARD with DOCKER-CT,
DOCKER-INTERNAL, DOCKER-BRIDGE and a policy of DROP). The whole rule set is rendered anew and loaded
in one transaction whenever something changes.
"""

from .netns import Namespace
from .topology import Container, Network, Published, subnet6_of


class BridgeHost:
    kind = "bridge"

    def __init__(self, namespace=None):
        """In a namespace of its own, or in that of a host with cnetd."""
        self.v6 = False  # whose addresses its networks and containers hand out
        self._own = Namespace("brhost") if namespace is None else None
        self.namespace = namespace or self._own
        self.containers = []
        self.networks = []  # of (Network, bridge, internal, icc, modes by "is it IPv6", masquerade)
        self.published = []
        self.namespace.sysctl("net/ipv4/ip_forward", 1)
        self.namespace.sysctl("net/ipv6/conf/all/forwarding", 1)
        self.namespace.sysctl("net/bridge/bridge-nf-call-iptables", 1)
        self.namespace.sysctl("net/bridge/bridge-nf-call-ip6tables", 1)
        self._load_rules()

    def network(self, name, subnet, internal=False, icc=True, allow_spoofing=False, mtu=1500, mode="nat",
                mode6=None, masquerade=True):
        """`allow_spoofing` says nothing here: a bridge checks no source and always learns. `mode` is Docker's
        gateway_mode, of both families unless `mode6` says IPv6's: "nat", "nat-unprotected", or
        "routed-published" for Docker's "routed".
        """
        del allow_spoofing
        network = Network(name, subnet, mtu=mtu, subnet6=subnet6_of(subnet), v6=self.v6)
        bridge = f"br-{name}"
        self.namespace.ip(
            f"link add {bridge} type bridge forward_delay 0",
            f"addr add {network.address(1, v6=False)}/{network.prefix_length} dev {bridge}",
            f"addr add {network.address(1, v6=True)}/64 dev {bridge} nodad",
            f"link set {bridge} mtu {mtu} up",
        )
        self.namespace.sysctl(f"net/ipv4/conf/{bridge}/route_localnet", 1)
        modes = {False: mode, True: mode6 or mode}
        self.networks.append((network, bridge, internal, icc, modes, masquerade))
        self._load_rules()
        return network

    def container(self, network, name):
        namespace = Namespace(name)
        number = 2 + sum(one.network is network for one in self.containers)
        bridge = self.bridge_of(network)
        port = f"veth-{name}"
        self.namespace.ip(
            f"link add {port} mtu {network.mtu} type veth"
            f" peer name eth0 mtu {network.mtu} netns {namespace.name}",
            f"link set {port} master {bridge} up",
        )
        self.namespace.run("bridge", "link", "set", "dev", port, "hairpin", "on")
        namespace.ip(
            f"addr add {network.address(number, v6=False)}/{network.prefix_length} dev eth0",
            f"addr add {network.address(number, v6=True)}/64 dev eth0 nodad",
            "link set eth0 up",
            f"route add default via {network.address(1, v6=False)}",
            f"route add default via {network.address(1, v6=True)}",
        )
        container = Container(
            name, network, network.address(number), namespace.mac("eth0"), namespace
        )
        container.both = {six: network.address(number, v6=six) for six in (False, True)}
        self.containers.append(container)
        self._load_rules()
        return container

    def attach(self, network, device):
        self.namespace.ip(f"link set {device} master {self.bridge_of(network)}")

    def publish(self, container, host_port, port, protocol="tcp", host_ip=""):
        published = Published(container, host_port, port, protocol, host_ip)
        self.published.append(published)
        self._load_rules()
        return published

    def gateway_mac(self, network):
        return self.namespace.mac(self.bridge_of(network))

    def bridge_of(self, network):
        return next(bridge for known, bridge, *_ in self.networks if known is network)

    def _load_rules(self):
        for command, rules in (("iptables-restore", _Rules(self, False)), ("ip6tables-restore", _Rules(self, True))):
            self.namespace.run(command, "-w", input="\n".join(rules.lines()) + "\n")

    def log(self):
        return ""

    def close(self):
        if self._own:
            self._own.close()
        for container in self.containers:
            container.namespace.close()

    def abandon(self):
        self.close()


class _Rules:
    """One family's rules, in the form that iptables-restore reads."""

    def __init__(self, host, v6):
        self._host, self._v6 = host, v6
        self._networks, self._containers = host.networks, host.containers
        self._published = [one for one in host.published if self._concerns(one)]

    def _concerns(self, published):
        return not published.host_ip or (":" in published.host_ip) == self._v6

    def _mode(self, container):
        return next(modes[self._v6] for one, *_, modes, _ in self._networks if one is container.network)

    def _is_routed(self, container):
        return self._mode(container) == "routed-published"

    def _bridge_of(self, container):
        return self._host.bridge_of(container.network)

    def _address(self, container):
        return container.both[self._v6]

    def _subnet(self, network):
        return network.subnet6 if self._v6 else network.subnet

    def lines(self):
        for table, rules in (("raw", self._raw()), ("nat", self._nat()), ("filter", self._filter())):
            yield from (f"*{table}", *rules, "COMMIT")

    def _raw(self):
        yield ":PREROUTING ACCEPT"
        for one in self._containers:
            if self._mode(one) != "nat":
                continue
            yield f"-A PREROUTING -d {self._address(one)} ! -i {self._bridge_of(one)} -j DROP"

    def _nat(self):
        yield from (":PREROUTING ACCEPT", ":OUTPUT ACCEPT", ":POSTROUTING ACCEPT", ":DOCKER -")
        yield "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"
        yield "-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER"
        for network, bridge, internal, _, modes, masquerade in self._networks:
            if modes[self._v6] == "routed-published":
                continue
            yield f"-A POSTROUTING -o {bridge} -m addrtype --src-type LOCAL -j MASQUERADE"
            if not internal and masquerade:
                yield f"-A POSTROUTING -s {self._subnet(network)} ! -o {bridge} -j MASQUERADE"
        for one in self._published:
            if self._is_routed(one.container):
                continue
            ip, port = self._address(one.container), one.port
            yield f"-A POSTROUTING -s {ip} -d {ip} -p {one.protocol} --dport {port} -j MASQUERADE"
            of_host = f"-p {one.protocol} --dport {one.host_port}"
            if one.host_ip:
                of_host = f"-d {one.host_ip} {of_host}"
            target = f"[{ip}]:{port}" if self._v6 else f"{ip}:{port}"
            yield f"-A DOCKER {of_host} -j DNAT --to-destination {target}"

    def _filter(self):
        yield from (":INPUT ACCEPT", ":OUTPUT ACCEPT", ":FORWARD DROP", ":DOCKER -")
        for chain in ("USER", "FORWARD", "CT", "INTERNAL", "BRIDGE"):
            yield f":DOCKER-{chain} -"
        yield from ("-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD")
        for chain in ("DOCKER-CT", "DOCKER-INTERNAL", "DOCKER-BRIDGE"):
            yield f"-A DOCKER-FORWARD -j {chain}"
        for one in self._published:
            bridge = self._bridge_of(one.container)
            to_container = f"-d {self._address(one.container)} ! -i {bridge} -o {bridge}"
            yield f"-A DOCKER {to_container} -p {one.protocol} --dport {one.port} -j ACCEPT"
        for network, bridge, internal, icc, modes, _ in self._networks:
            subnet = self._subnet(network)
            yield f"-A DOCKER-CT -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
            if internal and self._v6:  # by device: neighbour discovery goes to groups
                yield f"-A DOCKER-INTERNAL ! -i {bridge} -o {bridge} -j DROP"
                yield f"-A DOCKER-INTERNAL -i {bridge} ! -o {bridge} -j DROP"
            elif internal:
                yield f"-A DOCKER-INTERNAL ! -s {subnet} -o {bridge} -j DROP"
                yield f"-A DOCKER-INTERNAL ! -d {subnet} -i {bridge} -j DROP"
            yield f"-A DOCKER-BRIDGE -o {bridge} -j DOCKER"
            if modes[self._v6] == "nat-unprotected":
                yield f"-A DOCKER ! -i {bridge} -o {bridge} -j ACCEPT"
            if modes[self._v6] == "routed-published":
                yield f"-A DOCKER ! -i {bridge} -o {bridge} -p {'ipv6-icmp' if self._v6 else 'icmp'} -j ACCEPT"
            yield f"-A DOCKER ! -i {bridge} -o {bridge} -j DROP"
            if not icc:
                yield f"-A DOCKER-FORWARD -i {bridge} -o {bridge} -j DROP"
            yield f"-A DOCKER-FORWARD -i {bridge} -j ACCEPT"
