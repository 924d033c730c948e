// api::ExplainPrograms over the loaded data path.
#pragma once

#include "loader/data_path.h"
#include "userspace/api/handlers.h"
#include "userspace/netlink/rtnl.h"

namespace cnet::daemon {

// Both outlive what is returned.
api::ExplainPrograms explain_programs(const loader::DataPath& data_path, netlink::Rtnl& rtnl);

} // namespace cnet::daemon
