#include "userspace/netlink/question.h"

#include <linux/netfilter/nfnetlink.h>
#include <netlink/handlers.h>
#include <netlink/netlink.h>

#include <cerrno>

#include "userspace/netlink/socket.h"

namespace cnet::netlink {
namespace {

struct CallbacksDeleter {
    void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};

struct Answer {
    const Visit& visit;
    bool complete = false;
    bool interrupted = false;
    int errno_value = 0;
};

int on_valid(nl_msg* message, void* argument) {
    static_cast<Answer*>(argument)->visit(nlmsg_hdr(message));
    return NL_OK;
}

int on_error(sockaddr_nl*, nlmsgerr* received, void* argument) {
    auto* answer = static_cast<Answer*>(argument);
    answer->errno_value = -received->error;
    answer->complete = true;
    return NL_STOP;
}

int on_end(nl_msg*, void* argument) {
    static_cast<Answer*>(argument)->complete = true;
    return NL_STOP;
}

int on_interrupted(nl_msg*, void* argument) {
    static_cast<Answer*>(argument)->interrupted = true;
    return NL_OK;
}

Status exchange(nl_sock* socket, const Question& question, const std::string& attempted,
                Answer& answer) {
    if (const int code = nl_send_auto(socket, question.get()); code < 0)
        return nl_error(attempted, code);
    const std::unique_ptr<nl_cb, CallbacksDeleter> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
    if (!callbacks) return Error::system(attempted, ENOMEM);
    nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_valid, &answer);
    for (nl_cb_type end : {NL_CB_ACK, NL_CB_FINISH}) // of a single answer, of a list
        nl_cb_set(callbacks.get(), end, NL_CB_CUSTOM, on_end, &answer);
    nl_cb_set(callbacks.get(), NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, &answer);
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &answer);
    while (!answer.complete) {
        const int code = nl_recvmsgs(socket, callbacks.get());
        if (code < 0 && !answer.complete) return nl_error(attempted, code);
    }
    if (answer.errno_value) return kernel_error(attempted, answer.errno_value);
    return {};
}

} // namespace

Status ask(nl_sock* socket, const Question& question, const std::string& attempted,
           const Visit& visit) {
    Answer answer{visit};
    return exchange(socket, question, attempted, answer);
}

Status ask_for_list(nl_sock* socket, const std::function<Question()>& begin,
                    const std::string& attempted, const Visit& visit) {
    const auto end = std::chrono::steady_clock::now() + kListPatience;
    while (std::chrono::steady_clock::now() < end) {
        Answer answer{visit};
        // Not the same question again: libnl numbers one when it is sent first.
        Status status = exchange(socket, begin(), attempted, answer);
        if (!status || !answer.interrupted) return status;
    }
    return Error(ErrorKind::kSystem, attempted + ": the list changes faster than it can be read");
}

Status ask_netfilter(const NetfilterList& list, const std::string& attempted,
                     const std::function<void()>& forget, const Visit& visit) {
    const Socket socket(nl_socket_alloc());
    if (!socket) return Error::system(attempted, ENOMEM);
    if (const int code = nl_connect(socket.get(), NETLINK_NETFILTER); code < 0)
        return nl_error(attempted, code);
    const auto begin = [&] {
        forget();
        nfgenmsg header{};
        header.nfgen_family = list.family;
        header.version = NFNETLINK_V0;
        return make_question((list.subsystem << 8) | list.type, NLM_F_DUMP, header);
    };
    return ask_for_list(socket.get(), begin, attempted, visit);
}

} // namespace cnet::netlink
