"""Fixtures of the tests of the CNI plugin."""

import pytest

from harness.cni import Cni
from harness.netns import Namespace


@pytest.fixture
def make_cni(host):
    made = []

    def make(*plugins, **keys):
        made.append(Cni(host, *plugins, **keys))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def make_namespace():
    made = []

    def make(label="pod"):
        made.append(Namespace(label))
        return made[-1]

    yield make
    for one in made:
        one.close()
