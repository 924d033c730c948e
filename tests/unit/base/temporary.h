// A directory of the test's own, and the test for being allowed to make namespaces.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "userspace/base/netns.h"

namespace cnet::test {

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "cnet-unit-XXXXXX").string();
        CNET_CHECK(mkdtemp(pattern.data()));
        path_ = pattern;
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code error;
        std::filesystem::remove_all(path_, error);
        if (error) std::fprintf(stderr, "remove %s: %s\n", path_.c_str(), error.message().c_str());
    }

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

// Empty when this process may make network namespaces, else why not: a reason to skip a test.
inline std::string why_no_netns() {
    auto guard = NetnsGuard::enter_new();
    return guard ? "" : guard.error().message();
}

} // namespace cnet::test
