"""Debian's podman 4.3 on a host, with CNI and everything it keeps below the host's root directory.
The image is made of busybox alone.
"""

import json
import os
import shutil
import subprocess
import tarfile

from .cni import DEBIAN_PLUGINS
from .engine import cni_plugin, why_missing
from .netns import Namespace

APPLETS = ("sh", "cat", "sleep", "ip", "wget", "httpd", "nc", "nslookup")

CONTAINERS_CONF = """\
[network]
network_backend = "cni"
cni_plugin_dirs = ["{plugins}", "{debian}"]
network_config_dir = "{networks}"
default_network = "web"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=20000:20000"]
"""

# podman's clean-up process has an environment of its own.

def missing():
    """Why podman cannot run here, or None."""
    return why_missing("podman", "runc", "conmon", "busybox")


class Podman:
    def __init__(self, host, network):
        self.host = host
        self.directory = os.path.join(host.root, "podman")
        plugins, networks = (os.path.join(self.directory, name) for name in ("plugins", "networks"))
        for directory in (plugins, networks):
            os.makedirs(directory)
        self._write(plugins, "cnet", cni_plugin(host))
        os.chmod(os.path.join(plugins, "cnet"), 0o755)
        self._write(networks, "50-web.conflist", json.dumps(network))
        config = CONTAINERS_CONF.format(plugins=plugins, debian=DEBIAN_PLUGINS, networks=networks)
        storage = "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/graph\"\nrunroot = \"{0}/run\"\n"
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": self._write(self.directory, "containers.conf", config),
            "CONTAINERS_STORAGE_CONF": self._write(
                self.directory, "storage.conf", storage.format(self.directory)
            ),
        }
        self.run("import", self._image(), "box")

    @staticmethod
    def _write(directory, name, text):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _image(self):
        path = os.path.join(self.directory, "image.tar")
        with tarfile.open(path, "w") as image:
            image.add(shutil.which("busybox"), "bin/busybox")
            for applet in APPLETS:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                image.addfile(link)
        return path

    def raw(self, *arguments):
        argv = ["podman", "--tmpdir", os.path.join(self.directory, "tmp"), *arguments]
        return self.host.namespace.run(*argv, check=False, env=self.environment)

    def run(self, *arguments):
        """What it prints; it has to succeed."""
        done = self.raw(*arguments)
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def inside_of(self, container):
        """The network namespace of a running container."""
        (made,) = json.loads(self.run("inspect", container))
        return Namespace.existing(made["NetworkSettings"]["SandboxKey"])

    def close(self):
        """Ends every container; what podman mounted goes too."""
        self.raw("rm", "--all", "--force", "--time", "0")
        with open("/proc/self/mounts", encoding="utf-8") as file:
            points = [line.split()[1] for line in file]
        for point in reversed([one for one in points if one.startswith(self.directory + "/")]):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
