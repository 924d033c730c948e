// Published ports are bound by cnetd for as long as they are published, so that no process of the
// host takes them: a socket each, with a filter that drops whatever the kernel would hand it.
//
// No host address means every address of both families: one dual-stack socket, or an IPv4 one on a
// kernel without IPv6. All of a range or nothing. Errors are Docker's words.
#pragma once

#include <map>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/control/model.h"

namespace cnet::control {

class PortReservations {
public:
    // kConflict when a process has one of the ports, kExhausted beyond the limit of open files.
    Status reserve(const PublishedPort& port);
    void release(BindingId id) { held_.erase(id); }
    bool holds(BindingId id) const { return held_.contains(id); }

private:
    std::map<BindingId, std::vector<UniqueFd>> held_;
};

} // namespace cnet::control
