#include "userspace/docker/options.h"

#include <algorithm>
#include <charconv>

namespace cnet::docker {
namespace {

using control::NetworkSpec;

constexpr char kGeneric[] = "com.docker.network.generic";
constexpr char kAllowFrom[] = "cnet.allow-from";

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

Status take(const std::string& text, bool& out) {
    for (const char* yes : {"true", "1", "on"})
        if (text == yes) return (out = true, Status());
    for (const char* no : {"false", "0", "off"})
        if (text == no) return (out = false, Status());
    return invalid("\"" + text + "\" is neither true nor false");
}

Status take(const std::string& text, uint32_t& out) {
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (fault == std::errc() && end == text.data() + text.size()) return {};
    return invalid("\"" + text + "\" is not a whole number in range");
}

template <typename T> Status take(const std::string& text, std::optional<T>& out) {
    T value{};
    auto status = take(text, value);
    if (status) out = value;
    return status;
}

template <typename T> Status take_parsed(const Result<T>& parsed, auto& out) {
    if (!parsed) return parsed.error();
    out = *parsed;
    return {};
}

Status take_prefixes(const std::string& text, std::vector<IpPrefix>& out) {
    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(',', begin), text.size());
        auto prefix = IpPrefix::parse(text.substr(begin, end - begin));
        if (!prefix) return prefix.error();
        out.push_back(*prefix);
        begin = end + 1;
    }
    return {};
}

Status take_vni(const std::string& text, NetworkSpec& spec) {
    spec.vni_auto = text == "auto";
    return spec.vni_auto ? Status() : take(text, spec.vni);
}

Status take_snat(const std::string& text, NetworkSpec& spec) {
    auto address = IpAddress::parse(text);
    if (!address) return address.error();
    (address->is_v4() ? spec.snat : spec.snat6) = *address;
    return {};
}

// Of Docker's bridge. "routed" is not the same there as in cnet.mode: it opens what is published.
Result<control::Mode> parse_gateway_mode(const std::string& text) {
    if (text == "nat") return control::Mode::kNat;
    if (text == "nat-unprotected") return control::Mode::kNatUnprotected;
    if (text == "routed") return control::Mode::kRoutedPublished;
    if (text == "isolated") return control::Mode::kIsolated;
    return invalid("\"" + text + "\" is neither nat, nat-unprotected, routed nor isolated");
}

// Each family has its own, and one that is not told is nat's.
Status take_gateway_mode(const std::string& text, NetworkOptions& options, bool v4) {
    auto mode = parse_gateway_mode(text);
    if (!mode) return mode.error();
    if (v4) {
        options.spec.mode = *mode;
        if (!options.spec.mode6) options.spec.mode6 = control::Mode::kNat;
    } else {
        options.spec.mode6 = *mode;
    }
    return {};
}

using Take = Status (*)(const std::string&, NetworkOptions&);

struct Option {
    const char* key;
    bool of_any; // goes with cnet.network as well
    Take take;
};

