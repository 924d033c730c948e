# What the demonstrations of tools/quickstart share: words on the screen, running commands where they belong, and
# removing everything again. Sourced; `root` is the run's directory, a place X is known by a function in_X.
# shellcheck shell=bash

# ---- Words on the screen ----

bold='' dim='' green='' red='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; fi
step=0
title() { step=$((step + 1)); printf '\n%s%d. %s%s\n' "$bold" "$step" "$*" "$plain"; }
note() { printf '   %s\n' "$*"; }
good() { printf '   %s=> %s%s\n' "$green" "$*" "$plain"; }
fail() { printf '   %s=> %s%s\n' "$red" "$*" "$plain"; exit 1; }

# ---- Places and how to run something in them ----

# on WHERE COMMAND...: shows the command as one would type it there, and its output.
on() {
    local where=$1; shift
    printf '   %s%s# %s%s\n' "$dim" "$where" "$*" "$plain"
    output=$("in_$where" "$@" 2>&1) || { sed 's/^/     /' <<<"$output"; fail "this failed: $*"; }
    [ -z "$output" ] || sed 's/^/     /' <<<"$output"
}

# expect TEXT WHAT: the last output contains TEXT, which shows WHAT.
expect() {
    if [[ $output == *$1* ]]; then good "$2"; else fail "expected to see '$1': $2"; fi
}

# until_true SECONDS COMMAND...: polls, because neither server has a way to say that it is ready here.
until_true() {
    local deadline=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

# A page that says who serves it and whom the server sees.
page() {
    mkdir -p "$root/www-$1/cgi-bin"
    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\nThis is %s. You come from %%s.\\n" "$REMOTE_ADDR"\n' \
        "$2" >"$root/www-$1/cgi-bin/hello"
    chmod +x "$root/www-$1/cgi-bin/hello"
}

# ---- Making and unmaking ----

# Processes that live in the network namespace of this file.
pids_in() {
    local wanted pid
    wanted=$(stat -Lc %i "$1" 2>/dev/null) || return 0
    for pid in /proc/[0-9]*; do
        [ "$(stat -Lc %i "$pid/ns/net" 2>/dev/null)" != "$wanted" ] || echo "${pid#/proc/}"
    done
}

# The cgroup goes when nobody is in it any more: this script, or a shell that played.
leave_cgroup() {
    local mounted pid
    mounted=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
    [ -n "$mounted" ] && [ -d "$mounted/cnetqs-$1" ] || return 0
    while read -r pid; do echo "$pid" >"$mounted/cgroup.procs" || true; done <"$mounted/cnetqs-$1/cgroup.procs"
    rmdir "$mounted/cnetqs-$1"
}

# The cgroups of a demonstration's containers; their last processes may be on their way out.
no_docker_cgroups() {
    local dir left=0
    for dir in /sys/fs/cgroup/"cnetqd-$1" /sys/fs/cgroup/*/"cnetqd-$1"; do
        [ -d "$dir" ] || continue
        find "$dir" -depth -type d -exec rmdir {} + || left=1
    done
    return $left
}

# Everything that belongs to one root directory: processes, mounts, namespaces, files. Safe to call at any point.
remove() {
    local dir=$1 id=${1##*-} file pid pids=()
    for file in "$dir"/run/netns/* "$dir"/*/run/netns/* "/run/netns/cnetqs-$id-"*; do
        [ -e "$file" ] || continue
        mapfile -t -O ${#pids[@]} pids < <(pids_in "$file")
    done
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do timeout 5 tail --pid="$pid" -s 0.05 -f /dev/null || kill -9 "$pid" 2>/dev/null || true; done
    # Newest first; a namespace or bpffs that is busy goes when its last user does.
    awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | xargs -r -n 1 umount -l || true
    for file in "/run/netns/cnetqs-$id-"*; do
        [ ! -e "$file" ] || ip netns delete "${file##*/}"
    done
    [ ! -e "$dir/docker/made-run-docker" ] || rmdir /run/docker 2>/dev/null || true
    rm -rf --one-file-system "$dir"
    leave_cgroup "$id"
    until_true 10 no_docker_cgroups "$id" || true
}

# For `trap finish EXIT`.
finish() {
    local status=$? log
    trap - EXIT INT TERM HUP
    if [ $status = 1 ]; then
        for log in "$root"/cnetd.log "$root"/*/cnetd.log; do
            [ -s "$log" ] || continue
            printf '\nthe last of %s:\n' "$log"
            tail -n 15 "$log"
        done
    fi
    remove "$root"
    printf '\n%scleaned up: no namespace, process or mount is left%s\n' "$dim" "$plain"
    exit $status
}
