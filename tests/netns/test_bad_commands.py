"""Bad input on the command line: one clear sentence, the exit status of the design, and nothing
changed.

    [alpha] --- network red 10.88.1.0/24 --- the host
"""

import shlex
import socket

import pytest

from harness.host import CnetHost
from harness.netns import Namespace
from harness.sockets import open_socket

USAGE, REFUSED, NOT_FOUND, UNREACHABLE = 1, 2, 3, 4


@pytest.fixture(scope="module")
def shared():
    """One host for all cases: none of them may change anything."""
    host = CnetHost()
    red = host.network("red", "10.88.1.0/24")
    tiny = host.network("tiny", "10.88.9.0/30")
    host.cli(
        "network", "create", "ranged", "--subnet", "10.88.7.0/24", "--ip-range", "10.88.7.8/30"
    )
    alpha = host.container(red, "alpha")
    host.container(tiny, "last")
    host.publish(alpha, 8080, 80)
    host.publish(alpha, 9000, 90, "udp")
    host.cli("sandbox", "create", "box")
    yield host
    host.close()


@pytest.fixture
def unchanged(shared):
    before = shared.state()
    devices = set(shared.namespace.links())
    yield shared
    assert shared.state() == before, "a refused command changed the state"
    assert set(shared.namespace.links()) == devices, "a refused command left a device"


# What is wrong | exit status | what the sentence names | the command
CASES = """
overlapping subnet            | 2 | 10.88.1.0/24     | network create blue --subnet 10.88.1.128/25
larger overlapping subnet     | 2 | 10.88.           | network create blue --subnet 10.88.0.0/16
network's name taken          | 2 | red              | network create red --subnet 10.99.0.0/24
odd characters                | 2 | name             | network create 're d;rm' --subnet 10.99.0.0/24
name with a slash             | 2 | name             | network create a/b --subnet 10.99.0.0/24
name with a newline           | 2 | name             | network create NEWLINE --subnet 10.99.0.0/24
name that is too long         | 2 | name             | network create LONG --subnet 10.99.0.0/24
name that is an address       | 2 | name             | network create 10.0.0.1 --subnet 10.99.0.0/24
name that begins with a dot   | 2 | name             | network create .hidden --subnet 10.99.0.0/24
no subnet                     | 2 | not-an-address   | network create blue --subnet not-an-address
prefix too long               | 2 | 10.99.0.0/33     | network create blue --subnet 10.99.0.0/33
subnet without room           | 2 | 10.99.0.0/31     | network create blue --subnet 10.99.0.0/31
multicast subnet              | 2 | 224.0.0.0/24     | network create blue --subnet 224.0.0.0/24
loopback subnet               | 2 | 127.0.0.0/8      | network create blue --subnet 127.0.0.0/8
gateway outside               | 2 | 10.98.0.1        | network create blue --subnet 10.99.0.0/24 --gateway 10.98.0.1
gateway is the broadcast      | 2 | 10.99.0.255      | network create blue --subnet 10.99.0.0/24 --gateway 10.99.0.255
range outside                 | 2 | 10.98.0.0/25     | network create blue --subnet 10.99.0.0/24 --ip-range 10.98.0.0/25
mtu too small                 | 2 | mtu              | network create blue --subnet 10.99.0.0/24 --mtu 12
delete a network in use       | 2 | red              | network delete red
show an unknown network       | 3 | nonesuch         | network show nonesuch
delete an unknown network     | 3 | nonesuch         | network delete nonesuch
change an unknown network     | 3 | nonesuch         | network set nonesuch --icc off
address outside its pool      | 2 | 10.99.0.5        | endpoint create red new --netns box --ip 10.99.0.5
address taken                 | 2 | 10.88.1.2        | endpoint create red new --netns box --ip 10.88.1.2
the gateway's address         | 2 | 10.88.1.1        | endpoint create red new --netns box --ip 10.88.1.1
the network's address         | 2 | 10.88.1.0        | endpoint create red new --netns box --ip 10.88.1.0
the broadcast address         | 2 | 10.88.1.255      | endpoint create red new --netns box --ip 10.88.1.255
no address                    | 2 | 10.88.1.999      | endpoint create red new --netns box --ip 10.88.1.999
exhausted pool                | 2 | tiny             | endpoint create tiny new --netns box
unknown network               | 3 | nonesuch         | endpoint create nonesuch new --netns box
unknown namespace             | 3 | nowhere          | endpoint create red new --netns nowhere
path that is no namespace     | 3 | /etc/passwd      | endpoint create red new --netns /etc/passwd
path that is not there        | 3 | /run/netns/none  | endpoint create red new --netns /run/netns/none
endpoint's name taken         | 2 | alpha            | endpoint create red alpha --netns box
endpoint with odd name        | 2 | name             | endpoint create red 'a b' --netns box
device name too long          | 2 | sixteencharacter | endpoint create red new --netns box --ifname sixteencharacter
device name with a slash      | 2 | eth/0            | endpoint create red new --netns box --ifname eth/0
device that exists            | 2 | lo               | endpoint create red new --netns box --ifname lo
multicast MAC                 | 2 | 01:00:5e:00:00:01 | endpoint create red new --netns box --mac 01:00:5e:00:00:01
malformed MAC                 | 2 | 02:00:zz         | endpoint create red new --netns box --mac 02:00:zz
show an unknown endpoint      | 3 | nobody           | endpoint show nobody
delete an unknown endpoint    | 3 | nobody           | endpoint delete nobody
port that is ours             | 2 | BIND             | port publish alpha 8080:81
ours, on one address          | 2 | already allocated | port publish last 127.0.0.1:8080:81
range that touches ours       | 2 | already allocated | port publish last 8078-8081:78-81
port of an unknown endpoint   | 3 | nobody           | port publish nobody 1000:80
port 0                        | 2 | 1000:0           | port publish alpha 1000:0
port too large                | 2 | 70000            | port publish alpha 70000:80
backward range                | 2 | 9005-9001        | port publish alpha 9005-9001:80-84
ranges of two sizes           | 2 | 9001-9005        | port publish alpha 9001-9005:80-81
unknown protocol              | 2 | quic             | port publish alpha 1000:80/quic
nonsense for a port           | 2 | hello            | port publish alpha hello
address that is not the host's | 2 | 192.0.2.9       | port publish alpha 192.0.2.9:1000:80
unpublish what is not         | 3 | 7000             | port unpublish alpha 7000:80
sandbox's name taken          | 2 | box              | sandbox create box
sandbox with odd name         | 2 | name             | sandbox create ../escape
delete an unknown sandbox     | 3 | nobody           | sandbox delete nobody
uplink that is no device      | 3 | eth77            | uplink add eth77
entry for an unknown network  | 3 | nonesuch         | fdb add nonesuch 02:00:00:00:00:09 endpoint alpha
entry with a group address    | 2 | 01:00:00:00:00:09 | fdb add red 01:00:00:00:00:09 endpoint alpha
entry for an unknown endpoint | 3 | nobody           | fdb add red 02:00:00:00:00:09 endpoint nobody
"""

