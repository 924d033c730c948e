"""The Debian package: installed on a machine that has nothing of ours, upgraded under traffic, removed and purged.

The machine is that of machine.py without an install tree: the running system's /usr under a layer of its own, an empty
/etc and /var, a package database that knows no package.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.doctor import ALL_WELL, WARNINGS, complaints_in
from harness.icmp import lost
from harness.wait import wait_until
from machine import Askers, Machine

REPOSITORY = pathlib.Path(__file__).parents[2]
CONFIGURATION, OTHER_DEFAULT = "/etc/cnet/cnetd.toml", "# another default"
FILES = ["/usr/sbin/cnetd", "/usr/bin/cnet-bpf", "/usr/lib/cni/cnet", "/usr/lib/netavark/cnet", "/etc/cnet/cnetd.toml",
         "/usr/lib/systemd/system/cnetd.service", "/usr/share/man/man8/cnet-bpf.8", "/usr/share/man/man5/cnetd.toml.5",
         "/usr/share/bash-completion/completions/cnet-bpf", "/usr/share/zsh/vendor-completions/_cnet-bpf",
         "/usr/share/fish/vendor_completions.d/cnet-bpf.fish", "/usr/share/doc/cnet-bpf/LICENSE"]
# What `systemd-analyze security` may say of the unit, at most: it rates a daemon that configures networks from 0 to 10,
# and most of the rest is what a mount namespace would give (cnetd.service says why it has none).
EXPOSURE_MAX = 5.4
# Kept by the system for every package or unit that ever was, or by the machine's own life.
NOT_OURS = re.compile(r"/(var/lib/dpkg|var/log|var/lib/systemd|var/cache|run/systemd|run/log|run/udev|run/lock|run/credentials|run/dbus|"
                      r"etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|etc/\.|run/mount|run/host|run/initctl|run/user)")


@pytest.fixture(scope="module")
def package():
    if not shutil.which("dpkg-shlibdeps") or not shutil.which("cpack"):
        pytest.skip("dpkg-dev or cpack is not installed")
    done = subprocess.run([REPOSITORY / "tools/package"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(REPOSITORY, done.stdout.strip())


@pytest.fixture(scope="module")
def bare(package):
    if not shutil.which("systemd-nspawn"):
        pytest.skip("systemd-nspawn is not installed")
    made = Machine(installed=False)
    try:
        shutil.copy(package, made.shared / "cnet-bpf.deb")
        made.boot()
        made.run("sh", "-c", "mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates && touch /var/lib/dpkg/status")
        yield made
    finally:
        made.close()


def install(machine, package="cnet-bpf.deb"):
    # The libraries are there, and the database does not know them. dpkg's questions get the answer that is the default.
    machine.run("dpkg", "--force-depends", "--force-confdef", "--install", f"/shared/{package}", timeout=180)


def with_other_defaults(package, folder):
    """The package, but for one line of its configuration file."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    path = tree / CONFIGURATION.removeprefix("/")
    path.write_text(f"{path.read_text()}{OTHER_DEFAULT}\n")
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, folder / "other.deb"], check=True, capture_output=True)


def files(machine):
    found = machine.run("sh", "-c", "find /etc /usr/bin /usr/sbin /usr/lib/systemd /usr/lib/cni /usr/lib/netavark "
                        "/usr/lib/sysusers.d /usr/share/doc/cnet-bpf /usr/share/man /usr/share/bash-completion /usr/share/zsh "
                        "/usr/share/fish /var /run -xdev -not -type d 2>/dev/null; find /run/cnet /run/docker /etc/cnet "
                        "/var/lib/cnet /sys/fs/bpf -mindepth 0 2>/dev/null; ip -o link | cut -d: -f2; true", timeout=120)
    return {line for line in found.splitlines() if not NOT_OURS.search(line)}


@pytest.fixture(scope="module")
def before(bare):
    return files(bare)


def test_fields(package):
    fields = subprocess.run(["dpkg-deb", "--field", package], capture_output=True, text=True, check=True).stdout
    assert "Package: cnet-bpf" in fields
    for library in ("libbpf1", "libmicrohttpd12", "libnl-route-3-200", "libsqlite3-0"):
        assert library in fields, fields


