// A resolver for networks' own names, in a thread of its own: neither a slow upstream nor many
// questions hold the daemon, nor the daemon's work the answers.
#pragma once

#include <mutex>
#include <optional>
#include <thread>

#include "userspace/base/unique_fd.h"
#include "userspace/names/worker.h"

namespace cnet::names {

class Server {
public:
    // In the calling thread's network namespace.
    static Result<std::unique_ptr<Server>> start(Settings settings);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    // From now on these are served, and no others.
    void update(std::vector<ZoneSpec> zones);

private:
    Server() = default;
    void run();
    void wake();

    UniqueFd wake_;
    std::unique_ptr<Worker> worker_; // the thread's
    std::mutex mutex_;               // of the two below
    std::optional<std::vector<ZoneSpec>> next_;
    bool stop_ = false;
    std::thread thread_;
};

} // namespace cnet::names
