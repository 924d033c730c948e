"""The mechanism that we stand on, with nothing around it: what it costs nobody can save."""

from .bpf import Program
from .kernel_paths import FIRST, SECOND, SERVER_PORT
from .path import Contender, Path

OBJECT = "bench_redirect.bpf.o"
# The program finds the other device by flipping the last bit of a device's number.
FIRST_INDEX, SECOND_INDEX = 1000, 1001


class BareRedirect(Contender):
    """Two containers, and at each one's veth a program that does bpf_redirect_peer and no more."""

    def __init__(self, name, label, bin_dir):
        super().__init__(name, label)
        self._object = bin_dir / OBJECT

    def build(self, lab):
        host = lab.namespace("host")
        program = Program(lab, host, self._object)
        ends = []
        for index, address in ((FIRST_INDEX, FIRST), (SECOND_INDEX, SECOND)):
            container, port = lab.namespace("container"), f"veth{index}"
            pair = f"type veth peer name eth0 netns {container.path}"
            host.ip(f"link add {port} index {index} {pair}", f"link set {port} up")
            container.ip(f"addr add {address}/24 dev eth0", "link set eth0 up")
            program.attach(host, port)
            ends.append(container)
        return Path(*ends, SECOND, SERVER_PORT, SERVER_PORT)
