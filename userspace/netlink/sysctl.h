// Files below /proc/sys/net/FAMILY/conf, of the network namespace that the calling thread is in.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace cnet::netlink {

std::string sysctl_path(const std::string& family, const std::string& name, const std::string& key);
Status write_sysctl(const std::string& path, const std::string& value);
Result<std::string> read_sysctl(const std::string& path);

} // namespace cnet::netlink
