#include "userspace/netlink/socket.h"

#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

namespace cnet::netlink {
namespace {

ErrorKind kind_of(int errno_value) {
    switch (errno_value) {
    case EEXIST:
        return ErrorKind::kConflict;
    case ENODEV:
    case ENOENT:
        return ErrorKind::kNotFound;
    case EPERM:
    case EACCES:
        return ErrorKind::kDenied;
    case EINVAL:
    case ERANGE:
        return ErrorKind::kInvalid;
    default:
        return ErrorKind::kSystem;
    }
}

// libnl keeps its own numbers; these are the ones that reading meets and callers tell apart.
int errno_of(int code) {
    switch (-code) {
    case NLE_EXIST:
        return EEXIST;
    case NLE_NODEV:
        return ENODEV;
    case NLE_OBJ_NOTFOUND:
        return ENOENT;
    case NLE_PERM:
        return EPERM;
    case NLE_NOACCESS:
        return EACCES;
    case NLE_INVAL:
        return EINVAL;
    case NLE_RANGE:
        return ERANGE;
    case NLE_PROTO_MISMATCH:
        return EPROTONOSUPPORT;
    default:
        return 0;
    }
}

} // namespace

void SocketDeleter::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

Result<Socket> open_socket() {
    Socket socket(nl_socket_alloc());
    if (!socket) return Error::system("allocate a netlink socket", ENOMEM);
    if (const int code = nl_connect(socket.get(), NETLINK_ROUTE); code < 0)
        return nl_error("open a netlink socket", code);
    // Kernels that lack them answer without the texts.
    const int on = 1;
    for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK})
        if (setsockopt(nl_socket_get_fd(socket.get()), SOL_NETLINK, option, &on, sizeof(on)) != 0)
            return Error::system("set up a netlink socket");
    return socket;
}

Error nl_error(std::string attempted, int code) {
    const int errno_value = errno_of(code);
    if (errno_value) return kernel_error(std::move(attempted), errno_value);
    return {ErrorKind::kSystem, std::move(attempted) + ": " + nl_geterror(code)};
}

Error kernel_error(std::string attempted, int errno_value, const std::string& explanation) {
    std::string message = std::move(attempted) + ": " + std::strerror(errno_value);
    if (!explanation.empty()) message += " (" + explanation + ")";
    return {kind_of(errno_value), std::move(message), errno_value};
}

} // namespace cnet::netlink
