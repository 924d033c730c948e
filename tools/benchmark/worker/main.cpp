// cnet-bench-worker: one end of the benchmark's work, pinned to one CPU.
//
//   cnet-bench-worker server|client --mode rr|crr|stream|udp|flows|churn|http --port P --token HEX
//   --cpu
//   N
//   [--nice N] [--address A] [--seconds S] [--connections N] [--rate R] [--flows N --sources A]
//
// The server prints "ready" once it listens, serves one run and ends. The client prints one JSON
// object. Status 0 means that every byte was the right one and that the server counted what the
// client did.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>

#include "tools/benchmark/worker/options.h"
#include "tools/benchmark/worker/roles.h"
#include "userspace/base/unique_fd.h"

namespace cnet::bench {

void say_ready() {
    std::puts("ready");
    std::fflush(stdout);
}

namespace {

// Where the kernel schedules whole sessions against each other, nice works inside one alone.
Status set_session_nice(int nice) {
    const UniqueFd file(open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC));
    if (!file && errno == ENOENT) return {};
    if (!file) return Error::system("open /proc/self/autogroup");
    if (dprintf(file.get(), "%d", nice) < 0) return Error::system("write /proc/self/autogroup");
    return {};
}

Status pin(const Options& options) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<unsigned>(options.cpu), &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) return Error::system("sched_setaffinity");
    if (options.nice == 0) return {};
    if (setpriority(PRIO_PROCESS, 0, options.nice) != 0) return Error::system("setpriority");
    return set_session_nice(options.nice);
}

Status run(const Options& options) {
    // Nobody waits for a worker whose driver died.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return Error::system("PR_SET_PDEATHSIG");
    const Status pinned = pin(options);
    if (!pinned) return pinned;
    const bool serves = options.role == Role::kServer;
    switch (options.work) {
    case Work::kRr:
    case Work::kCrr:
    case Work::kStream:
        return serves ? serve_tcp(options) : ask_by_tcp(options);
    case Work::kDatagrams:
        return serves ? serve_datagrams(options) : send_datagrams(options);
    case Work::kFlows:
        return serves ? serve_flows(options) : ask_by_flows(options);
    case Work::kChurn:
        return serves ? serve_tcp(options) : ask_by_churn(options);
    case Work::kHttp:
        if (serves) return serve_http(options);
    }
    return Error(ErrorKind::kInvalid, "http has no client here");
}

} // namespace
} // namespace cnet::bench

int main(int argc, char** argv) {
    const auto options = cnet::bench::parse_options(argc, argv);
    const auto done = options ? cnet::bench::run(*options) : cnet::Status(options.error());
    if (done) return 0;
    std::fprintf(stderr, "cnet-bench-worker: %s\n", done.error().message().c_str());
    return options ? 2 : 1;
}
