// Follows links, addresses, IPv4 routes and devices' settings of a namespace, for an event loop. Of
// a link it says what it is now; of the rest, that it changed: the reader asks the kernel again.
#pragma once

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/netlink/events.h"

namespace cnet::netlink {

class Monitor {
public:
    // In the calling thread's namespace. What happens after this is reported.
    static Result<Monitor> open();

    // Readable when there is something to drain.
    int fd() const { return socket_.get(); }
    // Takes everything that is there; never blocks. Nothing there is Events with any() false. What
    // the caller has done itself by now is in it.
    Result<Events> drain();

private:
    explicit Monitor(UniqueFd socket) : socket_(std::move(socket)) {}

    UniqueFd socket_;
};

} // namespace cnet::netlink
