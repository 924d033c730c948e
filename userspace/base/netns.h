// Network namespaces: visit one, open one by path, keep named ones as ip-netns(8) does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet {

// The calling thread is in another network namespace for as long as the guard lives; must die on
// the same thread. Coming back cannot fail silently: a thread left in the wrong namespace would
// configure the wrong host, so the process aborts instead.
class NetnsGuard {
public:
    static Result<NetnsGuard> enter(int netns_fd);
    static Result<NetnsGuard> enter(const std::string& path); // errors as open_netns()
    // Into a new, empty namespace, which lives as long as the visit or something that refers to it.
    static Result<NetnsGuard> enter_new();

    NetnsGuard(NetnsGuard&&) noexcept = default;
    NetnsGuard& operator=(NetnsGuard&&) = delete;
    ~NetnsGuard();

private:
    explicit NetnsGuard(UniqueFd home) : home_(std::move(home)) {}

    UniqueFd home_;
};

// kNotFound when the path is absent or is no network namespace (any more).
Result<UniqueFd> open_netns(const std::string& path);
// The calling thread's own.
Result<UniqueFd> open_current_netns();

// SO_NETNS_COOKIE: the same for two descriptors exactly when they are one namespace, never reused
// until reboot.
Result<uint64_t> netns_cookie();
Result<uint64_t> netns_cookie(const std::string& path);

// A new namespace bind-mounted on `path`, lo up. The directory is made, shared with other mount
// namespaces as ip(8) does. kConflict when the path is a namespace already or a file with content;
// an empty file left behind by a crash or a reboot is taken over.
Status create_named_netns(const std::filesystem::path& path);
// Unmounts and unlinks; absent is success. kConflict when `path` is a file that nobody's namespace
// was mounted on.
Status delete_named_netns(const std::filesystem::path& path);
// Names of the namespaces below `directory`, sorted; an absent directory has none.
Result<std::vector<std::string>> list_named_netns(const std::filesystem::path& directory);

} // namespace cnet
