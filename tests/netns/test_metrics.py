"""Metrics: their text, what they count, where they are served, and what the documents say of them.

    [alpha] --- red --- the host --- [near, outside]
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from harness import api, exposition
from harness import world as outside
from harness.exposition import read
from harness.host import REPOSITORY
from harness.sockets import open_socket
from harness.wait import wait_until

DOCS = pathlib.Path(REPOSITORY, "docs")
METRIC = re.compile(r"\bcnet_[a-z0-9_]+\b")
FAST = "[reconcile]\nsweep_period_s = 1\nperiod_s = 1\n"


def get(connection, path="/metrics", method="GET"):
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    finally:
        connection.close()


def over_unix(path):
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(60)
    connection.sock.connect(path)
    return connection


def test_text_is_well_formed(host, red, alpha):
    families = read(host)
    assert families["cnet_networks"].value() == 1
    assert families["cnet_endpoints"].value(state="up") == 1
    assert families["cnet_build_info"].value() == 1
    assert families["cnet_map_entries"].value(map="cnet_port") > 0
    assert families["cnet_map_max_entries"].value(map="cnet_ct") > 0
    assert all(name.startswith("cnet_") for name in families)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian's package prometheus)")
def test_promtool_has_nothing_to_complain_of(host, red, alpha):
    _, done = host.cli_raw("metrics", json_output=False)
    checked = subprocess.run(["promtool", "check", "metrics"], input=done.stdout, capture_output=True, text=True,
                             check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    rules = subprocess.run(["promtool", "check", "rules", DOCS / "alerts.yml"], capture_output=True, text=True,
                           check=False)
    assert rules.returncode == 0, rules.stdout + rules.stderr


def test_packets_and_flows_are_counted(make_host, make_world):
    host = make_host(FAST)
    red = host.network("red", "10.88.1.0/24")
    alpha = host.container(red, "alpha")
    make_world(host)
    before = read(host)
    assert before["cnet_nat_ports_used"].value(protocol="udp") == 0
    with open_socket(alpha.namespace, socket.SOCK_DGRAM) as client:
        for _ in range(5):
            client.sendto(b"x", (outside.NEAR, 9))
    wait_until(lambda: "cnet_conntrack_flows" in read(host), 30, "a sweep")
    drops = host.cli("drops", "show")
    after = read(host)
    assert after["cnet_conntrack_flows"].value(protocol="udp", state="new") == 1
    assert after["cnet_map_entries"].value(map="cnet_ct") == 2
    assert after["cnet_nat_ports_used"].value(protocol="udp") == 1
    assert after["cnet_packets_total"].value(hook="endpoint", **{"class": "forward"}) >= 5
    for row in drops:
        labels = {"hook": row["hook"], "reason": row["reason"]}
        assert after["cnet_packets_total"].value(**labels) >= row["packets"]
    assert after["cnet_limit_reached_total"].value(reason="ct_full") == 0


def test_a_limit_that_is_reached_is_counted(make_host, make_world):
    host = make_host("[maps]\ncnet_ct = 2\n")
    alpha = host.container(host.network("red", "10.88.1.0/24"), "alpha")
    make_world(host)
    with open_socket(alpha.namespace, socket.SOCK_DGRAM) as client:
        for port in range(9000, 9040):
            client.sendto(b"x", (outside.NEAR, port))
    families = read(host)
    assert families["cnet_limit_reached_total"].value(reason="ct_full") > 0
    assert families["cnet_map_entries"].value(map="cnet_ct") <= 2


def test_repairs_and_requests_are_counted(host, red, alpha):
    before = read(host)["cnet_reconcile_repairs_total"].value()
    device = host.cli("endpoint", "show", "alpha")["host_ifname"]
    host.namespace.run("ip", "link", "delete", device)
    wait_until(lambda: read(host)["cnet_reconcile_repairs_total"].value() > before, 30, "the repair being counted")
    host.cli_fails(3, "nobody", "endpoint", "show", "nobody")
    for n in range(50):
        api.request(host.socket, "GET", f"/v1/{n}")
    families = read(host)
    requests = families["cnet_api_requests_total"]
    assert requests.value(method="POST", route="/v1/networks", status="201") == 1
    assert requests.value(route="/v1/endpoints/{name}", status="404") == 1
    assert requests.value(route="other", status="404") == 50
    assert families["cnet_api_request_duration_seconds"].value("_count", route="/v1/networks") == 1


def test_calls_of_docker_are_counted(host):
    for path in ("/Plugin.Activate", "/NetworkDriver.Nothing", "/Other"):
        api.request(os.path.join(host.root, "run/docker/cnet.sock"), "POST", path, {})
    families = read(host)
    calls = families["cnet_docker_requests_total"]
    assert calls.value(call="Plugin.Activate", status="200") == 1
    assert calls.value(call="other", status="404") == 2
    assert families["cnet_docker_request_duration_seconds"].value("_count", call="Plugin.Activate") == 1


def test_label_values_are_bounded(host):
    """As many lines with many objects as with one."""
    for n in range(2):
        host.network(f"net{n}", f"10.88.{n + 1}.0/24")
    host.container(host.network("red", "10.88.9.0/24"), "first")

    def lines():
        return sum(len(family.samples) for name, family in read(host).items() if "api" not in name
                   and name not in ("cnet_packets_total", "cnet_packet_bytes_total"))

    before = lines()
    red = host._containers[0].network
    for n in range(6):
        host.container(red, f"more{n}")
        host.network(f"more{n}", f"10.99.{n}.0/24")
    assert lines() == before


def test_unix_socket(make_host, tmp_path):
    path = str(tmp_path / "metrics.sock")
    host = make_host(f'[metrics]\nlisten = "{path}"\n')
    status, kind, text = get(over_unix(path))
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "cnet_build_info" in exposition.parse(text)
    assert get(over_unix(path), "/v1/networks")[0] == 404
    assert get(over_unix(path), method="POST")[0] == 405
    host.kill9()
    host.start()
    assert get(over_unix(path))[0] == 200
    host.stop()
    assert not os.path.exists(path)
    host.start()


def test_loopback_port(make_host):
    host = make_host('[metrics]\nlisten = "127.0.0.1:9465"\n' + FAST)
    curl = ("curl", "-sS", "-m", "20", "http://127.0.0.1:9465/metrics")
    assert "cnet_networks" in exposition.parse(host.namespace.run(*curl).stdout)
    # Taken by somebody else: cnetd works, and takes it when it is free.
    host.stop()
    with open_socket(host.namespace, socket.SOCK_STREAM, "127.0.0.1", 9465) as taken:
        taken.listen()
        host.start()
        assert "serve metrics on 127.0.0.1:9465" in host.log()
        assert host.cli("status")["networks"] == 0
    wait_until(lambda: host.namespace.run(*curl, check=False).returncode == 0, 30, "the port being taken")


@pytest.mark.parametrize("listen", ["0.0.0.0:9465", "192.0.2.1:9465", "127.0.0.1", "127.0.0.1:0", "localhost:1", "m.sock"])
def test_listens_nowhere_else(make_host, listen):
    host = make_host(f'[metrics]\nlisten = "{listen}"\n', start=False)
    host.daemon = host.spawn_daemon()
    assert host.daemon.wait() == 1
    assert "[metrics] listen must be" in host.log()
    with open(host.config_path, "w", encoding="utf-8") as file:
        file.write("")
    host.start()


def test_cnetd_dead(host):
    host.kill9()
    host.cli_fails(4, "cnetd", "metrics")


def existing(host):
    """Every family, those without samples too, with the names of a histogram's series."""
    names = {}
    for family in host.cli("metrics"):
        names[family["name"]] = {family["name"]}
        if family["type"] == "histogram":
            names[family["name"]] = {family["name"] + suffix for suffix in ("_bucket", "_sum", "_count")}
    return names


def test_documents_name_what_there_is(host):
    names = existing(host)
    table = re.findall(r"^\| `(cnet_\w+)`", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted(names), "docs/metrics.md has a row for each metric, and for no other"
    series = set().union(*names.values())
    rules = re.findall(r"^\s+expr: (.*)$", (DOCS / "alerts.yml").read_text(), re.MULTILINE)
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(rules) >= 10 and len(queries) >= 10
    for query in rules + queries:
        used = set(METRIC.findall(re.sub(r'"[^"]*"', '""', query)))
        assert used and used <= series, f"{sorted(used - series)} in {query}"


def test_documents_name_labels_that_there_are(host, red, alpha):
    """reason="..." in alerts and dashboard is a reason of reasons.def."""
    reasons = set(re.findall(r'CNET_REASON\(\w+, \w+, "(\w+)"', pathlib.Path(REPOSITORY, "maps/reasons.def").read_text()))
    text = (DOCS / "alerts.yml").read_text() + (DOCS / "grafana-dashboard.json").read_text().replace('\\"', '"')
    named = set(re.findall(r'reason="(\w+)"', text))
    assert named and named <= reasons, named - reasons
