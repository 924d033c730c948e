"""What dockerd takes to give a container a network: its own bridge driver, and ours."""

import dataclasses
import time

from .attach import Taken, table
from .cnet_paths import Cnetd
from .dockerd import Dockerd, missing
from .kernel_paths import wired_host
from .lab import Lab
from .machine import priority
from .study import Result

TITLE = "dockerd: one container's network"
ABOUT = (
    "One dockerd, asked on its API. `connect` and `disconnect` of a running container is the network alone. `start` has a "
    "container started with so many published ports; without a network it is runc and dockerd alone. bridge is Docker's own "
    "driver with its iptables rules and no user-space proxy, cnet is cnetd as Docker's network driver."
)
NETWORKS = {"bridge": "10.90.0.0/16", "cnet": "10.91.0.0/16"}
PORTS = (1, 100)
ROUNDS = 7
FIRST_PORT = 20000


class Engine:
    """Containers of one dockerd, and how long what is asked of it takes."""

    def __init__(self, docker):
        self._api, self.taken = docker.api, []
        for driver, subnet in NETWORKS.items():
            ipam = {"Driver": "default", "Config": [{"Subnet": subnet}]}
            body = {"Name": f"of-{driver}", "Driver": driver, "IPAM": ipam}
            self._api.ask("POST", "/networks/create", body)
        # Docker connects no container whose first network is "none".
        self._create("running", "bridge")

    def _create(self, name, network, ports=0):
        numbers = range(1, ports + 1)
        host = {
            "NetworkMode": network,
            "PortBindings": {f"{n}/tcp": [{"HostPort": str(FIRST_PORT + n)}] for n in numbers},
        }
        body = {
            "Image": "box",
            "Cmd": ["/bin/busybox", "sleep", "100000"],
            "StopSignal": "KILL",
            "ExposedPorts": {f"{n}/tcp": {} for n in numbers},
            "HostConfig": host,
        }
        self._api.ask("POST", f"/containers/create?name={name}", body)
        self._api.ask("POST", f"/containers/{name}/start")

    def _timed(self, contender, verb, action):
        start = time.perf_counter()
        action()
        self.taken.append(Taken(contender, verb, (time.perf_counter() - start) * 1e3))

    def connect(self, driver):
        where, who = f"/networks/of-{driver}", {"Container": "running"}
        self._timed(driver, "connect", lambda: self._api.ask("POST", f"{where}/connect", who))
        self._timed(driver, "disconnect", lambda: self._api.ask("POST", f"{where}/disconnect", who))

    def start(self, contender, network, ports=0):
        beside = f", {ports} ports" if ports else ""
        self._timed(contender, f"start{beside}", lambda: self._create("one", network, ports))
        remove = ("DELETE", "/containers/one?force=true")
        self._timed(contender, f"remove{beside}", lambda: self._api.ask(*remove))


def run(options, everything, bin_dir, say):
    if lacking := missing():
        return Result([], [], notes=[f"not measured: {lacking} is not installed"])
    rounds = min(options.rounds, ROUNDS)
    with priority(options.nice), Lab() as lab:
        host, _ = wired_host(lab, lab.namespace("host"))
        host.sysctl("net/ipv4/ip_forward", 1)
        cnetd = Cnetd(lab, bin_dir, host, "cnet")
        with Dockerd(lab, host, cnetd.root / "run" / "docker") as docker:
            engine = Engine(docker)
            for number in range(rounds):
                say(f"round {number + 1} of {rounds}: dockerd")
                for driver in NETWORKS:
                    engine.connect(driver)
                engine.start("no network", "none")
                for ports in PORTS:
                    for driver in NETWORKS:
                        engine.start(driver, f"of-{driver}", ports)
    return Result([table(engine.taken)], [dataclasses.asdict(one) for one in engine.taken])
