#include "userspace/cnetd/sockets.h"

#include <grp.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "userspace/api/server.h"
#include "userspace/base/log.h"

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

Status take_over(NamedFd& socket, size_t count, Sockets& sockets) {
    if (sd_is_socket_unix(socket.fd.get(), SOCK_STREAM, 1, nullptr, 0) <= 0)
        return Error(ErrorKind::kInvalid,
                     "the socket \"" + socket.name +
                         "\" from systemd is not a listening unix stream socket");
    if (socket.name == "docker")
        sockets.docker.fd = std::move(socket.fd);
    else if (socket.name == "api" || count == 1)
        sockets.api.fd = std::move(socket.fd);
    return {};
}

// Without it the API works, and so does everything but Docker's driver.
void listen_for_docker(const std::filesystem::path& path, Sockets& sockets) {
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    auto fd =
        error
            ? Result<UniqueFd>(Error::system("make " + path.parent_path().string(), error.value()))
            : api::listen_unix(path, {});
    if (fd)
        sockets.docker = {std::move(*fd), true};
    else
        log_warning("Docker's driver is not served: " + fd.error().message());
}

} // namespace

api::SocketMode mode_for(const std::string& group) {
    api::SocketMode access;
    access.group = find_group(group);
    if (access.group) access.mode = 0660;
    return access;
}

Result<Sockets> open_sockets(const Paths& paths, const std::string& group) {
    auto handed_over = sockets_from_systemd();
    if (!handed_over) return handed_over.error();
    Sockets sockets;
    const auto others = std::ranges::count_if(
        *handed_over, [](const NamedFd& socket) { return socket.name != "docker"; });
    for (NamedFd& socket : *handed_over) {
        auto taken = take_over(socket, static_cast<size_t>(others), sockets);
        if (!taken) return taken.error();
    }
    if (others > 0 && !sockets.api.fd)
        return Error(ErrorKind::kInvalid,
                     "systemd handed over several sockets and none is named \"api\"");
    if (!sockets.api.fd) {
        auto fd = api::listen_unix(paths.socket, mode_for(group));
        if (!fd) return fd.error();
        sockets.api = {std::move(*fd), true};
    }
    if (handed_over->empty()) listen_for_docker(paths.docker_socket, sockets);
    return sockets;
}

} // namespace cnet::daemon
