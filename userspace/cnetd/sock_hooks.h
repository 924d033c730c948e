// Keeps the `sock` programs on the cgroup of the configuration. Without them host processes do not
// reach published ports; everything else works, so nothing here keeps cnetd from running.
#pragma once

#include <string>

#include "loader/data_path.h"
#include "userspace/api/handlers.h"
#include "userspace/cnetd/config.h"

namespace cnet::daemon {

class SockHooks {
public:
    // `data_path` outlives this.
    SockHooks(loader::DataPath& data_path, const Config& config)
        : data_path_(data_path), enabled_(config.sock), configured_(config.sock_cgroup) {}

    // Attaches what is not attached, or takes it off where the configuration says so. What goes
    // wrong is logged, once until it changes, and stays in status().
    void follow();
    api::SockStatus status() const { return {enabled_, cgroup_, error_}; }

private:
    Result<unsigned> attach();

    loader::DataPath& data_path_;
    bool enabled_;
    std::string configured_; // empty: the root of cgroup2
    std::string cgroup_;     // that they are attached to
    std::string error_;
};

} // namespace cnet::daemon
