"""How TCP connections end, and begin by halves, through masquerade and published ports.

    [alpha] --- network red --- the host --- uplink 198.18.0.1 --- 198.18.0.2 [near]
"""

import socket
import struct

import pytest

from harness.sockets import SILENCE, TcpServer, echo_once, open_socket, tcp_connect, tcp_talk

pytestmark = pytest.mark.usefixtures("family")


@pytest.fixture
def alpha(backend, outside):
    del outside
    container = backend.container(backend.network("red", "10.88.1.0/24"), "alpha")
    backend.publish(container, 8080, 80)
    return container


@pytest.fixture(params=["out", "in"])
def way(request, family, outside, alpha):
    """(client's namespace, server's, address and port to dial): out of the container, or in."""
    if request.param == "out":
        return alpha.namespace, outside.near, family.near, 80
    return outside.near, alpha.namespace, family.host, 8080


def _end_of(sock):
    """What a read says: "closed" (FIN), "reset", "silent" or "data"."""
    sock.settimeout(30)
    try:
        return "data" if sock.recv(100) else "closed"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "silent"


def _abort(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.fixture
def pair(way):
    """Both ends of an established connection: (client's socket, server's socket)."""
    client_side, server_side, address, port = way
    with open_socket(server_side, socket.SOCK_STREAM, "::", 80) as listener:
        listener.listen(1)
        client = tcp_connect(client_side, address, port, 4001)
        server, _ = listener.accept()
        with client, server:
            yield client, server


@pytest.mark.parametrize("who", ["client", "server"])
def test_reset(pair, who, agrees):
    """An RST of either side ends the connection on the other."""
    near, far = pair if who == "client" else pair[::-1]
    near.send(b"x")
    arrived = far.recv(1)
    _abort(near)
    agrees({"arrived": arrived, "end": _end_of(far)}, {"arrived": b"x", "end": "reset"})


@pytest.mark.parametrize("who", ["client", "server"])
def test_half_closed(pair, who, agrees):
    """After one side's FIN the other goes on to send."""
    near, far = pair if who == "client" else pair[::-1]
    near.shutdown(socket.SHUT_WR)
    end = _end_of(far)
    far.sendall(b"y" * 100_000)
    far.shutdown(socket.SHUT_WR)
    got = 0
    while piece := near.recv(65536):
        got += len(piece)
    agrees({"end": end, "got": got}, {"end": "closed", "got": 100_000})


def test_same_port_again(way, agrees):
    """A client that was reset dials again from the same port at once."""
    client_side, server_side, address, port = way
    with TcpServer(server_side, 80):
        outcomes = []
        for _ in range(3):
            sock = tcp_connect(client_side, address, port, 4001)
            outcomes.append(echo_once(sock))
            _abort(sock)
    agrees({"outcomes": outcomes}, {"outcomes": [True] * 3})


def test_syn_without_answer(family, alpha, agrees):
    """A dial that nobody answers leaves nothing that is in the way of the next one."""
    first = tcp_talk(alpha.namespace, family.anywhere, 80, source_port=4001, timeout=SILENCE)
    with TcpServer(alpha.namespace, 7000) as server:
        own = tcp_talk(alpha.namespace, alpha.address, server.port, source_port=4002)
    agrees(
        {"first": first.outcome in ("silent", "unreachable"), "own": own.outcome},
        {"first": True, "own": "echoed"},
    )


def test_closed_port(way, agrees):
    client_side, _, address, port = way
    agrees(
        {"again": [tcp_talk(client_side, address, port, 4001).outcome for _ in range(3)]},
        {"again": ["refused"] * 3},
    )
