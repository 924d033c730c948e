"""The daemon's HTTP API over its unix socket."""

import http.client
import json
import socket


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def request(path, method, url, body=None, timeout=60):
    """(HTTP status, decoded answer). `body` goes out as it is when it is bytes or text, else as
    JSON.
    """
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, url, body)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()
