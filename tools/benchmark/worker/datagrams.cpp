// Small datagrams at a steady rate, one way: how many arrive?
#include <sched.h>

#include <cstdio>
#include <ctime>
#include <vector>

#include "tools/benchmark/worker/roles.h"
#include "tools/benchmark/worker/udp.h"
#include "userspace/base/clock.h"

namespace cnet::bench {
namespace {

constexpr uint64_t kTickNs = 250'000;
constexpr int kQuietMs = 1000; // after a goodbye; the client has its answer or is gone

// Numbers that have come, each once.
class Arrivals {
public:
    // False for one that had come before.
    bool add(uint64_t number) {
        if (number >= seen_.size()) seen_.resize(number * 2 + 1024);
        if (seen_[number]) return false;
        seen_[number] = true;
        ++count_;
        return true;
    }
    uint64_t count() const { return count_; }

private:
    std::vector<bool> seen_;
    uint64_t count_ = 0;
};

struct Sent {
    uint64_t count = 0;
    uint64_t elapsed_ns = 0;
};

void sleep_until(uint64_t monotonic_ns) {
    const timespec when{.tv_sec = static_cast<time_t>(monotonic_ns / kSecondNs),
                        .tv_nsec = static_cast<long>(monotonic_ns % kSecondNs)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
}

// What is due by now is sent at once, then it sleeps to the next tick: the receiver has the same
// CPU, and a sender that spins would take its half of it. Who is behind sends what it can.
Result<Sent> send_steadily(const UniqueFd& socket, const Options& options) {
    const SystemClock clock;
    const sockaddr_in to = destination(options);
    const auto wanted_ns = static_cast<uint64_t>(options.seconds * 1e9);
    const uint64_t start = clock.monotonic_ns();
    Sent sent;
    for (uint64_t tick = 1; sent.elapsed_ns < wanted_ns; ++tick) {
        const auto due =
            static_cast<uint64_t>(static_cast<double>(tick * kTickNs) * options.rate / 1e9);
        while (sent.count < due && sent.elapsed_ns < wanted_ns) {
            const auto taken = send_datagram(socket, to, options.token, Kind::kData, sent.count);
            if (!taken) return taken.error();
            ++sent.count;
            sent.elapsed_ns = clock.monotonic_ns() - start;
        }
        sleep_until(start + tick * kTickNs);
        sent.elapsed_ns = clock.monotonic_ns() - start;
    }
    return sent;
}

} // namespace

Status serve_datagrams(const Options& options) {
    const auto socket = udp_socket(options.address, options.port);
    if (!socket) return socket.error();
    say_ready();
    Arrivals arrivals;
    bool closing = false;
    while (true) {
        const auto received = receive(*socket, options.token);
        if (!received) return received.error();
        if (!*received) {
            if (closing) return {};
            continue;
        }
        const auto& [datagram, from, to] = **received;
        std::optional<Kind> answer;
        switch (datagram.kind) {
        case Kind::kHello:
            answer = Kind::kWelcome;
            break;
        case Kind::kGoodbye: {
            answer = Kind::kCounted;
            closing = true;
            const Status limited = limit_wait(*socket, kQuietMs);
            if (!limited) return limited;
            break;
        }
        case Kind::kEnd:
            return {};
        default:
            if (!arrivals.add(datagram.number))
                return Error(ErrorKind::kSystem, "a datagram came twice");
        }
        if (answer) {
            const auto sent =
                send_datagram(*socket, from, options.token, *answer, arrivals.count(), &to);
            if (!sent) return sent.error();
        }
    }
}

Status send_datagrams(const Options& options) {
    const auto socket = udp_socket({}, 0);
    if (!socket) return socket.error();
    const sockaddr_in to = destination(options);
    const auto hello = insist(*socket, to, options.token, Kind::kHello, 0, Kind::kWelcome);
    if (!hello) return hello.error().because("hello");
    const auto sent = send_steadily(*socket, options);
    if (!sent) return sent.error();
    const auto received =
        insist(*socket, to, options.token, Kind::kGoodbye, sent->count, Kind::kCounted);
    if (!received) return received.error().because("goodbye");
    const auto ended = send_datagram(*socket, to, options.token, Kind::kEnd, 0);
    if (!ended) return ended.error();
    if (*received > sent->count)
        return Error(ErrorKind::kSystem, "more datagrams came than were sent");
    const double seconds = static_cast<double>(sent->elapsed_ns) / 1e9;
    std::printf("{\"offered\": %.1f, \"sent\": %llu, \"transactions\": %llu, \"seconds\": %.6f, "
                "\"per_second\": %.1f, \"lost\": %llu}\n",
                options.rate, static_cast<unsigned long long>(sent->count),
                static_cast<unsigned long long>(*received), seconds,
                static_cast<double>(*received) / seconds,
                static_cast<unsigned long long>(sent->count - *received));
    return {};
}

} // namespace cnet::bench
