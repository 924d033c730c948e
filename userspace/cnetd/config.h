// cnetd.toml. What a file does not say keeps the value below; what it says and nobody knows is
// refused with the line it stands on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "userspace/base/log.h"
#include "userspace/base/result.h"
#include "userspace/control/gc.h"
#include "userspace/control/model.h"
#include "userspace/etcd/client.h"

namespace cnet::daemon {

// [cluster]; there is none while etcd.endpoints is empty.
struct ClusterConfig {
    etcd::ClientConfig etcd;       // etcd, ca, cert, key, user, password_file
    std::string prefix = "/cnet/"; // prefix: of all keys
    std::string host;              // host: this host's name; empty: what the kernel calls it
    uint32_t lease_s = 30;         // lease_s: a host that is silent for so long is gone
};

// VNIs that a cluster gives to networks which ask for none.
struct VniRange {
    uint32_t first = 4096;
    uint32_t last = (1u << 24) - 1;
};

// Where the metrics are served for Prometheus: a unix socket, or a port of a loopback address.
struct ListenAt {
    std::string path;
    std::optional<IpAddress> address;
    uint16_t port = 0;

    std::string text() const;
};

struct Config {
    LogLevel log_level = LogLevel::kInfo;      // [log] level
    std::map<std::string, uint32_t> map_sizes; // [maps] cnet_ct = 262144, ...
    control::Timeouts timeouts;                // [conntrack] udp_established_s = 300, ...
    std::optional<uint32_t> endpoint_flows;    // [conntrack] endpoint_flows
    std::string api_group = "cnet";            // [api] group: its members may read
    uint32_t reconcile_period_s = 30;          // [reconcile] period_s
    uint32_t sweep_period_s = 5;               // [reconcile] sweep_period_s
    bool auto_uplinks = true;                  // [uplinks] auto
    control::OverlayConfig overlay;            // [overlay] port, routed_port, address
    VniRange vni_range;                        // [overlay] vni_range = "4096-16777215"
    ClusterConfig cluster;
    uint32_t docker_grace_s = 60;                // [docker] forget_after_s
    bool adopt_docker = false;                   // [adopt] docker
    std::string docker_api = "/run/docker.sock"; // [adopt] docker_socket
    bool names = true;                           // [names] enabled
    std::vector<std::string> resolvers; // [names] resolvers; none: those of /etc/resolv.conf
    std::optional<ListenAt> metrics;    // [metrics] listen
    bool sock = true;                   // [sock] enabled
    std::string sock_cgroup;            // [sock] cgroup; empty: the root of cgroup2
};

// `file` is for messages: "FILE:LINE: ...".
Result<Config> parse_config(std::string_view text, const std::string& file);
// kNotFound when there is no such file.
Result<Config> load_config(const std::filesystem::path& file);

} // namespace cnet::daemon
