// cnetd's command line.
#pragma once

#include <filesystem>
#include <optional>

#include "userspace/base/log.h"
#include "userspace/base/paths.h"

namespace cnet::daemon {

struct Options {
    std::filesystem::path root = "/";            // --root or CNET_ROOT
    std::optional<std::filesystem::path> config; // must exist; else Paths::config, which need not
    std::optional<LogLevel> log_level;           // wins over the configuration

    Paths paths() const { return root == "/" ? Paths::system() : Paths::below(root); }
};

struct Invocation {
    Options options;
    bool release = false;           // --release: take everything off the host and end
    std::optional<int> exit_status; // --help, --version or a mistake: all has been said
};

Invocation parse_command_line(int argc, char** argv);

} // namespace cnet::daemon
