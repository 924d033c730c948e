#include "userspace/netlink/message.h"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

namespace cnet::netlink {
namespace {

struct Answer {
    int errno_value = 0;
    std::string explanation; // extended ACK
};

struct CallbacksDeleter {
    void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};

// The kernel's own words follow its answer as attributes: behind the request's header, since the
// socket asked for answers without the request's body.
std::string explanation_of(const nlmsgerr* answer) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer) - 1;
    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS)) return {};
    const auto* first = reinterpret_cast<const nlattr*>(answer + 1);
    const auto length = static_cast<int>(header->nlmsg_len - NLMSG_HDRLEN - sizeof(*answer));
    const nlattr* text = nla_find(first, length, NLMSGERR_ATTR_MSG);
    if (!text || nla_len(text) < 1) return {};
    const auto* begin = static_cast<const char*>(nla_data(text));
    return {begin, strnlen(begin, static_cast<size_t>(nla_len(text)))};
}

int on_error(sockaddr_nl*, nlmsgerr* received, void* argument) {
    auto* answer = static_cast<Answer*>(argument);
    answer->errno_value = -received->error;
    answer->explanation = explanation_of(received);
    return NL_STOP;
}

int on_ack(nl_msg*, void*) {
    return NL_STOP;
}

} // namespace

void Message::Deleter::operator()(nl_msg* message) const {
    nlmsg_free(message);
}

std::span<const uint8_t> wire_bytes(const IpAddress& address) {
    const std::span<const uint8_t> all(address.bytes());
    return address.is_v4() ? all.last(4) : all;
}

Message::Message(int type, int flags) : message_(nlmsg_alloc_simple(type, flags)) {
    CNET_CHECK(message_);
}

// A request of ours is far shorter than the page that libnl allocates for it.
void Message::append_bytes(const void* bytes, size_t size) {
    CNET_CHECK(nlmsg_append(message_.get(), const_cast<void*>(bytes), size, NLMSG_ALIGNTO) == 0);
}

void Message::put(int attribute, std::string_view text) {
    const std::string terminated(text);
    CNET_CHECK(nla_put_string(message_.get(), attribute, terminated.c_str()) == 0);
}

void Message::put(int attribute, uint32_t value) {
    CNET_CHECK(nla_put_u32(message_.get(), attribute, value) == 0);
}

void Message::put(int attribute, uint8_t value) {
    CNET_CHECK(nla_put_u8(message_.get(), attribute, value) == 0);
}

void Message::put(int attribute, std::span<const uint8_t> bytes) {
    CNET_CHECK(nla_put(message_.get(), attribute, static_cast<int>(bytes.size()), bytes.data()) ==
               0);
}

void Message::begin_nest(int attribute) {
    CNET_CHECK(depth_ < kDeepestNest);
    nests_[depth_] = nla_nest_start(message_.get(), attribute);
    CNET_CHECK(nests_[depth_]);
    ++depth_;
}

void Message::end_nest() {
    CNET_CHECK(depth_ > 0);
    nla_nest_end(message_.get(), nests_[--depth_]);
}

Status Message::send(nl_sock* socket, const std::string& attempted) const {
    CNET_CHECK(depth_ == 0);
    if (const int code = nl_send_auto(socket, message_.get()); code < 0)
        return nl_error(attempted, code);
    Answer answer;
    const std::unique_ptr<nl_cb, CallbacksDeleter> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
    if (!callbacks) return Error::system(attempted, ENOMEM);
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &answer);
    nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_ack, nullptr);
    const int code = nl_recvmsgs(socket, callbacks.get());
    if (answer.errno_value) return kernel_error(attempted, answer.errno_value, answer.explanation);
    if (code < 0) return nl_error(attempted, code);
    return {};
}

} // namespace cnet::netlink
