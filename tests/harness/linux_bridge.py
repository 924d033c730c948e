"""A bridge of the kernel's in a host's namespace, as somebody else makes one, with machines on it."""

import json

from .netns import Namespace
from .wait import wait_until


class Machine:
    """eth0 in a namespace of its own, on the bridge by `device`, a veth."""

    def __init__(self, bridge, label, number):
        self.namespace, self.device = Namespace(label), f"v{label}"
        self.address, self.address6 = f"{bridge.prefix}.{number}", f"{bridge.prefix6}{number}"
        bridge.namespace.ip(
            f"link add {self.device} type veth peer name eth0 netns {self.namespace.name}",
            f"link set {self.device} master {bridge.name} up",
        )
        self.namespace.ip(
            f"addr add {self.address}/24 dev eth0",
            f"addr add {self.address6}/64 dev eth0 nodad",
            "link set eth0 up",
            f"route add default via {bridge.address}",
            f"route add default via {bridge.address6}",
        )
        self.mac = self.namespace.mac("eth0")
        # A worker of the kernel's tells the bridge of the carrier.
        wait_until(lambda: bridge.state_of(self) == "forwarding", what=f"the bridge forwarding to {label}")


class LinuxBridge:
    """PREFIX.1 is the host's, machines have .2, .3 ... in order."""

    def __init__(self, host, name="lab0", prefix="10.77.0", options="forward_delay 0"):
        self.namespace, self.name, self.prefix = host.namespace, name, prefix
        self.prefix6 = f"fd00:77:{int(prefix.rsplit('.', maxsplit=1)[1]) + 1}::"
        self.address, self.address6 = f"{prefix}.1", f"{self.prefix6}1"
        self.machines = []
        self.make(options)

    def make(self, options="forward_delay 0"):
        self.namespace.ip(
            f"link add {self.name} type bridge {options}",
            f"addr add {self.address}/24 dev {self.name}",
            f"addr add {self.address6}/64 dev {self.name} nodad",
            f"link set {self.name} up",
        )

    def machine(self, label):
        self.machines.append(Machine(self, label, 2 + len(self.machines)))
        return self.machines[-1]

    def set_port(self, machine, *words):
        self.namespace.run("bridge", "link", "set", "dev", machine.device, *words)

    def state_of(self, machine):
        """What the spanning tree says of its port."""
        (row,) = json.loads(self.namespace.run("bridge", "-j", "link", "show", "dev", machine.device).stdout)
        return row["state"]

    def learned(self):
        """MAC to device, of what the bridge itself has learned."""
        rows = json.loads(self.namespace.run("bridge", "-j", "fdb", "show", "br", self.name).stdout)
        return {row["mac"]: row["ifname"] for row in rows if row.get("state", "") != "permanent"}

    def forget(self, machine):
        """What the bridge learned of the machine goes, as after a while without frames from it."""
        self.namespace.run("bridge", "fdb", "del", machine.mac, "dev", machine.device, "master", check=False)

    def close(self):
        for machine in self.machines:
            machine.namespace.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
