"""Host, none and container modes of Docker's containers, with `cnet-bpf adopt docker` and without Docker's rules."""

import pytest

from harness import adopted_docker as adopted
from harness import docker as engine
from harness import world as outside
from harness.adopted_docker import closed, page, serves
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))

plain_running = adopted.dockerd_of_module(adopted.NO_RULES)


@pytest.fixture
def plain(plain_running):
    plain_running.follows()
    yield plain_running
    plain_running.clean()


def test_two_containers_in_one_namespace(plain):
    """They are one port of the bridge, and its published port leads to whichever listens."""
    plain.docker.serve("web", "-p", "8080:80", "-p", "8081:81")
    side = "echo side >/www/index.html; exec httpd -f -p 81 -h /www"
    plain.docker.run("run", "-d", "--name", "side", "--network", "container:web", "box", "sh", "-c", side)
    plain.docker.serve("app")
    plain.serves("bridge", 2)
    inside = plain.docker.inside_of("app")
    assert plain.docker.run("exec", "web", "wget", "-qO-", "http://127.0.0.1:81/") == "side"
    assert plain.talks("app", "web") > 0
    assert page(inside, plain.address("web"), 81) == "side"
    serves(plain.world.near, "web", outside.HOST, 8080)
    serves(plain.world.near, "side", outside.HOST, 8081)
    plain.docker.run("rm", "-f", "side")
    plain.serves("bridge", 2)
    assert page(plain.world.near, outside.HOST, 8080) == "web"
    assert closed(plain.world.near, outside.HOST, 8081)


def test_host_mode(plain):
    """Its ports are the host's: whoever publishes one of them is told so."""
    busy = "echo host >/www/index.html; exec httpd -f -p 8080 -h /www"
    plain.docker.run("run", "-d", "--name", "hosts", "--network", "host", "box", "sh", "-c", busy)
    serves(plain.world.near, "host", outside.HOST, 8080)
    plain.docker.fails("address already in use", "run", "--name", "web", "-p", "8080:80", "box", "true")
    plain.docker.run("rm", "-f", "web")
    plain.docker.serve("web")
    plain.serves("bridge", 1)
    target = f"docker0/{plain.address('web')}"
    plain.host.cli_fails(2, "address already in use", "port", "publish", target, "8080:80")
    assert page(plain.docker.inside_of("web"), outside.HOST, 8080) == "host"
    plain.docker.run("rm", "-f", "hosts")
    plain.docker.serve("www", "-p", "8080:80")
    serves(plain.world.near, "www", outside.HOST, 8080)


def test_none_mode(plain):
    """A container without a network is given an endpoint of ours."""
    plain.host.cli("network", "create", "red", "--subnet", "10.88.0.0/24")
    plain.docker.serve("alone", "--network", "none")
    inside = plain.docker.inside_of("alone")
    assert set(inside.links()) == {"lo"}
    plain.host.cli("endpoint", "create", "red", "alone", "--netns", inside.path, "--ip", "10.88.0.2")
    plain.host.cli("port", "publish", "alone", "8080:80")
    serves(plain.world.near, "alone", outside.HOST, 8080)
    plain.docker.serve("app")
    assert page(plain.docker.inside_of("app"), outside.HOST, 8080) == "alone"
    assert plain.docker.raw("exec", "alone", "ping", "-c1", "-W2", outside.NEAR).returncode == 0
    plain.docker.run("rm", "-f", "alone")
    wait_until(lambda: plain.host.cli("endpoint", "list")[0]["state"] != "up", what="the container's end")
    plain.host.cli("endpoint", "delete", "alone")
    plain.host.cli("network", "delete", "red")
