"""What shells complete, and the picture of who is connected to whom.

    [alpha] --- red, blue --- the host --- [near]
"""

import shutil
import subprocess
import xml.etree.ElementTree

import pytest

from harness.host import BIN
from harness.wait import wait_until


@pytest.fixture
def red(host, world):
    del world
    return host.network("red", "10.88.1.0/24")


def complete(host, *words):
    _, done = host.cli_raw("__complete", "--", *words, json_output=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_words(host):
    assert {"network", "endpoint", "doctor", "topology"} <= set(complete(host, ""))
    assert "__complete" not in complete(host, "")
    assert complete(host, "net") == ["network"]
    assert complete(host, "--ver") == ["--version"]
    assert complete(host, "network", "list", "--ver") == []
    assert complete(host, "-j", "--color", "never", "net") == ["network"]
    assert {"attach", "create", "set"} <= set(complete(host, "network", ""))
    assert complete(host, "net", "cr") == ["create"]
    assert complete(host, "network", "create", "web", "--mo") == ["--mode", "--mode6"]
    assert complete(host, "network", "create", "web", "--mode", "") == [
        "isolated", "nat", "nat-unprotected", "routed", "routed-published"
    ]
    assert complete(host, "network", "create", "--icc", "o") == ["off", "on"]
    assert complete(host, "network", "create", "") == []
    assert complete(host, "ct", "list", "proto", "t") == ["tcp"]
    assert "dport" in complete(host, "ct", "list", "proto", "tcp", "")
    assert complete(host, "completion", "") == ["bash", "fish", "zsh"]
    assert complete(host, "sandbox", "exec", "box", "--", "") == []
    assert complete(host, "nothing", "") == []


def test_names(host, red, alpha):
    host.network("blue", "10.88.2.0/24")
    host.cli("sandbox", "create", "box")
    assert complete(host, "network", "show", "") == ["blue", "red"]
    assert complete(host, "endpoint", "delete", "") == ["alpha"]
    assert complete(host, "port", "publish", "al") == ["alpha"]
    assert complete(host, "endpoint", "create", "b") == ["blue"]
    assert complete(host, "monitor", "p") == ["packets", "port", "proto"]
    assert complete(host, "monitor", "drops", "endpoint", "") == ["alpha"]
    assert complete(host, "explain", "") == ["from", "in"]
    assert complete(host, "explain", "from", "") == ["alpha"]
    assert complete(host, "explain", "in", "") == ["uplink0"]
    assert complete(host, "explain", "from", "alpha", "t") == ["tcp"]
    assert complete(host, "endpoint", "create", "blue", "new", "--netns", "") == ["box"]
    assert "cnet_ct" in complete(host, "map", "dump", "")
    assert "lo" in complete(host, "network", "attach", "red", "")
    host.kill9()
    assert complete(host, "network", "show", "") == []


# Who sources the script, and how it is asked: zsh completes on a terminal alone, so what it would call is called.
COMMAND = {"bash": ["bash", "-c"], "zsh": ["zsh", "-fc"], "fish": ["fish", "--no-config", "-c"]}
TYPED = {
    "bash": 'COMP_WORDS=(cnet-bpf network show r); COMP_CWORD=3; _cnet_bpf; printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": "words=(cnet-bpf network show r) CURRENT=4; _cnet_bpf",
    "fish": "complete -C 'cnet-bpf network show r'",
}
BEFORE = {"zsh": 'compdef() { :; }; compadd() { print -l -- "${(@P)2}"; }; '}


@pytest.mark.parametrize("shell", COMMAND)
def test_scripts(host, red, shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    _, done = host.cli_raw("completion", shell, json_output=False)
    assert done.returncode == 0
    script = BEFORE.get(shell, "") + done.stdout
    done = subprocess.run([*COMMAND[shell], script + TYPED[shell]], capture_output=True, text=True, check=True,
                          env={"PATH": f"{BIN}:/usr/bin:/bin", "CNET_ROOT": host.root, "HOME": str(tmp_path)})
    assert (done.stdout.split(), done.stderr) == (["red"], "")


def test_of_no_other_shell(host):
    host.cli_fails(1, "bash, zsh or fish", "completion", "csh")


def test_topology(host, red, alpha):
    host.publish(alpha, 8080, 80)
    host.cli("network", "create", "over", "--subnet", "10.88.9.0/24", "--vni", "77")
    host.cli("peer", "add", "198.18.0.9")
    seen = host.cli("topology")
    networks = {network["name"]: network for network in seen["networks"]}
    assert networks["red"]["endpoints"][0]["ports"] == ["0.0.0.0:8080->80/tcp"]
    assert "vni 77" in networks["over"]["about"] and networks["over"]["endpoints"] == []
    assert [uplink["name"] for uplink in seen["uplinks"]] == ["uplink0"]
    assert seen["peers"] == [{"name": "198.18.0.9", "about": "198.18.0.9 static", "rate": {"in_bps": 0, "out_bps": 0}}]
    assert seen["uplinks"][0]["rate"].keys() == {"in_bps", "out_bps"}
    _, done = host.cli_raw("topology", json_output=False)
    assert "`- alpha" in done.stdout and "bit/s in" in done.stdout
    _, done = host.cli_raw("topology", "--svg", json_output=False)
    picture = xml.etree.ElementTree.fromstring(done.stdout)
    words = [node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert picture.tag.endswith("svg") and "alpha" in words and "0.0.0.0:8080->80/tcp" in words
    host.cli("peer", "delete", "198.18.0.9")


def test_rates(host, red, alpha, world):
    stream = subprocess.Popen(["nsenter", f"--net={alpha.namespace.path}", "ping", "-f", "-s", "1200", "-w", "60", red.gateway],
                              stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: host.cli("topology")["networks"][0]["endpoints"][0]["rate"]["in_bps"] > 10000,
                   what="the rate of a flood")
    finally:
        stream.kill()
        stream.wait()


def test_cnetd_dead(host):
    host.kill9()
    host.cli_fails(4, "cnetd", "topology")
