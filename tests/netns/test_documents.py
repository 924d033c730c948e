"""What the documents show is what there is: JSON of docs/cli.md, settings of the manual and of the configuration file.

    [www, job] --- web --- the host --- [near, outside]
"""

import json
import pathlib
import re

import pytest

from harness import world as outside
from harness.host import REPOSITORY

ROOT = pathlib.Path(REPOSITORY)
# Which commands the examples below a heading are of, in order.
COMMANDS = {
    "network": ["network"], "sandbox": ["sandbox"], "endpoint": ["endpoint show www"], "port": ["port"],
    "uplink": ["uplink"], "peer": ["peer"], "adopt, release": ["adopt"], "fdb, neigh": ["fdb", "neigh"], "ct, nat": ["ct list"],
    "drops": ["drops"], "doctor, dump": ["doctor"], "topology": ["topology"],
    "explain": [f"explain from www tcp {outside.NEAR}:443"], "map": ["map"], "prog": ["prog"],
}


def examples():
    """Heading -> documents."""
    found, heading, block = {}, None, None
    for line in (ROOT / "docs/cli.md").read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line == "```json":
            block = ""
        elif line == "```" and block is not None:
            decoder, text, documents = json.JSONDecoder(), block.strip(), found.setdefault(heading, [])
            while text:
                document, end = decoder.raw_decode(text)
                documents.append(document)
                text = text[end:].strip()
            block = None
        elif block is not None:
            block += line + "\n"
    return found


def differs(shown, real, path="it"):
    """What an example has and the real answer has not, or the other way round; values may be others."""
    if shown is None or real is None:
        return []
    if type(shown) is not type(real):
        return [f"{path} is {real!r}, not like {shown!r}"]
    if isinstance(shown, dict):
        keys = [f"{path}: only one has {key}" for key in sorted(shown.keys() ^ real.keys())]
        return keys + [one for key in shown.keys() & real.keys() for one in differs(shown[key], real[key], f"{path}.{key}")]
    if isinstance(shown, list) and shown and real:
        # Lists whose elements say of what kind they are: of the same kind, then.
        kind = isinstance(shown[0], dict) and shown[0].get("step")
        if kind:
            return differs(shown[0], next(one for one in real if one["step"] == kind), f"{path}[{kind}]")
        return differs(shown[0], real[0], path + "[0]")
    return []


@pytest.fixture
def shown(host, world):
    host.cli("network", "create", "web", "--subnet", "10.88.0.0/24")
    host.cli("sandbox", "create", "a")
    host.cli("endpoint", "create", "web", "www", "--netns", "a")
    host.cli("port", "publish", "www", "8080:80")
    host.cli("peer", "add", "198.18.0.9", "--name", "two")
    host.namespace.ip("link add tap0 type veth peer name tap1")
    host.cli("network", "attach", "web", "tap0")
    host.namespace.ip("link add lab0 type bridge", "link add veth1 type veth peer name veth2", "link set veth1 master lab0")
    host.cli("adopt", "lab0")
    host.namespace.run("nsenter", f"--net={host.root}/run/netns/a", "ping", "-c", "1", "-W", "5", outside.NEAR)
    yield host
    host.cli("release", "lab0")
    host.cli("network", "detach", "web", "tap0")
    host.cli("peer", "delete", "198.18.0.9")


def test_json_of_the_command_line(shown):
    found = examples()
    assert len(found.pop("monitor")) == 1, "test_monitor.py has events to compare it with"
    assert found.keys() == COMMANDS.keys(), "name the command of each heading's examples"
    problems = []
    for heading, commands in COMMANDS.items():
        assert len(commands) == len(found[heading]), heading
        for command, example in zip(commands, found[heading]):
            _, done = shown.cli_raw(*command.split())
            problems += differs(example, json.loads(done.stdout), command)
    assert problems == [], "\n".join(problems)


def settings(text, section, key):
    """[section] key of each line, with what makes a heading and a setting."""
    found, current = set(), None
    for line in text.splitlines():
        head, setting = re.match(section, line), re.match(key, line)
        if head:
            current = head.group(1)
        elif setting:
            found |= {(current, name) for name in re.findall(r"\*?(\w+)\*? =", line)}
    return found


def test_manual_and_configuration_file_have_the_same_settings():
    manual = settings((ROOT / "docs/man/cnetd.toml.5.scd").read_text().split("# EXAMPLE")[0], r"# \[(\w+)\]", r"\*\w+\* =")
    file = settings((ROOT / "tools/packaging/cnetd.toml").read_text(), r"(?:# )?\[(\w+)\]$", r"# \w+ =")
    assert manual - file == set() and file - manual == set()
    code = "".join((ROOT / "userspace/cnetd" / name).read_text() for name in ("config.cpp", "config_cluster.cpp"))
    words = set(re.findall(r'"(cnet_\w+|\w+_s)"', code)) | set(re.findall(r'key == "(\w+)"', code))
    assert {key for _, key in manual} == words - {"cnet_fdb_count", "cnet_quota"}  # they follow others


def test_configuration_file_with_every_default_written_out(make_host):
    text = (ROOT / "tools/packaging/cnetd.toml").read_text()
    start, end = text.index("# Hosts that share networks"), text.index("[reconcile]")
    text = re.sub(r"^# (\w+ = )", r"\1", text[:start] + text[end:], flags=re.MULTILINE)
    # The machine's cgroups are those of whoever runs the tests.
    text = re.sub(r"\[sock\]\nenabled = true\ncgroup = .*", "[sock]\nenabled = false", text)
    host = make_host(text)
    assert host.cli("status")["networks"] == 0
