#include "userspace/names/server.h"

#include <sys/eventfd.h>

#include <csignal>

namespace cnet::names {

Result<std::unique_ptr<Server>> Server::start(Settings settings) {
    std::unique_ptr<Server> server(new Server());
    server->wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!server->wake_) return Error::system("eventfd");
    auto worker = Worker::open(std::move(settings), server->wake_.get());
    if (!worker) return worker.error();
    server->worker_ = std::move(*worker);
    // Signals are the daemon's loop's: the thread begins with all of them blocked.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    server->thread_ = std::thread([raw = server.get()] { raw->run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return server;
}

Server::~Server() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake();
    thread_.join();
}

void Server::update(std::vector<ZoneSpec> zones) {
    {
        const std::lock_guard lock(mutex_);
        next_ = std::move(zones);
    }
    wake();
}

void Server::wake() {
    const uint64_t one = 1;
    // Full means that it is awake already.
    static_cast<void>(!write(wake_.get(), &one, sizeof(one)));
}

void Server::run() {
    while (true) {
        if (!worker_->turn()) continue;
        uint64_t count = 0;
        static_cast<void>(!read(wake_.get(), &count, sizeof(count)));
        std::optional<std::vector<ZoneSpec>> zones;
        {
            const std::lock_guard lock(mutex_);
            if (stop_) return;
            zones = std::exchange(next_, std::nullopt);
        }
        if (zones) worker_->replace(std::move(*zones));
    }
}

} // namespace cnet::names
