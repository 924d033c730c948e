// One datagram each way, each time of another flow: what many flows cost a path that tracks them.
//
// A flow is an address of the client's: it has the whole of `sources` by a local route, one socket
// and one port. First each flow is begun, in order; then they are asked again in an order that no
// cache foresees.
#include <cstdio>
#include <vector>

#include "tools/benchmark/worker/measured.h"
#include "tools/benchmark/worker/roles.h"
#include "tools/benchmark/worker/udp.h"

namespace cnet::bench {
namespace {

constexpr int kAnswerMs = 100;
// That many without an answer, one after the other, and no new flow passes any more.
constexpr int kGivenUp = 20;
constexpr uint64_t kStride = 2654435761; // prime: visits every flow before the first again

class Flows {
public:
    Flows(const UniqueFd& socket, const Options& options)
        : socket_(socket), options_(options), to_(destination(options)) {}

    // True when the answer came to the address that asked.
    Result<bool> ask(uint64_t flow) {
        const in_addr source{htonl(ntohl(options_.sources.s_addr) + static_cast<uint32_t>(flow))};
        const uint64_t number = number_++;
        const auto sent = send_datagram(socket_, to_, options_.token, Kind::kData, number, &source);
        if (!sent) return sent.error();
        if (!*sent) return false;
        while (true) {
            const auto received = receive(socket_, options_.token);
            if (!received) return received.error();
            if (!*received) return false;
            const auto& [datagram, from, to] = **received;
            // What comes late answers a question that was given up.
            if (datagram.kind != Kind::kAnswer || datagram.number != number) continue;
            if (to.s_addr != source.s_addr)
                return Error(ErrorKind::kSystem, "an answer came to another flow's address");
            return true;
        }
    }

private:
    const UniqueFd& socket_;
    const Options& options_;
    sockaddr_in to_;
    uint64_t number_ = 0;
};

struct Walked {
    Measured measured;
    uint64_t answered = 0;
    uint64_t lost = 0;
};

// `next(n)` is the flow of the nth question. Ends after `most` of them, `seconds`, or when nothing
// is answered any more; a question without an answer counts no time.
template <typename Next>
Result<Walked> walk(Flows& flows, uint64_t most, double seconds, Next next) {
    const SystemClock clock;
    Walked walked;
    walked.measured.latencies_ns.reserve(most);
    const auto wanted_ns = static_cast<uint64_t>(seconds * 1e9);
    int in_a_row = 0;
    for (uint64_t n = 0; n < most && walked.measured.elapsed_ns < wanted_ns; ++n) {
        const uint64_t before = clock.monotonic_ns();
        const auto answered = flows.ask(next(n));
        if (!answered) return answered.error();
        if (!*answered) {
            ++walked.lost;
            if (++in_a_row == kGivenUp) break;
            continue;
        }
        in_a_row = 0;
        ++walked.answered;
        const uint64_t took = clock.monotonic_ns() - before;
        walked.measured.elapsed_ns += took;
        walked.measured.latencies_ns.push_back(
            static_cast<uint32_t>(std::min<uint64_t>(took, UINT32_MAX)));
    }
    return walked;
}

void print_walk(const char* name, Walked& walked, const char* end) {
    const double seconds = static_cast<double>(walked.measured.elapsed_ns) / 1e9;
    const double rate = walked.answered > 0 ? static_cast<double>(walked.answered) / seconds : 0;
    std::printf("\"%s\": {\"answered\": %llu, \"lost\": %llu, \"per_second\": %.1f, "
                "\"p50_us\": %.3f, \"p99_us\": %.3f, \"p999_us\": %.3f}%s",
                name, static_cast<unsigned long long>(walked.answered),
                static_cast<unsigned long long>(walked.lost), rate,
                percentile_us(walked.measured.latencies_ns, 0.5),
                percentile_us(walked.measured.latencies_ns, 0.99),
                percentile_us(walked.measured.latencies_ns, 0.999), end);
}

} // namespace

Status serve_flows(const Options& options) {
    const auto socket = udp_socket(options.address, options.port);
    if (!socket) return socket.error();
    say_ready();
    while (true) {
        const auto received = receive(*socket, options.token);
        if (!received) return received.error();
        if (!*received) continue;
        const auto& [datagram, from, to] = **received;
        if (datagram.kind == Kind::kEnd) return {};
        const Kind answer = datagram.kind == Kind::kHello ? Kind::kWelcome : Kind::kAnswer;
        const auto sent = send_datagram(*socket, from, options.token, answer, datagram.number, &to);
        if (!sent) return sent.error();
    }
}

Status ask_by_flows(const Options& options) {
    const auto socket = udp_socket({}, 0);
    if (!socket) return socket.error();
    const sockaddr_in to = destination(options);
    const auto hello = insist(*socket, to, options.token, Kind::kHello, 0, Kind::kWelcome);
    if (!hello) return hello.error().because("hello");
    const Status limited = limit_wait(*socket, kAnswerMs);
    if (!limited) return limited;

    Flows flows(*socket, options);
    auto begun = walk(flows, options.flows, 1e9, [](uint64_t n) { return n; });
    if (!begun) return begun.error();
    const uint64_t there = std::max<uint64_t>(begun->answered + begun->lost, 1);
    auto again =
        walk(flows, UINT32_MAX, options.seconds, [&](uint64_t n) { return (n * kStride) % there; });
    if (!again) return again.error();
    // Of what may be lost like any other, some arrive.
    for (int number = 0; number < 3; ++number) {
        const auto ended = send_datagram(*socket, to, options.token, Kind::kEnd, 0);
        if (!ended) return ended.error();
    }
    std::printf("{\"transactions\": %llu, ",
                static_cast<unsigned long long>(begun->answered + again->answered));
    print_walk("begun", *begun, ", ");
    print_walk("again", *again, "}\n");
    return {};
}

} // namespace cnet::bench
