"""dockerd as the harness runs it, without anything of ours."""

import os

import pytest

from harness import docker as engine
from harness.netns import Namespace
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))


def devices_and_mounts():
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1] for line in file if engine.PREFIX in line.split()[1]]
    return sorted(os.listdir("/sys/class/net")), mounts


def test_engine_in_namespaces_of_its_own():
    before = devices_and_mounts()
    with Namespace("docker") as namespace:
        docker = engine.Dockerd(namespace, {"live-restore": True})
        try:
            docker.serve("web", "-p", "8080:80")
            web = docker.inside_of("web")

            def serves():
                url = "http://127.0.0.1:8080/"
                done = namespace.run("curl", "-s", "-m", "2", url, check=False)
                return done.stdout == "web\n"

            wait_until(serves, what="the published port")
            inside = web.links()
            docker.kill9()
            docker.start()
            assert web.links() == inside and docker.inspect("web")["State"]["Running"]
            del docker.options["live-restore"]
            docker.restart()
            docker.restart()
            assert not docker.inspect("web")["State"]["Running"]
            docker.run("start", "web")
            wait_until(serves, what="the port after the restart")
        finally:
            docker.close()
    assert devices_and_mounts() == before
