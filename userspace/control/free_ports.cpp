#include "userspace/control/free_ports.h"

#include <algorithm>
#include <cstdio>

#include "userspace/base/file.h"

namespace cnet::control {

PortRange local_port_range() {
    PortRange range;
    auto text = read_file("/proc/sys/net/ipv4/ip_local_port_range");
    if (!text || std::sscanf(text->c_str(), "%u %u", &range.first, &range.last) != 2)
        return PortRange();
    return range;
}

std::vector<PortRange> parse_port_list(const std::string& text) {
    std::vector<PortRange> ranges;
    const char* rest = text.c_str();
    unsigned first = 0, last = 0;
    int used = 0;
    while (std::sscanf(rest, "%u%n", &first, &used) == 1) {
        rest += used;
        last = first;
        if (std::sscanf(rest, "-%u%n", &last, &used) == 1) rest += used;
        ranges.push_back({first, last});
        if (*rest != ',') break;
        rest++;
    }
    return ranges;
}

std::vector<PortRange> reserved_ports() {
    auto text = read_file("/proc/sys/net/ipv4/ip_local_reserved_ports");
    return text ? parse_port_list(*text) : std::vector<PortRange>();
}

std::vector<uint16_t> free_ports(const PortRange& range, const std::vector<PortRange>& taken,
                                 uint16_t count, uint32_t last_chosen) {
    std::vector<uint16_t> found;
    if (range.first + count > range.last + 1) return found;
    std::vector<bool> busy(65536);
    for (const PortRange& one : taken) {
        for (uint32_t port = one.first; port <= one.last && port < busy.size(); port++)
            busy[port] = true;
    }
    const uint32_t candidates = range.last + 2 - range.first - count;
    // On from the last one chosen, so that a port just freed is not at once somebody else's.
    const bool resume = last_chosen >= range.first && last_chosen < range.first + candidates;
    const uint32_t start = resume ? last_chosen + 1 - range.first : 0;
    for (uint32_t i = 0; i < candidates; i++) {
        const uint32_t first = range.first + (start + i) % candidates;
        const auto begin = busy.begin() + first;
        if (std::find(begin, begin + count, true) == begin + count)
            found.push_back(static_cast<uint16_t>(first));
    }
    return found;
}

} // namespace cnet::control
