// Follows Docker by its API, on a thread of its own: events say when to look, and each look reads
// everything anew, so that no event needs to be understood and none that was missed matters.
// Reconnects with growing pauses. Only the newest news is kept.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/control/views.h"
#include "userspace/docker/adopt_engine.h"

namespace cnet::docker {

// What Docker has, or why it does not say.
using DockerNews = Result<control::DockerPicture>;

class AdoptFollower {
public:
    static Result<std::unique_ptr<AdoptFollower>> open(std::filesystem::path socket);
    AdoptFollower(const AdoptFollower&) = delete;
    AdoptFollower& operator=(const AdoptFollower&) = delete;
    ~AdoptFollower() { stop(); }

    void start();
    // Nothing of before is taken afterwards.
    void stop();
    bool runs() const { return thread_.joinable(); }
    // Something has changed that Docker may not tell.
    void look();

    // Readable while take() has something.
    int fd() const { return news_event_.get(); }
    std::optional<DockerNews> take();

private:
    AdoptFollower(std::filesystem::path socket, UniqueFd stop, UniqueFd look, UniqueFd news)
        : socket_(std::move(socket)), stop_event_(std::move(stop)), look_event_(std::move(look)),
          news_event_(std::move(news)) {}

    void run();
    // One connection's life; answers why it ended.
    Error follow();
    DockerNews look_at(const std::string& info) const;
    // Until it is time for another look; an error when the events end.
    Status wait_for_events(EngineStream& events);
    bool is_stopping() const;
    void post(DockerNews news);

    std::filesystem::path socket_;
    UniqueFd stop_event_; // readable while the thread is to end
    UniqueFd look_event_;
    UniqueFd news_event_;
    std::chrono::milliseconds look_took_{0};
    std::chrono::milliseconds period_{0}; // until the next look, when nothing is told
    bool answered_ = false;               // on this connection
    std::mutex mutex_;
    std::optional<DockerNews> news_;
    std::thread thread_;
};

} // namespace cnet::docker
