// A NETLINK_ROUTE socket of libnl, and the translation of its errors into ours.
#pragma once

#include <memory>
#include <string>

#include "userspace/base/result.h"

struct nl_sock;

namespace cnet::netlink {

struct SocketDeleter {
    void operator()(nl_sock* socket) const;
};
using Socket = std::unique_ptr<nl_sock, SocketDeleter>;

// Connected, in the calling thread's namespace, where it stays.
Result<Socket> open_socket();

// `code` is what a libnl function returned, negative.
Error nl_error(std::string attempted, int code);
// `errno_value` is what the kernel answered, positive; `explanation` its own words, if any.
Error kernel_error(std::string attempted, int errno_value, const std::string& explanation = "");

} // namespace cnet::netlink
