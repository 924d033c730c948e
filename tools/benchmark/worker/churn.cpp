// Connections that come and go, each of another flow: connect, one byte there, one back, FIN from
// both. Whoever tracks them has to remember each for a while after its end.
//
// An address of the client's for each connection, as in flows.cpp, lest the client runs out of
// ports first. The connection that said hello stays, and says goodbye: by then a table may be full,
// and hold nothing for longer than an established connection.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdio>
#include <vector>

#include "tools/benchmark/worker/measured.h"
#include "tools/benchmark/worker/roles.h"
#include "tools/benchmark/worker/tcp.h"

namespace cnet::bench {
namespace {

// A SYN that was dropped is not sent again before a second has passed (RFC 6298, 2.1).
constexpr timeval kRefused{.tv_sec = 0, .tv_usec = 200'000};

struct Churned {
    Measured measured;
    std::vector<uint64_t> by_second; // connections that were answered in each
    uint64_t lost = 0;
};

// False: nobody answered the SYN.
Result<bool> one_connection(const Options& options, uint64_t number) {
    const in_addr source{
        htonl(ntohl(options.sources.s_addr) + static_cast<uint32_t>(number % options.flows))};
    const auto socket = connect_from(options, source, kRefused);
    if (!socket) return socket.error();
    if (!*socket) return false;
    const Status asked = ask_one(*socket, options, number);
    if (!asked) return asked.error();
    return true;
}

Result<Churned> churn(const Options& options) {
    const SystemClock clock;
    const auto wanted_ns = static_cast<uint64_t>(options.seconds * 1e9);
    const uint64_t began_ns = clock.monotonic_ns();
    Churned churned;
    uint64_t now_ns = began_ns;
    for (uint64_t number = 0; now_ns - began_ns < wanted_ns; ++number) {
        const auto answered = one_connection(options, number);
        if (!answered) return answered.error();
        const uint64_t before_ns = now_ns;
        now_ns = clock.monotonic_ns();
        const size_t second = (now_ns - began_ns) / 1'000'000'000;
        if (churned.by_second.size() <= second) churned.by_second.resize(second + 1);
        if (!*answered) {
            ++churned.lost;
            continue;
        }
        ++churned.by_second[second];
        churned.measured.latencies_ns.push_back(
            static_cast<uint32_t>(std::min<uint64_t>(now_ns - before_ns, UINT32_MAX)));
    }
    churned.measured.elapsed_ns = now_ns - began_ns;
    return churned;
}

void print_churned(Churned& churned) {
    auto& times = churned.measured.latencies_ns;
    const double seconds = static_cast<double>(churned.measured.elapsed_ns) / 1e9;
    std::printf("{\"transactions\": %zu, \"lost\": %llu, \"seconds\": %.3f, "
                "\"per_second\": %.1f, \"p50_us\": %.3f, \"p99_us\": %.3f, \"by_second\": [",
                times.size(), static_cast<unsigned long long>(churned.lost), seconds,
                static_cast<double>(times.size()) / seconds, percentile_us(times, 0.5),
                percentile_us(times, 0.99));
    const char* between = "";
    for (const uint64_t count : churned.by_second) {
        std::printf("%s%llu", between, static_cast<unsigned long long>(count));
        between = ", ";
    }
    std::puts("]}");
}

} // namespace

Status ask_by_churn(const Options& options) {
    const auto first = greeted(options);
    if (!first) return first.error();
    auto churned = churn(options);
    if (!churned) return churned.error();
    const Status agreed = say_goodbye(*first, churned->measured.latencies_ns.size());
    if (!agreed) return agreed;
    print_churned(*churned);
    return {};
}

} // namespace cnet::bench
