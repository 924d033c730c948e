#include "userspace/cluster/follower.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <random>

namespace cnet::cluster {

namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr milliseconds kPauseMin = 200ms;
constexpr milliseconds kPauseMax = 5s;
constexpr milliseconds kKeepMax = 5s;
constexpr milliseconds kKeepAgain = 1s;

// False when stopped.
bool wait(milliseconds time, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, time, [] { return false; });
    return !stop.stop_requested();
}

// Doubles, with a quarter of chance in it so that hosts do not come back all at once.
class Pauses {
public:
    milliseconds next() {
        const milliseconds now = pause_;
        pause_ = std::min(2 * pause_, kPauseMax);
        return now + milliseconds(chance_(random_) * now.count() / 100);
    }
    void reset() { pause_ = kPauseMin; }

private:
    milliseconds pause_ = kPauseMin;
    std::minstd_rand random_{std::random_device{}()};
    std::uniform_int_distribution<int> chance_{0, 25};
};

} // namespace

Result<std::unique_ptr<Follower>> Follower::start(FollowerSettings settings) {
    // What cannot work is said now, and not by a thread.
    auto client = etcd::Client::open(settings.client);
    if (!client) return client.error();
    UniqueFd event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!event) return Error::system("eventfd");
    std::unique_ptr<Follower> follower(new Follower(std::move(settings), std::move(event)));
    follower->thread_ =
        std::jthread([self = follower.get()](const std::stop_token& stop) { self->run(stop); });
    return follower;
}

std::vector<Message> Follower::take() {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t cleared = read(event_.get(), &count, sizeof(count));
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
}

void Follower::post(Message message) {
    {
        const std::lock_guard lock(mutex_);
        messages_.push_back(std::move(message));
    }
    // Full only after 2^64 - 2 of them.
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(event_.get(), &one, sizeof(one));
}

void Follower::run(const std::stop_token& stop) {
    Pauses pauses;
    while (!stop.stop_requested()) {
        // Anew after each life of a lease: a cluster that was restored from a backup is another.
        auto client = etcd::Client::open(settings_.client, stop);
        Status lived = client ? follow(*client, stop) : Status(client.error());
        if (lived) {
            pauses.reset();
            continue;
        }
        if (stop.stop_requested()) return;
        post(Away{lived.error()});
        if (!wait(pauses.next(), stop)) return;
    }
}

Status Follower::follow(etcd::Client& client, const std::stop_token& stop) {
    auto lease = client.grant_lease(settings_.lease_s);
    if (!lease) return lease.error();
    std::stop_source lost;
    const std::stop_callback forward(stop, [&] { lost.request_stop(); });
    const std::jthread keeper([&](const std::stop_token& done) { keep(*lease, done, lost); });
    return watch(client, *lease, lost.get_token());
}

Status Follower::watch(etcd::Client& client, int64_t lease, const std::stop_token& stop) {
    Pauses pauses;
    int64_t next = 0; // revision; 0: only a snapshot tells
    while (!stop.stop_requested()) {
        if (next == 0) {
            auto range = client.range(settings_.root);
            if (!range) return range.error();
            next = range->revision + 1;
            post(Snapshot{lease, *std::move(range)});
        }
        bool heard = false;
        const etcd::WatchEnd end = client.watch(
            settings_.root, next,
            [&](const etcd::WatchBatch& batch) {
                heard = true;
                post(News{batch});
            },
            stop);
        if (end.reason == etcd::WatchEnd::Reason::kStopped) break;
        if (end.error.kind() == ErrorKind::kConflict) return end.error;
        next = end.reason == etcd::WatchEnd::Reason::kCompacted ? 0 : end.revision + 1;
        // A leader that died is replaced in a moment: only what lasts is told.
        if (heard) {
            pauses.reset();
            continue;
        }
        post(Away{end.error});
        wait(pauses.next(), stop);
    }
    return {};
}

void Follower::keep(int64_t lease, const std::stop_token& stop, std::stop_source& lost) {
    const milliseconds third = 1000ms * settings_.lease_s / 3;
    const milliseconds period = std::min(third, kKeepMax);
    // A member that hangs must leave time to ask another before the lease is over.
    etcd::ClientConfig hurried = settings_.client;
    hurried.request_timeout = std::min(hurried.request_timeout, third);
    auto client = etcd::Client::open(std::move(hurried), stop);
    bool away = false;
    while (client && wait(away ? kKeepAgain : period, stop)) {
        auto left = client->keep_alive(lease);
        if (left && *left == 0) break;
        if (left && away) post(News{});
        away = !left;
        if (away && !stop.stop_requested()) post(Away{left.error()});
    }
    lost.request_stop();
}

} // namespace cnet::cluster
