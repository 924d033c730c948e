// Hosts that claim, give back, die, lose answers and hear late, in random order: whatever happens,
// no address is anybody else's while somebody believes to have it.
#include <random>

#include "tests/unit/cluster/member_world.h"
#include "userspace/cluster/records.h"

namespace cnet::test {
namespace {

constexpr unsigned kHosts = 5;
constexpr unsigned kAddresses = 12; // few, so that they are fought for
constexpr unsigned kSteps = 4000;

class Crowd {
public:
    explicit Crowd(unsigned seed) : random_(seed) {
        for (unsigned i = 0; i < kHosts; i++) {
            auto host = std::make_unique<Host>(etcd_, "h" + std::to_string(i),
                                               "192.0.2." + std::to_string(i + 1));
            host->publish();
            host->connect(++lease_);
            hosts_.push_back(std::move(host));
        }
        EXPECT_TRUE(hosts_[0]->member.refresh());
        EXPECT_TRUE(hosts_[0]->member.create_network(network_of("over", 4096)));
        for (auto& host : hosts_)
            host->hear();
    }

    void step() {
        Host& host = *hosts_[below(kHosts)];
        switch (below(9)) {
        case 0:
        case 1:
        case 2:
            return claim(host);
        case 3:
            if (!host.own.endpoints.empty())
                host.remove(host.own.endpoints[below(host.own.endpoints.size())].name);
            return;
        case 4:
            host.hear();
            return;
        case 5: // answers are lost, some or all
            host.kv.answers_lost = int(below(6));
            claim(host);
            host.kv.answers_lost = 0;
            return;
        case 6: // breaks off in the middle
            host.kv.calls_left = below(3);
            claim(host);
            host.kv.calls_left.reset();
            host.hear();
            return;
        case 7: // the lease ends; it comes back with another
            etcd_.expire(host.lease);
            host.connect(++lease_);
            return;
        case 8: // a new process: what it has is what it had stored
            host.connect(++lease_);
            host.publish();
            return;
        }
    }

    void check() {
        std::map<IpAddress, std::string> holders;
        for (auto& host : hosts_) {
            for (const auto& endpoint : host->own.endpoints) {
                auto [holder, first] = holders.emplace(endpoint.addresses[0], host->name);
                ASSERT_TRUE(first) << endpoint.addresses[0].to_string() << " is of "
                                   << holder->second << " and " << host->name;
            }
        }
    }

    // Everybody hears everything: nothing is claimed that nobody has.
    void settle() {
        for (int round = 0; round < 3; round++) {
            for (auto& host : hosts_) {
                host->member.take({cluster::News{}});
                host->hear();
                host->publish();
            }
        }
        size_t endpoints = 0;
        for (auto& host : hosts_)
            endpoints += host->own.endpoints.size();
        EXPECT_EQ(etcd_.keys("/cnet/v1/addresses/").size(), endpoints);
        EXPECT_EQ(etcd_.keys("/cnet/v1/macs/").size(), endpoints);
        EXPECT_EQ(etcd_.keys("/cnet/v1/endpoints/").size(), endpoints);
        for (auto& host : hosts_)
            EXPECT_EQ(host->member.state().endpoints.size(),
                      endpoints - host->own.endpoints.size());
    }

private:
    size_t below(size_t limit) {
        return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
    }

    void claim(Host& host) {
        control::ClusterEndpoint endpoint;
        endpoint.network = "over";
        endpoint.vni = 4096;
        endpoint.name = "e" + std::to_string(++serial_);
        endpoint.addresses = {IpAddress::from_v4(0x0a630002 + uint32_t(below(kAddresses)))};
        endpoint.mac = MacAddress({2, 0, 0, 0, uint8_t(serial_ >> 8), uint8_t(serial_)});
        static_cast<void>(static_cast<bool>(host.add(endpoint)));
    }

    std::mt19937 random_;
    FakeEtcd etcd_;
    std::vector<std::unique_ptr<Host>> hosts_;
    int64_t lease_ = 100;
    unsigned serial_ = 0;
};

class HostsTest : public ::testing::TestWithParam<unsigned> {};

TEST_P(HostsTest, NoAddressIsGivenTwice) {
    Crowd crowd(GetParam());
    for (unsigned i = 0; i < kSteps && !HasFatalFailure(); i++) {
        crowd.step();
        crowd.check();
    }
    crowd.settle();
}

INSTANTIATE_TEST_SUITE_P(Seeds, HostsTest, ::testing::Range(1u, 9u));

} // namespace
} // namespace cnet::test
