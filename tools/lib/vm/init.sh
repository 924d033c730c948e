#!/bin/sh
# The first process of the guest: the host's root directory, read-only, becomes the guest's under a layer of its own
# memory. Then guest.sh takes over; where it and the kernel's modules are is on the kernel's command line.
die() {
    echo "vmtest: $*"
    poweroff -f
}
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev || die "cannot mount /proc, /sys and /dev"
for module in $(cat /modules/order); do insmod "/modules/$module" || die "cannot load $module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /lower || die "cannot mount the host's root"
mount -t tmpfs -o size=80% upper /upper && mkdir /upper/data /upper/work /upper/root || die "cannot mount a tmpfs"
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work root /upper/root || die "cannot mount an overlay"
for there in proc sys dev; do mount --move /$there /upper/root/$there; done
exec switch_root /upper/root /bin/bash "$vmtest_guest"