constexpr Option kOptions[] = {
    {"com.docker.network.driver.mtu", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.mtu); }},
    {"com.docker.network.bridge.enable_icc", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.icc); }},
    {"com.docker.network.bridge.enable_ip_masquerade", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.masquerade); }},
    {"com.docker.network.bridge.gateway_mode_ipv4", false,
     [](const std::string& text, NetworkOptions& o) { return take_gateway_mode(text, o, true); }},
    {"com.docker.network.bridge.gateway_mode_ipv6", false,
     [](const std::string& text, NetworkOptions& o) { return take_gateway_mode(text, o, false); }},
    {"com.docker.network.bridge.trusted_host_interfaces", false,
     [](const std::string&, NetworkOptions&) {
         return Status(
             invalid("a network of cnet does not see by which device a packet came to the "
                     "host: gateway_mode routed opens published ports to everybody"));
     }},
    {"com.docker.network.bridge.host_binding_ipv4", true,
     [](const std::string& text, NetworkOptions& o) {
         return take_parsed(IpAddress::parse(text), o.spec.docker->bind);
     }},
    {"com.docker.network.host_ipv4", false,
     [](const std::string& text, NetworkOptions& o) {
         return take_parsed(IpAddress::parse(text), o.spec.snat);
     }},
    {"com.docker.network.host_ipv6", false,
     [](const std::string& text, NetworkOptions& o) {
         return take_parsed(IpAddress::parse(text), o.spec.snat6);
     }},
    {"com.docker.network.container_iface_prefix", true,
     [](const std::string& text, NetworkOptions& o) {
         o.spec.docker->iface_prefix = text;
         const bool fits = !text.empty() && text.size() <= 12 &&
                           text.find_first_of("/: \t\n") == text.npos && text != "lo";
         return fits ? Status() : invalid("\"" + text + "\" begins no device's name");
     }},
    {"cnet.name", false,
     [](const std::string& text, NetworkOptions& o) { return (o.spec.name = text, Status()); }},
    {"cnet.network", true,
     [](const std::string& text, NetworkOptions& o) { return (o.network = text, Status()); }},
    {"cnet.mode", false,
     [](const std::string& text, NetworkOptions& o) {
         return take_parsed(control::parse_mode(text), o.spec.mode);
     }},
    {"cnet.mode6", false,
     [](const std::string& text, NetworkOptions& o) {
         return take_parsed(control::parse_mode(text), o.spec.mode6);
     }},
    {"cnet.vni", false,
     [](const std::string& text, NetworkOptions& o) { return take_vni(text, o.spec); }},
    {kAllowFrom, true,
     [](const std::string& text, NetworkOptions& o) {
         return take_prefixes(text, o.spec.docker->allow_from);
     }},
    {"cnet.nat", false,
     [](const std::string& text, NetworkOptions& o) {
         return take_parsed(control::parse_nat(text), o.spec.nat);
     }},
    {"cnet.snat", false,
     [](const std::string& text, NetworkOptions& o) { return take_snat(text, o.spec); }},
    {"cnet.mtu", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.mtu); }},
    {"cnet.icc", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.icc); }},
    {"cnet.masquerade", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.masquerade); }},
    {"cnet.learning", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.learning); }},
    {"cnet.peer-learning", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.peer_learning); }},
    {"cnet.ageing", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.ageing_s); }},
    {"cnet.mac-limit", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.mac_limit); }},
    {"cnet.flood-limit", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.flood_limit); }},
    {"cnet.allow-spoofing", false,
     [](const std::string& text, NetworkOptions& o) { return take(text, o.spec.allow_spoofing); }},
};

Error unknown_option(const std::string& key) {
    return invalid("option \"" + key + "\" is not one that cnet knows");
}

Result<std::string> text_of(const std::string& key, const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    return invalid("option \"" + key + "\" must be a string");
}

Status take_option(const std::string& key, const Json& value, NetworkOptions& options,
                   std::string& shaping) {
    auto option = std::ranges::find_if(
        kOptions, [&](const Option& candidate) { return key == candidate.key; });
    if (option == std::end(kOptions)) return unknown_option(key);
    auto text = text_of(key, value);
    if (!text) return text.error();
    if (!option->of_any) shaping = key;
    auto status = option->take(*text, options);
    return status ? status : Status(status.error().because("option \"" + key + "\""));
}

} // namespace

Result<NetworkOptions> read_network_options(const Reader& options) {
    NetworkOptions read;
    read.spec.docker.emplace();
    read.spec.internal = options.flag("com.docker.network.internal");
    const Reader generic = options.inside(kGeneric);
    if (auto fault = options.fault(); !fault) return fault.error();
    std::string shaping;
    for (const auto& [key, value] : generic.object().items()) {
        if (auto status = take_option(key, value, read, shaping); !status) return status.error();
    }
    if (!read.network.empty() && (!shaping.empty() || read.spec.internal)) {
        return invalid("option \"" + (shaping.empty() ? "internal" : shaping) +
                       "\" does not go with cnet.network: network " + read.network +
                       " is what it is");
    }
    return read;
}

Result<std::vector<IpPrefix>> read_endpoint_options(const Reader& options) {
    std::vector<IpPrefix> allow_from;
    for (const auto& [key, value] : options.object().items()) {
        // Docker lets no driver but its own give a device its name (since 28).
        if (key == "com.docker.network.endpoint.ifname") return unknown_option(key);
        // Docker's own, which others act upon, and `docker run`'s ports, which come again later.
        if (key.starts_with("com.docker.network.")) continue;
        if (key != kAllowFrom) return unknown_option(key);
        auto text = text_of(key, value);
        if (!text) return text.error();
        if (auto status = take_prefixes(*text, allow_from); !status)
            return status.error().because("option \"" + key + "\"");
    }
    return allow_from;
}

Status check_pool_options(const Reader& options) {
    const auto items = options.object().items();
    return items.begin() == items.end() ? Status() : unknown_option(items.begin().key());
}

} // namespace cnet::docker
