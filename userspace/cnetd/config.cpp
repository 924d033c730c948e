#include "userspace/cnetd/config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "userspace/base/file.h"
#include "userspace/cnetd/config_cluster.h"
#include "userspace/cnetd/config_take.h"

namespace cnet::daemon {
namespace {

constexpr uint32_t kDayS = 86400;
constexpr uint32_t kMapEntriesMax = 16u << 20;

// Maps whose size is a matter of taste. cnet_fdb_count has an entry for each network and
// follows, as cnet_quota does each port.
constexpr std::array<std::string_view, 18> kSizedMaps = {
    "cnet_port",    "cnet_network",    "cnet_flood",     "cnet_fdb",     "cnet_neigh",
    "cnet_uplinks", "cnet_host_addr",  "cnet_bind_addr", "cnet_binding", "cnet_allow",
    "cnet_ct",      "cnet_frag",       "cnet_frag_held", "cnet_peer",    "cnet_vtep",
    "cnet_vni",     "cnet_flood_peer", "cnet_flood_rate"};

struct TimeoutKey {
    std::string_view key;
    uint32_t control::Timeouts::*field;
};
constexpr std::array<TimeoutKey, 13> kTimeoutKeys = {{
    {"tcp_new_s", &control::Timeouts::tcp_new},
    {"tcp_established_s", &control::Timeouts::tcp_established},
    {"tcp_closing_s", &control::Timeouts::tcp_closing},
    {"tcp_time_wait_s", &control::Timeouts::tcp_time_wait},
    {"tcp_closed_s", &control::Timeouts::tcp_closed},
    {"udp_new_s", &control::Timeouts::udp_new},
    {"udp_established_s", &control::Timeouts::udp_established},
    {"sctp_new_s", &control::Timeouts::sctp_new},
    {"sctp_established_s", &control::Timeouts::sctp_established},
    {"sctp_closing_s", &control::Timeouts::sctp_closing},
    {"icmp_s", &control::Timeouts::icmp},
    {"generic_s", &control::Timeouts::generic},
    {"fragment_s", &control::Timeouts::fragment},
}};

Fault take_log_level(const toml::node& node, Config& config) {
    std::string text;
    if (Fault fault = take(node, text)) return fault;
    auto level = parse_log_level(text);
    if (!level) return "must be \"debug\", \"info\", \"warning\" or \"error\"";
    config.log_level = *level;
    return {};
}

Fault take_map_size(std::string_view map, const toml::node& node, Config& config) {
    uint32_t size = 0;
    if (Fault fault = take(node, 1, kMapEntriesMax, size)) return fault;
    config.map_sizes[std::string(map)] = size;
    if (map == "cnet_network") config.map_sizes["cnet_fdb_count"] = size;
    if (map == "cnet_port") config.map_sizes["cnet_quota"] = size;
    return {};
}

Fault take_port(const toml::node& node, uint16_t& port) {
    uint32_t number = port;
    if (Fault fault = take(node, 1, 65535, number)) return fault;
    port = static_cast<uint16_t>(number);
    return {};
}

// One address, or one a family.
Fault take_vtep(const toml::node& node, control::OverlayConfig& overlay) {
    const toml::array* list = node.as_array();
    for (size_t i = 0; i < (list ? list->size() : 1); i++) {
        auto text = (list ? *list->get(i) : node).value_exact<std::string>();
        auto address = IpAddress::parse(text.value_or(""));
        if (!address) return "must be an address, or a list of one a family";
        auto& slot = address->is_v4() ? overlay.address4 : overlay.address6;
        if (slot) return "has more than one address of a family";
        slot = *address;
    }
    return {};
}

// "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:5353"
Fault take_resolvers(const toml::node& node, std::vector<std::string>& resolvers) {
    const toml::array* list = node.as_array();
    if (!list) return "must be a list of addresses";
    for (const toml::node& one : *list) {
        const std::string text = one.value_exact<std::string>().value_or("");
        const bool in_brackets = text.starts_with('[');
        const size_t colon = in_brackets ? text.find("]:") : text.find(':');
        std::string address = text;
        if (in_brackets) {
            address = text.substr(1, text.find(']') - 1);
        } else if (colon != text.npos && text.find(':', colon + 1) == text.npos) {
            address = text.substr(0, colon);
        }
        if (!IpAddress::parse(address)) return "must be a list of addresses";
        resolvers.push_back(text);
    }
    return {};
}

// "/run/cnet/metrics.sock", "127.0.0.1:9465", "[::1]:9465"
Fault take_listen(const toml::node& node, std::optional<ListenAt>& listen) {
    constexpr auto kFault = "must be an absolute path, or a port of a loopback address "
                            "(\"127.0.0.1:9465\")";
    const std::string text = node.value_exact<std::string>().value_or("");
    if (text.starts_with('/')) {
        listen = ListenAt{text, {}, 0};
        return {};
    }
    const size_t colon = text.rfind(':');
    if (colon == text.npos) return kFault;
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    auto address = IpAddress::parse(host);
    uint16_t port = 0;
    const char* end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data() + colon + 1, end, port);
    if (!address || error != std::errc() || last != end || port == 0) return kFault;
    if (!address->is_loopback()) return kFault;
    listen = ListenAt{{}, *address, port};
    return {};
}

Taken take_setting(std::string_view section, std::string_view key, const toml::node& node,
                   Config& config) {
    if (section == "log" && key == "level") return {true, take_log_level(node, config)};
    if (section == "api" && key == "group") return {true, take(node, config.api_group)};
    if (section == "uplinks" && key == "auto") return {true, take(node, config.auto_uplinks)};
    if (section == "overlay" && key == "port") return {true, take_port(node, config.overlay.port)};
    if (section == "overlay" && key == "routed_port")
        return {true, take_port(node, config.overlay.routed_port)};
    if (section == "overlay" && key == "address") return {true, take_vtep(node, config.overlay)};
    if (section == "overlay" && key == "vni_range")
        return {true, take_vni_range(node, config.vni_range)};
    if (section == "cluster") return take_cluster_setting(key, node, config.cluster);
    if (section == "docker" && key == "forget_after_s")
        return {true, take(node, 1, kDayS, config.docker_grace_s)};
    if (section == "adopt" && key == "docker") return {true, take(node, config.adopt_docker)};
    if (section == "adopt" && key == "docker_socket")
        return {true, take_absolute_path(node, config.docker_api)};
    if (section == "names" && key == "enabled") return {true, take(node, config.names)};
    if (section == "names" && key == "resolvers")
        return {true, take_resolvers(node, config.resolvers)};
    if (section == "metrics" && key == "listen") return {true, take_listen(node, config.metrics)};
    if (section == "sock" && key == "enabled") return {true, take(node, config.sock)};
    if (section == "sock" && key == "cgroup")
        return {true, take_absolute_path(node, config.sock_cgroup)};
    if (section == "reconcile" && key == "period_s")
        return {true, take(node, 1, kDayS, config.reconcile_period_s)};
    if (section == "reconcile" && key == "sweep_period_s")
        return {true, take(node, 1, kDayS, config.sweep_period_s)};
    if (section == "maps" && std::count(kSizedMaps.begin(), kSizedMaps.end(), key) != 0)
        return {true, take_map_size(key, node, config)};
    if (section == "conntrack" && key == "endpoint_flows")
        return {true, take(node, 0, CNET_CT_ENTRIES_MAX, config.endpoint_flows.emplace())};
    if (section == "conntrack") {
        for (const TimeoutKey& timeout : kTimeoutKeys) {
            if (timeout.key != key) continue;
            return {true, take(node, 1, 100 * kDayS, config.timeouts.*timeout.field)};
        }
    }
    return {false, {}};
}

bool known_section(std::string_view name) {
    constexpr std::array<std::string_view, 13> kSections = {
        "log",  "maps",    "overlay", "conntrack", "api",     "reconcile", "uplinks",
        "sock", "cluster", "docker",  "names",     "metrics", "adopt"};
    return std::count(kSections.begin(), kSections.end(), name) != 0;
}

Error fault_at(const std::string& file, toml::source_index line, const std::string& what) {
    return {ErrorKind::kInvalid, file + ':' + std::to_string(line) + ": " + what};
}

Result<Config> read_tables(const toml::table& root, const std::string& file) {
    Config config;
    for (const auto& [section_key, section_node] : root) {
        std::string section(section_key.str());
        toml::source_index section_line = section_key.source().begin.line;
        if (!known_section(section))
            return fault_at(file, section_line, "unknown section or key \"" + section + '"');
        const toml::table* table = section_node.as_table();
        if (!table) return fault_at(file, section_line, '"' + section + "\" must be a section");
        for (const auto& [key, node] : *table) {
            std::string name = '[' + section + "] " + std::string(key.str());
            toml::source_index line = key.source().begin.line;
            Taken taken = take_setting(section, key.str(), node, config);
            if (!taken.known) return fault_at(file, line, "unknown key " + name);
            if (taken.fault) return fault_at(file, line, name + ' ' + *taken.fault);
        }
        if (section != "cluster") continue;
        if (Fault fault = check_cluster(config.cluster))
            return fault_at(file, section_line, "[cluster] " + *fault);
    }
    return config;
}

} // namespace

std::string ListenAt::text() const {
    if (!address) return path;
    const std::string host = address->to_string();
    return (address->is_v4() ? host : '[' + host + ']') + ':' + std::to_string(port);
}

Result<Config> parse_config(std::string_view text, const std::string& file) {
    try {
        return read_tables(toml::parse(text), file);
    } catch (const toml::parse_error& error) {
        return fault_at(file, error.source().begin.line, std::string(error.description()));
    }
}

Result<Config> load_config(const std::filesystem::path& file) {
    auto text = read_file(file);
    if (!text) return text.error();
    return parse_config(*text, file.string());
}

} // namespace cnet::daemon
