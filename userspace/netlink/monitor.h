// Follows links, addresses, IPv4 routes and devices' settings of a namespace, for an event loop. Of
// a link it says what it is now; of the rest, that it changed: the reader asks the kernel again.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/netlink/rtnl.h"

namespace cnet::netlink {

struct LinkNews {
    std::optional<LinkInfo> now; // none: gone, or moved to another namespace
    // Gone at some time: what is there now has nothing of what the former had but its index.
    bool was_gone = false;

    bool operator==(const LinkNews&) const = default;
};

struct Events {
    std::map<uint32_t, LinkNews> links; // by ifindex, as last told
    std::set<uint32_t> addresses;       // ifindexes of those whose addresses changed
    bool bridging_changed = false;      // a bridge's port has another state or setting
    bool routes_changed = false;
    bool settings_changed = false; // forwarding and the like, of either family
    bool overrun = false;          // some were lost, or not understood: re-read everything

    bool any() const {
        return !links.empty() || !addresses.empty() || bridging_changed || routes_changed ||
               settings_changed || overrun;
    }
    // What came after.
    void add(Events later);
};

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
