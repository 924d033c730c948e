"""The benchmark's own modules live below tools."""

import os
import sys

from harness.host import REPOSITORY

sys.path.insert(0, os.path.join(REPOSITORY, "tools"))
