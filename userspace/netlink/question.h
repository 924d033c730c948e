// Asking netlink for what there is, and reading the answers' attributes: where libnl has no object
// for them, or leaves out of it what we want.
#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"

struct nl_sock;

namespace cnet::netlink {

struct QuestionDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using Question = std::unique_ptr<nl_msg, QuestionDeleter>;

// `type` is the message's, `flags` NLM_F_* besides REQUEST, `header` its fixed part.
template <typename Header> Question make_question(int type, int flags, const Header& header) {
    Question question(nlmsg_alloc_simple(type, flags));
    CNET_CHECK(question);
    CNET_CHECK(nlmsg_append(question.get(), const_cast<Header*>(&header), sizeof(header),
                            NLMSG_ALIGNTO) == 0);
    return question;
}

using Visit = std::function<void(nlmsghdr*)>;

// Sends it and visits the one message of the answer. `attempted` begins the error's message.
Status ask(nl_sock* socket, const Question& question, const std::string& attempted,
           const Visit& visit);

// Likewise for a list, which is read once more from the beginning when it changed meanwhile
// (NLM_F_DUMP_INTR, netlink(7)): `begin` forgets what was read of it and makes the question. An
// error when it goes on changing for kListPatience.
Status ask_for_list(nl_sock* socket, const std::function<Question()>& begin,
                    const std::string& attempted, const Visit& visit);

// A list of 6,000 devices takes 35 ms.
inline constexpr std::chrono::seconds kListPatience{5};

// All that netfilter has of one kind in one family.
struct NetfilterList {
    int subsystem; // NFNL_SUBSYS_*
    int type;      // the message that asks for it
    uint8_t family;
};

// Likewise of netfilter, which has sockets of its own, in the namespace that the calling thread is
// in. `forget` what was read of it.
Status ask_netfilter(const NetfilterList& list, const std::string& attempted,
                     const std::function<void()>& forget, const Visit& visit);

// A message's fixed part; none: it is cut off.
template <typename Header> const Header* header_of(nlmsghdr* message) {
    const bool whole = message->nlmsg_len >= static_cast<uint32_t>(NLMSG_LENGTH(sizeof(Header)));
    return whole ? static_cast<const Header*>(nlmsg_data(message)) : nullptr;
}

// Attributes behind a message's fixed part, or inside another attribute: a view, by number. Those
// that are missing are 0 or empty.
template <int kLast> class Attributes {
public:
    explicit Attributes(nlmsghdr* message, int header_size) {
        ok_ = nlmsg_parse(message, header_size, table_, kLast, nullptr) >= 0;
    }
    explicit Attributes(nlattr* outer) {
        ok_ = outer && nla_parse_nested(table_, kLast, outer, nullptr) >= 0;
    }

    nlattr* find(int number) const { return ok_ ? table_[number] : nullptr; }
    uint32_t u32(int number) const { return read<uint32_t>(number); }
    uint16_t u16(int number) const { return read<uint16_t>(number); }
    uint8_t u8(int number) const { return read<uint8_t>(number); }
    std::string_view text(int number) const {
        nlattr* found = find(number);
        if (!found) return {};
        const auto* begin = static_cast<const char*>(nla_data(found));
        return {begin, strnlen(begin, static_cast<size_t>(nla_len(found)))};
    }
    std::optional<MacAddress> mac(int number) const {
        nlattr* found = find(number);
        if (!found || nla_len(found) != CNET_MAC_LEN) return std::nullopt;
        std::array<uint8_t, CNET_MAC_LEN> bytes{};
        std::memcpy(bytes.data(), nla_data(found), bytes.size());
        return MacAddress(bytes);
    }
    std::optional<IpAddress> address(int number) const {
        nlattr* found = find(number);
        if (!found) return std::nullopt;
        auto address = IpAddress::from_bytes(nla_data(found), static_cast<size_t>(nla_len(found)));
        return address ? std::optional(*address) : std::nullopt;
    }

private:
    template <typename Number> Number read(int number) const {
        Number value = 0;
        nlattr* found = find(number);
        if (found && nla_len(found) >= static_cast<int>(sizeof(value)))
            std::memcpy(&value, nla_data(found), sizeof(value));
        return value;
    }

    nlattr* table_[kLast + 1] = {};
    bool ok_ = false;
};

} // namespace cnet::netlink
