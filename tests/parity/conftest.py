"""Parity: each scenario runs on a host with Linux bridges and Docker's iptables rules, and on one
with cnet-bpf.

A scenario collects what the far ends saw in a dictionary and hands it to `agrees` with what Linux
does. Where we differ on purpose, `ours` names the key, what we do, and the heading in
docs/differences.md that says why.
"""

import os

import pytest

from harness.host import REPOSITORY
from harness.wait import wait_until
from harness.world import IPV4, IPV6, UPLINK


@pytest.fixture(params=[IPV4, IPV6], ids=str)
def family(request):
    """Scenarios that ask for it run in both; networks always have both."""
    return request.param


@pytest.fixture(params=["bridge", "cnet"])
def backend(request):
    """Both hosts forward, as any host of an engine does: what must not pass has to be stopped."""
    made = request.getfixturevalue("bridge_host" if request.param == "bridge" else "host")
    made.namespace.sysctl("net/ipv4/ip_forward", 1)
    made.namespace.sysctl("net/ipv6/conf/all/forwarding", 1)
    both = "family" in request.fixturenames
    made.v6 = both and request.getfixturevalue("family").v6
    return made


@pytest.fixture
def outside(backend, make_world):
    world = make_world(backend)
    world.learn_ipv6()
    if backend.kind == "cnet":
        wait_until(
            lambda: any(IPV6.host in str(row) for row in backend.cli("uplink", "list")),
            what="the uplink's IPv6 address being known",
        )
    return world


def documented_differences():
    """Headings of the third level in docs/differences.md."""
    with open(os.path.join(REPOSITORY, "docs", "differences.md"), encoding="utf-8") as file:
        return {line[4:].strip() for line in file if line.startswith("### ")}


@pytest.fixture
def agrees(backend):
    """agrees(seen, linux, ours={key: (value, heading)}): what was seen is what Linux does, or what
    we document.
    """

    def check(seen, linux, ours=None):
        expected = dict(linux)
        for key, (value, heading) in (ours or {}).items():
            assert key in linux, key
            assert (
                heading in documented_differences()
            ), f"docs/differences.md does not have {heading!r}"
            if backend.kind == "cnet":
                expected[key] = value
        assert seen == expected

    return check
