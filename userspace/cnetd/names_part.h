// The resolver for networks' own names, kept up with what the controller knows.
#pragma once

#include "userspace/cnetd/config.h"
#include "userspace/control/controller.h"
#include "userspace/names/server.h"

namespace cnet::daemon {

class NamesPart {
public:
    // Asks nobody and answers nothing where the configuration says so.
    static Result<NamesPart> start(const Config& config);

    // Cheap while nothing has changed.
    void follow(const control::Controller& controller);

private:
    explicit NamesPart(std::unique_ptr<names::Server> server) : server_(std::move(server)) {}

    std::unique_ptr<names::Server> server_; // none: it is switched off
    uint64_t followed_ = 0;
};

} // namespace cnet::daemon
