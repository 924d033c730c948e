# A dockerd of one's own for a demonstration: in the network namespace `host`, in mount and PID namespaces of its own,
# everything of it below $root/docker. Sourced.
# shellcheck shell=bash

# PID 1 of the namespaces; all inside ends with it. Containers' network namespaces stay visible outside, for cnetd.
# shellcheck disable=SC2016 # it is another bash's
readonly docker_holder='
set -e
read -r pid _ </proc/self/stat
while read -r _ _ _ _ target _; do
    case "$target" in "$1"/exec/netns) ;; *) mount --make-slave "$target" 2>/dev/null || true ;; esac
done </proc/self/mountinfo
mount -t proc proc /proc
mkdir -p "$1/keep"
mount --rbind /sys/fs/cgroup "$1/keep"
mount -t sysfs sysfs /sys
mount --rbind "$1/keep" /sys/fs/cgroup
[ -d /run/docker ] || { mkdir /run/docker; : >"$1/made-run-docker"; }
mount -t tmpfs none /run/docker
echo "$pid" >"$1/holder.new"
mv "$1/holder.new" "$1/holder"
exec dockerd --config-file "$1/daemon.json" >"$1/dockerd.log" 2>&1
'

in_docker() { DOCKER_HOST=unix://$root/docker/docker.sock DOCKER_CONFIG=$root/docker/client nsenter --net="$host" -- "$@"; }

# An image of busybox alone, named box.
import_box() {
    local image=$root/docker/image applet
    mkdir -p "$image"/{bin,etc,proc,sys,dev,tmp,www}
    cp "$(command -v busybox)" "$image/bin/busybox"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$image/bin/$applet"
    done
    tar -C "$image" -c . | in_docker docker import --change 'ENV PATH=/bin' - box >/dev/null
}

# start_dockerd KEYS: "KEYS" are more of daemon.json, each followed by a comma.
start_dockerd() {
    local dir=$root/docker shared=$root/docker/exec/netns
    mkdir -p "$shared"
    mount --bind "$shared" "$shared"
    mount --make-shared "$shared"
    cat >"$dir/daemon.json" <<JSON
{$1 "data-root": "$dir/data", "exec-root": "$dir/exec", "pidfile": "$dir/docker.pid",
 "hosts": ["unix://$dir/docker.sock"], "deprecated-key-path": "$dir/key.json", "storage-driver": "overlay2",
 "exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": "/cnetqd-$run_id"}
JSON
    setsid nsenter --net="$host" -- unshare --mount --pid --fork --kill-child --propagation unchanged \
        bash -c "$docker_holder" holder "$dir" </dev/null >"$dir/holder.log" 2>&1 &
    disown
    until_true 60 in_docker docker version || fail "dockerd does not answer: $(tail -n 3 "$dir/dockerd.log")"
    import_box
}

# in_container NAME COMMAND...: of the host's, in the container's network namespace.
in_container() {
    local key; key=$(in_docker docker inspect -f '{{.NetworkSettings.SandboxKey}}' "$1"); shift
    nsenter --net="$root/docker/exec/netns/${key##*/}" -- "$@"
}
