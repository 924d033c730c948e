// [cluster], and what [overlay] says of a cluster's networks.
#pragma once

#include <string_view>

#include "userspace/cnetd/config.h"
#include "userspace/cnetd/config_take.h"

namespace cnet::daemon {

Taken take_cluster_setting(std::string_view key, const toml::node& node, ClusterConfig& cluster);
// What the keys are together.
Fault check_cluster(const ClusterConfig& cluster);
Fault take_vni_range(const toml::node& node, VniRange& range);

} // namespace cnet::daemon
