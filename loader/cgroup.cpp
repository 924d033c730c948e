#include "loader/cgroup.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <system_error>

#include "userspace/base/unique_fd.h"

namespace cnet::loader {

namespace {

namespace fs = std::filesystem;

constexpr long kCgroup2Magic = 0x63677270;
constexpr int kFileidKernfs = 0xfe; // 5.5, 33c5ac9175195

} // namespace

Result<fs::path> find_cgroup2() {
    std::ifstream mounts("/proc/self/mounts");
    if (!mounts) return Error::system("open /proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
        // "cgroup2 /sys/fs/cgroup cgroup2 rw,... 0 0"
        std::istringstream fields(line);
        std::string device, where, type;
        if (fields >> device >> where >> type && type == "cgroup2") return fs::path(where);
    }
    return Error(ErrorKind::kNotFound, "cgroup2 is not mounted");
}

Result<uint64_t> cgroup_id(const fs::path& directory) {
    struct stat info {};
    struct statfs system {};
    if (::stat(directory.c_str(), &info) != 0 || ::statfs(directory.c_str(), &system) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) return Error::system("stat " + directory.string());
        return Error(ErrorKind::kNotFound, "there is no cgroup " + directory.string());
    }
    if (static_cast<unsigned long>(system.f_type) != static_cast<unsigned long>(kCgroup2Magic) ||
        !S_ISDIR(info.st_mode)) {
        return Error(ErrorKind::kInvalid, directory.string() + " is not a cgroup of cgroup2");
    }
    return static_cast<uint64_t>(info.st_ino);
}

std::string cgroup_path(uint64_t id) {
    auto root = find_cgroup2();
    if (!root) return {};
    UniqueFd mount(::open(root->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!mount) return {};
    alignas(file_handle) unsigned char memory[sizeof(file_handle) + sizeof(id)] = {};
    auto* handle = reinterpret_cast<file_handle*>(memory);
    handle->handle_bytes = sizeof(id);
    handle->handle_type = kFileidKernfs;
    std::memcpy(handle->f_handle, &id, sizeof(id));
    UniqueFd directory(::open_by_handle_at(mount.get(), handle, O_RDONLY | O_CLOEXEC));
    if (!directory) return {};
    std::error_code error;
    auto path = fs::read_symlink("/proc/self/fd/" + std::to_string(directory.get()), error);
    return error ? std::string() : path.string();
}

} // namespace cnet::loader
