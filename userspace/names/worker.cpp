#include "userspace/names/worker.h"

#include <sys/epoll.h>

#include <array>

#include "userspace/base/log.h"

namespace cnet::names {
namespace {

using namespace std::chrono_literals;

constexpr size_t kAskedMax = 1024;      // upstream at a time
constexpr size_t kAskedOfNetwork = 256; // one network leaves room for others
constexpr size_t kAskedOfConnection = 32;
constexpr size_t kConnectionsOfNetwork = 64;
constexpr size_t kConnectionsMax = 512;
constexpr size_t kUnsentMax = 4 * kTcpSizeMax;
constexpr auto kIdle = 10s;
constexpr auto kRetry = 5s;
constexpr auto kResolversPeriod = 5s;
constexpr int kDatagramsAtOnce = 64;
constexpr const char* kResolvConf = "/etc/resolv.conf";

// What a tag of epoll is about; the rest of it is an id, or the upstream's descriptor.
enum class Kind : uint64_t { kWake, kUdp, kTcp, kConnection, kUpstream };
constexpr int kKindShift = 56;

uint64_t tag_of(Kind kind, uint64_t value) {
    return static_cast<uint64_t>(kind) << kKindShift | value;
}

std::filesystem::file_time_type time_of(const char* file) {
    std::error_code error;
    const auto time = std::filesystem::last_write_time(file, error);
    return error ? std::filesystem::file_time_type{} : time;
}

} // namespace

Result<std::unique_ptr<Worker>> Worker::open(Settings settings, int wake) {
    std::unique_ptr<Worker> worker(new Worker(std::move(settings)));
    worker->epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
    if (!worker->epoll_) return Error::system("epoll_create1");
    if (Status status = worker->watch(wake, EPOLLIN, tag_of(Kind::kWake, 0)); !status)
        return status.error();
    worker->follow_resolvers();
    if (!worker->upstream_)
        return Error(ErrorKind::kInvalid, "the resolvers to ask are not usable");
    return worker;
}

Status Worker::watch(int fd, uint32_t events, uint64_t tag) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return {};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
    return Error::system("watch a socket");
}

void Worker::watch_upstream(int fd, bool readable, bool writable) {
    if (!readable && !writable) {
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
        return;
    }
    const uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
    // One that cannot be watched times out.
    static_cast<void>(
        static_cast<bool>(watch(fd, events, tag_of(Kind::kUpstream, static_cast<uint64_t>(fd)))));
}

// The same resolvers as the host's. A gateway of ours among them makes no loop: what the host sends
// there does not arrive by the network's device, and is refused.
void Worker::follow_resolvers() {
    if (upstream_ && Clock::now() - looked_at_ < kResolversPeriod) return;
    looked_at_ = Clock::now();
    const auto time = settings_.resolvers.empty() ? time_of(kResolvConf) : resolvers_of_;
    if (upstream_ && time == resolvers_of_) return;
    auto upstream =
        Upstream::open(settings_.resolvers, [this](int fd, bool readable, bool writable) {
            watch_upstream(fd, readable, writable);
        });
    if (!upstream) return log_warning("names: " + upstream.error().message());
    upstream_ = std::move(*upstream);
    resolvers_of_ = time;
}

void Worker::replace(std::vector<ZoneSpec> zones) {
    wanted_.clear();
    for (ZoneSpec& spec : zones) {
        const auto zone = std::make_shared<const Zone>(std::move(spec));
        for (const IpAddress& address : zone->spec().addresses)
            wanted_[{zone->spec().device, zone->spec().ifindex, address}] = zone;
    }
    std::vector<Id> gone;
    for (auto& [id, listener] : listeners_) {
        auto found = wanted_.find(listener.place);
        if (found == wanted_.end()) {
            gone.push_back(id);
        } else {
            listener.zone = found->second;
        }
    }
    for (const Id id : gone)
        remove_listener(id);
    std::erase_if(complained_, [&](const Place& place) { return !wanted_.contains(place); });
    open_missing();
}

