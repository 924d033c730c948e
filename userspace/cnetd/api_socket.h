// The API's listening socket: handed over by systemd, or made at Paths::socket.
#pragma once

#include <filesystem>
#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::daemon {

struct ApiSocket {
    UniqueFd fd;
    bool own = false; // we made the file, so we remove it
};

// Of several sockets from systemd, the one named "api". An own one is 0660 with the group when
// there is such a group, else 0600.
Result<ApiSocket> open_api_socket(const std::filesystem::path& path, const std::string& group);

} // namespace cnet::daemon
