// Published ports are bound by cnetd for as long as they are published, so that no process of the
// host takes them: a socket each, with a filter that drops whatever the kernel would hand it.
//
// No host address means every address of the families that the endpoint has: one dual-stack socket
// for both, or an IPv4 one on a kernel without IPv6. A family that the endpoint does not have is
// left to the host, which refuses its connections where a filter would leave them hanging. All of a
// range or nothing. Errors are Docker's words.
#pragma once

#include <map>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/control/model.h"

namespace cnet::control {

enum class Families { kBoth, kV4, kV6 };
Families families_of(const Endpoint& endpoint);

class PortReservations {
public:
    // kStore: reserved against our own ports alone, since the kernel has no such protocol.
    enum class Held { kNone, kStore, kSocket };

    // kConflict when a process has one of the ports, kExhausted beyond the limit of open files.
    Status reserve(const PublishedPort& port, Families families = Families::kBoth);
    void release(BindingId id) { held_.erase(id); }
    Held held(BindingId id) const {
        auto sockets = held_.find(id);
        if (sockets == held_.end()) return Held::kNone;
        return sockets->second.empty() ? Held::kStore : Held::kSocket;
    }

private:
    std::map<BindingId, std::vector<UniqueFd>> held_;
};

} // namespace cnet::control
