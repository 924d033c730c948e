// Datagrams over IPv4 of the benchmark's work.
//
// Each carries the run's token and a number; whoever receives one of another run, or one whose
// number was changed, fails. A run opens with kHello, answered by kWelcome, and closes with
// kGoodbye, answered by kCounted, each repeated while nothing comes, and with kEnd.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>

#include "tools/benchmark/worker/options.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::bench {

enum class Kind : uint64_t { kHello, kWelcome, kData, kAnswer, kGoodbye, kCounted, kEnd };

struct Datagram {
    uint64_t token = 0;
    Kind kind = Kind::kData;
    uint64_t number = 0;
    uint64_t check = 0; // of the others
};

struct Received {
    Datagram datagram;
    sockaddr_in from{};
    in_addr to{}; // the address of ours that it came to
};

inline uint64_t check_of(const Datagram& datagram) {
    return (datagram.token ^ datagram.number * 0x9e3779b97f4a7c15U) +
           static_cast<uint64_t>(datagram.kind);
}

Result<UniqueFd> udp_socket(in_addr address, uint16_t port);

// How long `receive` waits.
Status limit_wait(const UniqueFd& socket, int milliseconds);

// From the socket's address, or from `source` where one is given. False when the kernel refused to
// take it, as it does when a queue is full or somebody's rule says no.
Result<bool> send_datagram(const UniqueFd& socket, const sockaddr_in& to, uint64_t token, Kind kind,
                           uint64_t number, const in_addr* source = nullptr);

// Nothing when none came in time. An error for one that is not this run's.
Result<std::optional<Received>> receive(const UniqueFd& socket, uint64_t token);

// Sends `question` until `answer` comes, and gives its number.
Result<uint64_t> insist(const UniqueFd& socket, const sockaddr_in& to, uint64_t token,
                        Kind question, uint64_t number, Kind answer);

sockaddr_in destination(const Options& options);

} // namespace cnet::bench
