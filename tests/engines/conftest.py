"""The two dockerds whose networks are adopted, for all tests here; what a test makes is taken away."""

import pytest

from harness import adopted_docker as adopted

plain_running = adopted.running_dockerd(adopted.NO_RULES, "session")
ruled_running = adopted.running_dockerd({}, "session")


# Without rules of Docker's, and with its defaults.
plain, ruled = adopted.lent("plain_running"), adopted.lent("ruled_running")


@pytest.fixture(params=["plain", "ruled"])
def each(request):
    """Once without rules of Docker's, once with its defaults."""
    return request.getfixturevalue(request.param)
