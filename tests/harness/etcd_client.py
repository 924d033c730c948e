"""cnetd's client of etcd, driven by the test: the other end of tests/etcd/driver.cpp."""

import json
import os
import select
import subprocess

from .host import BIN
from .sockets import PATIENCE

DRIVER = os.path.join(BIN, "cnet-etcd-driver")


class Refused(AssertionError):
    def __init__(self, error):
        super().__init__(f"{error['kind']}: {error['message']}")
        self.kind, self.text = error["kind"], error["message"]


class EtcdClient:
    """In the cluster's own namespace for clients, or in `namespace`. Further options go to the driver."""

    def __init__(self, cluster, namespace=None, **options):
        config = {"endpoints": cluster.endpoints, **options}
        if cluster.tls and "ca" not in config:
            config |= {name: cluster.certificates.path(file) for name, file in
                       (("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key"))}
        with (namespace or cluster.client).entered():
            self._process = subprocess.Popen([DRIVER, json.dumps(config)], stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, bufsize=0)
        self._rest = b""

    def say(self, **order):
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def hear(self, timeout=PATIENCE):
        """The next answer; None when none came in time."""
        while b"\n" not in self._rest:
            if not select.select([self._process.stdout], [], [], timeout)[0]:
                return None
            more = os.read(self._process.stdout.fileno(), 1 << 20)
            assert more, f"the driver has ended with status {self._process.wait(10)}"
            self._rest += more
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def ask(self, op, **order):
        self.say(op=op, **order)
        answer = self.hear()
        assert answer is not None, f"no answer to {op}"
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def put(self, key, value, lease=0):
        """The revision that it has."""
        return self.ask("txn", then=[["put", key, value, lease]])["revision"]

    def get(self, key):
        return self.ask("txn", then=[["get", key]])["gets"][0]

    def range(self, prefix, revision=0):
        return self.ask("range", prefix=prefix, revision=revision)

    def watch(self, prefix, start):
        self.say(op="watch", prefix=prefix, **{"from": start})
        return Watch(self)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Watch:
    def __init__(self, client):
        self._client = client
        self.revision, self.end = 0, None

    def events(self, count, timeout=PATIENCE):
        """The next events, at least so many: [what, key, value, revision] each."""
        events = []
        while len(events) < count:
            said = self._client.hear(timeout)
            assert said is not None, f"{len(events)} events of {count} came"
            if "end" in said:
                self.end = said
                raise AssertionError(f"the watch ended: {said}")
            self.revision = said["revision"]
            events += said["events"]
        return events

    def ends(self, timeout=PATIENCE):
        """How it ended by itself, after whatever events."""
        while not self.end:
            said = self._client.hear(timeout)
            assert said is not None, "the watch goes on"
            if "end" in said:
                self.end = said
        self._client.say(op="stop")
        return self.end

    def stop(self):
        self._client.say(op="stop")
        while not self.end:
            said = self._client.hear()
            assert said is not None, "the watch does not stop"
            self.end = said if "end" in said else None
        return self.end
