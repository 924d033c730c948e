#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>
#include <vector>

#include "tools/benchmark/worker/roles.h"
#include "tools/benchmark/worker/tcp.h"

namespace cnet::bench {
namespace {

// The requests of one connection, or of many, one after the other.
struct Answers {
    explicit Answers(const Options& run) : token(run.token) {
        if (run.work == Work::kStream) block = block_of(run);
    }

    uint64_t token;
    std::vector<uint8_t> block; // as a stream's have to be
    uint64_t count = 0;
};

// What follows a block's first byte. The whole of it is compared where the client asks for that,
// elsewhere the last byte.
Status receive_rest_of_block(const UniqueFd& socket, const std::vector<uint8_t>& block,
                             uint8_t request) {
    std::vector<uint8_t> piece(size_t{256} << 10);
    for (size_t received = 1; received < block.size();) {
        const size_t wanted = std::min(block.size() - received, piece.size());
        const Status done = receive_all(socket, piece.data(), wanted);
        if (!done) return done;
        received += wanted;
        const size_t unasked = received == block.size() ? 1 : 0;
        const size_t compared = request == kCompare ? wanted : unasked;
        if (std::memcmp(piece.data() + wanted - compared, block.data() + received - compared,
                        compared) != 0)
            return Error(ErrorKind::kSystem, "a wrong byte in a block");
    }
    return {};
}

// Answers one request; true when it was the goodbye.
Result<bool> answer_one(const UniqueFd& socket, Answers& answers) {
    uint8_t request = 0;
    Status done = receive_all(socket, &request, sizeof request);
    if (!done) return done.error();
    if (request == kGoodbye) {
        done = send_all(socket, &answers.count, sizeof answers.count);
        if (!done) return done.error();
        return true;
    }
    const uint8_t answer = answer_byte(request, answers.token);
    if (!answers.block.empty()) {
        answers.block.back() = answer;
        done = receive_rest_of_block(socket, answers.block, request);
        if (!done) return done.error();
    }
    done = send_all(socket, &answer, sizeof answer);
    if (!done) return done.error();
    ++answers.count;
    return false;
}

// Whatever comes first: another connection, true, or a word on the one that is there, or its end.
Result<bool> another_comes(const UniqueFd& listener, const UniqueFd& standing) {
    std::array<pollfd, 2> waiting{{{listener.get(), POLLIN, 0}, {standing.get(), POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) < 0) return Error::system("poll");
    return waiting[1].revents == 0;
}

// The client has one connection at a time, so by its next one an end is known that was lost on the
// way: a reset is sent once.
Status wait_for_end(const UniqueFd& listener, const UniqueFd& socket) {
    const auto another = another_comes(listener, socket);
    if (!another) return another.error();
    return *another ? Status() : wait_for_close(socket);
}

// churn: each request comes on a connection of its own, the goodbye on the one that said hello.
Status answer_churn(const UniqueFd& listener, const UniqueFd& first, const Options& options) {
    Answers answers(options);
    while (true) {
        const auto another = another_comes(listener, first);
        if (!another) return another.error();
        if (!*another) {
            const auto last = answer_one(first, answers);
            return last ? Status() : last.error();
        }
        const auto socket = accept_from(listener);
        if (!socket) return socket.error();
        const auto last = answer_one(*socket, answers);
        if (!last) return last.error();
        const Status ended = wait_for_end(listener, *socket);
        if (!ended) return ended;
    }
}

// crr: the goodbye does, too.
Status answer_connections(const UniqueFd& listener, const Options& options) {
    Answers answers(options);
    while (true) {
        const auto socket = accept_from(listener);
        if (!socket) return socket.error();
        const auto last = answer_one(*socket, answers);
        if (!last) return last.error();
        if (*last) return {};
        const Status ended = wait_for_end(listener, *socket);
        if (!ended) return ended;
    }
}

Status answer_requests(const UniqueFd& socket, const Options& options) {
    Answers answers(options);
    while (true) {
        const auto last = answer_one(socket, answers);
        if (!last) return last.error();
        if (*last) return {};
    }
}

} // namespace

Status serve_tcp(const Options& options) {
    const auto listener = listen_on(options);
    if (!listener) return listener.error();
    say_ready();

    std::vector<UniqueFd> sockets;
    for (int number = 0; number < options.connections; ++number) {
        auto socket = accept_from(*listener);
        if (!socket) return socket.error();
        const Status hello = answer_hello(*socket, options.token);
        if (!hello) return hello;
        sockets.push_back(std::move(*socket));
    }
    if (options.work == Work::kCrr) return answer_connections(*listener, options);
    if (options.work == Work::kChurn) return answer_churn(*listener, sockets.front(), options);
    if (sockets.size() == 1) return answer_requests(sockets.front(), options);

    std::vector<Status> results(sockets.size());
    {
        std::vector<std::jthread> threads;
        for (size_t n = 0; n < sockets.size(); ++n)
            threads.emplace_back([&, n] { results[n] = answer_requests(sockets[n], options); });
    }
    const auto failed =
        std::find_if(results.begin(), results.end(), [](auto& one) { return !one; });
    return failed == results.end() ? Status() : *failed;
}

} // namespace cnet::bench
