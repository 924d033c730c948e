// The resolver itself, in one thread: sockets of every network, questions that are out,
// connections. All of it is bounded, and nothing in it waits for one of them.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "userspace/names/connection.h"
#include "userspace/names/listener.h"
#include "userspace/names/upstream.h"
#include "userspace/names/zone.h"

namespace cnet::names {

struct Settings {
    std::vector<std::string> resolvers; // none: those of /etc/resolv.conf
};

class Worker {
public:
    // `wake` is readable when the owner wants turn() to end.
    static Result<std::unique_ptr<Worker>> open(Settings settings, int wake);

    void replace(std::vector<ZoneSpec> zones);
    // Waits once, and does what there is to do. True: `wake` was readable.
    bool turn();

private:
    using Clock = std::chrono::steady_clock;
    using Id = uint64_t;
    using ZonePtr = std::shared_ptr<const Zone>;

    struct Listener {
        Place place;
        Sockets sockets;
        ZonePtr zone;
        size_t asked = 0; // upstream, now
        size_t connections = 0;
    };
    struct Connection {
        UniqueFd fd;
        Id listener = 0;
        Frames frames;
        Bytes out;
        size_t asked = 0;
        Clock::time_point deadline;
    };
    // Whom an answer goes to.
    struct Client {
        Id listener = 0;
        Id connection = 0; // 0: UDP, to `peer`
        sockaddr_storage peer{};
        socklen_t peer_size = 0;
    };

    Worker(Settings settings) : settings_(std::move(settings)) {}
    Status watch(int fd, uint32_t events, uint64_t tag);
    void watch_upstream(int fd, bool readable, bool writable);
    void open_missing();
    void remove_listener(Id id);
    int wait_ms() const;
    void handle(uint64_t tag, uint32_t events);
    void read_datagrams(Id id);
    void accept_connections(Id id);
    void read_connection(Id id);
    void flush(Id id);
    void close_connection(Id id);
    void close_idle();
    void serve(const Client& client, std::span<const uint8_t> packet);
    void forward(const Client& client, Query query, std::span<const uint8_t> packet);
    void count_asked(const Client& client, bool begins);
    void reply(const Client& client, const Bytes& message);
    size_t limit_for(const Client& client, const Query& query) const;
    void follow_resolvers();

    Settings settings_;
    UniqueFd epoll_;
    Id last_id_ = 0;
    std::map<Place, ZonePtr> wanted_;
    std::map<Id, Listener> listeners_;
    std::map<Id, Connection> connections_;
    std::set<Place> complained_;
    Clock::time_point retry_at_ = Clock::time_point::max();
    size_t asked_ = 0;
    std::filesystem::file_time_type resolvers_of_{};
    Clock::time_point looked_at_{};
    // Last: what is asked is answered when it ends, with the rest still there.
    std::unique_ptr<Upstream> upstream_;
};

} // namespace cnet::names
