"""BPF by the system call: pinned maps in batches, for which bpftool would take hours, and programs of others, which it
cannot attach by tcx.
"""

import contextlib
import ctypes
import os
import socket
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
_MAP_LOOKUP_ELEM, _MAP_UPDATE_ELEM, _PROG_LOAD, _OBJ_GET, _MAP_UPDATE_BATCH = 1, 2, 5, 7, 26
_LINK_CREATE, _LINK_DETACH = 28, 34
_SCHED_CLS, _TCX_INGRESS, _BEFORE = 3, 46, 8
_PASS_ON = bytes.fromhex("b7000000ffffffff" "9500000000000000")  # return TCX_NEXT


def _bpf(command, attributes):
    attr = ctypes.create_string_buffer(attributes, 128)
    result = _LIBC.syscall(_SYS_BPF, command, attr, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _pinned(path):
    name = ctypes.create_string_buffer(path.encode())
    return _bpf(_OBJ_GET, struct.pack("=Q", ctypes.addressof(name)))


def detach(path):
    """Takes the program of a pinned link off its device; the pin stays."""
    link = _pinned(path)
    try:
        _bpf(_LINK_DETACH, struct.pack("=I", link))
    finally:
        os.close(link)


@contextlib.contextmanager
def tcx_of_others(namespace, device, name, first):
    """A program that lets everything pass, on the ingress of a device there: before those that are there, or after them."""
    code, licence = ctypes.create_string_buffer(_PASS_ON), ctypes.create_string_buffer(b"GPL")
    program = _bpf(_PROG_LOAD, struct.pack("=IIQQIIQII16s", _SCHED_CLS, len(_PASS_ON) // 8, ctypes.addressof(code),
                                           ctypes.addressof(licence), 0, 0, 0, 0, 0, name.encode()))
    link = None
    try:
        with namespace.entered():
            ifindex = socket.if_nametoindex(device)
            link = _bpf(_LINK_CREATE, struct.pack("=IIII", program, ifindex, _TCX_INGRESS, _BEFORE if first else 0))
        yield
    finally:
        os.close(program)
        if link is not None:
            os.close(link)


def set_maps_version(host, version):
    """So that the next cnetd finds maps of another version, which it takes the entries out of."""
    with PinnedMap(os.path.join(host.root, "bpf", "maps", "cnet_meta")) as meta:
        first = struct.pack("=I", 0)
        old = meta.lookup(first, 16)
        meta.update(first, struct.pack("=I", version) + old[4:])


class PinnedMap:
    def __init__(self, path):
        self._fd = _pinned(path)

    def lookup(self, key, size):
        """The value, of so many bytes."""
        key_at, value_at = ctypes.create_string_buffer(key), ctypes.create_string_buffer(size)
        attributes = struct.pack("=I4xQQQ", self._fd, ctypes.addressof(key_at), ctypes.addressof(value_at), 0)
        _bpf(_MAP_LOOKUP_ELEM, attributes)
        return value_at.raw

    def update(self, key, value):
        key_at, value_at = ctypes.create_string_buffer(key), ctypes.create_string_buffer(value)
        _bpf(
            _MAP_UPDATE_ELEM,
            struct.pack(
                "=I4xQQQ", self._fd, ctypes.addressof(key_at), ctypes.addressof(value_at), 0
            ),
        )

    def update_batch(self, keys, values):
        """Two lists of equal length."""
        keys_at = ctypes.create_string_buffer(b"".join(keys))
        values_at = ctypes.create_string_buffer(b"".join(values))
        _bpf(
            _MAP_UPDATE_BATCH,
            struct.pack(
                "=QQQQIIQQ",
                *(0, 0),
                ctypes.addressof(keys_at),
                ctypes.addressof(values_at),
                len(keys),
                self._fd,
                *(0, 0),
            ),
        )

    def close(self):
        os.close(self._fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
