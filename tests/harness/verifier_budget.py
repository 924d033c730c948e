"""How many instructions the verifier may walk for each program, by compiler and kernel: what was recorded and a
tenth more. As a program of its own, records what test_kernels.py saw:

    cd tests && python3 -m harness.verifier_budget ../build/test-logs/netns/*.xml ../build/vm/*/pytest.xml
"""

import json
import os
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

from .host import BIN

RECORD = pathlib.Path(__file__).resolve().parent.parent / "netns" / "verifier_budget.json"
ALLOWED = 1.10
PRODUCER = re.compile(rb"clang version (\d+)")


def kernel():
    return ".".join(re.findall(r"\d+", os.uname().release)[:2])


def compiler():
    """What built the programs."""
    with open(os.path.join(BIN, "endpoint.bpf.o"), "rb") as file:
        return f"clang-{PRODUCER.search(file.read())[1].decode()}"


def recorded():
    """{compiler: {kernel: {program: instructions}}}"""
    return json.loads(RECORD.read_text(encoding="utf-8"))


def excess(instructions, budget):
    """A line for each program that has no budget, or is beyond it."""
    for program, walked in sorted(instructions.items()):
        was = budget.get(program)
        if was is None:
            yield f"{program}: {walked:,}, and nothing is recorded"
        elif walked > was * ALLOWED:
            yield f"{program}: {walked:,}, {walked / was - 1:.0%} more than the {was:,} recorded"


def seen_in(junit):
    """(compiler, kernel, {program: instructions}) of a run's results; None where the test did not run."""
    properties = {one.get("name"): one.get("value") for one in ElementTree.parse(junit).iter("property")}
    prefix = "verified_instructions:"
    programs = {
        name.removeprefix(prefix): int(value)
        for name, value in properties.items()
        if name.startswith(prefix)
    }
    return (properties["compiler"], properties["kernel"], programs) if programs else None


def record(junits):
    everything = recorded() if RECORD.exists() else {}
    for seen in filter(None, map(seen_in, junits)):
        built_by, series, programs = seen
        everything.setdefault(built_by, {})[series] = programs
        print(f"{built_by}, Linux {series}: {len(programs)} programs")
    RECORD.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(sys.argv[1:])
