// What Docker makes is adopted: what follows Docker while that is so, and the controller.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "userspace/cnetd/config.h"
#include "userspace/cnetd/event_loop.h"
#include "userspace/control/controller.h"
#include "userspace/docker/adopt_follower.h"

namespace cnet::daemon {

class DockerPart {
public:
    // All outlive it.
    static Result<std::unique_ptr<DockerPart>> start(const Config& config, EventLoop& loop,
                                                     control::Controller& controller);
    DockerPart(const DockerPart&) = delete;
    DockerPart& operator=(const DockerPart&) = delete;

private:
    DockerPart(std::unique_ptr<docker::AdoptFollower> follower, control::Controller& controller)
        : follower_(std::move(follower)), controller_(controller) {}

    // Cheap while nothing has changed.
    void keep_up();
    void on_news();

    std::unique_ptr<docker::AdoptFollower> follower_;
    control::Controller& controller_;
    std::set<std::string> bridges_; // of the host
    std::string error_;             // logged last
};

} // namespace cnet::daemon
