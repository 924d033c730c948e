#include "userspace/store/sqlite_write.h"

#include <sstream>

namespace cnet::store {

namespace {

template <typename... Values>
Status run(Database& db, std::string_view sql, const Values&... values) {
    auto statement = db.prepare(sql);
    if (!statement) return statement.error();
    (statement->bind(values), ...);
    return statement->run();
}

template <typename T> std::optional<std::string> text(const std::optional<T>& value) {
    if (!value) return std::nullopt;
    return value->to_string();
}

// One column, read as a whole and never asked for one of them. No name of a device has a space.
void append(std::string& list, const std::string& one) {
    list += (list.empty() ? "" : " ") + one;
}
std::string joined(const std::vector<IpPrefix>& prefixes) {
    std::string list;
    for (const IpPrefix& prefix : prefixes)
        append(list, prefix.to_string());
    return list;
}

// A row, known by its key: made, or what it was in these columns, which have spaces between them.
std::string upsert(const std::string& table, const std::string& columns,
                   const std::string& key = "id") {
    std::string names, places, updates;
    std::istringstream words(columns);
    for (std::string column; words >> column;) {
        names += ", " + column;
        places += ", ?";
        updates += (updates.empty() ? "" : ", ") + column + " = excluded." + column;
    }
    return "INSERT INTO " + table + " (" + key + names + ") VALUES (?" + places +
           ") ON CONFLICT (" + key + ") DO UPDATE SET " + updates;
}

// SQLite's numbers are signed; the bits stay.
int64_t stored(uint64_t value) {
    return static_cast<int64_t>(value);
}

Status raise_last_id(Database& db, const char* kind, uint32_t id) {
    return run(db, "UPDATE last_ids SET id = max(id, ?) WHERE kind = ?", int64_t{id},
               std::string(kind));
}

Status write_subnets(Database& db, const control::Network& network) {
    auto status = run(db, "DELETE FROM subnets WHERE network_id = ?", int64_t{network.id});
    if (!status) return status;
    int64_t position = 0;
    for (const control::Subnet& subnet : network.subnets) {
        status =
            run(db, "INSERT INTO subnets VALUES (?, ?, ?, ?, ?)", int64_t{network.id}, position++,
                subnet.prefix.to_string(), subnet.gateway.to_string(), text(subnet.ip_range));
        if (!status) return status;
    }
    return {};
}

Status write_docker(Database& db, const control::Network& network) {
    auto status = run(db, "DELETE FROM docker_networks WHERE network_id = ?", int64_t{network.id});
    if (!status || !network.docker) return status;
    const control::DockerNetwork& d = *network.docker;
    return run(db, "INSERT INTO docker_networks VALUES (?, ?, ?, ?, ?, ?)", int64_t{network.id},
               d.id, int64_t{d.made}, d.iface_prefix, text(d.bind), joined(d.allow_from));
}

Status write_docker(Database& db, const control::AdoptedBridge& adopted) {
    auto status = run(db, "DELETE FROM adopted_docker WHERE bridge = ?", adopted.bridge);
    if (!status || !adopted.docker) return status;
    const control::DockerBridge& d = *adopted.docker;
    return run(db, "INSERT INTO adopted_docker VALUES (?, ?, ?, ?, ?)", adopted.bridge, d.id,
               d.network, d.left, d.filtered);
}

Status write_docker(Database& db, const control::Endpoint& endpoint) {
    auto status =
        run(db, "DELETE FROM docker_endpoints WHERE endpoint_id = ?", int64_t{endpoint.id});
    if (!status || !endpoint.docker) return status;
    return run(db, "INSERT INTO docker_endpoints VALUES (?, ?, ?)", int64_t{endpoint.id},
               endpoint.docker->id, joined(endpoint.docker->allow_from));
}

int64_t numbered(control::Mode mode) {
    return static_cast<int64_t>(mode) + 1; // 0 is none
}

Status write(Database& db, const PutNetwork& put) {
    const control::Network& n = put.network;
    const bool newer = n.mode > control::Mode::kIsolated; // where the column `mode` ends
    auto status =
        run(db,
            upsert("networks",
                   "name mtu mode internal icc masquerade snat4 learning allow_spoofing ageing_s "
                   "mac_limit gateway_mac snat6 nat vni mtu_derived peer_learning clustered "
                   "flood_limit names pool pool_subnet_length mode4 mode6"),
            int64_t{n.id}, n.name, int64_t{n.mtu}, newer ? 0 : static_cast<int64_t>(n.mode),
            int64_t{n.internal}, int64_t{n.icc}, int64_t{n.masquerade}, text(n.snat4),
            int64_t{n.learning}, int64_t{n.allow_spoofing}, int64_t{n.ageing_s},
            int64_t{n.mac_limit}, n.gateway_mac.to_string(), text(n.snat6),
            static_cast<int64_t>(n.nat), int64_t{n.vni}, int64_t{n.mtu_derived},
            int64_t{n.peer_learning}, int64_t{n.clustered}, int64_t{n.flood_limit},
            int64_t{n.names}, n.pool ? std::optional(n.pool->prefix.to_string()) : std::nullopt,
            int64_t{n.pool ? n.pool->subnet_length : 0}, newer ? numbered(n.mode) : 0,
            n.mode6 ? numbered(*n.mode6) : 0);
    if (!status) return status;
    status = write_subnets(db, n);
    if (status) status = write_docker(db, n);
    if (!status) return status;
    return raise_last_id(db, "network", n.id);
}

Status write_addresses(Database& db, const control::Endpoint& e) {
    auto status = run(db, "DELETE FROM endpoint_addresses WHERE endpoint_id = ?", int64_t{e.id});
    int64_t position = 0;
    for (const IpPrefix& address : e.addresses) {
        if (!status) return status;
        status = run(db, "INSERT INTO endpoint_addresses VALUES (?, ?, ?)", int64_t{e.id},
                     position++, address.to_string());
    }
    return status;
}

Status write_aliases(Database& db, const control::Endpoint& e) {
    auto status = run(db, "DELETE FROM endpoint_aliases WHERE endpoint_id = ?", int64_t{e.id});
    int64_t position = 0;
    for (const std::string& alias : e.aliases) {
        if (!status) return status;
        status = run(db, "INSERT INTO endpoint_aliases VALUES (?, ?, ?)", int64_t{e.id}, position++,
                     alias);
    }
    return status;
}

Status write(Database& db, const PutEndpoint& put) {
    const control::Endpoint& e = put.endpoint;
    auto status =
        run(db,
            upsert("endpoints",
                   "name network_id netns ifname mac default_route ingress_rate ingress_burst "
                   "egress_rate egress_burst disabled"),
            int64_t{e.id}, e.name, int64_t{e.network_id}, e.netns, e.ifname, e.mac.to_string(),
            int64_t{e.default_route}, stored(e.ingress.bits_per_s), stored(e.ingress.burst_bits),
            stored(e.egress.bits_per_s), stored(e.egress.burst_bits), int64_t{e.disabled});
    if (!status) return status;
    status = write_addresses(db, e);
    if (status) status = write_aliases(db, e);
    if (status) status = write_docker(db, e);
    if (!status) return status;
    return raise_last_id(db, "endpoint", e.id);
}

Status write_allow_from(Database& db, const control::PublishedPort& port) {
    auto status = run(db, "DELETE FROM port_allow WHERE port_id = ?", int64_t{port.id});
    int64_t position = 0;
    for (const IpPrefix& prefix : port.allow_from) {
        if (!status) return status;
        status = run(db, "INSERT INTO port_allow VALUES (?, ?, ?)", int64_t{port.id}, position++,
                     prefix.to_string());
    }
    return status;
}

Status write(Database& db, const PutPort& put) {
    const control::PublishedPort& p = put.port;
    // One of the two; the other is NULL.
    std::optional<int64_t> endpoint, adopted;
    std::optional<std::string> address;
    if (p.behind) {
        adopted = p.behind->network_id;
        address = p.behind->address.to_string();
    } else {
        endpoint = p.endpoint_id;
    }
    auto status =
        run(db,
            upsert("ports", "endpoint_id adopted_id address host_ip host_port port count l4 holder "
                            "new_rate new_burst"),
            int64_t{p.id}, endpoint, adopted, address, text(p.host_ip), int64_t{p.host_port},
            int64_t{p.port}, int64_t{p.count}, static_cast<int64_t>(p.l4),
            static_cast<int64_t>(p.holder), int64_t{p.new_limit.per_second},
            int64_t{p.new_limit.burst});
    if (status) status = write_allow_from(db, p);
    if (!status) return status;
    return raise_last_id(db, "binding", p.id);
}

Status write(Database& db, const PutSandbox& put) {
    return run(db, upsert("sandboxes", "path", "name"), put.sandbox.name, put.sandbox.path);
}

Status write(Database& db, const PutUplink& put) {
    return run(db,
               "INSERT INTO uplinks VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET added = "
               "excluded.added",
               put.device, int64_t{put.added});
}

Status write(Database& db, const SetUplinkXdp& set) {
    return run(db,
               set.native ? "INSERT INTO xdp_uplinks VALUES (?) ON CONFLICT (device) DO NOTHING"
                          : "DELETE FROM xdp_uplinks WHERE device = ?",
               set.device);
}

Status write(Database& db, const PutAttached& put) {
    return run(db, upsert("attached", "network_id promiscuous", "device"), put.attached.device,
               int64_t{put.attached.network_id}, int64_t{put.attached.promiscuous});
}

// The columns `gateway4` and `gateway6` end before it.
bool is_kept_open(const control::Outside& outside) {
    return outside.gateway == control::Gateway::kKeptUnprotected;
}
int64_t stored_gateway(const control::Outside& outside) {
    return static_cast<int64_t>(is_kept_open(outside) ? control::Gateway::kUnprotected
                                                      : outside.gateway);
}

Status write(Database& db, const PutAdopted& put) {
    const control::AdoptedBridge& adopted = put.adopted;
    std::string trusted;
    for (const std::string& device : adopted.trusted)
        append(trusted, device);
    auto status = run(
        db,
        upsert(
            "adopted",
            "network_id masquerade icc internal gateway4 gateway6 snat4 snat6 trusted kept4 kept6",
            "bridge"),
        adopted.bridge, int64_t{adopted.network_id}, int64_t{adopted.masquerade},
        int64_t{adopted.icc}, int64_t{adopted.internal}, stored_gateway(adopted.outside4),
        stored_gateway(adopted.outside6), text(adopted.outside4.snat), text(adopted.outside6.snat),
        trusted, int64_t{is_kept_open(adopted.outside4)}, int64_t{is_kept_open(adopted.outside6)});
    if (status) status = write_docker(db, adopted);
    if (!status) return status;
    return raise_last_id(db, "network", adopted.network_id);
}

Status write(Database& db, const SetAdoptsDocker& set) {
    const std::string docker = "docker";
    if (set.adopts) return run(db, "INSERT OR IGNORE INTO adopted_engines VALUES (?)", docker);
    return run(db, "DELETE FROM adopted_engines WHERE engine = ?", docker);
}

Status write(Database& db, const PutFdb& put) {
    const control::StaticFdb& entry = put.entry;
    // Whichever of the three it is at, the others are NULL.
    std::optional<int64_t> endpoint;
    std::optional<std::string> device;
    std::optional<int64_t> peer;
    if (entry.peer_id != 0)
        peer = entry.peer_id;
    else if (entry.device.empty())
        endpoint = entry.endpoint_id;
    else
        device = entry.device;
    return run(db,
               "INSERT INTO fdb VALUES (?, ?, ?, ?, ?) ON CONFLICT (network_id, mac) DO UPDATE SET "
               "endpoint_id = excluded.endpoint_id, device = excluded.device, "
               "peer_id = excluded.peer_id",
               int64_t{entry.network_id}, entry.mac.to_string(), endpoint, device, peer);
}

Status write(Database& db, const PutLease& put) {
    const control::Lease& l = put.lease;
    return run(db, upsert("leases", "address duration_s ends_s", "endpoint_id"),
               int64_t{l.endpoint_id}, l.address.to_string(), int64_t{l.duration_s}, l.ends_s);
}

Status write(Database& db, const PutPeer& put) {
    const control::Peer& p = put.peer;
    auto status = run(db, upsert("peers", "name address clustered"), int64_t{p.id}, p.name,
                      p.address.to_string(), int64_t{p.clustered});
    if (!status) return status;
    return raise_last_id(db, "peer", put.peer.id);
}

Status write(Database& db, const RemoveRemote& remove) {
    return run(db, "DELETE FROM remotes WHERE peer_id = ? AND name = ?", int64_t{remove.peer_id},
               remove.name);
}

Status write(Database& db, const PutRemote& put) {
    const control::RemoteEndpoint& r = put.remote;
    // What hangs on the one before goes with it; nothing else refers to it.
    auto status = write(db, RemoveRemote{r.peer_id, r.name});
    if (status) {
        status = run(db, "INSERT INTO remotes VALUES (?, ?, ?, ?)", int64_t{r.peer_id}, r.name,
                     int64_t{r.network_id}, r.mac.to_string());
    }
    int64_t position = 0;
    for (const IpAddress& address : r.addresses) {
        if (!status) return status;
        status = run(db, "INSERT INTO remote_addresses VALUES (?, ?, ?, ?)", int64_t{r.peer_id},
                     r.name, position++, address.to_string());
    }
    for (const std::string& alias : r.aliases) {
        if (!status) return status;
        status = run(db, "INSERT INTO remote_aliases VALUES (?, ?, ?, ?)", int64_t{r.peer_id},
                     r.name, position++, alias);
    }
    return status;
}

Status write(Database& db, const PutDockerPool& put) {
    return run(db, upsert("docker_pools", "prefix range"), put.pool.id, put.pool.prefix.to_string(),
               text(put.pool.range));
}

Status write(Database& db, const PutDockerAddress& put) {
    return run(db,
               "INSERT INTO docker_addresses VALUES (?, ?, ?) ON CONFLICT (pool, address) DO "
               "UPDATE SET gateway = excluded.gateway",
               put.pool, put.address.to_string(), int64_t{put.gateway});
}

Status write(Database& db, const RemoveDockerPool& remove) {
    return run(db, "DELETE FROM docker_pools WHERE id = ?", remove.id);
}

Status write(Database& db, const RemoveDockerAddress& remove) {
    return run(db, "DELETE FROM docker_addresses WHERE pool = ? AND address = ?", remove.pool,
               remove.address.to_string());
}

Status write(Database& db, const PutHostSubnet& put) {
    const control::HostSubnet& s = put.subnet;
    return run(db,
               "INSERT INTO host_subnets VALUES (?, ?, ?, ?, ?) ON CONFLICT (network_id, prefix) "
               "DO UPDATE SET host = excluded.host, vtep = excluded.vtep, mac = excluded.mac",
               int64_t{s.network_id}, s.prefix.to_string(), s.host, s.vtep.to_string(),
               s.mac.to_string());
}

Status write(Database& db, const RemoveHostSubnet& remove) {
    return run(db, "DELETE FROM host_subnets WHERE network_id = ? AND prefix = ?",
               int64_t{remove.network_id}, remove.prefix.to_string());
}

Status write(Database& db, const RemoveNetwork& remove) {
    return run(db, "DELETE FROM networks WHERE id = ?", int64_t{remove.id});
}

Status write(Database& db, const RemoveEndpoint& remove) {
    return run(db, "DELETE FROM endpoints WHERE id = ?", int64_t{remove.id});
}

Status write(Database& db, const RemovePort& remove) {
    return run(db, "DELETE FROM ports WHERE id = ?", int64_t{remove.id});
}

Status write(Database& db, const RemoveSandbox& remove) {
    return run(db, "DELETE FROM sandboxes WHERE name = ?", remove.name);
}

Status write(Database& db, const RemoveUplink& remove) {
    return run(db, "DELETE FROM uplinks WHERE device = ?", remove.device);
}

Status write(Database& db, const RemoveAttached& remove) {
    return run(db, "DELETE FROM attached WHERE device = ?", remove.device);
}

Status write(Database& db, const RemoveAdopted& remove) {
    return run(db, "DELETE FROM adopted WHERE bridge = ?", remove.bridge);
}

Status write(Database& db, const RemoveFdb& remove) {
    return run(db, "DELETE FROM fdb WHERE network_id = ? AND mac = ?", int64_t{remove.network_id},
               remove.mac.to_string());
}

Status write(Database& db, const RemoveLease& remove) {
    return run(db, "DELETE FROM leases WHERE endpoint_id = ?", int64_t{remove.endpoint_id});
}

Status write(Database& db, const RemovePeer& remove) {
    return run(db, "DELETE FROM peers WHERE id = ?", int64_t{remove.id});
}

} // namespace

Status write_mutation(Database& db, const Mutation& mutation) {
    return std::visit([&](const auto& change) { return write(db, change); }, mutation);
}

} // namespace cnet::store
