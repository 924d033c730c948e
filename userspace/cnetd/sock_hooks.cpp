#include "userspace/cnetd/sock_hooks.h"

#include "loader/cgroup.h"
#include "userspace/base/log.h"

namespace cnet::daemon {

Result<unsigned> SockHooks::attach() {
    std::filesystem::path cgroup = configured_;
    if (cgroup.empty()) {
        auto root = loader::find_cgroup2();
        if (!root) return root.error();
        cgroup = *root;
    }
    auto made = data_path_.attach_sock(cgroup);
    if (!made) return made.error();
    if (*made > 0 && !cgroup_.empty())
        log_warning("the programs on the cgroup " + cgroup.string() + " were gone: attached again");
    cgroup_ = cgroup;
    return *made;
}

void SockHooks::follow() {
    std::string error;
    if (!enabled_) {
        if (Status status = data_path_.detach_sock(); !status) error = status.error().message();
    } else if (auto made = attach(); !made) {
        error = made.error().message();
        cgroup_.clear();
    }
    if (!error.empty() && error != error_)
        log_warning("processes of the host do not reach published ports: " + error);
    error_ = std::move(error);
}

} // namespace cnet::daemon
