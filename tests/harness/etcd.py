"""A real etcd: members in namespaces of their own on an underlay, addresses 198.19.0.201 and on, data
below the temporary directory.

    member 1  198.19.0.201 ---+
    member 2  198.19.0.202 ---+--- underlay --- hosts, clients
    member 3  198.19.0.203 ---+
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile

from .netns import PREFIX, Namespace
from .underlay import Underlay, address
from .wait import wait_until

FIRST_NUMBER = 201
CLIENT_NUMBER = 230
CLIENT_PORT, PEER_PORT = 2379, 2380
ROOT_PASSWORD, USER, PASSWORD = "root-secret", "cnet", "cnet-secret"


class Member:
    def __init__(self, cluster, index):
        self.cluster = cluster
        self.name, self.number = f"m{index}", FIRST_NUMBER + index
        self.address = address(self.number)
        self.namespace = Namespace(self.name)
        cluster.underlay.connect(self.namespace, self.number)
        self.endpoint = f"{cluster.scheme}://{self.address}:{CLIENT_PORT}"
        self.peer_url = f"{cluster.scheme}://{self.address}:{PEER_PORT}"
        self.data = os.path.join(cluster.directory, self.name)
        self.log_path = self.data + ".log"
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = self.namespace.spawn(*self._command(), stdout=log, text=False)

    def _command(self):
        command = [
            *("etcd", "--name", self.name, "--data-dir", self.data, "--logger", "zap"),
            *("--log-level", "warn"),
            *("--listen-client-urls", self.endpoint, "--advertise-client-urls", self.endpoint),
            *("--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url),
            *("--initial-cluster", self.cluster.initial, "--initial-cluster-token", PREFIX),
            # The machine does not lose power in a test.
            *("--unsafe-no-fsync", "--bcrypt-cost", "4"),
        ]
        if self.cluster.tls:
            files = self.cluster.certificates
            for kind in ("", "peer-"):
                command += [f"--{kind}cert-file", files.path("server.pem"), f"--{kind}key-file", files.path("server.key")]
                command += [f"--{kind}trusted-ca-file", files.path("ca.pem"), f"--{kind}client-cert-auth"]
        return command + list(self.cluster.options)

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        """Connections stay open and nothing answers."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def close(self):
        if self.process:
            self.process.close()
        self.namespace.close()


class Certificates:
    """An authority, and what it has signed: `server` for the members' addresses, `client`; `stranger.pem` is
    another authority.
    """

    def __init__(self, directory, addresses):
        self._directory = directory
        self._make_authority("ca")
        self._make_authority("stranger")
        names = ",".join(f"IP:{one}" for one in addresses)
        # The gateway is a client of its own member, with the server's certificate.
        self._sign("server", f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._sign("client", "extendedKeyUsage=clientAuth\n")

    def path(self, name):
        return os.path.join(self._directory, name)

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self._directory)

    def _make_authority(self, name):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", f"{name}.key"]
        self._openssl("req", "-x509", *key, "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}")

    def _sign(self, name, extensions):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", f"{name}.key"]
        # With authentication on, the gateway of etcd refuses clients whose certificate has a CommonName.
        self._openssl("req", *key, "-out", f"{name}.csr", "-subj", f"/O={name}")
        with open(self.path(f"{name}.ext"), "w", encoding="ascii") as file:
            file.write(extensions)
        authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        self._openssl("x509", "-req", "-in", f"{name}.csr", *authority, "-extfile", f"{name}.ext", "-out", f"{name}.pem")


