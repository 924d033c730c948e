// The `sock` programs on one cgroup, each by a pinned link (links/sock-connect4, ...): what host
// processes below that cgroup dial and are shown. They outlive the process, like LinkTable's; a
// link goes with its pin, with release, or with its cgroup.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"

namespace cnet::loader {

struct SockAttached {
    uint64_t cgroup_id;
    uint32_t prog_id;
};

class SockLinks {
public:
    using Program = std::function<Result<int>(std::string_view name)>;

    explicit SockLinks(std::filesystem::path pins) : pins_(std::move(pins)) {}

    // A link on this cgroup is updated, so that no system call falls between two programs; one on
    // another cgroup is replaced. Returns how many were not there.
    Result<unsigned> attach(const std::filesystem::path& cgroup, const Program& program);
    // Absent is success.
    Status detach();

private:
    std::filesystem::path pins_;
};

// The names of all programs that SockLinks attaches.
std::vector<std::string_view> sock_programs();

// What is attached by the links pinned below `pins`; those whose cgroup is gone left out.
Result<std::vector<SockAttached>> sock_attached(const std::filesystem::path& pins);

} // namespace cnet::loader
