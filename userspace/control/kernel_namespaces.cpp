#include "userspace/control/kernel_namespaces.h"

#include "userspace/base/netns.h"

namespace cnet::control {

std::string KernelNamespaces::path_of(const std::string& name) const {
    return (directory_ / name).string();
}

Status KernelNamespaces::create(const std::string& name) {
    return create_named_netns(directory_ / name);
}

Status KernelNamespaces::remove(const std::string& name) {
    return delete_named_netns(directory_ / name);
}

bool KernelNamespaces::alive(const std::string& path) const {
    return static_cast<bool>(open_netns(path));
}

bool KernelNamespaces::is_own(const std::string& path) const {
    auto own = netns_cookie();
    auto other = netns_cookie(path);
    return own && other && *own == *other;
}

} // namespace cnet::control
