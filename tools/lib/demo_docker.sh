# The demonstration of Docker's own networks: two containers on docker0, adopted, with request rates before and after.
# Sourced by tools/quickstart.
# shellcheck shell=bash

readonly host=/run/netns/cnetqs-$run_id-host
in_host() { CNET_ROOT=$root PATH=$build/bin:$PATH nsenter --net="$host" -- "$@"; }
# shellcheck source=tools/lib/dockerd.sh
. tools/lib/dockerd.sh

make_host() {
    mkdir -m 0755 "$root"
    ip netns add "${host##*/}"
    ip -n "${host##*/}" link set lo up
    mkdir "$root/etc"
    printf '[sock]\nenabled = false\n[adopt]\ndocker_socket = "%s"\n' "$root/docker/docker.sock" >"$root/etc/cnetd.toml"
}

start_cnetd() {
    setsid nsenter --net="$host" -- "$build/bin/cnetd" --root "$root" </dev/null >"$root/cnetd.log" 2>&1 &
    disown
    until_true 20 in_host cnet-bpf status || fail "cnetd does not answer"
}

# Requests a second over one connection from client to web, both on one core: it is the cost of the whole way.
measure() {
    local token server answer worker=$build/bin/cnet-bench-worker
    token=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
    exec {server}< <(in_container web "$worker" server --mode rr --port 7000 --token "$token" --cpu 0)
    read -r answer <&"$server" || fail "the server does not start"
    answer=$(in_container client "$worker" client --mode rr --port 7000 --token "$token" --cpu 0 --address "$address" --seconds 2) ||
        fail "the requests did not come through"
    exec {server}<&-
    rate=$(sed -E 's/.*"per_second": ?([0-9]+).*/\1/' <<<"$answer")
    note "client asks web, one connection, one core: $rate requests a second"
}

switched() { in_host cnet-bpf -j drops show | grep -o '"hook":"bridge_port","reason":"switched"[^}]*' | grep -o '"packets":[0-9]*' | grep -o '[0-9]*'; }

# ---- The demonstration ----

title "A host in a network namespace, with a dockerd of its own as its package sets it up"
make_host
start_dockerd ''
in_docker docker run -d --name web --stop-signal KILL box sleep 100000 >/dev/null
in_docker docker run -d --name client --stop-signal KILL box sleep 100000 >/dev/null
on docker docker ps --format '{{.Names}}: {{.Status}}'
address=$(in_docker docker inspect -f '{{.NetworkSettings.IPAddress}}' web)
note "web is $address, on docker0"

title "Start cnetd beside it: nothing changes yet"
start_cnetd
measure
before=$rate

title "Adopt what Docker has"
on host cnet-bpf adopt docker
expect "bridges: 1" "docker0 is adopted; no container, address or rule has changed"
on host cnet-bpf adopt
measure
good "$before before, $rate after; $(switched) frames went past the bridge"
[ "$(switched)" -gt 100 ] || fail "the frames did not go past the bridge"

title "A network that Docker makes now is adopted, too"
on docker docker network create later
until_true 10 sh -c "CNET_ROOT=$root $build/bin/cnet-bpf adopt | grep later" || fail "it is not adopted"
on host cnet-bpf adopt

title "And back"
on host cnet-bpf release docker
on host cnet-bpf adopt
[[ $output != *docker0* ]] || fail "docker0 is adopted still"
on docker docker exec client ping -c 1 -W 2 "$address"
expect "1 packets received" "Docker's bridge does it again"

how_to_play() {
    cat <<PLAY
  alias host='CNET_ROOT=$root PATH=$build/bin:\$PATH DOCKER_HOST=unix://$root/docker/docker.sock nsenter --net=$host'
  host docker ps
  host cnet-bpf adopt docker
  host docker exec client ping $address
  host cnet-bpf drops show
  tail -f $root/cnetd.log
PLAY
}