class Cluster:
    """`underlay`: one that hosts are on already; else it makes one, and closes it."""

    def __init__(self, count=3, underlay=None, tls=False, options=()):
        self.tls, self.options = tls, options
        self.scheme = "https" if tls else "http"
        self.directory = tempfile.mkdtemp(prefix=PREFIX)
        self._own_underlay = None if underlay else Underlay()
        self.underlay = underlay or self._own_underlay
        self.members, self._client, self._login = [], None, []
        addresses = [address(FIRST_NUMBER + index) for index in range(count)]
        self.certificates = Certificates(self.directory, addresses) if tls else None
        self.members = [Member(self, index) for index in range(count)]
        self.initial = ",".join(f"{one.name}={one.peer_url}" for one in self.members)
        for member in self.members:
            member.start()
        wait_until(self.leader, timeout=60, what="the cluster having a leader")

    @property
    def endpoints(self):
        return [member.endpoint for member in self.members]

    @property
    def client(self):
        """A namespace that reaches the members."""
        if not self._client:
            self._client = Namespace("client")
            self.underlay.connect(self._client, CLIENT_NUMBER)
        return self._client

    def ctl(self, *words, members=None, check=True):
        """etcdctl as root; what it prints."""
        endpoints = ",".join(member.endpoint for member in members or self.members)
        options = ["--endpoints", endpoints, "--dial-timeout", "1s", *self._login]
        if self.tls:
            files = self.certificates
            options += ["--cacert", files.path("ca.pem"), "--cert", files.path("client.pem"), "--key", files.path("client.key")]
        done = self.client.run("env", "ETCDCTL_API=3", "etcdctl", *options, *words, check=check)
        return done.stdout

    def status(self, member):
        """What `etcdctl endpoint status` says; None when the member does not answer."""
        text = self.ctl("endpoint", "status", "-w", "json", members=[member], check=False).strip()
        answers = json.loads(text) if text.startswith("[") else []
        return answers[0]["Status"] if answers else None

    def leader(self):
        """The member that the members agree on; None while there is no such."""
        said = {member: self.status(member) for member in self.members if member.process.poll() is None}
        for member, status in said.items():
            if status and status.get("leader") == status["header"]["member_id"]:
                followers = [other for other in said.values() if other and other.get("leader") == status["leader"]]
                if 2 * len(followers) > len(self.members):
                    return member
        return None

    def kill_leader(self):
        """Kills it without waiting for the next; restart() brings it back."""
        leader = wait_until(self.leader, what="a leader")
        leader.kill()
        return leader

    def restart(self, member):
        member.start()
        wait_until(lambda: self.status(member), timeout=60, what=f"{member.name} answering")

    def partition(self, member):
        """From the other members alone: clients still reach it."""
        member.namespace.run("nft", "-f", "-", input=(
            "table inet partition {\n"
            f" chain in {{ type filter hook input priority 0; tcp sport {PEER_PORT} drop; tcp dport {PEER_PORT} drop; }}\n"
            f" chain out {{ type filter hook output priority 0; tcp sport {PEER_PORT} drop; tcp dport {PEER_PORT} drop; }}\n"
            "}\n"))

    def isolate(self, member):
        """From everybody."""
        self.underlay.switch.ip(f"link set port{member.number} down")

    def heal(self, member):
        self.underlay.switch.ip(f"link set port{member.number} up")
        member.namespace.run("nft", "delete", "table", "inet", "partition", check=False)

    def revision(self):
        return max(status["header"]["revision"] for status in map(self.status, self.members) if status)

    def compact(self, revision=None):
        """Forgets all revisions before it: before the newest, unless told otherwise."""
        revision = revision or self.revision()
        leader = wait_until(self.leader, timeout=60, what="a leader")
        self.ctl("compact", "--physical", str(revision), members=[leader])
        return revision

    def defrag(self):
        self.ctl("defrag")

    def enable_authentication(self, prefix="/cnet/"):
        """root, and a user who may use the keys below `prefix`."""
        for words in (
            ("user", "add", f"root:{ROOT_PASSWORD}"),
            ("user", "grant-role", "root", "root"),
            ("role", "add", USER),
            ("role", "grant-permission", "--prefix=true", USER, "readwrite", prefix),
            ("user", "add", f"{USER}:{PASSWORD}"),
            ("user", "grant-role", USER, USER),
            ("auth", "enable"),
        ):
            self.ctl(*words)
        self._login = ["--user", f"root:{ROOT_PASSWORD}"]

    def log(self):
        return "\n".join(f"--- {one.name}\n{_tail(one.log_path)}" for one in self.members)

    def close(self):
        for member in self.members:
            member.close()
        if self._client:
            self._client.close()
        if self._own_underlay:
            self._own_underlay.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def _tail(path, size=4000):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()[-size:]
