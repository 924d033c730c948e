/* TCP between two sockets of one host without a packet: what one sends is put into the other's
 * receive queue (sockops and sk_msg). No check, no counter, no table but that of the sockets. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* As the socket sees itself: addresses in network byte order, ports in the host's. */
struct ends {
    __be32 local_ip;
    __be32 remote_ip;
    __u32 local_port;
    __u32 remote_port;
};

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, 1024);
    __type(key, struct ends);
    __type(value, __u64);
} bench_sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} bench_counted SEC(".maps");

SEC("sockops")
int bench_established(struct bpf_sock_ops* ops) {
    if (ops->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
        ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
        return 1;
    struct ends own = {
        .local_ip = ops->local_ip4,
        .remote_ip = ops->remote_ip4,
        .local_port = ops->local_port,
        .remote_port = bpf_ntohl(ops->remote_port),
    };
    bpf_sock_hash_update(ops, &bench_sockets, &own, BPF_ANY);
    return 1;
}

SEC("sk_msg")
int bench_send(struct sk_msg_md* msg) {
    struct ends peer = {
        .local_ip = msg->remote_ip4,
        .remote_ip = msg->local_ip4,
        .local_port = bpf_ntohl(msg->remote_port),
        .remote_port = msg->local_port,
    };
    /* What has no such peer goes the way of all packets. */
    if (bpf_msg_redirect_hash(msg, &bench_sockets, &peer, BPF_F_INGRESS) == SK_PASS) {
        __u32 first = 0;
        __u64* redirected = bpf_map_lookup_elem(&bench_counted, &first);

        if (redirected) __sync_fetch_and_add(redirected, 1);
    }
    return SK_PASS;
}

char cnet_license[] SEC("license") = "GPL";
