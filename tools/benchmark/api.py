"""cnetd's API on its socket, as plugins ask it."""

import http.client
import json
import socket


class Api(http.client.HTTPConnection):
    """A connection to cnetd's socket, kept."""

    def __init__(self, path):
        super().__init__("cnetd", timeout=60)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

    def ask(self, method, path, body=None):
        """The answer's object, None for an empty one."""
        self.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        response = self.getresponse()
        text = response.read()
        if response.status >= 300:
            raise http.client.HTTPException(f"{method} {path}: {response.status} {text.decode()}")
        return json.loads(text) if text else None
