#!/bin/bash
# Process 1 of the guest once the root file system is there: makes it a system that the tests can run on, runs the
# command that the host has left in the shared directory, leaves its exit status there and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
shared=/run/vmtest
trap '/bin/busybox poweroff -f' EXIT

mount -t tmpfs run /run
mkdir -p $shared /lib/modules /dev/pts /dev/shm
mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=512000 shared $shared || exit
mount --bind "$vmtest_modules" /lib/modules
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mount -t bpf bpf /sys/fs/bpf
ln -sfn /proc/self/fd /dev/fd
ip link set lo up
modprobe tun # its device node comes with it; others load when they are asked for
"$(dirname "$vmtest_guest")/../br_netfilter"
# dmesg has it; on the console it would stand amid the tests' output.
echo 1 >/proc/sys/kernel/printk

echo "vmtest: kernel $(uname -r) is up after $(cut -d' ' -f1 /proc/uptime) s"
bash $shared/command </dev/null
echo $? >$shared/status
dmesg >$shared/dmesg
sync
