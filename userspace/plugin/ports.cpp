#include "userspace/plugin/ports.h"

#include <algorithm>

#include "userspace/base/ip.h"
#include "userspace/plugin/endpoints.h"

namespace cnet::plugin {
namespace {

struct Range {
    PortMapping first;
    uint32_t count = 1;

    bool continued_by(const PortMapping& next) const {
        return next.protocol == first.protocol && next.host_ip == first.host_ip &&
               next.host_port == first.host_port + count &&
               next.container_port == first.container_port + count;
    }
};

std::string ports_text(uint16_t first, uint32_t count) {
    std::string text = std::to_string(first);
    if (count > 1) text += "-" + std::to_string(first + count - 1);
    return text;
}

// "" for every address, "192.0.2.1:", "[2001:db8::1]:"
Outcome<std::string> host_ip_prefix(const std::string& text) {
    if (text.empty()) return std::string();
    auto address = IpAddress::parse(text);
    if (!address)
        return Fault{Code::kConfig,
                     "a published port's host address: " + address.error().message()};
    if (address->is_v4()) return address->is_unspecified() ? "" : address->to_string() + ":";
    return "[" + address->to_string() + "]:";
}

Outcome<std::string> spec_of(const Range& range) {
    auto prefix = host_ip_prefix(range.first.host_ip);
    if (!prefix) return prefix.fault();
    return *prefix + ports_text(range.first.host_port, range.count) + ":" +
           ports_text(range.first.container_port, range.count) + "/" + range.first.protocol;
}

// What a port looks like in cnetd's list, as a spec.
std::string spec_of(const Json& port) {
    const std::string host_ip = port.at("host_ip").get<std::string>();
    Range range;
    range.first.host_port = port.at("host_port").get<uint16_t>();
    range.first.container_port = port.at("port").get<uint16_t>();
    range.first.protocol = port.at("protocol").get<std::string>();
    range.first.host_ip = host_ip;
    range.count = port.at("port_end").get<uint32_t>() - range.first.container_port + 1;
    auto spec = spec_of(range);
    return spec ? *spec : std::string();
}

Outcome<std::vector<std::string>> published(Daemon& daemon, const std::string& endpoint) {
    auto ports = daemon.get("/v1/ports?endpoint=" + endpoint);
    if (!ports) return ports.fault();
    std::vector<std::string> specs;
    for (const Json& port : *ports)
        specs.push_back(spec_of(port));
    return specs;
}

bool contains(const std::vector<std::string>& specs, const std::string& spec) {
    return std::find(specs.begin(), specs.end(), spec) != specs.end();
}

} // namespace

Outcome<std::vector<std::string>> port_specs(const std::vector<PortMapping>& mappings) {
    std::vector<Range> ranges;
    for (const PortMapping& mapping : mappings) {
        if (!ranges.empty() && ranges.back().continued_by(mapping)) {
            ranges.back().count++;
        } else {
            ranges.push_back({mapping, 1});
        }
    }
    std::vector<std::string> specs;
    for (const Range& range : ranges) {
        auto spec = spec_of(range);
        if (!spec) return spec.fault();
        specs.push_back(*spec);
    }
    return specs;
}

Done publish_ports(Daemon& daemon, const std::string& endpoint,
                   const std::vector<PortMapping>& mappings, const std::string& prefix) {
    auto specs = port_specs(mappings);
    if (!specs) return specs.fault();
    for (const std::string& spec : *specs) {
        auto answer = create(daemon, "/v1/ports",
                             {{"endpoint", endpoint}, {"spec", spec}, {"reserve", false}}, prefix);
        if (!answer) return answer.fault();
        if (answer->ok()) continue;
        if (!answer->conflict() || !answer->repeated) return answer->fault();
        auto have = published(daemon, endpoint);
        if (!have) return have.fault();
        if (!contains(*have, spec)) return answer->fault();
    }
    return {};
}

Done check_ports(Daemon& daemon, const std::string& endpoint,
                 const std::vector<PortMapping>& mappings) {
    auto specs = port_specs(mappings);
    if (!specs) return specs.fault();
    if (specs->empty()) return {};
    auto have = published(daemon, endpoint);
    if (!have) return have.fault();
    for (const std::string& spec : *specs) {
        if (!contains(*have, spec)) return Fault{Code::kDiffers, spec + " is not published"};
    }
    return {};
}

} // namespace cnet::plugin
