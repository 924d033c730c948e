import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from machine import Machine  # noqa: E402


@pytest.fixture(scope="module")
def machine():
    if not shutil.which("systemd-nspawn"):
        pytest.skip("systemd-nspawn is not installed")
    made = Machine()
    try:
        made.boot()
        yield made
    finally:
        made.close()
