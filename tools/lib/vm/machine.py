"""A guest under QEMU on the host's own root file system, which it sees read-only by 9p.

It runs one command and powers off. The directory `shared` is the guest's to write: the command's exit status, its
result files.
"""

import lzma
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
QEMU = "qemu-system-x86_64"
MEMORY_MB = 2048
# What costs an emulated processor most and is not what is tested: hardening, self-tests, and the grace periods for which
# everything that removes a device, a namespace or a program waits.
QUICKER = ("mitigations=off", "init_on_alloc=0", "apparmor=0", "audit=0", "nokaslr", "nowatchdog",
           "cryptomgr.notests", "rcupdate.rcu_expedited=1")
# What must be there before the root file system is.
BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
# What the firmware says on the console would clear the screen.
ESCAPE = re.compile(r"\x1b(\[[?0-9;]*[A-Za-z]|c)")
APPLETS = ("sh", "mount", "insmod", "mkdir", "switch_root", "cat", "poweroff")


class Broken(Exception):
    """The guest did not get to the end of its command; the text has the console's last lines."""


def missing():
    """Programs that are needed and not there."""
    return [name for name in (QEMU, "cpio", "depmod", "modprobe", "busybox") if not shutil.which(name)]


def _boot_modules(kernel):
    """Module files in the order in which they load."""
    for name in BOOT_MODULES:
        done = subprocess.run(["modprobe", "-d", kernel.directory, "-S", kernel.release, "--show-depends", name],
                              capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            if line.startswith("insmod "):
                yield pathlib.Path(line.split()[1])


def make_initrd(kernel, path):
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary)
        for name in ("bin", "proc", "sys", "dev", "lower", "upper", "modules"):
            (root / name).mkdir()
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        for applet in APPLETS:
            (root / "bin" / applet).symlink_to("busybox")
        shutil.copy(HERE / "init.sh", root / "init")
        (root / "init").chmod(0o755)
        order = []
        for module in _boot_modules(kernel):
            name = module.name.removesuffix(".xz")
            if name not in order:
                raw = module.read_bytes()
                (root / "modules" / name).write_bytes(lzma.decompress(raw) if module.suffix == ".xz" else raw)
                order.append(name)
        (root / "modules/order").write_text("\n".join(order) + "\n")
        names = "\n".join(str(one.relative_to(root)) for one in sorted(root.rglob("*")))
        with open(path, "wb") as file:
            subprocess.run(["cpio", "--quiet", "--create", "--format=newc"], cwd=root, input=names.encode(),
                           stdout=file, check=True)


def _qemu(kernel, shared, initrd):
    line = ["console=ttyS0", "quiet", "panic=-1", *QUICKER, f"vmtest_guest={HERE / 'guest.sh'}",
            f"vmtest_modules={kernel.directory.resolve() / 'lib/modules'}"]
    # Emulation and not KVM: it is everywhere, nested machines included, and always the same.
    return [QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB), "-nodefaults",
            "-nographic", "-no-reboot", "-serial", "stdio", "-kernel", kernel.image, "-initrd", initrd,
            "-append", " ".join(line),
            "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
            "-fsdev", f"local,id=shared,path={shared},security_model=none",
            "-device", "virtio-9p-pci,fsdev=shared,mount_tag=shared", "-device", "virtio-rng-pci"]


def _last_lines(console):
    return "\n".join(console.read_text(errors="replace").splitlines()[-30:])


def run(kernel, command, shared, limit_s, echo):
    """The exit status of a bash script, `command`, in a guest with this kernel. `echo` gets the console's lines."""
    (shared / "command").write_text(command)
    initrd = shared / "initrd"
    make_initrd(kernel, initrd)
    console = shared / "console.log"
    # In this process group, so that whatever ends vmtest ends it too.
    with open(console, "w", encoding="utf-8") as log, subprocess.Popen(
            ["timeout", "--foreground", "--kill-after=10", str(limit_s), *_qemu(kernel, shared, initrd)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace") as process:
        try:
            for line in process.stdout:
                log.write(line)
                log.flush()
                echo(ESCAPE.sub("", line).rstrip())
        except BaseException:
            process.send_signal(signal.SIGTERM)
            raise
    initrd.unlink()
    if not (shared / "status").exists():
        how = f"killed after {limit_s} s" if process.returncode == 124 else f"QEMU's status {process.returncode}"
        raise Broken(f"the guest did not get to the end ({how}); its console's last lines:\n{_last_lines(console)}")
    return int((shared / "status").read_text())
