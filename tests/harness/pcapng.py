"""Reading pcapng files (draft-ietf-opsawg-pcapng) with what scapy leaves out: devices, directions, comments."""

import struct
from collections import namedtuple

INBOUND, OUTBOUND = 1, 2
SECTION, INTERFACE, ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
COMMENT, INTERFACE_NAME, INTERFACE_ABOUT, PACKET_FLAGS = 1, 2, 3, 2

Packet = namedtuple("Packet", "device about direction frame wire_bytes comment")


def blocks(data):
    """(type, body) of each that is whole."""
    while len(data) >= 12:
        kind, length = struct.unpack_from("=II", data)
        if len(data) < length:
            return
        assert struct.unpack_from("=I", data, length - 4) == (length,)
        yield kind, data[8 : length - 4]
        data = data[length:]


def options(body):
    found = {}
    while len(body) >= 4:
        code, length = struct.unpack_from("=HH", body)
        if code == 0:
            break
        found[code] = body[4 : 4 + length]
        body = body[4 + (length + 3) // 4 * 4 :]
    return found


def read(path):
    """The packets of a file that may still be written to."""
    with open(path, "rb") as file:
        data = file.read()
    interfaces, packets = [], []
    for kind, body in blocks(data):
        if kind == INTERFACE:
            found = options(body[8:])
            interfaces.append((found[INTERFACE_NAME].decode(), found.get(INTERFACE_ABOUT, b"").decode()))
        elif kind == ENHANCED_PACKET:
            number, _, _, taken, wire_bytes = struct.unpack_from("=IIIII", body)
            found = options(body[20 + (taken + 3) // 4 * 4 :])
            (direction,) = struct.unpack("=I", found[PACKET_FLAGS])
            packets.append(
                Packet(*interfaces[number], direction, body[20 : 20 + taken], wire_bytes, found[COMMENT].decode())
            )
    return packets