void Worker::open_missing() {
    retry_at_ = Clock::time_point::max();
    std::set<Place> there;
    for (const auto& [id, listener] : listeners_) {
        there.insert(listener.place);
        // accept_connections() may have stopped listening.
        static_cast<void>(
            static_cast<bool>(watch(listener.sockets.tcp.get(), EPOLLIN, tag_of(Kind::kTcp, id))));
    }
    for (const auto& [place, zone] : wanted_) {
        if (there.contains(place)) continue;
        const Id id = ++last_id_;
        auto sockets = listen_at(place);
        Status status = sockets ? Status() : Status(sockets.error());
        if (status) status = watch(sockets->udp.get(), EPOLLIN, tag_of(Kind::kUdp, id));
        if (status) status = watch(sockets->tcp.get(), EPOLLIN, tag_of(Kind::kTcp, id));
        if (status) {
            listeners_.emplace(id, Listener{place, std::move(*sockets), zone, 0, 0});
            complained_.erase(place);
            continue;
        }
        retry_at_ = Clock::now() + kRetry;
        if (complained_.insert(place).second)
            log_warning("names of network " + zone->spec().network + ": " +
                        status.error().message());
    }
}

void Worker::remove_listener(Id id) {
    std::vector<Id> connections;
    for (const auto& [number, connection] : connections_) {
        if (connection.listener == id) connections.push_back(number);
    }
    for (const Id number : connections)
        close_connection(number);
    listeners_.erase(id);
}

int Worker::wait_ms() const {
    std::optional<std::chrono::milliseconds> wait = upstream_->timeout();
    auto at_most = [&](std::chrono::milliseconds limit) {
        wait = wait ? std::min(*wait, limit) : limit;
    };
    if (!connections_.empty()) at_most(1s);
    if (retry_at_ != Clock::time_point::max()) at_most(kRetry);
    return wait ? static_cast<int>(std::max(*wait, 0ms).count()) : -1;
}

bool Worker::turn() {
    std::array<epoll_event, 64> events;
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), wait_ms());
    bool woken = false;
    for (int i = 0; i < count; i++) {
        const uint64_t tag = events[static_cast<size_t>(i)].data.u64;
        woken |= tag == tag_of(Kind::kWake, 0);
        handle(tag, events[static_cast<size_t>(i)].events);
    }
    upstream_->process_timeouts();
    close_idle();
    if (Clock::now() >= retry_at_) open_missing();
    return woken;
}

// An event may be about something that an event before it has ended: nothing has that id then.
void Worker::handle(uint64_t tag, uint32_t events) {
    const uint64_t value = tag & ((uint64_t{1} << kKindShift) - 1);
    switch (static_cast<Kind>(tag >> kKindShift)) {
    case Kind::kWake:
        return;
    case Kind::kUdp:
        return read_datagrams(value);
    case Kind::kTcp:
        return accept_connections(value);
    case Kind::kConnection:
        if (events & EPOLLOUT) flush(value);
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_connection(value);
        return;
    case Kind::kUpstream:
        return upstream_->process(static_cast<int>(value), events & (EPOLLIN | EPOLLHUP | EPOLLERR),
                                  events & EPOLLOUT);
    }
}

void Worker::read_datagrams(Id id) {
    std::array<uint8_t, kUdpSizeMax> buffer;
    for (int i = 0; i < kDatagramsAtOnce; i++) {
        auto listener = listeners_.find(id);
        if (listener == listeners_.end()) return;
        Client client{id, 0, {}, sizeof(sockaddr_storage)};
        const ssize_t size =
            recvfrom(listener->second.sockets.udp.get(), buffer.data(), buffer.size(), 0,
                     reinterpret_cast<sockaddr*>(&client.peer), &client.peer_size);
        if (size < 0) return;
        serve(client, {buffer.data(), static_cast<size_t>(size)});
    }
}

