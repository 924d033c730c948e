// What this host knows of the keys in etcd: a snapshot, brought forward by the watch and by its own
// transactions. Pure.
//
// A transaction of ours is in the picture at once, and its event comes later. Whatever the watch
// says of such a key from before the transaction is passed over.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/cluster/keys.h"
#include "userspace/cluster/records.h"
#include "userspace/control/cluster.h"
#include "userspace/etcd/kv.h"

namespace cnet::cluster {

class Picture {
public:
    Picture(Keys keys, std::string own_host)
        : keys_(std::move(keys)), own_host_(std::move(own_host)) {}

    const Keys& keys() const { return keys_; }
    const std::string& own_host() const { return own_host_; }
    int64_t revision() const { return revision_; } // 0: nothing was read yet

    // Everything below the root, at `revision`.
    void reset(std::vector<etcd::KeyValue> all, int64_t revision);
    // Everything below `prefix`, as read after what is known.
    void replace(const std::string& prefix, std::vector<etcd::KeyValue> all, int64_t revision);
    void apply(const std::vector<etcd::Event>& events, int64_t revision);
    // Whether one of them says something new of this host's records. Before apply().
    bool concerns_us(const std::vector<etcd::Event>& events) const;
    // What a transaction of ours did.
    void note_put(const etcd::Put& put, int64_t revision);
    void note_delete(const std::string& key, int64_t revision);
    // As a failed transaction read it.
    void note_read(const etcd::KeyValue& read);

    // Null when there is no such key.
    const etcd::KeyValue* find(const Key& key) const;
    std::vector<const etcd::KeyValue*> below(const std::string& prefix) const;
    // Claims and endpoint records that name this host.
    std::vector<const etcd::KeyValue*> own_claims() const;
    std::vector<const etcd::KeyValue*> own_endpoints() const { return own_below("endpoints/"); }
    std::vector<const etcd::KeyValue*> own_subnets() const { return own_below("subnets/"); }
    std::vector<std::string> claims_of(const std::string& host) const; // keys

    // Records that make no sense and hosts that clash are left out and told of in `complaints`.
    control::ClusterState state(std::vector<std::string>& complaints) const;

private:
    bool is_own(const std::string& key, const std::string& value) const;
    std::vector<const etcd::KeyValue*> own_below(const std::string& kind) const;
    void set(const etcd::KeyValue& kv);
    void unset(const std::string& key);
    template <typename Visit> void for_each(const std::string& kind, Visit visit) const;
    void add_networks(control::ClusterState& state, std::vector<std::string>& complaints) const;
    void add_hosts(control::ClusterState& state, std::vector<std::string>& complaints) const;
    void add_endpoints(control::ClusterState& state, std::vector<std::string>& complaints) const;
    void add_subnets(control::ClusterState& state, std::vector<std::string>& complaints) const;

    Keys keys_;
    std::string own_host_;
    int64_t revision_ = 0; // up to which the watch has told everything
    std::map<std::string, etcd::KeyValue> entries_;
    std::set<std::string> own_;                  // keys of those that name this host
    std::map<std::string, int64_t> own_changes_; // by key: revisions whose events are to come
};

} // namespace cnet::cluster
