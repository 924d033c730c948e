"""A web server behind a published port, while the daemon is killed and restarted every second.

    [near] ab -c 50 --- 198.18.0.1:8080 the host --- network red --- [web] busybox httpd
"""

import os
import re
import threading

from harness import world as outside
from harness.sockets import tcp_connect
from harness.wait import wait_until

PAGE = b"<html>" + b"cnet " * 200 + b"</html>\n"


def _answers(namespace, address, port):
    try:
        with tcp_connect(namespace, address, port, timeout=5) as sock:
            sock.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
            return sock.recv(20).startswith(b"HTTP/1.")
    except OSError:
        return False


def test_ten_thousand_requests(host, world, tmp_path):
    (tmp_path / "index.html").write_bytes(PAGE)
    os.chmod(tmp_path, 0o755)
    web = host.container(host.network("red", "10.88.1.0/24"), "web")
    host.publish(web, 8080, 80)
    with web.namespace.spawn("busybox", "httpd", "-f", "-p", "80", "-h", str(tmp_path)):
        wait_until(
            lambda: _answers(world.near, outside.HOST, 8080), what="the web server answering"
        )
        with world.near.spawn(
            "ab",
            "-q",
            "-n",
            "10000",
            "-c",
            "50",
            "-s",
            "120",  # httpd's backlog is 9: on a busy machine SYNs are lost there and tried again late
            f"http://{outside.HOST}:8080/index.html",
        ) as bench:
            pace, kills = threading.Event(), 0
            while bench.poll() is None:
                host.restart()
                kills += 1
                pace.wait(1)
            report = bench.output()
    assert bench.poll() == 0, report
    assert re.search(r"Complete requests:\s+10000\b", report), report
    assert re.search(r"Failed requests:\s+0\b", report), report
    assert "Non-2xx" not in report, report
    assert kills >= 1
