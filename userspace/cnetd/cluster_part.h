// cnetd's part in a cluster: the member, what follows etcd for it, and who this host is.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "userspace/cluster/follower.h"
#include "userspace/cluster/member.h"
#include "userspace/cnetd/config.h"
#include "userspace/cnetd/event_loop.h"

namespace cnet::daemon {

class ClusterPart {
public:
    // `state` keeps this machine's identity.
    static Result<std::unique_ptr<ClusterPart>> open(const Config& config,
                                                     const std::filesystem::path& state);
    ClusterPart(const ClusterPart&) = delete;
    ClusterPart& operator=(const ClusterPart&) = delete;

    control::Cluster& member() { return member_; }
    // Begins to follow; `on_news` is called when the member's state may have changed.
    Status start(EventLoop& loop, std::function<void()> on_news);

private:
    ClusterPart(etcd::Client client, cluster::MemberSettings member,
                cluster::FollowerSettings follower)
        : kv_(std::move(client)), member_(std::move(member), kv_),
          follower_settings_(std::move(follower)) {}

    cluster::EtcdKv kv_;
    cluster::Member member_;
    cluster::FollowerSettings follower_settings_;
    std::unique_ptr<cluster::Follower> follower_;
    Timer retry_;
};

} // namespace cnet::daemon
