"""Runs CNI network configurations the way libcni does: one plugin after the other, each a process
with the verb and the container in its environment and the configuration on stdin; results handed on
as prevResult, kept for CHECK and DEL; DEL in reverse.
"""

import json
import os
import shutil
import stat
import tempfile

import pytest

from .host import BIN
from .netns import PREFIX

DEBIAN_PLUGINS = "/usr/lib/cni"
VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
PORTS = {"capabilities": {"portMappings": True}}
SUBNET = "10.88.7.0/24"
OWN = {"type": "cnet", "ipam": {"type": "cnet", "subnet": SUBNET}, **PORTS}

# Passes prevResult on, and writes down what it was given.
FAKE = """#!/usr/bin/python3
import json, os, sys
given = json.load(sys.stdin)
verb = os.environ["CNI_COMMAND"]
with open({log!r}, "a") as log:
    log.write(json.dumps({{"verb": verb, "config": given}}) + "\\n")
if verb == "ADD":
    if given.get("fail"):
        print(json.dumps({{"cniVersion": given["cniVersion"], "code": 123, "msg": "told to fail"}}))
        sys.exit(1)
    result = given.get("prevResult") or {{"interfaces": [{{"name": "fake0"}}], "dns": {{}}}}
    print(json.dumps({{**result, "cniVersion": given["cniVersion"]}}))
"""


class CniError(AssertionError):
    """What a plugin printed with a status other than 0."""

    def __init__(self, plugin, verb, status, text):
        super().__init__(f"{verb} of {plugin}: status {status}: {text}")
        try:
            self.error = json.loads(text)
        except ValueError:
            self.error = {}
        self.code = self.error.get("code")


class Cni:
    """One network configuration on one host."""

    def __init__(self, host, *plugins, name="net", version="1.0.0"):
        self.host, self.name, self.version = host, name, version
        self.plugins = [dict(plugin) for plugin in plugins] or [{"type": "cnet"}]
        self.directory = tempfile.mkdtemp(prefix=PREFIX)
        os.symlink(os.path.join(BIN, "cnet-cni"), os.path.join(self.directory, "cnet"))
        self.fake_log = os.path.join(self.directory, "fake.log")
        fake = os.path.join(self.directory, "fake")
        with open(fake, "w", encoding="utf-8") as file:
            file.write(FAKE.format(log=self.fake_log))
        os.chmod(fake, os.stat(fake).st_mode | stat.S_IXUSR)
        self.path = f"{self.directory}:{DEBIAN_PLUGINS}"
        self.cache = {}

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- one plugin ----

    def environment(self, verb, container="", netns="", ifname="", args=""):
        return {
            **os.environ,
            "CNET_ROOT": self.host.root,
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": netns,
            "CNI_IFNAME": ifname,
            "CNI_ARGS": args,
            "CNI_PATH": self.path,
        }

    def execute(self, plugin, config, environment):
        """(status, what it printed) of a plugin by name, given a configuration or any text."""
        file = next(
            found
            for found in (os.path.join(place, plugin) for place in self.path.split(":"))
            if os.path.exists(found)
        )
        text = config if isinstance(config, str) else json.dumps(config)
        done = self.host.namespace.run(file, input=text, env=environment, check=False)
        assert done.returncode in (0, 1), f"{plugin} ended with {done.returncode}: {done.stderr}"
        return done.returncode, done.stdout

    def call(self, plugin, verb, config, **environment):
        """The decoded answer, None when there is none; CniError."""
        status, text = self.execute(plugin, config, self.environment(verb, **environment))
        if status != 0:
            raise CniError(plugin, verb, status, text)
        return json.loads(text) if text.strip() else None

    def config_of(self, plugin, previous=None, capabilities=None, **more):
        config = {"cniVersion": self.version, "name": self.name, **plugin, **more}
        declared = plugin.get("capabilities", {})
        runtime = {key: value for key, value in (capabilities or {}).items() if declared.get(key)}
        if runtime:
            config["runtimeConfig"] = runtime
        if previous is not None:
            config["prevResult"] = previous
        return config

    # ---- the list ----

    def add(self, namespace, container, ifname="eth0", args="", **capabilities):
        """The last plugin's result. After a failure libcni's callers DEL."""
        result = None
        # DEL needs them when ADD fails, too.
        self.cache[container, ifname] = None, capabilities, args
        for plugin in self.plugins:
            config = self.config_of(plugin, result, capabilities)
            result = self.call(
                plugin["type"],
                "ADD",
                config,
                **{"container": container, "netns": namespace.path, "ifname": ifname, "args": args},
            )
        self.cache[container, ifname] = result, capabilities, args
        return result

    def delete(self, namespace, container, ifname="eth0"):
        """`namespace` None: it is gone."""
        result, capabilities, args = self.cache.get((container, ifname), (None, {}, ""))
        for plugin in reversed(self.plugins):
            config = self.config_of(plugin, result, capabilities)
            answer = self.call(
                plugin["type"],
                "DEL",
                config,
                container=container,
                netns=namespace.path if namespace else "",
                ifname=ifname,
                args=args,
            )
            assert answer is None, f"DEL printed {answer}"
        self.cache.pop((container, ifname), None)

    def check(self, namespace, container, ifname="eth0"):
        result, capabilities, args = self.cache[container, ifname]
        for plugin in self.plugins:
            config = self.config_of(plugin, result, capabilities)
            answer = self.call(
                plugin["type"],
                "CHECK",
                config,
                container=container,
                netns=namespace.path,
                ifname=ifname,
                args=args,
            )
            assert answer is None, f"CHECK printed {answer}"

    def collect(self, *valid):
        """GC; `valid` are (container, ifname) that stay."""
        attachments = [{"containerID": one, "ifname": ifname} for one, ifname in valid]
        for plugin in self.plugins:
            config = self.config_of(plugin, **{"cni.dev/valid-attachments": attachments})
            assert self.call(plugin["type"], "GC", config) is None

    def status(self):
        for plugin in self.plugins:
            assert self.call(plugin["type"], "STATUS", self.config_of(plugin)) is None

    def fake_calls(self):
        if not os.path.exists(self.fake_log):
            return []
        with open(self.fake_log, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


def fails(code, text, call, *args, **keys):
    with pytest.raises(CniError) as failure:
        call(*args, **keys)
    assert failure.value.code == code, failure.value
    assert text in failure.value.error["msg"], failure.value
    return failure.value.error


def endpoint_names(host):
    return [one["name"] for one in host.cli("endpoint", "list")]