void Worker::accept_connections(Id id) {
    auto found = listeners_.find(id);
    if (found == listeners_.end()) return;
    Listener& listener = found->second;
    while (true) {
        UniqueFd fd(
            accept4(listener.sockets.tcp.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
            // Out of descriptors: it would be readable again at once, and for as long as that
            // lasts.
            static_cast<void>(
                static_cast<bool>(watch(listener.sockets.tcp.get(), 0, tag_of(Kind::kTcp, id))));
            retry_at_ = std::min(retry_at_, Clock::now() + kRetry);
        }
        if (!fd) return;
        if (listener.connections >= kConnectionsOfNetwork || connections_.size() >= kConnectionsMax)
            continue;
        const Id number = ++last_id_;
        if (!watch(fd.get(), EPOLLIN, tag_of(Kind::kConnection, number))) continue;
        listener.connections++;
        connections_.emplace(number,
                             Connection{std::move(fd), id, {}, {}, 0, Clock::now() + kIdle});
    }
}

void Worker::read_connection(Id id) {
    auto found = connections_.find(id);
    if (found == connections_.end()) return;
    std::array<uint8_t, 16384> buffer;
    const ssize_t size = recv(found->second.fd.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return close_connection(id);
    found->second.frames.add({buffer.data(), static_cast<size_t>(size)});
    const Client client{found->second.listener, id, {}, 0};
    while (found != connections_.end()) {
        const auto message = found->second.frames.next();
        if (!message) return;
        found->second.deadline = Clock::now() + kIdle;
        serve(client, *message);
        found = connections_.find(id); // it may be gone by now
    }
}

void Worker::flush(Id id) {
    auto found = connections_.find(id);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    const ssize_t sent =
        send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return close_connection(id);
    if (sent > 0) connection.out.erase(connection.out.begin(), connection.out.begin() + sent);
    const uint32_t events = connection.out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
    if (!watch(connection.fd.get(), events, tag_of(Kind::kConnection, id))) close_connection(id);
}

void Worker::close_connection(Id id) {
    auto found = connections_.find(id);
    if (found == connections_.end()) return;
    auto listener = listeners_.find(found->second.listener);
    if (listener != listeners_.end()) listener->second.connections--;
    connections_.erase(found);
}

void Worker::close_idle() {
    std::vector<Id> late;
    for (const auto& [id, connection] : connections_) {
        if (connection.deadline < Clock::now()) late.push_back(id);
    }
    for (const Id id : late)
        close_connection(id);
}

size_t Worker::limit_for(const Client& client, const Query& query) const {
    return client.connection ? kTcpSizeMax : query.udp_limit();
}

void Worker::serve(const Client& client, std::span<const uint8_t> packet) {
    auto query = parse_query(packet);
    auto listener = listeners_.find(client.listener);
    if (!query || listener == listeners_.end()) return;
    if (query->problem != Rcode::kDone)
        return reply(client, make_answer(*query, {query->problem, {}, {}}, kUdpSize));
    if (const auto answer = listener->second.zone->answer(*query))
        return reply(client, make_answer(*query, *answer, limit_for(client, *query)));
    forward(client, std::move(*query), packet);
}

void Worker::count_asked(const Client& client, bool begins) {
    auto count = [&](size_t& number) { begins ? number++ : number--; };
    count(asked_);
    if (auto listener = listeners_.find(client.listener); listener != listeners_.end())
        count(listener->second.asked);
    if (auto connection = connections_.find(client.connection); connection != connections_.end())
        count(connection->second.asked);
}

void Worker::forward(const Client& client, Query query, std::span<const uint8_t> packet) {
    const auto connection = connections_.find(client.connection);
    const bool full =
        asked_ >= kAskedMax || listeners_.at(client.listener).asked >= kAskedOfNetwork ||
        (connection != connections_.end() && connection->second.asked >= kAskedOfConnection);
    if (full) {
        const Answer busy{Rcode::kServerFailure, {}, {}};
        return reply(client, make_answer(query, busy, kUdpSize));
    }
    follow_resolvers();
    count_asked(client, true);
    const size_t limit = limit_for(client, query);
    upstream_->ask(
        packet, [this, client, limit, query = std::move(query)](std::span<const uint8_t> answer) {
            count_asked(client, false);
            reply(client, relay_answer(query, answer, limit));
        });
}

void Worker::reply(const Client& client, const Bytes& message) {
    if (client.connection == 0) {
        auto listener = listeners_.find(client.listener);
        if (listener == listeners_.end()) return;
        // A full queue loses an answer, as any network does: the client asks again.
        static_cast<void>(sendto(listener->second.sockets.udp.get(), message.data(), message.size(),
                                 0, reinterpret_cast<const sockaddr*>(&client.peer),
                                 client.peer_size));
        return;
    }
    auto connection = connections_.find(client.connection);
    if (connection == connections_.end()) return;
    const Bytes framed = Frames::framed(message);
    Bytes& out = connection->second.out;
    if (out.size() + framed.size() > kUnsentMax) return close_connection(client.connection);
    out.insert(out.end(), framed.begin(), framed.end());
    flush(client.connection);
}

} // namespace cnet::names
