"""The reference's bridge plugin and ours, each on a host of its own."""

import os
from types import SimpleNamespace

import pytest

from harness.cni import DEBIAN_PLUGINS
from harness.netns import Namespace


@pytest.fixture(params=["bridge", "cnet"])
def place(request):
    """A plugin's name, and the host that it runs on: the reference's has no cnetd."""
    if request.param == "cnet":
        yield request.param, request.getfixturevalue("host")
        return
    if not os.path.exists(f"{DEBIAN_PLUGINS}/bridge"):
        pytest.skip("the package containernetworking-plugins is not installed")
    with Namespace("plain") as plain:
        yield request.param, SimpleNamespace(namespace=plain, root="/")
