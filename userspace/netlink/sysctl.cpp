#include "userspace/netlink/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "userspace/netlink/socket.h"

namespace cnet::netlink {

std::string sysctl_path(const std::string& family, const std::string& name,
                        const std::string& key) {
    return "/proc/sys/net/" + family + "/conf/" + name + "/" + key;
}

Result<UniqueFd> open_sysctls(const std::string& family) {
    const std::string path = "/proc/sys/net/" + family + "/conf";
    UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return kernel_error("open " + path, errno);
    return fd;
}

Status write_sysctl(const std::string& path, const std::string& value, int directory) {
    const UniqueFd fd(::openat(directory, path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return kernel_error("open " + path, errno);
    if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
        return kernel_error("write " + value + " to " + path, errno);
    return {};
}

Result<std::string> read_sysctl(const std::string& path, int directory) {
    const UniqueFd fd(::openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return kernel_error("open " + path, errno);
    char buffer[64];
    const auto size = ::read(fd.get(), buffer, sizeof buffer);
    if (size < 0) return kernel_error("read " + path, errno);
    std::string value(buffer, static_cast<size_t>(size));
    while (value.ends_with('\n'))
        value.pop_back();
    return value;
}

} // namespace cnet::netlink
