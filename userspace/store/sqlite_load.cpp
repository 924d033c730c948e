#include "userspace/store/sqlite_load.h"

#include <functional>
#include <sstream>

#include "userspace/store/sqlite_load_docker.h"
#include "userspace/store/sqlite_parse.h"

namespace cnet::store {

namespace {

using control::State;

Status for_each_row(Database& db, std::string_view sql,
                    const std::function<Status(Statement&)>& visit) {
    auto statement = db.prepare(sql);
    if (!statement) return statement.error();
    while (true) {
        auto row = statement->step();
        if (!row) return row.error();
        if (!*row) return {};
        auto status = visit(*statement);
        if (!status) return status;
    }
}

// One more than the mode's number; 0 is none.
std::optional<control::Mode> mode_of(int64_t number) {
    if (number == 0) return std::nullopt;
    return static_cast<control::Mode>(number - 1);
}

Status load_network(Statement& row, State& state) {
    control::Network n;
    n.id = static_cast<control::NetworkId>(row.next_int());
    n.name = row.next_text();
    n.mtu = static_cast<uint32_t>(row.next_int());
    n.mode = static_cast<control::Mode>(row.next_int());
    n.internal = row.next_int() != 0;
    n.icc = row.next_int() != 0;
    n.masquerade = row.next_int() != 0;
    const std::string owner = "network " + n.name;
    auto status = parse_into(n.snat4, row.next_optional_text(), owner);
    if (!status) return status;
    n.learning = row.next_int() != 0;
    n.allow_spoofing = row.next_int() != 0;
    n.ageing_s = static_cast<uint32_t>(row.next_int());
    n.mac_limit = static_cast<uint32_t>(row.next_int());
    status = parse_into(n.gateway_mac, row.next_text(), owner);
    if (status) status = parse_into(n.snat6, row.next_optional_text(), owner);
    if (!status) return status;
    n.nat = static_cast<control::Nat>(row.next_int());
    n.vni = static_cast<uint32_t>(row.next_int());
    n.mtu_derived = row.next_int() != 0;
    n.peer_learning = row.next_int() != 0;
    n.clustered = row.next_int() != 0;
    n.flood_limit = static_cast<uint32_t>(row.next_int());
    n.names = row.next_int() != 0;
    std::optional<IpPrefix> pool;
    status = parse_into(pool, row.next_optional_text(), owner);
    if (!status) return status;
    const auto subnet_length = static_cast<unsigned>(row.next_int());
    if (pool) n.pool = control::HostPool{*pool, subnet_length};
    n.mode = mode_of(row.next_int()).value_or(n.mode);
    n.mode6 = mode_of(row.next_int());
    state.networks.emplace(n.id, std::move(n));
    return {};
}

Status load_subnet(Statement& row, State& state) {
    control::Network& network = state.networks[static_cast<control::NetworkId>(row.next_int())];
    const std::string owner = "network " + network.name;
    control::Subnet subnet;
    auto status = parse_into(subnet.prefix, row.next_text(), owner);
    if (!status) return status;
    status = parse_into(subnet.gateway, row.next_text(), owner);
    if (!status) return status;
    status = parse_into(subnet.ip_range, row.next_optional_text(), owner);
    if (!status) return status;
    network.subnets.push_back(subnet);
    return {};
}

Status load_endpoint(Statement& row, State& state) {
    control::Endpoint e;
    e.id = static_cast<control::EndpointId>(row.next_int());
    e.name = row.next_text();
    e.network_id = static_cast<control::NetworkId>(row.next_int());
    e.netns = row.next_text();
    e.ifname = row.next_text();
    auto status = parse_into(e.mac, row.next_text(), "endpoint " + e.name);
    if (!status) return status;
    e.default_route = row.next_int() != 0;
    for (RateLimit* limit : {&e.ingress, &e.egress}) {
        limit->bits_per_s = static_cast<uint64_t>(row.next_int());
        limit->burst_bits = static_cast<uint64_t>(row.next_int());
    }
    e.disabled = row.next_int() != 0;
    state.endpoints.emplace(e.id, std::move(e));
    return {};
}

Status load_endpoint_address(Statement& row, State& state) {
    control::Endpoint& endpoint = state.endpoints[static_cast<control::EndpointId>(row.next_int())];
    IpPrefix address;
    auto status = parse_into(address, row.next_text(), "endpoint " + endpoint.name);
    if (!status) return status;
    endpoint.addresses.push_back(address);
    return {};
}

Status load_endpoint_alias(Statement& row, State& state) {
    control::Endpoint& endpoint = state.endpoints[static_cast<control::EndpointId>(row.next_int())];
    endpoint.aliases.push_back(row.next_text());
    return {};
}

Status load_lease(Statement& row, State& state) {
    control::Lease lease;
    lease.endpoint_id = static_cast<control::EndpointId>(row.next_int());
    auto status = parse_into(lease.address, row.next_text(),
                             "endpoint " + state.endpoints[lease.endpoint_id].name);
    if (!status) return status;
    lease.duration_s = static_cast<uint32_t>(row.next_int());
    lease.ends_s = row.next_int();
    state.leases.emplace(lease.endpoint_id, lease);
    return {};
}

Status load_port(Statement& row, State& state) {
    control::PublishedPort p;
    p.id = static_cast<control::BindingId>(row.next_int());
    p.endpoint_id = static_cast<control::EndpointId>(row.next_int());
    const auto adopted_id = static_cast<control::NetworkId>(row.next_int());
    const std::string owner = "port " + std::to_string(p.id);
    std::optional<IpAddress> address;
    auto status = parse_into(address, row.next_optional_text(), owner);
    if (status) status = parse_into(p.host_ip, row.next_optional_text(), owner);
    if (!status) return status;
    if (address) p.behind = {adopted_id, *address};
    p.host_port = static_cast<uint16_t>(row.next_int());
    p.port = static_cast<uint16_t>(row.next_int());
    p.count = static_cast<uint16_t>(row.next_int());
    p.l4 = static_cast<cnet_l4>(row.next_int());
    p.holder = static_cast<control::Holder>(row.next_int());
    p.new_limit.per_second = static_cast<uint32_t>(row.next_int());
    p.new_limit.burst = static_cast<uint32_t>(row.next_int());
    state.ports.emplace(p.id, p);
    return {};
}

Status load_port_allow(Statement& row, State& state) {
    control::PublishedPort& port = state.ports[static_cast<control::BindingId>(row.next_int())];
    IpPrefix prefix;
    auto status = parse_into(prefix, row.next_text(), "port " + std::to_string(port.id));
    if (!status) return status;
    port.allow_from.push_back(prefix);
    return {};
}

Status load_fdb(Statement& row, State& state) {
    control::StaticFdb entry;
    entry.network_id = static_cast<control::NetworkId>(row.next_int());
    auto status = parse_into(entry.mac, row.next_text(), "static fdb entry");
    if (!status) return status;
    entry.endpoint_id = static_cast<control::EndpointId>(row.next_int()); // NULL is 0
    entry.device = row.next_text();
    entry.peer_id = static_cast<control::PeerId>(row.next_int()); // likewise
    state.fdb.push_back(entry);
    return {};
}

Status load_attached(Statement& row, State& state) {
    control::AttachedDevice attached;
    attached.device = row.next_text();
    attached.network_id = static_cast<control::NetworkId>(row.next_int());
    attached.promiscuous = row.next_int() != 0;
    state.attached.emplace(attached.device, attached);
    return {};
}

Status load_adopted(Statement& row, State& state) {
    control::AdoptedBridge adopted;
    adopted.bridge = row.next_text();
    adopted.network_id = static_cast<control::NetworkId>(row.next_int());
    adopted.masquerade = row.next_int() != 0;
    adopted.icc = row.next_int() != 0;
    adopted.internal = row.next_int() != 0;
    const std::string owner = "adopted bridge " + adopted.bridge;
    for (control::Outside* outside : {&adopted.outside4, &adopted.outside6})
        outside->gateway = static_cast<control::Gateway>(row.next_int());
    for (control::Outside* outside : {&adopted.outside4, &adopted.outside6}) {
        auto status = parse_into(outside->snat, row.next_optional_text(), owner);
        if (!status) return status;
    }
    std::istringstream devices(row.next_text());
    for (std::string device; devices >> device;)
        adopted.trusted.push_back(device);
    for (control::Outside* outside : {&adopted.outside4, &adopted.outside6})
        if (row.next_int() != 0) outside->gateway = control::Gateway::kKeptUnprotected;
    state.adopted.emplace(adopted.bridge, adopted);
    return {};
}

Status load_peer(Statement& row, State& state) {
    control::Peer peer;
    peer.id = static_cast<control::PeerId>(row.next_int());
    peer.name = row.next_text();
    auto status = parse_into(peer.address, row.next_text(), "peer " + std::to_string(peer.id));
    if (!status) return status;
    peer.clustered = row.next_int() != 0;
    state.peers.emplace(peer.id, std::move(peer));
    return {};
}

control::RemoteEndpoint& remote_of(Statement& row, State& state) {
    const auto peer_id = static_cast<control::PeerId>(row.next_int());
    return state.remotes[{peer_id, row.next_text()}];
}

Status load_remote(Statement& row, State& state) {
    control::RemoteEndpoint remote;
    remote.peer_id = static_cast<control::PeerId>(row.next_int());
    remote.name = row.next_text();
    remote.network_id = static_cast<control::NetworkId>(row.next_int());
    auto status = parse_into(remote.mac, row.next_text(), "remote endpoint " + remote.name);
    if (!status) return status;
    state.remotes.emplace(std::pair(remote.peer_id, remote.name), std::move(remote));
    return {};
}

Status load_remote_address(Statement& row, State& state) {
    control::RemoteEndpoint& remote = remote_of(row, state);
    IpAddress address;
    auto status = parse_into(address, row.next_text(), "remote endpoint " + remote.name);
    if (!status) return status;
    remote.addresses.push_back(address);
    return {};
}

Status load_remote_alias(Statement& row, State& state) {
    control::RemoteEndpoint& remote = remote_of(row, state);
    remote.aliases.push_back(row.next_text());
    return {};
}

Status load_host_subnet(Statement& row, State& state) {
    control::HostSubnet subnet;
    subnet.network_id = static_cast<control::NetworkId>(row.next_int());
    const std::string owner = "network " + state.networks[subnet.network_id].name;
    auto status = parse_into(subnet.prefix, row.next_text(), owner);
    subnet.host = row.next_text();
    if (status) status = parse_into(subnet.vtep, row.next_text(), owner);
    if (status) status = parse_into(subnet.mac, row.next_text(), owner);
    if (status) state.host_subnets.emplace(std::pair(subnet.network_id, subnet.prefix), subnet);
    return status;
}

Status load_sandbox(Statement& row, State& state) {
    control::Sandbox sandbox;
    sandbox.name = row.next_text();
    sandbox.path = row.next_text();
    state.sandboxes.emplace(sandbox.name, sandbox);
    return {};
}

Status load_uplink(Statement& row, State& state) {
    std::string device = row.next_text();
    state.uplinks.emplace(std::move(device), row.next_int() != 0);
    return {};
}

Status load_xdp_uplink(Statement& row, State& state) {
    state.xdp_uplinks.insert(row.next_text());
    return {};
}

Status load_state(Database& db, State& state) {
    // Every id a later query refers to has been loaded by an earlier one: foreign keys see to that.
    struct Query {
        const char* sql;
        Status (*load)(Statement&, State&);
    };
    constexpr Query kQueries[] = {
        {"SELECT id, name, mtu, mode, internal, icc, masquerade, snat4, learning, allow_spoofing, "
         "ageing_s, mac_limit, gateway_mac, snat6, nat, vni, mtu_derived, "
         "peer_learning, clustered, flood_limit, names, pool, pool_subnet_length, "
         "mode4, mode6 FROM networks",
         load_network},
        {"SELECT network_id, prefix, gateway, ip_range FROM subnets ORDER BY network_id, position",
         load_subnet},
        {"SELECT id, name, network_id, netns, ifname, mac, default_route, ingress_rate, "
         "ingress_burst, egress_rate, egress_burst, disabled FROM endpoints",
         load_endpoint},
        {"SELECT endpoint_id, address FROM endpoint_addresses ORDER BY endpoint_id, position",
         load_endpoint_address},
        {"SELECT endpoint_id, alias FROM endpoint_aliases ORDER BY endpoint_id, position",
         load_endpoint_alias},
        {"SELECT endpoint_id, address, duration_s, ends_s FROM leases", load_lease},
        {"SELECT id, endpoint_id, adopted_id, address, host_ip, host_port, port, count, l4, "
         "holder, new_rate, new_burst FROM ports",
         load_port},
        {"SELECT port_id, prefix FROM port_allow ORDER BY port_id, position", load_port_allow},
        {"SELECT network_id, id, made, iface_prefix, bind, allow_from FROM docker_networks",
         load_docker_network},
        {"SELECT endpoint_id, id, allow_from FROM docker_endpoints", load_docker_endpoint},
        {"SELECT id, prefix, range FROM docker_pools", load_docker_pool},
        {"SELECT pool, address, gateway FROM docker_addresses", load_docker_address},
        {"SELECT name, path FROM sandboxes", load_sandbox},
        {"SELECT device, added FROM uplinks", load_uplink},
        {"SELECT device FROM xdp_uplinks", load_xdp_uplink},
        {"SELECT device, network_id, promiscuous FROM attached", load_attached},
        {"SELECT bridge, network_id, masquerade, icc, internal, gateway4, gateway6, snat4, snat6, "
         "trusted, kept4, kept6 FROM adopted",
         load_adopted},
        {"SELECT bridge, id, network, left_because, filtered FROM adopted_docker",
         load_adopted_docker},
        {"SELECT engine FROM adopted_engines", load_adopted_engine},
        {"SELECT id, name, address, clustered FROM peers", load_peer},
        {"SELECT peer_id, name, network_id, mac FROM remotes", load_remote},
        {"SELECT peer_id, name, address FROM remote_addresses ORDER BY peer_id, name, position",
         load_remote_address},
        {"SELECT peer_id, name, alias FROM remote_aliases ORDER BY peer_id, name, position",
         load_remote_alias},
        {"SELECT network_id, mac, endpoint_id, device, peer_id FROM fdb", load_fdb},
        {"SELECT network_id, prefix, host, vtep, mac FROM host_subnets", load_host_subnet},
    };
    for (const Query& query : kQueries) {
        auto status =
            for_each_row(db, query.sql, [&](Statement& row) { return query.load(row, state); });
        if (!status) return status;
    }
    return {};
}

Result<uint32_t> load_last_id(Database& db, const std::string& kind) {
    auto id = db.query_int("SELECT id FROM last_ids WHERE kind = '" + kind + "'");
    if (!id) return id.error();
    return static_cast<uint32_t>(*id);
}

} // namespace

Result<Snapshot> load_snapshot(Database& db) {
    // One read transaction: all of it is of one moment.
    auto transaction = Transaction::begin(db);
    if (!transaction) return transaction.error();
    Snapshot snapshot;
    auto status = load_state(db, snapshot.state);
    if (!status) return status.error();
    auto network = load_last_id(db, "network");
    if (!network) return network.error();
    auto endpoint = load_last_id(db, "endpoint");
    if (!endpoint) return endpoint.error();
    auto binding = load_last_id(db, "binding");
    if (!binding) return binding.error();
    auto peer = load_last_id(db, "peer");
    if (!peer) return peer.error();
    snapshot.last_ids = {*network, *endpoint, *binding, *peer};
    return snapshot;
}

} // namespace cnet::store
