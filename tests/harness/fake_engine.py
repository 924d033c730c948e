"""An engine that answers what a test wants to what cnetd asks of Docker to follow its bridges, on a unix socket."""

import http.server
import json
import socketserver
import threading


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Who asked is gone."""


class FakeEngine:
    """`networks` and `containers` are Docker's /networks and /containers/json. It tells of no event."""

    def __init__(self, path, networks=(), containers=()):
        answers = {"/info": {}, "/networks": list(networks), "/containers/json": list(containers)}
        self._closing = closing = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path.startswith("/events"):
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    closing.wait()
                    return
                body = json.dumps(answers[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = _Server(path, Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
