#include "userspace/control/endpoint_rules.h"

#include <linux/if_ether.h>

#include <set>

#include "userspace/base/names.h"

namespace cnet::control {
namespace {

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

// A packet that is larger than the burst never leaves.
Status check_limit(const RateLimit& limit, const std::string& direction, const Network& network) {
    constexpr uint64_t kLongestBurst = uint64_t{UINT32_MAX} * 8;
    constexpr uint64_t kSlowest = 8;
    if (!limit && limit.burst_bits == 0) return {};
    if (!limit || limit.burst_bits == 0)
        return invalid("a limit needs both " + direction + "_rate and " + direction + "_burst");
    if (limit.bits_per_s < kSlowest)
        return invalid(direction + "_rate is in bits a second, at least 8");
    const uint64_t least = (uint64_t{network.mtu} + ETH_HLEN) * 8;
    if (limit.burst_bits < least)
        return invalid(direction + "_burst of " + std::to_string(limit.burst_bits) +
                       " bits is less than one packet of network " + network.name + ", " +
                       std::to_string(least));
    if (limit.burst_bits > kLongestBurst)
        return invalid(direction + "_burst is more than " + std::to_string(kLongestBurst) +
                       " bits");
    return {};
}

} // namespace

Status check_aliases(const std::vector<std::string>& aliases) {
    std::set<std::string> seen;
    for (const std::string& alias : aliases) {
        if (!valid_label(alias)) {
            return invalid("\"" + alias +
                           "\" is not a valid alias: letters, digits, '_' and '-', at most 63, "
                           "with no '-' at either end");
        }
        if (!seen.insert(alias).second) return invalid("alias " + alias + " is given twice");
    }
    return {};
}

Status check_layer2(const EndpointSpec& spec, const Network& network) {
    const bool without_address = spec.layer2 || network.is_layer2();
    if (spec.layer2 && !spec.ips.empty())
        return invalid("endpoint " + spec.name + " is to have no address (layer2), and " +
                       spec.ips.front().to_string());
    if (spec.disabled && !without_address)
        return invalid("endpoint " + spec.name +
                       " is to be disabled: a device that is down has no address (layer2)");
    return {};
}

Status check_limits(const RateLimit& ingress, const RateLimit& egress, const Network& network) {
    Status status = check_limit(ingress, "ingress", network);
    if (status) status = check_limit(egress, "egress", network);
    return status;
}

} // namespace cnet::control
