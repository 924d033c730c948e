"""A daemon that is killed at a given step of what it does, and what a host looks like then."""

import collections
import contextlib
import glob
import os
import re
import signal
import sqlite3
from dataclasses import dataclass, field

from .doctor import complaints
from .host import BIN, pins
from .netns import Process
from .wait import wait_until

SETTLED_S = 30

# What the kernel or the daemon numbers anew each time.
NUMBERED = re.compile(r"\b(cn(?:et|gw|hp|ep))[0-9a-f]+")
MAC = re.compile(r"\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b")
LINK_LOCAL = re.compile(r"fe80:(?::?[0-9a-f]+)+")  # made of a MAC
NUMBERS = re.compile(r"\d+")
VOLATILE = {"id", "ifindex", "network_id", "endpoint_id", "age_s", "created", "age"}
# Maps of what packets bring about.
OF_TRAFFIC = {"cnet_ct", "cnet_fdb", "cnet_frag", "cnet_frag_held", "cnet_counters", "cnet_icmp_rate", "cnet_watch_cpu"}
# How many the daemon opens when it first needs them, and keeps: one a family.
KEPT_OPEN = {"/proc/sys/net/ipv#/conf": 2}


class KillAt:
    """From __enter__ on the daemon is watched; its `step`th step is not done any more."""

    def __init__(self, host, step):
        self._host = host
        self._tool = Process([os.path.join(BIN, "cnet-kill-at"), str(host.daemon.pid), str(step)],
                             stdout=-1, text=True)
        assert self._tool.stdout.readline() == "ready\n", "cnet-kill-at does not hold the daemon"
        self.steps = []

    def finish(self):
        """True: the daemon was killed, and is gone. False: the step did not come, and it runs on."""
        self._tool.signal(signal.SIGTERM)
        lines = self._tool.output().splitlines()
        self.steps = [line.split(" ", 1)[1] for line in lines if " " in line]
        return "killed" in lines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._tool.close()


def plain(value):
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str):
        return LINK_LOCAL.sub("fe80::#", MAC.sub("MAC", NUMBERED.sub(r"\1#", value)))
    return value


def _lines(host, *argv):
    return sorted(plain(" ".join(line.split())) for line in host.namespace.run(*argv).stdout.splitlines())


def _descriptors(host):
    """How many of each kind the daemon has open."""
    kinds = collections.Counter()
    for path in glob.glob(f"/proc/{host.daemon.pid}/fd/*"):
        try:
            kinds[NUMBERS.sub("#", os.readlink(path).replace(host.root, ""))] += 1
        except OSError:
            continue  # closed meanwhile
    return {kind: count for kind, count in kinds.items() if count > KEPT_OPEN.get(kind, 0)}


def _files(host):
    """Below its root, but for its bpffs and its log."""
    found = []
    for folder, folders, names in os.walk(host.root):
        if folder == host.root:
            folders.remove("bpf")
        found += [os.path.relpath(os.path.join(folder, name), host.root) for name in names]
    return sorted(set(found) - {"cnetd.log"})


def _links(host):
    rows = []
    for name, link in host.namespace.links().items():
        addresses = sorted(f"{one['local']}/{one['prefixlen']}" for one in link.get("addr_info", [])
                           if one["scope"] != "link")
        rows.append((plain(name), "UP" in link["flags"], link["mtu"], plain(link.get("ifalias", "")), addresses))
    return sorted(rows)


def _pools(host):
    """Docker's pools and addresses, which nothing lists."""
    with contextlib.closing(sqlite3.connect(f"file:{host.root}/lib/cnetd.sqlite?mode=ro", uri=True)) as store:
        return sorted(row for table in ("docker_pools", "docker_addresses") for row in store.execute(f"SELECT * FROM {table}"))


