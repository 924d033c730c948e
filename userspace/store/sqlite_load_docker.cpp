#include "userspace/store/sqlite_load_docker.h"

#include "userspace/store/sqlite_parse.h"

namespace cnet::store {

using control::State;

Status load_docker_network(Statement& row, State& state) {
    control::Network& network = state.networks[static_cast<control::NetworkId>(row.next_int())];
    control::DockerNetwork d;
    d.id = row.next_text();
    d.made = row.next_int() != 0;
    d.iface_prefix = row.next_text();
    const std::string owner = "network " + network.name;
    auto status = parse_into(d.bind, row.next_optional_text(), owner);
    if (status) status = parse_list(d.allow_from, row.next_text(), owner);
    if (status) network.docker = std::move(d);
    return status;
}

Status load_docker_endpoint(Statement& row, State& state) {
    control::Endpoint& endpoint = state.endpoints[static_cast<control::EndpointId>(row.next_int())];
    control::DockerEndpoint d;
    d.id = row.next_text();
    auto status = parse_list(d.allow_from, row.next_text(), "endpoint " + endpoint.name);
    if (status) endpoint.docker = std::move(d);
    return status;
}

Status load_docker_pool(Statement& row, State& state) {
    control::DockerPool pool;
    pool.id = row.next_text();
    const std::string owner = "address pool " + pool.id;
    auto status = parse_into(pool.prefix, row.next_text(), owner);
    if (status) status = parse_into(pool.range, row.next_optional_text(), owner);
    if (status) state.docker_pools.emplace(pool.id, std::move(pool));
    return status;
}

Status load_docker_address(Statement& row, State& state) {
    control::DockerPool& pool = state.docker_pools[row.next_text()];
    IpAddress address;
    auto status = parse_into(address, row.next_text(), "address pool " + pool.id);
    if (status) pool.addresses[address] = row.next_int() != 0;
    return status;
}

Status load_adopted_docker(Statement& row, State& state) {
    control::AdoptedBridge& adopted = state.adopted[row.next_text()];
    control::DockerBridge& docker = adopted.docker.emplace();
    docker.id = row.next_text();
    docker.network = row.next_text();
    docker.left = row.next_text();
    docker.filtered = row.next_text();
    return {};
}

Status load_adopted_engine(Statement& row, State& state) {
    if (row.next_text() == "docker") state.adopts_docker = true;
    return {};
}

} // namespace cnet::store
