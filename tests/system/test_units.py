"""cnetd.service and cnetd.socket under a real systemd. The tests share one machine and run in this order:

    socket activation -> who may do what -> the host's processes -> traffic over restarts -> watchdog -> clean stop
"""

import json
import re

import pytest

from harness.wait import wait_until
from machine import Askers

SUBNET = "10.77.0.0/24"


def main_pid(machine):
    return int(machine.show("cnetd.service", "MainPID"))


def state(machine):
    return machine.show("cnetd.service", "ActiveState")


def status(machine):
    return json.loads(machine.run("cnet-bpf", "-j", "status"))


@pytest.fixture(scope="module")
def pair(machine):
    """Two sandboxes on one network: their names."""
    machine.run("cnet-bpf", "network", "create", "net", "--subnet", SUBNET)
    for name, address in (("left", "10.77.0.10"), ("right", "10.77.0.20")):
        machine.run("cnet-bpf", "sandbox", "create", name)
        machine.run("cnet-bpf", "endpoint", "create", "net", name, "--netns", name, "--ip", address)
    return "left", "right"


SERVE = """
import socket
with socket.create_server(("", 80)) as server:
    print("ready", flush=True)
    server.accept()[0].sendall(b"from inside")
"""
DIAL = """
import socket
with socket.create_connection(("127.0.0.1", 8080), timeout=20) as one:
    print(one.recv(100).decode())
"""


def ping(machine, count, interval="0.01"):
    """A ping from left to right that runs in the background."""
    return machine.spawn("ip", "netns", "exec", "left", "ping", "-n", "-i", interval, "-c", str(count), "-W", "1",
                         "10.77.0.20")


def lost(process):
    text, _ = process.communicate(timeout=120)
    match = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    assert match, text
    return int(match.group(1)) - int(match.group(2))


def test_units_are_well_formed(machine):
    done = machine.attempt("systemd-analyze", "verify", "cnetd.service", "cnetd.socket", "cnet-docker.socket")
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "cnet" in line]
    assert not [line for line in ours if "man " not in line], ours


def test_the_socket_starts_the_daemon(machine):
    assert machine.show("cnetd.socket", "ActiveState") == "active"
    assert state(machine) == "inactive"
    assert machine.run("stat", "-c", "%A %U %G", "/run/cnet/cnetd.sock") == "srw-rw---- root cnet"
    answer = status(machine)
    assert state(machine) == "active"
    assert answer["pid"] == main_pid(machine)
    assert machine.show("cnetd.service", "Result") == "success"


def test_it_shares_the_mount_namespace_of_init(machine):
    theirs = machine.run("readlink", "/proc/1/ns/mnt", f"/proc/{main_pid(machine)}/ns/mnt").split()
    assert theirs[0] == theirs[1]


def test_the_group_reads_and_only_root_changes(machine):
    member = ("setpriv", "--reuid=65534", "--regid=65534", "--groups", machine.run(
        "sh", "-c", "getent group cnet | cut -d: -f3"))
    stranger = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert machine.attempt(*member, "cnet-bpf", "status").returncode == 0
    refused = machine.attempt(*member, "cnet-bpf", "network", "create", "mine", "--subnet", "10.1.0.0/24")
    assert refused.returncode == 2, refused.stderr
    assert machine.attempt(*stranger, "cnet-bpf", "status").returncode == 4
    assert json.loads(machine.run("cnet-bpf", "-j", "network", "list")) == []


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_traffic_flows_over_restarts(machine, pair, how):
    before = main_pid(machine)
    stream = ping(machine, 400)
    for _ in range(3):
        pid = main_pid(machine)
        if how == "restart":
            machine.run("systemctl", "restart", "cnetd")
        else:
            machine.run("kill", "-9", str(pid))
        wait_until(lambda pid=pid: state(machine) == "active" and main_pid(machine) not in (0, pid), 30,
                   "another daemon")
        assert status(machine)["endpoints"] == 2
    assert main_pid(machine) != before
    assert stream.poll() is None, "the traffic ended before the last restart"
    assert lost(stream) == 0


def test_a_process_of_the_host_reaches_a_published_port(machine, pair):
    """By programs at the root of the machine's cgroups, which the unit's confinement lets the daemon attach."""
    _, right = pair
    machine.run("cnet-bpf", "port", "publish", right, "127.0.0.1:8080:80")
    with machine.spawn("ip", "netns", "exec", right, "/usr/bin/python3", "-c", SERVE) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            # What is started from outside is in a cgroup outside.
            dialled = machine.run("systemd-run", "--quiet", "--wait", "--pipe", "/usr/bin/python3", "-c", DIAL)
            assert dialled == "from inside"
            server.wait(20)
        finally:
            server.kill()
    machine.run("cnet-bpf", "port", "unpublish", right, "127.0.0.1:8080:80")


def test_the_watchdog_replaces_a_hung_daemon(machine, pair):
    assert machine.show("cnetd.service", "WatchdogUSec") == "15s"
    machine.drop_in("cnetd.service", "[Service]\nWatchdogSec=2s")
    machine.run("systemctl", "restart", "cnetd")
    pid = main_pid(machine)
    restarts = int(machine.show("cnetd.service", "NRestarts"))
    machine.run("kill", "-STOP", str(pid))
    wait_until(lambda: int(machine.show("cnetd.service", "NRestarts")) > restarts and state(machine) == "active",
               60, "systemd replacing the daemon")
    assert main_pid(machine) != pid
    assert status(machine)["endpoints"] == 2


def test_sigterm_is_a_clean_end_and_traffic_goes_on(machine, pair):
    machine.run("systemctl", "stop", "cnetd.socket", "cnetd.service")
    assert machine.show("cnetd.service", "Result") == "success"
    assert machine.show("cnetd.service", "ExecMainStatus") == "0"
    assert lost(ping(machine, 50)) == 0
    assert machine.attempt("cnet-bpf", "status").returncode == 4
    assert machine.run("cnet-bpf", "map", "list") != ""


def test_it_comes_back_with_what_it_had(machine, pair):
    machine.run("systemctl", "start", "cnetd.socket")
    answer = status(machine)
    assert (answer["networks"], answer["endpoints"]) == (1, 2)


def test_dockers_socket_starts_the_daemon_too(machine):
    machine.run("systemctl", "stop", "cnetd.service")
    assert machine.run("stat", "-c", "%A %U", "/run/docker/plugins/cnet.sock") == "srw------- root"
    # Docker leaves the host empty.
    activate = ("curl", "-s", "-m", "20", "--unix-socket", "/run/docker/plugins/cnet.sock", "-H", "Host;", "-X",
                "POST", "http://x/Plugin.Activate")
    assert json.loads(machine.run(*activate)) == {"Implements": ["NetworkDriver", "IpamDriver"]}
    assert state(machine) == "active" and status(machine)["networks"] == 1


def test_nobody_is_refused_while_it_restarts(machine):
    asking = Askers(machine)
    for _ in range(5):
        machine.run("systemctl", "restart", "cnetd")
    assert asking.stop() > 100