def picture(host):
    """What users and the kernel have of a host, without what is numbered anew each time."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = sorted(line.split()[1].replace(host.root, "") for line in file if f" {host.root}/" in line)
    state = host.state() | {"peers": host.api("GET", "/v1/peers")[1]}
    state["fdb"] = [row for row in state["fdb"] if row["type"] != "learned"]
    return {
        "api": plain(state),
        "docker": {"state": host.api("GET", "/v1/adopted/docker")[1]["state"], "pools": _pools(host)},
        "links": _links(host),
        "routes": [re.sub(r" linkdown\b", "", line) for six in ("-4", "-6")
                   for line in _lines(host, "ip", six, "route", "show", "table", "all")],
        "rules": _lines(host, "ip", "rule") + _lines(host, "ip", "-6", "rule"),
        "qdiscs": [re.sub(r"qdisc (\w+) [0-9a-f]+:", r"qdisc \1", line) for line in _lines(host, "tc", "qdisc")],
        "sockets": _lines(host, "ss", "-Hlntuw"),
        "maps": {row["name"]: row["entries"] for row in host.cli("map", "list") if row["name"] not in OF_TRAFFIC},
        "pins": [NUMBERS.sub("#", name) for name in pins(host)],
        "mounts": mounts,
        "files": _files(host),
        "descriptors": _descriptors(host),
    }


def difference(one, other):
    """What to show of two pictures."""
    found = {}
    for key, was in one.items():
        now = other[key]
        if was == now:
            continue
        if isinstance(was, list):
            was, now = [row for row in was if row not in now], [row for row in now if row not in was]
        elif isinstance(was, dict):
            was, now = ({name: row for name, row in side.items() if rest.get(name) != row}
                        for side, rest in ((was, now), (now, was)))
        found[key] = (was, now)
    return found


def standing(host, look=picture, ready=lambda seen: True):
    """The picture, once it stays as it is: what a start or a change brings about may take a moment."""
    seen = [None] * 3

    def stands():
        seen[:] = [*seen[1:], look(host)]
        return seen[0] == seen[1] == seen[2] and ready(seen[2])

    wait_until(stands, SETTLED_S, "a picture that stays")
    return seen[2]


def settled(host, *expected, look=picture):
    """The picture, once it is one of those that there may be."""
    seen = []

    def is_expected():
        seen[:] = [look(host)]
        return seen[0] in expected

    try:
        wait_until(is_expected, SETTLED_S)
    except AssertionError:
        differences = [difference(one, seen[0]) for one in expected]
        raise AssertionError(f"none of these: {differences}") from None
    return seen[0]


@contextlib.contextmanager
def mended(host, *says):
    """What is broken within is repaired at its end: nothing was added or lost, and the log names what was done."""
    before, so_far = standing(host), len(host.log())
    yield
    settled(host, before)
    said = host.log()[so_far:]
    assert not (missing := [words for words in says if words not in said]), f"{missing} not in the log: {said}"


def cli(*words):
    def ask(host):
        return host.cli_raw(*words)[1].returncode == 0

    return ask


def told(host, command):
    """True: the daemon said that it is done."""
    try:
        return (cli(*command.split()) if isinstance(command, str) else command)(host)
    except OSError:  # it is gone
        return False


@dataclass
class Command:
    name: str
    do: object  # words of cnet-bpf, or what asks
    undo: list  # what brings back what was before
    given: list = field(default_factory=list)
    often: bool = False  # in the short run too
    between: list = field(default_factory=list)  # commands after which it is as when this one was cut short
    traffic: object = None  # what of packets' doing is looked at as well
    stride: int = 1  # each so manieth step
    loads: bool = False  # programs that few hosts need, which then stay until the daemon ends


def do_all(host, commands):
    for command in commands:
        assert told(host, command), command


def survive(host, command, step, before, after, between, settled):
    """The command, cut short before this step, and what can be done then. False: it has no such step."""
    with KillAt(host, step) as fault:
        acknowledged = told(host, command.do)
        killed = fault.finish()
    if not killed:
        assert acknowledged
        settled(host, after)
        return False
    host.daemon.wait()
    host.start()
    found = settled(host, before, after, *between)
    assert found == after or not acknowledged, "it was acknowledged, and is gone"
    assert complaints(host) == []
    if found != after:
        assert told(host, command.do), "it cannot be done again"
        settled(host, after)
    do_all(host, command.undo)
    settled(host, before)
    return True


def kill_at_every_step(host, command, look, ready=lambda seen: True):
    """What `look` makes of the host is as before the command or as after it, wherever it was cut short."""

    def looks(host, *expected):
        return settled(host, *expected, look=look)

    def seen_after(*commands):
        do_all(host, commands)
        host.restart()
        return standing(host, look, ready)

    do_all(host, command.given)
    do_all(host, [command.do, *command.undo])
    before = seen_after()
    between = [seen_after(part) for part in command.between]
    after = seen_after(command.do)
    assert before != after
    do_all(host, command.undo)
    host.restart()
    looks(host, before)

    step = 1
    while survive(host, command, step, before, after, between, looks):
        step += command.stride
    print(f"{command.name}: {step - 1} steps")
    least = 2 if command.traffic else 3
    assert step > least, "a step for the store, unless it is about traffic, one for the kernel and one for the answer at least"
