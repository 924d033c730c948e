#include "userspace/cluster/picture.h"

#include <algorithm>
#include <set>

namespace cnet::cluster {

namespace {

std::string complaint(const std::string& key, const Error& error) {
    return "record " + key + " is left aside: " + error.message();
}

} // namespace

void Picture::reset(std::vector<etcd::KeyValue> all, int64_t revision) {
    entries_.clear();
    own_.clear();
    own_changes_.clear();
    revision_ = revision;
    for (const etcd::KeyValue& kv : all)
        set(kv);
}

void Picture::set(const etcd::KeyValue& kv) {
    entries_.insert_or_assign(kv.key, kv);
    if (is_own(kv.key, kv.value))
        own_.insert(kv.key);
    else
        own_.erase(kv.key);
}

void Picture::unset(const std::string& key) {
    entries_.erase(key);
    own_.erase(key);
}

void Picture::replace(const std::string& prefix, std::vector<etcd::KeyValue> all,
                      int64_t revision) {
    std::set<std::string> there;
    for (const etcd::KeyValue& kv : all) {
        there.insert(kv.key);
        note_read(kv);
    }
    for (const etcd::KeyValue* kv : below(prefix)) {
        if (!there.contains(kv->key)) note_delete(std::string(kv->key), revision);
    }
}

void Picture::apply(const std::vector<etcd::Event>& events, int64_t revision) {
    for (const etcd::Event& event : events) {
        const std::string& key = event.kv.key;
        if (auto own = own_changes_.find(key); own != own_changes_.end()) {
            if (event.kv.mod_revision < own->second) continue;
            own_changes_.erase(own);
        }
        if (event.type == etcd::Event::Type::kPut)
            set(event.kv);
        else
            unset(key);
    }
    revision_ = std::max(revision_, revision);
}

bool Picture::is_own(const std::string& key, const std::string& value) const {
    const auto parsed = keys_.parse(key);
    if (!parsed) return false;
    if (const auto* host = std::get_if<HostKey>(&*parsed)) return host->name == own_host_;
    if (const auto* alive = std::get_if<AliveKey>(&*parsed)) return alive->name == own_host_;
    if (const auto* endpoint = std::get_if<EndpointKey>(&*parsed))
        return endpoint->host == own_host_;
    if (std::holds_alternative<NetworkKey>(*parsed) || std::holds_alternative<VniKey>(*parsed))
        return false;
    auto claim = decode_claim(value);
    return claim && claim->host == own_host_;
}

bool Picture::concerns_us(const std::vector<etcd::Event>& events) const {
    return std::any_of(events.begin(), events.end(), [&](const etcd::Event& event) {
        auto known = entries_.find(event.kv.key);
        if (known != entries_.end() && known->second.mod_revision >= event.kv.mod_revision)
            return false;
        if (auto own = own_changes_.find(event.kv.key);
            own != own_changes_.end() && event.kv.mod_revision <= own->second)
            return false;
        return own_.contains(event.kv.key) || is_own(event.kv.key, event.kv.value);
    });
}

void Picture::note_put(const etcd::Put& put, int64_t revision) {
    auto known = entries_.find(put.key);
    etcd::KeyValue kv;
    if (known != entries_.end()) kv = known->second;
    if (kv.create_revision == 0) kv.create_revision = revision;
    kv.key = put.key;
    kv.value = put.value;
    kv.lease = put.lease;
    kv.mod_revision = revision;
    kv.version++;
    set(kv);
    if (revision > revision_) own_changes_[put.key] = revision;
}

void Picture::note_delete(const std::string& key, int64_t revision) {
    unset(key);
    if (revision > revision_) own_changes_[key] = revision;
}

void Picture::note_read(const etcd::KeyValue& read) {
    auto known = entries_.find(read.key);
    if (known != entries_.end() && known->second.mod_revision >= read.mod_revision) return;
    set(read);
    if (read.mod_revision > revision_) own_changes_[read.key] = read.mod_revision;
}

const etcd::KeyValue* Picture::find(const Key& key) const {
    auto it = entries_.find(keys_.of(key));
    return it == entries_.end() ? nullptr : &it->second;
}

std::vector<const etcd::KeyValue*> Picture::below(const std::string& prefix) const {
    std::vector<const etcd::KeyValue*> found;
    for (auto it = entries_.lower_bound(prefix);
         it != entries_.end() && it->first.starts_with(prefix); ++it)
        found.push_back(&it->second);
    return found;
}

std::vector<const etcd::KeyValue*> Picture::own_below(const std::string& kind) const {
    const std::string prefix = keys_.root() + kind;
    std::vector<const etcd::KeyValue*> found;
    for (auto it = own_.lower_bound(prefix); it != own_.end() && it->starts_with(prefix); ++it)
        found.push_back(&entries_.at(*it));
    return found;
}

std::vector<const etcd::KeyValue*> Picture::own_claims() const {
    std::vector<const etcd::KeyValue*> claims = own_below("addresses/");
    const auto macs = own_below("macs/");
    claims.insert(claims.end(), macs.begin(), macs.end());
    return claims;
}

std::vector<std::string> Picture::claims_of(const std::string& host) const {
    std::vector<std::string> keys;
    for (const char* kind : {"addresses/", "macs/", "subnets/"}) {
        for (const etcd::KeyValue* kv : below(keys_.root() + kind)) {
            auto claim = decode_claim(kv->value);
            if (claim && claim->host == host) keys.push_back(kv->key);
        }
    }
    return keys;
}

control::ClusterState Picture::state(std::vector<std::string>& complaints) const {
    control::ClusterState state;
    add_networks(state, complaints);
    add_hosts(state, complaints);
    add_endpoints(state, complaints);
    add_subnets(state, complaints);
    return state;
}

// Each (key, value) below `kind`, whose key is one that `visit` takes.
template <typename Visit> void Picture::for_each(const std::string& kind, Visit visit) const {
    for (const etcd::KeyValue* kv : below(keys_.root() + kind)) {
        if (const auto key = keys_.parse(kv->key)) visit(*key, *kv);
    }
}

void Picture::add_networks(control::ClusterState& state,
                           std::vector<std::string>& complaints) const {
    for_each("networks/", [&](const Key& key, const etcd::KeyValue& kv) {
        auto network = decode_network(kv.value);
        if (!network) return complaints.push_back(complaint(kv.key, network.error()));
        network->name = std::get<NetworkKey>(key).name;
        network->clustered = true;
        state.networks.push_back(*std::move(network));
    });
}

void Picture::add_hosts(control::ClusterState& state, std::vector<std::string>& complaints) const {
    std::map<IpAddress, std::string> owners; // of VTEPs
    for_each("hosts/", [&](const Key& key, const etcd::KeyValue& kv) {
        auto record = decode_host(kv.value);
        if (!record) return complaints.push_back(complaint(kv.key, record.error()));
        control::ClusterHost host{std::get<HostKey>(key).name, {}, false};
        host.alive = find(AliveKey{host.name}) != nullptr;
        for (const IpAddress& vtep : record->vteps) {
            auto [owner, is_first] = owners.emplace(vtep, host.name);
            if (is_first) {
                host.vteps.push_back(vtep);
                continue;
            }
            complaints.push_back("hosts " + owner->second + " and " + host.name +
                                 " both say that " + vtep.to_string() +
                                 " is theirs: frames for the second are not sent there");
        }
        state.hosts.push_back(std::move(host));
    });
}

void Picture::add_endpoints(control::ClusterState& state,
                            std::vector<std::string>& complaints) const {
    for_each("endpoints/", [&](const Key& key, const etcd::KeyValue& kv) {
        const auto& at = std::get<EndpointKey>(key);
        if (at.host == own_host_ || !find(AliveKey{at.host})) return;
        auto record = decode_endpoint(kv.value);
        if (!record) return complaints.push_back(complaint(kv.key, record.error()));
        // Its network goes after its endpoints; until the news of both are here, there is none.
        const etcd::KeyValue* network = find(VniKey{at.vni});
        if (!network) return;
        state.endpoints.push_back({at.host, network->value, at.vni, at.name, record->mac,
                                   std::move(record->addresses), std::move(record->aliases)});
    });
}

void Picture::add_subnets(control::ClusterState& state,
                          std::vector<std::string>& complaints) const {
    for_each("subnets/", [&](const Key& key, const etcd::KeyValue& kv) {
        const auto& at = std::get<SubnetKey>(key);
        auto record = decode_subnet_record(kv.value);
        if (!record) return complaints.push_back(complaint(kv.key, record.error()));
        state.subnets.push_back({at.vni, at.prefix, record->host, record->vtep, record->mac});
    });
}

} // namespace cnet::cluster
