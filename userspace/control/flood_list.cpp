#include "userspace/control/flood_list.h"

namespace cnet::control {

uint32_t place_flood_ports(FloodEntries& out, NetworkId network, const FloodMembers& members,
                           const FloodEntries& observed) {
    const auto count = static_cast<uint32_t>(members.size());
    FloodMembers unplaced = members;
    for (uint32_t index = 0; index < count; index++) {
        auto seen = observed.find({network, index});
        if (seen == observed.end()) continue;
        auto member = unplaced.find(seen->second.ifindex);
        if (member == unplaced.end()) continue;
        out[{network, index}] = {member->first, member->second};
        unplaced.erase(member);
    }
    auto next = unplaced.begin();
    for (uint32_t index = 0; index < count; index++) {
        if (out.contains({network, index})) continue;
        out[{network, index}] = {next->first, next->second};
        ++next;
    }
    return count;
}

} // namespace cnet::control
