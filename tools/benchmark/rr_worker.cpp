// cnet-bench-worker: one end of the benchmark's request/response work, pinned to one CPU.
//
//   cnet-bench-worker server --mode rr|crr|stream --port P --token HEX --cpu N [--address A]
//   [--nice N] cnet-bench-worker client --mode rr|crr|stream --port P --token HEX --cpu N --address
//   A [--nice N]
//   [--seconds S]
//
// The server prints "ready" once it listens, serves one run and ends. The client prints one JSON
// object. Status 0 means that every byte was the right one and that the server answered as many
// requests as the client made.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <vector>

#include "tools/benchmark/worker_options.h"
#include "tools/benchmark/worker_socket.h"
#include "userspace/base/clock.h"

namespace cnet::bench {
namespace {

// The first requests teach ARP, bridges and caches and are not measured.
uint64_t warm_up(Work work) {
    return work == Work::kStream ? 10 : 100;
}
constexpr double kLikelyPerSecond = 400e3;

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

// ---- Server ----

Status receive_rest_of_block(const UniqueFd& socket, uint8_t last) {
    std::vector<uint8_t> piece(size_t{256} << 10);
    for (size_t left = kBlock - 1; left > 0;) {
        const size_t wanted = std::min(left, piece.size());
        const Status done = receive_all(socket, piece.data(), wanted);
        if (!done) return done;
        left -= wanted;
        if (left == 0 && piece[wanted - 1] != last)
            return Error(ErrorKind::kSystem, "a block ended with a wrong byte");
    }
    return {};
}

// Answers one request; true when it was the goodbye.
Result<bool> answer_one(const UniqueFd& socket, const Options& options, uint64_t& answered) {
    uint8_t request = 0;
    Status done = receive_all(socket, &request, sizeof request);
    if (!done) return done.error();
    if (request == kGoodbye) {
        done = send_all(socket, &answered, sizeof answered);
        if (!done) return done.error();
        return true;
    }
    const uint8_t answer = answer_byte(request, options.token);
    if (options.work == Work::kStream) {
        done = receive_rest_of_block(socket, answer);
        if (!done) return done.error();
    }
    done = send_all(socket, &answer, sizeof answer);
    if (!done) return done.error();
    ++answered;
    return false;
}

Status serve_connections(const UniqueFd& listener, const Options& options) {
    uint64_t answered = 0;
    while (true) {
        const auto socket = accept_from(listener);
        if (!socket) return socket.error();
        const auto last = answer_one(*socket, options, answered);
        if (!last) return last.error();
        if (*last) return {};
        const Status closed = wait_for_close(*socket);
        if (!closed) return closed;
    }
}

Status serve(const Options& options) {
    const auto listener = listen_on(options);
    if (!listener) return listener.error();
    std::puts("ready");
    std::fflush(stdout);

    const auto first = accept_from(*listener);
    if (!first) return first.error();
    const Status hello = answer_hello(*first, options.token);
    if (!hello) return hello;
    if (options.work == Work::kCrr) return serve_connections(*listener, options);

    uint64_t answered = 0;
    while (true) {
        const auto last = answer_one(*first, options, answered);
        if (!last) return last.error();
        if (*last) return {};
    }
}

// ---- Client ----

Status request_one(const UniqueFd& socket, const Options& options, uint64_t number) {
    const uint8_t request = request_byte(number);
    Status done = send_all(socket, &request, sizeof request);
    if (!done) return done;
    uint8_t answer = 0;
    done = receive_all(socket, &answer, sizeof answer);
    if (!done) return done;
    if (answer != answer_byte(request, options.token))
        return Error(ErrorKind::kSystem, "a wrong byte came back");
    return {};
}

Status send_block(const UniqueFd& socket, const Options& options, uint64_t number,
                  std::vector<uint8_t>& block) {
    block.front() = request_byte(number);
    block.back() = answer_byte(block.front(), options.token);
    Status done = send_all(socket, block.data(), block.size());
    if (!done) return done;
    uint8_t answer = 0;
    done = receive_all(socket, &answer, sizeof answer);
    if (!done) return done;
    if (answer != block.back()) return Error(ErrorKind::kSystem, "a wrong byte came back");
    return {};
}

Status connect_and_request(const Options& options, uint64_t number) {
    const auto socket = connect_to(options);
    if (!socket) return socket.error();
    const Status reset = reset_on_close(*socket);
    if (!reset) return reset;
    return request_one(*socket, options, number);
}

Status say_goodbye(const UniqueFd& socket, uint64_t asked) {
    Status done = send_all(socket, &kGoodbye, sizeof kGoodbye);
    if (!done) return done.error().because("goodbye");
    uint64_t answered = 0;
    done = receive_all(socket, &answered, sizeof answered);
    if (!done) return done.error().because("goodbye");
    if (answered != asked)
        return Error(ErrorKind::kSystem, "the server answered " + std::to_string(answered) +
                                             " requests, the client made " + std::to_string(asked));
    return {};
}

struct Measured {
    uint64_t elapsed_ns = 0;
    std::vector<uint32_t> latencies_ns;
};

// `transact(number)` does one transaction.
template <typename Transact> Result<Measured> measure(const Options& options, Transact transact) {
    const SystemClock clock;
    Measured measured;
    measured.latencies_ns.reserve(static_cast<size_t>(options.seconds * kLikelyPerSecond));
    uint64_t number = 0;
    for (; number < warm_up(options.work); ++number) {
        const Status done = transact(number);
        if (!done) return done.error();
    }
    const auto wanted_ns = static_cast<uint64_t>(options.seconds * 1e9);
    const uint64_t start = clock.monotonic_ns();
    for (uint64_t before = start; before - start < wanted_ns; ++number) {
        const Status done = transact(number);
        if (!done) return done.error();
        const uint64_t now = clock.monotonic_ns();
        measured.latencies_ns.push_back(
            static_cast<uint32_t>(std::min<uint64_t>(now - before, UINT32_MAX)));
        before = now;
        measured.elapsed_ns = now - start;
    }
    return measured;
}

double percentile_us(std::vector<uint32_t>& latencies_ns, double share) {
    const auto nth =
        latencies_ns.begin() +
        static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_ns.size() - 1));
    std::nth_element(latencies_ns.begin(), nth, latencies_ns.end());
    return *nth / 1e3;
}

