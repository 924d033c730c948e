// What users give as `docker network create -o KEY=VALUE` and as driver options of an endpoint. A
// key that is not known is refused: nobody else would notice that it has no effect.
#pragma once

#include <string>
#include <vector>

#include "userspace/control/views.h"
#include "userspace/docker/reader.h"

namespace cnet::docker {

struct NetworkOptions {
    control::NetworkSpec spec; // all but name and subnets, unless cnet.name gives the name
    std::string network;       // cnet.network: one of ours instead of a new one
};

// `options` as CreateNetwork has them. The spec's `docker` is there, without an id.
Result<NetworkOptions> read_network_options(const Reader& options);

// cnet.allow-from among an endpoint's options.
Result<std::vector<IpPrefix>> read_endpoint_options(const Reader& options);

// Of `--ipam-opt`: there are none.
Status check_pool_options(const Reader& options);

} // namespace cnet::docker
