"""The CNI plugin under the specification's own library, as containerd and podman use it.

    [near] 198.18.0.2 --- 198.18.0.1 the host --- network net --- [containers]
"""

import json
import os
import shutil
import subprocess

import pytest

from harness import world as outside
from harness.cni import DEBIAN_PLUGINS, OWN, endpoint_names
from harness.host import REPOSITORY
from harness.icmp import ping
from harness.sockets import TcpServer, tcp_talk

LIBRARY = "/usr/share/gocode/src/github.com/containernetworking/cni/libcni"
TUNING = {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}}
CAPABLE = {**OWN, "capabilities": {"portMappings": True, "ips": True, "mac": True}}

pytestmark = pytest.mark.skipif(
    not (shutil.which("go") and os.path.isdir(LIBRARY)),
    reason="golang-go and golang-github-appc-cni-dev are not installed (tools/setup --long)",
)


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    directory = tmp_path_factory.mktemp("libcni")
    path = str(directory / "libcni")
    settings = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    subprocess.run(
        ["go", "build", "-o", path, os.path.join(REPOSITORY, "tests/harness/libcni.go")],
        env={**os.environ, **settings, "GOCACHE": str(directory / "cache")},
        check=True,
        timeout=300,
    )
    return path


@pytest.fixture
def libcni(tool, make_cni, tmp_path):
    """Runs a verb for a namespace; `cni` says what the list is and where the plugins are."""

    class Libcni:
        def __init__(self, *plugins, version="1.0.0"):
            self._cni = make_cni(*plugins, version=version)
            text = json.dumps({"cniVersion": version, "name": "net", "plugins": list(plugins)})
            (tmp_path / "net.conflist").write_text(text)

        def raw(self, verb, pod, args="", **capabilities):
            environment = {
                **os.environ,
                "CNET_ROOT": self._cni.host.root,
                "NETCONFPATH": str(tmp_path),
                "CNI_PATH": self._cni.path,
                "CNI_CACHE": str(tmp_path / "cache"),
                "CNI_ARGS": args,
                "CAP_ARGS": json.dumps(capabilities),
            }
            return self._cni.host.namespace.run(
                tool, verb, "net", pod.path, env=environment, check=False
            )

        def __call__(self, verb, pod, args="", **capabilities):
            done = self.raw(verb, pod, args, **capabilities)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout) if done.stdout else None

    return Libcni


# What is newer than 1.0.0 Debian 12's library does not know.
@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_life_of_an_attachment(host, world, libcni, make_namespace, version):
    run, pod = libcni(CAPABLE, version=version), make_namespace()
    result = run(
        "add",
        pod,
        "IgnoreUnknown=1;K8S_POD_NAME=one",
        ips=["10.88.7.9"],
        mac="02:00:00:00:00:77",
        portMappings=[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
    )
    assert result["cniVersion"] == version
    assert [one["address"] for one in result["ips"]] == ["10.88.7.9/24"]
    assert pod.mac("eth0") == "02:00:00:00:00:77"
    assert ping(pod, outside.NEAR) == "reply"
    with TcpServer(pod, 80):
        assert tcp_talk(world.near, outside.HOST, 8080) == "echoed"
    if version != "0.3.1":
        run("check", pod)
        pod.run("ip", "addr", "flush", "dev", "eth0")
        broken = run.raw("check", pod)
        assert broken.returncode == 1 and "lost the address" in broken.stderr
    run("del", pod)
    run("del", pod)
    assert endpoint_names(host) == [] and "eth0" not in pod.links()


@pytest.mark.skipif(
    not os.path.exists(f"{DEBIAN_PLUGINS}/tuning"), reason="no reference CNI plugins"
)
def test_in_front_of_the_tuning_plugin(host, libcni, make_namespace):
    run, pod = libcni(OWN, TUNING), make_namespace()
    assert len(run("add", pod)["interfaces"]) == 3
    assert pod.run("sysctl", "-n", "net.ipv4.conf.eth0.arp_filter").stdout == "1\n"
    run("check", pod)
    run("del", pod)
    assert endpoint_names(host) == []


def test_what_it_refuses(host, libcni, make_namespace):
    """The library finds the error on stdout, and takes back what there is."""
    run, pod = libcni({**OWN, "vlanTrunk": [{"id": 100}]}), make_namespace()
    refused = run.raw("add", pod)
    assert refused.returncode == 1 and "vlanTrunk" in refused.stderr
    assert endpoint_names(host) == [] and "eth0" not in pod.links()
