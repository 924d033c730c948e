"""Bad input on the API's socket, in the configuration, and from people who may not.

    the host, with one network
"""

import os
import socket

import pytest

from harness.host import BIN, CnetHost, pins

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
REFUSED, UNREACHABLE = 2, 4


@pytest.fixture(scope="module")
def shared():
    host = CnetHost()
    host.network("red", "10.88.1.0/24")
    yield host
    host.close()


@pytest.fixture
def unchanged(shared):
    before = shared.state()
    yield shared
    assert shared.state() == before, "a refused request changed the state"
    assert shared.cli("status")["pid"] == shared.daemon.pid


SUBNETS = {"subnets": ["10.99.0.0/24"]}
BODIES = {
    "not json": (b'{"name": ', 400, "invalid"),
    "not an object": (b"[1, 2]", 400, "invalid"),
    "empty": (b"", 400, "invalid"),
    "wrong type": ({"name": 7, **SUBNETS}, 400, "invalid"),
    "unknown key": ({"name": "blue", **SUBNETS, "subnet": "typo"}, 400, "invalid"),
    "no name": (SUBNETS, 400, "invalid"),
    "null name": ({"name": None, **SUBNETS}, 400, "invalid"),
    "number out of range": ({"name": "blue", **SUBNETS, "mtu": 1e30}, 400, "invalid"),
    "negative number": ({"name": "blue", **SUBNETS, "mac_limit": -1}, 400, "invalid"),
    "not utf-8": (b'{"name": "\xff\xfe"}', 400, "invalid"),
    "deep nesting": (b"[" * 100000, 400, "invalid"),
    "oversized": (b'{"name": "' + b"n" * (1 << 20) + b'"}', 413, "too_large"),
}


@pytest.mark.parametrize("body,status,kind", BODIES.values(), ids=BODIES.keys())
def test_body(unchanged, body, status, kind):
    code, answer = unchanged.api("POST", "/v1/networks", body)
    assert (code, answer["error"]["kind"]) == (status, kind)
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    "method,url,status,kind",
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/networks/nonesuch", 404, "not_found"),
        ("PUT", "/v1/networks", 405, "invalid"),
        ("DELETE", "/v1/status", 405, "invalid"),
        ("GET", "/v1/../etc/passwd", 404, "not_found"),
        ("GET", "/v1/ct?proto=quic", 400, "invalid"),
    ],
)
def test_request_line(unchanged, method, url, status, kind):
    code, answer = unchanged.api(method, url)
    assert (code, answer["error"]["kind"]) == (status, kind)


GARBAGE = {
    "garbage": b"GARBAGE\r\n\r\n",
    "version": b"GET /v1/status HTTP/9.9\r\n\r\n",
    "length": b"POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
}


@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage(unchanged, raw):
    """What is no HTTP is not answered with success."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(unchanged.socket)
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(30)
        try:
            assert b" 200 " not in sock.recv(4096)
        except ConnectionError:
            pass


def test_clients_that_hang_up(unchanged):
    """Half a request, then silence or a close: others are served all the same."""
    half = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for sock in half:
        sock.connect(unchanged.socket)
        sock.sendall(b'POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"na')
    assert unchanged.cli("status")["pid"] == unchanged.daemon.pid
    for sock in half:
        sock.close()


@pytest.fixture
def open_root(unchanged):
    """Anybody may enter the root directory: what decides is the socket."""
    for folder in (unchanged.root, os.path.dirname(unchanged.socket)):
        os.chmod(folder, 0o755)
    yield unchanged
    os.chmod(unchanged.root, 0o700)


def test_without_permission(open_root):
    """Someone who is not root gets a sentence from the CLI, and from a daemon that he tries to
    start.
    """
    cli = [os.path.join(BIN, "cnet-bpf"), "--root", open_root.root, "network", "list"]
    done = open_root.namespace.run(*NOBODY, *cli, check=False)
    assert done.returncode in (REFUSED, UNREACHABLE), done
    assert "ermission" in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr
    daemon = [os.path.join(BIN, "cnetd"), "--root", os.path.join(open_root.root, "other")]
    done = open_root.namespace.run(*NOBODY, *daemon, check=False)
    assert done.returncode > 0 and "root" in done.stderr, done


def test_group_reads_and_does_not_change(open_root):
    """A member of the socket's group may look; a change is denied."""
    os.chown(open_root.socket, 0, 65534)
    os.chmod(open_root.socket, 0o660)
    cli = [*NOBODY, os.path.join(BIN, "cnet-bpf"), "--root", open_root.root]
    done = open_root.namespace.run(*cli, "-j", "network", "list", check=False)
    assert done.returncode == 0, done.stderr
    create = ["network", "create", "blue", "--subnet", "10.99.0.0/24"]
    done = open_root.namespace.run(*cli, *create, check=False)
    assert done.returncode == REFUSED and "uid 0" in done.stderr, done.stderr
    os.chown(open_root.socket, 0, 0)


def test_pins_are_roots(open_root):
    """Nobody else opens one, or dumps what it holds, wherever its directory lets him in."""
    top, user = os.path.join(open_root.root, "bpf"), NOBODY
    folders = [folder for folder, _, _ in os.walk(top)]
    modes = {folder: os.stat(folder).st_mode & 0o7777 for folder in folders}
    paths = [os.path.join(top, name) for name in pins(open_root)]
    assert len(paths) > 20 and all(os.stat(path).st_uid == 0 for path in paths)
    assert {os.stat(path).st_mode & 0o077 for path in paths} == {0}
    try:
        for folder in folders:
            os.chmod(folder, 0o755)
        opened = [path for path in paths if open_root.namespace.run(*user, "test", "-r", path, check=False).returncode == 0]
        assert opened == []
        dump = ["bpftool", "map", "dump", "pinned", os.path.join(top, "maps", "cnet_port")]
        assert open_root.namespace.run(*dump).returncode == 0
        assert open_root.namespace.run(*user, *dump, check=False).returncode != 0
    finally:
        for folder, mode in modes.items():
            os.chmod(folder, mode)


CONFIGURATIONS = {
    "syntax": "[maps\n",
    "negative": "[maps]\ncnet_ct = -1\n",
    "unknown map": "[maps]\nno_such_map = 5\n",
    "unknown key": "nonsense = true\n",
    "wrong type": '[reconcile]\nperiod_s = "often"\n',
}


@pytest.mark.parametrize("text", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_configuration(make_host, text):
    """A configuration that is not understood stops the daemon, with the file's name and line."""
    host = make_host(text, start=False)
    with host.spawn_daemon() as daemon:
        assert daemon.wait() > 0
    assert "cnetd.toml:" in host.log()
