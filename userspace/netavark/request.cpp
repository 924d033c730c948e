#include "userspace/netavark/request.h"

#include <algorithm>
#include <charconv>

#include "userspace/base/names.h"

namespace cnet::netavark {
namespace {

Fault invalid(std::string message) {
    return {Code::kConfig, std::move(message)};
}

Outcome<bool> parse_flag(const std::string& name, const std::string& text) {
    if (text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
    return invalid("option " + name + ": \"" + text + "\" is neither true nor false");
}

Outcome<uint32_t> parse_number(const std::string& name, const std::string& text) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return invalid("option " + name + ": \"" + text + "\" is not a number");
    return value;
}

// Options are text. cnetd knows what they may be; what is not among them is refused, since a
// network without it would be another than was asked for.
Done read_option(const std::string& name, const std::string& text, Network& out) {
    if (name == "mtu" || name == "vni") {
        auto number = parse_number(name, text);
        if (!number) return number.fault();
        if (*number != 0) out.settings[name] = *number;
    } else if (name == "mode" || name == "nat") {
        out.settings[name] = text;
    } else if (name == "icc" || name == "masquerade" || name == "no_default_route" ||
               name == "isolate") {
        auto flag = parse_flag(name, text);
        if (!flag) return flag.fault();
        if (name == "no_default_route") {
            out.default_route = !*flag;
        } else if (name != "isolate") { // networks are isolated from each other in any case
            out.settings[name] = *flag;
        }
    } else {
        return invalid("unknown option " + name +
                       "; there are icc, isolate, masquerade, mode, mtu, "
                       "nat, no_default_route and vni");
    }
    return {};
}

Done read_options(const Reader& in, Network& out) {
    const Json& options = in.value("options");
    if (!options.is_object()) return {};
    for (const auto& [name, value] : options.items()) {
        if (!value.is_string()) return invalid("option " + name + " must be a string");
        if (Done done = read_option(name, value.get<std::string>(), out); !done) return done;
    }
    return {};
}

Done read_subnets(const Reader& in, Network& out) {
    for (const Reader& one : in.each("subnets")) {
        auto prefix = IpPrefix::parse(one.text("subnet"));
        if (!prefix) return invalid(one.path("subnet") + ": " + prefix.error().message());
        SubnetWish wish{IpPrefix(prefix->network(), prefix->length()), {}};
        if (const std::string text = one.text("gateway"); !text.empty()) {
            auto gateway = IpAddress::parse(text);
            if (!gateway) return invalid(one.path("gateway") + ": " + gateway.error().message());
            wish.gateway = *gateway;
        }
        out.subnets.push_back(wish);
    }
    return {};
}

Outcome<Network> read_network(const Json& document, const std::string& where,
                              std::optional<Fault>& fault) {
    Network out;
    out.document = document;
    const Reader in(document, where, fault);
    out.name = in.text("name");
    out.id = in.text("id");
    out.internal = in.flag("internal").value_or(false);
    out.dns = in.flag("dns_enabled").value_or(false);
    if (!valid_name(out.name))
        return invalid("\"" + out.name +
                       "\" cannot be a network's name: "
                       "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}");
    // podman chooses addresses by "host-local" before it calls; without, cnetd does.
    const std::string ipam = in.inside("ipam_options").text("driver");
    if (!ipam.empty() && ipam != "host-local")
        return invalid("the IPAM driver " + ipam + " is not supported: host-local is");
    Done done = read_subnets(in, out);
    if (done) done = read_options(in, out);
    if (!done) return done.fault();
    return out;
}

// "tcp,udp" is one mapping for each.
Done read_port(const Reader& in, std::vector<plugin::PortMapping>& out) {
    std::string protocols = in.text("protocol");
    if (protocols.empty()) protocols = "tcp";
    const int64_t host = in.number("host_port").value_or(0);
    const int64_t container = in.number("container_port").value_or(0);
    const int64_t range = std::max<int64_t>(in.number("range").value_or(1), 1);
    for (const int64_t first : {host, container}) {
        if (first < 1 || range > 65535 || first + range - 1 > 65535)
            return invalid("port_mappings: " + std::to_string(first) + " and the " +
                           std::to_string(range - 1) + " behind it are not ports");
    }
    for (std::string_view rest = protocols; !rest.empty();) {
        const std::string protocol(rest.substr(0, rest.find(',')));
        rest.remove_prefix(std::min(rest.size(), protocol.size() + 1));
        if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
            return invalid("port_mappings: \"" + protocol + "\" is not tcp, udp or sctp");
        for (int64_t i = 0; i < range; i++) {
            out.push_back({static_cast<uint16_t>(host + i), static_cast<uint16_t>(container + i),
                           protocol, in.text("host_ip")});
        }
    }
    return {};
}

void add_alias(const std::string& name, std::vector<std::string>& aliases) {
    const bool known = std::find(aliases.begin(), aliases.end(), name) != aliases.end();
    if (valid_label(name) && !known) aliases.push_back(name);
}

Done read_options_of_container(const Reader& in, Attachment& out) {
    out.ifname = in.text("interface_name");
    out.ips = in.texts("static_ips");
    out.mac = in.text("static_mac");
    // Names that resolvers cannot have are left out: they keep no container from its network.
    for (const std::string& name : in.texts("aliases"))
        add_alias(name, out.aliases);
    if (const Json& options = in.value("options"); options.is_object() && !options.empty())
        return invalid("unknown option " + options.begin().key() + " of a container");
    if (!valid_ifname(out.ifname))
        return invalid("interface_name \"" + out.ifname + "\" is not a device name");
    return {};
}

} // namespace

Outcome<Network> parse_network(const std::string& text) {
    auto document = plugin::parse_object(text);
    if (!document) return document.fault();
    std::optional<Fault> fault;
    auto network = read_network(*document, "", fault);
    if (fault) return *fault;
    return network;
}

Outcome<Attachment> parse_attachment(const std::string& text) {
    auto document = plugin::parse_object(text);
    if (!document) return document.fault();
    std::optional<Fault> fault;
    const Reader in(*document, "", fault);
    Attachment out;
    auto network = read_network(in.value("network"), "network.", fault);
    if (fault) return *fault;
    if (!network) return network.fault();
    out.network = std::move(*network);
    out.container_id = in.text("container_id");
    add_alias(in.text("container_name"), out.aliases);
    Done done = read_options_of_container(in.inside("network_options"), out);
    for (const Reader& one : in.each("port_mappings")) {
        if (done) done = read_port(one, out.ports);
    }
    if (fault) return *fault;
    if (!done) return done.fault();
    if (out.container_id.empty()) return invalid("container_id is missing");
    return out;
}

} // namespace cnet::netavark
