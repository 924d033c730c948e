// Docker's calls about pools and addresses, done on the controller, which outlives the driver.
#pragma once

#include "userspace/control/controller.h"
#include "userspace/docker/reader.h"

namespace cnet::docker {

class IpamDriver {
public:
    explicit IpamDriver(control::Controller& controller) : controller_(controller) {}

    Result<Json> get_capabilities(const Reader& request);
    Result<Json> get_address_spaces(const Reader& request);
    Result<Json> request_pool(const Reader& request);
    Result<Json> release_pool(const Reader& request);
    Result<Json> request_address(const Reader& request);
    Result<Json> release_address(const Reader& request);

private:
    control::Controller& controller_;
};

} // namespace cnet::docker
