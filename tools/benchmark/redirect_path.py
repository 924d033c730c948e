"""The mechanisms that we stand on, with nothing around them: what they cost nobody can save."""

from .addresses import IPV4
from .bpf import Program
from .kernel_paths import HOST_PORT, SERVER_PORT, UPLINK
from .path import Contender, Path

IN, OUT = "bench_redirect.bpf.o", "bench_redirect_out.bpf.o"
NAT_IN, NAT_OUT = "bench_nat_in.bpf.o", "bench_nat_out.bpf.o"
VXLAN_IN, VXLAN_OUT = "bench_vxlan_in.bpf.o", "bench_vxlan_out.bpf.o"
VXLAN_NEIGH_OUT = "bench_vxlan_neigh_out.bpf.o"
# As the programs that write Ethernet headers have them.
ACROSS_MAC, NEIGHBOUR = "02:00:00:00:0b:01", "198.18.0.9"
OUTSIDE_MAC, UPLINK_MAC, PORT_MAC, CONTAINER_MAC = (f"02:00:00:00:0b:0{last}" for last in (1, 2, 3, 4))
# The programs find the other device by flipping the last bit of a device's number.
FIRST_INDEX, SECOND_INDEX = 1000, 1001


def container_at(lab, host, index, address):
    """A container whose veth on the host has this number."""
    container, port = lab.namespace("container"), f"veth{index}"
    pair = f"type veth peer name eth0 netns {container.path}"
    host.ip(f"link add {port} index {index} {pair}", f"link set {port} up")
    container.ip(f"addr add {address}/24 dev eth0", "link set eth0 up")
    return container, port


class BareRedirect(Contender):
    """Two containers, and at each one's veth a program that does bpf_redirect_peer and no more."""

    def __init__(self, name, label, bin_dir):
        super().__init__(name, label)
        self._object = bin_dir / IN

    def build(self, lab):
        host = lab.namespace("host")
        program = Program(lab, host, self._object)
        ends = []
        for index, address in ((FIRST_INDEX, IPV4.first), (SECOND_INDEX, IPV4.second)):
            container, port = container_at(lab, host, index, address)
            program.attach(host, port)
            ends.append(container)
        return Path(*ends, IPV4.second, SERVER_PORT, SERVER_PORT)


class BareRedirectPort(Contender):
    """From outside into a container and back, as the packets are: the container has the host's
    address. bpf_redirect_peer in, bpf_redirect out, and no more."""

    def __init__(self, name, label, bin_dir):
        super().__init__(name, label)
        self._in, self._out = bin_dir / IN, bin_dir / OUT

    def build(self, lab):
        host, outside = lab.namespace("host"), lab.namespace("outside")
        pair = f"type veth peer name eth0 netns {outside.path}"
        host.ip(f"link add {UPLINK} index {SECOND_INDEX} {pair}", f"link set {UPLINK} up")
        outside.ip(f"addr add {IPV4.outside}/24 dev eth0", "link set eth0 up")
        container, port = container_at(lab, host, FIRST_INDEX, IPV4.host)
        Program(lab, host, self._in).attach(host, UPLINK)
        Program(lab, host, self._out).attach(host, port)
        return Path(outside, container, IPV4.host, HOST_PORT, HOST_PORT)


class BareNat(Contender):
    """The same with the one port translated, to what is known beforehand: no table, no state."""

    def __init__(self, name, label, bin_dir):
        super().__init__(name, label)
        self._in, self._out = bin_dir / NAT_IN, bin_dir / NAT_OUT

    def build(self, lab):
        host, outside = lab.namespace("host"), lab.namespace("outside")
        pair = f"address {UPLINK_MAC} type veth peer name eth0 address {OUTSIDE_MAC} netns {outside.path}"
        host.ip(
            f"link add {UPLINK} index {SECOND_INDEX} {pair}",
            f"addr add {IPV4.host}/24 dev {UPLINK}",
            f"link set {UPLINK} up",
        )
        outside.ip(f"addr add {IPV4.outside}/24 dev eth0", "link set eth0 up")
        container, port = container_at(lab, host, FIRST_INDEX, IPV4.first)
        container.ip(
            f"link set eth0 address {CONTAINER_MAC}",
            f"route add default via {IPV4.gateway}",
            f"neigh add {IPV4.gateway} lladdr {PORT_MAC} dev eth0 nud permanent",
        )
        Program(lab, host, self._in).attach(host, UPLINK)
        Program(lab, host, self._out).attach(host, port)
        return Path(outside, container, IPV4.host, HOST_PORT, SERVER_PORT)


class BareRedirectAcross(Contender):
    """A container on each of two hosts: out of it bpf_redirect to the wire, into it
    bpf_redirect_peer, and no more: an overlay without a header, a table or a check."""

    programs, mtu = (IN, OUT), 1500

    def __init__(self, name, label, bin_dir):
        super().__init__(name, label)
        self._in, self._out = (bin_dir / program for program in self.programs)

    def build(self, lab):
        left, right = lab.namespace("host"), lab.namespace("host")
        pair = f"type veth peer name {UPLINK} index {SECOND_INDEX} netns {right.path}"
        left.ip(f"link add {UPLINK} index {SECOND_INDEX} {pair}")
        to_container = Program(lab, left, self._in)
        to_wire = Program(lab, left, self._out)
        containers = []
        for host, address in ((left, IPV4.first), (right, IPV4.second)):
            host.ip(f"link set {UPLINK} address {ACROSS_MAC} up")
            self._prepare(host)
            container, port = container_at(lab, host, FIRST_INDEX, address)
            container.ip(f"link set eth0 mtu {self.mtu}")
            to_wire.attach(host, port)
            to_container.attach(host, UPLINK)
            containers.append(container)
        return Path(*containers, IPV4.second, SERVER_PORT, SERVER_PORT)

    def _prepare(self, host):
        pass


class BareVxlan(BareRedirectAcross):
    """The same with a header made by bpf_skb_adjust_room and taken off again."""

    programs, mtu = (VXLAN_IN, VXLAN_OUT), 1450
    # The helper leaves the marks of a tunnel on what was to be segmented; see bpf/lib/decap.h.
    cannot = ("stream", "streams")


class BareVxlanByNeighbour(BareVxlan):
    """The same, but that the kernel's neighbour table has the outer MACs."""

    programs = (VXLAN_IN, VXLAN_NEIGH_OUT)

    def _prepare(self, host):
        host.ip(f"neigh add {NEIGHBOUR} lladdr {ACROSS_MAC} dev {UPLINK} nud permanent")
