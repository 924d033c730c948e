#include "userspace/docker/ports.h"

#include <algorithm>
#include <tuple>

namespace cnet::docker {
namespace {

constexpr char kPortMap[] = "com.docker.network.portmap";
constexpr char kExposed[] = "com.docker.network.endpoint.exposedports";

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

Result<std::string> protocol_of(uint32_t number) {
    switch (number) {
    case 6:
        return std::string("tcp");
    case 17:
        return std::string("udp");
    case 132:
        return std::string("sctp");
    default:
        return invalid("protocol " + std::to_string(number) + " has no ports");
    }
}

Result<PortWish> read_port(const Reader& entry, const std::optional<IpAddress>& bind) {
    PortWish wish;
    auto protocol = protocol_of(entry.number("Proto"));
    wish.host = entry.parsed<IpAddress>("HostIP");
    if (!wish.host) wish.host = bind;
    wish.port = entry.number("Port");
    wish.host_port = entry.number("HostPort");
    wish.host_port_end = std::max(entry.number("HostPortEnd"), wish.host_port);
    if (auto fault = entry.fault(); !fault) return fault.error();
    if (!protocol) return protocol.error();
    wish.protocol = *protocol;
    if (wish.port == 0 || wish.port > 65535 || wish.host_port_end > 65535)
        return invalid("a port of " + std::to_string(wish.host_port) + ":" +
                       std::to_string(wish.port) + " is none");
    return wish;
}

bool is_single(const PortWish& wish) {
    return wish.host_port != 0 && wish.host_port_end == wish.host_port;
}

// One binding for a range, however many ports it has.
std::vector<PortWish> join_ranges(std::vector<PortWish> wishes) {
    std::ranges::sort(wishes, {}, [](const PortWish& wish) {
        return std::tuple(wish.protocol, wish.host, wish.host_port, wish.port);
    });
    std::vector<PortWish> joined;
    for (const PortWish& wish : wishes) {
        const bool follows = !joined.empty() && is_single(wish) && is_single(joined.back()) &&
                             joined.back().protocol == wish.protocol &&
                             joined.back().host == wish.host &&
                             joined.back().host_port + joined.back().count == wish.host_port &&
                             joined.back().port + joined.back().count == wish.port;
        if (follows)
            joined.back().count++;
        else if (joined.empty() || joined.back() != wish)
            joined.push_back(wish);
    }
    return joined;
}

std::string range(uint32_t first, uint32_t last) {
    return std::to_string(first) + (last > first ? "-" + std::to_string(last) : "");
}

} // namespace

std::string PortWish::spec() const {
    std::string text;
    if (host) text = (host->is_v4() ? host->to_string() : "[" + host->to_string() + "]") + ":";
    const uint32_t last = std::max(host_port_end, host_port + count - 1);
    if (host_port != 0)
        text += range(host_port, last) + ":";
    else if (host)
        text += ":";
    return text + range(port, port + count - 1) + "/" + protocol;
}

std::vector<PortWish> as_direct(std::vector<PortWish> wishes, const control::Network& network) {
    auto is_direct = [&](bool v4) {
        return network.mode_of(v4) == control::Mode::kRoutedPublished || !network.has_family(v4);
    };
    std::vector<PortWish> direct;
    for (PortWish& wish : wishes) {
        if (wish.host ? !is_direct(wish.host->is_v4()) : !is_direct(true) || !is_direct(false)) {
            direct.push_back(wish);
            continue;
        }
        wish.host_port = wish.host_port_end = 0;
        if (wish.host && !wish.host->is_loopback())
            wish.host = *IpAddress::parse(wish.host->is_v4() ? "0.0.0.0" : "::");
        if (std::ranges::find(direct, wish) == direct.end()) direct.push_back(wish);
    }
    return direct;
}

bool PortWish::is(const control::PortView& published) const {
    const std::string at = host ? host->to_string() : "0.0.0.0";
    if (published.protocol != protocol || published.host_ip != at) return false;
    if (published.port != port || published.port_end != port + count - 1) return false;
    return host_port == 0 ||
           (published.host_port >= host_port && published.host_port <= host_port_end);
}

Result<std::vector<PortWish>> read_ports(const Reader& options,
                                         const std::optional<IpAddress>& bind) {
    std::vector<PortWish> wishes;
    for (const Reader& entry : options.each(kPortMap)) {
        auto wish = read_port(entry, bind);
        if (!wish) return wish.error();
        wishes.push_back(*wish);
    }
    // Nothing is shut that could be opened by these.
    for (const Reader& entry : options.each(kExposed)) {
        static_cast<void>(entry.number("Proto"));
        static_cast<void>(entry.number("Port"));
    }
    if (auto fault = options.fault(); !fault) return fault.error();
    return join_ranges(std::move(wishes));
}

} // namespace cnet::docker
