# The demonstration on one host: sandboxes, an outside host, a published port. Sourced by tools/quickstart.
# shellcheck shell=bash

readonly host=/run/netns/cnetqs-$run_id-host
readonly outside=/run/netns/cnetqs-$run_id-outside
cgroup_root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
readonly cgroup_root cgroup=${cgroup_root:+$cgroup_root/cnetqs-$run_id}
readonly host_addr=192.0.2.1 outside_addr=192.0.2.2 world_addr=203.0.113.10

in_host() { CNET_ROOT=$root PATH=$build/bin:$PATH nsenter --net="$host" -- "$@"; }
in_outside() { nsenter --net="$outside" -- "$@"; }
in_web() { nsenter --net="$root/run/netns/web" -- "$@"; }
in_client() { nsenter --net="$root/run/netns/client" -- "$@"; }

make_hosts() {
    mkdir -m 0755 "$root"
    ip netns add "${host##*/}"
    ip netns add "${outside##*/}"
    ip -n "${host##*/}" link add uplink0 type veth peer name eth0 netns "${outside##*/}"
    ip -n "${host##*/}" link set lo up
    ip -n "${outside##*/}" link set lo up
    ip -n "${host##*/}" address add $host_addr/24 dev uplink0
    ip -n "${host##*/}" link set uplink0 up
    ip -n "${outside##*/}" address add $outside_addr/24 dev eth0
    ip -n "${outside##*/}" address add $world_addr/32 dev lo
    ip -n "${outside##*/}" link set eth0 up
    ip -n "${host##*/}" route add default via $outside_addr
}

# The processes of this host are those of a cgroup of its own, this script the first of them.
start_cnetd() {
    mkdir "$root/etc"
    if [ -n "$cgroup" ]; then
        mkdir "$cgroup"
        echo $$ >"$cgroup/cgroup.procs"
        printf '[sock]\ncgroup = "%s"\n' "$cgroup" >"$root/etc/cnetd.toml"
    else
        printf '[sock]\nenabled = false\n' >"$root/etc/cnetd.toml"
    fi
    setsid nsenter --net="$host" -- "$build/bin/cnetd" --root "$root" </dev/null >"$root/cnetd.log" 2>&1 &
    if ! until_true 10 in_host cnet-bpf status; then fail "cnetd does not answer"; fi
}

# ---- The demonstration ----

title "A host and an outside host, each a network namespace, with a wire between them"
make_hosts
note "     client        web          two sandboxes on network 'demo', 10.88.0.0/24"
note "        \\          /"
note "     host $host_addr            runs cnetd; no bridge, no iptables"
note "           | uplink0"
note "    outside $outside_addr           also answers for $world_addr, 'somewhere on the Internet'"

title "Start cnetd on the host, make a network and two sandboxes"
start_cnetd
on host cnet-bpf network create demo --subnet 10.88.0.0/24
on host cnet-bpf sandbox create web
on host cnet-bpf sandbox create client
on host cnet-bpf endpoint create demo web --netns web --ip 10.88.0.10
on host cnet-bpf endpoint create demo client --netns client --ip 10.88.0.20

page web "the web server in sandbox 'web'"
page outside "a server on the outside host"
setsid nsenter --net="$root/run/netns/web" -- busybox httpd -f -p 0.0.0.0:80 -h "$root/www-web" </dev/null &>/dev/null &
setsid nsenter --net="$outside" -- busybox httpd -f -p 0.0.0.0:80 -h "$root/www-outside" </dev/null &>/dev/null &
until_true 5 in_web curl -sf -o /dev/null http://127.0.0.1/cgi-bin/hello || fail "the web server does not start"
until_true 5 in_outside curl -sf -o /dev/null http://127.0.0.1/cgi-bin/hello || fail "the outside server does not start"

title "Container to container"
on client ping -c 2 -i 0.2 -W 2 10.88.0.10
on client curl -sS --max-time 5 http://10.88.0.10/cgi-bin/hello
expect "come from 10.88.0.20" "switched by BPF from veth to veth"

title "Container to the outside"
on client curl -sS --max-time 5 http://$world_addr/cgi-bin/hello
expect "come from $host_addr" "masqueraded: the outside saw the host's address, not 10.88.0.20"

title "Outside to a published port"
on host cnet-bpf port publish web 8080:80
on outside curl -sS --max-time 5 http://$host_addr:8080/cgi-bin/hello
expect "come from $outside_addr" "translated to 10.88.0.10:80, and the server sees the real client"

if [ -n "$cgroup" ]; then
    title "A process of the host to the published port"
    on host curl -sS --max-time 5 http://127.0.0.1:8080/cgi-bin/hello
    expect "come from 10.88.0.1" "connected to 10.88.0.10:80 in the first place, by its connect(): no proxy process"
fi

title "The tables that made it happen"
on host cnet-bpf endpoint list
on host cnet-bpf port list
on host cnet-bpf fdb show
on host cnet-bpf ct list

title "And what was not needed"
on host ip -brief link
on host ip -brief link show type bridge
[ -z "$output" ] || fail "there is a bridge"
on host iptables-save
[[ $output != *-A* ]] || fail "there is an iptables rule"
on host nft list ruleset
[ -z "$output" ] || fail "there is an nftables rule"
good "no bridge, no iptables rule, no nftables rule"

how_to_play() {
    cat <<PLAY
  alias host='CNET_ROOT=$root PATH=$build/bin:\$PATH nsenter --net=$host'
  [ -z '$cgroup' ] || echo \$\$ >$cgroup/cgroup.procs
  host cnet-bpf status
  host curl -s http://127.0.0.1:8080/cgi-bin/hello
  host cnet-bpf drops show
  host cnet-bpf sandbox exec client -- curl -s http://10.88.0.10/cgi-bin/hello
  nsenter --net=$outside curl -s http://$host_addr:8080/cgi-bin/hello
  tail -f $root/cnetd.log
PLAY
}
