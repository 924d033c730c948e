"""The worker measures only what really happened: right far end, right bytes, right number of them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from harness.host import BIN
from harness.netns import Namespace

WORKER = os.path.join(BIN, "cnet-bench-worker")
TOKEN = 0xAB12
PORT = 5201
WARM_UP = 100
GOODBYE = 0xFF
COMPARE = 0xFE
WARM_UP_BLOCKS = 10
BLOCK = 4 << 20


@pytest.fixture
def place():
    with Namespace("worker") as namespace:
        yield namespace


def arguments(role, mode, token=TOKEN):
    common = ["--mode", *mode.split(), "--token", f"{token:x}", "--port", str(PORT), "--cpu", "0"]
    ends = ["--address", "127.0.0.1", "--seconds", "0.05"] if role == "client" else []
    return [WORKER, role, *common, *ends]


def ask(place, mode, token=TOKEN):
    return place.run(*arguments("client", mode, token), check=False)


@contextlib.contextmanager
def serving(place, mode, token=TOKEN):
    with place.spawn(*arguments("server", mode, token), stderr=subprocess.DEVNULL) as server:
        assert server.stdout.readline() == "ready\n"
        yield server


@pytest.mark.parametrize("mode", ["rr", "crr", "stream", "stream --connections 8"])
def test_measures(place, mode):
    with serving(place, mode) as server:
        done = ask(place, mode)
        assert done.returncode == 0, done.stderr
        measured = json.loads(done.stdout)
        assert server.wait() == 0
    assert measured["transactions"] > 0
    assert measured["seconds"] >= 0.05
    assert measured["per_second"] == pytest.approx(
        measured["transactions"] / measured["seconds"], rel=1e-3
    )
    assert 0 < measured["p50_us"] <= measured["p99_us"] <= measured["max_us"]


@contextlib.contextmanager
def connection(place):
    with place.entered():
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with one:
        one.settimeout(30)
        one.connect(("127.0.0.1", PORT))
        yield one


def test_a_reset_that_was_lost_ends_nothing(place):
    """What is lost between containers costs its time: a server that waits for the end would wait for ever."""
    with serving(place, "crr") as server, connection(place) as hello:
        hello.sendall(TOKEN.to_bytes(8, "little"))
        assert len(hello.recv(8)) == 8
        with connection(place) as kept, connection(place) as goodbye:
            kept.sendall(b"\x01")
            assert len(kept.recv(1)) == 1
            goodbye.sendall(bytes([GOODBYE]))
            assert goodbye.recv(8) == (1).to_bytes(8, "little")
        assert server.wait() == 0


@pytest.mark.parametrize("mode", ["rr", "udp", "flows"])
def test_refuses_a_server_of_another_run(place, mode):
    with serving(place, mode, TOKEN + 1) as server:
        done = ask(place, mode)
        assert server.wait() == 2
    assert done.returncode == 2
    assert "hello" in done.stderr
    assert done.stdout == ""


def test_counts_datagrams(place):
    with serving(place, "udp --rate 2000") as server:
        done = ask(place, "udp --rate 2000")
        assert done.returncode == 0, done.stderr
        assert server.wait() == 0
    counted = json.loads(done.stdout)
    assert counted["sent"] == pytest.approx(100, abs=20)
    assert counted["transactions"] + counted["lost"] == counted["sent"]
    assert counted["lost"] == 0


def test_counts_what_was_lost(place):
    """One in four is dropped on the way; the first is the hello and later ones are insisted on."""
    place.run("nft", "-f", "-", input="""
        table ip lossy {
            chain input {
                type filter hook input priority 0
                udp dport 5201 numgen inc mod 4 == 3 drop
            }
        }""")
    with serving(place, "udp --rate 2000") as server:
        done = ask(place, "udp --rate 2000")
        assert done.returncode == 0, done.stderr
        assert server.wait(timeout=30) == 0
    counted = json.loads(done.stdout)
    assert counted["lost"] == pytest.approx(counted["sent"] / 4, abs=2)


def test_asks_by_many_flows(place):
    mode = "flows --flows 500 --sources 10.192.0.0"
    place.run("ip", "route", "add", "local", "10.192.0.0/12", "dev", "lo")
    with serving(place, mode) as server:
        done = ask(place, mode)
        assert done.returncode == 0, done.stderr
        assert server.wait() == 0
    measured = json.loads(done.stdout)
    assert measured["begun"]["answered"] == 500 and measured["begun"]["lost"] == 0
    assert measured["again"]["answered"] > 0
    assert measured["transactions"] == 500 + measured["again"]["answered"]


def test_says_which_flows_had_no_answer(place):
    """Addresses from the hundredth on are nobody's to answer."""
    place.run("ip", "route", "add", "local", "10.192.0.0/12", "dev", "lo")
    place.run("nft", "-f", "-", input="""
        table ip full {
            chain input {
                type filter hook input priority 0
                udp dport 5201 ip saddr 10.192.0.100-10.207.255.255 drop
            }
        }""")
    mode = "flows --flows 500 --sources 10.192.0.0"
    with serving(place, mode) as server:
        done = ask(place, mode)
        assert done.returncode == 0, done.stderr
        assert server.wait(timeout=30) == 0
    begun = json.loads(done.stdout)["begun"]
    assert (begun["answered"], begun["lost"]) == (100, 20)


