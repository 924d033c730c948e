"""What all engines have in common: programs to be installed, and a plugin that finds one host's cnetd."""

import os
import shutil

from .host import BIN


def why_missing(*programs):
    """Which of the programs is not installed, and what installs it; None when all are."""
    for program in programs:
        if not shutil.which(program):
            return f"{os.path.basename(program)} is not installed (tools/setup --engines)"
    return None


def cni_plugin(host):
    """A script for an engine that hands its plugins no environment of ours."""
    return f"#!/bin/sh\nCNET_ROOT={host.root} exec {BIN}/cnet-cni\n"
