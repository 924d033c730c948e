// What the kernel says when it refuses, in its own words.
#pragma once

#include <cerrno>
#include <string>

#include "userspace/base/result.h"

namespace cnet::test {

inline Error no_device(const std::string& name) {
    return {ErrorKind::kNotFound, name + ": No such device", ENODEV};
}
inline Error no_netns(const std::string& path) {
    return {ErrorKind::kNotFound, path + ": No such file or directory", ENOENT};
}
inline Error taken(const std::string& name) {
    return {ErrorKind::kConflict, name + ": File exists", EEXIST};
}

} // namespace cnet::test
