// DNS messages (RFC 1035, 6891) as far as a resolver for a network's own names needs them: a
// query's one question, and answers of addresses and names. What comes here was written by anybody:
// nothing is read past its end, no pointer of a compressed name is followed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "userspace/base/ip.h"

namespace cnet::names {

using Bytes = std::vector<uint8_t>;

enum class Rcode : uint16_t {
    kDone = 0,
    kFormatError = 1,
    kServerFailure = 2,
    kNoSuchName = 3,
    kNotImplemented = 4,
    kRefused = 5,
    kBadVersion = 16, // of EDNS
};

enum class Type : uint16_t { kA = 1, kPtr = 12, kAaaa = 28, kOpt = 41, kAny = 255 };
inline constexpr uint16_t kClassInternet = 1;

inline constexpr size_t kHeaderSize = 12;
inline constexpr size_t kUdpSize = 512;     // what every client takes
inline constexpr size_t kUdpSizeMax = 1232; // what no path fragments
inline constexpr size_t kTcpSizeMax = 65535;

struct Query {
    Bytes head;       // header and question, as they came
    std::string name; // in small letters, without the last dot
    Type type{};
    uint16_t klass = 0;
    std::optional<uint16_t> udp_size; // by EDNS
    Rcode problem = Rcode::kDone;     // why it gets no answer

    // The most that an answer may be long on UDP.
    size_t udp_limit() const;
};

// None: nothing that could be answered, such as an answer.
std::optional<Query> parse_query(std::span<const uint8_t> packet);

struct Answer {
    Rcode rcode = Rcode::kDone;
    std::vector<IpAddress> addresses;
    std::vector<std::string> names; // of a PTR
};

// What does not fit into `limit` is left out, and the answer says that it is cut.
Bytes make_answer(const Query& query, const Answer& answer, size_t limit);

// Another server's answer as one to `query`: with its id, cut to `limit`.
Bytes relay_answer(const Query& query, std::span<const uint8_t> answer, size_t limit);

// The address that "4.3.2.1.in-addr.arpa" is about, or the like in ip6.arpa.
std::optional<IpAddress> parse_reverse(std::string_view name);

} // namespace cnet::names