void print(Measured& measured) {
    const double seconds = static_cast<double>(measured.elapsed_ns) / 1e9;
    const size_t count = measured.latencies_ns.size();
    std::printf(
        "{\"transactions\": %zu, \"seconds\": %.6f, \"per_second\": %.1f, \"p50_us\": %.3f, "
        "\"p99_us\": %.3f, \"p999_us\": %.3f, \"max_us\": %.3f}\n",
        count, seconds, static_cast<double>(count) / seconds,
        percentile_us(measured.latencies_ns, 0.5), percentile_us(measured.latencies_ns, 0.99),
        percentile_us(measured.latencies_ns, 0.999), percentile_us(measured.latencies_ns, 1.0));
}

Status ask(const Options& options) {
    auto first = connect_to(options);
    if (!first) return first.error();
    const Status hello = say_hello(*first, options.token);
    if (!hello) return hello;

    std::vector<uint8_t> block(options.work == Work::kStream ? kBlock : 0);
    auto measured = measure(options, [&](uint64_t n) {
        switch (options.work) {
        case Work::kRr:
            return request_one(*first, options, n);
        case Work::kCrr:
            return connect_and_request(options, n);
        case Work::kStream:
            return send_block(*first, options, n, block);
        }
        return Status(Error(ErrorKind::kInvalid, "no such work"));
    });
    if (!measured) return measured.error();

    if (options.work == Work::kCrr) {
        first = connect_to(options);
        if (!first) return first.error();
    }
    const Status agreed =
        say_goodbye(*first, warm_up(options.work) + measured->latencies_ns.size());
    if (!agreed) return agreed;
    print(*measured);
    return {};
}

Status run(const Options& options) {
    // Nobody waits for a worker whose driver died.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return Error::system("PR_SET_PDEATHSIG");
    const Status pinned = pin(options);
    if (!pinned) return pinned;
    return options.role == Role::kServer ? serve(options) : ask(options);
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
