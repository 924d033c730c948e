#include "userspace/cnetd/api_socket.h"

#include <grp.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "userspace/api/server.h"

namespace cnet::daemon {
namespace {

struct NamedFd {
    std::string name;
    UniqueFd fd;
};

Result<std::vector<NamedFd>> sockets_from_systemd() {
    char** names = nullptr;
    int count = sd_listen_fds_with_names(1, &names);
    if (count < 0) return Error::system("take sockets from systemd", -count);
    std::vector<NamedFd> sockets;
    for (int i = 0; i < count; ++i) {
        sockets.push_back({names[i], UniqueFd(SD_LISTEN_FDS_START + i)});
        std::free(names[i]);
    }
    std::free(names);
    return sockets;
}

std::optional<gid_t> find_group(const std::string& name) {
    const group* entry = getgrnam(name.c_str());
    if (!entry) return {};
    return entry->gr_gid;
}

} // namespace

Result<ApiSocket> open_api_socket(const std::filesystem::path& path, const std::string& group) {
    auto handed_over = sockets_from_systemd();
    if (!handed_over) return handed_over.error();
    for (NamedFd& socket : *handed_over) {
        if (handed_over->size() > 1 && socket.name != "api") continue;
        if (sd_is_socket_unix(socket.fd.get(), SOCK_STREAM, 1, nullptr, 0) <= 0)
            return Error(ErrorKind::kInvalid,
                         "the socket from systemd is not a listening unix stream socket");
        return ApiSocket{std::move(socket.fd), false};
    }
    if (!handed_over->empty())
        return Error(ErrorKind::kInvalid,
                     "systemd handed over several sockets and none is named \"api\"");

    api::SocketMode access;
    access.group = find_group(group);
    if (access.group) access.mode = 0660;
    auto fd = api::listen_unix(path, access);
    if (!fd) return fd.error();
    return ApiSocket{std::move(*fd), true};
}

} // namespace cnet::daemon
