"""Fixtures of the network tests. Root is needed; nothing outside namespaces made here is touched.
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import cgroup  # noqa: E402
from harness import host as hosts  # noqa: E402
from harness.bridge_host import BridgeHost  # noqa: E402
from harness.netns import remove_stale_namespaces  # noqa: E402
from harness.wait import wait_until  # noqa: E402
from harness.world import UPLINK, World  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "vm: also run on other kernels by tools/vmtest, ten times slower"
    )
    if os.geteuid() != 0:
        pytest.exit("the network tests need root: they make network namespaces", returncode=2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keeps the outcome for the fixtures' teardown, and adds to a failure what the daemons have said, and what became of
    packets and flows."""
    outcome = yield
    report = outcome.get_result()
    setattr(item, "report_" + report.when, report)
    if report.failed:
        for host in hosts.live_hosts:
            report.sections.append((f"cnetd in {host.namespace.name}", host.log()[-20000:]))
            report.sections.append((f"packets and flows in {host.namespace.name}", host.traffic()[-20000:]))


@pytest.fixture(scope="session", autouse=True)
def _clean_slate():
    remove_stale_namespaces()
    cgroup.remove_stale()


def _passed(request):
    report = getattr(request.node, "report_call", None)
    return report is not None and report.passed


@pytest.fixture
def make_host(request):
    """Makes hosts with cnetd; each is closed, and checked for leftovers, when the test has passed.
    """
    made = []

    def make(config="", start=True):
        host = hosts.CnetHost(config, start=False)
        made.append(host)
        if start:
            host.start()
        return host

    yield make
    failures = []
    for host in made:
        try:
            if _passed(request) and host.daemon:
                host.close()
            else:
                host.abandon()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture
def host(make_host):
    return make_host()


@pytest.fixture
def make_world():
    """Wires a host's namespace to the outside world, and waits until its daemon knows the uplink"""
    made = []

    def make(host):
        made.append(World(host.namespace))
        if host.kind == "cnet":
            wait_until(lambda: host.has_uplink(UPLINK), what="the uplink being found")
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def world(host, make_world):
    return make_world(host)


@pytest.fixture
def bridge_host():
    made = BridgeHost()
    yield made
    made.close()
