// Hosts around one etcd, each with what it has told and what it has heard.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/cluster/fake_etcd.h"
#include "userspace/cluster/member.h"

namespace cnet::test {

inline IpAddress ip(const std::string& text) {
    return *IpAddress::parse(text);
}
inline MacAddress mac(const std::string& text) {
    return *MacAddress::parse(text);
}

inline control::Network network_of(const std::string& name, uint32_t vni,
                                   const std::string& subnet = "10.99.0.0/24") {
    control::Network network;
    network.name = name;
    network.vni = vni;
    network.mtu_derived = true;
    const IpPrefix prefix = *IpPrefix::parse(subnet);
    auto gateway = prefix.network().bytes();
    gateway[15]++;
    network.subnets = {{prefix, *IpAddress::from_bytes(gateway.data(), gateway.size()), {}}};
    return network;
}

// Each host has a part of 10.244.0.0/`length`, four in all.
inline control::Network pool_of(const std::string& name, uint32_t vni, unsigned length = 22) {
    control::Network network;
    network.name = name;
    network.vni = vni;
    network.mtu_derived = true;
    network.mode = control::Mode::kRouted;
    network.pool = control::HostPool{IpPrefix(ip("10.244.0.0"), length), length + 2};
    return network;
}

inline control::ClusterEndpoint endpoint_of(const std::string& network, const std::string& name,
                                            const std::string& address,
                                            const std::string& mac_text) {
    control::ClusterEndpoint endpoint;
    endpoint.network = network;
    endpoint.vni = 4096;
    endpoint.name = name;
    endpoint.addresses = {ip(address)};
    endpoint.mac = mac(mac_text);
    return endpoint;
}

struct Host {
    Host(FakeEtcd& etcd_, const std::string& name_, const std::string& vtep,
         const std::string& id = {})
        : etcd(etcd_), name(name_), kv(etcd_),
          member({"/cnet/", name_, id.empty() ? "id-" + name_ : id, 4096, 4099}, kv) {
        own.vteps = {ip(vtep)};
    }

    // A follower that comes, with a lease of its own.
    void connect(int64_t lease_) {
        lease = lease_;
        heard = etcd.history.size();
        member.take({cluster::Snapshot{lease, etcd.range("/cnet/v1/")}});
    }
    // What happened since.
    bool hear() {
        etcd::WatchBatch batch;
        batch.events.assign(etcd.history.begin() + static_cast<long>(heard), etcd.history.end());
        batch.revision = etcd.revision;
        heard = etcd.history.size();
        return member.take({cluster::News{batch}});
    }
    void publish() { member.publish(own); }

    // What a command does: agree, then have it.
    Status add(const control::ClusterEndpoint& endpoint) {
        Status claimed = member.claim(endpoint);
        if (!claimed) return claimed;
        own.endpoints.push_back(endpoint);
        publish();
        return {};
    }
    void remove(const std::string& endpoint) {
        std::erase_if(own.endpoints, [&](const auto& e) { return e.name == endpoint; });
        publish();
    }

    FakeEtcd& etcd;
    std::string name;
    FakeKv kv;
    cluster::Member member;
    control::OwnRecords own;
    int64_t lease = 0;
    size_t heard = 0;
};

// A world whose controller is of a cluster, and another member beside it.
template <class Alone> class InCluster : public Alone {
protected:
    void SetUp() override {
        this->cluster = &host.member;
        Alone::SetUp();
        b.publish();
        b.connect(12);
        host.connect(11);
        hear();
    }
    // The other host's news, and this one's.
    void hear() {
        b.hear();
        if (host.hear()) {
            EXPECT_TRUE(this->controller->follow_cluster());
        }
        b.hear();
    }
    void make_at_b(const std::string& name, uint32_t vni, const std::string& subnet) {
        ASSERT_TRUE(b.member.refresh());
        auto made = b.member.create_network(network_of(name, vni, subnet));
        ASSERT_TRUE(made) << made.error().message();
    }

    FakeEtcd etcd;
    Host host{etcd, "a", "192.0.2.2"};
    Host b{etcd, "b", "192.0.2.9"};
};

class Hosts : public ::testing::Test {
protected:
    Hosts() {
        a.publish();
        b.publish();
        a.connect(11);
        b.connect(12);
        a.hear();
    }

    // Agreed on by host `a`, and heard by both.
    void make_network(const std::string& name, uint32_t vni,
                      const std::string& subnet = "10.99.0.0/24") {
        ASSERT_TRUE(a.member.refresh());
        auto made = a.member.create_network(network_of(name, vni, subnet));
        ASSERT_TRUE(made) << made.error().message();
        hear();
    }
    void hear() {
        a.hear();
        b.hear();
    }

    FakeEtcd etcd;
    Host a{etcd, "a", "192.0.2.1"};
    Host b{etcd, "b", "192.0.2.2"};
};

} // namespace cnet::test
