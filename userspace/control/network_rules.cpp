#include "userspace/control/network_rules.h"

#include <algorithm>

#include "userspace/control/ipam.h"

namespace cnet::control {

namespace {

constexpr uint32_t kFloodLimitMax = 1'000'000; // the data path counts in nanoseconds

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

// What no container may be: loopback, multicast, "this network", link-local.
bool is_special(const IpPrefix& subnet) {
    static constexpr const char* kSpecial[] = {"0.0.0.0/8",   "127.0.0.0/8", "169.254.0.0/16",
                                               "224.0.0.0/3", "::/128",      "::1/128",
                                               "fe80::/10",   "ff00::/8"};
    return std::any_of(std::begin(kSpecial), std::end(kSpecial), [&](const char* text) {
        auto special = IpPrefix::parse(text);
        return special && special->is_v4() == subnet.is_v4() && special->overlaps(subnet);
    });
}

// Which of the host's routes are in the way: all that touch the subnet, or those that lie in it.
enum class Routes { kAny, kWhole };

// A device of the host has the address of the subnet itself, which no endpoint can have: what
// flannel's vxlan device does, to be the way to it from other hosts.
bool is_subnets_own_address(const HostPrefix& host, const IpPrefix& subnet) {
    return host.prefix.length() == (subnet.is_v4() ? 32u : 128u) &&
           host.prefix.is_v4() == subnet.is_v4() && host.prefix.address() == subnet.network();
}

// Whose it overlaps with, as the end of a sentence; empty when nobody's.
std::string overlap(const IpPrefix& subnet, const State& state, const std::vector<HostPrefix>& host,
                    Routes routes) {
    for (const auto& [id, network] : state.networks) {
        if (network.pool && network.pool->prefix.overlaps(subnet))
            return "the pool " + network.pool->prefix.to_string() + " of network " + network.name;
        for (const Subnet& other : network.subnets) {
            if (other.prefix.overlaps(subnet)) {
                return "subnet " + other.prefix.to_string() + " of network " + network.name;
            }
        }
    }
    for (const HostPrefix& other : host) {
        if (is_subnets_own_address(other, subnet)) continue;
        const bool part_will_do =
            other.kind == HostPrefix::Kind::kRoute && routes == Routes::kWhole;
        if (part_will_do ? subnet.contains(other.prefix) : other.prefix.overlaps(subnet)) {
            return other.prefix.to_string() + " on the host's device " + other.device;
        }
    }
    return {};
}

// The one of `given` that lies in the subnet.
template <typename T>
Result<std::optional<T>> pick(const std::vector<T>& given, const IpPrefix& subnet,
                              const std::string& what) {
    std::optional<T> found;
    for (const T& candidate : given) {
        if (!subnet.contains(candidate)) continue;
        if (found) return invalid("subnet " + subnet.to_string() + " has more than one " + what);
        found = candidate;
    }
    return found;
}

template <typename T>
Status check_all_used(const std::vector<T>& given, const std::vector<IpPrefix>& subnets,
                      const std::string& what) {
    for (const T& candidate : given) {
        const bool used = std::any_of(subnets.begin(), subnets.end(), [&](const IpPrefix& subnet) {
            return subnet.contains(candidate);
        });
        if (!used)
            return invalid(what + " " + candidate.to_string() +
                           " is outside of the network's subnets");
    }
    return {};
}

Result<Subnet> complete(const IpPrefix& prefix, const NetworkSpec& spec) {
    Subnet subnet;
    subnet.prefix = prefix;
    auto gateway = pick(spec.gateways, prefix, "gateway");
    if (!gateway) return gateway.error();
    subnet.gateway = gateway->value_or(default_gateway(prefix));
    if (subnet.gateway == prefix.network() || (prefix.is_v4() && subnet.gateway == prefix.last())) {
        return invalid("gateway " + subnet.gateway.to_string() +
                       " is the network or broadcast address of " + prefix.to_string());
    }
    auto range = pick(spec.ip_ranges, prefix, "ip range");
    if (!range) return range.error();
    if (*range && (*range)->address() != (*range)->network()) {
        return invalid("ip range " + (*range)->to_string() + " has host bits set");
    }
    subnet.ip_range = *range;
    return subnet;
}

Result<std::vector<Subnet>> plan_no_subnets(const NetworkSpec& spec) {
    if (!spec.subnets.empty() || !spec.gateways.empty() || !spec.ip_ranges.empty())
        return invalid("network " + spec.name +
                       " is to have no addresses (layer2): no subnet, gateway or ip range");
    if (spec.spans_hosts() || spec.host_prefix)
        return invalid("network " + spec.name +
                       " is to have no addresses (layer2): it is of one host");
    return std::vector<Subnet>();
}

Status check_mtu(const Network& network) {
    // RFC 791's least and RFC 8200's: below it the kernel takes IPv6 off a device. And what a veth
    // takes.
    const bool v6 = network.has_family(false);
    const uint32_t least = v6 ? 1280 : 68;
    if (network.mtu >= least && network.mtu <= 65535) return {};
    return invalid("mtu " + std::to_string(network.mtu) + " is out of range: " +
                   std::to_string(least) + " to 65535" + (v6 ? " with IPv6" : ""));
}

Status check_snat(const std::optional<IpAddress>& snat, bool v4) {
    if (!snat) return {};
    if (snat->is_v4() == v4 && !snat->is_unspecified() && !snat->is_multicast() &&
        !snat->is_loopback())
        return {};
    return invalid("snat address " + snat->to_string() + " is not an " + (v4 ? "IPv4" : "IPv6") +
                   " address that a host can have");
}

Status check_modes(const Network& network) {
    if (network.internal && network.is_open())
        return invalid("network " + network.name +
                       " is internal: it cannot be routed to from outside");
    const Mode mode6 = network.mode_of(false);
    if (mode6 == network.mode) return {};
    if (network.mode == Mode::kRouted || mode6 == Mode::kRouted)
        return invalid("network " + network.name +
                       " has two modes: routed goes with no other, but routed-published does");
    if (!network.internal && (network.mode == Mode::kIsolated || mode6 == Mode::kIsolated))
        return invalid("network " + network.name +
                       " has two modes: one is isolated where the network is internal alone");
    return {};
}

} // namespace

Status check_subnet(const IpPrefix& subnet) {
    const std::string text = "subnet " + subnet.to_string();
    if (subnet.address() != subnet.network()) {
        return invalid(text + " has host bits set: the network is " +
                       IpPrefix(subnet.network(), subnet.length()).to_string());
    }
    if (subnet.length() > (subnet.is_v4() ? 30u : 126u)) {
        return invalid(text + " is too small for a gateway and an endpoint");
    }
    if (is_special(subnet))
        return invalid(text + " lies in a range that is reserved for other uses");
    return {};
}

Result<IpPrefix> free_pool(const State& state, const std::vector<HostPrefix>& host) {
    for (const IpPrefix& pool : default_pools()) {
        const bool is_dockers =
            std::any_of(state.docker_pools.begin(), state.docker_pools.end(),
                        [&](const auto& entry) { return entry.second.prefix.overlaps(pool); });
        if (!is_dockers && overlap(pool, state, host, Routes::kAny).empty()) return pool;
    }
    return Error(ErrorKind::kExhausted,
                 "every default pool (172.17.0.0/16 to 172.31.0.0/16, 192.168.0.0/16) is in "
                 "use: give a subnet");
}

Result<std::vector<Subnet>> plan_subnets(const NetworkSpec& spec, const State& state,
                                         const std::vector<HostPrefix>& host) {
    if (spec.layer2) return plan_no_subnets(spec);
    std::vector<IpPrefix> prefixes = spec.subnets;
    if (prefixes.empty()) {
        auto pool = free_pool(state, host);
        if (!pool) return pool.error();
        prefixes.push_back(*pool);
    }
    for (size_t i = 0; i < prefixes.size(); i++) {
        auto status = check_subnet(prefixes[i]);
        if (!status) return status.error();
        for (size_t j = 0; j < i; j++) {
            if (prefixes[i].overlaps(prefixes[j])) {
                return invalid("subnets " + prefixes[j].to_string() + " and " +
                               prefixes[i].to_string() + " of one network overlap");
            }
        }
        const std::string other = overlap(prefixes[i], state, host, Routes::kWhole);
        if (!other.empty()) {
            return Error(ErrorKind::kConflict, "subnet " + prefixes[i].to_string() +
                                                   " of network " + spec.name + " overlaps with " +
                                                   other);
        }
    }
    auto status = check_all_used(spec.gateways, prefixes, "gateway");
    if (status) status = check_all_used(spec.ip_ranges, prefixes, "ip range");
    if (!status) return status.error();
    std::vector<Subnet> subnets;
    for (const IpPrefix& prefix : prefixes) {
        auto subnet = complete(prefix, spec);
        if (!subnet) return subnet.error();
        subnets.push_back(*subnet);
    }
    return subnets;
}

Status check_pool(const NetworkSpec& spec, bool has_cluster) {
    if (!has_cluster || !spec.spans_hosts())
        return invalid("a subnet for each host (host_prefix) needs a cluster and a vni");
    if (spec.subnets.size() != 1 || !spec.subnets.front().is_v4())
        return invalid("a subnet for each host (host_prefix) needs one IPv4 subnet to be taken "
                       "from");
    if (!spec.gateways.empty() || !spec.ip_ranges.empty())
        return invalid("with a subnet for each host, gateways are the subnets' first addresses, "
                       "and there are no ip ranges");
    const HostPool pool{spec.subnets.front(), *spec.host_prefix};
    if (pool.is_sound()) return {};
    return invalid("host_prefix " + std::to_string(pool.subnet_length) +
                   " is out of range: " + std::to_string(pool.prefix.length() + 1) + " to 30 for " +
                   pool.prefix.to_string());
}

Status check_network(const Network& network) {
    auto status = check_mtu(network);
    if (status) status = check_snat(network.snat4, true);
    if (status) status = check_snat(network.snat6, false);
    if (status && network.flood_limit > kFloodLimitMax) {
        status = invalid("flood limit " + std::to_string(network.flood_limit) +
                         " is out of range: 0 to " + std::to_string(kFloodLimitMax));
    }
    if (status) status = check_modes(network);
    if (status && network.is_layer2() && !network.is_isolated()) {
        status = invalid("network " + network.name +
                         " has no subnet for the host to be in: its mode is isolated");
    }
    if (status && network.pool && (network.mode != Mode::kRouted || network.mode6)) {
        status =
            invalid("network " + network.name + " has a subnet for each host: its mode is routed");
    }
    return status;
}

MacAddress gateway_mac(NetworkId id, const std::string& name) {
    // FNV-1a, over the name and then the id.
    uint64_t hash = 0xcbf29ce484222325u;
    auto mix = [&](uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3u; };
    for (char c : name)
        mix(static_cast<uint8_t>(c));
    for (int shift = 0; shift < 32; shift += 8)
        mix(static_cast<uint8_t>(id >> shift));
    std::array<uint8_t, CNET_MAC_LEN> bytes{};
    for (size_t i = 0; i < bytes.size(); i++)
        bytes[i] = static_cast<uint8_t>(hash >> (8 * i));
    bytes[0] = static_cast<uint8_t>((bytes[0] & 0xfc) | 0x02);
    return MacAddress(bytes);
}

MacAddress overlay_gateway_mac(uint32_t vni) {
    return gateway_mac(vni, "overlay");
}

} // namespace cnet::control