def test_connects_from_many_addresses(place):
    """Those of the last quarter of them are dropped, and counted as lost."""
    place.run("ip", "route", "add", "local", "10.192.0.0/12", "dev", "lo")
    place.run("nft", "-f", "-", input="""
        table ip full {
            chain input {
                type filter hook input priority 0
                tcp dport 5201 ip saddr 10.192.0.3 drop
            }
        }""")
    mode = "churn --flows 4 --sources 10.192.0.0"
    with serving(place, mode) as server:
        done = ask(place, mode)
        assert done.returncode == 0, done.stderr
        assert server.wait(timeout=30) == 0
    measured = json.loads(done.stdout)
    assert measured["transactions"] == sum(measured["by_second"]) > 0
    assert measured["transactions"] // 3 - measured["lost"] in (0, 1)


def test_ends_where_nothing_new_is_let_in(place):
    """As with a full table: what stands goes on, and the first second has been measured."""
    place.run("nft", "-f", "-", input="""
        table ip full {
            chain input {
                type filter hook input priority 0
                tcp dport 5201 tcp flags & (syn | ack) == syn numgen inc mod 1000 >= 5 drop
            }
        }""")
    place.run("ip", "route", "add", "local", "10.192.0.0/12", "dev", "lo")
    mode = "churn --flows 1000 --sources 10.192.0.0"
    with serving(place, mode) as server:
        done = ask(place, mode)
        assert done.returncode == 0, done.stderr
        assert server.wait(timeout=30) == 0
    measured = json.loads(done.stdout)
    assert 0 < measured["transactions"] <= 4 and measured["lost"] <= 1


def test_serves_http(place):
    with serving(place, "http") as server:
        for token, status in ((f"{TOKEN:016x}", "200"), ("0" * 16, "404")):
            words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"]
            got = place.run(*words, f"http://127.0.0.1:{PORT}/{token}").stdout
            assert got == f"{status} 1024"
        os.kill(server.pid, signal.SIGTERM)
        assert json.loads(server.stdout.read()) == {"answered": 1}
        assert server.wait() == 0


def test_refuses_silence(place):
    done = ask(place, "rr")
    assert done.returncode == 2
    assert "connect: Connection refused" in done.stderr


