"""cnetd's API on its socket, as plugins ask it."""

import http.client
import json
import socket

from .lab import BenchError


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
        content = json.dumps(body) if body else None
        try:
            self.request(method, path, content, {"Content-Type": "application/json"})
            response = self.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise BenchError(f"{method} {path}: {error or type(error).__name__}") from None
        if response.status >= 300:
            raise BenchError(f"{method} {path}: {response.status} {text.decode(errors='replace')}")
        return json.loads(text) if text else None
