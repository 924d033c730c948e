// Files below /proc/sys/net/FAMILY/conf, of the network namespace that the calling thread is in.
#pragma once

#include <fcntl.h>

#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::netlink {

std::string sysctl_path(const std::string& family, const std::string& name, const std::string& key);
// /proc/sys/net/FAMILY/conf itself, for the two below: it stays the same namespace's wherever the
// thread is later, and the kernel does not look for that namespace's among all others' again.
Result<UniqueFd> open_sysctls(const std::string& family);
Status write_sysctl(const std::string& path, const std::string& value, int directory = AT_FDCWD);
Result<std::string> read_sysctl(const std::string& path, int directory = AT_FDCWD);

} // namespace cnet::netlink
