// One rtnetlink request that changes something: header, attributes, the kernel's answer. Written
// attribute by attribute where libnl-route has objects, because those ask for the old state first,
// cannot leave flags alone and lose the kernel's errno and explanation.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "userspace/base/ip.h"
#include "userspace/netlink/socket.h"

struct nl_msg;
struct nlattr;

namespace cnet::netlink {

// 4 or 16 of them; they are the address's own.
std::span<const uint8_t> wire_bytes(const IpAddress& address);

class Message {
public:
    // `type` is RTM_*, `flags` NLM_F_* besides REQUEST and ACK.
    Message(int type, int flags);

    // The fixed part (ifinfomsg, ifaddrmsg, rtmsg), once and first, or first in a nest.
    template <typename Header> void append(const Header& header) {
        append_bytes(&header, sizeof(header));
    }

    void put(int attribute, std::string_view text); // NUL-terminated on the wire
    void put(int attribute, uint32_t value);
    void put(int attribute, uint8_t value);
    void put(int attribute, std::span<const uint8_t> bytes);

    // Attributes between these are inside `attribute`.
    void begin_nest(int attribute);
    void end_nest();

    // Sends, waits for the answer. `attempted` begins the error's message.
    Status send(nl_sock* socket, const std::string& attempted) const;

private:
    static constexpr unsigned kDeepestNest = 4;

    void append_bytes(const void* bytes, size_t size);

    struct Deleter {
        void operator()(nl_msg* message) const;
    };
    std::unique_ptr<nl_msg, Deleter> message_;
    nlattr* nests_[kDeepestNest] = {};
    unsigned depth_ = 0;
};

} // namespace cnet::netlink
