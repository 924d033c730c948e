// What the process says to its caller; fixed for scripts, as docs/cli.md lists them.
#pragma once

namespace cnet::cli {

enum ExitStatus : int {
    kDone = 0,
    kUsage = 1,
    kRefused = 2, // by the daemon or the kernel
    kNotFound = 3,
    kUnreachable = 4, // the daemon
    kWarnings = 5,    // of `doctor`: nothing worse
    kProblems = 6,
    kCannotExecute = 126, // `sandbox exec`, as shells do
    kNoSuchCommand = 127,
};

} // namespace cnet::cli
