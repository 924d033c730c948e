"""Whether this runs in a chroot."""

import os


def why_no_exec():
    """Why an engine cannot execute a second command in a container here, or None. In a chroot runc's pivot_root
    leaves the root of the mount namespace as it was, and to that setns(2) leads: out of the container.
    """
    try:
        machine, here = os.stat("/proc/1/root/"), os.stat("/")
    except PermissionError:
        return None
    if (machine.st_dev, machine.st_ino) == (here.st_dev, here.st_ino):
        return None
    return "in a chroot, what an engine executes in a container lands outside of it"
