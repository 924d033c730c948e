#include <optional>
#include <thread>
#include <vector>

#include "tools/benchmark/worker/measured.h"
#include "tools/benchmark/worker/roles.h"
#include "tools/benchmark/worker/tcp.h"

namespace cnet::bench {
namespace {

// The first requests teach ARP, bridges and caches and are not measured.
uint64_t warm_up(Work work) {
    return work == Work::kStream ? 10 : 100;
}

Status send_block(const UniqueFd& socket, const Options& options, uint8_t request,
                  std::vector<uint8_t>& block) {
    block.front() = request;
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
    return ask_one(*socket, options, number);
}

// All of one connection; with crr a connection for each request and one for the goodbye.
Result<Measured> ask_on(const UniqueFd& first, const Options& options) {
    const bool streams = options.work == Work::kStream;
    std::vector<uint8_t> block = streams ? block_of(options) : std::vector<uint8_t>();
    const auto transact = [&](uint64_t n) {
        if (options.work == Work::kCrr) return connect_and_request(options, n);
        if (streams) return send_block(first, options, request_byte(n), block);
        return ask_one(first, options, n);
    };
    // Blocks are compared as a whole where no time is measured: before and after.
    const auto transact_aside = [&](uint64_t n) {
        return streams ? send_block(first, options, kCompare, block) : transact(n);
    };
    const uint64_t before = warm_up(options.work);
    for (uint64_t n = 0; n < before; ++n) {
        const Status done = transact_aside(n);
        if (!done) return done.error();
    }
    auto measured = measure(options.seconds, before, transact);
    if (!measured) return measured;
    const uint64_t asked = before + measured->latencies_ns.size();
    const Status after = transact_aside(asked);
    if (!after) return after.error();

    UniqueFd last;
    if (options.work == Work::kCrr) {
        auto socket = connect_to(options);
        if (!socket) return socket.error();
        last = std::move(*socket);
    }
    const Status agreed = say_goodbye(last ? last : first, asked + 1);
    if (!agreed) return agreed.error();
    return measured;
}

} // namespace

Status ask_by_tcp(const Options& options) {
    std::vector<UniqueFd> sockets;
    for (int number = 0; number < options.connections; ++number) {
        auto socket = greeted(options);
        if (!socket) return socket.error();
        sockets.push_back(std::move(*socket));
    }
    std::vector<std::optional<Result<Measured>>> results(sockets.size());
    if (sockets.size() == 1) {
        results.front() = ask_on(sockets.front(), options);
    } else {
        std::vector<std::jthread> threads;
        for (size_t n = 0; n < sockets.size(); ++n)
            threads.emplace_back([&, n] { results[n] = ask_on(sockets[n], options); });
    }
    std::vector<Measured> together;
    for (auto& result : results) {
        if (!*result) return result->error();
        together.push_back(std::move(**result));
    }
    print(together);
    return {};
}

} // namespace cnet::bench