def test_install(bare, before):
    install(bare)
    missing = [name for name in FILES if bare.attempt("test", "-f", name).returncode != 0]
    assert not missing
    for unit in ("cnetd.socket", "cnet-docker.socket", "cnetd.service"):
        assert bare.run("systemctl", "is-enabled", unit) == "enabled"
    wait_until(lambda: bare.show("cnetd.service", "ActiveState") == "active", 60, "cnetd starting")
    assert bare.run("getent", "group", "cnet")
    examined = bare.attempt("cnet-bpf", "-j", "doctor")
    answer = json.loads(examined.stdout)
    assert examined.returncode == (WARNINGS if answer["warnings"] else ALL_WELL), answer
    assert complaints_in(answer) == []
    bare.run("cnet-bpf", "network", "create", "net", "--subnet", "10.77.0.0/24")
    bare.run("cnet-bpf", "sandbox", "create", "left")
    bare.run("cnet-bpf", "endpoint", "create", "net", "left", "--netns", "left")
    bare.run("cnet-bpf", "port", "publish", "left", "8080:80")


def test_exposure(bare):
    text = bare.run("systemd-analyze", "security", "--no-pager", "cnetd.service", check=False)
    score = float(re.search(r"Overall exposure level for cnetd.service: ([\d.]+)", text).group(1))
    print(f"systemd-analyze security: {score}")
    assert score <= EXPOSURE_MAX, text


def test_upgrade_under_traffic(bare):
    pid = bare.show("cnetd.service", "MainPID")
    with bare.spawn("ip", "netns", "exec", "left", "sh", "-c",
                    "echo $$ && exec ping -n -i 0.01 10.77.0.1 >/tmp/pings") as stream:
        pinging = stream.stdout.readline().strip()
        try:
            asking = Askers(bare)
            install(bare)
            wait_until(lambda: bare.show("cnetd.service", "ActiveState") == "active"
                       and bare.show("cnetd.service", "MainPID") not in ("0", pid), 60, "the new cnetd")
            assert asking.stop() > 100
            assert json.loads(bare.run("cnet-bpf", "-j", "status"))["endpoints"] == 1
            so_far = len(bare.run("cat", "/tmp/pings"))
            wait_until(lambda: len(bare.run("cat", "/tmp/pings")) > so_far, 60, "the ping going on")
            assert stream.poll() is None, "the traffic ended before the upgrade did"
        finally:
            bare.attempt("kill", "-INT", pinging)
    assert lost(bare.run("cat", "/tmp/pings")) == 0


def test_conffile_stays_as_it_was_changed(bare, package, tmp_path):
    """A new default comes to who changed nothing, and lies beside the file of who did."""
    with_other_defaults(package, tmp_path)
    shutil.copy(tmp_path / "other.deb", bare.shared)
    install(bare, "other.deb")
    assert OTHER_DEFAULT in bare.run("cat", CONFIGURATION)
    bare.run("sh", "-c", f"echo '# mine' >>{CONFIGURATION}")
    install(bare)
    mine = bare.run("cat", CONFIGURATION)
    assert OTHER_DEFAULT in mine and "# mine" in mine
    assert OTHER_DEFAULT not in bare.run("cat", f"{CONFIGURATION}.dpkg-dist")


def test_remove_takes_everything_off_the_host(bare, before):
    bare.run("dpkg", "--remove", "cnet-bpf", timeout=180)
    assert bare.attempt("test", "-e", "/usr/sbin/cnetd").returncode != 0
    assert "cnet" not in bare.run("ls", "-A", "/sys/fs/bpf")
    assert not re.search(r"\bcn(et|gw|hp)", bare.run("ip", "-o", "link"))
    assert bare.run("sh", "-c", "ls -A /run/netns 2>/dev/null; true") == ""
    # What was configured, and what there was, stays for one that comes back.
    assert "# mine" in bare.run("cat", "/etc/cnet/cnetd.toml")
    assert bare.attempt("test", "-s", "/var/lib/cnet/cnetd.sqlite").returncode == 0
    install(bare)
    wait_until(lambda: bare.show("cnetd.service", "ActiveState") == "active", 60, "cnetd starting")
    wait_until(lambda: bare.attempt("ip", "netns", "exec", "left", "ping", "-c", "1", "-W", "1", "10.77.0.1").returncode == 0,
               60, "the endpoint being back")


def test_purge_leaves_nothing(bare, before):
    bare.run("dpkg", "--purge", "cnet-bpf", timeout=180)
    assert files(bare) - before == set()
    assert bare.attempt("getent", "group", "cnet").returncode != 0
    assert "cnet" not in os.listdir(bare.bpffs)
    assert bare.run("systemctl", "list-unit-files", "--no-legend", "cnet*", check=False).replace("cnet-test.target", "") \
        .strip() in ("", "static  -", "static -")
