// Keeps this host's lease alive and follows all keys, on threads of its own, so that neither waits
// for a command and no command waits for them. Reconnects with growing pauses; after a break the
// watch goes on where it was, or, when etcd has compacted that, with a new snapshot.
#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "userspace/base/unique_fd.h"
#include "userspace/etcd/client.h"

namespace cnet::cluster {

// Everything, and the lease that this host's records are to have from now on.
struct Snapshot {
    int64_t lease = 0;
    etcd::Range range;
};
// What changed since the message before; nothing: etcd is there again.
struct News {
    etcd::WatchBatch batch;
};
struct Away {
    Error error;
};
using Message = std::variant<Snapshot, News, Away>;

struct FollowerSettings {
    etcd::ClientConfig client;
    std::string root; // of the keys to follow
    int64_t lease_s = 30;
};

class Follower {
public:
    static Result<std::unique_ptr<Follower>> start(FollowerSettings settings);
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    // Readable while take() has something.
    int fd() const { return event_.get(); }
    std::vector<Message> take();

private:
    explicit Follower(FollowerSettings settings, UniqueFd event)
        : settings_(std::move(settings)), event_(std::move(event)) {}

    void post(Message message);
    void run(const std::stop_token& stop);
    // One life of a lease; ends when it is lost.
    Status follow(etcd::Client& client, const std::stop_token& stop);
    Status watch(etcd::Client& client, int64_t lease, const std::stop_token& stop);
    // Requests `lost` when the lease is gone.
    void keep(int64_t lease, const std::stop_token& stop, std::stop_source& lost);

    FollowerSettings settings_;
    UniqueFd event_;
    std::mutex mutex_;
    std::vector<Message> messages_;
    std::jthread thread_; // last: ends before the rest goes
};

} // namespace cnet::cluster
