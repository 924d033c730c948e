#include "userspace/control/port_spec.h"

#include <charconv>

namespace cnet::control {

namespace {

struct Range {
    uint16_t first = 0;
    uint16_t count = 0;
};

Error bad_spec(std::string_view spec, const std::string& why) {
    return {ErrorKind::kInvalid, "port \"" + std::string(spec) + "\": " + why};
}

std::optional<uint16_t> parse_port(std::string_view text) {
    uint16_t port = 0;
    const char* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data(), end, port);
    if (text.empty() || error != std::errc() || stop != end || port == 0) return std::nullopt;
    return port;
}

std::optional<Range> parse_range(std::string_view text) {
    const size_t dash = text.find('-');
    auto first = parse_port(text.substr(0, dash));
    auto last = dash == text.npos ? first : parse_port(text.substr(dash + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    // 1 to 65535 is 65535 ports: it fits.
    return Range{*first, static_cast<uint16_t>(*last - *first + 1)};
}

// Takes "HOSTIP:" off the front of "HOSTIP:HOSTPORT"; an IPv6 address stands in brackets.
Status take_host_ip(std::string_view& text, std::string_view whole, PortSpec& spec) {
    size_t end = 0;
    std::string_view address;
    if (text.starts_with('[')) {
        end = text.find("]:");
        if (end == text.npos) return bad_spec(whole, "the bracket is not closed by \"]:\"");
        address = text.substr(1, end - 1);
        text.remove_prefix(end + 2);
    } else {
        end = text.rfind(':');
        if (end == text.npos) return {};
        address = text.substr(0, end);
        if (address.find(':') != address.npos) {
            return bad_spec(whole, "an IPv6 address stands in brackets");
        }
        text.remove_prefix(end + 1);
    }
    auto host_ip = IpAddress::parse(address);
    if (!host_ip) return bad_spec(whole, "\"" + std::string(address) + "\" is not an address");
    spec.host_ip = *host_ip;
    return {};
}

Status take_protocol(std::string_view& text, std::string_view whole, PortSpec& spec) {
    const size_t slash = text.find('/');
    if (slash == text.npos) return {};
    const std::string_view protocol = text.substr(slash + 1);
    text = text.substr(0, slash);
    if (protocol == "tcp") {
        spec.l4 = CNET_L4_TCP;
    } else if (protocol == "udp") {
        spec.l4 = CNET_L4_UDP;
    } else if (protocol == "sctp") {
        spec.l4 = CNET_L4_SCTP;
    } else {
        return bad_spec(whole, "the protocol \"" + std::string(protocol) +
                                   "\" is neither tcp, udp nor sctp");
    }
    return {};
}

} // namespace

Result<PortSpec> parse_port_spec(std::string_view text) {
    PortSpec spec;
    std::string_view rest = text;
    auto status = take_protocol(rest, text, spec);
    if (!status) return status.error();
    const size_t colon = rest.rfind(':');
    auto target = parse_range(colon == rest.npos ? rest : rest.substr(colon + 1));
    if (!target) return bad_spec(text, "a port is 1 to 65535, a range two of them, FIRST-LAST");
    spec.port = target->first;
    spec.count = target->count;
    if (colon == rest.npos) return spec;

    rest = rest.substr(0, colon);
    status = take_host_ip(rest, text, spec);
    if (!status) return status.error();
    if (rest.empty()) return spec; // "127.0.0.1::80" or ":80": any port
    auto host = parse_range(rest);
    if (!host) {
        return bad_spec(text, "\"" + std::string(rest) + "\" is not a host port or range of ports");
    }
    spec.host_port = host->first;
    if (target->count == 1) {
        spec.host_choice = host->count; // "8000-8009:80": one of them
    } else if (host->count != target->count) {
        return bad_spec(text, "the two ranges differ in length (" + std::to_string(host->count) +
                                  " and " + std::to_string(target->count) + " ports)");
    }
    return spec;
}

std::string_view to_string(cnet_l4 l4) {
    switch (l4) {
    case CNET_L4_TCP:
        return "tcp";
    case CNET_L4_UDP:
        return "udp";
    case CNET_L4_SCTP:
        return "sctp";
    default:
        return "unknown";
    }
}

std::string host_ip_text(const std::optional<IpAddress>& host_ip) {
    if (!host_ip) return "0.0.0.0";
    return host_ip->is_v4() ? host_ip->to_string() : "[" + host_ip->to_string() + "]";
}

std::string to_string(const PublishedPort& port) {
    auto range = [&](uint16_t first) {
        std::string text = std::to_string(first);
        if (port.count > 1) text += "-" + std::to_string(first + port.count - 1);
        return text;
    };
    return host_ip_text(port.host_ip) + ":" + range(port.host_port) + "->" + range(port.port) +
           "/" + std::string(to_string(port.l4));
}

} // namespace cnet::control
