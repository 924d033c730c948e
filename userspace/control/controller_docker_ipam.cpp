// Docker's IPAM: pools and addresses that it asks for before there is a network or an endpoint.
#include <sys/random.h>

#include <algorithm>

#include "userspace/base/clock.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/ipam.h"
#include "userspace/control/network_rules.h"

namespace cnet::control {

namespace {

Error conflict(const std::string& message) {
    return {ErrorKind::kConflict, message};
}

// Says all of it, so that a pool that was lost can be made again from what Docker remembers.
std::string pool_id(const IpPrefix& prefix, const std::optional<IpPrefix>& range) {
    return prefix.to_string() + (range ? "," + range->to_string() : "");
}

// RFC 4193: a /64 of a site of its own.
Result<IpPrefix> random_ula() {
    std::array<uint8_t, 16> bytes{};
    if (getrandom(bytes.data(), 8, 0) != 8) return Error::system("getrandom");
    bytes[0] = 0xfd;
    auto address = IpAddress::from_bytes(bytes.data(), bytes.size());
    if (!address) return address.error();
    return IpPrefix(*address, 64);
}

Result<DockerPool> pool_of_id(const std::string& id) {
    DockerPool pool;
    pool.id = id;
    const size_t comma = id.find(',');
    auto prefix = IpPrefix::parse(std::string_view(id).substr(0, comma));
    if (!prefix) return no_such("address pool", id);
    pool.prefix = *prefix;
    if (comma == id.npos) return pool;
    auto range = IpPrefix::parse(std::string_view(id).substr(comma + 1));
    if (!range) return no_such("address pool", id);
    pool.range = *range;
    return pool;
}

const Subnet& subnet_of(const Network& network, const DockerPool& pool) {
    return *std::ranges::find(network.subnets, pool.prefix, &Subnet::prefix);
}

Status check_range(const DockerPool& pool) {
    if (!pool.range ||
        (pool.prefix.contains(*pool.range) && pool.range->address() == pool.range->network()))
        return {};
    return Error(ErrorKind::kInvalid, "ip range " + pool.range->to_string() +
                                          " is no part of the pool " + pool.prefix.to_string());
}

} // namespace

void Controller::docker_started() {
    for (const auto& [id, pool] : impl_->state.docker_pools) {
        impl_->repeatable_pools.insert(id);
        for (const auto& [address, gateway] : pool.addresses)
            impl_->repeatable_addresses.emplace(id, address);
    }
}

const Network* Controller::Impl::network_of(const DockerPool& pool) const {
    for (const auto& [id, network] : state.networks) {
        for (const Subnet& subnet : network.subnets) {
            if (subnet.prefix == pool.prefix) return &network;
        }
    }
    return nullptr;
}

Result<DockerPool> Controller::Impl::plan_pool(const PoolRequest& request) const {
    DockerPool pool;
    if (request.prefix) {
        if (auto status = check_subnet(*request.prefix); !status) return status.error();
        pool.prefix = *request.prefix;
    } else {
        auto host = host_prefixes();
        if (!host) return host.error();
        auto free = request.v6 ? random_ula() : free_pool(state, *host);
        if (!free) return free.error();
        pool.prefix = *free;
    }
    pool.range = request.range;
    // A network that is there has a range of its own.
    if (const Network* network = network_of(pool); network && !pool.range)
        pool.range = subnet_of(*network, pool).ip_range;
    if (auto status = check_range(pool); !status) return status.error();
    pool.id = pool_id(pool.prefix, pool.range);
    return pool;
}

Result<DockerPool> Controller::request_pool(const PoolRequest& request) {
    Impl& impl = *impl_;
    auto pool = impl.plan_pool(request);
    if (!pool) return pool.error();
    for (const auto& [id, other] : impl.state.docker_pools) {
        if (id == pool->id && impl.repeatable_pools.erase(id) > 0) return other;
        if (other.prefix.overlaps(pool->prefix)) {
            return conflict("pool " + pool->prefix.to_string() + " overlaps with pool " +
                            other.prefix.to_string() + " that Docker has already");
        }
    }
    State next = impl.state;
    next.docker_pools[pool->id] = *pool;
    auto status = impl.change(std::move(next),
                              {{store::PutDockerPool{*pool}}, {store::RemoveDockerPool{pool->id}}});
    if (!status) return status.error();
    return *pool;
}

Status Controller::release_pool(const std::string& id) {
    Impl& impl = *impl_;
    auto found = impl.state.docker_pools.find(id);
    if (found == impl.state.docker_pools.end()) return {};
    Edit edit{{store::RemoveDockerPool{id}}, {store::PutDockerPool{found->second}}};
    for (const auto& [address, gateway] : found->second.addresses)
        edit.backward.emplace_back(store::PutDockerAddress{id, address, gateway});
    State next = impl.state;
    next.docker_pools.erase(id);
    auto status = impl.change(std::move(next), std::move(edit));
    if (!status) return status;
    impl.repeatable_pools.erase(id);
    impl.last_given_of_pool.erase(id);
    std::erase_if(impl.unused_since_ns, [&](const auto& entry) { return entry.first.first == id; });
    return {};
}

Result<IpAddress> Controller::Impl::plan_address(const DockerPool& pool,
                                                 const std::optional<IpAddress>& address,
                                                 bool gateway) {
    const Network* network = network_of(pool);
    Subnet subnet{pool.prefix, default_gateway(pool.prefix), pool.range};
    if (network) subnet.gateway = subnet_of(*network, pool).gateway;
    auto in_use = [&](const IpAddress& candidate) {
        if (pool.addresses.contains(candidate)) return true;
        return network &&
               (endpoint_with(*network, candidate) || holder_elsewhere(*network, candidate));
    };
    if (!address && !gateway) {
        auto last = last_given_of_pool.find(pool.id);
        std::optional<IpAddress> after;
        if (last != last_given_of_pool.end())
            after = last->second;
        else if (network && network->clustered && parts.cluster)
            after = start_for(subnet, parts.cluster->host());
        return next_address(subnet, in_use, after);
    }
    const IpAddress wanted = address.value_or(subnet.gateway);
    const std::string text = "address " + wanted.to_string();
    if (!pool.prefix.contains(wanted) || wanted == pool.prefix.network()) {
        return Error(ErrorKind::kInvalid,
                     text + " is none that the pool " + pool.prefix.to_string() + " can give");
    }
    const bool again = repeatable_addresses.erase({pool.id, wanted}) > 0;
    auto given = pool.addresses.find(wanted);
    if (given != pool.addresses.end() && (again || (gateway && given->second))) return wanted;
    if (in_use(wanted)) return conflict(text + " is in use already");
    return wanted;
}

Result<IpPrefix> Controller::request_address(const std::string& id,
                                             const std::optional<IpAddress>& address,
                                             bool gateway) {
    Impl& impl = *impl_;
    State next = impl.state;
    Edit edit;
    auto found = next.docker_pools.find(id);
    if (found == next.docker_pools.end()) {
        auto pool = pool_of_id(id);
        if (!pool) return pool.error();
        found = next.docker_pools.emplace(id, *pool).first;
        edit = {{store::PutDockerPool{*pool}}, {store::RemoveDockerPool{id}}};
    }
    DockerPool& pool = found->second;
    auto chosen = impl.plan_address(pool, address, gateway);
    if (!chosen) return chosen.error().because("pool " + pool.prefix.to_string());
    const IpPrefix answer(*chosen, pool.prefix.length());
    if (pool.addresses.contains(*chosen)) return answer;
    pool.addresses[*chosen] = gateway;
    edit.forward.emplace_back(store::PutDockerAddress{id, *chosen, gateway});
    edit.backward.insert(edit.backward.begin(), store::RemoveDockerAddress{id, *chosen});
    auto status = impl.change(std::move(next), std::move(edit));
    if (!status) return status.error();
    if (!address && !gateway) impl.last_given_of_pool[id] = *chosen;
    return answer;
}

Status Controller::release_address(const std::string& id, const IpAddress& address) {
    Impl& impl = *impl_;
    impl.repeatable_addresses.erase({id, address});
    State next = impl.state;
    auto pool = next.docker_pools.find(id);
    if (pool == next.docker_pools.end()) return {};
    auto given = pool->second.addresses.find(address);
    if (given == pool->second.addresses.end()) return {};
    Edit edit{{store::RemoveDockerAddress{id, address}},
              {store::PutDockerAddress{id, address, given->second}}};
    pool->second.addresses.erase(given);
    impl.unused_since_ns.erase({id, address});
    return impl.change(std::move(next), std::move(edit));
}

Status Controller::keep_addresses(const std::vector<IpPrefix>& addresses) {
    State next = impl_->state;
    Edit edit;
    for (auto& [id, pool] : next.docker_pools) {
        for (const IpPrefix& prefix : addresses) {
            auto given = pool.addresses.find(prefix.address());
            if (given == pool.addresses.end() || given->second) continue;
            given->second = true;
            edit.forward.emplace_back(store::PutDockerAddress{id, given->first, true});
            edit.backward.emplace_back(store::PutDockerAddress{id, given->first, false});
        }
    }
    return edit.forward.empty() ? Status() : impl_->change(std::move(next), std::move(edit));
}

Status Controller::Impl::collect_docker_addresses(uint64_t now_ns) {
    std::set<std::pair<NetworkId, IpAddress>> used;
    for (const auto& [id, endpoint] : state.endpoints) {
        for (const IpPrefix& address : endpoint.addresses)
            used.emplace(endpoint.network_id, address.address());
    }
    State next = state;
    Edit edit;
    for (auto& [id, pool] : next.docker_pools) {
        // Of a network of Docker's own bridge we know no endpoint.
        const Network* network = network_of(pool);
        std::erase_if(pool.addresses, [&](const auto& given) {
            const std::pair key(id, given.first);
            if (!network || given.second || used.contains({network->id, given.first})) {
                unused_since_ns.erase(key);
                return false;
            }
            const uint64_t since_ns = unused_since_ns.emplace(key, now_ns).first->second;
            if (now_ns - since_ns < parts.docker_grace_s * kSecondNs) return false;
            unused_since_ns.erase(key);
            edit.forward.emplace_back(store::RemoveDockerAddress{id, given.first});
            edit.backward.emplace_back(store::PutDockerAddress{id, given.first, false});
            return true;
        });
    }
    return edit.forward.empty() ? Status() : change(std::move(next), std::move(edit));
}

} // namespace cnet::control
