"""Packets that the kernel dropped because a CPU's backlog was full (net.core.netdev_max_backlog). All namespaces share
it, so another test's flood may take a packet of this one, and no reason of ours tells of it.
"""

ATTEMPTS = 3


def dropped():
    """By all CPUs since boot: second column of /proc/net/softnet_stat, hexadecimal."""
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        return sum(int(line.split()[1], 16) for line in file)


def unless_dropped(attempt, counted=dropped):
    """What `attempt()` saw; once more when it saw nothing while some backlog was full, by what `counted()` says."""
    for _ in range(ATTEMPTS):
        before = counted()
        seen = attempt()
        if seen != "silent" or counted() == before:
            break
    return seen
