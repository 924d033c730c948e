"""Protocols that carry addresses, spoken by a container that hopes that somebody on the way reads them and opens a port.

    [alpha] 8080 --- network red --- the host --- 198.18.0.1 --- 198.18.0.2 [near] --- 198.18.1.3 [far]
"""

import contextlib
import socket
import struct

import pytest

from harness import world as outside
from harness.sockets import (
    SILENCE,
    TcpServer,
    UdpServer,
    receive_exactly,
    tcp_connect,
    tcp_talk,
    udp_connect,
    udp_talk,
)

HOPED = 8080  # that outside may come in by
ADDRESS = "10.88.1.2"
COMMAS = f"{ADDRESS.replace('.', ',')},{HOPED >> 8},{HOPED & 255}"
NUMBER = struct.unpack("!I", socket.inet_aton(ADDRESS))[0]
SDP = (f"v=0\r\no=a 1 1 IN IP4 {ADDRESS}\r\ns=-\r\nc=IN IP4 {ADDRESS}\r\nt=0 0\r\n"
       f"m=audio {HOPED} RTP/AVP 0\r\na=rtcp:{HOPED}\r\n")


def sip(method, transport):
    return (f"{method} sip:b@{outside.NEAR} SIP/2.0\r\nVia: SIP/2.0/{transport} {ADDRESS}:{HOPED};branch=z9hG4bK1\r\n"
            f"From: <sip:a@{ADDRESS}>;tag=1\r\nTo: <sip:b@{outside.NEAR}>\r\nCall-ID: 1@{ADDRESS}\r\nCSeq: 1 {method}\r\n"
            f"Contact: <sip:a@{ADDRESS}:{HOPED};transport={transport.lower()}>\r\nExpires: 3600\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}").encode()


# Protocol, the port that a helper looks at, what is said there.
SAYINGS = {
    "FTP, PORT": ("tcp", 21, f"PORT {COMMAS}\r\n".encode()),
    "FTP, EPRT": ("tcp", 21, f"EPRT |1|{ADDRESS}|{HOPED}|\r\n".encode()),
    "SIP, INVITE over TCP": ("tcp", 5060, sip("INVITE", "TCP")),
    "SIP, REGISTER over TCP": ("tcp", 5060, sip("REGISTER", "TCP")),
    "SIP, INVITE over UDP": ("udp", 5060, sip("INVITE", "UDP")),
    "SIP, REGISTER over UDP": ("udp", 5060, sip("REGISTER", "UDP")),
    "IRC, DCC": ("tcp", 6667, f"PRIVMSG b :\x01DCC SEND file {NUMBER} {HOPED} 100\x01\r\n".encode()),
    # TPKT around Q.931's SETUP, with the transport address that H.225 has there.
    "H.323": ("tcp", 1720, b"\3\0\0\x24\x08\x02\0\1\x05\x04\x03\x88\x93\xa5\x7e\0\x10\x05\x20\x90\x06\0\x08\x91\x4a\0\2\0"
              + socket.inet_aton(ADDRESS) + struct.pack("!H", HOPED) + b"\0\0"),
    "PPTP": ("tcp", 1723, struct.pack("!HHIHHHH", 168, 1, 0x1A2B3C4D, 7, 0, HOPED, 1) + bytes(152)),
    "TFTP": ("udp", 69, b"\0\1file\0octet\0"),
}


@pytest.fixture(params=["symmetric", "endpoint-independent"])
def alpha(request, host, world):
    world.knows_route("10.88.1.0/24")
    red = host.network("red", "10.88.1.0/24", options=("--nat", request.param))
    made = host.container(red, "alpha")
    assert made.address == ADDRESS
    return made


@contextlib.contextmanager
def said(world, alpha, protocol, port, words):
    """As it was meant, and it arrived as it was sent: the connection stays open meanwhile."""
    if protocol == "udp":
        with UdpServer(world.near, port), udp_connect(alpha.namespace, outside.NEAR, port, 4001) as talk:
            talk.send(words)
            assert talk.recv(65536) == words
            yield
    else:
        with TcpServer(world.near, port), tcp_connect(alpha.namespace, outside.NEAR, port, 4001) as talk:
            talk.sendall(words)
            assert receive_exactly(talk, len(words)) == words
            yield


@pytest.mark.parametrize(("protocol", "port", "words"), SAYINGS.values(), ids=SAYINGS.keys())
def test_what_a_container_says_opens_nothing(host, world, alpha, protocol, port, words):
    with (
        TcpServer(alpha.namespace, HOPED) as streams,
        UdpServer(alpha.namespace, HOPED) as datagrams,
        said(world, alpha, protocol, port, words),
    ):
        for dialler in (world.near, world.far):
            for address in (outside.HOST, ADDRESS):
                for talk in (tcp_talk, udp_talk):
                    assert talk(dialler, address, HOPED, timeout=SILENCE / 4) != "echoed"
        assert streams.peers == [] and datagrams.peers == []
        (flow,) = host.cli("ct", "list")
        assert (flow["protocol"], flow["src"], flow["src_port"]) == (protocol, ADDRESS, 4001)
        assert (flow["dst"], flow["dst_port"], flow["type"]) == (outside.NEAR, port, "snat")
