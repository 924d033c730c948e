// Docker's calls about networks and endpoints, done on the controller. Docker gives none of its
// names, only ids; ours are made from them. Each call may come again: what is done already is done,
// what is gone already is gone. The controller outlives the driver.
#pragma once

#include <string>

#include "userspace/control/controller.h"
#include "userspace/docker/reader.h"

namespace cnet::docker {

class NetworkDriver {
public:
    explicit NetworkDriver(control::Controller& controller) : controller_(controller) {}

    Result<Json> get_capabilities(const Reader& request);
    Result<Json> create_network(const Reader& request);
    Result<Json> delete_network(const Reader& request);
    Result<Json> create_endpoint(const Reader& request);
    Result<Json> endpoint_info(const Reader& request);
    Result<Json> delete_endpoint(const Reader& request);
    Result<Json> join(const Reader& request);
    Result<Json> leave(const Reader& request);
    Result<Json> program_connectivity(const Reader& request);
    Result<Json> revoke_connectivity(const Reader& request);
    // Of swarm: other nodes of it come and go, which is nothing to us.
    Result<Json> discover(const Reader& request);
    Result<Json> refuse_swarm(const Reader& request);

private:
    std::string shared_network(const control::NetworkSpec& spec) const;
    Status unpublish_all(const std::string& endpoint);

    control::Controller& controller_;
};

} // namespace cnet::docker
