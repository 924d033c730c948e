#include "userspace/cni/config.h"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "userspace/base/names.h"

namespace cnet::cni {
namespace {

Fault invalid(std::string message) {
    return {Code::kConfig, std::move(message)};
}

Fault unsupported(const std::string& key, const std::string& value, const std::string& why) {
    return {Code::kUnsupportedField, "unsupported field " + key + ": " + value, why};
}

// Keys of the bridge plugin that ask for what an endpoint of ours does not have. To ignore one of
// them would leave a container reachable, or cut off, against its configuration.
Done refuse_unsupported(const Reader& in) {
    if (const Json& trunk = in.value("vlanTrunk"); trunk.is_array() && !trunk.empty())
        return unsupported("vlanTrunk", trunk.dump(),
                           "an endpoint is in one network: attach a VLAN with `vlan` each");
    if (in.flag("promiscMode").value_or(false) && in.flag("hairpinMode").value_or(false))
        return invalid("hairpinMode and promiscMode exclude each other");
    return {};
}

Done read_layer2(const Reader& in, Config& out) {
    const Json& ipam = in.value("ipam");
    const bool is_empty = ipam.is_object() && in.inside("ipam").text("type").empty() &&
                          ipam.size() == ipam.count("type");
    out.disabled = in.flag("disableContainerInterface").value_or(false);
    out.layer2 = is_empty || (out.disabled && ipam.is_null());
    if (out.disabled && !out.layer2)
        return invalid("cannot use IPAM when DisableContainerInterface flag is set");
    if (out.layer2 && in.flag("macspoofchk").value_or(false))
        return unsupported("macspoofchk", "true without IPAM",
                           "where addresses are not known, no sources are checked");
    return {};
}

Done refuse_in_layer2(const Config& config) {
    if (!config.layer2) return {};
    const char* why = "a container has no address without IPAM";
    if (!config.ips.empty()) return unsupported("ips", config.ips.front(), why);
    if (!config.ports.empty())
        return unsupported("runtimeConfig.portMappings", "without IPAM", why);
    return {};
}

Outcome<bool> read_icc(const Reader& in) {
    const std::string policy = in.text("ingressPolicy");
    // "open" is what the firewall plugin does without the key.
    if (!policy.empty() && policy != "open" && policy != "same-bridge" && policy != "isolated")
        return invalid("ingressPolicy \"" + policy +
                       "\" is neither open, same-bridge nor isolated");
    return policy != "isolated" && !in.flag("portIsolation").value_or(false);
}

Outcome<SubnetWish> read_subnet(const Reader& in) {
    const std::string subnet = in.text("subnet");
    auto prefix = IpPrefix::parse(subnet);
    if (!prefix) return invalid(in.path("subnet") + ": " + prefix.error().message());
    SubnetWish wish{IpPrefix(prefix->network(), prefix->length()), {}};
    const std::string text = in.text("gateway");
    if (text.empty()) return wish;
    auto gateway = IpAddress::parse(text);
    if (!gateway) return invalid(in.path("gateway") + ": " + gateway.error().message());
    wish.gateway = *gateway;
    return wish;
}

// host-local's way to write them, which is ours too: "subnet", "gateway", and "ranges", a list of
// lists of them.
Done read_ranges(const Json& ranges, const std::string& where, Config& out,
                 std::optional<Fault>& fault) {
    if (ranges.is_null()) return {};
    if (!ranges.is_array()) return Fault{Code::kDecode, where + " must be a list of lists"};
    for (const Json& set : ranges) {
        if (!set.is_array()) return Fault{Code::kDecode, where + " must be a list of lists"};
        for (const Json& range : set) {
            const Reader in(range, where + ".", fault);
            if (!out.delegates() && (in.has("rangeStart") || in.has("rangeEnd")))
                return unsupported(where, range.dump(),
                                   "without another IPAM plugin, ipam.ipRange says which "
                                   "addresses are given, as a prefix");
            auto subnet = read_subnet(in);
            if (!subnet) return subnet.fault();
            out.subnets.push_back(*subnet);
        }
    }
    return {};
}

Done read_ipam(const Reader& top, Config& out, std::optional<Fault>& fault) {
    if (out.layer2) return {};
    const Reader ipam = top.inside("ipam");
    out.ipam_type = ipam.text("type");
    if (out.ipam_type == "cnet") out.ipam_type.clear();
    // Of other plugins we know where the addresses will lie once they have given one.
    if (out.delegates() && out.ipam_type != "host-local") return {};
    if (ipam.has("subnet")) {
        auto subnet = read_subnet(ipam);
        if (!subnet) return subnet.fault();
        out.subnets.push_back(*subnet);
    }
    Done done = read_ranges(ipam.value("ranges"), "ipam.ranges", out, fault);
    if (done)
        done = read_ranges(top.inside("runtimeConfig").value("ipRanges"), "runtimeConfig.ipRanges",
                           out, fault);
    if (!done || out.delegates()) return done;
    if (const std::string text = ipam.text("ipRange"); !text.empty()) {
        auto range = IpPrefix::parse(text);
        if (!range) return invalid("ipam.ipRange: " + range.error().message());
        out.ip_range = *range;
    }
    if (const Json& routes = ipam.value("routes"); routes.is_array()) out.routes = routes;
    return {};
}

// "10.1.2.3" or "10.1.2.3/24": the network knows the length.
Done add_address(const std::string& text, Config& out) {
    const std::string bare = text.substr(0, text.find('/'));
    if (auto address = IpAddress::parse(bare); !address)
        return invalid("address \"" + text + "\": " + address.error().message());
    if (std::find(out.ips.begin(), out.ips.end(), bare) == out.ips.end()) out.ips.push_back(bare);
    return {};
}

// The later one wins, as with the bridge plugin; addresses add up.
Done read_wishes(const Reader& top, const ExtraArguments& arguments, Config& out) {
    const Reader args = top.inside("args").inside("cni");
    const Reader runtime = top.inside("runtimeConfig");
    out.mac = arguments.mac;
    for (const Reader& from : {args, runtime}) {
        if (std::string mac = from.text("mac"); !mac.empty()) out.mac = mac;
    }
    if (out.mac) {
        auto parsed = MacAddress::parse(*out.mac);
        if (!parsed) return invalid("MAC address: " + parsed.error().message());
    }
    std::vector<std::string> ips = arguments.ips;
    for (const Reader& from : {args, runtime}) {
        const std::vector<std::string> more = from.texts("ips");
        ips.insert(ips.end(), more.begin(), more.end());
    }
    if (out.delegates()) return {}; // the IPAM plugin reads them where we did
    for (const std::string& ip : ips) {
        if (Done done = add_address(ip, out); !done) return done;
    }
    return {};
}

Done read_ports(const Reader& runtime, Config& out) {
    for (const Reader& in : runtime.each("portMappings")) {
        PortMapping mapping;
        auto port = [&](const char* key, uint16_t& to) -> Done {
            const int64_t number = in.number(key).value_or(0);
            if (number < 1 || number > 65535)
                return invalid(in.path(key) + ": " + std::to_string(number) + " is not a port");
            to = static_cast<uint16_t>(number);
            return {};
        };
        Done done = port("hostPort", mapping.host_port);
        if (done) done = port("containerPort", mapping.container_port);
        if (!done) return done;
        if (std::string protocol = in.text("protocol"); !protocol.empty()) {
            std::transform(protocol.begin(), protocol.end(), protocol.begin(), [](char c) {
                return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            });
            mapping.protocol = protocol;
        }
        if (mapping.protocol != "tcp" && mapping.protocol != "udp" && mapping.protocol != "sctp")
            return invalid(in.path("protocol") + ": \"" + mapping.protocol +
                           "\" is not tcp, udp or sctp");
        mapping.host_ip = in.text("hostIP");
        out.ports.push_back(mapping);
    }
    return {};
}

// The runtime's, or the configuration's own, under the same names: the bandwidth plugin's way.
Done read_bandwidth(const Reader& top, Config& out) {
    const Reader runtime = top.inside("runtimeConfig").inside("bandwidth");
    auto number = [&](const char* key, uint64_t& to) -> Done {
        const int64_t value = runtime.number(key).value_or(top.number(key).value_or(0));
        if (value < 0)
            return invalid(std::string(key) + " " + std::to_string(value) + " is negative");
        to = static_cast<uint64_t>(value);
        return {};
    };
    Done done = number("ingressRate", out.ingress.bits_per_s);
    if (done) done = number("ingressBurst", out.ingress.burst_bits);
    if (done) done = number("egressRate", out.egress.bits_per_s);
    if (done) done = number("egressBurst", out.egress.burst_bits);
    if (!done) return done;
    for (RateLimit* limit : {&out.ingress, &out.egress}) {
        if (limit->bits_per_s == 0 && limit->burst_bits == 0) continue;
        if (limit->bits_per_s == 0 || limit->burst_bits == 0)
            return invalid("a bandwidth needs both a rate and a burst");
    }
    return {};
}

void add_alias(const std::string& name, Config& out) {
    const bool known = std::find(out.aliases.begin(), out.aliases.end(), name) != out.aliases.end();
    if (valid_label(name) && !known) out.aliases.push_back(name);
}

// A list; podman 4.3 gives an object that has a list for each network. What cannot be a name is
// left out, since a container with an odd name is to have a network all the same.
void read_aliases(const Reader& top, const ExtraArguments& arguments, Config& out) {
    const Reader runtime = top.inside("runtimeConfig");
    const bool by_network = runtime.value("aliases").is_object();
    const auto names =
        by_network ? runtime.inside("aliases").texts(out.name.c_str()) : runtime.texts("aliases");
    if (!arguments.pod_name.empty()) add_alias(arguments.pod_name, out);
    for (const std::string& name : names)
        add_alias(name, out);
}

// A configuration's `dns`, or the runtime's, whose keys have other names.
Json read_dns(const Reader& top) {
    const Reader runtime = top.inside("runtimeConfig").inside("dns");
    Json dns = Json::object();
    auto put = [&](const char* key, const std::vector<std::string>& texts) {
        if (!texts.empty()) dns[key] = texts;
    };
    put("nameservers", runtime.texts("servers"));
    put("search", runtime.texts("searches"));
    put("options", runtime.texts("options"));
    if (!dns.empty()) return dns;
    const Reader own = top.inside("dns");
    put("nameservers", own.texts("nameservers"));
    if (const std::string domain = own.text("domain"); !domain.empty()) dns["domain"] = domain;
    put("search", own.texts("search"));
    put("options", own.texts("options"));
    return dns;
}

// A VLAN of a bridge is a segment of its own, so it is a network of its own. What names no VLAN is
// in the one that a bridge's ports are in by default.
Done read_network(const Reader& in, Config& out) {
    constexpr int64_t kDefaultVlan = 1;
    constexpr int64_t kLastVlan = 4094;
    out.network = in.text("bridge");
    if (out.network.empty()) out.network = out.name;
    const int64_t vlan = in.number("vlan").value_or(0);
    if (vlan < 0 || vlan > kLastVlan)
        return invalid("invalid VLAN ID " + std::to_string(vlan) + " (must be between 0 and 4094)");
    if (vlan > kDefaultVlan) out.network += "." + std::to_string(vlan);
    return {};
}

Done read_bridge_keys(const Reader& in, Config& out) {
    if (Done done = read_network(in, out); !done) return done;
    out.is_gateway = in.flag("isGateway");
    out.masquerade = in.flag("ipMasq");
    out.is_default_gateway =
        in.flag("isDefaultGateway").value_or(!out.delegates() && out.is_gateway.value_or(true));
    if (out.layer2) {
        // Not looked at without addresses.
        out.is_gateway.reset();
        out.masquerade.reset();
        out.is_default_gateway = false;
    }
    const int64_t mtu = in.number("mtu").value_or(0);
    if (mtu < 0 || mtu > 65535) return invalid("mtu " + std::to_string(mtu) + " is out of range");
    out.mtu = static_cast<uint32_t>(mtu);
    auto icc = read_icc(in);
    if (!icc) return icc.fault();
    out.icc = *icc;
    return {};
}

Done check_version(const std::string& version) {
    if (version_at_least(version, kVersions[0])) return {};
    std::string known;
    for (const char* one : kVersions)
        known += (known.empty() ? "\"" : " \"") + std::string(one) + "\"";
    return Fault{Code::kVersion, "incompatible CNI versions",
                 "config is \"" + (version.empty() ? "0.1.0" : version) + "\", plugin supports [" +
                     known + "]"};
}

bool valid_config_name(const std::string& name) {
    auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    return !name.empty() && plain(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
        return plain(c) || c == '_' || c == '.' || c == '-';
    });
}

} // namespace

