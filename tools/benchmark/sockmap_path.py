"""TCP between two containers of a host that makes no packets: the data goes from socket to socket."""

import json

from .kernel_paths import BareVeth

OBJECT = "bench_sockmap.bpf.o"


class Sockmap(BareVeth):
    """A veth pair, over which the connections are made, and sockops with sk_msg for what they carry."""

    # A blocking read ends with EAGAIN where the connection is reset: tcp_bpf_recvmsg() takes whatever wakes it without
    # data for a lack of data.
    cannot = ("crr",)

    def __init__(self, name, label, bin_dir):
        super().__init__(name, label)
        self._object = bin_dir / OBJECT

    def build(self, lab):
        path = super().build(lab)
        cgroup = lab.cgroup("sockmap")
        for end in (path.client, path.server):
            end.cgroup = cgroup
        self._pins, self._host = lab.bpf_directory() / "sockmap", path.client
        self._attach(cgroup)
        return path

    def _attach(self, cgroup):
        pins, run = self._pins, self._host.run
        run("bpftool", "prog", "loadall", self._object, pins, "pinmaps", pins)
        run("bpftool", "cgroup", "attach", cgroup, "sock_ops", "pinned", pins / "bench_established")
        sockets = ("pinned", pins / "bench_sockets")
        run("bpftool", "prog", "attach", "pinned", pins / "bench_send", "sk_msg_verdict", *sockets)

    def carried(self):
        """What was put into a receive queue."""
        counted = self._host.run("bpftool", "-j", "map", "dump", "pinned", self._pins / "bench_counted")
        (row,) = json.loads(counted)
        return row["formatted"]["value"]
