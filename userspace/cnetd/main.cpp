#include <cstdio>

#include "userspace/base/log.h"
#include "userspace/cnetd/daemon.h"
#include "userspace/cnetd/release.h"

namespace {

int fail(const cnet::Error& error) {
    if (cnet::detect_log_style() == cnet::LogStyle::kJournal)
        cnet::log_error(error.message());
    else
        std::fprintf(stderr, "cnetd: %s\n", error.message().c_str());
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    auto invocation = cnet::daemon::parse_command_line(argc, argv);
    if (invocation.exit_status) return *invocation.exit_status;
    if (invocation.release) {
        const cnet::Status released = cnet::daemon::release(invocation.options);
        return released ? 0 : fail(released.error());
    }
    auto daemon = cnet::daemon::Daemon::start(invocation.options);
    if (!daemon) return fail(daemon.error());
    if (cnet::Status status = (*daemon)->run(); !status) return fail(status.error());
    return 0;
}
