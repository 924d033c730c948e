"""A host as Docker 28 sets it up with iptables and without the user-space proxy: the reference for
parity.

Linux bridges, ports in hairpin mode, br_netfilter on, and Docker's chains in their order (raw:
direct access dropped; nat: DOCKER, masquerade, hairpin; filter: DOCKER-FORWARD with DOCKER-CT,
DOCKER-INTERNAL, DOCKER-BRIDGE and a policy of DROP). The whole rule set is rendered anew and loaded
in one transaction whenever something changes.
"""

from .netns import Namespace
from .topology import Container, Network, Published


class BridgeHost:
    kind = "bridge"

    def __init__(self):
        self.namespace = Namespace("brhost")
        self._containers = []
        self._networks = []  # of (Network, bridge, internal, icc)
        self._published = []
        self.namespace.sysctl("net/ipv4/ip_forward", 1)
        self.namespace.sysctl("net/bridge/bridge-nf-call-iptables", 1)
        self._load_rules()

    def network(self, name, subnet, internal=False, icc=True, allow_spoofing=False, mtu=1500):
        """`allow_spoofing` says nothing here: a bridge checks no source and always learns."""
        del allow_spoofing
        network = Network(name, subnet, mtu=mtu)
        bridge = f"br-{name}"
        self.namespace.ip(
            f"link add {bridge} type bridge forward_delay 0",
            f"addr add {network.gateway}/{network.prefix_length} dev {bridge}",
            f"link set {bridge} mtu {mtu} up",
        )
        self.namespace.sysctl(f"net/ipv4/conf/{bridge}/route_localnet", 1)
        self._networks.append((network, bridge, internal, icc))
        self._load_rules()
        return network

    def container(self, network, name):
        namespace = Namespace(name)
        number = 2 + sum(one.network is network for one in self._containers)
        address = network.address(number)
        bridge = next(bridge for known, bridge, _, _ in self._networks if known is network)
        port = f"veth-{name}"
        self.namespace.ip(
            f"link add {port} mtu {network.mtu} type veth"
            f" peer name eth0 mtu {network.mtu} netns {namespace.name}",
            f"link set {port} master {bridge} up",
        )
        self.namespace.run("bridge", "link", "set", "dev", port, "hairpin", "on")
        namespace.ip(
            f"addr add {address}/{network.prefix_length} dev eth0",
            "link set eth0 up",
            f"route add default via {network.gateway}",
        )
        container = Container(name, network, address, namespace.mac("eth0"), namespace)
        self._containers.append(container)
        self._load_rules()
        return container

    def publish(self, container, host_port, port, protocol="tcp", host_ip=""):
        published = Published(container, host_port, port, protocol, host_ip)
        self._published.append(published)
        self._load_rules()
        return published

    def gateway_mac(self, network):
        return self.namespace.mac(
            next(bridge for known, bridge, _, _ in self._networks if known is network)
        )

    def _bridge_of(self, container):
        return next(bridge for known, bridge, _, _ in self._networks if known is container.network)

    def _load_rules(self):
        rules = [
            "*raw",
            *self._raw_rules(),
            "COMMIT",
            "*nat",
            *self._nat_rules(),
            "COMMIT",
            "*filter",
            *self._filter_rules(),
            "COMMIT",
        ]
        self.namespace.run("iptables-restore", "-w", input="\n".join(rules) + "\n")

    def _raw_rules(self):
        yield ":PREROUTING ACCEPT"
        for one in self._containers:
            yield f"-A PREROUTING -d {one.address}/32 ! -i {self._bridge_of(one)} -j DROP"

    def _nat_rules(self):
        yield from (":PREROUTING ACCEPT", ":OUTPUT ACCEPT", ":POSTROUTING ACCEPT", ":DOCKER -")
        yield "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"
        yield "-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER"
        for network, bridge, internal, _ in self._networks:
            yield f"-A POSTROUTING -o {bridge} -m addrtype --src-type LOCAL -j MASQUERADE"
            if not internal:
                yield f"-A POSTROUTING -s {network.subnet} ! -o {bridge} -j MASQUERADE"
        for one in self._published:
            ip, port = one.container.address, one.port
            of_container = f"-s {ip}/32 -d {ip}/32 -p {one.protocol} --dport {port}"
            yield f"-A POSTROUTING {of_container} -j MASQUERADE"
            of_host = f"-p {one.protocol} --dport {one.host_port}"
            if one.host_ip:
                of_host = f"-d {one.host_ip}/32 {of_host}"
            yield f"-A DOCKER {of_host} -j DNAT --to-destination {ip}:{port}"

    def _filter_rules(self):
        yield from (
            ":INPUT ACCEPT",
            ":OUTPUT ACCEPT",
            ":FORWARD DROP",
            ":DOCKER -",
            ":DOCKER-USER -",
            ":DOCKER-FORWARD -",
            ":DOCKER-CT -",
            ":DOCKER-INTERNAL -",
            ":DOCKER-BRIDGE -",
        )
        yield from ("-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD")
        for chain in ("DOCKER-CT", "DOCKER-INTERNAL", "DOCKER-BRIDGE"):
            yield f"-A DOCKER-FORWARD -j {chain}"
        for one in self._published:
            bridge = self._bridge_of(one.container)
            to_container = f"-d {one.container.address}/32 ! -i {bridge} -o {bridge}"
            yield f"-A DOCKER {to_container} -p {one.protocol} --dport {one.port} -j ACCEPT"
        for network, bridge, internal, icc in self._networks:
            yield f"-A DOCKER-CT -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
            if internal:
                yield f"-A DOCKER-INTERNAL ! -s {network.subnet} -o {bridge} -j DROP"
                yield f"-A DOCKER-INTERNAL ! -d {network.subnet} -i {bridge} -j DROP"
            yield f"-A DOCKER-BRIDGE -o {bridge} -j DOCKER"
            yield f"-A DOCKER ! -i {bridge} -o {bridge} -j DROP"
            if not icc:
                yield f"-A DOCKER-FORWARD -i {bridge} -o {bridge} -j DROP"
            yield f"-A DOCKER-FORWARD -i {bridge} -j ACCEPT"

    def log(self):
        return ""

    def close(self):
        self.namespace.close()
        for container in self._containers:
            container.namespace.close()

    def abandon(self):
        self.close()
