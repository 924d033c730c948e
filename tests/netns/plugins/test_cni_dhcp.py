"""The CNI plugin with the IPAM plugin dhcp, whose daemon asks a real server on an attached device.

    [pod]     [lan] eth0 10.88.1.50, dnsmasq --- lan0
       \\         |
        network red 10.88.1.0/24 --- the host
"""

import contextlib
import os

import pytest

from harness.cni import DEBIAN_PLUGINS, PORTS, endpoint_names, fails
from harness.dhcp import addresses_of, dhcp_server, is_in_range
from harness.icmp import ping
from harness.wait import wait_until

PLUGIN = f"{DEBIAN_PLUGINS}/dhcp"
FIRST, LAST = "10.88.1.100", "10.88.1.110"

pytestmark = pytest.mark.skipif(
    not os.path.exists(PLUGIN), reason="the package containernetworking-plugins is not installed"
)


@contextlib.contextmanager
def dhcp_daemon(host, directory):
    """What keeps the leases of containers that are attached."""
    socket = str(directory / "dhcp.sock")
    with host.namespace.spawn(PLUGIN, "daemon", "-socketpath", socket) as daemon:
        wait_until(lambda: os.path.exists(socket), what="the DHCP plugin's daemon")
        yield socket
        assert daemon.poll() is None


def plugin(socket, **keys):
    return {"type": "cnet", "bridge": "red", "ipam": {"type": "dhcp", "daemonSocketPath": socket}, **keys}


def leases(directory):
    file = directory / "leases"
    return file.read_text().split() if file.exists() else []


def test_a_lease_is_the_containers_address(host, make_cni, make_namespace, lan, tmp_path):
    pod = make_namespace()
    with dhcp_server(lan.namespace, tmp_path, FIRST, LAST), dhcp_daemon(host, tmp_path) as socket:
        cni = make_cni(plugin(socket))
        result = cni.add(pod, "one")
        address = result["ips"][0]["address"].split("/")[0]
        assert is_in_range(address, FIRST, LAST) and addresses_of(pod) == [address]
        assert address in leases(tmp_path)
        # The server is the way out, as it says by itself.
        assert f"default via {lan.address}" in pod.run("ip", "route").stdout
        (name,) = endpoint_names(host)
        wait_until(lambda: host.cli("endpoint", "show", name)["lease"], what="the lease being heard")
        assert ping(pod, lan.address) == "reply"
        assert ping(lan.namespace, address) == "reply"
        cni.check(pod, "one")
        cni.delete(pod, "one")
        wait_until(lambda: address not in leases(tmp_path), what="the lease being given back")
        assert endpoint_names(host) == []


def test_what_it_needs(host, make_cni, make_namespace, lan, tmp_path):
    """A server that answers, a network that is there, and no published port."""
    pod = make_namespace()
    with dhcp_daemon(host, tmp_path) as socket:
        fails(7, "there is no network blue", make_cni({**plugin(socket), "bridge": "blue"}).add, pod, "one")
        ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
        fails(2, "portMappings", make_cni(plugin(socket, **PORTS)).add, pod, "one", portMappings=ports)
        assert host.cli("endpoint", "list") == []
    gone = make_cni(plugin(str(tmp_path / "nobody.sock")))
    with pytest.raises(AssertionError, match="dial"):
        gone.add(pod, "one")
    assert host.cli("endpoint", "list") == [] and set(pod.links()) == {"lo"}
    gone.delete(pod, "one")
    assert lan.address
