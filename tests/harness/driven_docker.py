"""A host with Debian's dockerd and a cnetd that is its network and IPAM driver.

    [near] 198.18.0.2 --- 198.18.0.1 the host, dockerd, cnetd --- networks of type cnet --- [containers]
"""

import os

from . import docker as engine
from . import host as hosts
from . import world as outside
from .wait import wait_until

CONFIG = "[docker]\nforget_after_s = 2\n[reconcile]\nsweep_period_s = 1\n"
OPTIONS = {"bridge": "none", "iptables": False, "ip6tables": False, "userland-proxy": False}


class DrivenDocker:
    def __init__(self):
        self.host = hosts.CnetHost(CONFIG)
        self.world = outside.World(self.host.namespace)
        wait_until(lambda: self.host.has_uplink(outside.UPLINK), what="the uplink being found")
        self.docker = engine.Dockerd(
            self.host.namespace, OPTIONS, plugins=os.path.join(self.host.root, "run", "docker")
        )

    def network(self, name, *options):
        self.docker.run("network", "create", "-d", "cnet", *options, name)

    def endpoint(self, address):
        """The endpoint with this address, as cnet-bpf lists it."""
        rows = self.host.cli("endpoint", "list")
        return next(row for row in rows if any(a.startswith(address + "/") for a in row["addresses"]))

    def remove(self, *containers):
        self.docker.run("rm", "-f", *containers)

    def close(self):
        self.docker.close()
        self.world.close()
        self.host.abandon()
