# The demonstration on three hosts: one network on all of them, through an etcd with a member on each. Sourced by
# tools/quickstart.
# shellcheck shell=bash

readonly hosts='1 2 3'
wire=/run/netns/cnetqs-$run_id-wire
netns_of() { echo "/run/netns/cnetqs-$run_id-h$1"; }
addr_of() { echo "192.0.2.$1"; }

in_host() { local n=$1; shift; CNET_ROOT=$root/h$n PATH=$build/bin:$PATH nsenter --net="$(netns_of "$n")" -- "$@"; }
in_h1() { in_host 1 "$@"; }
in_h2() { in_host 2 "$@"; }
in_h3() { in_host 3 "$@"; }
in_c1() { nsenter --net="$root/h1/run/netns/c1" -- "$@"; }
in_c2() { nsenter --net="$root/h2/run/netns/c2" -- "$@"; }
in_c3() { nsenter --net="$root/h3/run/netns/c3" -- "$@"; }

make_hosts() {
    local n name
    mkdir -m 0755 "$root"
    ip netns add "${wire##*/}"
    ip -n "${wire##*/}" link add lan0 type bridge
    ip -n "${wire##*/}" link set lan0 up
    for n in $hosts; do
        name=$(basename "$(netns_of "$n")")
        ip netns add "$name"
        ip -n "$name" link set lo up
        ip -n "${wire##*/}" link add "h$n" type veth peer name eth0 netns "$name"
        ip -n "${wire##*/}" link set "h$n" master lan0 up
        ip -n "$name" address add "$(addr_of "$n")/24" dev eth0
        ip -n "$name" link set eth0 up
    done
}

start_etcd() {
    local n=$1 url=http://$(addr_of "$1") members
    members="h1=http://$(addr_of 1):2380,h2=http://$(addr_of 2):2380,h3=http://$(addr_of 3):2380"
    setsid nsenter --net="$(netns_of "$n")" -- etcd --name "h$n" --data-dir "$root/h$n/etcd" --log-level error \
        --listen-client-urls "$url:2379" --advertise-client-urls "$url:2379" --listen-peer-urls "$url:2380" \
        --initial-advertise-peer-urls "$url:2380" --initial-cluster "$members" </dev/null >>"$root/h$n/etcd.log" 2>&1 &
    disown
}

start_cnetd() {
    local n=$1
    setsid nsenter --net="$(netns_of "$n")" -- "$build/bin/cnetd" --root "$root/h$n" </dev/null >>"$root/h$n/cnetd.log" 2>&1 &
    disown # so that the shell does not tell of its end
    if ! until_true 20 in_host "$n" cnet-bpf status; then fail "cnetd on host $n does not answer"; fi
}

# says N WORDS COMMAND...: what the command prints on host N has all of the words.
says() {
    local n=$1 words=$2 word said; shift 2
    said=$(in_host "$n" "$@" 2>&1) || return 1
    for word in $words; do [[ $said == *$word* ]] || return 1; done
}
lacks() { local n=$1 word=$2; shift 2; ! says "$n" "$word" "$@"; }
# wait_for WHAT-IS-WRONG-OTHERWISE SECONDS COMMAND...
wait_for() { local what=$1 seconds=$2; shift 2; until_true "$seconds" "$@" || fail "$what"; }

serve() {
    page "c$1" "container c$1 on host h$1"
    setsid nsenter --net="$root/h$1/run/netns/c$1" -- busybox httpd -f -p 0.0.0.0:80 -h "$root/www-c$1" </dev/null &>/dev/null &
    disown
    until_true 10 "in_c$1" curl -sf -o /dev/null http://127.0.0.1/cgi-bin/hello || fail "the web server in c$1 does not start"
}

