"""What `cnet-bpf doctor` says of a host."""

import json
import subprocess

from .host import BIN

ALL_WELL, WARNINGS, PROBLEMS = 0, 5, 6


def examine(host, inside=True):
    """(exit status, its answer), from the host's namespace or from another one."""
    if inside:
        _, done = host.cli_raw("doctor")
    else:
        done = subprocess.run([f"{BIN}/cnet-bpf", "--root", host.root, "-j", "doctor"], capture_output=True, text=True,
                              timeout=120, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def complaints(host):
    return complaints_in(examine(host)[1])


def complaints_in(answer):
    """What the machine that runs the test is to blame for aside."""
    machine = ("bpf_jit", "bpf_stats", "cgroup", "clock")
    return [one for one in answer["findings"]
            if one["severity"] != "ok" and not any(word in one["what"] for word in machine)]


def found(host, severity, area, text):
    """The finding, which there has to be, with this in its sentence."""
    status, answer = examine(host)
    assert status == (PROBLEMS if answer["problems"] else WARNINGS if answer["warnings"] else ALL_WELL)
    hits = [one for one in answer["findings"]
            if (one["severity"], one["area"]) == (severity, area) and text in one["what"]]
    assert hits, f"no {severity} of {area} with {text!r}: {answer['findings']}"
    assert severity == "ok" or hits[0]["advice"]
    return hits[0]
