// Docker's plugin protocol on top of HTTP: which call is whose, and how each answers its errors.
#pragma once

#include "userspace/api/http.h"
#include "userspace/docker/ipam_driver.h"
#include "userspace/docker/network_driver.h"

namespace cnet::docker {

class Plugin {
public:
    // The controller outlives the plugin.
    explicit Plugin(control::Controller& controller)
        : controller_(controller), network_(controller), ipam_(controller) {}

    api::Response handle(const api::Request& request);

private:
    Result<Json> activate(const Reader& request);

    control::Controller& controller_;
    NetworkDriver network_;
    IpamDriver ipam_;

    friend struct Calls;
};

} // namespace cnet::docker
