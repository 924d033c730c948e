// This host as a member of the cluster: control::Cluster over etcd. Every allocation is one
// transaction whose conditions say that nobody has it yet, so no address, MAC or VNI is given
// twice, whoever dies when. Addresses have no lease: a host that cannot be reached may still run
// its containers, so what it holds is given back by itself or by forget_host() alone.
//
// What a command left behind when it died between etcd and here is found by publish(): claims of
// this host that nobody here wants are given back.
//
// On the event loop's thread. The Follower's messages come in by take().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/cluster/follower.h"
#include "userspace/cluster/kv.h"
#include "userspace/cluster/picture.h"
#include "userspace/control/cluster.h"

namespace cnet::cluster {

struct MemberSettings {
    std::string prefix;  // ends in a slash
    std::string host;    // this host's name
    std::string host_id; // HostRecord::id
    uint32_t vni_min = 4096;
    uint32_t vni_max = 0xffffff;
};

class Member final : public control::Cluster {
public:
    Member(MemberSettings settings, Kv& kv);

    // Whether state() may have changed.
    bool take(std::vector<Message> messages);
    // Something could not be published and is to be tried again in a while.
    bool wants_retry() const { return connected_ && wants_retry_; }
    void retry() { sync(); }

    const std::string& host() const override { return settings_.host; }
    bool connected() const override { return connected_ && registered_ != 0; }
    Result<control::ClusterState> refresh() override;
    const control::ClusterState& state() const override { return look().state; }
    bool was_read() const override { return picture_.revision() != 0; }
    Result<control::Network> create_network(const control::Network& network) override;
    Status update_network(const control::Network& network) override;
    Status delete_network(const control::Network& network) override;
    std::optional<std::string> holder_of(uint32_t vni, const IpAddress& address) const override;
    Status claim(const control::ClusterEndpoint& endpoint) override;
    Result<control::ClusterSubnet> lease_subnet(const control::Network& network,
                                                const IpAddress& vtep) override;
    void publish(const control::OwnRecords& own) override;
    Status forget_host(const std::string& name) override;
    control::ClusterStatus status() const override;

private:
    using Conditions = std::vector<etcd::Compare>;
    using Operations = std::vector<etcd::Operation>;

    // Runs it, and brings the picture to what it did or read. When the answer is lost it is run
    // again: conditions that failed may have failed for its own success, so callers look at what is
    // there.
    Result<bool> commit(const Conditions& conditions, const Operations& then,
                        const Operations& otherwise = {});
    Status check_connected() const;
    Status check_registered() const;
    // What still_registered() has just denied.
    Error taken_out();
    std::optional<control::ClusterSubnet> own_subnet(uint32_t vni) const;
    // What the picture shows, read once after each change of it.
    struct Look {
        control::ClusterState state;
        std::vector<std::string> complaints;
    };
    const Look& look() const;
    // This host is in the cluster under its name, as it was when it registered.
    etcd::Compare still_registered() const;
    // "endpoint web of host b"
    std::optional<std::string> holder_of_key(const Key& key) const;
    uint32_t free_vni() const; // 0: none
    std::string who_is_in(const control::Network& network) const;

    // publish()'s steps, each doing nothing when nothing is to be done.
    void sync();
    Status register_host();
    Status renew_host_record();
    Status take_missing_claims();
    Status give_back_claims();
    Status put_subnets();
    Status put_endpoints();
    Status remove_endpoints();
    // In transactions of a size that etcd takes; each is on condition that its part holds.
    struct Step {
        Conditions conditions;
        etcd::Operation operation;
    };
    Status commit_all(const std::vector<Step>& steps);
    std::vector<Key> claim_keys(const control::ClusterEndpoint& endpoint) const;
    // The cluster has the network that the endpoint is in.
    bool has_network_of(const control::ClusterEndpoint& endpoint) const;
    bool is_ours(const Key& key, const control::ClusterEndpoint& endpoint) const;
    static std::string words_of(const Key& key); // "address 10.0.0.2"

    MemberSettings settings_;
    Kv& kv_;
    Picture picture_;
    mutable std::optional<Look> look_; // none: the picture has changed since
    control::OwnRecords own_;
    bool connected_ = false;
    Error away_{ErrorKind::kUnavailable, "etcd has not answered yet"};
    int64_t lease_ = 0;
    int64_t registered_ = 0;    // create_revision of our host record; 0: not registered
    int64_t networks_read_ = 0; // revision of the last refresh()
    bool wants_retry_ = false;
    bool have_own_ = false;              // publish() was called: nothing is given back before
    std::vector<std::string> conflicts_; // of the last sync
};

} // namespace cnet::cluster
