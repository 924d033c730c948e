#include "userspace/names/upstream.h"

#include <ares.h>
#include <sys/time.h>

namespace cnet::names {
namespace {

// Twice this, for each of the resolvers, is less than what clients wait by default (5 s).
constexpr int kTimeoutMs = 1500;
constexpr int kTries = 2;

Error failed(const char* attempted, int status) {
    return {ErrorKind::kSystem, std::string(attempted) + ": " + ares_strerror(status)};
}

void on_socket(void* watch, ares_socket_t fd, int readable, int writable) {
    (*static_cast<Upstream::Watch*>(watch))(fd, readable != 0, writable != 0);
}

void on_answer(void* given, int status, int, unsigned char* bytes, int size) {
    const std::unique_ptr<Upstream::Answered> answered(static_cast<Upstream::Answered*>(given));
    const bool has_answer = status == ARES_SUCCESS && bytes && size > 0;
    (*answered)(has_answer ? std::span<const uint8_t>(bytes, static_cast<size_t>(size))
                           : std::span<const uint8_t>());
}

} // namespace

Result<std::unique_ptr<Upstream>> Upstream::open(const std::vector<std::string>& resolvers,
                                                 Watch watch) {
    std::unique_ptr<Upstream> upstream(new Upstream(std::move(watch)));
    ares_options options{};
    options.timeout = kTimeoutMs;
    options.tries = kTries;
    options.sock_state_cb = on_socket;
    options.sock_state_cb_data = &upstream->watch_;
    const int status =
        ares_init_options(&upstream->channel_, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) return failed("c-ares does not start", status);
    if (Status chosen = upstream->choose(resolvers); !chosen) return chosen.error();
    return upstream;
}

Upstream::~Upstream() {
    if (channel_) ares_destroy(channel_);
}

Status Upstream::choose(const std::vector<std::string>& resolvers) {
    if (resolvers.empty()) return {};
    std::string list;
    for (const std::string& one : resolvers)
        list += (list.empty() ? "" : ",") + one;
    const int status = ares_set_servers_ports_csv(channel_, list.c_str());
    if (status != ARES_SUCCESS) return failed("the list of resolvers", status);
    return {};
}

void Upstream::ask(std::span<const uint8_t> query, Answered answered) {
    ares_send(channel_, query.data(), static_cast<int>(query.size()), on_answer,
              new Answered(std::move(answered)));
}

void Upstream::process(int fd, bool readable, bool writable) {
    ares_process_fd(channel_, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
}

void Upstream::process_timeouts() {
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

std::optional<std::chrono::milliseconds> Upstream::timeout() const {
    timeval space{};
    const timeval* left = ares_timeout(channel_, nullptr, &space);
    if (!left) return std::nullopt;
    return std::chrono::seconds(left->tv_sec) +
           std::chrono::ceil<std::chrono::milliseconds>(std::chrono::microseconds(left->tv_usec));
}

} // namespace cnet::names