# Everything that runs in the namespace of a host, as if its plug were pulled; its containers too.
kill_host() {
    local n=$1 file pid pids=()
    ip -n "${wire##*/}" link set "h$n" down
    for file in "$(netns_of "$n")" "$root/h$n"/run/netns/*; do
        mapfile -t -O ${#pids[@]} pids < <(pids_in "$file")
    done
    kill -9 "${pids[@]}" 2>/dev/null || true
}

title "Three hosts on one wire, each a network namespace; an etcd with a member on each"
make_hosts
note "    c1              c2              c3        containers, all on network 'over'"
note "    |               |               |"
note "    h1 192.0.2.1    h2 192.0.2.2    h3 192.0.2.3    cnetd and an etcd member each"
note "    +---------------+---------------+"
for n in $hosts; do
    mkdir -p "$root/h$n/etc"
    start_etcd "$n"
done
for n in $hosts; do
    cat >"$root/h$n/etc/cnetd.toml" <<TOML
[cluster]
etcd = ["http://192.0.2.1:2379", "http://192.0.2.2:2379", "http://192.0.2.3:2379"]
host = "h$n"
lease_s = 5

[sock]
enabled = false
TOML
    start_cnetd "$n"
done
for n in $hosts; do
    wait_for "the hosts do not find each other" 60 says "$n" 'one of 3 hosts' cnet-bpf status
done
on h1 cat "$root/h1/etc/cnetd.toml"
on h1 cnet-bpf peer list
good "the hosts know each other"

title "A network that is made on one host is on all"
on h1 cnet-bpf network create over --vni auto --subnet 10.99.0.0/24
wait_for "the network does not arrive" 20 says 3 over cnet-bpf network list
on h3 cnet-bpf network list

title "A container on each"
for n in $hosts; do
    wait_for "the network does not arrive" 20 says "$n" over cnet-bpf network list
    on "h$n" cnet-bpf sandbox create "c$n"
    on "h$n" cnet-bpf endpoint create over "c$n" --netns "c$n" --ip "10.99.0.1$n"
    serve "$n"
done
for n in $hosts; do
    wait_for "the endpoints do not become known" 20 says "$n" '10.99.0.11 10.99.0.12 10.99.0.13' cnet-bpf neigh show
done
on h1 cnet-bpf fdb show
on h1 cnet-bpf neigh show
good "each host knows every container, before a packet was sent"

title "From host to host"
on c1 ping -c 2 -i 0.2 -W 2 10.99.0.12
on c1 curl -sS --max-time 5 http://10.99.0.13/cgi-bin/hello
expect "container c3 on host h3. You come from 10.99.0.11" "over VXLAN, and the server sees the client's own address"
on h2 cnet-bpf sandbox create twin
printf '   %s# h2 cnet-bpf endpoint create over twin --netns twin --ip 10.99.0.11%s\n' "$dim" "$plain"
if output=$(in_h2 cnet-bpf endpoint create over twin --netns twin --ip 10.99.0.11 2>&1); then fail "an address was given twice"; fi
note "  $output"
good "no address is given twice"

title "Host h3 loses its power"
kill_host 3
wait_for "h3 is not missed" 60 says 1 gone cnet-bpf peer list
wait_for "its container is not withdrawn" 60 lacks 1 10.99.0.13 cnet-bpf neigh show
on h1 cnet-bpf peer list
on h1 cnet-bpf neigh show
on c1 curl -sS --max-time 5 http://10.99.0.12/cgi-bin/hello
expect "container c2 on host h2" "the others go on, and two of three etcd members decide"
on h2 cnet-bpf endpoint create over twin --netns twin
good "new containers too"

title "It comes back"
ip -n "${wire##*/}" link set h3 up
start_etcd 3
start_cnetd 3
serve 3
wait_for "h3 does not come back" 60 says 1 '10.99.0.13' cnet-bpf neigh show
on c1 curl -sS --max-time 5 http://10.99.0.13/cgi-bin/hello
expect "container c3 on host h3" "with its container and its address"
on h1 cnet-bpf drops show

how_to_play() {
    cat <<PLAY
  alias h1='CNET_ROOT=$root/h1 PATH=$build/bin:\$PATH nsenter --net=$(netns_of 1)'
  alias h3='CNET_ROOT=$root/h3 PATH=$build/bin:\$PATH nsenter --net=$(netns_of 3)'
  h1 cnet-bpf status
  h1 cnet-bpf sandbox exec c1 -- ping -c 3 10.99.0.13
  h1 env ETCDCTL_API=3 etcdctl --endpoints http://192.0.2.1:2379 get --prefix /cnet/
  tail -f $root/h1/cnetd.log
PLAY
}
