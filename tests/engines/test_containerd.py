"""containerd 1.6 with `ctr run --cni` and a network of type cnet.

    [near] 198.18.0.2 --- 198.18.0.1 the host, containerd, cnetd --- network web --- [containers]
"""

import pytest

from harness import containerd as engine
from harness import world as outside
from harness.icmp import ping
from harness.wait import wait_until

NETWORK = {
    "cniVersion": "1.0.0",
    "name": "web",
    "plugins": [{"type": "cnet", "ipam": {"subnet": "10.88.9.0/24"}}],
}
SERVE = ("/bin/httpd", "-f", "-p", "80", "-h", "/www")

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))


@pytest.fixture
def containerd(host, world):
    del world
    made = engine.Containerd(host, NETWORK)
    yield made
    made.close()


def addresses(host):
    return [one["addresses"] for one in host.cli("endpoint", "list")]


def test_life_of_a_container(host, world, containerd):
    containerd.start("one", *SERVE)
    wait_until(lambda: len(addresses(host)) == 1, what="the first endpoint")
    containerd.start("two", "/bin/sleep", "1000")
    wait_until(
        lambda: addresses(host) == [["10.88.9.2/24"], ["10.88.9.3/24"]], what="both endpoints"
    )
    assert "10.88.9.2/24" in containerd.execute("one", "/bin/ip", "addr", "show", "eth0")
    with open(f"{containerd.rootfs}/www/index.html", "w", encoding="ascii") as file:
        file.write("served\n")
    url = "http://10.88.9.2/"
    wait_until(
        lambda: "served" in containerd.execute("two", "/bin/wget", "-q", "-O", "-", url),
        what="the page, from one container to the other",
    )
    host.restart()
    assert "served" in containerd.execute("two", "/bin/wget", "-q", "-O", "-", url)
    # By a way that is there, and still not for everybody.
    world.knows_route("10.88.9.0/24")
    host.namespace.sysctl("net/ipv4/ip_forward", 1)
    assert ping(world.near, "10.88.9.2", timeout=0.5) == "silent"
    containerd.remove("one")
    assert addresses(host) == [["10.88.9.3/24"]]
    containerd.remove("two")
    assert addresses(host) == []
