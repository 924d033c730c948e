// cgroup2 directories: where the hierarchy is mounted, and which one an id means.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "userspace/base/result.h"

namespace cnet::loader {

// The root of cgroup2 as this process sees it. kNotFound, in one sentence, when it is not mounted.
Result<std::filesystem::path> find_cgroup2();

// What the kernel calls the cgroup of this directory. kNotFound when there is no such directory,
// kInvalid when it is none of cgroup2.
Result<uint64_t> cgroup_id(const std::filesystem::path& directory);

// Empty when there is none with this id, or it cannot be seen from here.
std::string cgroup_path(uint64_t id);

} // namespace cnet::loader
