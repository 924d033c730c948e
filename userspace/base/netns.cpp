#include "userspace/base/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace cnet {
namespace {

constexpr int kSoNetnsCookie = 71; // SO_NETNS_COOKIE, newer than Debian 12's <sys/socket.h>
constexpr const char* kOwnNetns = "/proc/thread-self/ns/net";

Error denied_or_system(std::string attempted, int errno_value) {
    const auto error = Error::system(std::move(attempted), errno_value);
    if (errno_value != EPERM && errno_value != EACCES) return error;
    return {ErrorKind::kDenied, error.message(), errno_value};
}

bool is_netns(int fd) {
    struct statfs file_system {};
    if (fstatfs(fd, &file_system) != 0 || file_system.f_type != NSFS_MAGIC) return false;
    return ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

// ip-netns(8) makes an empty file before it mounts the namespace on it; that is what a crash or a
// reboot leaves.
bool is_empty_file(const std::filesystem::path& path) {
    struct stat status {};
    return lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0;
}

Status set_loopback_up() {
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return Error::system("open a socket");
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    if (ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return Error::system("read the flags of lo");
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) return denied_or_system("set lo up", errno);
    return {};
}

// Keeps others, ip(8) among them, from changing the directory's mounts while the descriptor lives.
Result<UniqueFd> lock_directory(const std::filesystem::path& directory) {
    UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return denied_or_system("open " + directory.string(), errno);
    while (flock(fd.get(), LOCK_EX) != 0)
        if (errno != EINTR) return Error::system("lock " + directory.string());
    return fd;
}

// A namespace that is unmounted here goes in every mount namespace that has a copy of the
// directory, as ip-netns(8) arranges it. Only a mount point can be shared, so the directory is
// mounted on itself where it is none.
Status share_directory(const std::filesystem::path& directory) {
    if (mount("", directory.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
    if (errno != EINVAL) return denied_or_system("share the mount " + directory.string(), errno);
    if (mount(directory.c_str(), directory.c_str(), "none", MS_BIND | MS_REC, nullptr) != 0)
        return denied_or_system("mount " + directory.string() + " on itself", errno);
    if (mount("", directory.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0)
        return denied_or_system("share the mount " + directory.string(), errno);
    return {};
}

// Takes back share_directory() when no namespace is left. A mount of another file system is not
// ours; /run/netns is everybody's.
Status unshare_directory(const std::filesystem::path& directory) {
    struct stat own {};
    struct stat parent {};
    std::error_code error;
    if (std::filesystem::canonical(directory, error) == "/run/netns") return {};
    const auto left = list_named_netns(directory);
    if (!left) return left.error();
    if (!left->empty()) return {};
    if (stat(directory.c_str(), &own) != 0) return Error::system("stat " + directory.string());
    if (stat((directory / "..").c_str(), &parent) != 0)
        return Error::system("stat the parent of " + directory.string());
    if (own.st_dev != parent.st_dev) return {};
    // Lazily, since the directory's lock is an open file on this mount. EINVAL: it was no mount
    // point.
    if (umount2(directory.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL)
        return denied_or_system("unmount " + directory.string(), errno);
    return {};
}

// The empty file that the namespace is mounted on.
Status make_mount_point(const std::filesystem::path& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
    if (fd) return {};
    if (errno != EEXIST) return denied_or_system("create " + path.string(), errno);
    if (open_netns(path.string()))
        return Error(ErrorKind::kConflict,
                     "the network namespace " + path.string() + " exists already", EEXIST);
    if (!is_empty_file(path))
        return Error(ErrorKind::kConflict, path.string() + " exists and is not a network namespace",
                     EEXIST);
    return {};
}

Status mount_new_netns(const std::filesystem::path& path) {
    auto guard = NetnsGuard::enter_new();
    if (!guard) return guard.error();
    if (auto up = set_loopback_up(); !up) return up;
    if (mount(kOwnNetns, path.c_str(), "none", MS_BIND, nullptr) != 0)
        return denied_or_system("mount a network namespace on " + path.string(), errno);
    return {};
}

} // namespace

Result<NetnsGuard> NetnsGuard::enter(int netns_fd) {
    auto home = open_current_netns();
    if (!home) return home.error();
    if (setns(netns_fd, CLONE_NEWNET) != 0)
        return denied_or_system("enter a network namespace", errno);
    return NetnsGuard(std::move(*home));
}

Result<NetnsGuard> NetnsGuard::enter(const std::string& path) {
    auto netns = open_netns(path);
    if (!netns) return netns.error();
    auto guard = enter(netns->get());
    if (!guard) return guard.error().because(path);
    return guard;
}

Result<NetnsGuard> NetnsGuard::enter_new() {
    auto home = open_current_netns();
    if (!home) return home.error();
    if (unshare(CLONE_NEWNET) != 0) return denied_or_system("create a network namespace", errno);
    return NetnsGuard(std::move(*home));
}

NetnsGuard::~NetnsGuard() {
    if (home_ && setns(home_.get(), CLONE_NEWNET) != 0) {
        std::perror("return to the own network namespace");
        std::abort();
    }
}

Result<UniqueFd> open_netns(const std::string& path) {
    // O_NONBLOCK: the path may name a pipe.
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd && (errno == ENOENT || errno == ENOTDIR))
        return Error(ErrorKind::kNotFound, "no network namespace " + path, errno);
    if (!fd) return denied_or_system("open " + path, errno);
    if (!is_netns(fd.get()))
        return Error(ErrorKind::kNotFound, path + " is not a network namespace", EINVAL);
    return fd;
}

Result<UniqueFd> open_current_netns() {
    UniqueFd fd(::open(kOwnNetns, O_RDONLY | O_CLOEXEC));
    if (!fd) return Error::system("open " + std::string(kOwnNetns));
    return fd;
}

Result<uint64_t> netns_cookie() {
    const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return Error::system("open a socket");
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    if (getsockopt(fd.get(), SOL_SOCKET, kSoNetnsCookie, &cookie, &size) != 0)
        return Error::system("read the network namespace's cookie");
    return cookie;
}

Result<uint64_t> netns_cookie(const std::string& path) {
    auto guard = NetnsGuard::enter(path);
    if (!guard) return guard.error();
    return netns_cookie();
}

Status create_named_netns(const std::filesystem::path& path) {
    const auto directory = path.parent_path();
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return denied_or_system("create " + directory.string(), error.value());
    auto lock = lock_directory(directory);
    if (!lock) return lock.error();
    if (auto shared = share_directory(directory); !shared) return shared;
    auto created = make_mount_point(path);
    if (created) {
        created = mount_new_netns(path);
        if (!created) ::unlink(path.c_str());
    }
    if (created) return {};
    if (auto undone = unshare_directory(directory); !undone)
        return undone.error().because(created.error().message() + "; then");
    return created;
}

Status delete_named_netns(const std::filesystem::path& path) {
    std::error_code error;
    if (!std::filesystem::exists(std::filesystem::symlink_status(path, error))) return {};
    auto lock = lock_directory(path.parent_path());
    if (!lock) return lock.error();
    if (!open_netns(path.string()) && !is_empty_file(path))
        return Error(ErrorKind::kConflict, path.string() + " is not a network namespace");
    // EINVAL: not a mount point, so the file is what a crash left, or a symbolic link.
    if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
        errno != ENOENT)
        return denied_or_system("unmount " + path.string(), errno);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return denied_or_system("remove " + path.string(), errno);
    return unshare_directory(path.parent_path());
}

Result<std::vector<std::string>> list_named_netns(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error);
    if (error == std::errc::no_such_file_or_directory) return names;
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error))
        if (open_netns(entries->path().string()))
            names.push_back(entries->path().filename().string());
    if (error) return denied_or_system("list " + directory.string(), error.value());
    std::ranges::sort(names);
    return names;
}

} // namespace cnet