WORDS = {
    "LONG": "n" * 64,
    "NEWLINE": "a\nb",
    "BIND": "Bind for 0.0.0.0:8080 failed: port is already allocated",
}


def _cases():
    for line in CASES.strip().splitlines():
        wrong, status, text, command = (field.strip() for field in line.split(" | "))
        args = [WORDS.get(word, word) for word in shlex.split(command)]
        yield pytest.param(int(status), WORDS.get(text, text), args, id=wrong)


@pytest.mark.parametrize("status,text,args", _cases())
def test_refused(unchanged, status, text, args):
    unchanged.cli_fails(status, text, *args)


@pytest.mark.parametrize("kind,protocol", [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")])
@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_port_taken_by_a_process(unchanged, kind, protocol, address):
    with open_socket(unchanged.namespace, kind, address, 7777) as sock:
        if kind == socket.SOCK_STREAM:
            sock.listen()
        unchanged.cli_fails(
            REFUSED,
            f"failed to bind host port 0.0.0.0:7777/{protocol}: address already in use",
            *("port", "publish", "alpha", f"7777:80/{protocol}"),
        )


def test_published_port_is_kept_from_processes(unchanged):
    """No process of the host gets a published port."""
    for kind, port in ((socket.SOCK_STREAM, 8080), (socket.SOCK_DGRAM, 9000)):
        with pytest.raises(OSError, match="in use"):
            open_socket(unchanged.namespace, kind, "0.0.0.0", port).close()


def test_pool_is_exhausted_and_recovers(shared):
    """A range of four addresses gives four, refuses the fifth, and gives again what came back."""

    def create(number):
        return (
            "endpoint",
            "create",
            "ranged",
            f"r{number}",
            "--netns",
            "box",
            "--ifname",
            f"r{number}",
            *("--default-route", "off"),
        )

    for number in range(4):
        shared.cli(*create(number))
    addresses = {row["addresses"][0] for row in shared.cli("endpoint", "list", "ranged")}
    assert addresses == {f"10.88.7.{number}/24" for number in range(8, 12)}
    shared.cli_fails(REFUSED, "ranged", *create(4))
    shared.cli("endpoint", "delete", "r2")
    shared.cli(*create(4))
    for number in (0, 1, 3, 4):
        shared.cli("endpoint", "delete", f"r{number}")


def test_namespace_that_vanished(unchanged):
    gone = Namespace("gone")
    gone.close()
    unchanged.cli_fails(
        NOT_FOUND, gone.name, "endpoint", "create", "red", "new", "--netns", gone.path
    )


USAGES = """
nonsense
network explode
network create
network create x --no-such-option
network create x --mtu many
network create '' --subnet 10.99.0.0/24
endpoint create red
--color sometimes network list
"""


@pytest.mark.parametrize("command", ["", *USAGES.strip().splitlines()])
def test_usage(unchanged, command):
    _, done = unchanged.cli_raw(*shlex.split(command))
    assert done.returncode == USAGE and done.stderr.strip(), (done.returncode, done.stderr)


def test_no_daemon(make_host):
    host = make_host(start=False)
    host.cli_fails(UNREACHABLE, host.socket, "network", "list")
    host.cli_fails(
        UNREACHABLE, host.socket, "network", "create", "blue", "--subnet", "10.99.0.0/24"
    )
