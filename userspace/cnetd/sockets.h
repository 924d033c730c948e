// The listening sockets, of the API and of Docker's driver: handed over by systemd, or made at
// their paths.
#pragma once

#include <string>

#include "userspace/api/server.h"
#include "userspace/base/paths.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::daemon {

struct ListeningSocket {
    UniqueFd fd;
    bool own = false; // we made the file, so we remove it
};

struct Sockets {
    ListeningSocket api;
    ListeningSocket docker; // without a descriptor: not served
};

// 0660 with this group, or 0600 where there is no such group.
api::SocketMode mode_for(const std::string& group);

// From systemd, "docker" is Docker's and "api", or the only other one, the API's; what it does not
// hand over of the two is not served, unless there is none for the API. An own API socket is 0660
// with the group when there is such a group, else 0600; Docker's is root's.
Result<Sockets> open_sockets(const Paths& paths, const std::string& group);

} // namespace cnet::daemon
