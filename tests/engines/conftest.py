"""The two dockerds whose networks are adopted, for all tests here; what a test makes is taken away."""

import pytest

from harness import adopted_docker as adopted

plain_running = adopted.running_dockerd(adopted.NO_RULES, "session")
ruled_running = adopted.running_dockerd({}, "session")


@pytest.fixture
def plain(plain_running):
    """Without rules of Docker's."""
    plain_running.follows()
    yield plain_running
    plain_running.clean()


@pytest.fixture
def ruled(ruled_running):
    """With Docker's defaults."""
    ruled_running.follows()
    yield ruled_running
    ruled_running.clean()


@pytest.fixture(params=["plain", "ruled"])
def each(request):
    """Once without rules of Docker's, once with its defaults."""
    return request.getfixturevalue(request.param)
