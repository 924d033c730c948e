// Says that links, addresses, IPv4 routes or devices' settings of a namespace changed, for an event
// loop. It does not
// say how: the reader reads the kernel's state again, which also covers what an overrun swallowed.
#pragma once

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::netlink {

struct Events {
    bool links_changed = false;
    bool addresses_changed = false;
    bool routes_changed = false;
    bool settings_changed = false; // forwarding and the like, of either family
    bool overrun = false;          // notifications were lost: re-read everything

    bool any() const {
        return links_changed || addresses_changed || routes_changed || settings_changed || overrun;
    }
};

class Monitor {
public:
    // In the calling thread's namespace. What happens after this is reported.
    static Result<Monitor> open();

    // Readable when there is something to drain.
    int fd() const { return socket_.get(); }
    // Takes everything that is there; never blocks. Nothing there is Events with any() false.
    Result<Events> drain();

private:
    explicit Monitor(UniqueFd socket) : socket_(std::move(socket)) {}

    UniqueFd socket_;
};

} // namespace cnet::netlink