class FakeServer:
    """Answers a whole rr run; `answer(number, byte)` makes the answers, `count` the final word."""

    def __init__(self, place, answer, count=None):
        self._answer, self._count = answer, count
        with place.entered():
            self._listener = socket.create_server(("127.0.0.1", PORT))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        client, _ = self._listener.accept()
        with client, contextlib.suppress(ConnectionError):
            token = int.from_bytes(client.recv(8), "little")
            client.sendall((~token & (2**64 - 1)).to_bytes(8, "little"))
            number = 0
            while (request := client.recv(1)) and request[0] != GOODBYE:
                client.sendall(bytes([self._answer(number, request[0])]))
                number += 1
            if request:
                count = number if self._count is None else self._count
                client.sendall(count.to_bytes(8, "little"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._thread.join(timeout=30)
        self._listener.close()


def right_answer(_, byte):
    return byte ^ ((TOKEN | 1) & 0xFF)


def test_takes_the_right_answers(place):
    with FakeServer(place, right_answer):
        done = ask(place, "rr")
    assert done.returncode == 0, done.stderr


def test_refuses_a_wrong_byte(place):
    """An echo is the likeliest of wrong answers."""
    late = WARM_UP
    with FakeServer(place, lambda n, byte: right_answer(n, byte) if n < late else byte):
        done = ask(place, "rr")
    assert done.returncode == 2
    assert "a wrong byte came back" in done.stderr
    assert done.stdout == ""


def test_refuses_a_wrong_count(place):
    with FakeServer(place, right_answer, count=7):
        done = ask(place, "rr")
    assert done.returncode == 2
    assert "the server answered 7 requests" in done.stderr
    assert done.stdout == ""


def received(connection, size):
    data = bytearray()
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


class Meddler:
    """Stands between the two ends of a stream's run; `damage(number, block)` may change what passes."""

    def __init__(self, place, damage):
        self._damage = damage
        self.blocks = 0
        with place.entered():
            self._listener = socket.create_server(("127.0.0.1", PORT + 1))
            self._server = socket.create_connection(("127.0.0.1", PORT))
        self._thread = threading.Thread(target=self._pass_on)
        self._thread.start()

    def _pass_on(self):
        client, _ = self._listener.accept()
        with client, self._server, contextlib.suppress(ConnectionError):
            self._server.sendall(received(client, 8))
            client.sendall(received(self._server, 8))
            while (first := client.recv(1)) and first[0] != GOODBYE:
                block = bytearray(first) + received(client, BLOCK - 1)
                self._damage(self.blocks, block)
                self._server.sendall(block)
                if not (answer := received(self._server, 1)):
                    return
                client.sendall(answer)
                self.blocks += 1
            self._server.sendall(first)
            client.sendall(received(self._server, 8))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._thread.join(timeout=30)
        self._listener.close()


def damaged(place, where):
    """What a run came to in which `where(number, block)` says which byte of a block is bent: the client's and the
    server's exit status, and the number of blocks that came through."""

    def bend(number, block):
        at = where(number, block)
        if at is not None:
            block[at] ^= 0x10

    with serving(place, "stream") as server, Meddler(place, bend) as meddler:
        words = arguments("client", "stream")
        words[words.index("--port") + 1] = str(PORT + 1)
        done = place.run(*words, check=False)
        status = server.wait(timeout=30)
    assert (done.stdout == "") == (done.returncode != 0)
    return done.returncode, status, meddler.blocks


def test_a_stream_arrives_through_a_proxy(place):
    client, server, blocks = damaged(place, lambda number, block: None)
    assert (client, server) == (0, 0) and blocks > WARM_UP_BLOCKS + 1


@pytest.mark.parametrize("at", [1, BLOCK // 2, BLOCK - 2])
def test_refuses_a_damaged_block(place, at):
    """Of the first, which nobody measures."""
    assert damaged(place, lambda number, block: at if number == 0 else None) == (2, 2, 0)


def test_refuses_a_damaged_last_block(place):
    """What was measured lies before it."""

    def where(number, block):
        return BLOCK // 2 if number >= WARM_UP_BLOCKS and block[0] == COMPARE else None

    client, server, blocks = damaged(place, where)
    assert (client, server) == (2, 2) and blocks > WARM_UP_BLOCKS


def test_refuses_a_measured_block_with_a_wrong_end(place):
    assert damaged(place, lambda number, block: -1 if number == WARM_UP_BLOCKS else None) == (2, 2, WARM_UP_BLOCKS)


@pytest.mark.parametrize(
    "words",
    [
        ["nobody"],
        ["server", "--mode", "flood"],
        ["server", "--port", "70000"],
        ["client", "--address", "localhost"],
        ["client", "--seconds"],
        ["client", "--seconds", "1s"],
    ],
)
def test_refuses_odd_options(words):
    done = subprocess.run([WORKER, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not understood" in done.stderr


def test_ipv6_is_for_tcp(place):
    done = place.run(WORKER, "client", "--mode", "udp", "--address", "::1", check=False)
    assert done.returncode == 1 and "IPv4 alone" in done.stderr