bool version_at_least(const std::string& version, const std::string& least) {
    const auto find = [](const std::string& wanted) {
        return std::find(std::begin(kVersions), std::end(kVersions), wanted);
    };
    return find(version) != std::end(kVersions) && find(version) >= find(least);
}

Outcome<Config> parse_config(const std::string& text, const ExtraArguments& arguments) {
    auto document = parse_object(text);
    if (!document) return document.fault();
    Config out;
    out.text = text;
    out.document = std::move(*document);
    std::optional<Fault> fault;
    const Reader in(out.document, "", fault);
    out.version = in.text("cniVersion");
    if (Done done = check_version(out.version); !done) return done.fault();
    out.name = in.text("name");
    if (!fault && !valid_config_name(out.name))
        return invalid("the network's name \"" + out.name + "\" is not one that CNI allows");

    Done done = refuse_unsupported(in);
    if (done) done = read_layer2(in, out);
    if (done) done = read_ipam(in, out, fault);
    if (done) done = read_bridge_keys(in, out);
    if (done) done = read_wishes(in, arguments, out);
    if (done) done = read_ports(in.inside("runtimeConfig"), out);
    if (done) done = read_bandwidth(in, out);
    read_aliases(in, arguments, out);
    out.dns = read_dns(in);
    out.previous = in.value("prevResult");
    if (const char* key = "cni.dev/valid-attachments"; in.has(key)) {
        out.valid.emplace();
        for (const Reader& one : in.each(key))
            out.valid->push_back({one.text("containerID"), one.text("ifname")});
    }
    // A wrong type first: what was read after it stood on a default.
    if (fault) return *fault;
    if (done) done = refuse_in_layer2(out);
    if (!done) return done.fault();
    if (out.leases() && !out.ports.empty())
        return unsupported("runtimeConfig.portMappings", "with ipam.type dhcp",
                           "a port leads to the address that an endpoint was made with");
    return out;
}

} // namespace cnet::cni
