"""Pinned BPF maps by the system call: batches, for which bpftool would take hours."""

import ctypes
import os
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
_MAP_LOOKUP_ELEM, _MAP_UPDATE_ELEM, _OBJ_GET, _MAP_UPDATE_BATCH = 1, 2, 7, 26


def _bpf(command, attributes):
    attr = ctypes.create_string_buffer(attributes, 128)
    result = _LIBC.syscall(_SYS_BPF, command, attr, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class PinnedMap:
    def __init__(self, path):
        name = ctypes.create_string_buffer(path.encode())
        self._fd = _bpf(_OBJ_GET, struct.pack("=Q", ctypes.addressof(name)))

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
