// How what this host has comes into etcd, again and again: after each change here, when etcd is
// back, when the lease is a new one. Every step compares with the picture and does what is missing.
#include <algorithm>
#include <set>

#include "userspace/cluster/member.h"

namespace cnet::cluster {

namespace {

using control::ClusterEndpoint;
using etcd::Compare;

// Of 128 that etcd takes by default (--max-txn-ops), for conditions and for operations.
constexpr size_t kStepsInTransaction = 50;

} // namespace

void Member::publish(const control::OwnRecords& own) {
    own_ = own;
    have_own_ = true;
    wants_retry_ = true;
    sync();
}

void Member::sync() {
    if (!have_own_ || !connected_ || lease_ == 0) return;
    wants_retry_ = false;
    conflicts_.clear();
    for (auto step : {&Member::register_host, &Member::renew_host_record, &Member::give_back_claims,
                      &Member::take_missing_claims, &Member::put_subnets, &Member::put_endpoints,
                      &Member::remove_endpoints}) {
        Status status = (this->*step)();
        if (status) continue;
        wants_retry_ = true;
        conflicts_.push_back(status.error().message());
        return;
    }
}

Status Member::register_host() {
    const etcd::KeyValue* known = picture_.find(HostKey{settings_.host});
    const etcd::KeyValue* alive = picture_.find(AliveKey{settings_.host});
    if (registered_ != 0 && known && known->create_revision == registered_ && alive &&
        alive->lease == lease_)
        return {};
    registered_ = 0;
    if (known) {
        auto record = decode_host(known->value);
        if (!record || record->id != settings_.host_id)
            return Error(ErrorKind::kConflict,
                         "the cluster has another machine of the name " + settings_.host +
                             ": give this one its own ([cluster] host), or forget the other "
                             "(peer delete)");
    }
    const std::string key = picture_.keys().of(HostKey{settings_.host});
    const etcd::Put put_alive{picture_.keys().of(AliveKey{settings_.host}), settings_.host_id,
                              lease_};
    Operations puts{put_alive};
    if (!known)
        puts.emplace_back(etcd::Put{key, encode(HostRecord{settings_.host_id, own_.vteps})});
    auto done =
        commit({known ? Compare::unchanged(*known) : Compare::absent(key)}, puts, {etcd::Get{key}});
    if (!done) return done.error();
    if (!*done) return Error(ErrorKind::kUnavailable, "host " + settings_.host + " changed: again");
    registered_ = picture_.find(HostKey{settings_.host})->create_revision;
    return {};
}

Status Member::renew_host_record() {
    const std::string value = encode(HostRecord{settings_.host_id, own_.vteps});
    const etcd::KeyValue* known = picture_.find(HostKey{settings_.host});
    if (known && known->value == value) return {};
    return commit_all(
        {{{still_registered()}, etcd::Put{picture_.keys().of(HostKey{settings_.host}), value}}});
}

Status Member::commit_all(const std::vector<Step>& steps) {
    for (size_t begin = 0; begin < steps.size(); begin += kStepsInTransaction) {
        const size_t end = std::min(begin + kStepsInTransaction, steps.size());
        Conditions conditions;
        Operations operations;
        for (size_t i = begin; i < end; i++) {
            conditions.insert(conditions.end(), steps[i].conditions.begin(),
                              steps[i].conditions.end());
            operations.push_back(steps[i].operation);
        }
        auto done = commit(conditions, operations);
        if (!done) return done.error();
        // The news that say why are on their way.
        if (!*done)
            return Error(ErrorKind::kUnavailable,
                         "the cluster's records changed at the same time: to be tried again");
    }
    return {};
}

bool Member::is_ours(const Key& key, const ClusterEndpoint& endpoint) const {
    const etcd::KeyValue* kv = picture_.find(key);
    if (!kv) return false;
    auto claim = decode_claim(kv->value);
    return claim && *claim == Claim{settings_.host, endpoint.name};
}

Status Member::give_back_claims() {
    std::set<std::string> wanted; // key and value
    for (const ClusterEndpoint& endpoint : own_.endpoints) {
        for (const Key& key : claim_keys(endpoint))
            wanted.insert(picture_.keys().of(key) + encode(Claim{settings_.host, endpoint.name}));
    }
    std::vector<Step> steps;
    for (const etcd::KeyValue* kv : picture_.own_claims()) {
        if (wanted.contains(kv->key + kv->value)) continue;
        steps.push_back({{Compare::unchanged(*kv)}, etcd::Delete{kv->key}});
    }
    std::set<std::string> subnets;
    for (const control::ClusterSubnet& subnet : own_.subnets)
        subnets.insert(picture_.keys().of(SubnetKey{subnet.vni, subnet.prefix}));
    for (const etcd::KeyValue* kv : picture_.own_subnets()) {
        if (!subnets.contains(kv->key))
            steps.push_back({{Compare::unchanged(*kv)}, etcd::Delete{kv->key}});
    }
    return commit_all(steps);
}

// What this host runs and did not claim, or not any more: it was forgotten while it was away, or
// etcd lost its memory.
Status Member::take_missing_claims() {
    for (const ClusterEndpoint& endpoint : own_.endpoints) {
        if (!has_network_of(endpoint)) {
            conflicts_.push_back("network " + endpoint.network + " of endpoint " + endpoint.name +
                                 " is not in the cluster any more");
            continue;
        }
        for (const Key& key : claim_keys(endpoint)) {
            if (is_ours(key, endpoint)) continue;
            const std::string text = picture_.keys().of(key);
            const std::string value = encode(Claim{settings_.host, endpoint.name});
            auto done = commit({still_registered(), Compare::absent(text)},
                               {etcd::Put{text, value}}, {etcd::Get{text}});
            if (!done) return done.error();
            if (!*done)
                conflicts_.push_back("endpoint " + endpoint.name + " has " + words_of(key) +
                                     ", which is " + holder_of_key(key).value_or("somebody") +
                                     " by now: other hosts do not hear of it");
        }
    }
    return {};
}

// Where this host is may change; and it may have been forgotten while it was away.
Status Member::put_subnets() {
    for (const control::ClusterSubnet& subnet : own_.subnets) {
        const Key key = SubnetKey{subnet.vni, subnet.prefix};
        const std::string text = picture_.keys().of(key);
        const std::string value = encode(SubnetRecord{settings_.host, subnet.vtep, subnet.mac});
        const etcd::KeyValue* known = picture_.find(key);
        if (known && known->value == value) continue;
        const auto holder = known ? decode_claim(known->value) : Result<Claim>(Claim{});
        const bool is_ours_to_write = !known || (holder && holder->host == settings_.host);
        Result<bool> done = false;
        if (is_ours_to_write) {
            done = commit(
                {still_registered(), known ? Compare::unchanged(*known) : Compare::absent(text)},
                {etcd::Put{text, value}}, {etcd::Get{text}});
            if (!done) return done.error();
        }
        if (!*done)
            conflicts_.push_back("subnet " + subnet.prefix.to_string() +
                                 " of this host is another's by now: other hosts do not route it "
                                 "here");
    }
    return {};
}

Status Member::put_endpoints() {
    std::vector<Step> steps;
    for (const ClusterEndpoint& endpoint : own_.endpoints) {
        const std::vector<Key> keys = claim_keys(endpoint);
        const bool all_ours = std::all_of(keys.begin(), keys.end(),
                                          [&](const Key& key) { return is_ours(key, endpoint); });
        if (!all_ours || !has_network_of(endpoint)) continue;
        const Key key = EndpointKey{endpoint.vni, settings_.host, endpoint.name};
        const std::string value =
            encode(EndpointRecord{endpoint.mac, endpoint.addresses, endpoint.aliases});
        const etcd::KeyValue* known = picture_.find(key);
        if (known && known->value == value && known->lease == lease_) continue;
        steps.push_back({{still_registered()}, etcd::Put{picture_.keys().of(key), value, lease_}});
    }
    return commit_all(steps);
}

Status Member::remove_endpoints() {
    std::set<std::string> wanted;
    for (const ClusterEndpoint& endpoint : own_.endpoints)
        wanted.insert(picture_.keys().of(EndpointKey{endpoint.vni, settings_.host, endpoint.name}));
    std::vector<Step> steps;
    for (const etcd::KeyValue* kv : picture_.own_endpoints()) {
        if (!wanted.contains(kv->key))
            steps.push_back({{still_registered()}, etcd::Delete{kv->key}});
    }
    return commit_all(steps);
}

} // namespace cnet::cluster
